//! `orcctl approvals`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::GetApprovals;

use crate::context::Context;

/// Show what waits for your vote, with your tokens
///
/// A token works once, for you alone, for exactly this plan. It stands in no log and is shown nowhere else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl approvals\n  orcctl approvals wf_x4b9t6ha --user alice")]
pub(crate) struct Arguments {
    /// Only of this workflow or request
    #[arg(value_name = "ID", conflicts_with = "workflow_id")]
    of: Option<String>,
    /// Only of this workflow
    #[arg(long, value_name = "ID")]
    workflow_id: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.show(GetApprovals { of: arguments.of.or(arguments.workflow_id) }).await
}
