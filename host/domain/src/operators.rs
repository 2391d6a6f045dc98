//! Who may act: operators, roles, role groups, and how the actor of a request was proved. `config/operators.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::names::*;
use crate::risk::{RiskClass, word_enum};

/// A person with roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What the person is.
    #[serde(default)]
    pub roles: BTreeSet<RoleName>,
    /// The unix users that this person is, by name. Empty: nobody can act as this operator over the socket.
    #[serde(default)]
    pub unix_users: BTreeSet<String>,
    /// The Telegram user id of this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telegram_id: Option<i64>,
    /// A withdrawn operator keeps the history and can do nothing.
    #[serde(default)]
    pub withdrawn: bool,
}

/// `config/operators.yaml` as checked values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// The persons.
    pub operators: BTreeMap<OperatorName, Operator>,
    /// Which roles count for which group.
    pub role_groups: BTreeMap<GroupName, BTreeSet<RoleName>>,
}

impl Operators {
    /// The operator of that name that may act.
    pub fn active(&self, name: &OperatorName) -> Option<&Operator> {
        self.operators.get(name).filter(|operator| !operator.withdrawn)
    }

    /// Whether `name` may act and holds a role of `group`.
    pub fn in_group(&self, name: &OperatorName, group: &GroupName) -> bool {
        let roles = self.role_groups.get(group);
        let operator = self.active(name);
        roles.zip(operator).is_some_and(|(roles, operator)| !roles.is_disjoint(&operator.roles))
    }

    /// The operators that may act and hold a role of `group`.
    pub fn members<'a>(&'a self, group: &'a GroupName) -> impl Iterator<Item = &'a OperatorName> {
        self.operators.keys().filter(move |name| self.in_group(name, group))
    }

    /// The operators that may act.
    pub fn all_active(&self) -> impl Iterator<Item = &OperatorName> {
        self.operators.iter().filter(|(_, operator)| !operator.withdrawn).map(|(name, _)| name)
    }

    /// The operators bound to a unix user of that name that may act.
    pub fn bound_to<'a>(&'a self, unix_user: &'a str) -> impl Iterator<Item = &'a OperatorName> {
        let bound = move |operator: &Operator| !operator.withdrawn && operator.unix_users.contains(unix_user);
        self.operators.iter().filter(move |(_, operator)| bound(operator)).map(|(name, _)| name)
    }
}

word_enum! {
    /// How it was proved who acts.
    Proof, "proof" {
        /// Said, not proved: `trust: single_user`. Counts up to moderate risk only.
        Asserted = "asserted",
        /// The kernel named the peer of the socket, and that unix user is bound to the operator.
        UnixPeer = "unix_peer",
        /// The Telegram channel checked the sender.
        Telegram = "telegram",
        /// A signed-in session of the page.
        WebSession = "web_session",
    }
}

impl Proof {
    /// The riskiest plan that a vote with this proof can approve.
    pub const fn counts_up_to(self) -> RiskClass {
        match self {
            Self::Asserted => RiskClass::Moderate,
            Self::UnixPeer | Self::Telegram | Self::WebSession => RiskClass::High,
        }
    }
}

word_enum! {
    /// Whom the socket believes.
    Trust, "trust mode" {
        /// The state's owner may name any operator; such acts are `asserted`.
        SingleUser = "single_user",
        /// `--user` can name only an operator bound to the peer.
        Team = "team",
    }
}

/// Whoever acted, with the proof. Made by the one `identify` function of the engine and by the system itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Actor {
    /// A person.
    Operator {
        /// Who.
        name: OperatorName,
        /// How that was proved.
        proof: Proof,
        /// The unix user id of the peer, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
    },
    /// Somebody who could not be proved to be an operator: recorded with a denied attempt, never with an effect.
    Unknown {
        /// The unix user id of the peer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
    },
    /// A worker.
    Worker {
        /// Which engine.
        engine: EngineName,
    },
    /// ORC itself: timers, recovery, rules reload.
    System,
}

impl Actor {
    /// The operator, where it is one.
    pub fn operator(&self) -> Option<&OperatorName> {
        match self {
            Self::Operator { name, .. } => Some(name),
            Self::Unknown { .. } | Self::Worker { .. } | Self::System => None,
        }
    }

    /// One short word or two for a table: `alice (asserted)`, `system`.
    pub fn label(&self) -> String {
        match self {
            Self::Operator { name, proof: Proof::Asserted, .. } => format!("{name} (asserted)"),
            Self::Operator { name, .. } => name.to_string(),
            Self::Unknown { uid: Some(uid) } => format!("unknown (uid {uid})"),
            Self::Unknown { uid: None } => "unknown".to_owned(),
            Self::Worker { engine } => format!("worker {engine}"),
            Self::System => "system".to_owned(),
        }
    }
}
