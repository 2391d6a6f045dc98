//! `orcctl audit` and `orcctl audit verify`

use clap::{Args, Subcommand};
use orc_domain::api::{GetAudit, VerifyAudit};
use orc_domain::{ErrorCode, OrcError};

use crate::context::Context;
use crate::render::WholeAudit;
use crate::wiring::Want;

/// Show the audit, or verify its chain
///
/// In words, without single steps of phases; `--all` shows those too, `--format json` every fact.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  orcctl audit wf_x4b9t6ha\n  orcctl audit --workflow-id wf_x4b9t6ha\n  orcctl audit verify")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only of this workflow, by id or unambiguous prefix
    #[arg(value_name = "WORKFLOW", conflicts_with = "workflow_id")]
    workflow: Option<String>,
    /// The same, as a long option
    #[arg(long, value_name = "ID")]
    workflow_id: Option<String>,
    /// At most this many, newest last [default: 1000]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: u32,
    /// Single steps of phases as well
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify the whole chain
    #[command(after_help = "Example:\n  orcctl audit verify")]
    Verify,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    match arguments.command {
        Some(Command::Verify) => verify(context).await,
        None => {
            let request = GetAudit { workflow: arguments.workflow.or(arguments.workflow_id), limit: arguments.limit };
            if arguments.all { whole(context, request).await } else { context.show(request).await }
        }
    }
}

async fn whole(context: &Context, request: GetAudit) -> Result<(), OrcError> {
    let audit = context.host(Want::Read).await?.read(request).await?;
    context.answer(&WholeAudit(audit))
}

async fn verify(context: &Context) -> Result<(), OrcError> {
    let proof = context.host(Want::Read).await?.read(VerifyAudit {}).await?;
    context.answer(&proof)?;
    match proof.broken {
        None if proof.differs.is_empty() => Ok(()),
        None => Err(OrcError { causes: proof.differs, ..differs() }),
        Some(broken) => Err(OrcError::new(ErrorCode::AuditBroken, format!("the audit does not prove itself from event {} on", broken.seq))
            .cause(broken.why)
            .hint("keep the database as it is and compare it with a backup")),
    }
}

fn differs() -> OrcError {
    OrcError::new(ErrorCode::AuditBroken, "what is stored is not what the audit says of it")
        .hint("the database was changed by hand: keep it as it is and restore a backup")
}
