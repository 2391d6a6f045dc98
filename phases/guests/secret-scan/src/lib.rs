//! A gate after the attempt: no added line may hold what looks like a secret.
//!
//! **Belongs here:** the shapes of known secrets ([`shapes`]), values that are assigned to a telling name ([`assignment`]), what is only
//! a placeholder ([`placeholder`]), and the walk over a line ([`scan`]). **Never:** the secret in an answer, a log or an annotation.
//!
//! **Pitfalls:** fuel decides. The walk looks at each byte about twice and takes a closer look only at long words; keep it so, and see
//! the test of the largest diff. What git calls binary has no lines, and one NUL byte makes a file binary: such a file fails, or is named
//! where the settings let it pass. It is never left unsaid.

mod assignment;
mod placeholder;
mod scan;
mod shapes;

use std::ops::ControlFlow;

use orc_guest::diff::{self, Side};
use orc_guest::prelude::*;

/// Findings of one answer. A diff with more is refused all the same.
const NAMED: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    Forbid,
    Allow,
}

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretScanSettings {
    /// Files that are not looked at: test data that only looks secret.
    allow_paths: Globs,
    /// Rules that are switched off.
    allow_rules: Vec<String>,
    /// Whether files may be added or changed that cannot be looked at. Those that may are named.
    binary_files: Rule,
    /// Binary files that may pass where they are forbidden: pictures, and what builds leave behind.
    binary_paths: Globs,
}

impl Settings for SecretScanSettings {
    fn problems(&self) -> Vec<String> {
        let unknown = self.allow_rules.iter().filter(|rule| !scan::rules().any(|known| known == rule.as_str()));
        let known = || scan::rules().collect::<Vec<_>>().join(", ");
        unknown.map(|rule| format!("`allow_rules`: there is no rule `{rule}`; the rules are {}", known())).collect()
    }
}

/// The gate.
pub struct SecretScan;

impl Gate for SecretScan {
    type Settings = SecretScanSettings;

    fn evaluate(facts: &Facts, settings: &SecretScanSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        if facts.changes.is_empty() && documents.open("diff").is_none() {
            return Ok(Verdict::not_applicable("nothing was changed"));
        }
        let diff = documents.required("diff")?;
        let mut search = Search { settings, findings: Vec::new(), file: usize::MAX, allowed: false, lines: 0 };
        let files = diff::visit(&*diff, |line| search.look_at(line))?;
        if !search.is_full() {
            diff::all_shown(&facts.changes, &files)?;
        }
        let lines = search.lines;
        let mut findings = search.findings;
        let unseen = facts.changes.iter().filter(|change| change.binary && change.kind != ChangeKind::Deleted);
        let unseen: Vec<&Change> = unseen.filter(|change| !settings.allow_paths.matches(&change.path)).collect();
        let (passed, forbidden): (Vec<&Change>, Vec<&Change>) = unseen.iter().partition(|change| settings.may_pass_unseen(change));
        findings.extend(forbidden.into_iter().take(NAMED).map(refused));
        let pass = findings.is_empty();
        findings.extend(passed.into_iter().take(NAMED).map(let_pass));
        let report = Report::new(findings).note("lines", lines).note("binary_files", unseen.len());
        Ok(if pass { Verdict::Pass(report) } else { Verdict::Fail(report) })
    }
}

impl SecretScanSettings {
    fn may_pass_unseen(&self, change: &Change) -> bool {
        self.binary_files == Rule::Allow || self.binary_paths.matches(&change.path)
    }
}

fn refused(change: &Change) -> Finding {
    let message = format!("a binary file was {}: it cannot be looked at for secrets", change.kind);
    let fix = "save it as UTF-8 if it is text; else leave it out, have git ignore it, or list it under `binary_paths`";
    Finding::new("binary-file", Severity::Medium, message).at(&change.path).fix(fix)
}

fn let_pass(change: &Change) -> Finding {
    let message = format!("a binary file was {} and not looked at: the settings let it pass", change.kind);
    Finding::new("binary-file", Severity::Low, message).at(&change.path)
}

struct Search<'a> {
    settings: &'a SecretScanSettings,
    findings: Vec<Finding>,
    /// The file of the last line, and whether it is allowed.
    file: usize,
    allowed: bool,
    lines: u64,
}

impl Search<'_> {
    fn is_full(&self) -> bool {
        self.findings.len() >= NAMED
    }

    fn look_at(&mut self, line: &diff::Line<'_>) -> ControlFlow<()> {
        if line.side != Side::Added {
            return ControlFlow::Continue(());
        }
        if line.file != self.file {
            self.file = line.file;
            self.allowed = self.settings.allow_paths.matches(line.path);
        }
        if !self.allowed {
            self.lines += u64::from(line.first);
            scan::line(line.text, |hit| self.note(line, hit));
        }
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// One finding for a rule and a line: a long line comes in pieces that overlap.
    fn note(&mut self, line: &diff::Line<'_>, hit: &scan::Hit) {
        let allowed = self.settings.allow_rules.iter().any(|rule| rule == hit.rule);
        let same =
            |finding: &Finding| finding.rule == hit.rule && finding.line == Some(line.number) && finding.path.as_deref() == Some(line.path);
        if allowed || self.is_full() || self.findings.iter().rev().take_while(|finding| finding.line == Some(line.number)).any(same) {
            return;
        }
        let finding = Finding::new(hit.rule, hit.severity, format!("the line holds what looks like {}", hit.what));
        let fix = "remove it, revoke it where it was issued, and have the program read it at run time";
        self.findings.push(finding.at(line.path).line(line.number).fix(fix));
    }
}

orc_guest::gate!(SecretScan);

#[cfg(test)]
mod tests;
