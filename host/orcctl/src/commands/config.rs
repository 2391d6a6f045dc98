//! `orcctl config`

use clap::{Args, Subcommand};
use orc_domain::api::{NextStep, Problem};
use orc_domain::{Digest, OrcError};
use serde::Serialize;

use crate::context::Context;
use crate::local;
use crate::wiring::Paths;

/// Check the root
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl config check")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say everything that is wrong in configuration, contracts, guests and rules, with file, line and column
    #[command(after_help = "Example:\n  orcctl --root . config check")]
    Check,
}

/// What is wrong under a root.
#[derive(Debug, Serialize)]
pub(crate) struct RootCheck {
    pub(crate) root: String,
    pub(crate) digest: Option<Digest>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) next: Vec<NextStep>,
}

pub(crate) async fn run(context: &Context, Arguments { command: Command::Check }: Arguments) -> Result<(), OrcError> {
    let root = Paths::resolve(&context.globals)?.own_root()?.to_owned();
    let snapshot = local::snapshot(&root)?;
    let mut check =
        RootCheck { root: root.display().to_string(), digest: None, problems: Vec::new(), warnings: Vec::new(), next: Vec::new() };
    // What the host looks at before it puts content into force: no more here and no less.
    check.problems = orc_engine::problems(&snapshot, &local::guests()?).await;
    check.warnings = local::checked(&snapshot).map(|checked| checked.warnings).unwrap_or_default();
    if check.problems.is_empty() {
        check.digest = Some(snapshot.digest());
        return context.answer(&check);
    }
    Err(OrcError::of_root(&check.problems))
}
