//! `orcctl diff`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::GetDiff;

use super::WorkflowArg;
use crate::context::Context;
use crate::wiring::Want;

/// Show what a workflow's newest execution changed, and how to merge it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl diff wf_x4b9t6ha\n  orcctl diff wf_x4b9t6ha --patch > work.patch")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
    /// Print the patch alone, byte for byte where it goes into a file or a pipe: `git apply` takes it
    #[arg(long)]
    patch: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let request = GetDiff { workflow: arguments.workflow.into_id() };
    if !arguments.patch {
        return context.show(request).await;
    }
    let work = context.host(Want::Read).await?.read(request).await?;
    if work.cut {
        return Err(crate::failure::usage("the patch is too large to be printed whole")
            .hint(work.next.first().map_or_else(String::new, |step| format!("fetch the branch: `{}`", step.command))));
    }
    context.printer.raw(&work.patch)
}
