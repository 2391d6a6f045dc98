//! The intents: one request and one answer each, plain and serialisable, the same in process and over the socket. An answer holds what a
//! person needs to see; frontends render it and add nothing.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audit::Event;
use crate::canonical::Digest;
use crate::contract::BindingPosition;
use crate::decision::{Decision, DecisionInput, Reason, RequirementKind};
use crate::grant::{LaunchPlan, LaunchReport};
use crate::ids::*;
use crate::names::*;
use crate::operators::{Actor, Proof};
use crate::output::PhaseResult;
use crate::plan::{PlanDifference, PlanDocument, PlanHash};
use crate::ports::GuestCost;
use crate::risk::{CommandFamily, RiskAssessment, RiskClass, word_enum};
use crate::states::*;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;
use crate::verdict::{BindingMode, GuestFault, Verdict};

/// A request of an intent.
pub trait Intent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The intent's name on the wire.
    const NAME: &'static str;
    /// Whether it changes something: needs the owner of the database, and takes an idempotency key.
    const WRITES: bool;
    /// Its answer.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// [`Intent::NAME`].
    pub intent: String,
    /// Who wants to act. Absent: the one operator bound to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<OperatorName>,
    /// Writing intents: the same key with the same request gives the same answer and has no second effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The request.
    pub request: serde_json::Value,
}

macro_rules! intents {
    ($($request:ident => $answer:ty, $name:literal, $writes:literal;)+) => {
        $(impl Intent for $request {
            const NAME: &'static str = $name;
            const WRITES: bool = $writes;
            type Answer = $answer;
        })+

        /// The names of all intents, each with whether it writes.
        pub const INTENTS: &[(&str, bool)] = &[$(($name, $writes)),+];
    };
}

intents! {
    Plan => Planned, "plan", true;
    Replan => Planned, "replan", true;
    Approve => Voted, "approve", true;
    Reject => Voted, "reject", true;
    Withdraw => Status, "withdraw", true;
    Run => RunAccepted, "run", true;
    Cancel => Status, "cancel", true;
    Freeze => Freezes, "freeze", true;
    Unfreeze => Freezes, "unfreeze", true;
    RulesActivate => RulesStatus, "rules_activate", true;
    RulesRollback => RulesStatus, "rules_rollback", true;
    GetStatus => Status, "status", false;
    GetPhases => Phases, "phase_status", false;
    GetAudit => Audit, "audit", false;
    VerifyAudit => AuditProof, "audit_verify", false;
    GetOverview => Overview, "overview", false;
    GetWorkflow => WorkflowDetail, "workflow", false;
    ListWorkflows => Workflows, "workflows", false;
    GetWorkers => Workers, "workers", false;
    GetApprovals => Approvals, "approvals", false;
    Explain => Explanation, "explain", false;
    GetEvents => Events, "events", false;
    GetRules => RulesStatus, "rules", false;
    WhoAmI => Identity, "whoami", false;
}

/// A command that is safe to run next, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextStep {
    /// The command, ready to paste. Carries ids, never text of a worker or a repository.
    pub command: String,
    /// What it does.
    pub why: String,
}

/// Plan a command. An agent's task comes with the agent pipelines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The project.
    pub project: ProjectName,
    /// The action.
    pub action: ActionName,
    /// The family.
    pub family: CommandFamily,
    /// The command as typed; parsed to argv by the engine, never given to a shell.
    pub command_text: String,
    /// Declared flags.
    #[serde(default)]
    pub flags: Vec<FlagName>,
    /// Free facts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The pipeline; absent: the family's own.
    #[serde(default)]
    pub pipeline: Option<PipelineName>,
    /// Leave the project's verify commands out. Is a flag, and raises risk as the rules say.
    #[serde(default)]
    pub no_verify: bool,
}

/// Plan a workflow again, as a new plan revision, under the active rules and the branch's newest commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replan {
    /// The workflow, by id or unambiguous prefix.
    pub workflow: String,
}

/// A plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// Risk with its reasons.
    pub risk: RiskAssessment,
    /// Who is needed.
    pub approval_requests: Vec<ApprovalRequestView>,
    /// Warnings of policy.
    pub warnings: Vec<Reason>,
    /// The decision, for `explain`.
    pub decision: DecisionId,
    /// For a re-plan: what differs from the revision before.
    #[serde(default)]
    pub differences: Vec<PlanDifference>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A workflow in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowSummary {
    /// Its id.
    pub id: WorkflowId,
    /// The newest plan revision.
    pub revision: u32,
    /// Its state.
    pub state: WorkflowState,
    /// The tenant.
    pub tenant: TenantName,
    /// The project.
    pub project: ProjectName,
    /// The family.
    pub family: CommandFamily,
    /// The action.
    pub action: ActionName,
    /// The command or task.
    pub title: Untrusted,
    /// The risk class of the newest revision.
    pub risk: RiskClass,
    /// The plan hash of the newest revision.
    pub plan_hash: PlanHash,
    /// Who asked.
    pub requesters: Vec<OperatorName>,
    /// When it was planned first.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A request for approval, as anybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequestView {
    /// Its id.
    pub id: ApprovalRequestId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The plan revision.
    pub revision: u32,
    /// Whose approval.
    pub group: GroupName,
    /// Approval or the sole operator's confirmation.
    pub kind: RequirementKind,
    /// How many persons.
    pub quorum: u32,
    /// Its state.
    pub state: ApprovalRequestState,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The rules that asked for it.
    pub reasons: Vec<Reason>,
    /// Votes so far.
    pub votes: Vec<VoteView>,
    /// Operators that may still vote on it.
    pub eligible: Vec<OperatorName>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteView {
    /// Who.
    pub operator: OperatorName,
    /// Under which role.
    pub role: RoleName,
    /// Yes or no.
    pub choice: Choice,
    /// How it was proved who voted.
    pub proof: Proof,
    /// When.
    pub at: Timestamp,
    /// Why, for a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
    /// Whether it still counts: roles are looked up again.
    pub counts: bool,
}

word_enum! {
    /// A vote's content.
    Choice, "choice" {
        /// Yes.
        Approve = "approve",
        /// No.
        Reject = "reject",
    }
}

/// Say yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The approval request, by id or unambiguous prefix.
    pub request: String,
    /// The voter's own token for it, from `approvals`.
    pub token: String,
    /// The role voted under; absent: the one role of the voter that counts.
    #[serde(default)]
    pub role: Option<RoleName>,
}

/// Say no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The approval request, by id or unambiguous prefix.
    pub request: String,
    /// The voter's own token for it, from `approvals`.
    pub token: String,
    /// The role voted under; absent: the one role of the voter that counts.
    #[serde(default)]
    pub role: Option<RoleName>,
    /// Why.
    #[serde(default)]
    pub reason: Option<Untrusted>,
}

/// A vote was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voted {
    /// The request after it.
    pub request: ApprovalRequestView,
    /// The workflow after it.
    pub workflow: WorkflowSummary,
    /// Requests that still wait.
    pub pending: Vec<ApprovalRequestView>,
    /// The execution, where policy let the host run the plan by itself.
    #[serde(default)]
    pub execution: Option<ExecutionView>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// Take a workflow back: requesters and admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// The workflow, by id or unambiguous prefix.
    pub workflow: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<Untrusted>,
}

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

/// What a freeze covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case", deny_unknown_fields)]
pub enum FreezeScope {
    /// Everything.
    All,
    /// A tenant.
    Tenant {
        /// Which.
        tenant: TenantName,
    },
    /// A project.
    Project {
        /// Which.
        project: ProjectName,
    },
}

impl std::fmt::Display for FreezeScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Tenant { tenant } => write!(f, "tenant:{tenant}"),
            Self::Project { project } => write!(f, "project:{project}"),
        }
    }
}

/// Stop new plans and runs. Admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Of what.
    pub scope: FreezeScope,
    /// Why; every answer shows it.
    pub reason: Untrusted,
}

/// Lift a freeze. Admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// Of what.
    pub scope: FreezeScope,
}

/// Freezes in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freezes {
    /// Them.
    pub freezes: Vec<FreezeView>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeView {
    /// Its id.
    pub id: FreezeId,
    /// Of what.
    pub scope: FreezeScope,
    /// Why.
    pub reason: Untrusted,
    /// By whom.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
}

/// Ask for a workflow's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {
    /// The workflow, by id or unambiguous prefix.
    pub workflow: String,
}

/// A workflow's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// The plan hash, again at the top, as the seeds' clients expect it.
    pub plan_hash: PlanHash,
    /// Risk with its reasons.
    pub risk: RiskAssessment,
    /// Requests of the newest revision.
    pub approval_requests: Vec<ApprovalRequestView>,
    /// The newest execution.
    pub execution: Option<ExecutionView>,
    /// Its phases.
    pub phases: Vec<PhaseRunView>,
    /// Freezes that cover it.
    pub freezes: Vec<FreezeView>,
    /// What to do next.
    pub next: Vec<NextStep>,
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

/// Ask for the phase runs of a workflow's newest execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetPhases {
    /// The workflow, by id or unambiguous prefix.
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

/// Ask for audit events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetAudit {
    /// Of one workflow, by id or unambiguous prefix; absent: of all.
    #[serde(default)]
    pub workflow: Option<String>,
    /// At most this many, newest last; 0 is the engine's default of 1000.
    #[serde(default)]
    pub limit: u32,
}

/// Audit events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Them, oldest first.
    pub events: Vec<Event>,
    /// Events before those shown that were left out.
    pub left_out: u64,
    /// The newest event of all.
    pub head_seq: u64,
    /// Its hash.
    pub head_hash: Digest,
}

/// Verify the whole chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyAudit {}

/// What the chain proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditProof {
    /// Events that were verified.
    pub events: u64,
    /// The hash of the last.
    pub head: Digest,
    /// The first event that does not fit, and why.
    #[serde(default)]
    pub broken: Option<AuditBreak>,
    /// What this does and does not prove.
    pub statement: String,
}

/// Where the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditBreak {
    /// The place of the first event that does not fit.
    pub seq: u64,
    /// Why.
    pub why: String,
}

/// Ask for the overview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetOverview {}

/// What waits for whom, what runs, what failed and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overview {
    /// Workflows by state.
    pub workflows: BTreeMap<WorkflowState, u64>,
    /// Requests that wait, with for whom.
    pub waiting: Vec<ApprovalRequestView>,
    /// Workflows that are approved and wait to be run.
    pub ready: Vec<WorkflowSummary>,
    /// Executions that are not over.
    pub running: Vec<RunningView>,
    /// What failed lately, newest first.
    pub failed: Vec<FailedView>,
    /// Freezes in force.
    pub freezes: Vec<FreezeView>,
    /// The rules.
    pub rules: RulesStatus,
    /// Active workflows by tenant, with the quota of the active rules where they have one.
    pub tenants: BTreeMap<TenantName, u64>,
    /// The host that answers.
    pub host: HostView,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// An execution under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningView {
    /// The execution.
    pub execution: ExecutionView,
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// The phase under way.
    pub phase: Option<PhaseName>,
    /// Its last sign of life.
    pub last_sign_of_life: Option<Timestamp>,
}

/// An execution that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedView {
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// Why.
    pub reasons: Vec<BlockReason>,
}

/// The host that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostView {
    /// Its version.
    pub version: String,
    /// The installation.
    pub installation: InstallationId,
    /// Its generation of ownership; `None` where the database is only read.
    pub generation: Option<u64>,
    /// Its process id.
    pub pid: u32,
    /// Trust mode, as a word.
    pub trust: String,
}

/// Ask for everything about a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetWorkflow {
    /// The workflow, by id or unambiguous prefix.
    pub workflow: String,
}

/// Everything about a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowDetail {
    /// Its status.
    pub status: Status,
    /// The plan document of the newest revision.
    pub plan: PlanDocument,
    /// All plan revisions, oldest first.
    pub revisions: Vec<RevisionView>,
    /// All executions, oldest first.
    pub executions: Vec<ExecutionView>,
}

/// A plan revision in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionView {
    /// Its number.
    pub revision: u32,
    /// Its hash.
    pub plan_hash: PlanHash,
    /// Its risk class.
    pub risk: RiskClass,
    /// The decision behind it.
    pub decision: DecisionId,
    /// When.
    pub created_at: Timestamp,
    /// What differs from the revision before.
    pub differences: Vec<PlanDifference>,
}

/// List workflows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListWorkflows {
    /// Of one project.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// In one state.
    #[serde(default)]
    pub state: Option<WorkflowState>,
    /// At most this many, newest first; 0 is the engine's default of 50.
    #[serde(default)]
    pub limit: u32,
}

/// Workflows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflows {
    /// Them, newest first.
    pub workflows: Vec<WorkflowSummary>,
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

/// Ask what waits for the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetApprovals {
    /// Of one workflow or one request, by id or unambiguous prefix; absent: all that wait.
    #[serde(default)]
    pub of: Option<String>,
}

/// What waits, with the caller's own tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// Who the caller is.
    pub operator: OperatorName,
    /// A card a request.
    pub cards: Vec<ApprovalCard>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// Everything that an approver needs to see, made by the engine; its digest is recorded with the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalCard {
    /// The request.
    pub request: ApprovalRequestView,
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// Exactly what will run, in order: the planned command, then the verify commands, each as argv.
    pub will_run: Vec<Vec<String>>,
    /// Prepare commands that run before it.
    pub prepare: Vec<Vec<String>>,
    /// The commit that it starts from.
    pub base: crate::plan::BaseCommit,
    /// Risk with its reasons.
    pub risk: RiskAssessment,
    /// Flags that are set.
    pub flags: Vec<FlagName>,
    /// The rules revision.
    pub rules_revision: u64,
    /// The caller's token, where the caller may vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The caller's roles that count for it.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// Why the caller may not vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<OrcErrorView>,
}

/// An error inside an answer.
pub type OrcErrorView = crate::error::OrcError;

/// Ask why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// A workflow or decision, by id or unambiguous prefix.
    pub id: String,
}

/// Why: from the stored decisions, never computed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The workflow, where it is about one.
    #[serde(default)]
    pub workflow: Option<WorkflowSummary>,
    /// Decisions, oldest first.
    pub decisions: Vec<StoredDecision>,
    /// Why its newest execution did not complete.
    pub reasons: Vec<BlockReason>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A decision as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredDecision {
    /// Its id.
    pub id: DecisionId,
    /// The workflow, where there was one.
    #[serde(default)]
    pub workflow: Option<WorkflowId>,
    /// The rules revision that decided.
    pub rules_revision: u64,
    /// What policy was told.
    pub input: DecisionInput,
    /// What it said.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
}

/// Ask for events after a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetEvents {
    /// After this place.
    pub after: u64,
    /// Of one workflow.
    #[serde(default)]
    pub workflow: Option<WorkflowId>,
    /// At most this many; 0 is the engine's default of 200.
    #[serde(default)]
    pub limit: u32,
}

/// Events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Them, oldest first.
    pub events: Vec<Event>,
    /// Ask for events after this place next.
    pub next_after: u64,
}

/// Ask for the rules' state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRules {}

/// Put the candidate into force. With `trust: team` the first person proposes and a second one activates. Admins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesActivate {
    /// The digest of the candidate that was looked at; another one is refused.
    #[serde(default)]
    pub digest: Option<Digest>,
}

/// Put old content into force again, as a new revision. Admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesRollback {
    /// The revision whose content it is.
    pub revision: u64,
}

/// The rules' state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesStatus {
    /// The revision in force.
    pub active: RulesRevisionView,
    /// The candidate under the root, where its content differs from the revision in force.
    #[serde(default)]
    pub candidate: Option<RulesCandidateView>,
    /// The newest revisions, newest first, at most 10.
    pub history: Vec<RulesRevisionView>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A rules revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesRevisionView {
    /// Its number.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
    /// When it came into force.
    pub activated_at: Timestamp,
    /// Who put it there.
    pub activated_by: Actor,
    /// Files of it.
    pub files: u64,
}

/// Content under the root that is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesCandidateView {
    /// Its digest; absent where it could not even be read.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// Files that differ from the revision in force: `+`, `-` or `~` and the path.
    pub changes: Vec<String>,
    /// Why it cannot come into force; empty where it can.
    pub problems: Vec<Problem>,
    /// Who proposed it, where a second person is needed.
    #[serde(default)]
    pub proposed_by: Option<OperatorName>,
}

/// Something wrong in a file under the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Where.
    pub at: crate::decision::Place,
    /// What.
    pub message: String,
    /// What was probably meant, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Ask who the caller is to the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoAmI {}

/// Who the caller is to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who.
    pub actor: Actor,
    /// With which roles.
    pub roles: Vec<RoleName>,
    /// In which groups.
    pub groups: Vec<GroupName>,
}
