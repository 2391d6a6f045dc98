//! A look at a project's git directory before git opens a file in it: git waits for ever on a pipe, and reads a device or an endless file
//! until its memory is gone. Only types and sizes are looked at; nothing is opened but directories.
//!
//! Pitfall: whoever writes there at the same time wins. Against him stands the wall time of a call, not this.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::{Result, WorkspaceError, shown};

/// Files that git reads whole, with the largest that is in order, in bytes.
const FILES: [(&str, u64); 4] = [("HEAD", 64 << 10), ("config", 1 << 20), ("packed-refs", 256 << 20), ("shallow", 16 << 20)];

/// The largest file of one ref, in bytes.
const REF_BYTES: u64 = 64 << 10;

/// Files and directories of one repository that are looked at; more would keep whoever plans waiting.
const MOST: usize = 2_000_000;

/// One look, through all directories of one repository.
pub(crate) struct Inspection<'a> {
    root: &'a Path,
    /// Files and directories that may still be met.
    left: usize,
}

impl<'a> Inspection<'a> {
    /// A look at the repository of the project at `root`.
    pub(crate) const fn of(root: &'a Path) -> Self {
        Self { root, left: MOST }
    }

    /// Looks at what git reads of a common directory: pointers, configuration, refs, objects.
    ///
    /// # Errors
    /// [`WorkspaceError::Repository`], naming the first file that is out of order; or what the disk says.
    pub(crate) fn common(&mut self, common: &Path) -> Result<()> {
        for (name, most) in FILES {
            self.followed(&common.join(name), Some(most))?;
        }
        self.beneath(&common.join("refs"), Some(REF_BYTES))?;
        self.beneath(&common.join("reftable"), None)?;
        self.objects(&common.join("objects"))
    }

    /// Looks at an object directory.
    ///
    /// # Errors
    /// As [`Inspection::common`].
    pub(crate) fn objects(&mut self, dir: &Path) -> Result<()> {
        self.beneath(dir, None)
    }

    /// A whole directory. The directory itself may be reached by a link, those in it may not: links to directories lead round in circles.
    fn beneath(&mut self, top: &Path, most: Option<u64>) -> Result<()> {
        let mut open: Vec<PathBuf> = vec![top.to_owned()];
        while let Some(dir) = open.pop() {
            let io = |source| WorkspaceError::Io { deed: "look at", path: dir.clone(), source };
            let entries = match fs::read_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && dir == top => return Ok(()),
                entries => entries.map_err(io)?,
            };
            for entry in entries {
                let entry = entry.map_err(io)?;
                let (path, kind) = (entry.path(), entry.file_type().map_err(io)?);
                self.left = self.left.checked_sub(1).ok_or_else(|| self.broken(&dir, "holds too many files: run `git gc` there"))?;
                if kind.is_dir() {
                    open.push(path);
                } else if most.is_some() || !kind.is_file() {
                    self.followed(&path, most)?;
                }
            }
        }
        Ok(())
    }

    /// What git would open at a path, wherever a link leads. What is not there, or not for this user, git passes over or reports itself.
    fn followed(&self, path: &Path, most: Option<u64>) -> Result<()> {
        match fs::metadata(path) {
            Ok(found) => problem(&found, most).map_or(Ok(()), |why| Err(self.broken(path, why))),
            Err(_) => Ok(()),
        }
    }

    fn broken(&self, path: &Path, why: &str) -> WorkspaceError {
        let why = format!("`{}` {why}", shown(path.as_os_str().as_bytes()).for_line(300));
        WorkspaceError::Repository { root: self.root.to_owned(), why }
    }
}

fn problem(found: &Metadata, most: Option<u64>) -> Option<&'static str> {
    if !found.is_file() {
        return Some(kind_problem(found.file_type()));
    }
    most.is_some_and(|most| found.len() > most).then_some("is larger than such a file ever is")
}

fn kind_problem(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "is or leads to a directory where git has a file"
    } else if kind.is_fifo() {
        "is a named pipe"
    } else if kind.is_socket() {
        "is a socket"
    } else {
        "is a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_directories_of_one_look_have_one_bound() {
        let dir = tempfile::TempDir::new().unwrap();
        for name in ["refs/heads/a", "objects/00/b", "objects/01/c"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let look = |left| Inspection { root: dir.path(), left }.common(dir.path());
        assert!(look(6).is_ok());
        assert!(look(5).unwrap_err().to_string().contains("too many files"));
    }
}
