//! A hook after the attempt: what a phase learnt is proposed for the project's memory, by a rule that anybody can follow.
//!
//! **Belongs here:** which part of an output is which kind of memory, and what says too little. **Never:** whether an item is believed: it
//! is a worker's words, proposed, and a person or a rule of the installation accepts it. **Never** a model: the same output gives the same
//! items.
//!
//! **Pitfalls:** what is remembered is read by later workers. A text with characters that nobody sees is left out, because a person who
//! accepts it would not see what he accepts.

use orc_guest::effects::{MEMORY_ITEMS, MEMORY_TEXT};
use orc_guest::prelude::*;
use orc_guest::text::{is_hidden, one_line};

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillMemorySettings {
    /// Items of one phase.
    max_items: usize,
    /// Characters that a text must have to say anything.
    min_chars: usize,
    /// Less severe findings of a review are work to do, and no lesson.
    min_severity: Severity,
}

impl Settings for DistillMemorySettings {
    fn problems(&self) -> Vec<String> {
        let items =
            (!(1..=MEMORY_ITEMS).contains(&self.max_items)).then(|| format!("`max_items` is {}: use 1 to {MEMORY_ITEMS}", self.max_items));
        let chars =
            (!(1..=MEMORY_TEXT).contains(&self.min_chars)).then(|| format!("`min_chars` is {}: use 1 to {MEMORY_TEXT}", self.min_chars));
        items.into_iter().chain(chars).collect()
    }
}

/// The parts of an output that teach something. Other parts, and other outputs, are none of this hook's business.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    design_decisions: Vec<String>,
    architecture_violations: Vec<String>,
    pattern_compliance: String,
    risk_assessment: String,
    affected_files: Vec<String>,
    security_findings: Vec<SecurityFinding>,
}

#[derive(Debug, Deserialize)]
struct SecurityFinding {
    severity: Severity,
    summary: String,
    path: Option<String>,
}

/// Something that could be remembered, as the worker wrote it.
struct Lesson<'a> {
    kind: MemoryKind,
    text: &'a str,
    path: Option<&'a str>,
}

/// The hook.
pub struct DistillMemory;

impl Hook for DistillMemory {
    type Settings = DistillMemorySettings;

    fn run(_: &Facts, settings: &DistillMemorySettings, documents: &dyn Documents) -> Result<Vec<Effect>, Declined> {
        let output: Output = documents.object("output")?;
        let (mut items, mut left_out) = (Vec::new(), 0);
        for lesson in output.lessons(settings.min_severity) {
            match settings.item(&lesson) {
                Some(item) if items.contains(&item) => {}
                Some(item) if items.len() < settings.max_items => items.push(item),
                _ => left_out += 1,
            }
        }
        let mut effects: Vec<Effect> = items.into_iter().map(Effect::Remember).collect();
        if left_out > 0 {
            effects.push(Effect::annotate("memory_left_out", left_out));
        }
        Ok(effects)
    }
}

impl DistillMemorySettings {
    /// One line, because a later prompt quotes it as one. `None` where it says too little, or something that nobody would see.
    fn item(&self, lesson: &Lesson<'_>) -> Option<Memory> {
        let text = lesson.text.trim();
        let good = text.chars().take(self.min_chars).count() >= self.min_chars && !text.chars().any(is_hidden);
        good.then(|| Memory::new(lesson.kind, &one_line(text, MEMORY_TEXT)).at(lesson.path.unwrap_or_default()))
    }
}

impl Output {
    /// What was decided first, then what went wrong, then what could, then how things are done. A part without text teaches nothing.
    fn lessons(&self, min_severity: Severity) -> impl Iterator<Item = Lesson<'_>> {
        let lesson = |kind, text| Lesson { kind, text, path: None };
        let decisions = self.design_decisions.iter().map(move |text| lesson(MemoryKind::Decision, text));
        let severe = self.security_findings.iter().filter(move |finding| finding.severity >= min_severity);
        let findings = severe.map(|finding| Lesson { kind: MemoryKind::Pitfall, text: &finding.summary, path: finding.path.as_deref() });
        let violations = self.architecture_violations.iter().map(move |text| lesson(MemoryKind::Pitfall, text));
        let risk = Lesson { kind: MemoryKind::Pitfall, text: &self.risk_assessment, path: self.only_file() };
        let patterns = lesson(MemoryKind::Convention, &self.pattern_compliance);
        let all = decisions.chain(findings).chain(violations).chain([risk, patterns]);
        all.filter(|lesson| !lesson.text.trim().is_empty())
    }

    /// What a risk is about, where the plan is about one file.
    fn only_file(&self) -> Option<&str> {
        if let [file] = self.affected_files.as_slice() { Some(file) } else { None }
    }
}

orc_guest::hook!(DistillMemory);

#[cfg(test)]
mod tests;
