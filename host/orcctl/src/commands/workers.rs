//! `orcctl workers`

use clap::Args;
use orc_domain::api::GetWorkers;
use orc_domain::{OrcError, ProjectName};

use crate::context::Context;

/// List what was launched
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl workers --project flowry")]
pub(crate) struct Arguments {
    /// Only of this project
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// At most this many, newest first [default: 50]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: u32,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.show(GetWorkers { project: arguments.project, limit: arguments.limit }).await
}
