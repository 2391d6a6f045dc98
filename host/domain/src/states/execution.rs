//! The one run of a plan revision.

use super::{IllegalTransition, Machine, illegal};
use crate::risk::word_enum;

word_enum! {
    /// The states of an execution.
    ExecutionState, "execution state" {
        /// It waits for its turn.
        Queued = "queued",
        /// A phase is under way.
        Running = "running",
        /// It waits for what its paused reason names.
        Paused = "paused",
        /// Its owner died where a restart is not safe: an operator decides.
        Interrupted = "interrupted",
        /// Every phase completed or was skipped.
        Completed = "completed",
        /// A phase was blocked or failed.
        Failed = "failed",
        /// An operator stopped it, and nothing of it is left.
        Cancelled = "cancelled",
    }
}

word_enum! {
    /// What happens to an execution.
    ExecutionEvent, "execution event" {
        /// A host begins it.
        Started = "started",
        /// It must wait.
        Paused = "paused",
        /// What it waited for came.
        Resumed = "resumed",
        /// A new owner takes over where a restart is safe.
        Requeued = "requeued",
        /// Its owner died.
        Interrupted = "interrupted",
        /// The last phase ended well.
        Completed = "completed",
        /// It cannot go on.
        Failed = "failed",
        /// It was stopped, and its processes are proved dead.
        Cancelled = "cancelled",
    }
}

impl Machine for ExecutionState {
    type Event = ExecutionEvent;
    const NAME: &'static str = "execution";
    const STATES: &'static [Self] = Self::ALL;
    const EVENTS: &'static [Self::Event] = ExecutionEvent::ALL;

    fn next(self, event: Self::Event) -> Result<Self, IllegalTransition> {
        use ExecutionEvent as E;
        use ExecutionState as S;
        match event {
            E::Started => match self {
                S::Queued => Ok(S::Running),
                S::Running | S::Paused | S::Interrupted | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Paused => match self {
                S::Queued | S::Running => Ok(S::Paused),
                S::Paused | S::Interrupted | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Resumed => match self {
                S::Paused | S::Interrupted => Ok(S::Running),
                S::Queued | S::Running | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Requeued => match self {
                S::Running | S::Interrupted => Ok(S::Queued),
                S::Queued | S::Paused | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Interrupted => match self {
                S::Running | S::Paused => Ok(S::Interrupted),
                S::Queued | S::Interrupted | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Completed => match self {
                S::Running => Ok(S::Completed),
                S::Queued | S::Paused | S::Interrupted | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Failed => match self {
                S::Queued | S::Running | S::Paused | S::Interrupted => Ok(S::Failed),
                S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Cancelled => match self {
                S::Queued | S::Running | S::Paused | S::Interrupted => Ok(S::Cancelled),
                S::Completed | S::Failed | S::Cancelled => illegal(self, event),
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

word_enum! {
    /// What a paused execution waits for.
    PausedReason, "paused reason" {
        /// The work turned out riskier than approved.
        Approval = "approval",
        /// A gate asks a person.
        Question = "question",
        /// The worker's subscription is used up for now.
        UsageLimit = "usage_limit",
        /// A budget is used up.
        Budget = "budget",
        /// A freeze is on.
        Freeze = "freeze",
        /// An operator paused it.
        Operator = "operator",
    }
}
