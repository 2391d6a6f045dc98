//! Removing what a worker left: no link is followed, no depth exhausts descriptors or stack, no missing permission stops it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Directories that are open at a time; what lies deeper is moved up to the root of the removal first.
const OPEN_DEPTH: usize = 64;

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes a directory with all that is in it, or a file or link. One that is not there is removed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
            return Ok(rustix::fs::unlinkat(CWD, path, AtFlags::empty())?);
        }
        Ok(_) => {}
    }
    let mut removal = Removal { root: open_for_removal(CWD, path)?, moved: 0 };
    // What was too deep now lies in the root: again, until nothing was moved.
    loop {
        let before = removal.moved;
        let root = removal.root.try_clone()?;
        removal.empty(root.as_fd(), 0)?;
        if removal.moved == before {
            return Ok(rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR)?);
        }
    }
}

struct Removal {
    root: OwnedFd,
    moved: u64,
}

impl Removal {
    fn empty(&mut self, dir: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        // Names first: a directory that changes while it is read may skip entries.
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        names.iter().try_for_each(|name| self.entry(dir, name, depth))
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, depth: usize) -> io::Result<()> {
        match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        if depth >= OPEN_DEPTH {
            return self.move_up(dir, name);
        }
        let child = open_for_removal(dir, name)?;
        self.empty(child.as_fd(), depth + 1)?;
        match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
            // Something deeper was moved into the root, which may be the parent of this: the next round gets it.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        // Moving a directory rewrites its `..`: it has to be writable itself.
        drop(open_for_removal(dir, name)?);
        loop {
            let target = CString::new(format!(".orc-removed-{}", self.moved))?;
            self.moved += 1;
            match rustix::fs::renameat_with(dir, name, &self.root, &target, rustix::fs::RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

/// Opens a directory and makes sure that its owner may empty it.
fn open_for_removal(dir: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> io::Result<OwnedFd> {
    // `O_PATH` needs no permission on the directory itself; its mode is then changed through the descriptor, never through a name.
    let handle = rustix::fs::openat(dir, name, DIR | OFlags::PATH, Mode::empty())?;
    let through = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::chmodat(CWD, through.as_str(), Mode::RWXU, AtFlags::empty())?;
    }
    Ok(rustix::fs::openat(CWD, through.as_str(), OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?)
}
