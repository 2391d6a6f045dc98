//! Running, and what became of it.

use serde::{Deserialize, Serialize};

use super::{NextStep, WorkflowSummary};
use crate::canonical::Digest;
use crate::contract::BindingPosition;
use crate::decision::Reason;
use crate::grant::{LaunchPlan, LaunchReport};
use crate::ids::{ExecutionId, GuestRunId, PhaseRunId, WorkerRunId, WorkflowId};
use crate::names::{GuestName, PhaseName, ProjectName};
use crate::output::PhaseResult;
use crate::plan::{BaseCommit, PlanHash};
use crate::ports::{Change, GuestCost};
use crate::states::{ExecutionState, PausedReason, PhaseRunState, WorkerRunState};
use crate::time::Timestamp;
use crate::untrusted::Untrusted;
use crate::verdict::{BindingMode, GuestFault, Verdict};

/// Run an approved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The workflow, by id or unambiguous prefix.
    pub workflow: String,
    /// The plan hash that is to run; absent: whatever the newest revision's is.
    #[serde(default)]
    pub plan_hash: Option<PlanHash>,
    /// One key, one execution.
    pub idempotency_key: String,
}

/// An execution exists: made now or, with the same key, before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunAccepted {
    /// The execution.
    pub execution: ExecutionView,
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// Whether this call made it.
    pub created: bool,
    /// Commits that the branch is ahead of the planned one.
    pub base_lag: u64,
    /// Warnings.
    pub warnings: Vec<Reason>,
}

/// Stop an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The workflow or execution, by id or unambiguous prefix.
    pub id: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<Untrusted>,
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionView {
    /// Its id.
    pub id: ExecutionId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The plan revision.
    pub revision: u32,
    /// Its key.
    pub idempotency_key: String,
    /// Its state.
    pub state: ExecutionState,
    /// What it waits for, where paused.
    #[serde(default)]
    pub paused: Option<PausedReason>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Its result, once terminal.
    #[serde(default)]
    pub result: Option<ExecutionResult>,
}

/// The execution result: `{state, phases, commit, usage, reasons}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionResult {
    /// The terminal state.
    pub state: ExecutionState,
    /// Each phase's result.
    pub phases: Vec<PhaseResult>,
    /// The commit that the host made; `None` for pipelines that make none.
    pub commit: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// Why it did not complete.
    pub reasons: Vec<BlockReason>,
}

/// What an execution used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Wall time of its launches together.
    pub launch_ms: u64,
    /// Launches.
    pub launches: u32,
    /// Attempts.
    pub attempts: u32,
}

/// Why a phase did not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockReason {
    /// Stable code: a gate's name, `command-failed`, a fault class.
    pub code: String,
    /// One sentence.
    pub message: Untrusted,
    /// How to mend it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Untrusted>,
}

/// Ask for the work of a workflow's newest execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetDiff {
    /// The workflow, by id or unambiguous prefix.
    pub workflow: String,
}

/// What an execution changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkDiff {
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// The commit that the work stands on.
    pub base: BaseCommit,
    /// The captured tree; absent where no phase left one.
    #[serde(default)]
    pub tree: Option<String>,
    /// Where the work can be fetched from; absent where nothing was committed.
    #[serde(default)]
    pub branch: Option<WorkBranch>,
    /// The files that differ.
    pub changes: Vec<Change>,
    /// The patch, in git's form, at most 4 MiB.
    pub patch: Untrusted,
    /// Whether the patch is cut.
    pub cut: bool,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// The branch that names a commit of the host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkBranch {
    /// ORC's own repository of the project, on the host's machine.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
}

/// Ask for the phase runs of a workflow's newest execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetPhases {
    /// The workflow, by id or unambiguous prefix; or one of its executions, which is shown then.
    pub workflow: String,
}

/// Phase runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phases {
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// The execution; `None` where nothing ran yet.
    pub execution: Option<ExecutionView>,
    /// Its phase runs, in order.
    pub phases: Vec<PhaseRunView>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A phase run with what happened in and around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseRunView {
    /// Its id.
    pub id: PhaseRunId,
    /// The phase.
    pub phase: PhaseName,
    /// Its state.
    pub state: PhaseRunState,
    /// The newest attempt, 0 before the first.
    pub attempt: u32,
    /// Attempts that the contract allows.
    pub attempts: u32,
    /// When it began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The captured tree, once there is one.
    #[serde(default)]
    pub tree: Option<String>,
    /// The commit that the host made of it.
    #[serde(default)]
    pub commit: Option<String>,
    /// Its structured output, once accepted or, where it was blocked, as it came.
    #[serde(default)]
    pub output: Option<serde_json::Value>,
    /// Why it did not go on.
    #[serde(default)]
    pub reasons: Vec<BlockReason>,
    /// What guests answered, oldest first.
    pub guests: Vec<GuestResultView>,
    /// Launches, oldest first.
    pub worker_runs: Vec<WorkerRunView>,
}

/// What a guest answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestResultView {
    /// Its id.
    pub id: GuestRunId,
    /// The attempt.
    pub attempt: u32,
    /// Where it stood.
    pub position: BindingPosition,
    /// Which guest.
    pub guest: GuestName,
    /// Its module.
    pub module: Digest,
    /// Blocking or advisory.
    pub mode: BindingMode,
    /// `pass`, `fail`, `ask`, `not_applicable`, `effects`, `valid`, `invalid` or `fault`.
    pub outcome: String,
    /// A gate's verdict; for hooks and validators absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why there is no usable answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<GuestFault>,
    /// Effects or findings of hooks and validators, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
    /// The cost.
    pub cost: GuestCost,
    /// When.
    pub at: Timestamp,
}

/// A launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerRunView {
    /// Its id.
    pub id: WorkerRunId,
    /// The project.
    pub project: ProjectName,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The phase run.
    pub phase_run: PhaseRunId,
    /// The attempt.
    pub attempt: u32,
    /// What it was for: `prepare`, `command`, `verify`, `worker`, `runbook`.
    pub purpose: String,
    /// Its state.
    pub state: WorkerRunState,
    /// What was to be launched.
    pub plan: LaunchPlan,
    /// What became of it.
    #[serde(default)]
    pub report: Option<LaunchReport>,
    /// Why it was refused, where it was.
    #[serde(default)]
    pub refused: Option<String>,
    /// When it was intended.
    pub created_at: Timestamp,
    /// Its last sign of life.
    #[serde(default)]
    pub last_output_at: Option<Timestamp>,
}

/// Ask for worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetWorkers {
    /// Of one project; absent: of all.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// At most this many, newest first; 0 is the engine's default of 50.
    #[serde(default)]
    pub limit: u32,
}

/// Worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// Them, newest first.
    pub worker_runs: Vec<WorkerRunView>,
}
