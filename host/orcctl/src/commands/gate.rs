//! `orcctl gate`: guests of all kinds, gates before all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use orc_config::{Checked, LOCK_FILE, LockedGuest, RootSnapshot};
use orc_domain::api::NextStep;
use orc_domain::nearest::suggest;
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
    #[command(after_help = "Examples:\n  orcctl gate test ./my-gate.wasm --cases ./cases\n  orcctl gate test --stock phases/guests")]
    Test {
        /// A pinned guest's name, or a component's file with its manifest beside it
        #[arg(value_name = "GUEST", requires = "cases", required_unless_present = "stock")]
        guest: Option<String>,
        /// The directory of its cases
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
        /// Every stock guest beside this program, with the cases in DIR/NAME/cases; needs no root
        #[arg(long, value_name = "DIR", conflicts_with_all = ["guest", "cases"])]
        stock: Option<PathBuf>,
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
    /// What its manifest says; none where there is no manifest beside the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guest: Option<Described>,
}

/// What a manifest says, and what this installation makes of a pinned guest.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    pub(crate) name: GuestName,
    pub(crate) version: String,
    pub(crate) summary: String,
    /// What it asks for.
    pub(crate) asks: BTreeSet<Capability>,
    /// What it is granted; a file that nobody pinned is granted nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) granted: Option<BTreeSet<Capability>>,
    /// Its settings with their defaults.
    pub(crate) settings: BTreeMap<String, serde_json::Value>,
    pub(crate) bound: Vec<Bound>,
}

/// Where a guest is bound.
#[derive(Debug, Serialize)]
pub(crate) struct Bound {
    /// `PHASE POSITION`.
    pub(crate) at: String,
    /// What stands over the defaults there.
    pub(crate) settings: serde_json::Value,
}

impl From<GuestManifest> for Described {
    fn from(manifest: GuestManifest) -> Self {
        let GuestManifest { name, version, summary, capabilities: asks, settings, .. } = manifest;
        Self { name, version, summary, asks, granted: None, settings, bound: Vec::new() }
    }
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
    pub(crate) next: Vec<NextStep>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    if let Command::Test { stock: Some(sources), .. } = &arguments.command {
        return test_stock(context, sources).await;
    }
    let root = Paths::resolve(&context.globals)?.own_root()?.to_owned();
    match arguments.command {
        Command::List => context.answer(&list(&checked(&root)?)),
        Command::Inspect { guest } => inspect(context, &root, &guest),
        Command::Test { guest, cases, .. } => {
            // clap lets nothing else through.
            let (guest, cases) = (guest.unwrap_or_default(), cases.unwrap_or_default());
            let component = match is_file(&guest) {
                true => PathBuf::from(guest),
                false => root.join(&pinned(&checked(&root)?, &guest)?.1.pin.path),
            };
            let results = results(&component, &cases).await?;
            judged(context, results)
        }
        Command::Lock { only } => lock(context, &root, only.as_ref()),
    }
}

fn checked(root: &Path) -> Result<Checked, OrcError> {
    local::checked(&local::snapshot(root)?).map_err(|problems| OrcError::of_root(&problems))
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

/// Whether a guest is named by its component's path.
fn is_file(guest: &str) -> bool {
    guest.contains('/') || Path::new(guest).extension().is_some()
}

/// The pinned guest of this name.
fn pinned<'a>(checked: &'a Checked, guest: &str) -> Result<(&'a GuestName, &'a LockedGuest), OrcError> {
    checked.guests.iter().find(|(name, _)| name.as_str() == guest).ok_or_else(|| {
        let near = suggest(guest, checked.guests.keys());
        OrcError::new(ErrorCode::NotFound, format!("{LOCK_FILE} names no guest `{guest}`"))
            .hint(format!("{near} (`orcctl gate list` shows the guests; a file is named with its path)"))
    })
}

fn inspect(context: &Context, root: &Path, guest: &str) -> Result<(), OrcError> {
    let (path, guest) = match is_file(guest) {
        true => (PathBuf::from(guest), manifest_beside(Path::new(guest))?),
        false => {
            let checked = checked(root)?;
            let (name, found) = pinned(&checked, guest)?;
            (root.join(&found.pin.path), Some(described(&checked, name, found)))
        }
    };
    let inspection = local::guests()?.inspect(&local::read(&path)?).map_err(|fault| {
        OrcError::new(ErrorCode::GuestFault, format!("`{}` cannot be inspected", path.display())).cause(fault.to_string())
    })?;
    context.answer(&Inspected { file: path.display().to_string(), inspection, guest })
}

fn described(checked: &Checked, name: &GuestName, guest: &LockedGuest) -> Described {
    let mut bound = Vec::new();
    for (phase, contract) in &checked.contracts.phases {
        for (position, entry) in contract.bindings().filter(|(_, entry)| entry.guest == *name) {
            bound.push(Bound { at: format!("{phase} {position}"), settings: entry.settings.clone() });
        }
    }
    Described { granted: Some(guest.pin.grant.clone()), bound, ..Described::from(guest.manifest.clone()) }
}

fn manifest_beside(component: &Path) -> Result<Option<Described>, OrcError> {
    let there = component.with_extension("toml").exists();
    if there { manifest(component).map(|manifest| Some(manifest.into())) } else { Ok(None) }
}

/// The manifest that stands beside a component.
fn manifest(component: &Path) -> Result<GuestManifest, OrcError> {
    let path = component.with_extension("toml");
    let text = String::from_utf8(local::read(&path)?).map_err(|_| usage(format!("`{}` is no UTF-8 text", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        OrcError::from_source(ErrorCode::ConfigInvalid, format!("the manifest `{}` is not in order", path.display()), &error)
    })
}

/// A stock guest without cases is not tested, and fails.
async fn test_stock(context: &Context, sources: &Path) -> Result<(), OrcError> {
    let directory = local::stock_guests()?;
    let mut all = Vec::new();
    for component in super::init::components(&directory)? {
        let name = component.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let cases = results(&component, &sources.join(&name).join("cases")).await?;
        if cases.is_empty() {
            return Err(OrcError::new(ErrorCode::GuestFault, format!("the stock guest {name} has no cases")));
        }
        all.extend(cases.into_iter().map(|case| CaseResult { name: format!("{name}/{}", case.name), ..case }));
    }
    judged(context, all)
}

fn judged(context: &Context, cases: Vec<CaseResult>) -> Result<(), OrcError> {
    if cases.is_empty() {
        return Err(OrcError::new(ErrorCode::GuestFault, "there is no case: an untested guest is no tested one")
            .hint("a case is a file NAME.toml in that directory; guest-sdk/rust/README.md shows one"));
    }
    let failed = cases.iter().filter(|case| !case.passed).count();
    context.answer(&CaseResults { cases })?;
    match failed {
        0 => Ok(()),
        1 => Err(OrcError::new(ErrorCode::GuestFault, "1 case does not pass")),
        more => Err(OrcError::new(ErrorCode::GuestFault, format!("{more} cases do not pass"))),
    }
}

/// How the cases of one guest went.
async fn results(component: &Path, directory: &Path) -> Result<Vec<CaseResult>, OrcError> {
    let manifest = manifest(component)?;
    let found =
        read_cases(directory).map_err(|error| OrcError::from_source(ErrorCode::InvalidRequest, "the cases cannot be read", &error))?;
    let files = GuestFiles { manifest, component: local::read(component)?.into(), fixtures: found.fixtures };
    Ok(run_cases(&local::guests()?, &files, &found.cases).await)
}

fn lock(context: &Context, root: &Path, only: Option<&GuestName>) -> Result<(), OrcError> {
    let snapshot = local::snapshot(root)?;
    if let Some(only) = only {
        lockable(&snapshot, only)?;
    }
    let relocked = orc_config::lock::relock(&snapshot, only).map_err(|problems| OrcError::of_root(&problems))?;
    if !relocked.changes.is_empty() {
        local::write(&root.join(LOCK_FILE), &relocked.text)?;
    }
    let next = match relocked.changes.is_empty() {
        true => NextStep { command: "orcctl gate list".to_owned(), why: "see what each gets and where it is bound".to_owned() },
        false => NextStep { command: "orcctl config check".to_owned(), why: "see that the root is in order with it".to_owned() },
    };
    context.answer(&Locked { changes: relocked.changes, next: vec![next] })
}

fn lockable(snapshot: &RootSnapshot, only: &GuestName) -> Result<(), OrcError> {
    let known = orc_config::lock::known(snapshot).map_err(|problems| OrcError::of_root(&problems))?;
    if known.contains(only) {
        return Ok(());
    }
    let near = suggest(only.as_str(), &known);
    Err(OrcError::new(ErrorCode::NotFound, format!("neither {LOCK_FILE} nor phases/guests has a guest `{only}`"))
        .hint(format!("{near} (a new guest is NAME.wasm with NAME.toml in phases/guests)")))
}
