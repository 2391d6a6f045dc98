//! `orcctl migrate`

use clap::Args;
use orc_domain::OrcError;

use crate::context::Context;
use crate::host;
use crate::wiring::Paths;

/// Bring the database to this version's schema, with a backup first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl migrate")]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context, Arguments {}: Arguments) -> Result<(), OrcError> {
    let paths = Paths::resolve(&context.globals)?;
    let done = host::migrate_if_outdated(&paths)?;
    context.printer.words(done.as_deref().unwrap_or("the database has this version's schema already, or there is none yet"));
    Ok(())
}
