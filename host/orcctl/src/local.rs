//! What local commands do without a host: read the root, check it, compile its rules. Nothing here decides about work.

use std::path::{Path, PathBuf};

use orc_config::{Checked, RootError, RootSnapshot};
use orc_domain::api::Problem;
use orc_domain::{ErrorCode, OrcError};
use orc_guests::{GuestsOptions, WasmGuests};
use orc_policy::Policy;

use crate::failure;

/// The content under the root, unchecked.
pub(crate) fn snapshot(root: &Path) -> Result<RootSnapshot, OrcError> {
    RootSnapshot::read(root).map_err(|error| {
        let refused = OrcError::from_source(ErrorCode::ConfigInvalid, format!("the root `{}` cannot be read", root.display()), &error);
        match error {
            RootError::NotARoot { .. } => refused.hint("`orcctl init` writes one, `--root` names another"),
            RootError::NotAFile { what: "a symbolic link", .. } => {
                refused.hint("put what it leads to in its place; only the directory that `--root` names may itself be a link")
            }
            RootError::Io { .. } => refused.hint("look at its permissions, or name another root with `--root`"),
            // The others say themselves what to do.
            _ => refused,
        }
    })
}

/// The content, checked.
pub(crate) fn checked(snapshot: &RootSnapshot) -> Result<Checked, Vec<Problem>> {
    orc_config::check(snapshot)
}

/// The rules of a checked root, compiled.
pub(crate) fn policy(checked: &Checked) -> Result<Policy, Vec<Problem>> {
    orc_engine::compile(checked)
}

/// The rules of the root, or the error that names its first problem.
pub(crate) fn rules_of(root: &Path) -> Result<(Checked, Policy), OrcError> {
    let checked = checked(&snapshot(root)?).map_err(|problems| OrcError::of_root(&problems))?;
    let policy = policy(&checked).map_err(|problems| OrcError::of_root(&problems))?;
    Ok((checked, policy))
}

/// Guests for one command: nothing cached, so that no key is needed.
pub(crate) fn guests() -> Result<WasmGuests, OrcError> {
    WasmGuests::new(GuestsOptions { cache_dir: None, cache_key: [0; 32], concurrent_calls: 4 })
        .map_err(|error| OrcError::from_source(ErrorCode::Internal, "guests cannot be run here", &error))
}

/// Reads a file, or standard input where it is `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, OrcError> {
    let failed = |error: std::io::Error| failure::io(&format!("cannot read `{}`", path.display()), &error);
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map_err(failed)?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(failed)
}

/// Writes a file of the root whole.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), OrcError> {
    orc_config::init::write_whole(path, text.as_bytes()).map_err(|error| failure::io(&format!("cannot write `{}`", path.display()), &error))
}

/// The directory of the stock guests: beside this program, or one directory up, where tests are.
pub(crate) fn stock_guests() -> Result<PathBuf, OrcError> {
    let program = std::env::current_exe().map_err(|error| failure::io("cannot say where this program is", &error))?;
    let found = program.ancestors().skip(1).take(2).map(|directory| directory.join("guests")).find(|directory| directory.is_dir());
    found.ok_or_else(|| {
        OrcError::new(ErrorCode::NotFound, format!("there are no stock guests beside `{}`", program.display()))
            .hint("build them with `cargo xtask build`, or install `guests/` beside the program")
    })
}
