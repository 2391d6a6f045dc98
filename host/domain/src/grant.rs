//! What a launched process gets, and what became of it. The deed is the launch room's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Digest;
use crate::risk::word_enum;

word_enum! {
    /// What a process may do in a directory.
    Access, "directory access" {
        /// Read files, list directories.
        Read = "read",
        /// Read and execute.
        ReadExecute = "read_execute",
        /// Read, create, change and remove.
        Write = "write",
        /// Everything, execution included: a build tree.
        WriteExecute = "write_execute",
    }
}

/// A directory (or file) of a grant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirGrant {
    /// Absolute path.
    pub path: String,
    /// What may be done there.
    pub access: Access,
    /// What it is there for: `workspace`, `toolchain`, `cache`, `scratch`, `system`.
    pub role: String,
}

word_enum! {
    /// The network rule of a launch.
    Network, "network rule" {
        /// No connection at all.
        None = "none",
        /// Any connection. Policy must allow it by name.
        Full = "full",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the enum has no default")]
impl Default for Network {
    fn default() -> Self {
        Self::None
    }
}

/// Bounds of a launch. `None` of a bound means the launcher's default, never "no bound".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceLimits {
    /// Wall time, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<u64>,
    /// Seconds between the polite and the final signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_s: Option<u64>,
    /// CPU time of each process, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<u64>,
    /// Private memory of each process, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// Processes of the launching user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Open files of each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Largest file that it may write, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_mib: Option<u64>,
    /// Bytes of each output stream; more ends the launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

word_enum! {
    /// What a launch can be held to.
    Protection, "protection" {
        /// Files outside the grant are out of reach (Landlock).
        Files = "files",
        /// No TCP connection (Landlock).
        Tcp = "tcp",
        /// No signal to a process outside the launch (Landlock scope).
        Signals = "signals",
        /// No abstract unix socket outside the launch (Landlock scope).
        AbstractSockets = "abstract_sockets",
        /// No new privileges by exec.
        NoNewPrivs = "no_new_privs",
        /// The whole process tree dies with the launch.
        ProcessTree = "process_tree",
        /// The bound on processes.
        Processes = "processes",
        /// The other resource bounds.
        Resources = "resources",
    }
}

impl Protection {
    /// What the kernel does not hold root to, whatever ORC does. An installation that runs as root can accept to go without these, by name;
    /// everything else that is missing has another reason and stops the launch.
    pub const LOST_TO_ROOT: &'static [Self] = &[Self::Processes];
}

/// What a launched process gets. Empty by default; part of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchGrant {
    /// Directories.
    pub dirs: Vec<DirGrant>,
    /// Environment, by name and value. Nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The network rule.
    pub network: Network,
    /// Bounds.
    pub limits: ResourceLimits,
    /// Protections that must be in force, or the launch stops.
    pub must: BTreeSet<Protection>,
}

/// One launch: what, where, with which grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchPlan {
    /// What it is for, in words for a log: `verify: cargo test`.
    pub purpose: String,
    /// Program and arguments; the program is looked up in the grant's `PATH` unless it has a `/`.
    pub argv: Vec<String>,
    /// Working directory, absolute, inside the grant.
    pub cwd: String,
    /// What it gets.
    pub grant: LaunchGrant,
}

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LaunchEnd {
    /// The program ended by itself.
    Exited {
        /// With this exit code.
        code: i32,
    },
    /// A signal that ORC did not send ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// The wall limit was reached.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// A stream passed its cap.
    OutputLimit,
}

impl LaunchEnd {
    /// Whether the program ended by itself with code 0.
    pub const fn success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

impl fmt::Display for LaunchEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exit code {code}"),
            Self::Signaled { signal } => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::OutputLimit => f.write_str("stopped: too much output"),
        }
    }
}

/// What is left of one output stream: head and tail, redacted, cut at line ends where possible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamReport {
    /// Bytes that the program wrote.
    pub bytes: u64,
    /// Bytes between head and tail that were not kept.
    pub dropped: u64,
    /// Occurrences of secrets that were replaced.
    pub redactions: u64,
    /// The first bytes, lossily decoded.
    pub head: String,
    /// The last bytes, lossily decoded; empty where head holds all.
    pub tail: String,
}

impl StreamReport {
    /// The last `max` bytes of what was kept, at a character boundary.
    pub fn last(&self, max: usize) -> &str {
        let text = if self.tail.is_empty() { &self.head } else { &self.tail };
        let mut from = text.len().saturating_sub(max);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        &text[from..]
    }
}

/// What became of a launch. Stored with the worker run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchReport {
    /// How it ended.
    pub end: LaunchEnd,
    /// Wall time.
    pub duration_ms: u64,
    /// The program as opened: resolved path.
    pub program: String,
    /// Its digest.
    pub program_digest: Digest,
    /// Process id of the launched supervisor.
    pub pid: u32,
    /// Protections that were in force.
    pub active: BTreeSet<Protection>,
    /// Protections that were not, each with why.
    pub missing: BTreeMap<Protection, String>,
    /// Whether no process of the launch was left, as counted by the supervisor after the kill.
    pub proved_dead: bool,
    /// Processes that outlived the program and were killed.
    pub left_over: u64,
    /// CPU time of the whole tree, in milliseconds, where known.
    pub cpu_ms: u64,
    /// Largest resident set of one process, in KiB, where known.
    pub max_rss_kib: u64,
    /// Standard output.
    pub stdout: StreamReport,
    /// Standard error.
    pub stderr: StreamReport,
}
