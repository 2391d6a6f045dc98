//! Between WIT's types and the domain's. Into a guest goes what the host observed; out of one comes untrusted text.

use std::collections::BTreeMap;

use orc_domain::grant::LaunchEnd;
use orc_domain::output::CommandResult;
use orc_domain::ports::{Change, ChangeKind, GuestContext, GuestInput};
use orc_domain::verdict::{FaultClass, Finding, GuestFault, Report, Severity, Verdict};
use orc_domain::{Code, Untrusted};

use crate::bindings::{input, types};
use crate::fault::{fault, quoted};

/// Bytes that a record takes beside its texts.
const RECORD: usize = 64;

pub(crate) fn context(context: &GuestContext) -> types::Context {
    types::Context {
        workflow: context.workflow.to_string(),
        execution: context.execution.to_string(),
        project: context.project.to_string(),
        phase: context.phase.to_string(),
        position: context.position.to_string(),
        attempt: context.attempt,
    }
}

/// The facts of a call and their size, in bytes.
pub(crate) fn facts(input: &GuestInput) -> (input::Facts, usize) {
    let facts = input::Facts {
        context: context(&input.context),
        changes: input.changes.iter().map(change).collect(),
        commands: input.commands.iter().map(command).collect(),
        verification_expected: input.verification_expected,
    };
    let changes: usize = facts.changes.iter().map(|change| RECORD + change.path.len() + change.mode.len()).sum();
    let commands: usize = facts.commands.iter().flat_map(|command| &command.argv).map(|arg| RECORD + arg.len()).sum();
    let size = changes + commands + RECORD * (1 + facts.commands.len());
    (facts, size)
}

fn change(change: &Change) -> types::Change {
    types::Change {
        path: change.path.raw().to_owned(),
        kind: match change.kind {
            ChangeKind::Added => types::ChangeKind::Added,
            ChangeKind::Modified => types::ChangeKind::Modified,
            ChangeKind::Deleted => types::ChangeKind::Deleted,
        },
        added: change.added,
        removed: change.removed,
        binary: change.binary,
        size: change.size,
        mode: change.mode.clone(),
    }
}

fn command(command: &CommandResult) -> types::Command {
    types::Command {
        argv: command.argv.clone(),
        end: match command.end {
            LaunchEnd::Exited { code } => types::End::Exited(code),
            LaunchEnd::Signaled { signal } => types::End::Signaled(signal),
            LaunchEnd::TimedOut => types::End::TimedOut,
            LaunchEnd::Cancelled => types::End::Cancelled,
            LaunchEnd::OutputLimit => types::End::OutputLimit,
        },
        duration_ms: command.duration_ms,
    }
}

/// A gate's answer.
pub(crate) fn verdict(answer: Result<types::Verdict, String>) -> Result<Verdict, GuestFault> {
    Ok(match judged(answer)? {
        types::Verdict::Pass(passed) => Verdict::Pass { report: report(passed)? },
        types::Verdict::Fail(failed) => Verdict::Fail { report: report(failed)? },
        types::Verdict::Ask(question) => Verdict::Ask { question: question.into() },
        types::Verdict::NotApplicable(reason) => Verdict::NotApplicable { reason: reason.into() },
    })
}

/// A validator's answer.
pub(crate) fn validation(answer: Result<Vec<types::Finding>, String>) -> Result<Vec<Finding>, GuestFault> {
    Ok(findings(judged(answer)?))
}

/// Findings, as they come.
pub(crate) fn findings(findings: Vec<types::Finding>) -> Vec<Finding> {
    findings.into_iter().map(finding).collect()
}

/// The answer of a guest that could judge.
pub(crate) fn judged<T>(answer: Result<T, String>) -> Result<T, GuestFault> {
    answer.map_err(|why| fault(FaultClass::RunDeclined, format!("it cannot judge: {}", quoted(why))))
}

fn report(report: types::Report) -> Result<Report, GuestFault> {
    let mut annotations = BTreeMap::new();
    for attribute in report.annotations {
        let name = attribute_name(&attribute.name)?;
        if annotations.insert(name, Untrusted::new(attribute.value)).is_some() {
            let message = format!("it gave the annotation `{}` twice", quoted(attribute.name));
            return Err(fault(FaultClass::RunOutput, message));
        }
    }
    Ok(Report { findings: findings(report.findings), annotations })
}

/// Names of facts become keys and columns: they keep to the form of codes.
pub(crate) fn attribute_name(name: &str) -> Result<String, GuestFault> {
    match name.parse::<Code>() {
        Ok(name) => Ok(name.to_string()),
        Err(invalid) => Err(fault(FaultClass::RunOutput, format!("an annotation's name is malformed: {invalid}"))),
    }
}

fn finding(finding: types::Finding) -> Finding {
    Finding {
        rule: finding.rule.into(),
        message: finding.message.into(),
        severity: severity(finding.severity),
        path: finding.path.map(Untrusted::new),
        line: finding.line,
        fix: finding.fix.map(Untrusted::new),
    }
}

pub(crate) const fn severity(severity: types::Severity) -> Severity {
    match severity {
        types::Severity::Info => Severity::Info,
        types::Severity::Low => Severity::Low,
        types::Severity::Medium => Severity::Medium,
        types::Severity::High => Severity::High,
        types::Severity::Critical => Severity::Critical,
    }
}
