//! `orcctl reject`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::{Choice, Reject};

use super::vote::VoteArgs;
use crate::context::Context;
use crate::wiring::Want;

/// Say no to an approval request
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orcctl reject ap_k7f3q2mz --reason \"the target is wrong\"
  orcctl reject --request-id ap_k7f3q2mz --token TOKEN --user alice --role tech_lead")]
pub(crate) struct Arguments {
    #[command(flatten)]
    vote: VoteArgs,
    /// Why, for the requesters
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    // Asking a person takes a while: nothing is owned meanwhile.
    let asking = context.host(Want::Read).await?;
    let vote = arguments.vote.decide(context, &asking, Choice::Reject).await?;
    let reason = arguments.reason.map(Into::into);
    let request = Reject { request: vote.request, token: vote.token, role: arguments.vote.role, reason };
    context.change(arguments.vote.key.idempotency_key, request).await
}
