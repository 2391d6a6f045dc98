//! What is asked of whom, and the votes on it.

use serde::{Deserialize, Serialize};

use super::{ExecutionView, NextStep, WorkflowSummary};
use crate::decision::{Reason, RequirementKind};
use crate::error::OrcError;
use crate::grant::LaunchGrant;
use crate::ids::{ApprovalRequestId, WorkflowId};
use crate::names::{FlagName, GroupName, OperatorName, PhaseName, RoleName};
use crate::operators::Proof;
use crate::plan::PlannedWorker;
use crate::risk::{RiskAssessment, word_enum};
use crate::states::ApprovalRequestState;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;

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
    /// A worker's task, in the words that it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Untrusted>,
    /// The worker that is told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<PlannedWorker>,
    /// The phases, in order.
    #[serde(default)]
    pub phases: Vec<PhaseName>,
    /// Exactly what will run, in order: the planned command or the worker's program, then the verify commands, each as argv.
    pub will_run: Vec<Vec<String>>,
    /// Prepare commands that run before it.
    pub prepare: Vec<Vec<String>>,
    /// What each of these processes gets: directories, environment, network, bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<LaunchGrant>,
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
    pub cannot: Option<OrcError>,
}
