//! The root's content, read once and whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orc_domain::Digest;
use orc_domain::untrusted::Untrusted;
use rustix::fs::{Mode, OFlags};

/// The folders that a rules revision is made of.
const FOLDERS: [&str; 3] = ["config", "policies", "phases"];
/// Largest file, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Most files.
const MAX_FILES: usize = 2000;
/// Deepest folder.
const MAX_DEPTH: usize = 16;
/// How often a root that moves while it is read is read again, and how long to wait between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(60);

/// Why a root cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// There is no `config/` in it.
    #[error("`{}` is no ORC root: it has no `config/` directory; make one with `orcctl init`, or name another with `--root`", path.display())]
    NotARoot {
        /// The path that was to be a root.
        path: PathBuf,
    },
    /// Something else than a regular file or a directory.
    #[error("`{path}` in the root is {what}; only regular files and directories can be part of a rules revision: remove it")]
    NotAFile {
        /// Relative to the root, safe to show.
        path: String,
        /// As in "a symbolic link".
        what: &'static str,
    },
    /// A name that is not UTF-8 or has control characters.
    #[error("`{path}` in the root has a name that is not plain UTF-8 text: rename it")]
    BadName {
        /// Relative to the root, safe to show.
        path: String,
    },
    /// A file is too large.
    #[error("`{path}` in the root has {size} bytes, more than {MAX_FILE}")]
    TooLarge {
        /// Relative to the root.
        path: String,
        /// Its size, in bytes.
        size: u64,
    },
    /// Too many files, or folders too deep.
    #[error("the root has more than {MAX_FILES} files or folders deeper than {MAX_DEPTH} (at `{path}`): keep other things elsewhere")]
    TooMany {
        /// Where the count was passed.
        path: String,
    },
    /// It moved while it was read, again and again.
    #[error("`{path}` in the root is still being written: try again when it is saved")]
    StillBeingWritten {
        /// Relative to the root.
        path: String,
    },
    /// The file system says no.
    #[error("cannot read `{path}` in the root")]
    Io {
        /// Relative to the root, safe to show.
        path: String,
        /// What it says.
        #[source]
        source: io::Error,
    },
}

/// Everything under `config/`, `policies/` and `phases/` of a root, at one moment: the content of a rules revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSnapshot {
    /// Each file's bytes by its path relative to the root, with `/`.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl RootSnapshot {
    /// Reads a root. What editors leave behind (`*~`, `.#*`, `#*#`, `*.swp`, ...) and `.git` are passed over.
    ///
    /// A file that is being saved is noticed by a change of its size, times or identity between two looks, and the reading starts again.
    /// A writer that pauses in the middle for longer than a reading takes cannot be noticed: save by rename.
    ///
    /// # Errors
    /// When something in it can be no part of a rules revision, or it does not come to rest. Blocks for at most about a third of a second
    /// beside the reading itself.
    pub fn read(root: &Path) -> Result<Self, RootError> {
        Self::read_watched(root, || ())
    }

    /// As [`RootSnapshot::read`]; `between` is called between the reading and the second look, where a test lets the root move.
    fn read_watched(root: &Path, mut between: impl FnMut()) -> Result<Self, RootError> {
        if !root.join(FOLDERS[0]).is_dir() {
            return Err(RootError::NotARoot { path: root.to_owned() });
        }
        let mut moving = RootError::StillBeingWritten { path: FOLDERS[0].to_owned() };
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            match read_once(root, &mut between) {
                Err(error @ RootError::StillBeingWritten { .. }) => moving = error,
                done => return done,
            }
        }
        Err(moving)
    }

    /// A snapshot of content that was stored before.
    pub const fn from_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files }
    }

    /// The bytes of a file, by its path relative to the root.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The digest: SHA-256 over a version line and, for each file in the order of the paths' bytes, its path, a zero byte, its length
    /// (64 bits, big endian) and its SHA-256.
    pub fn digest(&self) -> Digest {
        let mut listing = b"orc-root-v1\n".to_vec();
        for (path, bytes) in &self.files {
            listing.extend(path.as_bytes());
            listing.push(0);
            listing.extend((bytes.len() as u64).to_be_bytes());
            listing.extend(Digest::of(bytes).as_bytes());
        }
        Digest::of(&listing)
    }
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn read_once(root: &Path, between: &mut impl FnMut()) -> Result<RootSnapshot, RootError> {
    let before = list(root)?;
    let mut files = BTreeMap::new();
    for (path, stamp) in &before {
        files.insert(path.clone(), read_file(root, path, stamp)?);
    }
    between();
    let after = list(root)?;
    match moved(&before, &after) {
        Some(path) => Err(RootError::StillBeingWritten { path }),
        None => Ok(RootSnapshot { files }),
    }
}

fn moved(before: &BTreeMap<String, Stamp>, after: &BTreeMap<String, Stamp>) -> Option<String> {
    let differs = |path: &&String| before.get(*path) != after.get(*path);
    before.keys().chain(after.keys()).find(differs).cloned()
}

fn list(root: &Path) -> Result<BTreeMap<String, Stamp>, RootError> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        match fs::symlink_metadata(root.join(folder)) {
            Ok(metadata) if metadata.is_dir() => walk(root, folder, 0, &mut found)?,
            Ok(metadata) => return Err(RootError::NotAFile { path: folder.to_owned(), what: kind_of(&metadata) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(RootError::Io { path: folder.to_owned(), source }),
        }
    }
    Ok(found)
}

fn walk(root: &Path, folder: &str, depth: usize, found: &mut BTreeMap<String, Stamp>) -> Result<(), RootError> {
    let at = |source| vanished(folder, source);
    for entry in fs::read_dir(root.join(folder)).map_err(at)? {
        let entry = entry.map_err(at)?;
        let name = entry.file_name();
        let lossy = name.to_string_lossy();
        if is_leftover(&lossy) {
            continue;
        }
        let path = format!("{folder}/{lossy}");
        if name.to_str().is_none_or(|name| name.chars().any(orc_domain::untrusted::is_hostile)) {
            return Err(RootError::BadName { path: shown(&path) });
        }
        let metadata = fs::symlink_metadata(entry.path()).map_err(|source| vanished(&path, source))?;
        if found.len() >= MAX_FILES || depth >= MAX_DEPTH {
            return Err(RootError::TooMany { path });
        }
        if metadata.is_dir() {
            walk(root, &path, depth + 1, found)?;
        } else if !metadata.is_file() {
            return Err(RootError::NotAFile { path, what: kind_of(&metadata) });
        } else if metadata.len() > MAX_FILE {
            return Err(RootError::TooLarge { path, size: metadata.len() });
        } else {
            found.insert(path, Stamp::of(&metadata));
        }
    }
    Ok(())
}

/// Reads exactly the file that was listed: not what a link that took its place leads to, and no more than it had.
fn read_file(root: &Path, path: &str, stamp: &Stamp) -> Result<Vec<u8>, RootError> {
    let moved = || RootError::StillBeingWritten { path: path.to_owned() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let descriptor = match rustix::fs::open(root.join(path), flags, Mode::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::LOOP) => return Err(moved()),
        Err(errno) => return Err(vanished(path, errno.into())),
    };
    let file = fs::File::from(descriptor);
    let io = |source| RootError::Io { path: path.to_owned(), source };
    if Stamp::of(&file.metadata().map_err(io)?) != *stamp {
        return Err(moved());
    }
    let mut bytes = Vec::new();
    (&file).take(stamp.size + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 != stamp.size || Stamp::of(&file.metadata().map_err(io)?) != *stamp {
        return Err(moved());
    }
    Ok(bytes)
}

/// What was listed and is gone was renamed: the sign of a save.
fn vanished(path: &str, source: io::Error) -> RootError {
    if source.kind() == io::ErrorKind::NotFound {
        RootError::StillBeingWritten { path: shown(path) }
    } else {
        RootError::Io { path: shown(path), source }
    }
}

fn shown(path: &str) -> String {
    Untrusted::new(path).for_line(200)
}

/// What editors, file managers and git leave behind.
fn is_leftover(name: &str) -> bool {
    const SUFFIXES: [&str; 6] = ["~", ".swp", ".swo", ".swx", ".bak", ".orig"];
    let emacs = name.starts_with(".#") || (name.starts_with('#') && name.ends_with('#'));
    // vim probes a directory by making and removing a file of this name.
    let named = matches!(name, ".git" | ".gitignore" | ".DS_Store" | "4913");
    emacs || named || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

fn kind_of(metadata: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () if kind.is_file() => "a file",
        () => "no regular file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root in which `change` happens while it is read, on each of the numbered readings.
    fn read_while(change: fn(&Path), readings: std::ops::Range<u32>) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        let file = folder.path().join("config/orc.yaml");
        fs::write(&file, "one\n").unwrap();
        let mut reading = 0;
        let between = || {
            if readings.contains(&reading) {
                change(&file);
            }
            reading += 1;
        };
        let snapshot = RootSnapshot::read_watched(folder.path(), between).map_err(|error| error.to_string())?;
        Ok(snapshot.files.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<Vec<_>>().join("|"))
    }

    fn append(file: &Path) {
        let mut text = fs::read_to_string(file).unwrap();
        text.push_str("more\n");
        fs::write(file, text).unwrap();
    }

    #[test]
    fn a_root_that_moved_is_read_again() {
        let replace = |file: &Path| {
            fs::write(file.with_extension("new~"), "two\n").unwrap();
            fs::rename(file.with_extension("new~"), file).unwrap();
        };
        type Change = fn(&Path);
        let changes: [(Change, &str); 5] = [
            (append, "one\nmore\n"),
            (replace, "two\n"),
            (|file| fs::write(file.with_file_name("a"), "new").unwrap(), "new|one\n"),
            (|file| fs::remove_file(file).unwrap(), ""),
            (|file| fs::write(file.with_file_name("orc.yaml~"), "a leftover").unwrap(), "one\n"),
        ];
        for (change, text) in changes {
            assert_eq!(read_while(change, 0..1).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_root_that_never_rests_is_said_to_be_in_the_middle_of_a_save() {
        let message = "`config/orc.yaml` in the root is still being written: try again when it is saved";
        assert_eq!(read_while(append, 0..TRIES), Err(message.to_owned()));
        assert!(read_while(append, 0..TRIES - 1).is_ok());
    }
}
