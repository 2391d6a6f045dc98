//! What a plan pins of this machine's disk: the commit, copied files, the worker's program.

use std::path::Path;

use orc_domain::plan::{BaseCommit, PlannedWorker};
use orc_domain::project::Argv;
use orc_domain::settings::WorkerSettings;
use orc_domain::{Digest, EngineName, ErrorCode, OrcError};

use crate::document::{Found, Resolved};
use crate::engine::{Engine, blocking};

/// Who confines a worker's access to files: ORC, with what the launch plan lists.
const CONFINEMENT: &str = "full";

impl Engine {
    /// Everything that is on the disk now for a plan from `base`.
    pub(crate) async fn found(&self, resolved: &Resolved<'_>, base: BaseCommit, memory: Option<Digest>) -> Result<Found, OrcError> {
        let root = Path::new(&resolved.entry.root);
        let copied = self.workspaces.digests(root, &resolved.entry.copy).await?;
        let worker = match resolved.worker {
            Some((engine, settings)) => Some(planned_worker(engine, settings).await?),
            None => None,
        };
        Ok(Found { base, copied, worker, memory })
    }
}

async fn planned_worker(engine: &EngineName, settings: &WorkerSettings) -> Result<PlannedWorker, OrcError> {
    let binary = program_digest(&settings.command).await?;
    Ok(PlannedWorker {
        engine: engine.clone(),
        kind: settings.kind,
        command: settings.command.clone(),
        binary,
        model: None,
        fallbacks: Vec::new(),
        confinement: CONFINEMENT.to_owned(),
    })
}

/// The digest of a command's program as it is now.
pub(crate) async fn program_digest(command: &Argv) -> Result<Digest, OrcError> {
    let Some(program) = command.first().cloned() else {
        return Err(OrcError::new(ErrorCode::ConfigInvalid, "an engine has no command"));
    };
    blocking(move || {
        std::fs::read(&program).map(|bytes| Digest::of(&bytes)).map_err(|error| {
            OrcError::from_source(ErrorCode::WorkerUnavailable, format!("the worker's program `{program}` cannot be read"), &error)
                .hint("install it, or mend `workers` in config/orc.yaml")
        })
    })
    .await
}
