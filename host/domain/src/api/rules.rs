//! Rules revisions: in force, candidate, history.

use serde::{Deserialize, Serialize};

use super::NextStep;
use crate::canonical::Digest;
use crate::decision::Place;
use crate::names::OperatorName;
use crate::operators::Actor;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;

/// Ask for the rules' state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRules {}

/// Put the candidate into force. With `trust: team` the first person proposes and a second one activates. Admins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesActivate {
    /// The digest of the candidate that was looked at; another one is refused. With `trust: team` nothing happens without it.
    #[serde(default)]
    pub digest: Option<Digest>,
}

/// Put old content into force again, as a new revision. Admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesRollback {
    /// The revision whose content it is.
    pub revision: u64,
}

/// The rules' state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesStatus {
    /// The revision in force.
    pub active: RulesRevisionView,
    /// The candidate under the root, where its content differs from the revision in force.
    #[serde(default)]
    pub candidate: Option<RulesCandidateView>,
    /// Rollbacks that one admin agreed to and that wait for another, newest first.
    #[serde(default)]
    pub rollbacks: Vec<RollbackProposal>,
    /// The newest revisions, newest first, at most 10.
    pub history: Vec<RulesRevisionView>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A rollback that a second person is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackProposal {
    /// The revision whose content is to be in force again.
    pub revision: u64,
    /// Who agreed.
    pub by: OperatorName,
    /// When.
    pub at: Timestamp,
}

/// A rules revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesRevisionView {
    /// Its number.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
    /// When it came into force.
    pub activated_at: Timestamp,
    /// Who put it there.
    pub activated_by: Actor,
    /// Files of it.
    pub files: u64,
}

/// Content under the root that is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesCandidateView {
    /// Its digest; absent where it could not even be read.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// Files that differ from the revision in force: `+`, `-` or `~` and the path.
    pub changes: Vec<String>,
    /// Why it cannot come into force; empty where it can.
    pub problems: Vec<Problem>,
    /// Who proposed it, where a second person is needed.
    #[serde(default)]
    pub proposed_by: Option<OperatorName>,
    /// No host has looked at it yet: this is what whoever answered saw, and nothing of it is written down.
    #[serde(default)]
    pub unseen: bool,
}

/// Something wrong in a file under the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// What.
    pub message: String,
    /// What was probably meant, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    /// A problem without help.
    pub fn new(at: &Place, message: impl Into<String>) -> Self {
        Self { at: at.clone(), message: message.into(), help: None }
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Ask what differs between two contents of the root, inside the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRulesDiff {
    /// The revision it is compared with; absent: the one in force.
    #[serde(default)]
    pub from: Option<u64>,
    /// The revision that is compared; absent: what is under the root now.
    #[serde(default)]
    pub to: Option<u64>,
}

/// What differs between two contents of the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesDiff {
    /// What it is compared with.
    pub from: RulesSide,
    /// What is compared.
    pub to: RulesSide,
    /// Every file that differs, by path.
    pub files: Vec<RulesFileDiff>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// One content of the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesSide {
    /// Its revision; absent for what is under the root now.
    #[serde(default)]
    pub revision: Option<u64>,
    /// Its digest.
    pub digest: Digest,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesFileDiff {
    /// Relative to the root.
    pub path: String,
    /// Digest of what it was; absent where it is new.
    #[serde(default)]
    pub before: Option<Digest>,
    /// Digest of what it is; absent where it is gone.
    #[serde(default)]
    pub after: Option<Digest>,
    /// A unified diff with three lines of context; absent where [`omitted`](Self::omitted) says why.
    #[serde(default)]
    pub diff: Option<Untrusted>,
    /// Why no diff is shown.
    #[serde(default)]
    pub omitted: Option<String>,
}
