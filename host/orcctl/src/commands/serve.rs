//! `orcctl serve`

use clap::Args;
use orc_domain::{ErrorCode, OrcError};
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::failure;
use crate::host::{self, Owning, Working};
use crate::render;
use crate::wiring::Paths;

/// Own the database, drive executions and serve the socket until SIGTERM
///
/// Changes under the root become rules revisions while it runs. On SIGTERM or SIGINT what runs is stopped, proved dead, and left so that the
/// next owner takes it up again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl serve\n  orcctl --root /etc/orc --db /var/lib/orc/orc.db serve")]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context, Arguments {}: Arguments) -> Result<(), OrcError> {
    let paths = Paths::resolve(&context.globals)?;
    if let Some(report) = host::migrate_if_outdated(&paths)? {
        context.printer.words(&render::migrated(&report.into(), &paths.db.display().to_string()));
    }
    let engine = match host::own(&paths).await? {
        Owning::Engine(engine) => engine,
        Owning::Elsewhere(socket) => {
            let message = format!("the database `{}` is served already, on {}", paths.db.display(), socket.path().display());
            return Err(OrcError::new(ErrorCode::DatabaseBusy, message).hint("stop that host first"));
        }
    };
    let failed = |error| failure::io("cannot listen for signals", &error);
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?);
    let mut working = Working::start(&paths, &engine).await?;
    context.printer.words(&format!("serving {} on {}", paths.db.display(), working.socket.display()));
    let broken = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        error = working.broken() => Some(error),
    };
    context.printer.words("stopping");
    working.stop().await;
    broken.map_or(Ok(()), Err)
}
