//! `config/phase-contracts.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::GuestName;
use orc_domain::contract::{BindingEntry, BindingPosition, Contracts, PhaseContract, PhaseKind};
use orc_domain::nearest::suggest;
use orc_domain::verdict::{BindingMode, GuestKind};
use orc_yaml::shown;

use super::{Document, LockedGuest, Report, values};
use crate::root::RootSnapshot;

type Guests = BTreeMap<GuestName, Option<LockedGuest>>;

/// Checks the contracts. A hook that says no mode is made advisory: the domain's default is for gates.
pub(super) fn check(file: &mut Document<Contracts>, guests: Option<&Guests>, snapshot: &RootSnapshot, report: &mut Report) {
    hooks(file, report);
    pipelines(file, report);
    for (name, contract) in &file.value.phases {
        let at = format!("phases/{name}");
        values::at_least_one(file, &format!("{at}/timeout_s"), contract.timeout_s, report);
        values::at_least_one(file, &format!("{at}/attempts"), contract.attempts.into(), report);
        values::limits(file, &format!("{at}/limits"), &contract.limits, report);
        prompt(file, &at, contract, snapshot, report);
        schema(file, &at, contract, snapshot, report);
        for (path, position, entry) in bindings(&at, contract) {
            settings_form(file, &path, entry, report);
            if let Some(guests) = guests {
                binding(file, &path, position, entry, guests, report);
            }
        }
    }
}

/// Every binding with its path in the file.
fn bindings<'a>(at: &str, contract: &'a PhaseContract) -> Vec<(String, BindingPosition, &'a BindingEntry)> {
    let mut counts = BTreeMap::new();
    let path = |(position, entry): (BindingPosition, &'a BindingEntry)| {
        let index = counts.entry(position).or_insert(0_usize);
        let path = match position {
            BindingPosition::Validator => format!("{at}/validator"),
            position => format!("{at}/{position}s/{index}"),
        };
        *index += 1;
        (path, position, entry)
    };
    contract.bindings().map(path).collect()
}

fn hooks(file: &mut Document<Contracts>, report: &mut Report) {
    let is_hook = |position| matches!(position, BindingPosition::PreHook | BindingPosition::PostHook);
    for (name, contract) in &file.value.phases {
        for (path, position, entry) in bindings(&format!("phases/{name}"), contract) {
            let said = format!("{path}/mode");
            if is_hook(position) && entry.mode == BindingMode::Blocking && file.says(&said) {
                let help = "bind a gate where something must be able to stop the phase".to_owned();
                file.wrong(report, &said, "a hook cannot block", help);
            }
        }
    }
    for contract in file.value.phases.values_mut() {
        for entry in contract.pre_hooks.iter_mut().chain(&mut contract.post_hooks) {
            entry.mode = BindingMode::Advisory;
        }
    }
}

fn pipelines(file: &Document<Contracts>, report: &mut Report) {
    for (name, pipeline) in &file.value.pipelines {
        let at = format!("pipelines/{name}");
        if pipeline.phases.is_empty() {
            file.wrong(report, &format!("{at}/phases"), format!("the pipeline `{name}` has no phases"), None);
        }
        let mut seen = BTreeSet::new();
        for (index, phase) in pipeline.phases.iter().enumerate() {
            let at = format!("{at}/phases/{index}");
            if !file.value.phases.contains_key(phase) {
                let help = suggest(phase.as_str(), file.value.phases.keys());
                file.wrong(report, &at, format!("there is no phase `{phase}`"), help);
            } else if !seen.insert(phase) {
                file.wrong(report, &at, format!("the phase `{phase}` stands twice in the pipeline `{name}`"), None);
            }
        }
        for phase in pipeline.on_request.iter().filter(|phase| !pipeline.phases.contains(phase)) {
            let help = suggest(phase.as_str(), &pipeline.phases);
            file.wrong(report, &format!("{at}/on_request"), format!("the pipeline `{name}` has no phase `{phase}`"), help);
        }
    }
    let used: BTreeSet<_> = file.value.pipelines.values().flat_map(|pipeline| &pipeline.phases).collect();
    for name in file.value.phases.keys().filter(|name| !used.contains(name)) {
        file.warn(report, &format!("phases/{name}"), format!("no pipeline has the phase `{name}`"), None);
    }
}

fn prompt(file: &Document<Contracts>, at: &str, contract: &PhaseContract, snapshot: &RootSnapshot, report: &mut Report) {
    let at = format!("{at}/prompt");
    match (contract.kind, &contract.prompt) {
        (PhaseKind::Worker, None) => file.wrong(report, &at, "a phase of kind `worker` needs a `prompt`", None),
        (PhaseKind::Worker, Some(path)) => {
            if let Some(bytes) = phase_file(file, &at, path, snapshot, report)
                && std::str::from_utf8(bytes).is_err()
            {
                file.wrong(report, &at, format!("the prompt `{}` is not UTF-8", shown(path)), None);
            }
        }
        (_, Some(_)) => file.wrong(report, &at, format!("a phase of kind `{}` has no prompt", contract.kind), None),
        (_, None) => {}
    }
}

fn schema(file: &Document<Contracts>, at: &str, contract: &PhaseContract, snapshot: &RootSnapshot, report: &mut Report) {
    let Some(bytes) = phase_file(file, &format!("{at}/schema"), &contract.schema, snapshot, report) else { return };
    let invalid = |message: String, line: usize, column: usize| {
        let at = orc_domain::decision::Place { file: contract.schema.clone(), line, column };
        orc_domain::api::Problem { at, message: format!("no valid JSON Schema: {}", shown_long(&message)), help: None }
    };
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Err(error) => report.problems.push(invalid(error.to_string(), error.line(), error.column())),
        Ok(schema) => {
            if let Err(error) = jsonschema::validator_for(&schema) {
                let message = format!("at `{}`: {error}", error.instance_path());
                report.problems.push(invalid(message, 0, 0));
            }
        }
    }
}

fn shown_long(text: &str) -> String {
    orc_domain::Untrusted::new(text).for_line(300)
}

/// A file that a contract names: in `phases/`, and there.
fn phase_file<'a>(file: &Document<Contracts>, at: &str, path: &str, snapshot: &'a RootSnapshot, report: &mut Report) -> Option<&'a [u8]> {
    if let Some(bytes) = snapshot.file(path).filter(|_| path.starts_with("phases/")) {
        return Some(bytes);
    }
    let wanted = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let there = snapshot.files.keys().filter(|name| name.starts_with("phases/") && name.ends_with(wanted));
    file.wrong(report, at, format!("there is no file `{}` under phases/ of the root", shown(path)), suggest(path, there));
    None
}

const fn kind_of(position: BindingPosition) -> GuestKind {
    match position {
        BindingPosition::PreHook | BindingPosition::PostHook => GuestKind::Hook,
        BindingPosition::PreGate | BindingPosition::PostGate => GuestKind::Gate,
        BindingPosition::Validator => GuestKind::Validator,
    }
}

fn binding(file: &Document<Contracts>, path: &str, position: BindingPosition, entry: &BindingEntry, guests: &Guests, report: &mut Report) {
    let (name, wanted) = (&entry.guest, kind_of(position));
    let at = format!("{path}/guest");
    let guest = match guests.get(name) {
        Some(Some(guest)) => guest,
        Some(None) => return,
        None => {
            let fitting = guests.iter().filter(|(_, guest)| guest.as_ref().is_none_or(|guest| guest.manifest.kind == wanted));
            let help = suggest(name.as_str(), fitting.map(|(name, _)| name));
            return file.wrong(report, &at, format!("there is no guest `{name}` in {}", crate::LOCK_FILE), help);
        }
    };
    let kind = guest.manifest.kind;
    if kind != wanted {
        let help = format!("`{name}` is a {kind}");
        return file.wrong(report, &at, format!("a {wanted} is expected here"), help);
    }
    let defaults = &guest.manifest.settings;
    for key in entry.settings.as_object().into_iter().flat_map(|own| own.keys()).filter(|key| !defaults.contains_key(*key)) {
        let help = suggest(key, defaults.keys());
        let message = format!("the guest `{name}` has no setting `{}`", shown(key));
        file.wrong(report, &format!("{path}/settings/{key}"), message, help);
    }
}

fn settings_form(file: &Document<Contracts>, path: &str, entry: &BindingEntry, report: &mut Report) {
    if !entry.settings.is_object() && !entry.settings.is_null() {
        file.wrong(report, &format!("{path}/settings"), "the settings of a guest are a mapping", None);
    }
}
