//! `orcctl completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use orc_domain::OrcError;

use crate::cli::Cli;
use crate::context::Context;

/// Write shell completions
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl completions bash > ~/.local/share/bash-completion/completions/orcctl")]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "orcctl", &mut script);
    context.printer.data(&String::from_utf8_lossy(&script))
}
