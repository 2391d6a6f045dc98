//! `orcctl status`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::GetStatus;

use super::WorkflowArg;
use crate::context::Context;

/// Show where a workflow stands
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl status wf_x4b9t6ha")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.show(GetStatus { workflow: arguments.workflow.into_id() }).await
}
