//! `orcctl plan`

use clap::Args;
use orc_domain::api::Plan;
use orc_domain::risk::CommandFamily;
use orc_domain::{ActionName, FlagName, OrcError, PipelineName, ProjectName};

use super::KeyArg;
use crate::context::Context;

/// Plan a command: what exactly would run, how risky it is and who must approve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orcctl plan --project cps --action build --family build_test --command-text \"pnpm build\"
  orcctl plan --project cps --action build --family build_test --command-text \"pnpm test\" --flag touches_ci --meta ticket=CPS-12")]
pub(crate) struct Arguments {
    /// The registered project
    #[arg(long, value_name = "NAME")]
    project: ProjectName,
    /// What you want, in a word
    #[arg(long, value_name = "WORD")]
    action: ActionName,
    /// The command family: read_only, build_test, agent_implementation or deployment_runbook
    #[arg(long, value_name = "FAMILY")]
    family: CommandFamily,
    /// The command; it is split into words and never given to a shell
    #[arg(long, value_name = "TEXT")]
    command_text: String,
    /// Declare an action flag; flags only raise risk
    #[arg(long = "flag", value_name = "NAME")]
    flags: Vec<FlagName>,
    /// A free fact
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = key_value)]
    metadata: Vec<(String, String)>,
    /// Another pipeline of the family
    #[arg(long, value_name = "NAME")]
    pipeline: Option<PipelineName>,
    /// Leave the project's verify commands out; is a flag
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    key: KeyArg,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let mut metadata = std::collections::BTreeMap::new();
    for (key, value) in arguments.metadata {
        if metadata.insert(key.clone(), value).is_some() {
            return Err(crate::failure::usage(format!("`--meta {key}` is given twice")));
        }
    }
    let request = Plan {
        project: arguments.project,
        action: arguments.action,
        family: arguments.family,
        command_text: arguments.command_text,
        flags: arguments.flags,
        metadata,
        pipeline: arguments.pipeline,
        no_verify: arguments.no_verify,
    };
    context.change(arguments.key.idempotency_key, request).await
}
