//! What can go wrong here, and how it is said outside.

use std::io;
use std::path::PathBuf;

use orc_domain::grant::LaunchEnd;
use orc_domain::ports::LaunchError;
use orc_domain::untrusted::Untrusted;
use orc_domain::{ErrorCode, OrcError};

/// Why a workspace could not be made, captured or compared.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The project's directory is not there, or cannot be reached.
    #[error("cannot find the project `{}`", root.display())]
    NoProject {
        /// The project's root.
        root: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory is in no git repository.
    #[error("`{}` is not a git repository", root.display())]
    NotGit {
        /// The project's root.
        root: PathBuf,
    },
    /// The directory is inside a repository, not its top.
    #[error("`{}` is not the top level of its git repository: that is `{}`", root.display(), top.display())]
    NotTopLevel {
        /// The project's root.
        root: PathBuf,
        /// The repository's top.
        top: PathBuf,
    },
    /// The directory is a bare repository.
    #[error("`{}` is a bare git repository without files", root.display())]
    Bare {
        /// The project's root.
        root: PathBuf,
    },
    /// No branch has a commit.
    #[error("the git repository `{}` has no commit yet", root.display())]
    EmptyRepository {
        /// The project's root.
        root: PathBuf,
    },
    /// The branch does not exist.
    #[error("the git repository `{}` has no branch `{}`", root.display(), branch.for_line(80))]
    UnknownBranch {
        /// The project's root.
        root: PathBuf,
        /// The branch.
        branch: Untrusted,
        /// Names that are near, nearest first.
        nearest: Vec<Untrusted>,
    },
    /// The project's git directory is not in order.
    #[error("the git repository `{}` is not in order: {why}", root.display())]
    Repository {
        /// The project's root.
        root: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The repository of the project is not in the project.
    #[error("the git directory of `{}` is `{}`, outside the project", root.display(), dir.display())]
    Elsewhere {
        /// The project's root.
        root: PathBuf,
        /// Where its `.git` leads.
        dir: PathBuf,
    },
    /// The repository of the project has objects of another one.
    #[error("the git repository `{}` takes objects from `{}`, outside its git directory `{}`", root.display(), dir.display(), git_dir.display())]
    Borrows {
        /// The project's root, or ORC's own repository of it.
        root: PathBuf,
        /// The project's git directory.
        git_dir: PathBuf,
        /// Where `objects` or `objects/info/alternates` lead.
        dir: PathBuf,
    },
    /// ORC's own repository is of another object format than the project.
    #[error("`{}` was made for another object format than the project has now", own.display())]
    ObjectFormat {
        /// ORC's own repository.
        own: PathBuf,
    },
    /// The commit or tree does not exist.
    #[error("object {} is not in the project's git repository", id.for_line(64))]
    ObjectGone {
        /// The id as given.
        id: Untrusted,
    },
    /// A checkout cannot have this name.
    #[error("`{}` cannot name a checkout: use 1 to 64 of a-z, 0-9, `-`, `_` and `.`, starting with a letter", name.for_line(80))]
    CheckoutName {
        /// The name as given.
        name: Untrusted,
    },
    /// A branch cannot have this name.
    #[error("`{}` cannot name a branch of ORC", branch.for_line(80))]
    Branch {
        /// The name as given.
        branch: Untrusted,
    },
    /// The checkout is there already.
    #[error("the checkout `{}` exists already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// A file of `copy` is refused.
    #[error("cannot copy `{}` into a workspace: {why}", path.for_line(200))]
    Copy {
        /// Which, as the project entry says.
        path: Untrusted,
        /// Why.
        why: CopyRefusal,
    },
    /// The workspace holds more than can be collected.
    #[error("`{}` holds more than {bound} files and directories", path.display())]
    TooMany {
        /// The workspace.
        path: PathBuf,
        /// The bound.
        bound: usize,
    },
    /// A commit holds more than may be checked out.
    #[error("commit {} cannot be checked out: {why}", commit.get(..12).unwrap_or(commit))]
    TooLarge {
        /// The commit.
        commit: String,
        /// What is too much.
        why: CheckoutExcess,
    },
    /// What git checked out is not what the id of the commit says.
    #[error("commit {} was not checked out: the content that git has for {} is not what its id says", commit.get(..12).unwrap_or(commit), what.for_line(200))]
    Altered {
        /// The commit.
        commit: String,
        /// The first path or object that is another.
        what: Untrusted,
    },
    /// A path that has to be text is none.
    #[error("the path `{}` is not UTF-8 or holds a line break", path.display())]
    PathText {
        /// The path.
        path: PathBuf,
    },
    /// Git could not be started.
    #[error("git could not be started to {what}")]
    Launch {
        /// What it was to do.
        what: &'static str,
        /// Why.
        #[source]
        source: LaunchError,
    },
    /// Git ended badly.
    #[error("git could not {what}: {end}: {}", said.for_line(400))]
    Git {
        /// What it was to do.
        what: &'static str,
        /// How it ended.
        end: LaunchEnd,
        /// The end of its standard error.
        said: Untrusted,
    },
    /// Git answered what it never answers.
    #[error("git gave an answer that ORC does not understand when asked to {what}")]
    Answer {
        /// What it was to do.
        what: &'static str,
    },
    /// A file could not be read, written or removed.
    #[error("cannot {deed} `{}`", path.display())]
    Io {
        /// What was tried.
        deed: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a file of `copy` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyRefusal {
    /// Absolute, empty, with `..` or inside `.git`.
    #[error("it must be a path inside the project, without `..` and outside `.git`")]
    Path,
    /// It is not there.
    #[error("the project's checkout has no such file")]
    Missing,
    /// It is a link, or a directory on its way is one.
    #[error("it is a symbolic link or lies behind one")]
    Link,
    /// It is a directory, pipe, socket or device.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is too large.
    #[error("it is larger than {bound} bytes")]
    TooLarge {
        /// The bound.
        bound: u64,
    },
    /// Git has it.
    #[error("git tracks it: the checkout has it already")]
    Tracked,
}

/// What a commit has too much of to be checked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutExcess {
    /// The sizes of its files together, each name counted.
    #[error("its files come to more than {bound} bytes")]
    Bytes {
        /// The bound.
        bound: u64,
    },
    /// Files, links, submodules and directories.
    #[error("it has more than {bound} files and directories")]
    Entries {
        /// The bound.
        bound: usize,
    },
    /// All of its paths together.
    #[error("the list of its files is longer than {bound} bytes")]
    Listing {
        /// The bound.
        bound: usize,
    },
    /// A path that is too long or too deep.
    #[error("`{}` is longer than {bytes} bytes or deeper than {depth} directories", path.for_line(200))]
    Path {
        /// Which.
        path: Untrusted,
        /// The longest path, in bytes.
        bytes: usize,
        /// The most parts of a path.
        depth: usize,
    },
}

impl WorkspaceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotGit { .. }
            | Self::NotTopLevel { .. }
            | Self::Bare { .. }
            | Self::EmptyRepository { .. }
            | Self::UnknownBranch { .. }
            | Self::Elsewhere { .. }
            | Self::Borrows { .. }
            | Self::PathText { .. }
            | Self::Copy { .. } => ErrorCode::ConfigInvalid,
            Self::ObjectGone { .. } => ErrorCode::BaseCommitGone,
            Self::Launch { source: LaunchError::Unenforceable { .. }, .. } => ErrorCode::Unenforceable,
            Self::Launch { .. } => ErrorCode::LaunchFailed,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => ErrorCode::StorageFailed,
            Self::NoProject { .. }
            | Self::Repository { .. }
            | Self::ObjectFormat { .. }
            | Self::CheckoutName { .. }
            | Self::Branch { .. }
            | Self::Exists { .. }
            | Self::TooMany { .. }
            | Self::TooLarge { .. }
            | Self::Altered { .. }
            | Self::Git { .. }
            | Self::Answer { .. }
            | Self::Io { .. } => ErrorCode::WorkspaceFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProject { .. } => "put it back, or correct `root` of the project's entry in config/projects.registry.yaml".into(),
            Self::NotGit { .. } => {
                "a project that is no git repository can be read, not built: run `git init` and commit, or plan `read_only`".into()
            }
            Self::NotTopLevel { top, .. } => format!("register `{}` instead", top.display()),
            Self::Bare { .. } => "register a checkout of it, made with `git clone` or `git worktree add`".into(),
            Self::EmptyRepository { .. } => "make a first commit".into(),
            Self::UnknownBranch { nearest, .. } if nearest.is_empty() => "`git branch` in the project lists its branches".into(),
            Self::UnknownBranch { nearest, .. } => {
                let names: Vec<_> = nearest.iter().map(|name| format!("`{}`", name.for_line(80))).collect();
                format!("did you mean {}?", names.join(", "))
            }
            Self::Elsewhere { .. } => {
                "register the checkout that has the git directory in it, a worktree that `git worktree add` made, or a clone".into()
            }
            Self::Borrows { git_dir, .. } => {
                let git_dir = git_dir.display();
                format!("make it whole: `git --git-dir='{git_dir}' repack -a -d && rm '{git_dir}/objects/info/alternates'`")
            }
            Self::ObjectFormat { own } => {
                format!("once nothing of this project is under way, remove `{}`; ORC makes it again", own.display())
            }
            Self::ObjectGone { .. } => {
                "the history was rewritten, or the clone is partial or shallow: fetch it whole, then plan again".into()
            }
            Self::Copy { .. } => "correct `copy` of the project's entry".into(),
            Self::TooMany { .. } => "clean what the work left behind, or make it fewer files".into(),
            Self::TooLarge { .. } => "plan on a commit without these files: a checkout is made for every attempt".into(),
            Self::Altered { .. } => {
                "an object of the project's repository was changed or is damaged: `git fsck` in the project names it. Nothing was run on it"
                    .into()
            }
            Self::Git { end: LaunchEnd::TimedOut, .. } => {
                "look in the project's git directory for what keeps git waiting: a pipe, a device, a disk that does not answer".into()
            }
            _ => return None,
        })
    }
}

impl From<WorkspaceError> for OrcError {
    fn from(error: WorkspaceError) -> Self {
        let mut out = match std::error::Error::source(&error) {
            Some(source) => Self::from_source(error.code(), error.to_string(), source),
            None => Self::new(error.code(), error.to_string()),
        };
        out.hint = error.hint();
        out
    }
}
