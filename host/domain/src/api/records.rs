//! The audit, events, and why something was decided.

use serde::{Deserialize, Serialize};

use super::{BlockReason, NextStep, WorkflowSummary};
use crate::audit::Event;
use crate::canonical::Digest;
use crate::decision::{Decision, DecisionInput};
use crate::ids::{DecisionId, WorkflowId};
use crate::time::Timestamp;

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
    /// Stored plans and rules revisions that are not what the chain says of them, in words.
    #[serde(default)]
    pub differs: Vec<String>,
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
    /// Why it does not go on: who said no or stopped it, why its newest execution did not complete.
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
