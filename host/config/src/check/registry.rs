//! `config/projects.registry.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orc_domain::ProjectName;
use orc_domain::contract::Contracts;
use orc_domain::nearest::suggest;
use orc_domain::operators::Operators;
use orc_domain::project::{ProjectEntry, Registry};
use orc_yaml::shown;

use super::{Document, Report, values};

pub(super) fn check(file: &Document<Registry>, operators: Option<&Operators>, contracts: Option<&Contracts>, report: &mut Report) {
    for (name, entry) in &file.value.projects {
        let at = format!("projects/{name}");
        tenant(file, &at, entry, report);
        base(file, &at, entry, report);
        if let Some(operators) = operators {
            owners(file, &at, entry, operators, report);
        }
        if let Some(contracts) = contracts {
            families(file, &at, entry, contracts, report);
        }
        work(file, &at, entry, report);
        runbooks(file, &at, entry, report);
    }
    roots(file, report);
}

fn tenant(file: &Document<Registry>, at: &str, entry: &ProjectEntry, report: &mut Report) {
    if !file.value.tenants.contains_key(&entry.tenant) {
        let help = suggest(entry.tenant.as_str(), file.value.tenants.keys());
        file.wrong(report, &format!("{at}/tenant"), format!("there is no tenant `{}`", entry.tenant), help);
    }
}

/// The base is handed to git: what git would not take for a branch, or would take for an option, is refused here.
fn base(file: &Document<Registry>, at: &str, entry: &ProjectEntry, report: &mut Report) {
    let base = entry.base.as_str();
    let character = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock") || part.ends_with('.');
    if base.starts_with('-') || base.contains(character) || base.contains("..") || base.contains("@{") || base.split('/').any(part) {
        file.wrong(report, &format!("{at}/base"), format!("`{}` is no name of a branch", shown(base)), None);
    }
}

fn owners(file: &Document<Registry>, at: &str, entry: &ProjectEntry, operators: &Operators, report: &mut Report) {
    for (index, owner) in entry.owners.iter().enumerate() {
        let at = format!("{at}/owners/{index}");
        match operators.operators.get(owner) {
            None => {
                let help = suggest(owner.as_str(), operators.operators.keys());
                file.wrong(report, &at, format!("there is no operator `{owner}` in {}", crate::OPERATORS_FILE), help);
            }
            Some(operator) if operator.withdrawn => file.warn(report, &at, format!("the operator `{owner}` is withdrawn"), None),
            Some(_) => {}
        }
    }
}

fn families(file: &Document<Registry>, at: &str, entry: &ProjectEntry, contracts: &Contracts, report: &mut Report) {
    let at = format!("{at}/families");
    if entry.families.is_empty() {
        file.warn(report, &at, "no command family is allowed: nothing can be planned", None);
    }
    for family in entry.families.iter().filter(|family| contracts.default_pipeline(**family).is_none()) {
        let message = format!("no pipeline in {} serves the family `{family}`", crate::CONTRACTS_FILE);
        file.warn(report, &at, message, None);
    }
}

fn work(file: &Document<Registry>, at: &str, entry: &ProjectEntry, report: &mut Report) {
    values::commands(file, &format!("{at}/prepare"), &entry.prepare, report);
    values::commands(file, &format!("{at}/verify"), &entry.verify, report);
    values::relative_files(file, &format!("{at}/copy"), &entry.copy, report);
    values::globs(file, &format!("{at}/verification_paths"), &entry.verification_paths, report);
    for (index, rule) in entry.path_rules.iter().enumerate() {
        let at = format!("{at}/path_rules/{index}/paths");
        if rule.paths.is_empty() {
            file.wrong(report, &at, format!("a path rule without paths never raises `{}`", rule.flag), None);
        }
        values::globs(file, &at, &rule.paths, report);
    }
    let launch = format!("{at}/launch");
    values::directories(file, &format!("{launch}/read"), entry.launch.read.iter(), report);
    values::directories(file, &format!("{launch}/write"), entry.launch.write.iter(), report);
    values::env_names(file, &format!("{launch}/env"), entry.launch.env.keys(), report);
    for (name, _) in entry.launch.env.iter().filter(|(_, value)| value.contains('\0')) {
        file.wrong(report, &format!("{launch}/env/{name}"), "a value cannot hold a zero byte", None);
    }
    values::limits(file, &format!("{launch}/limits"), &entry.launch.limits, report);
}

fn runbooks(file: &Document<Registry>, at: &str, entry: &ProjectEntry, report: &mut Report) {
    for (name, runbook) in &entry.runbooks {
        let at = format!("{at}/runbooks/{name}");
        if runbook.steps.is_empty() {
            file.wrong(report, &format!("{at}/steps"), format!("the runbook `{name}` has no steps"), None);
        }
        values::commands(file, &format!("{at}/steps"), &runbook.steps, report);
        values::commands(file, &format!("{at}/health_checks"), &runbook.health_checks, report);
        values::commands(file, &format!("{at}/rollback"), &runbook.rollback, report);
    }
}

/// Project roots are absolute and no two of them share a directory: a grant on one must say nothing about another.
fn roots(file: &Document<Registry>, report: &mut Report) {
    let mut seen: BTreeMap<PathBuf, &ProjectName> = BTreeMap::new();
    for (name, entry) in &file.value.projects {
        let at = format!("projects/{name}/root");
        if !values::is_absolute(&entry.root) {
            let message = format!("the root `{}` is no absolute path without `..`", shown(&entry.root));
            file.wrong(report, &at, message, "write the path in full, from `/`".to_owned());
            continue;
        }
        let real = resolve(Path::new(&entry.root));
        if real.parent().is_none() {
            file.wrong(report, &at, "the whole machine is no project", None);
            continue;
        }
        if !real.is_dir() {
            file.warn(report, &at, format!("there is no directory `{}`", shown(&entry.root)), None);
        }
        let overlaps = seen.iter().find(|(other, _)| other.starts_with(&real) || real.starts_with(other));
        if let Some((other, first)) = overlaps {
            let other = shown(&other.to_string_lossy());
            let message = format!("the root overlaps with `{other}` of project `{first}`");
            file.wrong(report, &at, message, "one directory belongs to one project".to_owned());
        } else {
            seen.insert(real, name);
        }
    }
}

/// The path with symbolic links followed, as far as it exists.
fn resolve(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|part| part.canonicalize().ok().map(|real| (part, real)));
    match existing {
        Some((part, real)) => path.strip_prefix(part).map_or_else(|_| path.to_owned(), |rest| real.join(rest)),
        None => path.to_owned(),
    }
}
