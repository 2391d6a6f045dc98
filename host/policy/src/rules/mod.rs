//! `policies/data/rules.yaml` as checked values: the table that most people edit. Scripts see exactly this as `data`.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::risk::{CommandFamily, RiskClass};
use orc_domain::{ActionName, Code, FlagName, GroupName, PhaseName, ProjectName, TenantName};
use serde::Serialize;

mod read;

pub(crate) use read::read;

/// The path of the table, relative to the root.
pub const RULES_FILE: &str = "policies/data/rules.yaml";

/// A known action flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlagRule {
    /// What it means, for the operator who declares it.
    pub description: String,
    /// The risk class that it raises a plan to.
    pub risk: RiskClass,
    /// Whether the host sets it by itself from what it sees. Operators may declare it as well: flags only rise.
    pub derived: bool,
}

/// The whole table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rules {
    pub(crate) families: BTreeMap<CommandFamily, FamilyRule>,
    pub(crate) flags: BTreeMap<FlagName, FlagRule>,
    pub(crate) thresholds: Thresholds,
    pub(crate) approvals: BTreeMap<RiskClass, ApprovalRule>,
    pub(crate) sole_operator: SoleOperator,
    pub(crate) quotas: Quotas,
    pub(crate) freeze_windows: Vec<FreezeWindow>,
    pub(crate) launch: LaunchRule,
    pub(crate) skip: Vec<SkipRule>,
    pub(crate) autorun: Autorun,
    pub(crate) codes: BTreeMap<Code, CodeRule>,
    /// Allowed argument lists of every family.
    pub(crate) commands: BTreeMap<CommandFamily, Vec<Pattern>>,
    /// Allowed argument lists of single projects: project, family, lists.
    pub(crate) project_commands: BTreeMap<ProjectName, BTreeMap<CommandFamily, Vec<Pattern>>>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct FamilyRule {
    pub(crate) risk: RiskClass,
    pub(crate) low_needs_approval: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ApprovalRule {
    pub(crate) groups: BTreeMap<GroupName, u32>,
    pub(crate) expires_h: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SoleOperator {
    pub(crate) confirmation: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Thresholds {
    pub(crate) diff_files: u64,
    pub(crate) diff_lines: u64,
    pub(crate) risk: RiskClass,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Quotas {
    pub(crate) tenant: TenantQuota,
    pub(crate) project: ProjectQuota,
    pub(crate) tenants: BTreeMap<TenantName, TenantQuota>,
    pub(crate) projects: BTreeMap<ProjectName, ProjectQuota>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct TenantQuota {
    pub(crate) active: u64,
    pub(crate) planned_per_hour: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ProjectQuota {
    pub(crate) active: u64,
}

/// Hours of weekdays, UTC, in which families are frozen.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FreezeWindow {
    pub(crate) reason: String,
    pub(crate) families: BTreeSet<CommandFamily>,
    /// 1 Monday to 7 Sunday.
    pub(crate) weekdays: BTreeSet<u32>,
    pub(crate) from_hour: u64,
    /// The first hour that is free again, 24 at most.
    pub(crate) to_hour: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct LaunchRule {
    pub(crate) env: BTreeSet<String>,
    pub(crate) network_full: NetworkFull,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct NetworkFull {
    pub(crate) purposes: BTreeSet<String>,
    pub(crate) projects: BTreeSet<ProjectName>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SkipRule {
    pub(crate) phase: PhaseName,
    pub(crate) actions: BTreeSet<ActionName>,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Autorun {
    pub(crate) enabled: bool,
    pub(crate) families: BTreeSet<CommandFamily>,
}

/// A reason code that scripts may give.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CodeRule {
    pub(crate) level: Level,
    pub(crate) remedy: Option<String>,
}

/// What `out.deny` with a code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Denies.
    Deny,
    /// Warns only: for trying out a rule.
    Warn,
}

/// An allowed argument list: as many words as the pattern has, each equal to the word or to one of the alternatives at its position.
pub(crate) type Pattern = Vec<PatternWord>;

/// What may stand at a position.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum PatternWord {
    /// Exactly this.
    Word(String),
    /// Exactly one of these.
    OneOf {
        /// These.
        one_of: Vec<String>,
    },
}
