//! A gate after the attempt: a change may be only so large, because nobody reviews what is too large.
//!
//! **Belongs here:** sizes and counts. **Never:** which paths may change (`protected-paths`) or what the lines say (`secret-scan`).
//!
//! **Pitfalls:** git counts no lines for binary files, so forbidding them is part of the budget; `max_file_bytes` bounds them where
//! they are allowed.

use orc_guest::prelude::*;

/// Files that are named one by one under a rule; the rest is counted.
const NAMED: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    Forbid,
    Allow,
}

/// What a binding can set. `null` takes a limit away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffBudgetSettings {
    /// Changed files.
    max_files: Option<u64>,
    /// Added lines, of all files together.
    max_added: Option<u64>,
    /// Removed lines, of all files together.
    max_removed: Option<u64>,
    /// Size of each added or changed file.
    max_file_bytes: Option<u64>,
    /// Whether binary files may be added or changed.
    binary_files: Rule,
    /// Changes that do not count: generated files.
    ignore: Globs,
}

impl Settings for DiffBudgetSettings {
    fn problems(&self) -> Vec<String> {
        let limits = [self.max_files, self.max_added, self.max_removed, self.max_file_bytes];
        let nothing = self.binary_files == Rule::Allow && limits.iter().all(Option::is_none);
        if nothing { vec!["every limit is `null` and binary files are allowed: this limits nothing".to_owned()] } else { Vec::new() }
    }
}

/// The gate.
pub struct DiffBudget;

impl Gate for DiffBudget {
    type Settings = DiffBudgetSettings;

    fn evaluate(facts: &Facts, settings: &DiffBudgetSettings, _: &dyn Documents) -> Result<Verdict, Declined> {
        let counted: Vec<&Change> = facts.changes.iter().filter(|change| !settings.ignore.matches(&change.path)).collect();
        let total = Total::of(&counted);
        let mut findings: Vec<Finding> = settings.judge_total(&total, &counted).into_iter().flatten().collect();
        findings.extend(settings.judge_files(&counted));
        let report = Report::new(findings).note("files", total.files).note("added", total.added).note("removed", total.removed);
        Ok(report.into_verdict())
    }
}

/// Sums that stay at the largest number rather than wrap.
struct Total {
    files: u64,
    added: u64,
    removed: u64,
}

impl Total {
    fn of(changes: &[&Change]) -> Self {
        let sum = |lines: fn(&Change) -> u64| changes.iter().fold(0u64, |sum, change| sum.saturating_add(lines(change)));
        Self { files: changes.len() as u64, added: sum(|change| change.added), removed: sum(|change| change.removed) }
    }
}

impl DiffBudgetSettings {
    fn judge_total(&self, total: &Total, changes: &[&Change]) -> [Option<Finding>; 3] {
        let over = |rule, what, count: u64, max: Option<u64>, most: &str| {
            let max = max.filter(|max| count > *max)?;
            let message = format!("{count} {what}, at most {max} are allowed{most}");
            Some(Finding::new(rule, Severity::Medium, message).fix("do less at once: split the work into smaller plans"))
        };
        [
            over("files", "files are changed", total.files, self.max_files, ""),
            over("added-lines", "lines are added", total.added, self.max_added, &most(changes, |change| change.added)),
            over("removed-lines", "lines are removed", total.removed, self.max_removed, &most(changes, |change| change.removed)),
        ]
    }

    fn judge_files(&self, changes: &[&Change]) -> impl Iterator<Item = Finding> {
        let large = changes.iter().filter_map(|change| {
            let max = self.max_file_bytes.filter(|max| change.size > *max)?;
            let message = format!("the file has {} bytes, at most {max} are allowed", change.size);
            Some(Finding::new("file-size", Severity::Medium, message).at(&change.path).fix("keep large files out of the repository"))
        });
        let binary =
            changes.iter().filter(|change| self.binary_files == Rule::Forbid && change.binary && change.kind != ChangeKind::Deleted);
        let binary = binary.map(|change| {
            let message = format!("a binary file was {}: nobody can review it", change.kind);
            Finding::new("binary-file", Severity::Medium, message).at(&change.path).fix("leave it out, or list it under `ignore`")
        });
        large.take(NAMED).chain(binary.take(NAMED))
    }
}

/// Where most of the lines are, for the end of a message.
fn most(changes: &[&Change], lines: fn(&Change) -> u64) -> String {
    let largest = changes.iter().max_by_key(|change| lines(change));
    largest.map(|change| format!("; most of them ({}) in `{}`", lines(change), change.path)).unwrap_or_default()
}

orc_guest::gate!(DiffBudget);

#[cfg(test)]
mod tests;
