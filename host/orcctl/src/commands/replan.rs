//! `orcctl replan`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::Replan;

use super::{KeyArg, WorkflowArg};
use crate::context::Context;

/// Plan a workflow again under the active rules
///
/// Adds a plan revision on the branch's newest commit. Votes on the revision before do not count for it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl replan wf_x4b9t6ha")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.change(arguments.key.idempotency_key, Replan { workflow: arguments.workflow.into_id() }).await
}
