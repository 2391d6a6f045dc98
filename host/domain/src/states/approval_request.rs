//! What is asked of one role group for one plan revision.

use super::{IllegalTransition, Machine, illegal};
use crate::risk::word_enum;

word_enum! {
    /// The states of an approval request.
    ApprovalRequestState, "approval request state" {
        /// Votes are missing.
        Pending = "pending",
        /// The quorum is reached.
        Approved = "approved",
        /// Somebody of the group said no.
        Rejected = "rejected",
        /// Its time is over.
        Expired = "expired",
        /// Another request, revision or end made it void.
        Superseded = "superseded",
    }
}

word_enum! {
    /// What happens to an approval request.
    ApprovalRequestEvent, "approval request event" {
        /// The quorum is reached.
        Approved = "approved",
        /// A vote says no.
        Rejected = "rejected",
        /// Its time is over.
        Expired = "expired",
        /// It is void.
        Superseded = "superseded",
    }
}

impl Machine for ApprovalRequestState {
    type Event = ApprovalRequestEvent;
    const NAME: &'static str = "approval request";
    const STATES: &'static [Self] = Self::ALL;
    const EVENTS: &'static [Self::Event] = ApprovalRequestEvent::ALL;

    fn next(self, event: Self::Event) -> Result<Self, IllegalTransition> {
        use ApprovalRequestEvent as E;
        use ApprovalRequestState as S;
        match event {
            E::Approved => match self {
                S::Pending => Ok(S::Approved),
                S::Approved | S::Rejected | S::Expired | S::Superseded => illegal(self, event),
            },
            E::Rejected => match self {
                S::Pending | S::Approved => Ok(S::Rejected),
                S::Rejected | S::Expired | S::Superseded => illegal(self, event),
            },
            E::Expired => match self {
                S::Pending | S::Approved => Ok(S::Expired),
                S::Rejected | S::Expired | S::Superseded => illegal(self, event),
            },
            E::Superseded => match self {
                S::Pending | S::Approved => Ok(S::Superseded),
                S::Rejected | S::Expired | S::Superseded => illegal(self, event),
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
