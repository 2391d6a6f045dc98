//! `orcctl plan`

use clap::Args;
use orc_domain::api::Plan;
use orc_domain::risk::CommandFamily;
use orc_domain::{ActionName, FlagName, OrcError, PipelineName, ProjectName};

use super::{KeyArg, MetadataArg};
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
    #[command(flatten)]
    metadata: MetadataArg,
    /// Another pipeline of the family
    #[arg(long, value_name = "NAME")]
    pipeline: Option<PipelineName>,
    /// Leave the project's verify commands out; is a flag
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let request = Plan {
        project: arguments.project,
        action: arguments.action,
        family: arguments.family,
        command_text: arguments.command_text,
        flags: arguments.flags,
        metadata: arguments.metadata.into_map()?,
        pipeline: arguments.pipeline,
        no_verify: arguments.no_verify,
    };
    context.change(arguments.key.idempotency_key, request).await
}
