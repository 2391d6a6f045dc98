//! What nearly every program needs of a Linux system. Presets: the caller puts them into the plan, and the plan shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use orc_domain::grant::{Access, DirGrant};

/// Programs and their libraries.
const EXECUTABLE: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// What loaders, name lookups and TLS read, and nothing that holds a secret: not `/etc/shadow`, not `/etc/ssl/private`.
const READABLE: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/sys/devices/system/cpu",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];

/// Devices that swallow what is written to them. `/dev/tty` is absent: a launch has no terminal.
const WRITABLE: &[&str] = &["/dev/full", "/dev/null"];

/// The standard directories: programs and libraries to read and execute; the parts of `/etc`, `/proc`, `/sys` and `/dev` that ordinary
/// programs read. Existing paths only, symlinks resolved, none inside another; role `system`.
pub fn system_grant() -> Vec<DirGrant> {
    let executable = resolved(EXECUTABLE.iter().map(PathBuf::from));
    let interpreters = entries("/etc").filter(|path| has_prefix(path, &["python3", "perl"]));
    let readable = resolved(READABLE.iter().map(PathBuf::from).chain(interpreters));
    let writable = resolved(WRITABLE.iter().map(PathBuf::from));
    let covered = |path: &&PathBuf| !executable.iter().any(|outer| path.starts_with(outer));
    let grants = [
        grants(executable.iter(), Access::ReadExecute),
        grants(readable.iter().filter(covered), Access::Read),
        grants(writable.iter(), Access::Write),
    ];
    grants.concat()
}

/// The environment that a launch starts from: `PATH`, `LANG`, `TZ`, `HOME`, `TMPDIR`, and `CI=true`, because nobody is there to answer a
/// prompt and because snapshot tests must not write what they expect.
pub fn baseline_env(home: &str, tmp: &str) -> BTreeMap<String, String> {
    [("CI", "true"), ("HOME", home), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TMPDIR", tmp), ("TZ", "UTC")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Resolved, each once, without those that lie in another.
fn resolved(paths: impl Iterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
    let all: BTreeSet<PathBuf> = paths.filter_map(|path| path.canonicalize().ok()).collect();
    let inside = |path: &PathBuf| path.ancestors().skip(1).any(|outer| all.contains(outer));
    all.iter().filter(|path| !inside(path)).cloned().collect()
}

fn grants<'a>(paths: impl Iterator<Item = &'a PathBuf>, access: Access) -> Vec<DirGrant> {
    let grant = |path: &'a PathBuf| Some(DirGrant { path: path.to_str()?.to_owned(), access, role: "system".to_owned() });
    paths.filter_map(grant).collect()
}

fn entries(directory: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn has_prefix(path: &Path, prefixes: &[&str]) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}
