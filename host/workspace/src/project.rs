//! The project's own repository: found, looked at through a view, never written, its configuration never interpreted.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use orc_domain::Digest;
use orc_domain::nearest::nearest;
use orc_domain::plan::BaseCommit;
use orc_domain::untrusted::Untrusted;

use crate::git::{is_object_id, object_id, records};
use crate::inspect::Inspection;
use crate::repository::{ObjectFormat, RefFormat, write_head, write_repository};
use crate::{Reach, Result, WorkspaceError, Workspaces, beneath, blocking, text};

/// The largest pointer file (`.git`, `commondir`, `alternates`) that is read, in bytes.
const POINTER_BYTES: u64 = 64 * 1024;

/// How deep git follows alternates of alternates.
const ALTERNATES_DEPTH: usize = 5;

/// A project's repository, found and viewed.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    /// The repository's common directory: where refs and objects are.
    pub(crate) common: PathBuf,
    /// Its object directory and the alternates of it.
    pub(crate) objects: Vec<PathBuf>,
    pub(crate) format: ObjectFormat,
    /// The view through which git looks at it.
    pub(crate) view: PathBuf,
}

impl Project {
    /// What git needs to read when it looks through the view.
    fn reads(&self) -> Vec<PathBuf> {
        let mut reads = self.objects.clone();
        reads.push(self.common.clone());
        reads
    }
}

impl Workspaces {
    /// The commit that a branch of a project points at now.
    ///
    /// # Errors
    /// [`WorkspaceError::NotGit`] and its kin where the root is not the top of a repository with a commit;
    /// [`WorkspaceError::UnknownBranch`] with the nearest names.
    pub async fn resolve(&self, project_root: &Path, branch: &str) -> Result<BaseCommit> {
        let project = self.project(project_root).await?;
        let branches = self.branches(&project).await?;
        if branches.is_empty() {
            return Err(WorkspaceError::EmptyRepository { root: project.root });
        }
        let Some((_, tip)) = branches.iter().find(|(name, _)| name == branch.as_bytes()) else {
            let names: Vec<_> = branches.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
            let nearest = nearest(branch, &names).into_iter().map(Untrusted::new).collect();
            return Err(WorkspaceError::UnknownBranch { root: project.root, branch: Untrusted::new(branch), nearest });
        };
        if !self.has_commit(&project, tip).await? {
            return Err(WorkspaceError::ObjectGone { id: Untrusted::new(tip.as_str()) });
        }
        Ok(BaseCommit { branch: branch.to_owned(), commit: tip.clone() })
    }

    /// Whether the branch still reaches the planned commit, and by how many commits it moved on.
    ///
    /// # Errors
    /// When the repository itself cannot be looked at. A commit or branch that is gone is an answer.
    pub async fn reachability(&self, project_root: &Path, base: &BaseCommit) -> Result<Reach> {
        let gone = Reach { reachable: false, lag: 0 };
        let project = self.project(project_root).await?;
        let branches = self.branches(&project).await?;
        let Some((_, tip)) = branches.iter().find(|(name, _)| name == base.branch.as_bytes()) else {
            return Ok(gone);
        };
        if *tip == base.commit {
            return Ok(Reach { reachable: self.has_commit(&project, tip).await?, lag: 0 });
        }
        let commit = object_id(&base.commit)?;
        if !self.has_commit(&project, commit).await? {
            return Ok(gone);
        }
        let ancestry = self.look("compare commits", &project).args(["merge-base", "--is-ancestor", commit, tip]).run_or(&[1]).await?;
        if ancestry.code != 0 {
            return Ok(gone);
        }
        let what = "count commits";
        let count = self.look(what, &project).args(["rev-list", "--count", &format!("{commit}..{tip}"), "--"]).run().await?;
        let lag = count.line(what)?.parse().map_err(|_| WorkspaceError::Answer { what })?;
        Ok(Reach { reachable: true, lag })
    }

    /// A call that looks at the project through its view.
    fn look(&self, what: &'static str, project: &Project) -> crate::git::Call<'_> {
        self.git.call(what, &project.view).read(&project.reads()).brief()
    }

    async fn has_commit(&self, project: &Project, commit: &str) -> Result<bool> {
        let answer =
            self.look("find a commit", project).args(["cat-file", "-e", &format!("{commit}^{{commit}}")]).run_or(&[1, 128]).await?;
        Ok(answer.code == 0)
    }

    /// All branches with their tips.
    async fn branches(&self, project: &Project) -> Result<Vec<(Vec<u8>, String)>> {
        let what = "list branches";
        let answer = self.look(what, project).args(["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/"]).run().await?;
        let lines = answer.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| branch_line(line).ok_or(WorkspaceError::Answer { what })).collect()
    }

    /// Finds the repository of a project root and makes its view.
    pub(crate) async fn project(&self, root: &Path) -> Result<Project> {
        let (root, common, objects) = blocking({
            let (root, state) = (root.to_owned(), self.state.clone());
            move || {
                let (root, common) = locate(&root)?;
                refuse_state(&root, &common, &state)?;
                let mut inspection = Inspection::of(&root);
                inspection.common(&common)?;
                let objects = object_dirs(&root, &common.join("objects"), &common)?;
                objects.iter().skip(1).try_for_each(|dir| inspection.objects(dir))?;
                Ok((root, common, objects))
            }
        })
        .await?;
        let (format, refs) = self.formats(&root, &common).await?;
        let name = Digest::of(common.as_os_str().as_bytes()).short();
        let view = self.git_root().join("views").join(name);
        let project = Project { root, common, objects, format, view };
        let made = project.clone();
        blocking(move || make_view(&made, refs)).await?;
        Ok(project)
    }

    /// Reads the two formats out of the project's configuration: as data of a file, without includes.
    async fn formats(&self, root: &Path, common: &Path) -> Result<(ObjectFormat, RefFormat)> {
        let config = common.join("config");
        let git_root = self.git_root();
        let reader = git_root.join("views").join("reader");
        let made = reader.clone();
        blocking(move || write_repository(&made, ObjectFormat::Sha1)).await?;
        let file = format!("--file={}", text(&config)?);
        let call = self.git.call("read the repository's format", &reader).read(&[common.to_owned()]).brief();
        let answer = call.args(["config", &file, "--no-includes", "-z", "--get-regexp", r"^extensions\."]).run_or(&[1]).await?;
        let (mut format, mut refs) = (ObjectFormat::Sha1, RefFormat::Files);
        for record in records(&answer.stdout) {
            match record {
                b"extensions.objectformat\nsha1" | b"extensions.refstorage\nfiles" => {}
                b"extensions.objectformat\nsha256" => format = ObjectFormat::Sha256,
                b"extensions.refstorage\nreftable" => refs = RefFormat::Reftable,
                other if other.starts_with(b"extensions.objectformat\n") || other.starts_with(b"extensions.refstorage\n") => {
                    let why = format!("ORC does not know the format `{}`", crate::shown(other).for_line(80));
                    return Err(WorkspaceError::Repository { root: root.to_owned(), why });
                }
                _ => {}
            }
        }
        Ok((format, refs))
    }
}

fn branch_line(line: &[u8]) -> Option<(Vec<u8>, String)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let id = std::str::from_utf8(&line[..space]).ok().filter(|id| is_object_id(id))?;
    let name = line[space + 1..].strip_prefix(b"refs/heads/")?;
    Some((name.to_owned(), id.to_owned()))
}

/// The canonical root and the common directory of its repository.
fn locate(root: &Path) -> Result<(PathBuf, PathBuf)> {
    let root = fs::canonicalize(root).map_err(|source| WorkspaceError::NoProject { root: root.to_owned(), source })?;
    let broken = |why: &str| WorkspaceError::Repository { root: root.clone(), why: why.to_owned() };
    let dot_git = root.join(".git");
    let git_dir = match fs::metadata(&dot_git) {
        Ok(found) if found.is_dir() => dot_git,
        Ok(found) if found.is_file() => pointed(&root, &dot_git, Some("gitdir: "))?.ok_or_else(|| broken("`.git` points nowhere"))?,
        Ok(_) => return Err(broken("`.git` is neither a directory nor a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_a_top(root)),
        Err(source) => return Err(WorkspaceError::Io { deed: "look at", path: dot_git, source }),
    };
    let canonical =
        |path: PathBuf| fs::canonicalize(&path).map_err(|source| WorkspaceError::Io { deed: "find the git directory", path, source });
    let common = canonical(pointed(&git_dir, &git_dir.join("commondir"), None)?.unwrap_or_else(|| git_dir.clone()))?;
    if !common.starts_with(&root) && !is_linked_worktree(&root, &canonical(git_dir)?, &common)? {
        return Err(WorkspaceError::Elsewhere { root, dir: common });
    }
    if !common.join("objects").is_dir() {
        return Err(broken("its git directory has no `objects`"));
    }
    Ok((root, common))
}

/// Whether the repository at `common` itself says that `root` is a worktree of it. A pointer in the project alone could name any repository
/// that ORC's user can read.
fn is_linked_worktree(root: &Path, git_dir: &Path, common: &Path) -> Result<bool> {
    if git_dir.parent() != Some(&*common.join("worktrees")) {
        return Ok(false);
    }
    let back = pointed(git_dir, &git_dir.join("gitdir"), None)?.and_then(|back| fs::canonicalize(back).ok());
    Ok(back.is_some_and(|back| back == root.join(".git")))
}

/// ORC's own repositories hold the work of every project: none of them is a project's.
fn refuse_state(root: &Path, common: &Path, state: &Path) -> Result<()> {
    let state = fs::canonicalize(state).map_err(|source| WorkspaceError::Io { deed: "find", path: state.to_owned(), source })?;
    if common.starts_with(&state) {
        return Err(WorkspaceError::Elsewhere { root: root.to_owned(), dir: common.to_owned() });
    }
    Ok(())
}

/// Follows a pointer file, whose content may be relative to `from`.
fn pointed(from: &Path, file: &Path, prefix: Option<&str>) -> Result<Option<PathBuf>> {
    let io = |source| WorkspaceError::Io { deed: "read", path: file.to_owned(), source };
    let Some(bytes) = beneath::read_small(file, POINTER_BYTES).map_err(io)? else {
        return Ok(None);
    };
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let target = line.strip_prefix(prefix.unwrap_or_default().as_bytes()).filter(|target| !target.is_empty());
    Ok(target.map(|target| from.join(std::ffi::OsStr::from_bytes(target))))
}

fn not_a_top(root: PathBuf) -> WorkspaceError {
    if ["HEAD", "objects", "refs"].iter().all(|name| root.join(name).exists()) {
        return WorkspaceError::Bare { root };
    }
    match root.ancestors().skip(1).find(|dir| dir.join(".git").exists()) {
        Some(top) => WorkspaceError::NotTopLevel { top: top.to_owned(), root },
        None => WorkspaceError::NotGit { root },
    }
}

/// An object directory and, as git follows them, the alternates of it. Alternates that do not exist are left out, as git does. None may
/// lie outside `within`, the git directory that the objects are of: it would be another repository's.
fn object_dirs(root: &Path, objects: &Path, within: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(objects.to_owned(), ALTERNATES_DEPTH)];
    while let Some((dir, depth)) = open.pop() {
        let Ok(dir) = fs::canonicalize(dir) else { continue };
        if !dir.starts_with(within) {
            return Err(WorkspaceError::Borrows { root: root.to_owned(), git_dir: within.to_owned(), dir });
        }
        if !seen.insert(dir.clone()) {
            continue;
        }
        if depth > 0 {
            open.extend(alternates(root, &dir)?.into_iter().rev().map(|alternate| (alternate, depth - 1)));
        }
        found.push(dir);
    }
    Ok(found)
}

/// What `info/alternates` of an object directory names.
fn alternates(root: &Path, objects: &Path) -> Result<Vec<PathBuf>> {
    let read = beneath::read_small(&objects.join("info/alternates"), POINTER_BYTES);
    let text = read.map_err(|source| WorkspaceError::Io { deed: "follow the objects of", path: root.to_owned(), source })?;
    let text = text.unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !matches!(line[0], b'#' | b'"'));
    Ok(lines.map(|line| objects.join(std::ffi::OsStr::from_bytes(line))).collect())
}

/// The object directories that ORC's own repository borrows from: the project's, which ORC named there, and what that has now.
pub(crate) fn borrowed(own: &Path) -> Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for objects in alternates(own, &own.join("objects"))? {
        dirs.extend(object_dirs(own, &objects, objects.parent().unwrap_or(&objects))?);
    }
    Ok(dirs)
}

/// A git directory of ORC's own with links to the project's refs and objects, and none to its configuration, hooks or grafts.
fn make_view(project: &Project, refs: RefFormat) -> Result<()> {
    let io = |source| WorkspaceError::Io { deed: "make the view", path: project.view.clone(), source };
    write_head(&project.view, project.format, refs)?;
    for name in ["refs", "objects", "packed-refs", "shallow", "reftable"] {
        let (link, target) = (project.view.join(name), project.common.join(name));
        if fs::read_link(&link).is_ok_and(|present| present == target) {
            continue;
        }
        crate::remove::remove_tree(&link).map_err(io)?;
        match std::os::unix::fs::symlink(&target, &link) {
            // Another call made it at the same time.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => outcome.map_err(io)?,
        }
    }
    Ok(())
}
