//! A gate after the attempt: the files that an output claims in `files_modified` must be those that git says changed.
//!
//! **Belongs here:** that comparison. **Never:** whether the files may be changed (`protected-paths`) or what was written into them.
//!
//! **Pitfalls:** a claim is a worker's words and may be a megabyte of nonsense: it is compared as a text and shown cut. A file that was
//! moved is one file gone and another one made, and both are to be claimed.

use std::collections::BTreeSet;

use orc_guest::prelude::*;
use orc_guest::text::shown;

/// Findings that are told one by one under a rule; the rest is counted.
const NAMED: usize = 20;

/// Claims that are compared. The host never tells of as many changes, so more are wrong without a look at each.
const COMPARED: usize = 5_000;

/// Bytes of a claimed path that are shown.
const SHOWN: usize = 200;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputsMatchDiffSettings {
    /// Files that need not be claimed and may be: what tools write by themselves.
    ignore: Globs,
}

impl Settings for OutputsMatchDiffSettings {}

/// The part of an output that claims something about files.
#[derive(Debug, Deserialize)]
struct Output {
    files_modified: Vec<String>,
}

/// The gate.
pub struct OutputsMatchDiff;

impl Gate for OutputsMatchDiff {
    type Settings = OutputsMatchDiffSettings;

    fn evaluate(facts: &Facts, settings: &OutputsMatchDiffSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        let output: Output = documents.object("output")?;
        let claimed: BTreeSet<&str> = output.files_modified.iter().map(|path| path.strip_prefix("./").unwrap_or(path)).collect();
        if claimed.len() > COMPARED {
            let message = format!("the output claims {} files; git says that {} changed", claimed.len(), facts.changes.len());
            return Ok(Report::new(vec![Finding::new("too-many-claims", Severity::Medium, message)]).into_verdict());
        }
        let changed: BTreeSet<&str> = facts.changes.iter().map(|change| change.path.as_str()).collect();
        let unclaimed = facts.changes.iter().filter(|change| !claimed.contains(change.path.as_str()));
        let unclaimed: Vec<&Change> = unclaimed.filter(|change| !settings.ignore.matches(&change.path)).collect();
        let unchanged = claimed.difference(&changed).filter(|path| !settings.ignore.matches(path));
        let unchanged: Vec<&&str> = unchanged.collect();
        let mut findings: Vec<Finding> = unclaimed.iter().take(NAMED).map(|change| not_claimed(change)).collect();
        findings.extend(unchanged.iter().take(NAMED).map(|path| not_changed(path)));
        let report = Report::new(findings).note("claimed", claimed.len()).note("changed", changed.len());
        Ok(report.note("unclaimed", unclaimed.len()).note("unchanged", unchanged.len()).into_verdict())
    }
}

fn not_claimed(change: &Change) -> Finding {
    let message = format!("the file was {}, and the output does not claim it in `files_modified`", change.kind);
    Finding::new("unclaimed-change", Severity::Medium, message).at(&change.path).fix("claim it, or undo the change")
}

fn not_changed(path: &str) -> Finding {
    let message = "the output claims this file in `files_modified`, and git says that nothing of that name changed";
    let fix = "change it, or leave it out; paths are relative to the project";
    Finding::new("claimed-without-change", Severity::Medium, message).at(shown(path, SHOWN)).fix(fix)
}

orc_guest::gate!(OutputsMatchDiff);

#[cfg(test)]
mod tests;
