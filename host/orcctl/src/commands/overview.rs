//! `orcctl overview`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::GetOverview;

use crate::context::Context;

/// Show what waits, runs and failed
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl overview")]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context, Arguments {}: Arguments) -> Result<(), OrcError> {
    context.show(GetOverview {}).await
}
