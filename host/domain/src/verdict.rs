//! What guests answer, what they may get, and what it means when they do not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Digest;
use crate::names::*;
use crate::risk::word_enum;
use crate::untrusted::Untrusted;

word_enum! {
    /// The three kinds of guest.
    GuestKind, "guest kind" {
        /// May block a phase.
        Gate = "gate",
        /// May not block; returns effects as data.
        Hook = "hook",
        /// Judges an output, changes nothing.
        Validator = "validator",
    }
}

word_enum! {
    /// How bad a finding is.
    Severity, "severity" {
        /// Good to know.
        Info = "info",
        /// A blemish.
        Low = "low",
        /// Worth mending.
        Medium = "medium",
        /// Must be mended.
        High = "high",
        /// Must be mended now.
        Critical = "critical",
    }
}

/// One thing that a guest found. Its texts come from a guest and may quote the repository: untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The guest's rule.
    pub rule: Untrusted,
    /// What is wrong.
    pub message: Untrusted,
    /// How bad.
    pub severity: Severity,
    /// The file, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Untrusted>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Untrusted>,
}

/// What a gate found, whichever way it decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Facts worth keeping, by name.
    pub annotations: BTreeMap<String, Untrusted>,
}

/// A gate's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// Go on.
    Pass {
        /// What it looked at.
        report: Report,
    },
    /// Stop.
    Fail {
        /// Why.
        report: Report,
    },
    /// Park for a person.
    Ask {
        /// The question.
        question: Untrusted,
    },
    /// Nothing to judge here.
    NotApplicable {
        /// Why.
        reason: Untrusted,
    },
}

impl Verdict {
    /// The word for tables: `pass`, `fail`, `ask`, `not_applicable`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass { .. } => "pass",
            Self::Fail { .. } => "fail",
            Self::Ask { .. } => "ask",
            Self::NotApplicable { .. } => "not_applicable",
        }
    }
}

word_enum! {
    /// Why there is no usable answer.
    FaultClass, "fault class" {
        /// The module is not the pinned one.
        LoadDigest = "load.digest",
        /// It is no component, or one that wasmtime refuses.
        LoadInvalid = "load.invalid",
        /// It implements another world or version.
        LoadWorld = "load.world",
        /// It imports what was not granted.
        LoadCapability = "load.capability",
        /// It refuses its settings.
        LoadSettings = "load.settings",
        /// It used up its fuel.
        RunFuel = "run.fuel",
        /// It ran past its epoch deadline.
        RunDeadline = "run.deadline",
        /// The call took too long by the wall clock.
        RunWall = "run.wall",
        /// It asked for more memory or table than it may have.
        RunMemory = "run.memory",
        /// Its stack overflowed.
        RunStack = "run.stack",
        /// It trapped.
        RunTrap = "run.trap",
        /// Its answer or a host call's data was malformed or too large.
        RunOutput = "run.output",
        /// It answered that it cannot judge.
        RunDeclined = "run.declined",
        /// ORC's own side of the call failed.
        RunHost = "run.host",
        /// All places were taken for too long.
        RunBusy = "run.busy",
    }
}

/// No usable answer. Never a verdict; turned into "blocked" at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
pub struct GuestFault {
    /// What kind.
    pub class: FaultClass,
    /// One sentence for a person, with the limit where it was one.
    pub message: String,
}

impl fmt::Display for GuestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.class)
    }
}

word_enum! {
    /// What a memory item says.
    MemoryKind, "memory kind" {
        /// How something is.
        Fact = "fact",
        /// What was decided, and why.
        Decision = "decision",
        /// How things are done in the project.
        Convention = "convention",
        /// What goes wrong easily.
        Pitfall = "pitfall",
    }
}

word_enum! {
    /// What kind of work a backlog item is.
    BacklogKind, "backlog kind" {
        /// Something does not work.
        Bug = "bug",
        /// Something is not safe.
        Security = "security",
        /// Something works and will be expensive.
        Debt = "debt",
        /// Something is not tested.
        Test = "test",
        /// Something is not written down.
        Docs = "docs",
        /// Something was left for later.
        FollowUp = "follow_up",
    }
}

/// What a hook wants done: data that the host applies if granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Keep a fact with the phase run.
    Annotate {
        /// Its name.
        name: String,
        /// Its value.
        value: Untrusted,
    },
    /// Tell the operators.
    Notify {
        /// What.
        message: Untrusted,
    },
    /// Propose an item for the project's memory.
    Remember {
        /// What it says.
        kind: MemoryKind,
        /// In words.
        text: Untrusted,
        /// The file that it is about, where it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Untrusted>,
    },
    /// Put an item into the project's backlog.
    Backlog {
        /// What kind of work.
        kind: BacklogKind,
        /// How bad it is to leave it.
        severity: Severity,
        /// In one line.
        title: Untrusted,
        /// In full.
        detail: Untrusted,
        /// The file that it is about, where it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Untrusted>,
    },
}

word_enum! {
    /// A capability that a guest can import beyond its inputs.
    Capability, "capability" {
        /// Write to the call's log.
        Log = "log",
        /// Read its settings.
        Settings = "settings",
        /// Read host-owned documents piecewise.
        Documents = "documents",
    }
}

word_enum! {
    /// Whether a gate's "no" stops the phase.
    BindingMode, "binding mode" {
        /// It does.
        Blocking = "blocking",
        /// It is recorded and shown.
        Advisory = "advisory",
    }
}

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestLimits {
    /// Instructions, in wasmtime fuel. Decides, because it is the same on every machine.
    pub fuel: u64,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
    /// Linear memories together, in bytes.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Answer and host-call data, in bytes.
    pub output_bytes: u64,
    /// Typed input, in bytes; larger things come as documents.
    pub input_bytes: u64,
    /// Log text, in bytes; more is dropped and counted.
    pub log_bytes: u64,
}

impl GuestLimits {
    /// The bounds of every call of this kind.
    pub const fn for_kind(kind: GuestKind) -> Self {
        const MIB: u64 = 1024 * 1024;
        let (fuel, wall_ms, memory_bytes, output_bytes) = match kind {
            GuestKind::Gate => (500_000_000, 250, 64 * MIB, MIB),
            GuestKind::Hook => (1_000_000_000, 2_000, 64 * MIB, MIB),
            GuestKind::Validator => (2_000_000_000, 1_000, 128 * MIB, 4 * MIB),
        };
        Self { fuel, wall_ms, memory_bytes, table_elements: 20_000, output_bytes, input_bytes: 256 * 1024, log_bytes: 16 * 1024 }
    }
}

/// A guest bound to a place in a phase, as pinned in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestBinding {
    /// Which guest.
    pub guest: GuestName,
    /// Its kind.
    pub kind: GuestKind,
    /// Its version, by its manifest.
    pub version: String,
    /// The digest of the component.
    pub module: Digest,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// Blocking or advisory.
    pub mode: BindingMode,
    /// Its settings, as JSON.
    pub settings: serde_json::Value,
    /// What it really gets: requested and granted.
    pub capabilities: BTreeSet<Capability>,
    /// Bounds of one call.
    pub limits: GuestLimits,
}

/// `guest.toml` beside a component: what it is and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestManifest {
    /// Its name.
    pub name: GuestName,
    /// Its version.
    pub version: String,
    /// Its kind.
    pub kind: GuestKind,
    /// What it does, in one sentence.
    pub summary: String,
    /// The world that it implements, as in `orc:guest/gate@1.0.0`.
    pub world: String,
    /// What it asks for.
    #[serde(default)]
    pub capabilities: BTreeSet<Capability>,
    /// Its default settings, as a table.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// One line of `config/guests.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestPin {
    /// The component, relative to the root.
    pub path: String,
    /// The digest of the component.
    pub module: Digest,
    /// The manifest, relative to the root.
    pub manifest_path: String,
    /// The digest of the manifest.
    pub manifest: Digest,
    /// What this installation grants, at most.
    #[serde(default)]
    pub grant: BTreeSet<Capability>,
}
