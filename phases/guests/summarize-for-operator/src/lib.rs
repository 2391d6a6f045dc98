//! A hook after the attempt: tells the operators in a few sentences what a phase did.
//!
//! **Belongs here:** one short text, first what the host observed, then what the worker says, marked as such. **Never:** a verdict, an id, a
//! next step: those come from the engine.
//!
//! **Pitfalls:** it is read on a phone and comes from repository and worker: every text in it is one line, cut, with hidden characters shown.
//! The host's part is never cut for the worker's.

use orc_guest::prelude::*;
use orc_guest::text::{cut, shown};

/// Bytes of a path, of a command.
const SHOWN: usize = 60;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummarizeSettings {
    /// Bytes of the whole text.
    max_bytes: usize,
    /// Files and failed commands that are named.
    max_files: usize,
}

impl Settings for SummarizeSettings {
    fn problems(&self) -> Vec<String> {
        let good = (200..=4_000).contains(&self.max_bytes);
        let bytes = (!good).then(|| format!("`max_bytes` is {}: use 200 to 4000", self.max_bytes));
        let files = (self.max_files > 20).then(|| format!("`max_files` is {}: use 0 to 20", self.max_files));
        bytes.into_iter().chain(files).collect()
    }
}

/// What the outputs of all phases say, each in its own words.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    scope_summary: Option<String>,
    pattern_compliance: Option<String>,
    changes_summary: Option<String>,
    quality_score: Option<u8>,
    compliance_status: Option<String>,
    security_findings: Option<Vec<SecurityFinding>>,
}

#[derive(Debug, Deserialize)]
struct SecurityFinding {
    severity: Severity,
}

/// The hook.
pub struct SummarizeForOperator;

impl Hook for SummarizeForOperator {
    type Settings = SummarizeSettings;

    fn run(facts: &Facts, settings: &SummarizeSettings, documents: &dyn Documents) -> Result<Vec<Effect>, Declined> {
        let output: Option<Output> = documents.open("output").map(|_| documents.object("output")).transpose()?;
        let observed = [Some(settings.begin(facts)), Some(settings.changes(facts)), settings.commands(facts)];
        let observed: Vec<String> = observed.into_iter().flatten().collect();
        let mut text = cut(&observed.join(" "), settings.max_bytes);
        if let Some(said) = output.as_ref().and_then(Output::said) {
            // What is left after the host's part; a few words less are no words.
            let room = settings.max_bytes.saturating_sub(text.len() + WORKER_SAYS.len());
            if room >= 20 {
                text = format!("{text}{WORKER_SAYS}{}", shown(&said, room));
            }
        }
        Ok(vec![Effect::Notify(text)])
    }
}

const WORKER_SAYS: &str = " The worker says: ";

impl SummarizeSettings {
    fn begin(&self, facts: &Facts) -> String {
        let context = &facts.context;
        if context.attempt > 1 { format!("{}, attempt {}:", context.phase, context.attempt) } else { format!("{}:", context.phase) }
    }

    fn changes(&self, facts: &Facts) -> String {
        let sum = |lines: fn(&Change) -> u64| facts.changes.iter().fold(0u64, |sum, change| sum.saturating_add(lines(change)));
        let (added, removed) = (sum(|change| change.added), sum(|change| change.removed));
        let names = facts.changes.iter().map(|change| shown(&change.path, SHOWN));
        match facts.changes.len() {
            0 => "nothing was changed.".to_owned(),
            1 => format!("1 file changed (+{added} -{removed}){}.", self.named(names, 1)),
            count => format!("{count} files changed (+{added} -{removed}){}.", self.named(names, count)),
        }
    }

    fn commands(&self, facts: &Facts) -> Option<String> {
        let failed: Vec<&Command> = facts.commands.iter().filter(|command| !command.end.success()).collect();
        let count = facts.commands.len();
        let names = failed.iter().map(|command| format!("`{}` ({})", shown(&command.line(), SHOWN), command.end));
        match (count, failed.len()) {
            (0, _) => None,
            (1, 0) => Some("The command ended well.".to_owned()),
            (_, 0) => Some(format!("All {count} commands ended well.")),
            (_, bad) => Some(format!("{bad} of {count} commands did not end well{}.", self.named(names, bad))),
        }
    }

    /// The first of `names`, and how many there are beside.
    fn named(&self, names: impl Iterator<Item = String>, count: usize) -> String {
        let names: Vec<String> = names.take(self.max_files).collect();
        let more = count - names.len();
        match (names.is_empty(), more) {
            (true, _) => String::new(),
            (_, 0) => format!(": {}", names.join(", ")),
            (_, more) => format!(": {} and {more} more", names.join(", ")),
        }
    }
}

impl Output {
    /// A review in numbers; else the summary that the output has.
    fn said(&self) -> Option<String> {
        let review = self.quality_score.map(|score| {
            let status = self.compliance_status.as_deref().unwrap_or("no word on compliance");
            format!("quality {score} of 100, {status}, {}.", self.findings())
        });
        let summaries = [&self.changes_summary, &self.scope_summary, &self.pattern_compliance];
        let summary = || summaries.into_iter().flatten().find(|text| !text.trim().is_empty()).cloned();
        review.or_else(summary)
    }

    fn findings(&self) -> String {
        let findings = self.security_findings.as_deref().unwrap_or_default();
        match (findings.len(), findings.iter().map(|finding| finding.severity).max()) {
            (1, Some(worst)) => format!("1 finding ({worst})"),
            (count, Some(worst)) => format!("{count} findings (the worst {worst})"),
            (_, None) => "no findings".to_owned(),
        }
    }
}

orc_guest::hook!(SummarizeForOperator);

#[cfg(test)]
mod tests;
