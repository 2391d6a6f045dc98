//! `orcctl workflow`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::GetWorkflow;

use super::WorkflowArg;
use crate::context::Context;

/// Show everything about a workflow, its plan included
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl workflow wf_x4b9t6ha")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.show(GetWorkflow { workflow: arguments.workflow.into_id() }).await
}
