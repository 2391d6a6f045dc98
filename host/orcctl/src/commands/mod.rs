//! One file a subcommand: its arguments, and `run`. What several of them take stands here.

use std::collections::BTreeMap;

use clap::Args;
use orc_domain::OrcError;

pub(crate) mod approvals;
pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod backlog;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod freeze;
pub(crate) mod gate;
pub(crate) mod implement;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod memory;
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

/// Free facts of a plan.
#[derive(Debug, Args)]
pub(crate) struct MetadataArg {
    /// A free fact
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

impl MetadataArg {
    pub(crate) fn into_map(self) -> Result<BTreeMap<String, String>, OrcError> {
        let mut metadata = BTreeMap::new();
        for (key, value) in self.metadata {
            if metadata.insert(key.clone(), value).is_some() {
                return Err(crate::failure::usage(format!("`--meta {key}` is given twice")));
            }
        }
        Ok(metadata)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// The key of a command that changes something.
#[derive(Debug, Args)]
pub(crate) struct KeyArg {
    /// Repeat a command whose answer was lost under the key that it named: nothing is done twice
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}
