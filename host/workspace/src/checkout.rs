//! Checkouts: made, found again, removed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use orc_domain::untrusted::Untrusted;
use orc_domain::{ExecutionId, ProjectName};

use crate::git::object_id;
use crate::remove::remove_tree;
use crate::repository::{OwnRepository, private_dir};
use crate::{Result, Workspace, WorkspaceError, Workspaces, beneath, blocking, text};

/// The date of commits that stand for captured trees. It says nothing that could differ, so that one tree is one commit.
const NO_DATE: &str = "@946684800 +0000";

/// Who makes commits.
pub(crate) const fn identity(date: &str) -> [(&'static str, &str); 6] {
    [
        ("GIT_AUTHOR_NAME", "ORC"),
        ("GIT_AUTHOR_EMAIL", "orc@invalid"),
        ("GIT_AUTHOR_DATE", date),
        ("GIT_COMMITTER_NAME", "ORC"),
        ("GIT_COMMITTER_EMAIL", "orc@invalid"),
        ("GIT_COMMITTER_DATE", date),
    ]
}

/// What the index of the largest checkout may need, in bytes.
const INDEX_BYTES: u64 = 1 << 30;

impl Workspaces {
    /// Makes a writable checkout of a commit as `<state>/worktrees/<execution>/<name>`. The project's own checkout is neither read nor
    /// changed.
    ///
    /// # Errors
    /// [`WorkspaceError::ObjectGone`] for a commit that the project does not have, [`WorkspaceError::TooLarge`] for one that passes a
    /// bound of [`CollectionLimits`](crate::CollectionLimits), [`WorkspaceError::Altered`] for one whose objects are not what their ids
    /// say, [`WorkspaceError::Exists`], [`WorkspaceError::CheckoutName`], and what git and the disk say. Nothing is left behind then.
    pub async fn checkout(
        &self,
        project: &ProjectName,
        project_root: &Path,
        commit: &str,
        name: &str,
        execution: &ExecutionId,
    ) -> Result<Workspace> {
        let commit = object_id(commit)?;
        let found = self.project(project_root).await?;
        let own = self.own_for(project, &found).await?;
        self.add_worktree(project, &own, commit, commit, name, execution).await
    }

    /// Makes a fresh checkout of a captured tree, as a commit on top of the commit that work began with. The ignore rules stay those of
    /// that commit.
    ///
    /// # Errors
    /// As [`Workspaces::checkout`].
    pub async fn checkout_tree(
        &self,
        project: &ProjectName,
        base: &str,
        tree: &str,
        name: &str,
        execution: &ExecutionId,
    ) -> Result<Workspace> {
        let what = "make a commit of a captured tree";
        let own = self.own(project).await?;
        self.must_exist(&own, tree, "tree").await?;
        let (base, tree) = (object_id(base)?, object_id(tree)?);
        let mut call = self.on(what, &own).write(&own.dir).args(["commit-tree", "-p", base, "-m", "Captured by ORC", tree]);
        for (key, value) in identity(NO_DATE) {
            call = call.env(key, value);
        }
        let answer = call.run().await?;
        let commit = object_id(answer.line(what)?)?;
        self.add_worktree(project, &own, commit, base, name, execution).await
    }

    /// Removes a checkout, whatever a worker did to it. One that is gone is removed.
    ///
    /// # Errors
    /// When the disk refuses; what is left can be removed by another call.
    pub async fn remove(&self, workspace: &Workspace) -> Result<()> {
        self.remove_below(&workspace.path).await
    }

    /// Makes an empty directory for the home and the temporary files of an execution's processes, for this user alone. What was there is
    /// removed.
    ///
    /// # Errors
    /// [`WorkspaceError::CheckoutName`], and what the disk says.
    pub async fn scratch(&self, execution: &ExecutionId, name: &str) -> Result<PathBuf> {
        let dir = self.scratch_root().join(execution.as_str()).join(checkout_name(name)?);
        blocking(move || {
            removed(&dir)?;
            private_dir(&dir)?;
            Ok(dir)
        })
        .await
    }

    /// Removes all checkouts and scratch directories of an execution. Safe to repeat, and after a crash in the middle of anything.
    ///
    /// # Errors
    /// As [`Workspaces::remove`].
    pub async fn remove_execution(&self, execution: &ExecutionId) -> Result<()> {
        let scratch = self.scratch_root().join(execution.as_str());
        blocking(move || removed(&scratch)).await?;
        self.remove_below(&self.worktrees_root().join(execution.as_str())).await
    }

    /// Removes a directory with the checkouts in it, then their git directories.
    async fn remove_below(&self, dir: &Path) -> Result<()> {
        let (dir, git_root) = (dir.to_owned(), self.git_root());
        let checkouts = dir.clone();
        blocking(move || removed(&checkouts)).await?;
        let _alone = self.worktrees.lock().await;
        blocking(move || worktrees_below(&git_root, &dir)?.iter().try_for_each(|git_dir| removed(git_dir))).await
    }

    /// Executions that have checkouts or scratch directories now.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub async fn executions(&self) -> Result<BTreeSet<ExecutionId>> {
        let roots = [self.worktrees_root(), self.scratch_root()];
        blocking(move || {
            let names = roots.iter().map(|root| list(root)).collect::<Result<Vec<_>>>()?.concat();
            Ok(names.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect())
        })
        .await
    }

    /// Removes the checkouts and scratch directories of those executions that are over; returns which had any.
    ///
    /// # Errors
    /// As [`Workspaces::remove`], at the first that cannot be removed.
    pub async fn prune(&self, over: &BTreeSet<ExecutionId>) -> Result<BTreeSet<ExecutionId>> {
        let present = self.executions().await?;
        let leftovers: BTreeSet<_> = present.intersection(over).cloned().collect();
        for execution in &leftovers {
            self.remove_execution(execution).await?;
        }
        Ok(leftovers)
    }

    async fn add_worktree(
        &self,
        project: &ProjectName,
        own: &OwnRepository,
        commit: &str,
        rules: &str,
        name: &str,
        execution: &ExecutionId,
    ) -> Result<Workspace> {
        self.must_exist(own, commit, "commit").await?;
        self.must_fit(own, commit).await?;
        let dir = self.worktrees_root().join(execution.as_str());
        let path = dir.join(checkout_name(name)?);
        let reserved = path.clone();
        blocking(move || reserve(&reserved)).await?;
        match self.fill(own, &dir, &path, commit).await {
            Ok(git_dir) => Ok(Workspace { project: project.clone(), path, git_dir, base: commit.to_owned(), rules: rules.to_owned() }),
            Err(error) => {
                if let Err(second) = self.remove_below(&path).await {
                    tracing::warn!(error = %second, "a failed checkout could not be removed; removing its execution tries again");
                }
                Err(error)
            }
        }
    }

    /// Adds a worktree and fills it; returns its git directory.
    async fn fill(&self, own: &OwnRepository, dir: &Path, path: &Path, commit: &str) -> Result<PathBuf> {
        let alone = self.worktrees.lock().await;
        // Locked, so that no `git worktree prune` takes its git directory away when a worker removes the `.git` file.
        let args = ["worktree", "add", "--detach", "--no-checkout", "--lock", "--reason=orc", "--quiet", "--", text(path)?, commit];
        self.on("add a worktree", own).write(&own.dir).write(dir).args(args).run().await?;
        let git_dir = self.adopt(own, path).await?;
        drop(alone);
        let fill = self.git.call("fill a checkout", &git_dir).read(&own.borrowed).write(&own.dir).write(dir).work_tree(path);
        // A large file is streamed, and its object may hold more than it says.
        let fill = fill.file_bytes(self.limits.checkout_bytes.max(INDEX_BYTES));
        fill.args(["read-tree", "--reset", "-u", commit]).run().await?;
        self.prove(own, path, commit).await?;
        Ok(git_dir)
    }

    /// The git directory of a fresh checkout.
    async fn adopt(&self, own: &OwnRepository, path: &Path) -> Result<PathBuf> {
        let (worktrees, path) = (own.dir.join("worktrees"), path.to_owned());
        blocking(move || {
            let io = |source| WorkspaceError::Io { deed: "adopt the checkout", path: path.clone(), source };
            let pointer = beneath::read_small(&path.join(".git"), 8192).map_err(io)?.unwrap_or_default();
            let target = pointer.strip_prefix(b"gitdir: ").and_then(|rest| rest.strip_suffix(b"\n"));
            let git_dir = target.map(|target| PathBuf::from(std::ffi::OsStr::from_bytes(target)));
            git_dir.filter(|dir| dir.parent() == Some(&*worktrees)).ok_or(WorkspaceError::Answer { what: "add a worktree" })
        })
        .await
    }

    async fn must_exist(&self, own: &OwnRepository, id: &str, kind: &str) -> Result<()> {
        let object = format!("{}^{{{kind}}}", object_id(id)?);
        let answer = self.on("find an object", own).brief().args(["cat-file", "-e", &object]).run_or(&[1, 128]).await?;
        if answer.code == 0 { Ok(()) } else { Err(WorkspaceError::ObjectGone { id: Untrusted::new(id) }) }
    }
}

fn checkout_name(name: &str) -> Result<&str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let valid = name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(allowed);
    if valid { Ok(name) } else { Err(WorkspaceError::CheckoutName { name: Untrusted::new(name) }) }
}

/// Makes the empty directory of a checkout, which nobody else has then.
fn reserve(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), private_dir)?;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(WorkspaceError::Exists { path: path.to_owned() }),
        outcome => outcome.map_err(|source| WorkspaceError::Io { deed: "make the checkout", path: path.to_owned(), source }),
    }
}

fn removed(path: &Path) -> Result<()> {
    remove_tree(path).map_err(|source| WorkspaceError::Io { deed: "remove", path: path.to_owned(), source })
}

/// Git directories of worktrees whose checkout is or was at `prefix` or below, in all of ORC's repositories.
fn worktrees_below(git_root: &Path, prefix: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for own in list(git_root)? {
        for git_dir in list(&own.join("worktrees"))? {
            let file = git_dir.join("gitdir");
            let pointer = beneath::read_small(&file, 8192).map_err(|source| WorkspaceError::Io { deed: "read", path: file, source })?;
            let Some(mut pointer) = pointer else { continue };
            if pointer.last() == Some(&b'\n') {
                pointer.pop();
            }
            if PathBuf::from(std::ffi::OsString::from_vec(pointer)).starts_with(prefix) {
                found.push(git_dir);
            }
        }
    }
    Ok(found)
}

/// The paths in a directory; none where it does not exist.
fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| WorkspaceError::Io { deed: "list", path: dir.to_owned(), source };
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(io)?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(io(error)),
    }
}
