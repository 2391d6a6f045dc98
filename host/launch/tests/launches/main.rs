//! Real processes under the real helper. What must not be possible is attempted, by `examples/attempt.rs`, and its failure is the test.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in tests, helpers included, a failure is a panic")]
#![allow(clippy::disallowed_methods, reason = "tests are a host of their own: they start it, wait for it and ask the clock")]

mod ends;
mod files;
mod output;
mod processes;
mod refusals;
mod state;
mod support;
mod wire;
