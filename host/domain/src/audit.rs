//! The audit: the only event log. Append-only, hash-chained; what happened, in the past tense.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::canonical::Digest;
use crate::ids::*;
use crate::names::*;
use crate::operators::Actor;
use crate::risk::word_enum;
use crate::time::Timestamp;

word_enum! {
    /// What happened.
    EventKind, "event kind" {
        /// A database was made.
        DatabaseCreated = "database_created",
        /// A migration was applied.
        DatabaseMigrated = "database_migrated",
        /// A process took ownership under a new generation.
        OwnershipTaken = "ownership_taken",
        /// Changed content under the root was read as a candidate.
        RulesCandidate = "rules_candidate",
        /// A candidate was refused.
        RulesRefused = "rules_refused",
        /// Somebody agreed to a candidate; a second person is needed.
        RulesProposed = "rules_proposed",
        /// A rules revision came into force.
        RulesActivated = "rules_activated",
        /// A plan was made.
        WorkflowPlanned = "workflow_planned",
        /// A plan was denied by policy or by the host.
        PlanDenied = "plan_denied",
        /// A role group is asked.
        ApprovalRequested = "approval_requested",
        /// A person said yes.
        VoteApproved = "vote_approved",
        /// A person said no.
        VoteRejected = "vote_rejected",
        /// The sole operator confirmed.
        VoteConfirmed = "vote_confirmed",
        /// A vote was refused.
        VoteDenied = "vote_denied",
        /// A request changed its state.
        ApprovalRequestChanged = "approval_request_changed",
        /// A workflow changed its state.
        WorkflowChanged = "workflow_changed",
        /// An execution was asked for and refused.
        RunDenied = "run_denied",
        /// An execution exists; its approvals are consumed.
        ExecutionCreated = "execution_created",
        /// An execution changed its state.
        ExecutionChanged = "execution_changed",
        /// A phase run changed its state.
        PhaseRunChanged = "phase_run_changed",
        /// A step of a phase was reached.
        PhaseStep = "phase_step",
        /// A worker run changed its state.
        WorkerRunChanged = "worker_run_changed",
        /// A guest answered, or gave no usable answer.
        GuestAnswered = "guest_answered",
        /// Cancelling was asked for.
        CancelRequested = "cancel_requested",
        /// A freeze was put on.
        Frozen = "frozen",
        /// A freeze was lifted.
        Unfrozen = "unfrozen",
        /// A memory item was proposed, accepted or retired.
        MemoryChanged = "memory_changed",
        /// A backlog item was found, planned, done or dismissed.
        BacklogChanged = "backlog_changed",
        /// Any other intent was refused.
        IntentDenied = "intent_denied",
    }
}

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// The workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
    /// The execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
}

/// An event that is to be appended; the store gives it its place, time and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor,
    /// About what.
    pub subject: Subject,
    /// The facts, as a JSON object. Never a secret.
    pub body: serde_json::Value,
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its place, from 1 without a gap.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor,
    /// About what.
    pub subject: Subject,
    /// The facts.
    pub body: serde_json::Value,
    /// The hash of the event before; 32 zero bytes for the first.
    pub prev: Digest,
    /// Its own.
    pub hash: Digest,
}

/// The hash of the event before the first.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

/// The hash of an event in its place: `SHA-256("orc.audit.v1" ‖ prev ‖ seq ‖ at ‖ length-prefixed kind, actor, subject ‖ SHA-256(body))`.
/// Actor, subject and body are canonical JSON (RFC 8785), numbers big-endian. The body enters by its digest so that it can be archived
/// without breaking the chain.
///
/// # Errors
/// When actor, subject or body have no JSON form.
pub fn event_hash(prev: &Digest, seq: u64, at: Timestamp, event: &NewEvent) -> Result<Digest, serde_json::Error> {
    let actor = crate::canonical_json(&event.actor)?;
    let subject = crate::canonical_json(&event.subject)?;
    let body = Digest::of_canonical(&event.body)?;
    Ok(stored_event_hash(prev, seq, at, [event.kind.as_str().as_bytes(), &actor, &subject], &body))
}

/// [`event_hash`] from what is stored: `fields` are kind, actor and subject as the bytes that were hashed. Whoever verifies old events
/// need not know their kinds, and no reading and writing of numbers stands between the bytes and their hash.
pub fn stored_event_hash(prev: &Digest, seq: u64, at: Timestamp, fields: [&[u8]; 3], body: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"orc.audit.v1");
    hasher.update(prev.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(at.0.to_be_bytes());
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    hasher.update(body.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}
