//! `orcctl gate`: guests of all kinds, gates before all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use orc_config::{Checked, LOCK_FILE};
use orc_domain::verdict::{Capability, GuestKind, GuestManifest};
use orc_domain::{ErrorCode, GuestName, OrcError};
use orc_guests::Inspection;
use orc_guests::cases::{CaseResult, GuestFiles, read_cases, run_cases};
use serde::Serialize;

use crate::context::Context;
use crate::failure::usage;
use crate::local;
use crate::wiring::Paths;

/// List, inspect, test and pin guests
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orcctl gate list\n  orcctl gate inspect secret-scan\n  orcctl gate test secret-scan --cases ./cases\n  orcctl gate lock"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the pinned guests: what each gets and where it is bound
    #[command(after_help = "Example:\n  orcctl gate list")]
    List,
    /// Say what a component is, without running it
    #[command(after_help = "Examples:\n  orcctl gate inspect secret-scan\n  orcctl gate inspect ./my-gate.wasm")]
    Inspect {
        /// A pinned guest's name, or a component's file
        #[arg(value_name = "GUEST")]
        guest: String,
    },
    /// Run a guest's own cases through the real host with the limits of production
    #[command(after_help = "Example:\n  orcctl gate test ./my-gate.wasm --cases ./cases")]
    Test {
        /// A pinned guest's name, or a component's file with its manifest beside it
        #[arg(value_name = "GUEST")]
        guest: String,
        /// The directory of its cases
        #[arg(long, value_name = "DIR")]
        cases: PathBuf,
    },
    /// Pin every guest under phases/guests as it is now; a new one is granted nothing
    #[command(after_help = "Examples:\n  orcctl gate lock\n  orcctl gate lock secret-scan")]
    Lock {
        /// Only this guest
        #[arg(value_name = "GUEST")]
        only: Option<GuestName>,
    },
}

/// The pinned guests.
#[derive(Debug, Serialize)]
pub(crate) struct GuestRows {
    pub(crate) guests: Vec<GuestRow>,
}

/// A pinned guest.
#[derive(Debug, Serialize)]
pub(crate) struct GuestRow {
    pub(crate) name: GuestName,
    pub(crate) kind: GuestKind,
    pub(crate) version: String,
    pub(crate) capabilities: BTreeSet<Capability>,
    /// `PHASE POSITION` of each binding.
    pub(crate) bound: Vec<String>,
}

/// What a component is.
#[derive(Debug, Serialize)]
pub(crate) struct Inspected {
    pub(crate) file: String,
    pub(crate) inspection: Inspection,
}

/// How a guest's cases went.
#[derive(Debug, Serialize)]
pub(crate) struct CaseResults {
    pub(crate) cases: Vec<CaseResult>,
}

/// What changed in the lock.
#[derive(Debug, Serialize)]
pub(crate) struct Locked {
    pub(crate) changes: Vec<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let root = Paths::resolve(&context.globals)?.root;
    match arguments.command {
        Command::List => context.answer(&list(&checked(&root)?)),
        Command::Inspect { guest } => {
            let path = component(&root, &guest)?;
            let inspection = local::guests()?.inspect(&local::read(&path)?).map_err(|fault| {
                OrcError::new(ErrorCode::GuestFault, format!("`{}` cannot be inspected", path.display())).cause(fault.to_string())
            })?;
            context.answer(&Inspected { file: path.display().to_string(), inspection })
        }
        Command::Test { guest, cases } => test(context, &component(&root, &guest)?, &cases).await,
        Command::Lock { only } => lock(context, &root, only.as_ref()),
    }
}

fn checked(root: &Path) -> Result<Checked, OrcError> {
    local::checked(&local::snapshot(root)?).map_err(|problems| local::invalid(&problems))
}

fn list(checked: &Checked) -> GuestRows {
    let mut bound: BTreeMap<&GuestName, Vec<String>> = BTreeMap::new();
    for (phase, contract) in &checked.contracts.phases {
        for (position, entry) in contract.bindings() {
            bound.entry(&entry.guest).or_default().push(format!("{phase} {position}"));
        }
    }
    let row = |(name, guest): (&GuestName, &orc_config::LockedGuest)| GuestRow {
        name: name.clone(),
        kind: guest.manifest.kind,
        version: guest.manifest.version.clone(),
        capabilities: guest.capabilities(),
        bound: bound.get(name).cloned().unwrap_or_default(),
    };
    GuestRows { guests: checked.guests.iter().map(row).collect() }
}

/// The file of a component: the path as given where it is one, else that of the pinned guest of this name.
fn component(root: &Path, guest: &str) -> Result<PathBuf, OrcError> {
    if guest.contains('/') || Path::new(guest).extension().is_some() {
        return Ok(PathBuf::from(guest));
    }
    let checked = checked(root)?;
    let found = checked.guests.iter().find(|(name, _)| name.as_str() == guest);
    let (_, found) = found.ok_or_else(|| {
        OrcError::new(ErrorCode::NotFound, format!("{LOCK_FILE} names no guest `{guest}`"))
            .hint("`orcctl gate list` shows the guests; a file is named with its path")
    })?;
    Ok(root.join(&found.pin.path))
}

async fn test(context: &Context, component: &Path, directory: &Path) -> Result<(), OrcError> {
    let manifest_path = component.with_extension("toml");
    let text =
        String::from_utf8(local::read(&manifest_path)?).map_err(|_| usage(format!("`{}` is no UTF-8 text", manifest_path.display())))?;
    let manifest: GuestManifest = toml::from_str(&text).map_err(|error| {
        OrcError::from_source(ErrorCode::ConfigInvalid, format!("the manifest `{}` is not in order", manifest_path.display()), &error)
    })?;
    let found =
        read_cases(directory).map_err(|error| OrcError::from_source(ErrorCode::InvalidRequest, "the cases cannot be read", &error))?;
    let files = GuestFiles { manifest, component: local::read(component)?.into(), fixtures: found.fixtures };
    let cases = run_cases(&local::guests()?, &files, &found.cases).await;
    let ok = !cases.is_empty() && cases.iter().all(|case| case.passed);
    context.answer(&CaseResults { cases })?;
    if ok {
        Ok(())
    } else {
        Err(OrcError::new(ErrorCode::GuestFault, "the guest does not pass its cases")
            .hint("an empty directory of cases proves nothing either"))
    }
}

fn lock(context: &Context, root: &Path, only: Option<&GuestName>) -> Result<(), OrcError> {
    let relocked = orc_config::lock::relock(&local::snapshot(root)?, only).map_err(|problems| local::invalid(&problems))?;
    if !relocked.changes.is_empty() {
        local::write(&root.join(LOCK_FILE), &relocked.text)?;
    }
    context.answer(&Locked { changes: relocked.changes })
}
