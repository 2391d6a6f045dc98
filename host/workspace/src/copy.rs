//! Files of the project's own checkout that a workspace needs and git does not have: test settings, local certificates.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use orc_domain::Digest;
use orc_domain::untrusted::Untrusted;
use rustix::io::Errno;

use crate::beneath::{self, Content};
use crate::git::records;
use crate::repository::write_if_other;
use crate::{CopyRefusal, Result, Workspace, WorkspaceError, Workspaces, blocking};

/// In a workspace's git directory: the paths that were copied into it, each ended by NUL. They are never captured.
const COPIED: &str = "orc-copied";

struct CopyFile {
    path: String,
    bytes: Vec<u8>,
    executable: bool,
}

impl Workspaces {
    /// The digests of the files that a project entry's `copy` names, as they are now in the project's checkout.
    ///
    /// # Errors
    /// [`WorkspaceError::Copy`], naming the first file that is refused.
    pub async fn digests(&self, project_root: &Path, copy: &[String]) -> Result<BTreeMap<String, Digest>> {
        Ok(digests(&self.read_copies(project_root, copy).await?))
    }

    /// Copies those files into a workspace and returns the digest of what was written, to be compared with the plan's. They are left out
    /// of every capture.
    ///
    /// # Errors
    /// [`WorkspaceError::Copy`]; nothing is copied then.
    pub async fn copy_files(&self, workspace: &Workspace, project_root: &Path, copy: &[String]) -> Result<BTreeMap<String, Digest>> {
        let files = self.read_copies(project_root, copy).await?;
        self.refuse_tracked(workspace, &files).await?;
        let (root, git_dir) = (workspace.path.clone(), workspace.git_dir.clone());
        blocking(move || {
            // Before the first byte is there: a file that is copied but not noted could be captured.
            note(&git_dir, &files)?;
            let io = |source| WorkspaceError::Io { deed: "copy files into", path: root.clone(), source };
            let handle = beneath::open_root(&root).map_err(io)?;
            for file in &files {
                beneath::create(handle.as_fd(), file.path.as_bytes(), &file.bytes, file.executable).map_err(io)?;
            }
            Ok(digests(&files))
        })
        .await
    }

    async fn read_copies(&self, project_root: &Path, copy: &[String]) -> Result<Vec<CopyFile>> {
        let (root, copy, bound) = (project_root.to_owned(), copy.to_vec(), self.limits.copy_bytes);
        blocking(move || {
            let io = |source| WorkspaceError::Io { deed: "open the project", path: root.clone(), source };
            // The root itself may be named through a link; what is below it may not.
            let root = beneath::open_root(&fs::canonicalize(&root).map_err(io)?).map_err(io)?;
            copy.into_iter()
                .map(|path| match read_copy(root.as_fd(), &path, bound)? {
                    Ok((bytes, executable)) => Ok(CopyFile { path, bytes, executable }),
                    Err(why) => Err(WorkspaceError::Copy { path: Untrusted::new(path), why }),
                })
                .collect()
        })
        .await
    }

    async fn refuse_tracked(&self, workspace: &Workspace, files: &[CopyFile]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let own = self.own(&workspace.project).await?;
        let args = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", &workspace.base, "--"].map(str::to_owned);
        let paths = files.iter().map(|file| file.path.clone());
        let call = self.on("look for tracked files", &own).env("GIT_LITERAL_PATHSPECS", "1");
        let answer = call.args(args.into_iter().chain(paths)).run().await?;
        match records(&answer.stdout).next() {
            Some(path) => Err(WorkspaceError::Copy { path: crate::shown(path), why: CopyRefusal::Tracked }),
            None => Ok(()),
        }
    }
}

fn digests(files: &[CopyFile]) -> BTreeMap<String, Digest> {
    files.iter().map(|file| (file.path.clone(), Digest::of(&file.bytes))).collect()
}

fn read_copy(root: std::os::fd::BorrowedFd<'_>, path: &str, bound: u64) -> Result<Result<(Vec<u8>, bool), CopyRefusal>> {
    let in_git = path.split('/').any(|part| part.eq_ignore_ascii_case(".git"));
    if !beneath::is_plain(path.as_bytes()) || in_git {
        return Ok(Err(CopyRefusal::Path));
    }
    let io = |source| WorkspaceError::Io { deed: "read", path: PathBuf::from(path), source };
    let file = match beneath::open_file(root, path.as_bytes()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Err(CopyRefusal::Missing)),
        Err(Errno::LOOP) => return Ok(Err(CopyRefusal::Link)),
        // What `open` says of a socket or of a device without a driver.
        Err(Errno::NXIO | Errno::NODEV) => return Ok(Err(CopyRefusal::NotAFile)),
        Err(error) => return Err(io(error.into())),
    };
    Ok(match beneath::read_regular(file, bound).map_err(io)? {
        Content::Bytes(bytes, executable) => Ok((bytes, executable)),
        Content::NotAFile => Err(CopyRefusal::NotAFile),
        Content::TooLarge => Err(CopyRefusal::TooLarge { bound }),
    })
}

fn note(git_dir: &Path, files: &[CopyFile]) -> Result<()> {
    let mut paths = copied(git_dir)?;
    paths.extend(files.iter().map(|file| file.path.clone().into_bytes()));
    paths.sort();
    paths.dedup();
    let noted: Vec<u8> = paths.into_iter().flat_map(|path| path.into_iter().chain([0])).collect();
    write_if_other(&git_dir.join(COPIED), &noted)
}

/// The paths that were copied into a workspace.
pub(crate) fn copied(git_dir: &Path) -> Result<Vec<Vec<u8>>> {
    let path = git_dir.join(COPIED);
    let noted = beneath::read_small(&path, 1 << 20).map_err(|source| WorkspaceError::Io { deed: "read", path, source })?;
    Ok(records(&noted.unwrap_or_default()).map(<[u8]>::to_vec).collect())
}
