//! `orcctl unfreeze`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::Unfreeze;

use super::KeyArg;
use super::freeze::ScopeArg;
use crate::context::Context;

/// Lift a freeze
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl unfreeze --project cps")]
pub(crate) struct Arguments {
    #[command(flatten)]
    scope: ScopeArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    context.change(arguments.key.idempotency_key, Unfreeze { scope: arguments.scope.into_scope() }).await
}
