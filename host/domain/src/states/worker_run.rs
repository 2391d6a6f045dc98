//! One launch of a worker or command.

use super::{IllegalTransition, Machine, illegal};
use crate::risk::word_enum;

word_enum! {
    /// The states of a worker run.
    WorkerRunState, "worker run state" {
        /// Recorded, nothing started.
        Intended = "intended",
        /// The helper is being started.
        Launching = "launching",
        /// The helper restricted itself and became the program.
        Running = "running",
        /// It ended by itself, or the launch was refused, and its report is stored.
        Exited = "exited",
        /// Its owner died and no report exists.
        Lost = "lost",
        /// ORC ended it: time-out, cancel, output cap.
        Killed = "killed",
    }
}

word_enum! {
    /// What happens to a worker run.
    WorkerRunEvent, "worker run event" {
        /// The helper is started.
        Launching = "launching",
        /// The program runs.
        Running = "running",
        /// It ended by itself, or the helper refused.
        Exited = "exited",
        /// ORC ended it.
        Killed = "killed",
        /// Its owner died.
        Lost = "lost",
    }
}

impl Machine for WorkerRunState {
    type Event = WorkerRunEvent;
    const NAME: &'static str = "worker run";
    const STATES: &'static [Self] = Self::ALL;
    const EVENTS: &'static [Self::Event] = WorkerRunEvent::ALL;

    fn next(self, event: Self::Event) -> Result<Self, IllegalTransition> {
        use WorkerRunEvent as E;
        use WorkerRunState as S;
        match event {
            E::Launching => match self {
                S::Intended => Ok(S::Launching),
                S::Launching | S::Running | S::Exited | S::Lost | S::Killed => illegal(self, event),
            },
            E::Running => match self {
                S::Launching => Ok(S::Running),
                S::Intended | S::Running | S::Exited | S::Lost | S::Killed => illegal(self, event),
            },
            E::Exited => match self {
                S::Launching | S::Running => Ok(S::Exited),
                S::Intended | S::Exited | S::Lost | S::Killed => illegal(self, event),
            },
            E::Killed => match self {
                S::Intended | S::Launching | S::Running => Ok(S::Killed),
                S::Exited | S::Lost | S::Killed => illegal(self, event),
            },
            E::Lost => match self {
                S::Intended | S::Launching | S::Running => Ok(S::Lost),
                S::Exited | S::Lost | S::Killed => illegal(self, event),
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
