//! `orcctl man`

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use orc_domain::OrcError;

use crate::cli::Cli;
use crate::context::Context;
use crate::failure;

/// Write the manual page
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl man | man -l -\n  orcctl man --all ~/.local/share/man/man1")]
pub(crate) struct Arguments {
    /// Write a page for every subcommand into this directory instead; it is made where it is missing
    #[arg(long, value_name = "DIR")]
    all: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let Some(directory) = arguments.all else {
        let mut page = Vec::new();
        let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
        written.map_err(|error| failure::io("cannot make the manual page", &error))?;
        return context.printer.data(&String::from_utf8_lossy(&page));
    };
    let written = std::fs::create_dir_all(&directory).and_then(|()| clap_mangen::generate_to(Cli::command(), &directory));
    written.map_err(|error| failure::io(&format!("cannot write manual pages to `{}`", directory.display()), &error))
}
