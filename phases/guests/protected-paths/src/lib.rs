//! A gate after the attempt: certain paths may not be changed.
//!
//! **Belongs here:** which paths, and the ways around a path pattern: a link or a submodule that takes the place of a protected
//! directory. **Never:** how much may change (`diff-budget`).
//!
//! **Pitfalls:** a link at `.github` is not matched by `.github/**`, yet it decides what stands beneath. Patterns are therefore also
//! asked whether they can match beneath a changed path.

use orc_guest::prelude::*;

const SYMLINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// Findings that are told one by one; the rest is counted.
const NAMED: usize = 50;

/// What to do with a kind of entry that is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    /// It may not be added or changed anywhere.
    Forbid,
    /// It is treated as a file.
    Allow,
}

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectedPathsSettings {
    /// What may not be changed.
    paths: Globs,
    /// Exceptions from every rule.
    allow: Globs,
    symlinks: Rule,
    submodules: Rule,
}

impl Settings for ProtectedPathsSettings {
    fn problems(&self) -> Vec<String> {
        let nothing = self.paths.is_empty() && self.symlinks == Rule::Allow && self.submodules == Rule::Allow;
        if nothing { vec!["`paths` is empty and links and submodules are allowed: this protects nothing".to_owned()] } else { Vec::new() }
    }
}

/// The gate.
pub struct ProtectedPaths;

impl Gate for ProtectedPaths {
    type Settings = ProtectedPathsSettings;

    fn evaluate(facts: &Facts, settings: &ProtectedPathsSettings, _: &dyn Documents) -> Result<Verdict, Declined> {
        let judged = facts.changes.iter().filter(|change| !settings.allow.matches(&change.path));
        let mut findings: Vec<Finding> = judged.filter_map(|change| settings.judge(change)).collect();
        let refused = findings.len();
        findings.truncate(NAMED);
        Ok(Report::new(findings).note("changed", facts.changes.len()).note("refused", refused).into_verdict())
    }
}

impl ProtectedPathsSettings {
    fn judge(&self, change: &Change) -> Option<Finding> {
        let entry = entry(change);
        let by_path = self.paths.first_match(&change.path).map(|pattern| {
            Finding::new("protected-path", Severity::High, format!("a {entry} was {} where `{}` protects", change.kind, pattern.text()))
                .fix("undo the change, or have a person make it")
        });
        let finding = by_path.or_else(|| self.judge_stand_in(change, entry)).or_else(|| self.judge_entry(change, entry))?;
        Some(finding.at(&change.path))
    }

    /// What stands where a protected directory would be: a link there moves everything beneath it elsewhere. Patterns that begin with
    /// `**` say nothing about directories; to keep links from leading around them, forbid links.
    fn judge_stand_in(&self, change: &Change, entry: &str) -> Option<Finding> {
        if !matches!(change.mode.as_str(), SYMLINK | SUBMODULE) {
            return None;
        }
        let mut rooted = self.paths.iter().filter(|pattern| !pattern.text().starts_with("**"));
        let pattern = rooted.find(|pattern| pattern.can_match_beneath(&change.path))?;
        let message = format!("a {entry} was {} where a directory of `{}` would stand", change.kind, pattern.text());
        Some(Finding::new("protected-path", Severity::High, message).fix("make it a real directory, or have a person make the change"))
    }

    fn judge_entry(&self, change: &Change, entry: &str) -> Option<Finding> {
        let (rule, fix) = match change.mode.as_str() {
            SYMLINK if self.symlinks == Rule::Forbid => ("symlink", "commit the file itself, or list the path under `allow`"),
            SUBMODULE if self.submodules == Rule::Forbid => {
                ("submodule", "have a person move the submodule, or list the path under `allow`")
            }
            _ => return None,
        };
        Some(Finding::new(rule, Severity::High, format!("a {entry} was {}", change.kind)).fix(fix))
    }
}

fn entry(change: &Change) -> &'static str {
    match change.mode.as_str() {
        SYMLINK => "symbolic link (mode 120000)",
        SUBMODULE => "submodule (mode 160000)",
        _ => "file",
    }
}

orc_guest::gate!(ProtectedPaths);

#[cfg(test)]
mod tests;
