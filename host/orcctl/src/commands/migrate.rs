//! `orcctl migrate`

use std::path::Path;

use clap::Args;
use orc_domain::api::NextStep;
use orc_domain::{ErrorCode, OrcError};
use orc_store::{MigrationReport, SCHEMA_VERSION};
use serde::Serialize;

use crate::context::Context;
use crate::host;
use crate::wiring::Paths;

/// Bring the database to this version's schema, with a backup first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl migrate")]
pub(crate) struct Arguments {}

/// What `migrate` found, and did.
#[derive(Debug, Serialize)]
pub(crate) struct Migrated {
    pub(crate) database: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) next: Vec<NextStep>,
}

/// How the database stood.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// There is none yet.
    NoneYet,
    /// It had this version's schema already.
    UpToDate { schema: u32 },
    /// It was older, and was migrated.
    Migrated { from: u32, to: u32, backup: Option<String> },
}

impl From<MigrationReport> for Outcome {
    fn from(report: MigrationReport) -> Self {
        Self::Migrated { from: report.from, to: report.to, backup: report.backup.map(|path| path.display().to_string()) }
    }
}

pub(crate) async fn run(context: &Context, Arguments {}: Arguments) -> Result<(), OrcError> {
    let paths = Paths::resolve(&context.globals)?;
    let outcome = if host::exists(&paths.db)? { migrate(&paths)? } else { none_yet(context, &paths.db)? };
    let next = match outcome {
        Outcome::NoneYet => NextStep { command: "orcctl plan --help".to_owned(), why: "the first plan makes it".to_owned() },
        _ => NextStep { command: "orcctl audit verify".to_owned(), why: "prove its audit".to_owned() },
    };
    context.answer(&Migrated { database: paths.db.display().to_string(), outcome, next: vec![next] })
}

fn migrate(paths: &Paths) -> Result<Outcome, OrcError> {
    match orc_store::examine(&paths.db)? {
        SCHEMA_VERSION => Ok(Outcome::UpToDate { schema: SCHEMA_VERSION }),
        _ => host::migrate(paths).map(Outcome::from),
    }
}

/// ORC makes its usual directory itself; one that was named and is not there was misspelt.
fn none_yet(context: &Context, db: &Path) -> Result<Outcome, OrcError> {
    match db.parent() {
        Some(parent) if context.globals.db.is_some() && !parent.is_dir() => {
            Err(OrcError::new(ErrorCode::NotFound, format!("there is no directory `{}`", parent.display()))
                .hint("`--db` names the database's file; without it, it is orc/orc.db in the user's state directory"))
        }
        _ => Ok(Outcome::NoneYet),
    }
}
