//! The workflow, by its newest plan revision.

use super::{IllegalTransition, Machine, illegal};
use crate::risk::word_enum;

word_enum! {
    /// The states of a workflow.
    WorkflowState, "workflow state" {
        /// A plan exists; what it needs is not asked yet.
        Planned = "planned",
        /// Somebody must vote.
        AwaitingApproval = "awaiting_approval",
        /// It may run.
        Approved = "approved",
        /// What the plan pins has changed, or policy decides more strictly: plan again.
        Stale = "stale",
        /// Somebody said no.
        Rejected = "rejected",
        /// Nobody said yes in time, or it was not run in time.
        Expired = "expired",
        /// A requester took it back.
        Withdrawn = "withdrawn",
        /// It runs.
        Executing = "executing",
        /// It ran to its end.
        Completed = "completed",
        /// It ran and did not reach its end.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
    }
}

word_enum! {
    /// What happens to a workflow.
    WorkflowEvent, "workflow event" {
        /// Policy asks for votes.
        ApprovalRequested = "approval_requested",
        /// Policy asks for none.
        ApprovalNotNeeded = "approval_not_needed",
        /// The last needed vote came.
        Approved = "approved",
        /// A vote said no.
        Rejected = "rejected",
        /// Its time is over.
        Expired = "expired",
        /// A requester takes it back.
        Withdrawn = "withdrawn",
        /// The world moved under the plan.
        WentStale = "went_stale",
        /// A new plan revision takes over.
        Replanned = "replanned",
        /// Votes are consumed and the execution exists.
        ExecutionStarted = "execution_started",
        /// The execution completed.
        Completed = "completed",
        /// The execution failed.
        Failed = "failed",
        /// The execution was cancelled.
        Cancelled = "cancelled",
    }
}

impl Machine for WorkflowState {
    type Event = WorkflowEvent;
    const NAME: &'static str = "workflow";
    const STATES: &'static [Self] = Self::ALL;
    const EVENTS: &'static [Self::Event] = WorkflowEvent::ALL;

    fn next(self, event: Self::Event) -> Result<Self, IllegalTransition> {
        use WorkflowEvent as E;
        use WorkflowState as S;
        match event {
            E::ApprovalRequested => match self {
                S::Planned => Ok(S::AwaitingApproval),
                S::AwaitingApproval
                | S::Approved
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::ApprovalNotNeeded => match self {
                S::Planned => Ok(S::Approved),
                S::AwaitingApproval
                | S::Approved
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Approved => match self {
                S::AwaitingApproval => Ok(S::Approved),
                S::Planned
                | S::Approved
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Rejected => match self {
                S::AwaitingApproval | S::Approved => Ok(S::Rejected),
                S::Planned
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Expired => match self {
                S::AwaitingApproval | S::Approved => Ok(S::Expired),
                S::Planned
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Withdrawn => match self {
                S::Planned | S::AwaitingApproval | S::Approved | S::Stale => Ok(S::Withdrawn),
                S::Rejected | S::Expired | S::Withdrawn | S::Executing | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::WentStale => match self {
                S::AwaitingApproval | S::Approved => Ok(S::Stale),
                S::Planned
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Replanned => match self {
                S::AwaitingApproval | S::Approved | S::Stale | S::Rejected | S::Expired | S::Failed | S::Cancelled => Ok(S::Planned),
                S::Planned | S::Withdrawn | S::Executing | S::Completed => illegal(self, event),
            },
            E::ExecutionStarted => match self {
                S::Approved => Ok(S::Executing),
                S::Planned
                | S::AwaitingApproval
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Executing
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Completed => match self {
                S::Executing => Ok(S::Completed),
                S::Planned
                | S::AwaitingApproval
                | S::Approved
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Failed => match self {
                S::Executing => Ok(S::Failed),
                S::Planned
                | S::AwaitingApproval
                | S::Approved
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
            E::Cancelled => match self {
                S::Executing => Ok(S::Cancelled),
                S::Planned
                | S::AwaitingApproval
                | S::Approved
                | S::Stale
                | S::Rejected
                | S::Expired
                | S::Withdrawn
                | S::Completed
                | S::Failed
                | S::Cancelled => illegal(self, event),
            },
        }
    }

    fn word(self) -> &'static str {
        self.as_str()
    }

    fn event_word(event: Self::Event) -> &'static str {
        event.as_str()
    }
}
