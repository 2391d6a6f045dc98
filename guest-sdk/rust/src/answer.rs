//! Building answers: findings, reports, verdicts, and the refusal to judge.

use std::fmt;

use crate::{Attribute, ChangeKind, Command, End, Finding, Report, Severity, Verdict};

/// Why a guest cannot judge. The host counts it as a fault, which blocks; say what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined(String);

impl Declined {
    /// The text that the host is told.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl From<String> for Declined {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Declined {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Finding {
    /// A finding of `rule` (a short name in kebab case that stays the same for ever).
    pub fn new(rule: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self { rule: rule.into(), message: message.into(), severity, path: None, line: None, fix: None }
    }

    /// In this file.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// On this line, from 1.
    #[must_use]
    pub fn line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// How to mend it: what to do, not what is wrong.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl Report {
    /// A report of these findings.
    pub fn new(findings: Vec<Finding>) -> Self {
        Self { findings, annotations: Vec::new() }
    }

    /// With a fact worth keeping. A name is given once.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.annotations.push(Attribute { name: name.into(), value: value.to_string() });
        self
    }

    /// `fail` where there are findings, else `pass`.
    pub fn into_verdict(self) -> Verdict {
        if self.findings.is_empty() { Verdict::Pass(self) } else { Verdict::Fail(self) }
    }
}

impl Verdict {
    /// Nothing to judge here, and why.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable(reason.into())
    }

    /// The word that cases and screens use: `pass`, `fail`, `ask`, `not_applicable`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass(_) => "pass",
            Self::Fail(_) => "fail",
            Self::Ask(_) => "ask",
            Self::NotApplicable(_) => "not_applicable",
        }
    }
}

impl End {
    /// Whether the command ended by itself with code 0.
    pub const fn success(&self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signaled(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::OutputLimit => f.write_str("stopped: too much output"),
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        })
    }
}

impl Command {
    /// The command as one line for a person. Arguments that a shell would take apart stand in quotes; it is not meant to be run.
    pub fn line(&self) -> String {
        let words: Vec<String> = self.argv.iter().map(|word| shown(word)).collect();
        words.join(" ")
    }
}

fn shown(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("{word:?}") }
}
