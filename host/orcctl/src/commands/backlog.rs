//! `orcctl backlog`

use clap::Args;
use orc_domain::api::{BacklogState, GetBacklog, SetBacklog};
use orc_domain::verdict::BacklogKind;
use orc_domain::{OrcError, ProjectName};

use super::KeyArg;
use crate::context::Context;
use crate::failure::usage;

/// What is left to do in a project, as phases found it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orcctl backlog flowry
  orcctl backlog flowry security
  orcctl backlog flowry bug dismissed
  orcctl backlog --set dismissed bl_k7f3q2mz
  orcctl implement --project flowry --backlog-id bl_k7f3q2mz")]
pub(crate) struct Arguments {
    /// The registered project; with `--set`, the item
    #[arg(value_name = "PROJECT")]
    subject: String,
    /// Only of this kind: bug, security, debt, test, docs or follow_up
    #[arg(value_name = "TYPE")]
    kind: Option<BacklogKind>,
    /// Only in this state: open, planned, done or dismissed [default: open and planned]
    #[arg(value_name = "STATE")]
    state: Option<BacklogState>,
    /// Say where an item stands: open, done or dismissed
    #[arg(long, value_name = "STATE", conflicts_with_all = ["kind", "state"])]
    set: Option<BacklogState>,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    if let Some(state) = arguments.set {
        return context.change(arguments.key.idempotency_key, SetBacklog { item: arguments.subject, state }).await;
    }
    let project: ProjectName = arguments.subject.parse().map_err(|error| usage(format!("{error}")))?;
    context.show(GetBacklog { project, kind: arguments.kind, state: arguments.state }).await
}
