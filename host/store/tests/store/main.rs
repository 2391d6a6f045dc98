//! The store through its public surface, on real files, with real processes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test fails the test")]

mod audit;
mod crash;
mod guards;
mod lifecycle;
mod migrations;
mod opening;
mod ownership;
mod support;
mod transitions;
