//! A gate after the attempt: no added line, no name of a changed file and no output may try to instruct an agent.
//!
//! **Belongs here:** the words that such attempts are made of ([`words`]), how they follow each other ([`phrases`]), tags and hidden characters
//! ([`marks`]), and the walk over a text ([`scan`]). **Never:** a model; what a text means is not known here, only what it looks like.
//!
//! **Pitfalls:** what is found is somebody's attempt to be read by the next agent, and a finding is read by it too: no more than a short,
//! escaped excerpt is ever repeated. Fuel decides: a byte is looked at once, and a closer look is taken only at words that are in the list.

mod marks;
mod phrases;
mod scan;
mod words;

use std::ops::ControlFlow;

use orc_guest::diff::{self, Side};
use orc_guest::prelude::*;
use orc_guest::text::shown;
use serde_json::Value;

use scan::{Hit, RULES, Scan};

/// Findings of one answer. A diff with more is refused all the same.
const NAMED: usize = 50;

/// Bytes of an excerpt: enough to find the place, too little to be followed.
const EXCERPT: usize = 48;

/// Bytes of a place that are shown.
const PLACE: usize = 120;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstructionScanSettings {
    /// Files that are not looked at: prompts that the project is about.
    allow_paths: Globs,
    /// Rules that are switched off.
    allow_rules: Vec<String>,
    /// Files that agents read and follow by themselves.
    agent_files: Globs,
}

impl Settings for InstructionScanSettings {
    fn problems(&self) -> Vec<String> {
        let unknown = self.allow_rules.iter().filter(|rule| !RULES.iter().any(|known| known.name == rule.as_str()));
        let known: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        unknown.map(|rule| format!("`allow_rules`: there is no rule `{rule}`; the rules are {}", known.join(", "))).collect()
    }
}

/// The gate.
pub struct InstructionScan;

impl Gate for InstructionScan {
    type Settings = InstructionScanSettings;

    fn evaluate(facts: &Facts, settings: &InstructionScanSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        let has_output = documents.open("output").is_some();
        if facts.changes.is_empty() && documents.open("diff").is_none() && !has_output {
            return Ok(Verdict::not_applicable("nothing was changed, and there is no output"));
        }
        let mut search = Search { settings, findings: Vec::new(), scan: Scan::default(), file: usize::MAX, next: 0, allowed: false };
        search.names(facts);
        if !facts.changes.is_empty() || documents.open("diff").is_some() {
            search.diff(facts, documents)?;
        }
        if has_output {
            search.output(&documents.json("output")?, &mut String::new());
        }
        Ok(Report::new(search.findings).note("files", facts.changes.len()).into_verdict())
    }
}

struct Search<'a> {
    settings: &'a InstructionScanSettings,
    findings: Vec<Finding>,
    scan: Scan,
    /// The file of the last line, the number that would follow it, and whether the file is allowed.
    file: usize,
    next: u32,
    allowed: bool,
}

impl Search<'_> {
    fn is_full(&self) -> bool {
        self.findings.len() >= NAMED
    }

    fn allows(&self, rule: &str) -> bool {
        self.settings.allow_rules.iter().any(|allowed| allowed == rule)
    }

    /// The names of changed files: an agent that lists a directory reads them.
    fn names(&mut self, facts: &Facts) {
        for change in facts.changes.iter().filter(|change| !self.settings.allow_paths.matches(&change.path)) {
            if !self.allows(scan::AGENT_FILE.name) && self.settings.agent_files.matches(&change.path) && !self.is_full() {
                let message = format!("a file that agents follow by themselves was {}", change.kind);
                let fix = "have a person change it, or list it under `allow_paths`";
                self.findings.push(Finding::new(scan::AGENT_FILE.name, Severity::Medium, message).at(&change.path).fix(fix));
            }
            for hit in self.hits(change.path.as_bytes()) {
                self.find(&hit, "the name of a changed file", |finding| finding.at(shown(&change.path, PLACE)));
            }
        }
    }

    fn diff(&mut self, facts: &Facts, documents: &dyn Documents) -> Result<(), Declined> {
        let diff = documents.required("diff")?;
        let files = diff::visit(&*diff, |line| self.line(line))?;
        if !self.is_full() {
            diff::all_shown(&facts.changes, &files)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &diff::Line<'_>) -> ControlFlow<()> {
        if line.side != Side::Added {
            return ControlFlow::Continue(());
        }
        if line.file != self.file {
            self.file = line.file;
            self.allowed = self.settings.allow_paths.matches(line.path);
            self.next = 0;
        }
        if self.allowed {
            return ControlFlow::Continue(());
        }
        // A phrase can go on in the next line; it cannot jump over lines that are not new.
        if line.number != self.next || !line.first {
            self.scan.begin();
        }
        self.next = line.number.wrapping_add(1);
        let mut hits = Vec::new();
        self.scan.text(line.text, line.first && line.number == 1, |hit| hits.push(hit));
        for hit in hits {
            self.find(&hit, "the line", |finding| finding.at(line.path).line(line.number));
        }
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Every text in an output, with its place as a JSON pointer.
    fn output(&mut self, value: &Value, place: &mut String) {
        match value {
            _ if self.is_full() => {}
            Value::String(text) => self.said(text, place),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| self.within(&index.to_string(), item, place)),
            Value::Object(members) => {
                for (name, member) in members {
                    self.said(name, place);
                    self.within(name, member, place);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn within(&mut self, part: &str, value: &Value, place: &mut String) {
        let length = place.len();
        place.push('/');
        place.push_str(part);
        self.output(value, place);
        place.truncate(length);
    }

    fn said(&mut self, text: &str, place: &str) {
        for hit in self.hits(text.as_bytes()) {
            self.find(&hit, &format!("the output, at `{}`,", shown(place, PLACE)), |finding| finding);
        }
    }

    fn hits(&mut self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.scan.begin();
        self.scan.text(text, true, |hit| hits.push(hit));
        hits
    }

    /// One finding for a rule and a place.
    fn find(&mut self, hit: &Hit, what: &str, place: impl FnOnce(Finding) -> Finding) {
        if self.is_full() || self.allows(hit.rule.name) {
            return;
        }
        let message = format!("{what} {}: `{}`", hit.rule.what, shown(&hit.excerpt, EXCERPT));
        let fix = "leave it out; a text that only speaks of such attempts belongs under `allow_paths`";
        let finding = place(Finding::new(hit.rule.name, hit.rule.severity, message).fix(fix));
        let same = |other: &Finding| other.rule == finding.rule && other.path == finding.path && other.line == finding.line;
        let told = finding.path.is_some() && self.findings.iter().rev().take(RULES.len()).any(same);
        if !told && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

orc_guest::gate!(InstructionScan);

#[cfg(test)]
mod tests;
