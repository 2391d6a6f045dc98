//! The five state machines. One transition function each: event in, next state or [`IllegalTransition`] out. Every write of a state
//! goes through it, and so does recovery when it folds the audit again; state columns are a cache of that fold.

mod approval_request;
mod execution;
mod phase_run;
mod worker_run;
mod workflow;

use std::fmt::Write as _;

pub use approval_request::{ApprovalRequestEvent, ApprovalRequestState};
pub use execution::{ExecutionEvent, ExecutionState, PausedReason};
pub use phase_run::{PhaseRunEvent, PhaseRunState};
pub use worker_run::{WorkerRunEvent, WorkerRunState};
pub use workflow::{WorkflowEvent, WorkflowState};

/// An event that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{machine} is {state}: `{event}` is not possible")]
pub struct IllegalTransition {
    /// Which machine.
    pub machine: &'static str,
    /// Its state.
    pub state: &'static str,
    /// The event.
    pub event: &'static str,
}

/// A state machine: its states, its events, its one transition function.
pub trait Machine: Copy + Eq + 'static {
    /// What happens to it.
    type Event: Copy + 'static;
    /// What a person calls it.
    const NAME: &'static str;
    /// Every state, in the order of life.
    const STATES: &'static [Self];
    /// Every event.
    const EVENTS: &'static [Self::Event];

    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalTransition`] where this state does not allow the event.
    fn next(self, event: Self::Event) -> Result<Self, IllegalTransition>;

    /// The word of this state.
    fn word(self) -> &'static str;

    /// The word of an event.
    fn event_word(event: Self::Event) -> &'static str;

    /// Whether nothing more happens.
    fn is_terminal(self) -> bool {
        Self::EVENTS.iter().all(|event| self.next(*event).is_err())
    }
}

fn illegal<M: Machine>(state: M, event: M::Event) -> Result<M, IllegalTransition> {
    Err(IllegalTransition { machine: M::NAME, state: state.word(), event: M::event_word(event) })
}

/// The transition table of `M` as Markdown, for `docs/states.md`.
pub fn table<M: Machine>() -> String {
    let mut out = format!("## {}\n\n| event |", M::NAME);
    for state in M::STATES {
        let _ = write!(out, " {} |", state.word());
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(M::STATES.len()));
    out.push('\n');
    for event in M::EVENTS {
        let _ = write!(out, "| {} |", M::event_word(*event));
        for state in M::STATES {
            let next = state.next(*event).map_or("", M::word);
            let _ = write!(out, " {next} |");
        }
        out.push('\n');
    }
    out
}

/// All five tables, as `docs/states.md` holds them.
pub fn document() -> String {
    let mut out = String::from(
        "# States\n\nGenerated from `host/domain/src/states` by `cargo xtask states`; a test compares. Columns are states, rows are events, a cell is the\nnext state, an empty cell is refused with `illegal-transition`.\n\n",
    );
    let tables = [
        table::<WorkflowState>(),
        table::<ApprovalRequestState>(),
        table::<ExecutionState>(),
        table::<PhaseRunState>(),
        table::<WorkerRunState>(),
    ];
    out.push_str(&tables.join("\n"));
    out
}
