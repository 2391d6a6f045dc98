//! The ports: traits where there are two real implementations or where the thing cannot run in a test. Rooms behind them have the effects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::grant::{LaunchPlan, LaunchReport, Protection};
use crate::ids::*;
use crate::names::*;
use crate::output::CommandResult;
use crate::risk::word_enum;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;
use crate::verdict::*;
use crate::worker::{Answer, AnswerFault, WorkerCall, WorkerEnded, WorkerTask};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives randomness, for ids and nonces.
pub trait IdSource: Send + Sync {
    /// Fills `buffer` with unpredictable bytes.
    fn fill(&self, buffer: &mut [u8]);
}

word_enum! {
    /// How a file changed between the base commit and a captured tree.
    ChangeKind, "kind of change" {
        /// It is new.
        Added = "added",
        /// Its content or mode is another.
        Modified = "modified",
        /// It is gone.
        Deleted = "deleted",
    }
}

/// A changed file, as git says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The path, relative to the project, with `/`; bytes that are no UTF-8 are shown as `\xNN`.
    pub path: Untrusted,
    /// How.
    pub kind: ChangeKind,
    /// Added lines; 0 for binary files.
    pub added: u64,
    /// Removed lines; 0 for binary files.
    pub removed: u64,
    /// Whether git calls it binary.
    pub binary: bool,
    /// Size now, in bytes; 0 where it is gone.
    pub size: u64,
    /// Git's mode now, as in `100644`; empty where it is gone.
    pub mode: String,
}

/// A large input that a guest reads piecewise; the host owns it.
#[derive(Debug, Clone)]
pub struct Document {
    /// As in `text/x-diff` or `application/json`.
    pub media_type: String,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// Where in which work a guest is called.
#[derive(Debug, Clone)]
pub struct GuestContext {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The execution.
    pub execution: ExecutionId,
    /// The project.
    pub project: ProjectName,
    /// The phase.
    pub phase: PhaseName,
    /// The position.
    pub position: crate::contract::BindingPosition,
    /// The attempt, from 1.
    pub attempt: u32,
}

/// What a guest is given: small things typed, large ones as documents. Facts are what the host observed, never what a worker says.
#[derive(Debug, Clone)]
pub struct GuestInput {
    /// Where it stands.
    pub context: GuestContext,
    /// Files that git says changed since the base commit.
    pub changes: Vec<Change>,
    /// Commands that the host ran, with how they ended; before the attempt: none.
    pub commands: Vec<CommandResult>,
    /// Whether verification was asked for: `false` with `--no-verify`.
    pub verification_expected: bool,
    /// Documents by name: `diff`, `output`, `plan`. A worker's `output` is what a worker says.
    pub documents: BTreeMap<String, Document>,
}

/// A line that a guest logged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestLogLine {
    /// As the guest says.
    pub level: String,
    /// What it says.
    pub message: Untrusted,
}

/// What a call cost and said beside its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestCost {
    /// Fuel.
    pub fuel: u64,
    /// Largest sum of its linear memories, in bytes.
    pub memory_bytes: u64,
    /// Wall time, in microseconds.
    pub duration_us: u64,
    /// Its log, cut to the limit.
    pub log: Vec<GuestLogLine>,
    /// Bytes of log that were dropped.
    pub log_dropped: u64,
}

/// A call of a guest: an answer or a fault, and the cost either way.
#[derive(Debug, Clone)]
pub struct GuestRun<T> {
    /// Answer or fault.
    pub outcome: Result<T, GuestFault>,
    /// The cost.
    pub cost: GuestCost,
}

/// Runs guests. Every call gets a fresh instance; what a guest can do is exactly what its binding grants.
#[async_trait]
pub trait Guests: Send + Sync {
    /// Makes a binding ready: digest, world, imports against capabilities, `check-settings`. Ready ones cost nothing again.
    ///
    /// # Errors
    /// A [`GuestFault`] of a `load.*` class, or of a `run.*` class from `check-settings`.
    async fn load(&self, binding: &GuestBinding, component: Arc<[u8]>) -> Result<(), GuestFault>;

    /// Calls a gate that was loaded.
    async fn gate(&self, binding: &GuestBinding, input: GuestInput) -> GuestRun<Verdict>;

    /// Calls a hook that was loaded.
    async fn hook(&self, binding: &GuestBinding, input: GuestInput) -> GuestRun<Vec<Effect>>;

    /// Calls a validator that was loaded on the document `output` of its input.
    async fn validate(&self, binding: &GuestBinding, input: GuestInput) -> GuestRun<Vec<Finding>>;
}

/// A value that must never be stored or shown. Zeroing it is not promised; not printing it is.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the launcher tells while a launch is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchProgress {
    /// The helper was started with this process id.
    Launching {
        /// The supervisor's process id.
        pid: u32,
    },
    /// The helper restricted itself and became the program.
    Running,
    /// It wrote something: a sign of life.
    Output,
}

/// How a launch is fed, recorded and watched.
#[derive(Default)]
pub struct LaunchIo {
    /// What it reads on standard input.
    pub stdin: Vec<u8>,
    /// The directory in which `stdout` and `stderr` are kept, redacted and capped; it must exist.
    pub transcript: Option<PathBuf>,
    /// Values that are replaced where a stream is read.
    pub redact: Vec<Secret>,
    /// Keep this many raw bytes of standard output for the caller; more is an error of the launch.
    pub capture: Option<usize>,
    /// Told as it goes. Must not block.
    pub progress: Option<Box<dyn Fn(LaunchProgress) + Send + Sync>>,
}

/// What a launch gave.
#[derive(Debug, Clone)]
pub struct LaunchOutcome {
    /// The report.
    pub report: LaunchReport,
    /// Raw standard output, where `capture` asked for it.
    pub captured: Vec<u8>,
}

/// Why a launch did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// A demanded protection cannot be enforced.
    #[error("`{protection}` cannot be enforced here: {why}")]
    Unenforceable {
        /// Which.
        protection: Protection,
        /// Why, and the mend.
        why: String,
    },
    /// The program does not exist, is not executable or is outside the grant.
    #[error("cannot execute `{program}`: {why}")]
    Program {
        /// Which.
        program: String,
        /// Why.
        why: String,
    },
    /// The plan contradicts itself.
    #[error("the launch plan is not in order: {why}")]
    Plan {
        /// How.
        why: String,
    },
    /// The helper could not be started or broke its protocol.
    #[error("the launch helper failed: {why}")]
    Helper {
        /// How.
        why: String,
    },
}

/// What this machine can enforce.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforceable {
    /// Protections that can be.
    pub active: BTreeSet<Protection>,
    /// Those that cannot, each with why and the mend.
    pub missing: BTreeMap<Protection, String>,
    /// Facts for `doctor`: kernel, Landlock ABI, helper digest.
    pub facts: BTreeMap<String, String>,
}

/// The one door to other processes.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// What this machine can enforce, probed through the real helper.
    ///
    /// # Errors
    /// When the helper cannot be started at all.
    async fn enforceable(&self) -> Result<Enforceable, LaunchError>;

    /// Launches and waits for the end: the program's, the limit's or the cancel's. The whole process tree is dead afterwards.
    ///
    /// # Errors
    /// When the program was never started; how a started one ended is in the report.
    async fn launch(&self, plan: &LaunchPlan, io: LaunchIo, cancel: &CancellationToken) -> Result<LaunchOutcome, LaunchError>;

    /// Waits, for a bounded time, until the supervisor `pid` of a launch that nobody follows any more is gone, and its tree with it.
    /// `false`: it is still there.
    async fn gone(&self, pid: u32) -> bool;
}

/// What one kind of worker is told, and how its answer is read: an adapter per CLI. It starts nothing and decides nothing.
pub trait Worker: Send + Sync {
    /// How its program is called for this task.
    ///
    /// # Errors
    /// When the task has no form that the program takes.
    fn call(&self, task: &WorkerTask) -> Result<WorkerCall, String>;

    /// The answer in what it printed. The caller compares it with the schema.
    ///
    /// # Errors
    /// Why there is none.
    fn answer(&self, ended: &WorkerEnded) -> Result<Answer, AnswerFault>;
}
