//! Where a database lives: its file, the private directory beside it, and the lock that one process holds for as long as it owns both.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::geteuid;

use crate::StoreError;

const OPEN_FLAGS: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// The private directory of a database, `<db>.d`: socket, worktrees, transcripts, artifacts, cache, the owner's lock.
pub fn state_dir(db: &Path) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push(".d");
    PathBuf::from(name)
}

/// The path with its directory resolved, so that one database has one lock whichever way it is named. The file itself is not followed.
pub(crate) fn resolve(db: &Path) -> Result<PathBuf, StoreError> {
    let name = db.file_name().ok_or_else(|| unsafe_place(db, "it names no file"))?;
    let parent = db.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::canonicalize(parent) {
        Ok(parent) => Ok(parent.join(name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StoreError::Missing { path: db.to_owned() }),
        Err(error) => Err(StoreError::io("looking for the database", db)(error)),
    }
}

/// Makes the directories above `db` that are missing, for this user alone. Where everybody can write, a file that SQLite trusts (the WAL, a
/// journal) could be somebody else's.
pub(crate) fn make_parents(db: &Path) -> Result<(), StoreError> {
    let Some(parent) = db.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(StoreError::io("making the directory", parent))?;
    let found = fs::metadata(parent).map_err(StoreError::io("looking at the directory", parent))?;
    if found.mode() & 0o002 != 0 {
        return Err(StoreError::Shared { path: parent.to_owned(), mode: found.mode() & 0o7777 });
    }
    Ok(())
}

/// A plain file, not a link to one, on a disk of this machine.
pub(crate) fn check_file(db: &Path) -> Result<fs::Metadata, StoreError> {
    let found = match fs::symlink_metadata(db) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing { path: db.to_owned() }),
        Err(error) => return Err(StoreError::io("looking at the database", db)(error)),
    };
    if found.file_type().is_symlink() {
        return Err(unsafe_place(db, "it is a symbolic link"));
    }
    if !found.is_file() {
        return Err(unsafe_place(db, "it is no plain file"));
    }
    // SQLite's journal and ORC's lock go by the name: under another name there would be another of both for the same pages.
    if found.nlink() > 1 {
        return Err(unsafe_place(db, &format!("it has {} names (hard links): remove the others", found.nlink())));
    }
    refuse_network(db)?;
    Ok(found)
}

/// As [`check_file`], and nobody but this user may read or write it.
pub(crate) fn check_private_file(db: &Path) -> Result<(), StoreError> {
    check_private(db, &check_file(db)?)
}

fn check_private(path: &Path, found: &fs::Metadata) -> Result<(), StoreError> {
    if found.uid() != geteuid().as_raw() {
        return Err(unsafe_place(path, &format!("it belongs to the user with id {}", found.uid())));
    }
    if found.mode() & 0o077 != 0 {
        return Err(unsafe_place(path, &format!("other users can reach it (mode {:03o})", found.mode() & 0o777)));
    }
    Ok(())
}

/// WAL needs memory shared between processes, and locks that hold: file systems of other machines give neither.
fn refuse_network(path: &Path) -> Result<(), StoreError> {
    const NETWORK: [u32; 4] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42];
    let kind = rustix::fs::statfs(path).map_err(|error| StoreError::io("looking at the disk", path)(error.into()))?.f_type;
    // The kernel's type differs by platform; the magic numbers are 32 bits everywhere.
    if NETWORK.iter().any(|magic| i128::from(kind) & 0xffff_ffff == i128::from(*magic)) {
        return Err(unsafe_place(path, "it is on a network file system"));
    }
    Ok(())
}

/// Makes the private directory, or checks the one that is there.
pub(crate) fn private_dir(db: &Path) -> Result<PathBuf, StoreError> {
    let dir = state_dir(db);
    match DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io("making the private directory", &dir)(error)),
    }
    let found = fs::symlink_metadata(&dir).map_err(StoreError::io("looking at the private directory", &dir))?;
    if !found.is_dir() {
        return Err(unsafe_place(&dir, "it is no directory"));
    }
    check_private(&dir, &found)?;
    Ok(dir)
}

/// Makes a new file for this user alone; refuses what is there already.
pub(crate) fn new_private_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).custom_flags(OPEN_FLAGS).open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            StoreError::Exists { path: path.to_owned() }
        } else {
            StoreError::io("making the file", path)(error)
        }
    })
}

/// Makes the names in the directory of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(StoreError::io("flushing the directory", parent))
}

pub(crate) fn unsafe_place(path: &Path, why: &str) -> StoreError {
    StoreError::Unsafe { path: path.to_owned(), why: why.to_owned() }
}

/// The exclusive lock on a database, held until it is dropped or the process ends, however it ends.
///
/// The lock file is never removed: removing it would let two processes lock two files of one name. The process id inside is for messages.
#[derive(Debug)]
pub struct Ownership {
    db: PathBuf,
    _lock: File,
}

impl Ownership {
    /// Takes the lock, or says who has it. Makes the private directory beside the database where it is missing; the database need not exist.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another process has it; [`StoreError::Unsafe`] where others could reach the private directory.
    pub fn take(db: &Path) -> Result<Self, StoreError> {
        let db = resolve(db)?;
        let path = private_dir(&db)?.join("owner.lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(OPEN_FLAGS);
        let mut lock = options.open(&path).map_err(StoreError::io("opening the owner's lock", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Owned { pid: read_pid(&mut lock) }),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("locking", &path)(error)),
        }
        write_pid(&mut lock).map_err(StoreError::io("writing the owner's lock", &path))?;
        Ok(Self { db, _lock: lock })
    }

    /// The database, with its directory resolved.
    pub fn db(&self) -> &Path {
        &self.db
    }

    /// The private directory beside it.
    pub fn dir(&self) -> PathBuf {
        state_dir(&self.db)
    }
}

/// The exclusive lock on the database's file itself. [`Ownership`] goes by the file's name; a bind mount gives one file two names.
///
/// It is `flock(2)`'s, which SQLite's own locks have nothing to do with. But those are given up by the whole process as soon as it closes any
/// descriptor of the file: so none is closed here. One a file is kept and used again.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: Inode,
}

/// Device and number of a file.
type Inode = (u64, u64);

/// The descriptors that are kept, with whether this process holds the lock now. A kept descriptor keeps the number from being reused.
static FILES: Mutex<BTreeMap<Inode, (File, bool)>> = Mutex::new(BTreeMap::new());

impl FileLock {
    /// Takes the lock on the database, or says that somebody has it.
    ///
    /// # Errors
    /// [`StoreError::Owned`], and as [`check_file`].
    pub(crate) fn take(db: &Path) -> Result<Self, StoreError> {
        let found = check_file(db)?;
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match (found.dev(), found.ino()) {
            known if files.contains_key(&known) => known,
            _ => keep(&mut files, db)?,
        };
        let Some((kept, held)) = files.get_mut(&file) else { return Err(StoreError::Missing { path: db.to_owned() }) };
        if *held {
            return Err(StoreError::Owned { pid: Some(std::process::id()) });
        }
        match kept.try_lock() {
            Ok(()) => *held = true,
            Err(TryLockError::WouldBlock) => return Err(StoreError::Owned { pid: None }),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("locking", db)(error)),
        }
        Ok(Self { file })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, held)) = files.get_mut(&self.file) {
            *held = kept.unlock().is_err();
        }
    }
}

/// Opens the file for good; by what was opened, whatever the name leads to by now.
fn keep(files: &mut BTreeMap<Inode, (File, bool)>, db: &Path) -> Result<Inode, StoreError> {
    let opened = OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(db).map_err(StoreError::io("opening the database", db))?;
    let opened = ManuallyDrop::new(opened);
    let found = opened.metadata().map_err(StoreError::io("looking at the database", db))?;
    let file = (found.dev(), found.ino());
    files.entry(file).or_insert_with(|| (ManuallyDrop::into_inner(opened), false));
    Ok(file)
}

fn write_pid(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
