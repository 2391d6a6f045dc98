//! The registry: tenants, projects, what each allows and how each is verified. `config/projects.registry.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::grant::{Network, ResourceLimits};
use crate::names::*;
use crate::risk::CommandFamily;

/// A program and its arguments. Never a shell line.
pub type Argv = Vec<String>;

/// `config/projects.registry.yaml` as checked values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The tenants.
    pub tenants: BTreeMap<TenantName, Tenant>,
    /// The projects.
    #[serde(default)]
    pub projects: BTreeMap<ProjectName, ProjectEntry>,
}

/// The owner of projects and of a quota. The quota's numbers stand in `policies/data/rules.yaml`, where they are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// What a person calls it.
    #[serde(default)]
    pub title: String,
}

/// A registered target, as resolved values: part of every plan of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectEntry {
    /// The tenant.
    pub tenant: TenantName,
    /// The git repository, an absolute path.
    pub root: String,
    /// The branch that work starts from.
    #[serde(default = "main_branch")]
    pub base: String,
    /// What it is made of, as in `rust`.
    #[serde(default)]
    pub stack: Vec<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owners: Vec<OperatorName>,
    /// The worker engine it prefers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    /// Command families that it allows.
    pub families: BTreeSet<CommandFamily>,
    /// Commands that make a fresh checkout usable.
    #[serde(default)]
    pub prepare: Vec<Argv>,
    /// Files, relative to the project's own checkout, that are copied into each workspace (test settings).
    #[serde(default)]
    pub copy: Vec<String>,
    /// Commands that say whether the project is well.
    #[serde(default)]
    pub verify: Vec<Argv>,
    /// Globs of what verification stands on: tests, scripts, CI.
    #[serde(default)]
    pub verification_paths: Vec<String>,
    /// Flags that a change under a path raises.
    #[serde(default)]
    pub path_rules: Vec<PathRule>,
    /// How its commands are launched.
    #[serde(default)]
    pub launch: ProjectLaunch,
    /// Deploy runbooks.
    #[serde(default)]
    pub runbooks: BTreeMap<RunbookName, Runbook>,
}

fn main_branch() -> String {
    "main".to_owned()
}

/// A change under `paths` raises `flag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// Globs, relative to the project.
    pub paths: Vec<String>,
    /// The flag.
    pub flag: FlagName,
}

/// What a project's commands get beyond its workspace and the system's programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectLaunch {
    /// Directories, absolute, that may be read and executed: toolchains, caches.
    pub read: BTreeSet<String>,
    /// Directories, absolute, that may be written as well: shared caches. Know what you grant.
    pub write: BTreeSet<String>,
    /// Environment variables, by name and value.
    pub env: BTreeMap<String, String>,
    /// The network rule.
    pub network: Network,
    /// Bounds.
    pub limits: ResourceLimits,
}

/// How a project is deployed. Run in a later part; pinned in plans from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// Commands, in order.
    pub steps: Vec<Argv>,
    /// Commands that must succeed afterwards.
    #[serde(default)]
    pub health_checks: Vec<Argv>,
    /// Commands that undo it.
    #[serde(default)]
    pub rollback: Vec<Argv>,
}
