//! A hook after the attempt: what a review or an architect found becomes backlog items.
//!
//! **Belongs here:** which parts of an output are work that is left to do, and how they become items. **Never:** whether the work may go
//! on (`review-threshold`), or whether an item is already there: the host compares it with what was extracted before.
//!
//! **Pitfalls:** an output is a worker's words. Items are cut to the host's bounds, because one item beyond them would lose all others.

use std::cmp::Reverse;

use orc_guest::effects::BACKLOG_ITEMS;
use orc_guest::prelude::*;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractBacklogSettings {
    /// Less severe findings of a review are left out.
    min_severity: Severity,
    /// How severe an architecture violation is: the architect does not say.
    violation_severity: Severity,
}

impl Settings for ExtractBacklogSettings {}

/// The parts of an output that are left to do. Other parts, and other outputs, are none of this hook's business.
#[derive(Debug, Deserialize)]
struct Output {
    #[serde(default)]
    security_findings: Vec<SecurityFinding>,
    #[serde(default)]
    architecture_violations: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct SecurityFinding {
    severity: Severity,
    summary: String,
    path: Option<String>,
}

/// The hook.
pub struct ExtractBacklog;

impl Hook for ExtractBacklog {
    type Settings = ExtractBacklogSettings;

    fn run(_: &Facts, settings: &ExtractBacklogSettings, documents: &dyn Documents) -> Result<Vec<Effect>, Declined> {
        let output: Output = documents.object("output")?;
        let mut items = settings.items(&output);
        let found = items.len();
        // The worst first: they are kept where there are too many.
        items.sort_by_key(|item| Reverse(item.severity));
        items.truncate(BACKLOG_ITEMS);
        let left_out = found - items.len();
        let mut effects: Vec<Effect> = items.into_iter().map(Effect::Backlog).collect();
        if left_out > 0 {
            effects.push(Effect::annotate("backlog_left_out", left_out));
        }
        Ok(effects)
    }
}

impl ExtractBacklogSettings {
    /// Every item once, in the order of the output.
    fn items(&self, output: &Output) -> Vec<BacklogItem> {
        let severe = output.security_findings.iter().filter(|finding| finding.severity >= self.min_severity);
        let violations = output.architecture_violations.iter().filter(|text| !text.trim().is_empty());
        let all = severe.map(SecurityFinding::item).chain(violations.map(|text| self.violation(text)));
        let mut items: Vec<BacklogItem> = Vec::new();
        for item in all {
            // Twice the bound is enough to find that there are too many without comparing each with thousands.
            if items.len() >= 2 * BACKLOG_ITEMS || !items.contains(&item) {
                items.push(item);
            }
        }
        items
    }

    fn violation(&self, text: &str) -> BacklogItem {
        BacklogItem::new(BacklogKind::Debt, self.violation_severity, text).detail(text)
    }
}

impl SecurityFinding {
    /// A finding without words stays an item: somebody has to look at it.
    fn item(&self) -> BacklogItem {
        let title = if self.summary.trim().is_empty() { "a security finding without a summary" } else { &self.summary };
        let item = BacklogItem::new(BacklogKind::Security, self.severity, title).detail(&self.summary);
        item.at(self.path.as_deref().unwrap_or_default())
    }
}

orc_guest::hook!(ExtractBacklog);

#[cfg(test)]
mod tests;
