//! Every check of a root that needs no rule to run: one file of this folder for each file of `config/`.

mod contracts;
mod document;
mod guests;
mod operators;
mod registry;
mod settings;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::GuestName;
use orc_domain::api::Problem;
use orc_domain::contract::{BindingEntry, BindingPosition, Contracts, PhaseContract};
use orc_domain::decision::Place;
use orc_domain::operators::Operators;
use orc_domain::project::Registry;
use orc_domain::settings::Settings;
use orc_domain::verdict::{Capability, GuestBinding, GuestLimits, GuestManifest, GuestPin};

use crate::root::RootSnapshot;
pub(crate) use document::Document;
pub(crate) use guests::{GUESTS_FOLDER, Lock, parse_manifest};
pub(crate) use operators::is_unix_user;

/// A guest of `config/guests.lock` with the manifest that its digest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedGuest {
    /// Its pin and grant.
    pub pin: GuestPin,
    /// Its manifest.
    pub manifest: GuestManifest,
}

impl LockedGuest {
    /// What it really gets: requested by the manifest and granted by the lock.
    pub fn capabilities(&self) -> BTreeSet<Capability> {
        self.manifest.capabilities.intersection(&self.pin.grant).copied().collect()
    }

    fn binding(&self, guest: &GuestName, entry: &BindingEntry) -> GuestBinding {
        GuestBinding {
            guest: guest.clone(),
            kind: self.manifest.kind,
            version: self.manifest.version.clone(),
            module: self.pin.module,
            manifest: self.pin.manifest,
            mode: entry.mode,
            settings: self.settings(entry),
            capabilities: self.capabilities(),
            limits: GuestLimits::for_kind(self.manifest.kind),
        }
    }

    /// The manifest's defaults with the binding's settings over them, key by key.
    fn settings(&self, entry: &BindingEntry) -> serde_json::Value {
        let mut merged: serde_json::Map<_, _> = self.manifest.settings.clone().into_iter().collect();
        if let Some(own) = entry.settings.as_object() {
            merged.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        serde_json::Value::Object(merged)
    }
}

/// A root in which nothing is wrong.
#[derive(Debug, Clone)]
pub struct Checked {
    /// `config/orc.yaml`.
    pub settings: Settings,
    /// `config/projects.registry.yaml`.
    pub registry: Registry,
    /// `config/phase-contracts.yaml`.
    pub contracts: Contracts,
    /// `config/operators.yaml`.
    pub operators: Operators,
    /// `config/guests.lock` with the manifests.
    pub guests: BTreeMap<GuestName, LockedGuest>,
    /// What is not wrong but probably not meant.
    pub warnings: Vec<Problem>,
    snapshot: RootSnapshot,
}

impl Checked {
    /// The guests of a phase in the order of [`PhaseContract::bindings`], each with what it really gets. Guests that the lock does not
    /// have are left out: a contract of this root has none.
    pub fn phase_guests(&self, contract: &PhaseContract) -> Vec<(BindingPosition, GuestBinding)> {
        let bound = |(position, entry): (BindingPosition, &BindingEntry)| {
            self.guests.get(&entry.guest).map(|guest| (position, guest.binding(&entry.guest, entry)))
        };
        contract.bindings().filter_map(bound).collect()
    }

    /// A file of the root, by its path relative to the root: schemas, prompts, components.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.snapshot.file(path)
    }

    /// The content that was checked.
    pub const fn snapshot(&self) -> &RootSnapshot {
        &self.snapshot
    }
}

/// What the checks found so far.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Report {
    /// Something about a whole file.
    pub(crate) fn file(&mut self, file: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.problems.push(Problem { help: help.into(), ..Problem::new(&Place::file(file), message) });
    }
}

/// Checks a root: all problems of all files in one go, in the order of the files and lines.
///
/// # Errors
/// The problems, at least one.
pub fn check(snapshot: &RootSnapshot) -> Result<Checked, Vec<Problem>> {
    let mut report = Report::default();
    let settings = Document::<Settings>::open(snapshot, crate::ORC_FILE, &mut report);
    let operators = Document::<Operators>::open(snapshot, crate::OPERATORS_FILE, &mut report);
    let registry = Document::<Registry>::open(snapshot, crate::REGISTRY_FILE, &mut report);
    let mut contracts = Document::<Contracts>::open(snapshot, crate::CONTRACTS_FILE, &mut report);
    let lock = Document::<guests::Lock>::open(snapshot, crate::LOCK_FILE, &mut report);

    let guests = lock.as_ref().map(|lock| guests::check(lock, snapshot, &mut report));
    if let Some(operators) = &operators {
        operators::check(operators, &mut report);
    }
    let persons = operators.as_ref().and_then(Document::sound);
    if let Some(settings) = &settings {
        settings::check(settings, persons, &mut report);
    }
    if let Some(contracts) = &mut contracts {
        let locked = guests.as_ref().filter(|_| lock.as_ref().is_some_and(|lock| lock.sound().is_some()));
        contracts::check(contracts, locked, snapshot, &mut report);
    }
    if let Some(registry) = &registry {
        registry::check(registry, persons, contracts.as_ref().and_then(Document::sound), &mut report);
    }

    match (settings, registry, contracts, operators, guests) {
        (Some(settings), Some(registry), Some(contracts), Some(operators), Some(guests)) if report.problems.is_empty() => {
            report.warnings.sort();
            Ok(Checked {
                settings: settings.value,
                registry: registry.value,
                contracts: contracts.value,
                operators: operators.value,
                guests: guests.into_iter().filter_map(|(name, guest)| Some((name, guest?))).collect(),
                warnings: report.warnings,
                snapshot: snapshot.clone(),
            })
        }
        _ => {
            report.problems.sort();
            report.problems.dedup();
            Err(report.problems)
        }
    }
}
