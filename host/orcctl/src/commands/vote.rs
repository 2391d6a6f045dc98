//! What `approve` and `reject` share: which request, whose token, and the question to the person.

use clap::Args;
use orc_domain::api::{ApprovalCard, Approvals, Choice, GetApprovals};
use orc_domain::decision::RequirementKind;
use orc_domain::{ErrorCode, OrcError, RoleName};

use super::KeyArg;
use crate::cli::Format;
use crate::context::{Context, Host};
use crate::failure::{declined, usage};
use crate::printer::read_line;
use crate::render;

/// A vote's arguments.
#[derive(Debug, Args)]
pub(crate) struct VoteArgs {
    #[command(flatten)]
    request: RequestArg,
    /// Your token for it, from `orcctl approvals`; `-` reads it from standard input. Without it, the card is shown and you are asked
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The role that you vote under, where several of yours count
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleName>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

/// An approval request, in the long or the short form.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RequestArg {
    /// The approval request or its workflow, by id or unambiguous prefix
    #[arg(value_name = "REQUEST")]
    short: Option<String>,
    /// The approval request, as a long option
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// A vote that a person has decided on.
pub(crate) struct Vote {
    pub(crate) request: String,
    pub(crate) token: String,
}

impl VoteArgs {
    /// The request and the token; without `--token`, after showing the card and asking.
    pub(crate) async fn decide(&self, context: &Context, host: &Host, choice: Choice) -> Result<Vote, OrcError> {
        let named = self.request.short.clone().or_else(|| self.request.request_id.clone()).unwrap_or_default();
        match self.token.as_deref() {
            Some("-") => Ok(Vote { request: named, token: read_line()?.trim().to_owned() }),
            Some(token) => Ok(Vote { request: named, token: token.to_owned() }),
            None => self.ask(context, host, named, choice).await,
        }
    }

    async fn ask(&self, context: &Context, host: &Host, named: String, choice: Choice) -> Result<Vote, OrcError> {
        let approvals = host.read(GetApprovals { of: Some(named.clone()) }).await?;
        let (card, token) = own_card(&approvals, &named)?;
        let text = render::card(card, &context.view);
        match context.globals.format {
            Format::Text => context.printer.data(&text)?,
            Format::Json => context.printer.words(&text),
        }
        self.confirm(context, &approvals, card, choice)?;
        Ok(Vote { request: card.request.id.to_string(), token: token.to_owned() })
    }

    fn confirm(&self, context: &Context, approvals: &Approvals, card: &ApprovalCard, choice: Choice) -> Result<(), OrcError> {
        if choice == Choice::Approve && card.request.kind == RequirementKind::Confirmation {
            return typed_code(context, card);
        }
        if self.yes {
            return Ok(());
        }
        let question = format!("{choice} {} as {}? [y/N]", card.request.id, approvals.operator);
        let undone = match choice {
            Choice::Approve => "nothing was approved",
            Choice::Reject => "nothing was rejected",
        };
        context.printer.confirm(&question, undone, "give `--yes`, or the token with `--token`")
    }
}

/// The sole operator confirms an own plan by typing a piece of its hash: nobody else looks at it, so a mere `y` is too quick.
fn typed_code(context: &Context, card: &ApprovalCard) -> Result<(), OrcError> {
    let code = card.workflow.plan_hash.short().chars().take(6).collect::<String>();
    match context.printer.ask(&format!("you are the sole operator: type `{code}` to confirm:"))? {
        Some(answer) if answer.trim() == code => Ok(()),
        Some(_) => Err(declined("nothing was confirmed", &format!("what was typed is not `{code}`"))),
        None => Err(usage("a confirmation is typed on a terminal").hint("or give its token, from `orcctl approvals`, with `--token`")),
    }
}

/// The one card of `named` that the caller has a token for.
fn own_card<'a>(approvals: &'a Approvals, named: &str) -> Result<(&'a ApprovalCard, &'a str), OrcError> {
    let mut own = approvals.cards.iter().filter_map(|card| card.token.as_deref().map(|token| (card, token)));
    match (own.next(), own.next()) {
        (Some(card), None) => Ok(card),
        (Some(first), Some(second)) => {
            let message = format!("several requests of `{named}` wait for a vote of {}", approvals.operator);
            let ids = format!("name one of them: {}, {}", first.0.request.id, second.0.request.id);
            Err(OrcError::new(ErrorCode::AmbiguousId, message).hint(ids))
        }
        (None, _) => Err(nothing_to_vote(approvals, named)),
    }
}

fn nothing_to_vote(approvals: &Approvals, named: &str) -> OrcError {
    let refused = approvals.cards.iter().find_map(|card| card.cannot.clone());
    refused.unwrap_or_else(|| {
        OrcError::new(ErrorCode::NotFound, format!("nothing of `{named}` waits for a vote of {}", approvals.operator))
            .hint("`orcctl approvals` shows what does")
    })
}
