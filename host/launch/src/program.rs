//! Which file a program's name means, and what is in it.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use orc_domain::canonical::Digest;
use orc_domain::ports::LaunchError;
use orc_launch_helper::{Identity, Place};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::paths::utf8;

/// Digests kept at most; then all are forgotten.
const CACHED_DIGESTS: usize = 256;

/// A program as it will be executed.
pub(crate) struct Program {
    /// The path that is executed: as looked up, because programs read their own name.
    pub(crate) place: Place,
    /// The file behind it.
    pub(crate) resolved: PathBuf,
    /// Its content.
    pub(crate) digest: Digest,
}

/// What of a file's metadata changes when its content does; the change time cannot be set back by an ordinary user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) id: Identity,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            id: identity(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the content is the same, for a file that is held open: its change time moves when a name of it is added or removed.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        (self.id, self.size, self.modified) == (other.id, other.size, other.modified)
    }
}

pub(crate) fn identity(metadata: &Metadata) -> Identity {
    Identity { dev: metadata.dev(), ino: metadata.ino() }
}

/// Digests by stamp, so that `git` is not hashed at each of its hundred launches.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<HashMap<Stamp, Digest>>);

impl Digests {
    fn of(&self, file: &File, stamp: Stamp) -> io::Result<Digest> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&stamp) {
            return Ok(*known);
        }
        let digest = digest_of(file)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_DIGESTS {
            known.clear();
        }
        known.insert(stamp, digest);
        Ok(digest)
    }
}

/// The digest of a file from where it stands.
pub(crate) fn digest_of(mut file: &File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            length => hash.update(&chunk[..length]),
        }
    }
}

/// Looks a program up as `execvp` would, opens it and hashes it. `executable` are the resolved places that the grant lets execute.
pub(crate) fn look_up(name: &str, search: &str, cwd: &Path, executable: &[&Path], digests: &Digests) -> Result<Program, LaunchError> {
    let refuse = |why: String| LaunchError::Program { program: name.to_owned(), why };
    let found = if name.contains('/') {
        cwd.join(name)
    } else {
        in_path(name, search).ok_or_else(|| refuse(format!("not found in the grant's PATH ({search})")))?
    };
    let at = |what: &str, error: io::Error| refuse(format!("`{}` {what}: {error}", found.display()));
    let resolved = found.canonicalize().map_err(|error| at("cannot be found", error))?;
    if !executable.iter().any(|granted| resolved.starts_with(granted)) {
        return Err(refuse(format!(
            "`{}` is outside every directory that the grant lets execute: grant its directory with `read_execute`",
            resolved.display()
        )));
    }
    let (file, metadata) = open_regular(&resolved).map_err(|error| at("cannot be read", error))?;
    if metadata.mode() & 0o111 == 0 {
        return Err(refuse(format!("`{}` has no execute permission", resolved.display())));
    }
    let stamp = Stamp::of(&metadata);
    let digest = digests.of(&file, stamp).map_err(|error| at("cannot be read", error))?;
    let path = utf8(&found).map_err(refuse)?;
    Ok(Program { place: Place { path, id: stamp.id }, resolved, digest })
}

/// The first executable file of that name; the empty and the relative entries of a `PATH`, which mean the working directory, are passed over.
fn in_path(name: &str, search: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0);
    search.split(':').map(Path::new).filter(|entry| entry.is_absolute()).map(|entry| entry.join(name)).find(runs)
}

/// Opens without waiting, should a pipe stand there.
fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("it is no regular file")) }
}
