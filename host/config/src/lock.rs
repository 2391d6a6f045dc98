//! Writes `config/guests.lock`: what is pinned, and what it is granted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use orc_domain::api::Problem;
use orc_domain::verdict::GuestPin;
use orc_domain::{Digest, GuestName};

use crate::check::{Document, GUESTS_FOLDER, Lock, parse_manifest};
use crate::root::RootSnapshot;

/// A new lock and what differs from the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocked {
    /// The file's text.
    pub text: String,
    /// One sentence a change; empty where nothing changed.
    pub changes: Vec<String>,
}

/// Pins every guest of `phases/guests/` (`<file>.toml` beside `<file>.wasm`) as it is now, or just the one named `only`. Grants stay as
/// they are; a guest that is new gets none, and one whose files are gone loses its pin.
///
/// # Errors
/// What is wrong in the old lock or in a manifest.
pub fn relock(snapshot: &RootSnapshot, only: Option<&GuestName>) -> Result<Relocked, Vec<Problem>> {
    let old = old_pins(snapshot)?;
    let (mut new, problems) = found_pins(snapshot, &old);
    if let Some(only) = only {
        new.retain(|name, _| name == only);
        new.extend(old.iter().filter(|(name, _)| *name != only).map(|(name, pin)| (name.clone(), pin.clone())));
    }
    if problems.is_empty() { Ok(Relocked { text: text(&new), changes: changes(&old, &new) }) } else { Err(problems) }
}

/// The guests that can be pinned or are: those of the lock, and those with a manifest in `phases/guests/`.
///
/// # Errors
/// As [`relock`].
pub fn known(snapshot: &RootSnapshot) -> Result<BTreeSet<GuestName>, Vec<Problem>> {
    let old = old_pins(snapshot)?;
    let (found, problems) = found_pins(snapshot, &old);
    if problems.is_empty() { Ok(old.into_keys().chain(found.into_keys()).collect()) } else { Err(problems) }
}

fn old_pins(snapshot: &RootSnapshot) -> Result<BTreeMap<GuestName, GuestPin>, Vec<Problem>> {
    let mut report = crate::check::Report::default();
    if snapshot.file(crate::LOCK_FILE).is_none() {
        return Ok(BTreeMap::new());
    }
    match Document::<Lock>::open(snapshot, crate::LOCK_FILE, &mut report) {
        Some(document) if report.problems.is_empty() => Ok(document.value.guests),
        _ => Err(report.problems),
    }
}

fn found_pins(snapshot: &RootSnapshot, old: &BTreeMap<GuestName, GuestPin>) -> (BTreeMap<GuestName, GuestPin>, Vec<Problem>) {
    let (mut pins, mut report) = (BTreeMap::new(), crate::check::Report::default());
    let manifests = snapshot.files.iter().filter(|(path, _)| path.starts_with(GUESTS_FOLDER) && path.ends_with(".toml"));
    for (manifest_path, bytes) in manifests {
        let path = format!("{}.wasm", manifest_path.trim_end_matches(".toml"));
        let manifest = match parse_manifest(manifest_path, bytes) {
            Ok(manifest) => manifest,
            Err(problem) => {
                report.problems.push(problem);
                continue;
            }
        };
        let Some(component) = snapshot.file(&path) else {
            report.file(manifest_path, format!("there is no component `{path}` beside the manifest"), None);
            continue;
        };
        let grant = old.get(&manifest.name).map(|pin| pin.grant.clone()).unwrap_or_default();
        let pin = pin(path, component, manifest_path.clone(), bytes, grant);
        if pins.insert(manifest.name.clone(), pin).is_some() {
            report.file(manifest_path, format!("a second manifest of the guest `{}`", manifest.name), "keep one".to_owned());
        }
    }
    (pins, report.problems)
}

pub(crate) fn pin(
    path: String,
    component: &[u8],
    manifest_path: String,
    manifest: &[u8],
    grant: BTreeSet<orc_domain::verdict::Capability>,
) -> GuestPin {
    GuestPin { path, module: Digest::of(component), manifest_path, manifest: Digest::of(manifest), grant }
}

fn changes(old: &BTreeMap<GuestName, GuestPin>, new: &BTreeMap<GuestName, GuestPin>) -> Vec<String> {
    let names: BTreeSet<&GuestName> = old.keys().chain(new.keys()).collect();
    let change = |name: &GuestName| match (old.get(name), new.get(name)) {
        (None, Some(pin)) => Some(format!("`{name}` is new ({}…), with nothing granted", pin.module.short())),
        (Some(_), None) => Some(format!("`{name}` is gone")),
        (Some(was), Some(is)) if was.module != is.module => {
            Some(format!("the module of `{name}` changed from {}… to {}…", was.module.short(), is.module.short()))
        }
        (Some(was), Some(is)) if was != is => Some(format!("the manifest of `{name}` changed")),
        _ => None,
    };
    names.into_iter().filter_map(change).collect()
}

/// The file's text. Everything in it is a validated name, a digest, a capability or a path of plain characters in quotes.
pub(crate) fn text(pins: &BTreeMap<GuestName, GuestPin>) -> String {
    let mut text = String::from(
        "# The guests of this installation, pinned by digest, and what each is granted.\n\
         # `orcctl gate lock` writes the digests; grants are yours to edit: a guest gets what its manifest asks for\n\
         # *and* this file grants. There are: log, settings, documents.\n",
    );
    text.push_str(if pins.is_empty() { "guests: {}\n" } else { "guests:\n" });
    for (name, pin) in pins {
        let grant: Vec<&str> = pin.grant.iter().map(|capability| capability.as_str()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {name}:\n    path: {}\n    module: {}\n    manifest_path: {}\n    manifest: {}\n    grant: [{}]",
            quoted(&pin.path),
            pin.module,
            quoted(&pin.manifest_path),
            pin.manifest,
            grant.join(", "),
        );
    }
    text
}

/// A text as YAML: plain where that is safe, else in double quotes, which JSON's are.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+');
    let option = text.strip_prefix("--").or_else(|| text.strip_prefix('-')).unwrap_or(text);
    let safe = text.bytes().all(plain) && option.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let word = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if safe && !word { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
