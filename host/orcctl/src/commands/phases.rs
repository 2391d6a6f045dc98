//! `orcctl phases`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::GetPhases;

use super::WorkflowArg;
use crate::context::Context;

/// Show the phases of a workflow's newest execution, or of the execution that is named
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl phases wf_x4b9t6ha\n  orcctl phases ex_n5w8c3dq")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.show(GetPhases { workflow: arguments.workflow.into_id() }).await
}
