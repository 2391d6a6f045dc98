//! `orcctl whoami`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::WhoAmI;

use crate::context::Context;

/// Show who you are to the host
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl whoami")]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context, Arguments {}: Arguments) -> Result<(), OrcError> {
    context.show(WhoAmI {}).await
}
