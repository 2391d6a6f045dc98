//! `orcctl policy`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orc_domain::decision::{DecisionInput, EntryPoint};
use orc_domain::{ErrorCode, OrcError};

use super::config::RootCheck;
use crate::context::Context;
use crate::failure::usage;
use crate::local;
use crate::wiring::Paths;

/// Check, test and try the rules under the root
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orcctl policy check\n  orcctl policy test plan/\n  orcctl policy eval --entry plan --input input.json"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile the rules and say everything that is wrong, with file, line and column
    #[command(after_help = "Example:\n  orcctl policy check")]
    Check,
    /// Run the cases beside the rules
    #[command(after_help = "Example:\n  orcctl policy test plan/")]
    Test {
        /// Only cases whose name contains this
        #[arg(value_name = "FILTER")]
        filter: Option<String>,
    },
    /// Decide on an input document, as `orcctl --format json explain` shows them
    #[command(after_help = "Example:\n  orcctl policy eval --entry plan --input - < input.json")]
    Eval {
        /// The entry point: plan, admit, skip, launch or autorun
        #[arg(long, value_name = "NAME", default_value = "plan")]
        entry: EntryPoint,
        /// The input document, JSON; `-` is standard input
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let root = Paths::resolve(&context.globals)?.root;
    let (checked, policy) = local::rules_of(&root)?;
    match arguments.command {
        Command::Check => {
            let digest = Some(checked.snapshot().digest());
            context.answer(&RootCheck { root: root.display().to_string(), digest, problems: Vec::new(), warnings: checked.warnings })
        }
        Command::Test { filter } => {
            let report = policy.run_tests(filter.as_deref());
            context.answer(&report)?;
            if report.ok() {
                return Ok(());
            }
            let what = if report.cases.is_empty() { "no case was found" } else { "cases failed" };
            Err(OrcError::new(ErrorCode::RulesTestsFailed, what).hint("look at the differences above, then mend the rule or the case"))
        }
        Command::Eval { entry, input } => {
            let document: DecisionInput = serde_json::from_slice(&local::read(&input)?)
                .map_err(|error| usage(format!("`{}` is no decision input", input.display())).cause(error.to_string()))?;
            context.answer(&policy.decide(entry, &document))
        }
    }
}
