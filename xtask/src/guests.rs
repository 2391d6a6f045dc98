//! The stock guests: built for wasm32, put beside the host's binaries, where `orcctl init` and the tests find them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Step, binaries, cargo_command, root, run, target};
use crate::wasm_target::{self, TARGET};

fn workspace() -> PathBuf {
    root().join("phases/guests")
}

fn sdk() -> PathBuf {
    root().join("guest-sdk/rust")
}

/// Builds every stock guest and puts `NAME.wasm` and `NAME.toml` into `guests/` beside the host's binaries.
pub(crate) fn build() -> Step {
    let toolchain = wasm_target::ensure()?;
    let mut command = cargo_command();
    command.args(["build", "--release", "--locked", "--quiet", "--target", TARGET]).current_dir(workspace());
    command.env("CARGO_TARGET_DIR", target().join("guest-build"));
    if let Some(fallback) = toolchain {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut paths: Vec<PathBuf> = std::env::split_paths(&path).collect();
        paths.extend(fallback.path);
        let joined: OsString = std::env::join_paths(paths).map_err(|error| format!("PATH: {error}"))?;
        command.env("RUSTC", fallback.rustc).env("PATH", joined);
    }
    run("build the stock guests", &mut command)?;
    for guest in names()? {
        place(&guest).map_err(|error| format!("place the guest {guest}: {error}"))?;
    }
    Ok(())
}

/// Runs the tests of the SDK and of the guests natively: their logic is plain Rust.
pub(crate) fn test() -> Step {
    for (what, dir) in [("run the SDK's tests", sdk()), ("run the guests' own tests", workspace())] {
        let mut command = cargo_command();
        command.args(["test", "--locked", "--quiet", "--workspace"]).current_dir(dir);
        command.env("CARGO_TARGET_DIR", target().join("guest-build"));
        run(what, &mut command)?;
    }
    Ok(())
}

fn names() -> Result<Vec<String>, String> {
    let dir = workspace();
    let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let guests = entries.flatten().filter(|entry| entry.path().join("guest.toml").is_file());
    let mut names: Vec<String> = guests.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn place(guest: &str) -> std::io::Result<()> {
    let built = target().join("guest-build").join(TARGET).join("release").join(format!("{}.wasm", guest.replace('-', "_")));
    let to = binaries().join("guests");
    fs::create_dir_all(&to)?;
    replace(&built, &to.join(format!("{guest}.wasm")))?;
    replace(&workspace().join(guest).join("guest.toml"), &to.join(format!("{guest}.toml")))
}

/// Copies by rename, so that nobody reads half a file.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::rename(&part, to)
}
