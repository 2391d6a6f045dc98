//! What is learnt about a project, and what is left to do in it.

use serde::{Deserialize, Serialize};

use super::NextStep;
use crate::ids::{BacklogItemId, MemoryItemId, PhaseRunId, WorkflowId};
use crate::names::ProjectName;
use crate::risk::word_enum;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;
use crate::verdict::{BacklogKind, MemoryKind, Severity};

word_enum! {
    /// Whether a memory item is recalled.
    MemoryState, "memory state" {
        /// A hook proposed it: it is recalled by nobody.
        Proposed = "proposed",
        /// A person accepted it: plans made from now on recall it.
        Accepted = "accepted",
        /// A person took it out.
        Retired = "retired",
    }
}

word_enum! {
    /// Where a backlog item stands.
    BacklogState, "backlog state" {
        /// Nobody does it.
        Open = "open",
        /// A workflow was planned from it.
        Planned = "planned",
        /// That workflow completed, or a person says so.
        Done = "done",
        /// A person decided that it is not done.
        Dismissed = "dismissed",
    }
}

/// A memory item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryItem {
    /// Its id.
    pub id: MemoryItemId,
    /// The project.
    pub project: ProjectName,
    /// Whether it is recalled.
    pub state: MemoryState,
    /// What it says.
    pub kind: MemoryKind,
    /// In words: a worker's, until a person accepts them.
    pub text: Untrusted,
    /// The file that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Untrusted>,
    /// The phase run that it was learnt in.
    pub source: PhaseRunId,
    /// When.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub updated_at: Timestamp,
}

/// A backlog item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BacklogItem {
    /// Its id.
    pub id: BacklogItemId,
    /// The project.
    pub project: ProjectName,
    /// Where it stands.
    pub state: BacklogState,
    /// What kind of work.
    pub kind: BacklogKind,
    /// How bad it is to leave it.
    pub severity: Severity,
    /// In one line.
    pub title: Untrusted,
    /// In full.
    pub detail: Untrusted,
    /// The file that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Untrusted>,
    /// The phase run that found it.
    pub source: PhaseRunId,
    /// The workflow that was planned from it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
    /// When it was found.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub updated_at: Timestamp,
}

/// Ask for a project's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetMemory {
    /// The project.
    pub project: ProjectName,
    /// Only in this state; absent: all but retired ones.
    #[serde(default)]
    pub state: Option<MemoryState>,
}

/// A project's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The items, oldest first, at most 1000.
    pub items: Vec<MemoryItem>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// Accept or retire a memory item. Any operator but those who asked for the work that it was learnt in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMemory {
    /// The item, by id or unambiguous prefix.
    pub item: String,
    /// `accepted` or `retired`.
    pub state: MemoryState,
}

/// Ask for a project's backlog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetBacklog {
    /// The project.
    pub project: ProjectName,
    /// Only of this kind.
    #[serde(default)]
    pub kind: Option<BacklogKind>,
    /// Only in this state; absent: open and planned ones.
    #[serde(default)]
    pub state: Option<BacklogState>,
}

/// A project's backlog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backlog {
    /// The items, worst first, at most 1000.
    pub items: Vec<BacklogItem>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// Say where a backlog item stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBacklog {
    /// The item, by id or unambiguous prefix.
    pub item: String,
    /// `open`, `done` or `dismissed`.
    pub state: BacklogState,
}
