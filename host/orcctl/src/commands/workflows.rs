//! `orcctl workflows`

use clap::Args;
use orc_domain::api::ListWorkflows;
use orc_domain::states::WorkflowState;
use orc_domain::{OrcError, ProjectName};

use crate::context::Context;

/// List workflows
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl workflows --project flowry --state awaiting_approval")]
pub(crate) struct Arguments {
    /// Only of this project
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// Only in this state
    #[arg(long, value_name = "STATE")]
    state: Option<WorkflowState>,
    /// At most this many, newest first [default: 50]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: u32,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.show(ListWorkflows { project: arguments.project, state: arguments.state, limit: arguments.limit }).await
}
