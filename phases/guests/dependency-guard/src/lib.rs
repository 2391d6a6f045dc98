//! A gate after the attempt: a change of dependencies is for a person to see.
//!
//! **Belongs here:** which files name dependencies, and the names that added lines give them ([`names`]). **Never:** whether a dependency is
//! good, or where it comes from: a guest has no network.
//!
//! **Pitfalls:** the verdict goes by what git says changed. Names come from lines, by their look; they help whoever decides and decide
//! nothing, so a diff that cannot be read takes the names away and not the verdict.

mod names;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use orc_guest::diff::{self, Side};
use orc_guest::prelude::*;
use orc_guest::text::{cut, shown};

/// Findings of one answer under a rule; the rest is counted.
const NAMED: usize = 30;

/// Bytes of a name and of a path that are shown.
const SHOWN: usize = 120;

/// Bytes of a question.
const QUESTION: usize = 1_500;

/// What is answered where dependencies change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Fail,
    Ask,
}

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DependencyGuardSettings {
    answer: Answer,
    /// Files that name dependencies, their versions or where they come from.
    files: Globs,
    /// Exceptions.
    allow: Globs,
}

impl Settings for DependencyGuardSettings {
    fn problems(&self) -> Vec<String> {
        if self.files.is_empty() { vec!["`files` is empty: this guards nothing".to_owned()] } else { Vec::new() }
    }
}

/// A dependency that an added line names.
struct Added {
    path: String,
    line: u32,
    name: String,
}

/// The gate.
pub struct DependencyGuard;

impl Gate for DependencyGuard {
    type Settings = DependencyGuardSettings;

    fn evaluate(facts: &Facts, settings: &DependencyGuardSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        let changed: Vec<&Change> = facts.changes.iter().filter(|change| settings.guards(&change.path)).collect();
        if changed.is_empty() {
            return Ok(Verdict::Pass(Report::new(Vec::new()).note("files", 0)));
        }
        let added = added_names(settings, documents);
        if settings.answer == Answer::Ask {
            return Ok(Verdict::Ask(question(&changed, &added)));
        }
        let files = changed.iter().take(NAMED).map(|change| file_changed(change));
        let findings = files.chain(added.iter().take(NAMED).map(Added::finding)).collect();
        Ok(Verdict::Fail(Report::new(findings).note("files", changed.len()).note("added", added.len())))
    }
}

impl DependencyGuardSettings {
    fn guards(&self, path: &str) -> bool {
        self.files.matches(path) && !self.allow.matches(path)
    }
}

/// The dependencies that added lines of guarded files name, as far as they can be read. More than anybody reads are not collected.
fn added_names(settings: &DependencyGuardSettings, documents: &dyn Documents) -> Vec<Added> {
    const COLLECTED: usize = 1_000;
    let Some(document) = documents.open("diff") else { return Vec::new() };
    let mut found = Vec::new();
    let (mut file, mut form) = (usize::MAX, None);
    // A diff that breaks off leaves what was found before.
    let _ = diff::visit(&*document, |line| {
        if line.file != file {
            (file, form) = (line.file, names::form(line.path).filter(|_| settings.guards(line.path)));
        }
        if let Some(form) = form.filter(|_| line.side == Side::Added && line.first)
            && let Some(name) = names::name(form, line.text)
        {
            found.push(Added { path: line.path.to_owned(), line: line.number, name: shown(name, SHOWN) });
        }
        if found.len() < COLLECTED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found
}

fn file_changed(change: &Change) -> Finding {
    let message = format!("a file that names dependencies was {}", change.kind);
    Finding::new("dependency-file", Severity::Medium, message).at(&change.path).fix("do without, or have a person make the change")
}

impl Added {
    fn finding(&self) -> Finding {
        let message = format!("this line looks like the dependency `{}`", self.name);
        Finding::new("dependency-added", Severity::Medium, message).at(&self.path).line(self.line)
    }
}

/// For one person and one answer: which files, and what each seems to add.
fn question(changed: &[&Change], added: &[Added]) -> String {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in added {
        names.entry(&one.path).or_default().push(&one.name);
    }
    let file = |change: &&Change| {
        let path = shown(&change.path, SHOWN);
        match names.get(change.path.as_str()) {
            Some(names) => format!("{path} ({}; it seems to add {})", change.kind, cut(&names.join(", "), 4 * SHOWN)),
            None => format!("{path} ({})", change.kind),
        }
    };
    let files: Vec<String> = changed.iter().take(NAMED).map(file).collect();
    cut(&format!("May these {} files that name dependencies change? {}", changed.len(), files.join("; ")), QUESTION)
}

orc_guest::gate!(DependencyGuard);

#[cfg(test)]
mod tests;
