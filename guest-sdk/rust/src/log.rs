//! The call's log, for whoever debugs a guest. Needs the capability `log`. The host cuts it at a limit; a test sees it on standard error.

#[cfg(target_family = "wasm")]
use crate::bindings::base::orc::guest::log::{Level, write};

/// Details for the guest's author.
pub fn debug(message: &str) {
    #[cfg(target_family = "wasm")]
    write(Level::Debug, message);
    #[cfg(not(target_family = "wasm"))]
    show("debug", message);
}

/// What the guest did.
pub fn info(message: &str) {
    #[cfg(target_family = "wasm")]
    write(Level::Info, message);
    #[cfg(not(target_family = "wasm"))]
    show("info", message);
}

/// Something odd that did not change the answer.
pub fn warn(message: &str) {
    #[cfg(target_family = "wasm")]
    write(Level::Warn, message);
    #[cfg(not(target_family = "wasm"))]
    show("warn", message);
}

#[cfg(not(target_family = "wasm"))]
#[allow(clippy::print_stderr, reason = "only in native tests")]
fn show(level: &str, message: &str) {
    eprintln!("{level}: {message}");
}
