//! The walk through a workspace after an attempt: what is there, by `lstat`, without opening a file or following a link.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;

use crate::{Refusal, Result, WorkspaceError, beneath};

/// A path below the workspace, with `/`, as bytes.
pub(crate) type RelPath = Vec<u8>;

/// What lies at a path; directories are elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    File(FileFacts),
    Link {
        /// Whether the target stays in the workspace, see [`stays_inside`].
        inside: bool,
    },
    /// Neither file nor link, or one that cannot be looked at.
    Bad(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub(crate) bytes: u64,
    pub(crate) hard_linked: bool,
    pub(crate) set_id: bool,
    pub(crate) readable: bool,
}

/// All of a workspace but the `.git` at its top.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) entries: BTreeMap<RelPath, Entry>,
    pub(crate) dirs: BTreeSet<RelPath>,
    /// Directories below the top that are repositories themselves.
    pub(crate) nested: BTreeSet<RelPath>,
}

/// Walks through `root`.
///
/// # Errors
/// When there are more than `bound` entries, or the root cannot be read.
pub(crate) fn walk(root: &Path, bound: usize) -> Result<Walk> {
    let io = |source| WorkspaceError::Io { deed: "read the workspace", path: root.to_owned(), source };
    let handle = beneath::open_root(root).map_err(io)?;
    let mut walk = Walk::default();
    let mut open = vec![RelPath::new()];
    while let Some(path) = open.pop() {
        match beneath::open_dir(handle.as_fd(), &path) {
            Ok(dir) => walk.directory(&dir, &path, &mut open).map_err(|error| io(error.into()))?,
            Err(Errno::NAMETOOLONG) => walk.bad(path, Refusal::TooDeep),
            Err(Errno::ACCESS) if !path.is_empty() => walk.bad(path, Refusal::Unreadable),
            Err(error) => return Err(io(error.into())),
        }
        if walk.entries.len() + walk.dirs.len() > bound {
            return Err(WorkspaceError::TooMany { path: root.to_owned(), bound });
        }
    }
    Ok(walk)
}

impl Walk {
    fn bad(&mut self, path: RelPath, why: Refusal) {
        self.dirs.remove(&path);
        self.entries.insert(path, Entry::Bad(why));
    }

    fn directory(&mut self, dir: &OwnedFd, path: &[u8], open: &mut Vec<RelPath>) -> Result<(), Errno> {
        // A bare repository needs no `.git` to run what its configuration says for whoever enters it.
        let mut bare = 0;
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            match name {
                b"." | b".." => continue,
                b".git" if path.is_empty() => continue,
                b".git" => {
                    self.nested.insert(path.to_owned());
                    continue;
                }
                b"HEAD" | b"objects" | b"refs" => bare += 1,
                _ => {}
            }
            let stat = match rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => stat?,
            };
            self.entry(dir.as_fd(), join(path, name), &stat, open);
        }
        if bare == 3 && !path.is_empty() {
            self.nested.insert(path.to_owned());
        }
        Ok(())
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, path: RelPath, stat: &Stat, open: &mut Vec<RelPath>) {
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.dirs.insert(path.clone());
                open.push(path);
                return;
            }
            FileType::RegularFile => Entry::File(FileFacts {
                bytes: u64::try_from(stat.st_size).unwrap_or(u64::MAX),
                hard_linked: stat.st_nlink > 1,
                set_id: stat.st_mode & 0o6000 != 0,
                readable: stat.st_mode & 0o400 != 0,
            }),
            FileType::Symlink => Entry::Link { inside: link_stays_inside(dir, &path) },
            FileType::Fifo => Entry::Bad(Refusal::Fifo),
            FileType::Socket => Entry::Bad(Refusal::Socket),
            _ => Entry::Bad(Refusal::Device),
        };
        self.entries.insert(path, found);
    }
}

fn join(dir: &[u8], name: &[u8]) -> RelPath {
    if dir.is_empty() { name.to_owned() } else { [dir, b"/", name].concat() }
}

fn link_stays_inside(dir: BorrowedFd<'_>, path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let depth = path.iter().filter(|byte| **byte == b'/').count();
    rustix::fs::readlinkat(dir, name, Vec::new()).is_ok_and(|target| stays_inside(target.to_bytes(), depth))
}

/// Whether a link `depth` directories below the top cannot leave the workspace, even by way of other such links: `..` stands only in
/// front, where it climbs real directories, and never above the top; behind a name it could climb out of where another link leads.
/// Nor may it enter the `.git` at the top.
fn stays_inside(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target.starts_with(b"/") {
        return false;
    }
    let parts = target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let mut climbed = 0;
    let mut named = false;
    for part in parts {
        if part == b".." {
            climbed += 1;
            if named || climbed > depth {
                return false;
            }
        } else {
            if part.eq_ignore_ascii_case(b".git") {
                return false;
            }
            named = true;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn links_that_stay_and_links_that_leave() {
        let table: [(&str, usize, bool); 16] = [
            ("file", 0, true),
            ("./dir/file", 0, true),
            ("../file", 1, true),
            ("../../x/y", 2, true),
            ("..", 1, true),
            (".", 0, true),
            ("..", 0, false),
            ("../../x", 1, false),
            ("/etc/passwd", 3, false),
            ("", 0, false),
            ("//etc", 0, false),
            ("dir/../../x", 1, false),
            // Harmless to the eye; with `dir` a link to the top it leads out.
            ("dir/../x", 0, false),
            (".git/config", 0, false),
            ("../.GIT/config", 1, false),
            ("./../x", 0, false),
        ];
        for (target, depth, expected) in table {
            assert_eq!(stays_inside(target.as_bytes(), depth), expected, "{target} at depth {depth}");
        }
    }
}
