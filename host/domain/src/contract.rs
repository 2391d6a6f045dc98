//! Phase contracts and pipelines: what happens in and around a phase. `config/phase-contracts.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::grant::ResourceLimits;
use crate::names::*;
use crate::risk::{CommandFamily, word_enum};
use crate::verdict::BindingMode;

/// `config/phase-contracts.yaml` as checked values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contracts {
    /// The pipelines.
    pub pipelines: BTreeMap<PipelineName, Pipeline>,
    /// The phases.
    pub phases: BTreeMap<PhaseName, PhaseContract>,
}

impl Contracts {
    /// The pipeline that `family` runs where none is named: the one of the same name, else the first of the family.
    pub fn default_pipeline(&self, family: CommandFamily) -> Option<&PipelineName> {
        self.pipelines
            .keys()
            .find(|name| name.as_str() == family.as_str())
            .or_else(|| self.pipelines.iter().find(|(_, pipeline)| pipeline.family == family).map(|(name, _)| name))
    }
}

/// Ordered phases of a family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The family that it serves.
    pub family: CommandFamily,
    /// The phases, in order.
    pub phases: Vec<PhaseName>,
    /// Phases of it that run only where the operator asks (`--deploy`).
    #[serde(default)]
    pub on_request: BTreeSet<PhaseName>,
}

word_enum! {
    /// Who does the work of a phase.
    PhaseKind, "phase kind" {
        /// The planned command, then the project's verify commands.
        Command = "command",
        /// An external agent CLI.
        Worker = "worker",
        /// The project's runbook.
        Runbook = "runbook",
    }
}

word_enum! {
    /// The workspace that a phase works in.
    WorkspaceKind, "workspace kind" {
        /// A read-only checkout of the base commit.
        ReadOnly = "read_only",
        /// A writable checkout that is thrown away.
        ThrowAway = "throw_away",
        /// The execution's own worktree.
        Worktree = "worktree",
    }
}

/// What a phase requires and emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseContract {
    /// Who does the work.
    pub kind: PhaseKind,
    /// Where.
    pub workspace: WorkspaceKind,
    /// The prompt, a file under `phases/`; for worker phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The JSON Schema of its output, a file under `phases/`.
    pub schema: String,
    /// Wall time of one attempt, in seconds.
    pub timeout_s: u64,
    /// Attempts, at least 1.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Whether a new owner may start it again after a crash.
    #[serde(default)]
    pub restartable: bool,
    /// Whether policy's `skip` is asked.
    #[serde(default)]
    pub skippable: bool,
    /// Hooks before the attempt.
    #[serde(default)]
    pub pre_hooks: Vec<BindingEntry>,
    /// Gates before the attempt.
    #[serde(default)]
    pub pre_gates: Vec<BindingEntry>,
    /// The validator of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<BindingEntry>,
    /// Gates after the attempt.
    #[serde(default)]
    pub post_gates: Vec<BindingEntry>,
    /// Hooks after the attempt.
    #[serde(default)]
    pub post_hooks: Vec<BindingEntry>,
    /// Bounds of its launches, over the project's.
    #[serde(default)]
    pub limits: ResourceLimits,
}

const fn one() -> u32 {
    1
}

impl PhaseContract {
    /// Every binding with its position word: `pre_hook`, `pre_gate`, `validator`, `post_gate`, `post_hook`.
    pub fn bindings(&self) -> impl Iterator<Item = (BindingPosition, &BindingEntry)> {
        let at = |position| move |entry| (position, entry);
        let pre_hooks = self.pre_hooks.iter().map(at(BindingPosition::PreHook));
        let pre_gates = self.pre_gates.iter().map(at(BindingPosition::PreGate));
        let validator = self.validator.iter().map(at(BindingPosition::Validator));
        let post_gates = self.post_gates.iter().map(at(BindingPosition::PostGate));
        let post_hooks = self.post_hooks.iter().map(at(BindingPosition::PostHook));
        pre_hooks.chain(pre_gates).chain(validator).chain(post_gates).chain(post_hooks)
    }
}

word_enum! {
    /// Where in a phase a guest stands.
    BindingPosition, "binding position" {
        /// Before the gates, before the attempt.
        PreHook = "pre_hook",
        /// Before the attempt.
        PreGate = "pre_gate",
        /// On the output.
        Validator = "validator",
        /// After verification.
        PostGate = "post_gate",
        /// After the gates.
        PostHook = "post_hook",
    }
}

/// A guest in a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingEntry {
    /// Which guest, by its name in `guests.lock`.
    pub guest: GuestName,
    /// Blocking or advisory; a hook is never blocking.
    #[serde(default = "blocking")]
    pub mode: BindingMode,
    /// Its settings, over its manifest's defaults.
    #[serde(default = "empty_object")]
    pub settings: serde_json::Value,
}

const fn blocking() -> BindingMode {
    BindingMode::Blocking
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}
