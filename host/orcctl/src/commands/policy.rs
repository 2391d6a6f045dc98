//! `orcctl policy`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orc_domain::api::NextStep;
use orc_domain::decision::{DecisionInput, EntryPoint};
use orc_domain::{ErrorCode, OrcError};
use orc_policy::Policy;

use super::config::RootCheck;
use crate::context::Context;
use crate::failure::{io, usage};
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
    #[command(after_help = "Examples:\n  orcctl policy test plan/\n  orcctl policy test --require-coverage")]
    Test {
        /// Only cases whose name contains this
        #[arg(value_name = "FILTER", conflicts_with = "require_coverage")]
        filter: Option<String>,
        /// Fail as well where a code of the table has no case that gives it, or none that does not
        #[arg(long)]
        require_coverage: bool,
        /// The rules that `orcctl init` writes, instead of those under the root
        #[arg(long)]
        stock: bool,
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
    if let Command::Test { filter, require_coverage, stock: true } = &arguments.command {
        let root =
            tempfile::Builder::new().prefix("orc-stock-").tempdir().map_err(|error| io("cannot make a temporary directory", &error))?;
        let stock = root.path().join("root");
        super::init::write_stock(&stock)?;
        return test(context, &local::rules_of(&stock)?.1, filter.as_deref(), *require_coverage);
    }
    let root = Paths::resolve(&context.globals)?.own_root()?.to_owned();
    let (checked, policy) = local::rules_of(&root)?;
    match arguments.command {
        Command::Check => {
            let digest = Some(checked.snapshot().digest());
            let next = vec![NextStep { command: "orcctl policy test".to_owned(), why: "run the cases beside the rules".to_owned() }];
            let (root, warnings) = (root.display().to_string(), checked.warnings);
            context.answer(&RootCheck { root, digest, problems: Vec::new(), warnings, next })
        }
        Command::Test { filter, require_coverage, .. } => test(context, &policy, filter.as_deref(), require_coverage),
        Command::Eval { entry, input } => {
            let document: DecisionInput = serde_json::from_slice(&local::read(&input)?)
                .map_err(|error| usage(format!("`{}` is no decision input", input.display())).cause(error.to_string()))?;
            context.answer(&policy.decide(entry, &document))
        }
    }
}

fn test(context: &Context, policy: &Policy, filter: Option<&str>, require_coverage: bool) -> Result<(), OrcError> {
    let report = policy.run_tests(filter);
    context.answer(&report)?;
    let failed = |what: &str, hint: &str| Err(OrcError::new(ErrorCode::RulesTestsFailed, what).hint(hint));
    if report.cases.is_empty() {
        return failed(
            "no case was found",
            "cases are files under policies/tests; a filter is part of a name like `plan/appended-argument`",
        );
    }
    if !report.ok() {
        return failed("cases failed", "look at the differences above, then mend the rule or the case");
    }
    if require_coverage && report.uncovered().next().is_some() {
        return failed(
            "codes of the table have no case that shows them both ways",
            "write one case that gives the code and one that does not",
        );
    }
    Ok(())
}
