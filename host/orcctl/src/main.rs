//! `orcctl`: the operator's command line. It turns words into intents, intents' answers into words, and adds no decision of its own.
//!
//! **Belongs here:** arguments ([`cli`]), one file per subcommand ([`commands`]), answers into text ([`render`]), errors into text and exit
//! codes ([`failure`]), the one place that prints ([`printer`]), the one place that reads the environment ([`wiring`]).
//!
//! **Never belongs here:** rules, states, SQL, a second way to compute what an answer already says.
//!
//! **Pitfalls:** text from outside reaches a screen only through `render::text`; ids are never followed by a full stop (a double click would
//! copy it); what is written to standard output is data, everything else goes to standard error.

mod cli;
mod commands;
mod context;
mod demo;
mod failure;
mod follow;
mod host;
mod local;
mod printer;
mod render;
mod tryout;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use orc_domain::{ErrorKind, Untrusted};

use crate::cli::{Cli, Format};
use crate::context::Context;
use crate::printer::Printer;

/// Most characters of words about a command line.
const WORDS: usize = 10_000;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let context = Context::new(cli.globals);
    wiring::start_log();
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.command.run(&context)),
        Err(error) => Err(failure::io("cannot start the runtime", &error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => context.printer.fail(&error, &context.view),
    }
}

/// What clap says is wrong, whole, without how the command is used: the hint leads there.
fn what_is_wrong(error: &clap::Error) -> String {
    let words = error.to_string();
    let said = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|end| words.find(end)).min();
    said.map_or(words.as_str(), |end| &words[..end]).trim_start_matches("error: ").trim_end().to_owned()
}

/// Help and version are data; a command line that cannot be understood is an error like every other, said in clap's words.
fn misunderstood(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wiring::asks_for_json() {
        let message = what_is_wrong(error);
        let hint = "`orcctl --help` and `orcctl COMMAND --help` show what is understood";
        // The words below say the same; a reader that went away has them.
        let _ = Printer::new(Format::Json).json(&serde_json::json!({ "error": failure::usage(message).hint(hint) }));
    }
    if error.use_stderr() {
        // It repeats what was typed, and that may come from anywhere.
        Printer::new(Format::Text).words(&Untrusted::new(error.to_string()).for_terminal(WORDS));
        return ExitCode::from(ErrorKind::Usage.exit_code());
    }
    // That help cannot be shown is no error: its reader went away.
    let _ = error.print();
    ExitCode::SUCCESS
}
