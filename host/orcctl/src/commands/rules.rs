//! `orcctl rules`

use clap::{Args, Subcommand};
use orc_domain::api::{GetRules, GetRulesDiff, NextStep, RulesActivate, RulesRollback};
use orc_domain::{Digest, OrcError};

use super::KeyArg;
use crate::context::Context;
use crate::wiring::Want;

/// Show the rules revisions, activate the candidate, roll back
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orcctl rules\n  orcctl rules diff\n  orcctl rules activate --digest sha256:…\n  orcctl rules rollback 4"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is in force, the candidate and why it is not in force
    #[command(after_help = "Example:\n  orcctl rules status")]
    Status,
    /// Show what differs inside the files: by default, what the root has now against what is in force
    #[command(
        after_help = "Examples:\n  orcctl rules diff\n  orcctl rules diff --to 4          what a rollback to revision 4 would change\n  \
                            orcctl rules diff --from 3 --to 4"
    )]
    Diff {
        /// The revision to compare with; default: the one in force
        #[arg(long, value_name = "REVISION")]
        from: Option<u64>,
        /// The revision to compare; default: what is under the root now
        #[arg(long, value_name = "REVISION")]
        to: Option<u64>,
    },
    /// Put the candidate into force; in a team, a second person does
    #[command(after_help = "Example:\n  orcctl rules activate --digest sha256:…")]
    Activate {
        /// The candidate that you looked at, as `orcctl rules diff` names it; another one is refused. A team needs it
        #[arg(long, value_name = "DIGEST")]
        digest: Option<Digest>,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Put the content of an earlier revision into force, as a new revision
    #[command(after_help = "Example:\n  orcctl rules rollback 4")]
    Rollback {
        /// The revision's number
        #[arg(value_name = "REVISION")]
        revision: u64,
        #[command(flatten)]
        key: KeyArg,
    },
}

/// In force is in force: what waits may have become stale by it.
async fn activate(context: &Context, key: KeyArg, digest: Option<Digest>) -> Result<(), OrcError> {
    let (mut status, _) = context.write(Want::Write, key.idempotency_key, RulesActivate { digest }).await?;
    if status.next.is_empty() {
        status.next.push(NextStep { command: "orcctl overview".to_owned(), why: "see how open plans stand under them".to_owned() });
    }
    context.answer(&status)
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    match arguments.command {
        None | Some(Command::Status) => context.show(GetRules {}).await,
        Some(Command::Diff { from, to }) => context.show(GetRulesDiff { from, to }).await,
        Some(Command::Activate { digest, key }) => activate(context, key, digest).await,
        Some(Command::Rollback { revision, key }) => context.change(key.idempotency_key, RulesRollback { revision }).await,
    }
}
