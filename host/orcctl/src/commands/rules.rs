//! `orcctl rules`

use clap::{Args, Subcommand};
use orc_domain::api::{GetRules, RulesActivate, RulesRollback};
use orc_domain::{Digest, OrcError};

use super::KeyArg;
use crate::context::Context;

/// Show the rules revisions, activate the candidate, roll back
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl rules\n  orcctl rules activate\n  orcctl rules rollback 4")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is in force, the candidate and why it is not in force
    #[command(after_help = "Example:\n  orcctl rules status")]
    Status,
    /// Put the candidate into force; in a team, a second person does
    #[command(after_help = "Example:\n  orcctl rules activate --digest sha256:…")]
    Activate {
        /// The candidate that you looked at; another one is refused
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

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    match arguments.command {
        None | Some(Command::Status) => context.show(GetRules {}).await,
        Some(Command::Activate { digest, key }) => context.change(key.idempotency_key, RulesActivate { digest }).await,
        Some(Command::Rollback { revision, key }) => context.change(key.idempotency_key, RulesRollback { revision }).await,
    }
}
