//! Policy's question and answer as data. Made by the policy room, enforced by the engine, stored whole, explained from what was stored.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Digest;
use crate::names::*;
use crate::risk::{CommandFamily, RiskAssessment, RiskClass, word_enum};

/// A place in a rules file, as `policies/plan.rhai:12:5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The file, relative to the root, with `/`.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column, from 1; 0 where the whole line is meant.
    pub column: usize,
}

impl Place {
    /// A whole file.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str(&self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// Why something was denied, required, raised or skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stable machine-readable code, as in `command-not-allowed`.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
    /// The rule that said so; absent for the floor in Rust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    /// What would change it, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

word_enum! {
    /// The questions that policy answers, each a function of that name in `policies/`.
    EntryPoint, "policy entry point" {
        /// May this be planned, how risky is it, who must approve?
        Plan = "plan",
        /// May this plan run now?
        Admit = "admit",
        /// May this phase be left out?
        Skip = "skip",
        /// May this process be started under this grant?
        Launch = "launch",
        /// May the host run an approved plan by itself?
        Autorun = "autorun",
    }
}

word_enum! {
    /// What is asked of a person.
    RequirementKind, "requirement kind" {
        /// A vote of somebody who is not a requester.
        Approval = "approval",
        /// The sole operator's typed confirmation; never counted as an approval.
        Confirmation = "confirmation",
    }
}

/// One role group whose approval a plan needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Whose.
    pub group: GroupName,
    /// How many different persons of the group, at least 1.
    pub quorum: u32,
    /// Approval, or the sole operator's confirmation.
    pub kind: RequirementKind,
    /// Seconds after planning at which the request expires.
    pub expires_s: u64,
    /// The rules that asked for it.
    pub reasons: Vec<Reason>,
}

/// What must hold for an allowing decision to hold. One that the engine cannot meet is a denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// Its kind, as in `budget.wall_s`.
    pub kind: Code,
    /// Its value.
    pub value: String,
    /// The rule that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
}

/// What a decision cost: for `policy test` and for finding slow rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationCost {
    /// Rhai operations.
    pub operations: u64,
}

/// Policy's answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The question.
    pub entry: EntryPoint,
    /// The digest of the canonical input.
    pub input_digest: Digest,
    /// Why not; empty means allowed.
    pub denials: Vec<Reason>,
    /// Risk, raised from low.
    pub risk: RiskAssessment,
    /// Who must approve; one entry a group.
    pub requires: Vec<Requirement>,
    /// Conditions.
    pub obligations: Vec<Obligation>,
    /// Things worth showing that change nothing.
    pub warnings: Vec<Reason>,
    /// `skip` and `autorun`: the rules that said yes; empty means no.
    pub grants: Vec<Reason>,
    /// What it cost.
    pub cost: EvaluationCost,
}

impl Decision {
    /// Whether nothing was denied.
    pub fn allowed(&self) -> bool {
        self.denials.is_empty()
    }

    /// Whether this decision asks for more than `earlier`: denies, is riskier, needs a group or a person that it did not. `Some` with the
    /// rules that say so; the list can be empty where a rule gave no reason of its own.
    pub fn stricter_than(&self, earlier: &RiskAssessment, approved: &[Requirement]) -> Option<Vec<Reason>> {
        let mut stricter = !self.denials.is_empty();
        let mut more = self.denials.clone();
        if self.risk.class > earlier.class {
            stricter = true;
            more.extend(self.risk.reasons.iter().cloned());
        }
        for need in &self.requires {
            let had = approved.iter().find(|had| had.group == need.group && had.kind == need.kind);
            if had.is_none_or(|had| had.quorum < need.quorum) {
                stricter = true;
                more.extend(need.reasons.iter().cloned());
            }
        }
        stricter.then_some(more)
    }
}

/// A person as policy sees one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonFacts {
    /// Who.
    pub name: OperatorName,
    /// With which roles, now.
    pub roles: Vec<RoleName>,
}

/// A tenant as policy sees one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantFacts {
    /// Which.
    pub name: TenantName,
    /// Workflows executing or awaiting approval now, this one not counted.
    pub active: u64,
    /// Workflows planned in the last hour, this one not counted.
    pub planned_last_hour: u64,
}

/// A project as policy sees one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectFacts {
    /// Which.
    pub name: ProjectName,
    /// Families that the registry allows for it.
    pub families: Vec<CommandFamily>,
    /// Its stack, as in `rust`.
    pub stack: Vec<String>,
    /// Its owners.
    pub owners: Vec<OperatorName>,
    /// Workflows of it that are active now, this one not counted.
    pub active: u64,
}

/// A freeze that covers this plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeFacts {
    /// What is frozen: `all`, `tenant:NAME` or `project:NAME`.
    pub scope: String,
    /// Why, as the operator said.
    pub reason: String,
}

/// A role group as policy sees one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFacts {
    /// Operators with a role of the group.
    pub members: u32,
    /// Those of them that are no requester.
    pub eligible: u32,
}

/// What really changed, for decisions after a writing phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffFacts {
    /// Changed files.
    pub files: u64,
    /// Added lines.
    pub added: u64,
    /// Removed lines.
    pub removed: u64,
}

/// What `launch` is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchFacts {
    /// What it is for: `command`, `verify`, `prepare`, `worker`, `runbook`.
    pub purpose: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The network rule.
    pub network: String,
    /// Names of environment variables that it gets.
    pub env_names: Vec<String>,
}

/// The one input document of every entry point. Pure data: no clock, no file, no database behind it, so that a stored one replays exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionInput {
    /// Version of this document, 1.
    pub schema: u32,
    /// Seconds since 1970, UTC.
    pub now_s: i64,
    /// Hour (0 to 23) and weekday (1 Monday to 7 Sunday) of `now_s`, UTC: for freeze windows.
    pub hour: u32,
    /// See `hour`.
    pub weekday: u32,
    /// All persons behind the plan.
    pub requesters: Vec<PersonFacts>,
    /// Operators of the installation.
    pub operators: u32,
    /// The tenant.
    pub tenant: TenantFacts,
    /// The project.
    pub project: ProjectFacts,
    /// The family.
    pub family: CommandFamily,
    /// The action.
    pub action: ActionName,
    /// Program and arguments; empty for an agent's task.
    pub argv: Vec<String>,
    /// Flags, declared and derived.
    pub flags: BTreeMap<FlagName, bool>,
    /// Free facts of the requester. A rule may raise on them, never lower.
    pub metadata: BTreeMap<String, String>,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The phase, for `skip`, `launch` and `admit` before a phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseName>,
    /// The worker engine, for agent pipelines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Freezes that cover this plan.
    pub freezes: Vec<FreezeFacts>,
    /// Every role group.
    pub groups: BTreeMap<GroupName, GroupFacts>,
    /// What really changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<DiffFacts>,
    /// What is to be launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchFacts>,
    /// Risk that was approved: for `autorun`, `admit` and `launch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_risk: Option<RiskClass>,
}
