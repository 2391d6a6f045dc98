//! `orcctl memory`

use clap::{Args, Subcommand};
use orc_domain::api::{GetMemory, MemoryState, SetMemory};
use orc_domain::{OrcError, ProjectName};

use super::KeyArg;
use crate::context::Context;

/// What is remembered of a project: list it, accept what hooks proposed, retire it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl memory list flowry\n  orcctl memory accept me_k7f3q2mz")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a project's items
    #[command(after_help = "Examples:\n  orcctl memory list flowry\n  orcctl memory list flowry --state retired")]
    List {
        /// The registered project
        #[arg(value_name = "PROJECT")]
        project: ProjectName,
        /// Only in this state [default: proposed and accepted]
        #[arg(long, value_name = "STATE")]
        state: Option<MemoryState>,
    },
    /// Let plans made from now on recall an item
    #[command(after_help = "Example:\n  orcctl memory accept me_k7f3q2mz")]
    Accept(ItemArg),
    /// Take an item out: no plan made from now on recalls it
    #[command(after_help = "Example:\n  orcctl memory retire me_k7f3q2mz")]
    Retire(ItemArg),
}

#[derive(Debug, Args)]
struct ItemArg {
    /// The item, by id or unambiguous prefix
    #[arg(value_name = "ITEM")]
    item: String,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let set = |item: String, state| SetMemory { item, state };
    match arguments.command {
        Command::List { project, state } => context.show(GetMemory { project, state }).await,
        Command::Accept(ItemArg { item, key }) => context.change(key.idempotency_key, set(item, MemoryState::Accepted)).await,
        Command::Retire(ItemArg { item, key }) => context.change(key.idempotency_key, set(item, MemoryState::Retired)).await,
    }
}
