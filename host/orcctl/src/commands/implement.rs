//! `orcctl implement`

use clap::Args;
use orc_domain::api::Implement;
use orc_domain::{EngineName, FlagName, OrcError, PipelineName, ProjectName, Untrusted};

use super::{KeyArg, MetadataArg};
use crate::context::Context;

/// Plan a task for a worker: what it is told, how risky it is and who must approve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orcctl implement --project flowry --engine sample --task \"apply: patches/health.patch\"
  orcctl implement --project flowry --task \"add a health endpoint\" --meta ticket=FLOW-7
  orcctl implement --project flowry --pipeline read_only --task \"where are requests validated?\"
  orcctl implement --project flowry --backlog-id bl_k7f3q2mz")]
pub(crate) struct Arguments {
    /// The registered project
    #[arg(long, value_name = "NAME")]
    project: ProjectName,
    /// The engine of `workers` in config/orc.yaml [default: the project's, else the only one]
    #[arg(long, value_name = "NAME")]
    engine: Option<EngineName>,
    /// What is to be done, in your words
    #[arg(long, value_name = "TEXT", required_unless_present = "backlog_id")]
    task: Option<String>,
    /// Plan an item of the backlog; `--task` adds to what it says
    #[arg(long, value_name = "ID")]
    backlog_id: Option<String>,
    /// Another pipeline than that of agent_implementation
    #[arg(long, value_name = "NAME")]
    pipeline: Option<PipelineName>,
    /// Declare an action flag; flags only raise risk
    #[arg(long = "flag", value_name = "NAME")]
    flags: Vec<FlagName>,
    #[command(flatten)]
    metadata: MetadataArg,
    /// Leave the project's verify commands out; is a flag
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let request = Implement {
        project: arguments.project,
        engine: arguments.engine,
        task: arguments.task.map(Untrusted::new),
        backlog: arguments.backlog_id,
        pipeline: arguments.pipeline,
        flags: arguments.flags,
        metadata: arguments.metadata.into_map()?,
        no_verify: arguments.no_verify,
    };
    context.change(arguments.key.idempotency_key, request).await
}
