//! End-to-end tests on the real rooms. One binary, a module a theme.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests")]

mod authority_everywhere;
mod commands;
mod control;
mod crash;
mod drift;
mod evidence;
mod gates;
mod lifecycle;
mod refusals;
mod rules;
mod tampering;
mod workers;
