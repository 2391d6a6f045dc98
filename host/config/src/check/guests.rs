//! `config/guests.lock`, and the modules and manifests that it pins.

use std::collections::BTreeMap;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::nearest::suggest;
use orc_domain::verdict::{GuestManifest, GuestPin};
use orc_domain::{Digest, GuestName};
use orc_yaml::shown;

use super::{Document, LockedGuest, Report};
use crate::root::RootSnapshot;

/// The file as it is.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    pub(crate) guests: BTreeMap<GuestName, GuestPin>,
}

/// Where a guest's files are.
pub(crate) const GUESTS_FOLDER: &str = "phases/guests/";

/// Each guest of the lock; `None` where its manifest could not be read.
pub(super) fn check(file: &Document<Lock>, snapshot: &RootSnapshot, report: &mut Report) -> BTreeMap<GuestName, Option<LockedGuest>> {
    let mut guests = BTreeMap::new();
    for (name, pin) in &file.value.guests {
        pinned(file, name, "path", &pin.path, ("module", &pin.module), snapshot, report);
        let manifest = pinned(file, name, "manifest_path", &pin.manifest_path, ("manifest", &pin.manifest), snapshot, report);
        let manifest = manifest.and_then(|bytes| manifest_of(name, &pin.manifest_path, bytes, report));
        let guest = manifest.map(|manifest| LockedGuest { pin: pin.clone(), manifest });
        if let Some(guest) = &guest {
            grant(file, name, guest, report);
        }
        guests.insert(name.clone(), guest);
    }
    unpinned(file, snapshot, report);
    guests
}

/// The bytes of a pinned file, where they are the pinned ones.
fn pinned<'a>(
    file: &Document<Lock>,
    name: &GuestName,
    path_key: &str,
    path: &str,
    (digest_key, digest): (&str, &Digest),
    snapshot: &'a RootSnapshot,
    report: &mut Report,
) -> Option<&'a [u8]> {
    let at = format!("guests/{name}");
    let Some(bytes) = snapshot.file(path).filter(|_| path.starts_with(GUESTS_FOLDER)) else {
        let help = suggest(path, snapshot.files.keys().filter(|name| name.starts_with(GUESTS_FOLDER)));
        let message = format!("there is no file `{}` under {GUESTS_FOLDER} of the root", shown(path));
        file.wrong(report, &format!("{at}/{path_key}"), message, help);
        return None;
    };
    let found = Digest::of(bytes);
    if found == *digest {
        return Some(bytes);
    }
    let message = format!("`{}` is not the pinned {digest_key}: it has {}…, the lock says {}…", shown(path), found.short(), digest.short());
    let help = format!("if the change is meant, pin it with `orcctl gate lock {name}`");
    file.wrong(report, &format!("{at}/{digest_key}"), message, help);
    None
}

/// Reads a manifest that belongs to `name`.
fn manifest_of(name: &GuestName, path: &str, bytes: &[u8], report: &mut Report) -> Option<GuestManifest> {
    let manifest = match parse_manifest(path, bytes) {
        Ok(manifest) => manifest,
        Err(problem) => {
            report.problems.push(problem);
            return None;
        }
    };
    if manifest.name != *name {
        let message = format!("the manifest is of `{}`, the lock calls it `{name}`", manifest.name);
        report.file(path, message, "a guest has one name".to_owned());
    }
    let world = format!("orc:guest/{}@", manifest.kind);
    if !manifest.world.starts_with(&world) {
        let message = format!("`{}` is no world of a {}", shown(&manifest.world), manifest.kind);
        report.file(path, message, format!("a {} implements `{world}1.0.0`", manifest.kind));
    }
    Some(manifest)
}

/// Reads a manifest.
pub(crate) fn parse_manifest(path: &str, bytes: &[u8]) -> Result<GuestManifest, Problem> {
    let problem = |line, column, message: &str| Problem {
        at: Place { file: path.to_owned(), line, column },
        message: format!("no valid manifest: {}", orc_domain::Untrusted::new(message).for_line(300)),
        help: None,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| problem(0, 0, "it is not UTF-8"))?;
    toml::from_str(text).map_err(|error| {
        let (line, column) = error.span().map_or((0, 0), |span| line_and_column(text, span.start));
        problem(line, column, error.message())
    })
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A grant and a request must meet; either alone gives nothing.
fn grant(file: &Document<Lock>, name: &GuestName, guest: &LockedGuest, report: &mut Report) {
    let at = format!("guests/{name}/grant");
    for capability in guest.pin.grant.difference(&guest.manifest.capabilities) {
        let message = format!("`{capability}` is granted, but the manifest of `{name}` does not ask for it: it has no effect");
        file.warn(report, &at, message, None);
    }
    for capability in guest.manifest.capabilities.difference(&guest.pin.grant) {
        let message =
            format!("the manifest of `{name}` asks for `{capability}`, which is not granted: the guest will not load if it uses it");
        file.warn(report, &at, message, None);
    }
}

/// Components that lie in the root and that nothing pins do nothing.
fn unpinned(file: &Document<Lock>, snapshot: &RootSnapshot, report: &mut Report) {
    let pinned = |path: &str| file.value.guests.values().any(|pin| pin.path == path);
    let components = snapshot.files.keys().filter(|path| path.starts_with(GUESTS_FOLDER) && path.ends_with(".wasm"));
    for path in components.filter(|path| !pinned(path)) {
        let message = format!("`{}` is not pinned: no phase can use it", shown(path));
        file.warn(report, "guests", message, "`orcctl gate lock` pins it, with nothing granted".to_owned());
    }
}
