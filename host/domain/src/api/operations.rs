//! Freezes, the overview, who one is to the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ApprovalRequestView, BlockReason, ExecutionView, NextStep, RulesStatus, WorkflowSummary};
use crate::ids::{FreezeId, InstallationId};
use crate::names::{GroupName, PhaseName, ProjectName, RoleName, TenantName};
use crate::operators::Actor;
use crate::states::WorkflowState;
use crate::time::Timestamp;
use crate::untrusted::Untrusted;

/// What a freeze covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case", deny_unknown_fields)]
pub enum FreezeScope {
    /// Everything.
    All,
    /// A tenant.
    Tenant {
        /// Which.
        tenant: TenantName,
    },
    /// A project.
    Project {
        /// Which.
        project: ProjectName,
    },
}

impl std::fmt::Display for FreezeScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Tenant { tenant } => write!(f, "tenant:{tenant}"),
            Self::Project { project } => write!(f, "project:{project}"),
        }
    }
}

/// Stop new plans and runs. Admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Of what.
    pub scope: FreezeScope,
    /// Why; every answer shows it.
    pub reason: Untrusted,
}

/// Lift a freeze. Admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// Of what.
    pub scope: FreezeScope,
}

/// Freezes in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freezes {
    /// Them.
    pub freezes: Vec<FreezeView>,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// A freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeView {
    /// Its id.
    pub id: FreezeId,
    /// Of what.
    pub scope: FreezeScope,
    /// Why.
    pub reason: Untrusted,
    /// By whom.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
}

/// Ask for the overview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetOverview {}

/// What waits for whom, what runs, what failed and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overview {
    /// Workflows by state.
    pub workflows: BTreeMap<WorkflowState, u64>,
    /// Requests that wait, with for whom.
    pub waiting: Vec<ApprovalRequestView>,
    /// Workflows that are approved and wait to be run.
    pub ready: Vec<WorkflowSummary>,
    /// Executions that are not over.
    pub running: Vec<RunningView>,
    /// What failed lately, newest first.
    pub failed: Vec<FailedView>,
    /// Freezes in force.
    pub freezes: Vec<FreezeView>,
    /// The rules.
    pub rules: RulesStatus,
    /// Active workflows by tenant, with the quota of the active rules where they have one.
    pub tenants: BTreeMap<TenantName, u64>,
    /// The host that answers.
    pub host: HostView,
    /// What to do next.
    pub next: Vec<NextStep>,
}

/// An execution under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningView {
    /// The execution.
    pub execution: ExecutionView,
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// The phase under way.
    pub phase: Option<PhaseName>,
    /// Its last sign of life.
    pub last_sign_of_life: Option<Timestamp>,
}

/// An execution that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedView {
    /// The workflow.
    pub workflow: WorkflowSummary,
    /// Why.
    pub reasons: Vec<BlockReason>,
}

/// The host that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostView {
    /// Its version.
    pub version: String,
    /// The installation.
    pub installation: InstallationId,
    /// Its generation of ownership; `None` where the database is only read.
    pub generation: Option<u64>,
    /// Its process id.
    pub pid: u32,
    /// Trust mode, as a word.
    pub trust: String,
}

/// Ask who the caller is to the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoAmI {}

/// Who the caller is to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who.
    pub actor: Actor,
    /// With which roles.
    pub roles: Vec<RoleName>,
    /// In which groups.
    pub groups: Vec<GroupName>,
}
