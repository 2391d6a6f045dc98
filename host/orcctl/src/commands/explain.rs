//! `orcctl explain`

use clap::Args;
use orc_domain::OrcError;
use orc_domain::api::Explain;

use crate::context::Context;

/// Show why: the rules that allowed, denied, raised or required
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl explain wf_x4b9t6ha\n  orcctl explain de_m3v8n5cd")]
pub(crate) struct Arguments {
    #[command(flatten)]
    about: About,
}

/// What to explain, in the long or the short form.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct About {
    /// A workflow or a decision, by id or unambiguous prefix
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// A workflow, as a long option
    #[arg(long, value_name = "ID")]
    workflow_id: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let id = arguments.about.id.or(arguments.about.workflow_id).unwrap_or_default();
    context.show(Explain { id }).await
}
