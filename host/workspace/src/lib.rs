//! Git worktrees, tree ids, diffs, and the collection of what a worker left.
//!
//! **Belongs here:** every git call of ORC, the repositories that ORC owns, the checkouts of executions, the safe walk through what a
//! worker left. **Never belongs here:** `Command::new` (git runs through the [`Launcher`] port), SQL, policy, a decision on what a
//! change means.
//!
//! **How it stands.** A project's `.git` is read, never written, and its configuration is never interpreted: git looks at the project
//! through a *view*, a directory of ORC's own with ORC's own `config` and links to the project's refs and objects. Work happens in a bare
//! repository of ORC's own per project (`<state>/git/<project>.git`) that borrows the project's objects through `alternates`. So no
//! filter, hook, monitor, alias, text conversion or merge driver of a repository can run: no file that could name one is ever read.
//!
//! ```text
//! <state>/git/views/<digest>/          HEAD, config (ORC's); refs, objects, packed-refs, shallow -> the project's
//! <state>/git/<project>.git/           objects/info/alternates -> the project's objects; worktrees/<id>/
//! <state>/worktrees/<execution>/<name> a checkout; only this is shown to a worker
//! <state>/scratch/<execution>/<name>   home and temporary files of a worker
//! ```
//!
//! **Key types:** [`Workspaces`] is the room's door; [`Workspace`] a checkout; [`CapturedTree`] what was collected from it.
//!
//! **Pitfalls:**
//! - After an attempt the worktree belongs to an attacker. Only `walk` and `beneath` look into it from this process, by descriptors
//!   and without following links; git looks into it only at paths that the walk found in order.
//! - No attribute counts, neither a worker's nor the planned commit's: a checkout holds the bytes of its tree and a capture the bytes of
//!   its checkout. So a fresh checkout captures as the tree that it came from, whatever was once committed unnormalised; what was
//!   reviewed is what is run; nothing hides from a gate behind `-diff`. The price: no CRLF, `ident` or encoding in a checkout, LFS files
//!   are pointers.
//! - A file is left out of a capture if the planned commit's ignore rules *or* the present ones say so: a worker can add build
//!   products to `.gitignore`, but cannot bring an ignored file with secrets into a commit by removing a rule.
//! - A repository is somebody else's: `inspect` looks at a project's git directory before git opens a file there, and `measure` at a
//!   commit before it is checked out. What they pass over is bounded by the wall time of the call.
//! - Git does not hash what it checks out: a checkout is its commit because `prove` hashed it, before anybody is shown it.
//! - Nothing in `<state>/git` is collected as garbage by git; borrowed objects vanish if the project prunes them (see
//!   [`Workspaces::reachability`]).

mod beneath;
mod capture;
mod checkout;
mod commit;
mod copy;
mod diff;
mod error;
mod git;
mod ignore;
mod inspect;
mod measure;
mod project;
mod prove;
mod remove;
mod repository;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orc_domain::ProjectName;
use orc_domain::grant::DirGrant;
use orc_domain::ports::{Change, Launcher};
use orc_domain::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

pub use commit::NewCommit;
pub use error::{CheckoutExcess, CopyRefusal, WorkspaceError};

use git::Git;

type Result<T, E = WorkspaceError> = std::result::Result<T, E>;

/// What [`Workspaces`] is made of.
pub struct WorkspacesOptions {
    /// The directory beside the database, `<db>.d`, absolute; must exist.
    pub state_dir: PathBuf,
    /// The git program, absolute; 2.30 or newer.
    pub git: PathBuf,
    /// The door through which git is started.
    pub launcher: Arc<dyn Launcher>,
    /// What git needs of the system: libraries, its own programs, `/dev/null`.
    pub system: Vec<DirGrant>,
    /// Environment of git, for `PATH`; names starting with `GIT_`, and `HOME`, are ignored.
    pub env: BTreeMap<String, String>,
    /// Bounds of what is collected.
    pub limits: CollectionLimits,
}

/// Bounds of what is checked out as a workspace, collected from it and copied into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionLimits {
    /// The largest new or changed file that is captured, in bytes.
    pub file_bytes: u64,
    /// Files, links and directories of a workspace, ignored ones counted; more is an error.
    pub entries: usize,
    /// The largest file of a project entry's `copy`, in bytes.
    pub copy_bytes: u64,
    /// The files of a commit that is checked out together, in bytes. A tree names one file as often as it likes, so a small repository can
    /// be a large checkout.
    pub checkout_bytes: u64,
    /// Files, links, submodules and directories of a commit that is checked out.
    pub checkout_entries: usize,
}

impl Default for CollectionLimits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, entries: 2_000_000, copy_bytes: 16 << 20, checkout_bytes: 4 << 30, checkout_entries: 500_000 }
    }
}

/// A checkout of an execution. Plain data: it can be stored and taken up again by a new owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// The project.
    pub project: ProjectName,
    /// The checkout: the directory that a worker is shown.
    pub path: PathBuf,
    /// Its git directory, outside the checkout and not writable to a worker.
    pub git_dir: PathBuf,
    /// The commit that was checked out; changes are counted from it.
    pub base: String,
    /// The commit whose ignore rules count beside the present ones: the planned one.
    pub rules: String,
}

/// Whether a planned commit is still part of its branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Whether the branch reaches it. `false` too where the commit or the branch is gone.
    pub reachable: bool,
    /// Commits that the branch has on top of it; 0 where it is not reachable.
    pub lag: u64,
}

/// What was collected from a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapturedTree {
    /// The tree id: what is verified, gated, reviewed and committed. Holds nothing that was refused.
    pub tree: String,
    /// What was refused, by path. Where this is not empty, the tree is not all of the work: treat the attempt as failed.
    pub refused: Vec<Refused>,
}

/// A path that was not collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Where; bytes that are no UTF-8 are shown as `\xNN`.
    pub path: Untrusted,
    /// Why.
    pub why: Refusal,
}

/// Why a path was not collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A repository inside the workspace, bare ones included, or files in the place of a submodule.
    #[error("a repository inside the workspace")]
    NestedRepository,
    /// A named pipe.
    #[error("a named pipe")]
    Fifo,
    /// A socket.
    #[error("a socket")]
    Socket,
    /// A device.
    #[error("a device")]
    Device,
    /// A link that is absolute, leaves the workspace, enters `.git`, or has `..` behind a name.
    #[error("a link that leaves the workspace")]
    LinkOutside,
    /// A file with a second name somewhere.
    #[error("a file with another hard link")]
    HardLink,
    /// A file with the setuid or setgid bit.
    #[error("a setuid or setgid file")]
    SetId,
    /// A new or changed file over the bound.
    #[error("a file over the size bound")]
    TooLarge,
    /// A file or directory that its owner may not read.
    #[error("not readable")]
    Unreadable,
    /// A name that git does not take, as in `.GIT` or a linked `.gitmodules`.
    #[error("a name that git does not accept")]
    InvalidName,
    /// Deeper than a path can say.
    #[error("nested too deeply")]
    TooDeep,
}

/// A capture and what it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The capture.
    pub captured: CapturedTree,
    /// Changes from the workspace's base to it.
    pub changes: Vec<Change>,
}

impl Status {
    /// Whether nothing was changed and nothing refused. Ignored and copied files do not count.
    pub fn is_clean(&self) -> bool {
        self.changes.is_empty() && self.captured.refused.is_empty()
    }
}

/// A diff as text, for a gate or a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The patch; not necessarily UTF-8.
    pub bytes: Vec<u8>,
    /// Whether it was longer than asked for and is cut.
    pub truncated: bool,
}

/// The room's door. Cheap to clone.
#[derive(Clone)]
pub struct Workspaces {
    state: PathBuf,
    limits: CollectionLimits,
    git: Arc<Git>,
    /// Held while the list of worktrees of any of ORC's repositories changes: git reads all of it, and does not expect half of an entry.
    worktrees: Arc<tokio::sync::Mutex<()>>,
}

impl Workspaces {
    /// Takes the options. Nothing is touched before the first call.
    pub fn new(options: WorkspacesOptions) -> Self {
        let WorkspacesOptions { state_dir, git, launcher, system, env, limits } = options;
        Self { state: state_dir, limits, git: Arc::new(Git::new(git, launcher, system, env)), worktrees: Arc::default() }
    }

    /// Captures the workspace and compares it with its base.
    ///
    /// # Errors
    /// As [`Workspaces::capture`] and [`Workspaces::changes`].
    pub async fn status(&self, workspace: &Workspace) -> Result<Status> {
        let captured = self.capture(workspace).await?;
        let changes = self.changes(&workspace.project, &workspace.base, &captured.tree).await?;
        Ok(Status { captured, changes })
    }

    fn git_root(&self) -> PathBuf {
        self.state.join("git")
    }

    fn worktrees_root(&self) -> PathBuf {
        self.state.join("worktrees")
    }

    fn scratch_root(&self) -> PathBuf {
        self.state.join("scratch")
    }
}

/// A path as an argument or a grant; both are text.
fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| WorkspaceError::PathText { path: path.to_owned() })
}

/// A path of git as shown: bytes that are no UTF-8 become `\xNN`.
fn shown(path: &[u8]) -> Untrusted {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    Untrusted::new(out)
}

/// Runs what blocks on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(WorkspaceError::Io { deed: "work on files", path: PathBuf::new(), source: std::io::Error::other(error) }),
    }
}
