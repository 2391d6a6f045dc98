//! The room's tests, through its public surface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod init;
mod project;
mod properties;
mod samples;
mod schemas;
mod snapshot;
mod support;
