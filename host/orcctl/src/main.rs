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

use crate::cli::Cli;
use crate::context::Context;

fn main() -> ExitCode {
    let cli = Cli::parse();
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
