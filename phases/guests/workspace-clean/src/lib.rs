//! A gate before the attempt: nothing may be changed yet, so that whatever is found later is this attempt's work.
//!
//! **Belongs here:** that one rule. **Never:** what a change may be; `protected-paths` and `diff-budget` judge the work itself.
//!
//! **Pitfalls:** bound after the attempt it judges the work as dirt; it answers `not_applicable` there.

use orc_guest::prelude::*;

/// Changes that are named one by one; the rest is counted.
const NAMED: usize = 20;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceCleanSettings {
    /// Changes that do not count.
    ignore: Globs,
}

impl Settings for WorkspaceCleanSettings {}

/// The gate.
pub struct WorkspaceClean;

impl Gate for WorkspaceClean {
    type Settings = WorkspaceCleanSettings;

    fn evaluate(facts: &Facts, settings: &WorkspaceCleanSettings, _: &dyn Documents) -> Result<Verdict, Declined> {
        if facts.context.position != "pre_gate" {
            return Ok(Verdict::not_applicable("it judges the workspace before the work: bind it under `pre_gates`"));
        }
        let dirty: Vec<&Change> = facts.changes.iter().filter(|change| !settings.ignore.matches(&change.path)).collect();
        let findings = dirty.iter().take(NAMED).map(|change| {
            Finding::new("changed-before-work", Severity::High, format!("it was {} before the work began", change.kind))
                .at(&change.path)
                .fix("find out what wrote it: the worktree was cut from the base commit, so nothing should differ yet")
        });
        let report = Report::new(findings.collect()).note("changed", dirty.len()).note("ignored", facts.changes.len() - dirty.len());
        Ok(report.into_verdict())
    }
}

orc_guest::gate!(WorkspaceClean);

#[cfg(test)]
mod tests;
