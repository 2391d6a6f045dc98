//! One file a subcommand: its arguments, and `run`. What several of them take stands here.

use clap::Args;

pub(crate) mod approvals;
pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod freeze;
pub(crate) mod gate;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod overview;
pub(crate) mod phases;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod reject;
pub(crate) mod replan;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod unfreeze;
pub(crate) mod whoami;
pub(crate) mod withdraw;
pub(crate) mod workers;
pub(crate) mod workflow;
pub(crate) mod workflows;

mod vote;

/// A workflow, in the long or the short form.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WorkflowArg {
    /// The workflow, by id or unambiguous prefix
    #[arg(value_name = "WORKFLOW")]
    short: Option<String>,
    /// The same, as a long option
    #[arg(long, value_name = "ID")]
    workflow_id: Option<String>,
}

impl WorkflowArg {
    pub(crate) fn into_id(self) -> String {
        // The group lets exactly one through.
        self.short.or(self.workflow_id).unwrap_or_default()
    }
}

/// The key of a command that changes something.
#[derive(Debug, Args)]
pub(crate) struct KeyArg {
    /// Repeat a command whose answer was lost under the key that it named: nothing is done twice
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}
