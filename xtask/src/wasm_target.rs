//! The wasm32 target: there already, else by rustup within a bounded time, else its std built from Debian's packages, else a clear word.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{root, target};

/// The target of every guest.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

const RUSTUP_SECONDS: u64 = 60;

/// Another compiler for guests alone, where the active toolchain has no std for the target.
pub(crate) struct Fallback {
    /// The compiler.
    pub(crate) rustc: PathBuf,
    /// What must be on `PATH` for its linker.
    pub(crate) path: Vec<PathBuf>,
}

/// Makes the target available. `None`: the active toolchain has it.
pub(crate) fn ensure() -> Result<Option<Fallback>, String> {
    let sysroot = sysroot()?;
    if has_std(&sysroot) {
        return Ok(None);
    }
    eprintln!("xtask: add the target {TARGET} with rustup (at most {RUSTUP_SECONDS} s)");
    if rustup_adds() && has_std(&sysroot) {
        return Ok(None);
    }
    eprintln!("xtask: rustup could not supply it; build its std from Debian's packages (about a minute, 140 MB, nothing is installed)");
    from_debian().map(Some).map_err(|why| {
        format!(
            "the target {TARGET} is missing: {why}.\nRun `rustup target add {TARGET}` where the network allows it, or use a machine with apt-get, then run this again"
        )
    })
}

fn sysroot() -> Result<PathBuf, String> {
    let out = Command::new("rustc").args(["--print", "sysroot"]).output().map_err(|error| format!("cannot start rustc: {error}"))?;
    let text = String::from_utf8(out.stdout).map_err(|error| format!("rustc --print sysroot: {error}"))?;
    Ok(PathBuf::from(text.trim()))
}

fn has_std(sysroot: &Path) -> bool {
    let lib = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let entries = std::fs::read_dir(lib).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("libstd-"))
}

/// Not for ever: a server that accepts and never answers would hold a build for hours.
fn rustup_adds() -> bool {
    let Ok(mut child) = Command::new("rustup").args(["target", "add", TARGET]).stdin(Stdio::null()).spawn() else {
        return false;
    };
    let deadline = Instant::now() + Duration::from_secs(RUSTUP_SECONDS);
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(200)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn from_debian() -> Result<Fallback, String> {
    let script = root().join("xtask/wasm-std-from-debian.sh");
    let out = Command::new("bash").arg(script).arg(target().join("guest-toolchain")).stderr(Stdio::inherit()).output();
    let out = out.map_err(|error| format!("cannot start bash: {error}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines = text.lines().map(PathBuf::from);
    match lines.next() {
        Some(rustc) if out.status.success() => Ok(Fallback { rustc, path: lines.collect() }),
        _ => Err("neither rustup nor Debian's packages could supply it".to_owned()),
    }
}
