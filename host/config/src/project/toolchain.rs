//! Where the programs of a project live. Launched commands see the system's own directories; a toolchain in a home directory has to be
//! granted, and this proposes the grant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use orc_domain::project::Argv;

/// Where launches find programs without a grant.
const SYSTEM: [&str; 4] = ["/usr", "/bin", "/sbin", "/lib"];

/// What cargo needs of its home. Never the whole of it: registry tokens live beside these.
const CARGO_HOME_PARTS: [&str; 4] = ["bin", "registry", "git", "config.toml"];

/// What the commands of a project need beyond the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolchain {
    /// Directories for `launch.read`.
    pub read: BTreeSet<String>,
    /// Variables for `launch.env`.
    pub env: BTreeMap<String, String>,
    /// Programs that are in none of the search path's directories.
    pub missing: BTreeSet<String>,
}

/// Looks the programs of these commands up in `path`, a search path as in `PATH`. `rustup` is rustup's home, where it is known.
pub fn toolchain<'a>(commands: impl IntoIterator<Item = &'a Argv>, path: &str, rustup: Option<&Path>) -> Toolchain {
    let mut found = Toolchain::default();
    let programs: BTreeSet<&str> = commands.into_iter().filter_map(|argv| argv.first()).map(String::as_str).collect();
    for program in programs.into_iter().filter(|program| !program.contains('/')) {
        match look_up(program, path) {
            None => _ = found.missing.insert(program.to_owned()),
            Some(file) if program == "cargo" => cargo(&file, rustup, &mut found),
            Some(file) => grant(&file, path, &mut found),
        }
    }
    found
}

fn look_up(program: &str, path: &str) -> Option<PathBuf> {
    let absolute = path.split(':').filter(|folder| folder.starts_with('/'));
    absolute.map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}

/// Grants where the program is and where it really is: the directory above `bin`, which has its libraries, or above `shims`, which has the
/// versions that pyenv and its like choose from.
fn grant(file: &Path, path: &str, found: &mut Toolchain) {
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    for place in [file, real.as_path()] {
        let Some(folder) = place.parent().filter(|_| !is_system(place)) else { continue };
        let inside = folder.ends_with("bin") || folder.ends_with("shims");
        let prefix = folder.parent().filter(|prefix| inside && is_of_one_tool(prefix));
        found.read.insert(prefix.unwrap_or(folder).to_string_lossy().into_owned());
        search(file, path, found);
    }
}

/// rustup's `cargo` is a proxy that finds the real one through these two directories, wherever the launch's `HOME` is. Without network,
/// cargo has to be told not to try.
fn cargo(file: &Path, rustup: Option<&Path>, found: &mut Toolchain) {
    let proxy = file.canonicalize().is_ok_and(|real| real.ends_with("rustup"));
    if is_system(file) && !proxy {
        return;
    }
    found.env.insert("CARGO_NET_OFFLINE".to_owned(), "true".to_owned());
    let Some(folder) = file.parent() else { return };
    let cargo_home = folder.parent().unwrap_or(folder);
    found.env.insert("CARGO_HOME".to_owned(), cargo_home.to_string_lossy().into_owned());
    let needed = CARGO_HOME_PARTS.iter().map(|part| cargo_home.join(part)).filter(|part| part.exists());
    found.read.extend(needed.map(|part| part.to_string_lossy().into_owned()));
    // Beside cargo's home is where rustup puts its own.
    let places = [rustup.map(Path::to_owned), Some(cargo_home.with_file_name(".rustup"))];
    if let Some(rustup) = places.into_iter().flatten().find(|folder| folder.is_dir()) {
        let rustup = rustup.to_string_lossy().into_owned();
        found.env.insert("RUSTUP_HOME".to_owned(), rustup.clone());
        found.read.insert(rustup);
    }
    search(file, "/usr/local/bin:/usr/bin:/bin", found);
}

/// Puts the program's directory before the system's in the launch's own search path.
fn search(file: &Path, path: &str, found: &mut Toolchain) {
    let Some(folder) = file.parent().map(|folder| folder.to_string_lossy().into_owned()).filter(|_| !is_system(file)) else { return };
    let system = path.split(':').filter(|part| is_system(Path::new(part)));
    let mut parts: Vec<String> = found.env.get("PATH").map(|old| old.split(':').map(str::to_owned).collect()).unwrap_or_default();
    if parts.is_empty() {
        parts.extend(system.map(str::to_owned));
    }
    if !parts.contains(&folder) {
        parts.insert(0, folder);
    }
    found.env.insert("PATH".to_owned(), parts.join(":"));
}

/// Whether a directory is a tool's own: not a home directory, and not what holds the data of all programs of a user.
fn is_of_one_tool(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    (hidden || path.components().count() > 3) && !path.ends_with(".local")
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|folder| path.starts_with(folder))
}
