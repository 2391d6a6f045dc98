//! The plan document: everything that can change the outcome. What was approved is what runs, because both name this document's hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, canonical_json};
use crate::contract::PhaseContract;
use crate::decision::Requirement;
use crate::grant::LaunchGrant;
use crate::ids::*;
use crate::names::*;
use crate::project::{Argv, ProjectEntry, Runbook};
use crate::risk::{CommandFamily, RiskAssessment};
use crate::settings::WorkerKind;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;
use crate::verdict::GuestBinding;

/// The hash of a plan document: SHA-256 of its canonical JSON (RFC 8785).
pub type PlanHash = Digest;

/// The version of the document's form.
pub const PLAN_SCHEMA: &str = "orc.plan/1";

/// Everything that can change the outcome of a workflow's plan revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// [`PLAN_SCHEMA`].
    pub schema: String,
    /// The version of ORC that planned it.
    pub orc_version: String,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The plan revision, from 1.
    pub revision: u32,
    /// All persons behind the plan. None of them votes.
    pub requesters: Vec<OperatorName>,
    /// The tenant.
    pub tenant: TenantName,
    /// The project's name.
    pub project: ProjectName,
    /// The project entry as resolved values.
    pub project_entry: ProjectEntry,
    /// The family.
    pub family: CommandFamily,
    /// The action.
    pub action: ActionName,
    /// What is to be done.
    pub intent: PlannedIntent,
    /// Flags, declared and derived.
    pub flags: BTreeMap<FlagName, bool>,
    /// Free facts of the requester.
    pub metadata: BTreeMap<String, String>,
    /// The worker, for agent pipelines.
    pub worker: Option<PlannedWorker>,
    /// The pipeline's name.
    pub pipeline: PipelineName,
    /// Its phases, in order.
    pub phases: Vec<PlannedPhase>,
    /// What each kind of launch gets, by purpose: `command`, `verify`, `prepare`.
    pub launch_grants: BTreeMap<String, LaunchGrant>,
    /// Commands that make a checkout usable.
    pub prepare: Vec<Argv>,
    /// Files that are copied into each workspace, with the digest of what they held at planning.
    pub copied: BTreeMap<String, Digest>,
    /// The project's verify commands; empty with `--no-verify`.
    pub verify: Vec<Argv>,
    /// The runbook, for deploys.
    pub runbook: Option<Runbook>,
    /// Waivers that it makes use of.
    pub waivers: Vec<Waiver>,
    /// The digest of the memory snapshot that recall reads.
    pub memory_snapshot: Option<Digest>,
    /// Bounds of the whole execution.
    pub budgets: Budgets,
    /// Risk with its reasons.
    pub risk: RiskAssessment,
    /// Who must approve.
    pub approvals: Vec<Requirement>,
    /// The commit that work starts from.
    pub base: BaseCommit,
    /// The rules revision that it was planned under.
    pub rules: RulesPin,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlannedIntent {
    /// A command, parsed to program and arguments.
    Command {
        /// Them.
        argv: Argv,
    },
    /// A task for an agent.
    Task {
        /// In the operator's words.
        task: Untrusted,
    },
}

/// The worker of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedWorker {
    /// The engine.
    pub engine: EngineName,
    /// The adapter that speaks with it.
    pub kind: WorkerKind,
    /// Program and arguments, before what the adapter adds.
    pub command: Argv,
    /// The digest of its binary.
    pub binary: Digest,
    /// The model, where one is named.
    pub model: Option<String>,
    /// Engines that may take over, in order.
    pub fallbacks: Vec<EngineName>,
    /// Who confines files and by which mechanism.
    pub confinement: String,
}

/// A phase of a plan: its contract and the digests of what the contract names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPhase {
    /// The phase.
    pub phase: PhaseName,
    /// Its contract.
    pub contract: PhaseContract,
    /// The digest of its prompt.
    pub prompt: Option<Digest>,
    /// The digest of its output schema.
    pub schema: Digest,
    /// Its guests, in the order of [`PhaseContract::bindings`].
    pub guests: Vec<GuestBinding>,
}

/// An accepted exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule that it waives.
    pub code: Code,
    /// Why.
    pub justification: String,
    /// Who accepted it.
    pub approver: OperatorName,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Bounds of the whole execution. `None` is no bound beside the contracts' own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Wall time, in seconds.
    pub wall_s: Option<u64>,
    /// Attempts of all phases together.
    pub attempts: Option<u32>,
    /// Turns of the worker.
    pub turns: Option<u32>,
    /// Tokens of the worker, where it reports them.
    pub tokens: Option<u64>,
}

/// The commit that work starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseCommit {
    /// The branch, as in `main`.
    pub branch: String,
    /// The full commit id.
    pub commit: String,
}

/// A rules revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesPin {
    /// Its number.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
}

impl PlanDocument {
    /// The plan hash: SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// When the document has no JSON form; not for documents that were parsed or built from parsed values.
    pub fn hash(&self) -> Result<PlanHash, serde_json::Error> {
        Digest::of_canonical(self)
    }

    /// The canonical JSON, as it is stored.
    ///
    /// # Errors
    /// As [`PlanDocument::hash`].
    pub fn canonical(&self) -> Result<Vec<u8>, serde_json::Error> {
        canonical_json(self)
    }

    /// A phase by its name.
    pub fn phase(&self, name: &PhaseName) -> Option<&PlannedPhase> {
        self.phases.iter().find(|phase| phase.phase == *name)
    }
}

/// One difference between two plan documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDifference {
    /// Where, as a JSON pointer (RFC 6901): `/phases/0/contract/timeout_s`.
    pub pointer: String,
    /// What it was; absent where it is new.
    pub planned: Option<serde_json::Value>,
    /// What it is; absent where it is gone.
    pub now: Option<serde_json::Value>,
}

/// The differences between two JSON values, each named at the deepest place that differs, keys in their order.
pub fn differences(planned: &serde_json::Value, now: &serde_json::Value) -> Vec<PlanDifference> {
    let mut found = Vec::new();
    collect(&mut found, String::new(), Some(planned), Some(now));
    found
}

fn collect(found: &mut Vec<PlanDifference>, at: String, planned: Option<&serde_json::Value>, now: Option<&serde_json::Value>) {
    use serde_json::Value;
    match (planned, now) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                collect(found, format!("{at}/{escaped}"), a.get(key), b.get(key));
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                collect(found, format!("{at}/{index}"), Some(a), Some(b));
            }
        }
        (planned, now) => found.push(PlanDifference { pointer: at, planned: planned.cloned(), now: now.cloned() }),
    }
}
