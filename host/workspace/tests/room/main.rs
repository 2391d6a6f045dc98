//! The workspace room through its public surface, on real repositories, with real git.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test may fail as the test may")]

mod bounds;
mod capture;
mod checkout;
mod compare;
mod copy;
mod hostile;
mod lab;
mod prove;
mod resolve;
mod unconfined;
