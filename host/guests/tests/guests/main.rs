//! Guests through the public surface: hostile and honest components, written as WAT against the real WIT, on the real host.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod answers;
mod cache;
mod cases;
mod faults;
mod loading;
mod support;
