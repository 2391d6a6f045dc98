//! `orcctl cancel`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::Cancel;

use super::{KeyArg, WorkflowArg};
use crate::context::Context;

/// Stop an execution
///
/// Its processes are ended and proved dead. A workflow that does not run yet is taken back with `withdraw`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl cancel wf_x4b9t6ha --reason \"wrong branch\"")]
pub(crate) struct Arguments {
    /// An execution's id will do as well
    #[command(flatten)]
    workflow: WorkflowArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let request = Cancel { id: arguments.workflow.into_id(), reason: arguments.reason.map(Into::into) };
    context.change(arguments.key.idempotency_key, request).await
}
