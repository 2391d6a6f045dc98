//! `orcctl approve`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::{Approve, Choice};

use super::vote::VoteArgs;
use crate::context::Context;
use crate::wiring::Want;

/// Say yes to an approval request
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orcctl approve ap_k7f3q2mz
  orcctl approve --request-id ap_k7f3q2mz --token TOKEN --user alice --role tech_lead")]
pub(crate) struct Arguments {
    #[command(flatten)]
    vote: VoteArgs,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    // Asking a person takes a while: nothing is owned meanwhile.
    let asking = context.host(Want::Read).await?;
    let vote = arguments.vote.decide(context, &asking, Choice::Approve).await?;
    let request = Approve { request: vote.request, token: vote.token, role: arguments.vote.role };
    context.change(arguments.vote.key.idempotency_key, request).await
}
