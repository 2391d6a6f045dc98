//! The intents: one request and one answer each, plain and serialisable, the same in process and over the socket. An answer holds what a
//! person needs to see; frontends render it and add nothing.

mod approvals;
mod executions;
mod knowledge;
mod operations;
mod plans;
mod records;
mod rules;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use approvals::*;
pub use executions::*;
pub use knowledge::*;
pub use operations::*;
pub use plans::*;
pub use records::*;
pub use rules::*;

use crate::names::OperatorName;

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
    Implement => Planned, "implement", true;
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
    SetMemory => MemoryItem, "memory_set", true;
    SetBacklog => BacklogItem, "backlog_set", true;
    GetStatus => Status, "status", false;
    GetPhases => Phases, "phase_status", false;
    GetDiff => WorkDiff, "diff", false;
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
    GetRulesDiff => RulesDiff, "rules_diff", false;
    GetMemory => Memory, "memory", false;
    GetBacklog => Backlog, "backlog", false;
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
