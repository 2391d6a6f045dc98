//! Whether what a guest answered is what its case expected.

use std::fmt::Write;

use orc_domain::Untrusted;
use orc_domain::verdict::{Effect, Finding, GuestFault, Verdict};

use super::form::{Expect, ExpectedEffect, ExpectedFinding};

/// What a call gave.
pub(crate) enum Got {
    Verdict(Verdict),
    Effects(Vec<Effect>),
    Findings(Vec<Finding>),
    Settings(Vec<Finding>),
    Fault(GuestFault),
}

/// Both sides in words, and whether they agree.
pub(crate) struct Judgement {
    pub(crate) passed: bool,
    pub(crate) expected: String,
    pub(crate) got: String,
}

pub(crate) fn judge(expect: &Expect, got: &Got) -> Judgement {
    let passed = match (expect, got) {
        (Expect::Verdict { word, findings }, Got::Verdict(verdict)) => {
            verdict.word() == word && in_order(findings, report_of(verdict), is_finding)
        }
        (Expect::Effects(expected), Got::Effects(effects)) => {
            expected.len() == effects.len() && expected.iter().zip(effects).all(|(expected, effect)| is_effect(expected, effect))
        }
        (Expect::Valid { valid, findings }, Got::Findings(found)) => *valid == found.is_empty() && in_order(findings, found, is_finding),
        (Expect::Fault(class), Got::Fault(fault)) => fault.class == *class,
        (Expect::SettingsRejected { findings }, Got::Settings(found)) => !found.is_empty() && in_order(findings, found, is_finding),
        _ => false,
    };
    Judgement { passed, expected: expected_words(expect), got: got_words(got) }
}

/// Whether all that is expected is found, in this order, with anything between.
fn in_order<E, F>(expected: &[E], found: &[F], same: impl Fn(&E, &F) -> bool) -> bool {
    let mut found = found.iter();
    expected.iter().all(|expected| found.any(|found| same(expected, found)))
}

fn report_of(verdict: &Verdict) -> &[Finding] {
    match verdict {
        Verdict::Pass { report } | Verdict::Fail { report } => &report.findings,
        Verdict::Ask { .. } | Verdict::NotApplicable { .. } => &[],
    }
}

fn is_finding(expected: &ExpectedFinding, found: &Finding) -> bool {
    expected.rule == found.rule.raw()
        && same_path(expected.path.as_deref(), found.path.as_ref())
        && expected.line.is_none_or(|line| found.line == Some(line))
        && expected.severity.is_none_or(|severity| found.severity == severity)
}

fn same_path(expected: Option<&str>, found: Option<&Untrusted>) -> bool {
    expected.is_none_or(|expected| found.is_some_and(|found| found.raw() == expected))
}

fn is_effect(expected: &ExpectedEffect, effect: &Effect) -> bool {
    let same = |expected: &Option<String>, found: &Untrusted| expected.as_ref().is_none_or(|expected| expected == found.raw());
    match (expected, effect) {
        (ExpectedEffect::Annotate { name, value }, Effect::Annotate { name: found, value: found_value }) => {
            name == found && same(value, found_value)
        }
        (ExpectedEffect::Notify { message }, Effect::Notify { message: found }) => same(message, found),
        (ExpectedEffect::Remember { kind, text, path }, Effect::Remember { kind: found, text: found_text, path: found_path }) => {
            kind == found && same(text, found_text) && same_path(path.as_deref(), found_path.as_ref())
        }
        (
            ExpectedEffect::Backlog { kind, severity, title, detail, path },
            Effect::Backlog { kind: found, severity: found_severity, title: found_title, detail: found_detail, path: found_path },
        ) => {
            kind == found
                && severity.is_none_or(|severity| severity == *found_severity)
                && same(title, found_title)
                && same(detail, found_detail)
                && same_path(path.as_deref(), found_path.as_ref())
        }
        _ => false,
    }
}

fn expected_words(expect: &Expect) -> String {
    match expect {
        Expect::Verdict { word, findings } => format!("{word}{}", expected_findings(findings)),
        Expect::Effects(effects) if effects.is_empty() => "no effects".into(),
        Expect::Effects(effects) => effects.iter().map(expected_effect).collect::<Vec<_>>().join("; "),
        Expect::Valid { valid: true, findings } => format!("valid{}", expected_findings(findings)),
        Expect::Valid { valid: false, findings } => format!("invalid{}", expected_findings(findings)),
        Expect::Fault(class) => format!("fault {class}"),
        Expect::SettingsRejected { findings } => format!("settings rejected{}", expected_findings(findings)),
    }
}

fn expected_findings(findings: &[ExpectedFinding]) -> String {
    findings.iter().fold(String::new(), |words, finding| {
        let severity = finding.severity.map(|severity| format!(" {severity}")).unwrap_or_default();
        let place = place(finding.path.as_deref(), finding.line);
        format!("{words}; {}{severity}{place}", finding.rule)
    })
}

fn expected_effect(effect: &ExpectedEffect) -> String {
    match effect {
        ExpectedEffect::Annotate { name, value } => format!("annotate {name}={}", value.as_deref().unwrap_or("…")),
        ExpectedEffect::Notify { message } => format!("notify {}", message.as_deref().unwrap_or("…")),
        ExpectedEffect::Remember { kind, text, path } => {
            format!("remember {kind}{}: {}", place(path.as_deref(), None), text.as_deref().unwrap_or("…"))
        }
        ExpectedEffect::Backlog { kind, severity, title, path, .. } => {
            let severity = severity.map(|severity| format!(" {severity}")).unwrap_or_default();
            format!("backlog {kind}{severity}{}: {}", place(path.as_deref(), None), title.as_deref().unwrap_or("…"))
        }
    }
}

fn got_words(got: &Got) -> String {
    match got {
        Got::Verdict(verdict @ (Verdict::Pass { report } | Verdict::Fail { report })) => {
            format!("{}{}", verdict.word(), findings(&report.findings))
        }
        Got::Verdict(Verdict::Ask { question }) => format!("ask: {}", question.for_line(200)),
        Got::Verdict(Verdict::NotApplicable { reason }) => format!("not_applicable: {}", reason.for_line(200)),
        Got::Effects(effects) if effects.is_empty() => "no effects".into(),
        Got::Effects(effects) => effects.iter().map(effect).collect::<Vec<_>>().join("; "),
        Got::Findings(found) if found.is_empty() => "valid".into(),
        Got::Findings(found) => format!("invalid{}", findings(found)),
        Got::Settings(found) if found.is_empty() => "settings accepted".into(),
        Got::Settings(found) => format!("settings rejected{}", findings(found)),
        Got::Fault(fault) => format!("fault {}: {}", fault.class, fault.message),
    }
}

fn findings(findings: &[Finding]) -> String {
    const SHOWN: usize = 10;
    let mut words = String::new();
    for finding in findings.iter().take(SHOWN) {
        let place = place(shown(&finding.path).as_deref(), finding.line);
        // Writing to a string cannot fail.
        let _ = write!(words, "; {} {}{place}: {}", finding.rule.for_line(80), finding.severity, finding.message.for_line(160));
    }
    if findings.len() > SHOWN {
        let _ = write!(words, "; and {} more", findings.len() - SHOWN);
    }
    words
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Annotate { name, value } => format!("annotate {name}={}", value.for_line(120)),
        Effect::Notify { message } => format!("notify {}", message.for_line(200)),
        Effect::Remember { kind, text, path } => format!("remember {kind}{}: {}", place(shown(path).as_deref(), None), text.for_line(200)),
        Effect::Backlog { kind, severity, title, path, .. } => {
            format!("backlog {kind} {severity}{}: {}", place(shown(path).as_deref(), None), title.for_line(200))
        }
    }
}

fn shown(path: &Option<Untrusted>) -> Option<String> {
    path.as_ref().map(|path| path.for_line(120))
}

fn place(path: Option<&str>, line: Option<u32>) -> String {
    match (path, line) {
        (Some(path), Some(line)) => format!(" at {path}:{line}"),
        (Some(path), None) => format!(" at {path}"),
        (None, Some(line)) => format!(" at line {line}"),
        (None, None) => String::new(),
    }
}
