//! `orcctl withdraw`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::Withdraw;

use super::{KeyArg, WorkflowArg};
use crate::context::Context;

/// Take a workflow back
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl withdraw wf_x4b9t6ha --reason \"planned on the wrong project\"")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let request = Withdraw { workflow: arguments.workflow.into_id(), reason: arguments.reason.map(Into::into) };
    context.change(arguments.key.idempotency_key, request).await
}
