//! Files below a directory that somebody else filled: reached by descriptors with `openat2`, never through a link, never out of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Links and mount magic are never followed, and the path never leaves the root. A pipe does not block.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const FLAGS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// Opens the root of a walk; the last component must not be a link.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, FLAGS | OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())?)
}

/// Opens a directory below `root`; the empty path is the root itself.
pub(crate) fn open_dir(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    rustix::fs::openat2(root, path, FLAGS | OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty(), RESOLVE)
}

/// Opens a file below `root` for reading, whatever kind it is.
pub(crate) fn open_file(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(root, path, FLAGS | OFlags::RDONLY, Mode::empty(), RESOLVE)
}

/// What [`read_regular`] found.
pub(crate) enum Content {
    /// The bytes, and whether the owner may execute it.
    Bytes(Vec<u8>, bool),
    /// It is no regular file.
    NotAFile,
    /// It holds more than the bound.
    TooLarge,
}

/// Reads a regular file up to `max` bytes: by what is read, not by what `stat` says.
pub(crate) fn read_regular(file: OwnedFd, max: u64) -> io::Result<Content> {
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Content::NotAFile);
    }
    let mut bytes = Vec::new();
    File::from(file).take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Ok(Content::TooLarge);
    }
    Ok(Content::Bytes(bytes, stat.st_mode & 0o100 != 0))
}

/// Reads a small regular file at a path that ORC itself or the project's owner made.
pub(crate) fn read_small(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match rustix::fs::openat(CWD, path, OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::RDONLY, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match read_regular(file, max)? {
        Content::Bytes(bytes, _) => Ok(Some(bytes)),
        Content::NotAFile => Err(io::Error::other("it is not a regular file")),
        Content::TooLarge => Err(io::Error::other(format!("it is larger than {max} bytes"))),
    }
}

/// Whether every component is a plain name: no empty one, no `.` or `..`, nothing absolute.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    !path.contains(&0) && path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// Writes a new file below `root`, with the directories on its way; an existing file is replaced, a link on the way is an error.
pub(crate) fn create(root: BorrowedFd<'_>, path: &[u8], bytes: &[u8], executable: bool) -> io::Result<()> {
    if !is_plain(path) {
        return Err(Errno::INVAL.into());
    }
    let cut = path.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = cut.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    make_dirs(root, parent)?;
    let dir = open_dir(root, parent)?;
    match rustix::fs::unlinkat(&dir, name, rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let mode = if executable { Mode::RWXU } else { Mode::RUSR | Mode::WUSR };
    let file = rustix::fs::openat2(dir.as_fd(), name, FLAGS | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode, RESOLVE)?;
    File::from(file).write_all(bytes)
}

fn make_dirs(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<()> {
    let mut made = 0;
    while made < path.len() {
        let end = path[made..].iter().position(|byte| *byte == b'/').map_or(path.len(), |at| made + at);
        let parent = open_dir(root, path[..made].strip_suffix(b"/").unwrap_or(&path[..made]))?;
        match rustix::fs::mkdirat(&parent, &path[made..end], Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        made = end + 1;
    }
    Ok(())
}
