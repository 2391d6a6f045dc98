//! Planning and looking at workflows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ApprovalRequestView, BlockReason, ExecutionView, FreezeView, NextStep, PhaseRunView};
use crate::decision::Reason;
use crate::ids::{DecisionId, WorkflowId};
use crate::names::{ActionName, EngineName, FlagName, OperatorName, PipelineName, ProjectName, TenantName};
use crate::plan::{PlanDifference, PlanDocument, PlanHash};
use crate::risk::{CommandFamily, RiskAssessment, RiskClass};
use crate::states::WorkflowState;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;

/// Plan a command.
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

/// Plan an agent's task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Implement {
    /// The project.
    pub project: ProjectName,
    /// The engine; absent: the project's, else the only one there is.
    #[serde(default)]
    pub engine: Option<EngineName>,
    /// The task, in the operator's words; needed where no backlog item is named.
    #[serde(default)]
    pub task: Option<Untrusted>,
    /// The backlog item that is planned, by id or unambiguous prefix: its words come before the task's.
    #[serde(default)]
    pub backlog: Option<String>,
    /// The pipeline; absent: that of the family `agent_implementation`. Its family is the plan's.
    #[serde(default)]
    pub pipeline: Option<PipelineName>,
    /// Declared flags.
    #[serde(default)]
    pub flags: Vec<FlagName>,
    /// Free facts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
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
    /// When its newest revision was planned.
    pub planned_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
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

/// Ask for a workflow's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {
    /// The workflow, by id or unambiguous prefix; or one of its executions, which is shown then.
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
    /// The newest execution, of whichever plan revision, or the one that was asked about.
    pub execution: Option<ExecutionView>,
    /// Its phases.
    pub phases: Vec<PhaseRunView>,
    /// Why the newest plan will not run: who rejected or withdrew it, that it expired, what moved under it.
    #[serde(default)]
    pub reasons: Vec<BlockReason>,
    /// Freezes that cover it.
    pub freezes: Vec<FreezeView>,
    /// What to do next.
    pub next: Vec<NextStep>,
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
