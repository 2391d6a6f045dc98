//! `orcctl demo`

use clap::Args;
use orc_domain::OrcError;

use crate::context::Context;

/// Show ORC at work in a throw-away directory
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl demo\n  orcctl demo --keep")]
pub(crate) struct Arguments {
    /// Leave the directory, to look around
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    crate::demo::run(context, arguments.keep).await
}
