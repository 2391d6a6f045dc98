//! Starting cargo and orcctl, saying so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a task gives: nothing, or why it stopped.
pub(crate) type Step = Result<(), String>;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where the host's binaries are built, and stock guests are put beside them.
pub(crate) fn binaries() -> PathBuf {
    target().join("debug")
}

/// Runs cargo in the host's workspace.
pub(crate) fn cargo(what: &str, args: &[&str], more: &[String]) -> Step {
    let mut command = cargo_command();
    command.args(args).args(more).current_dir(root());
    run(what, &mut command)
}

/// Cargo, as this one was started.
pub(crate) fn cargo_command() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs the built orcctl.
pub(crate) fn orcctl(args: &[&str], more: &[String]) -> Step {
    let mut command = Command::new(binaries().join("orcctl"));
    command.args(args).args(more).current_dir(root());
    run(&format!("orcctl {}", args.join(" ")), &mut command)
}

/// Runs a command to its end, its output going where ours goes.
pub(crate) fn run(what: &str, command: &mut Command) -> Step {
    eprintln!("xtask: {what}");
    let status = command.status().map_err(|error| format!("{what}: cannot start {}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("{what}: ended with {status}")) }
}

/// Whether `cargo nextest` is there.
pub(crate) fn has_nextest() -> bool {
    let probe = cargo_command().args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}
