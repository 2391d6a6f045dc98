//! A phase inside an execution.

use super::{IllegalTransition, Machine, illegal};
use crate::risk::word_enum;

word_enum! {
    /// The states of a phase run.
    PhaseRunState, "phase run state" {
        /// Its turn has not come.
        Pending = "pending",
        /// Policy let it be left out.
        Skipped = "skipped",
        /// An attempt is under way.
        Running = "running",
        /// Gates said no and no attempt is left.
        Blocked = "blocked",
        /// It waits with its execution.
        Paused = "paused",
        /// Its output was accepted and its gates passed.
        Completed = "completed",
        /// It could not be done.
        Failed = "failed",
        /// Its owner died where a restart is not safe.
        Interrupted = "interrupted",
        /// It was stopped, or its turn never came.
        Cancelled = "cancelled",
    }
}

word_enum! {
    /// What happens to a phase run.
    PhaseRunEvent, "phase run event" {
        /// Policy leaves it out.
        Skipped = "skipped",
        /// The first attempt begins.
        Started = "started",
        /// A further attempt begins.
        AttemptStarted = "attempt_started",
        /// The last attempt is used up.
        Blocked = "blocked",
        /// It must wait.
        Paused = "paused",
        /// It goes on.
        Resumed = "resumed",
        /// Output accepted, gates passed.
        Completed = "completed",
        /// It cannot be done.
        Failed = "failed",
        /// Its owner died.
        Interrupted = "interrupted",
        /// It is stopped or never reached.
        Cancelled = "cancelled",
    }
}

impl Machine for PhaseRunState {
    type Event = PhaseRunEvent;
    const NAME: &'static str = "phase run";
    const STATES: &'static [Self] = Self::ALL;
    const EVENTS: &'static [Self::Event] = PhaseRunEvent::ALL;

    fn next(self, event: Self::Event) -> Result<Self, IllegalTransition> {
        use PhaseRunEvent as E;
        use PhaseRunState as S;
        match event {
            E::Skipped => match self {
                S::Pending => Ok(S::Skipped),
                S::Skipped | S::Running | S::Blocked | S::Paused | S::Completed | S::Failed | S::Interrupted | S::Cancelled => {
                    illegal(self, event)
                }
            },
            E::Started => match self {
                S::Pending => Ok(S::Running),
                S::Skipped | S::Running | S::Blocked | S::Paused | S::Completed | S::Failed | S::Interrupted | S::Cancelled => {
                    illegal(self, event)
                }
            },
            E::AttemptStarted => match self {
                S::Running => Ok(S::Running),
                S::Pending | S::Skipped | S::Blocked | S::Paused | S::Completed | S::Failed | S::Interrupted | S::Cancelled => {
                    illegal(self, event)
                }
            },
            E::Blocked => match self {
                S::Pending | S::Running => Ok(S::Blocked),
                S::Skipped | S::Blocked | S::Paused | S::Completed | S::Failed | S::Interrupted | S::Cancelled => illegal(self, event),
            },
            E::Paused => match self {
                S::Running => Ok(S::Paused),
                S::Pending | S::Skipped | S::Blocked | S::Paused | S::Completed | S::Failed | S::Interrupted | S::Cancelled => {
                    illegal(self, event)
                }
            },
            E::Resumed => match self {
                S::Paused | S::Interrupted => Ok(S::Running),
                S::Pending | S::Skipped | S::Running | S::Blocked | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Completed => match self {
                S::Running => Ok(S::Completed),
                S::Pending | S::Skipped | S::Blocked | S::Paused | S::Completed | S::Failed | S::Interrupted | S::Cancelled => {
                    illegal(self, event)
                }
            },
            E::Failed => match self {
                S::Pending | S::Running | S::Paused | S::Interrupted => Ok(S::Failed),
                S::Skipped | S::Blocked | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
            },
            E::Interrupted => match self {
                S::Running | S::Paused => Ok(S::Interrupted),
                S::Pending | S::Skipped | S::Blocked | S::Completed | S::Failed | S::Interrupted | S::Cancelled => illegal(self, event),
            },
            E::Cancelled => match self {
                S::Pending | S::Running | S::Paused | S::Interrupted => Ok(S::Cancelled),
                S::Skipped | S::Blocked | S::Completed | S::Failed | S::Cancelled => illegal(self, event),
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
