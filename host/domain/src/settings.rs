//! `config/orc.yaml`: what this installation is. Numbers and names; policy makes every comparison.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::grant::{Network, Protection, ResourceLimits};
use crate::ids::InstallationId;
use crate::names::*;
use crate::operators::Trust;
use crate::project::Argv;
use crate::risk::word_enum;

/// `config/orc.yaml` as checked values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Version of the file's form, 1.
    pub version: u32,
    /// The installation that this root is of: its database names the same one, and refuses a root of another.
    pub installation: InstallationId,
    /// Whom the socket believes.
    pub trust: Trust,
    /// The role group whose members may activate rules, freeze and lift freezes.
    pub admin_group: GroupName,
    /// Executions that run at the same time.
    #[serde(default = "two")]
    pub concurrent_executions: u32,
    /// Launches.
    #[serde(default)]
    pub launch: LaunchSettings,
    /// Bounds of the host.
    #[serde(default)]
    pub limits: HostLimits,
    /// Engines by name: the programs that do the work of worker phases.
    #[serde(default)]
    pub workers: BTreeMap<EngineName, WorkerSettings>,
}

word_enum! {
    /// The adapter that speaks with a worker's program.
    WorkerKind, "worker kind" {
        /// Reads a task as JSON on standard input and prints one JSON object.
        Command = "command",
    }
}

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// The adapter that speaks with it.
    pub kind: WorkerKind,
    /// Program, by its absolute path, and arguments.
    pub command: Argv,
    /// Directories, absolute, that it may read and execute from, beside the program's own and the project's.
    #[serde(default)]
    pub read: BTreeSet<String>,
    /// Environment variables that it gets, beside the built-in few.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it can reach.
    #[serde(default)]
    pub network: Network,
    /// Bounds of its launches.
    #[serde(default)]
    pub limits: ResourceLimits,
}

const fn two() -> u32 {
    2
}

/// How processes are launched on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchSettings {
    /// Protections that root makes unenforceable and that this installation accepts to go without when ORC runs as root.
    #[serde(default)]
    pub accept_root: BTreeSet<Protection>,
    /// More environment variables, by name, that launched commands may inherit beside the built-in few (`PATH`, `LANG`, ...).
    #[serde(default)]
    pub env: BTreeSet<String>,
    /// More directories, absolute, that every launched command may read and execute: toolchains outside `/usr`.
    #[serde(default)]
    pub toolchains: BTreeSet<String>,
}

/// Bounds of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostLimits {
    /// Open plans (planned, awaiting approval or approved) that one operator may have.
    pub open_plans_per_operator: u32,
    /// The largest request that the socket takes, in bytes.
    pub request_bytes: u64,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self { open_plans_per_operator: 100, request_bytes: 1024 * 1024 }
    }
}
