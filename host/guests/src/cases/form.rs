//! The form of a case file, and the input that it makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use orc_domain::contract::BindingPosition;
use orc_domain::grant::LaunchEnd;
use orc_domain::output::CommandResult;
use orc_domain::ports::{Change, ChangeKind, Document, GuestContext, GuestInput};
use orc_domain::verdict::{BacklogKind, FaultClass, GuestKind, MemoryKind, Severity};
use orc_domain::{PhaseName, Untrusted};
use serde::Deserialize;

/// A case, in order.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) settings: serde_json::Map<String, serde_json::Value>,
    pub(crate) expect: Expect,
    file: CaseFile,
}

/// What a case expects.
#[derive(Debug)]
pub(crate) enum Expect {
    Verdict { word: String, findings: Vec<ExpectedFinding> },
    Effects(Vec<ExpectedEffect>),
    Valid { valid: bool, findings: Vec<ExpectedFinding> },
    Fault(FaultClass),
    SettingsRejected { findings: Vec<ExpectedFinding> },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    context: CaseContext,
    #[serde(default = "yes")]
    verification_expected: bool,
    #[serde(default)]
    changes: Vec<CaseChange>,
    #[serde(default)]
    commands: Vec<CaseCommand>,
    #[serde(default)]
    documents: BTreeMap<String, CaseDocument>,
    expect: ExpectTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseContext {
    phase: Option<PhaseName>,
    position: Option<BindingPosition>,
    attempt: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseChange {
    path: String,
    kind: ChangeKind,
    #[serde(default)]
    added: u64,
    #[serde(default)]
    removed: u64,
    #[serde(default)]
    binary: bool,
    #[serde(default)]
    size: u64,
    mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseCommand {
    argv: Vec<String>,
    exit: Option<i32>,
    signal: Option<i32>,
    #[serde(default)]
    timed_out: bool,
    #[serde(default)]
    cancelled: bool,
    #[serde(default)]
    output_limit: bool,
    #[serde(default)]
    duration_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    media_type: String,
    text: Option<String>,
    file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectTable {
    verdict: Option<VerdictWord>,
    effects: Option<Vec<ExpectedEffect>>,
    valid: Option<bool>,
    fault: Option<FaultClass>,
    #[serde(default)]
    settings_rejected: bool,
    #[serde(default)]
    findings: Vec<ExpectedFinding>,
}

/// The words of [`orc_domain::verdict::Verdict::word`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictWord {
    Pass,
    Fail,
    Ask,
    NotApplicable,
}

impl VerdictWord {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Ask => "ask",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// A finding that must be there; what is not given is not compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedFinding {
    pub(crate) rule: String,
    pub(crate) path: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) severity: Option<Severity>,
}

/// An effect that must be there; what is not given is not compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ExpectedEffect {
    Annotate { name: String, value: Option<String> },
    Notify { message: Option<String> },
    Remember { kind: MemoryKind, text: Option<String>, path: Option<String> },
    Backlog { kind: BacklogKind, severity: Option<Severity>, title: Option<String>, detail: Option<String>, path: Option<String> },
}

const fn yes() -> bool {
    true
}

/// Reads a case; the error is for its author.
pub(crate) fn parse(text: &str, kind: GuestKind) -> Result<Case, String> {
    let mut file: CaseFile = toml::from_str(text).map_err(|error| error.to_string())?;
    let settings = std::mem::take(&mut file.settings);
    let expect = file.expect.take(kind)?;
    Ok(Case { settings, expect, file })
}

impl ExpectTable {
    fn take(&mut self, kind: GuestKind) -> Result<Expect, String> {
        let findings = std::mem::take(&mut self.findings);
        let found_none = findings.is_empty();
        let settings_rejected = self.settings_rejected.then_some(());
        let expect = match (self.verdict, self.effects.take(), self.valid, self.fault, settings_rejected) {
            (Some(word), None, None, None, None) if kind == GuestKind::Gate => Expect::Verdict { word: word.as_str().into(), findings },
            (None, Some(effects), None, None, None) if kind == GuestKind::Hook && found_none => Expect::Effects(effects),
            (None, None, Some(valid), None, None) if kind == GuestKind::Validator => Expect::Valid { valid, findings },
            (None, None, None, Some(class), None) if found_none => Expect::Fault(class),
            (None, None, None, None, Some(())) => Expect::SettingsRejected { findings },
            _ => {
                let own = match kind {
                    GuestKind::Gate => "`verdict`",
                    GuestKind::Hook => "`effects`",
                    GuestKind::Validator => "`valid`",
                };
                return Err(format!(
                    "[expect] of a {kind} holds exactly one of {own}, `fault` and `settings_rejected = true`; `findings` go with all but \
                     `effects` and `fault`"
                ));
            }
        };
        Ok(expect)
    }
}

impl Case {
    /// What the guest is given.
    pub(crate) fn input(&self, kind: GuestKind, fixtures: &BTreeMap<String, Arc<[u8]>>) -> Result<GuestInput, String> {
        let file = &self.file;
        let documents = file.documents.iter().map(|(name, document)| Ok((name.clone(), document.read(name, fixtures)?)));
        Ok(GuestInput {
            context: file.context.context(kind)?,
            changes: file.changes.iter().map(CaseChange::change).collect(),
            commands: file.commands.iter().map(CaseCommand::result).collect::<Result<_, _>>()?,
            verification_expected: file.verification_expected,
            documents: documents.collect::<Result<_, String>>()?,
        })
    }
}

impl CaseContext {
    fn context(&self, kind: GuestKind) -> Result<GuestContext, String> {
        let position = match kind {
            GuestKind::Gate => BindingPosition::PostGate,
            GuestKind::Hook => BindingPosition::PostHook,
            GuestKind::Validator => BindingPosition::Validator,
        };
        let phase = self.phase.clone().map_or_else(|| "verify".parse(), Ok);
        Ok(GuestContext {
            workflow: "wf_case".parse().map_err(|error| format!("{error}"))?,
            execution: "ex_case".parse().map_err(|error| format!("{error}"))?,
            project: "case".parse().map_err(|error| format!("{error}"))?,
            phase: phase.map_err(|error: orc_domain::InvalidName| error.to_string())?,
            position: self.position.unwrap_or(position),
            attempt: self.attempt.unwrap_or(1),
        })
    }
}

impl CaseChange {
    fn change(&self) -> Change {
        let gone = self.kind == ChangeKind::Deleted;
        let mode = self.mode.clone().unwrap_or_else(|| if gone { String::new() } else { "100644".into() });
        Change {
            path: Untrusted::new(&*self.path),
            kind: self.kind,
            added: self.added,
            removed: self.removed,
            binary: self.binary,
            size: self.size,
            mode,
        }
    }
}

impl CaseCommand {
    fn result(&self) -> Result<CommandResult, String> {
        let end = match (self.exit, self.signal, self.timed_out, self.cancelled, self.output_limit) {
            (Some(code), None, false, false, false) => LaunchEnd::Exited { code },
            (None, Some(signal), false, false, false) => LaunchEnd::Signaled { signal },
            (None, None, true, false, false) => LaunchEnd::TimedOut,
            (None, None, false, true, false) => LaunchEnd::Cancelled,
            (None, None, false, false, true) => LaunchEnd::OutputLimit,
            _ => {
                return Err(format!(
                    "the command {:?} needs exactly one of `exit`, `signal`, `timed_out`, `cancelled` and `output_limit`",
                    self.argv
                ));
            }
        };
        Ok(CommandResult {
            argv: self.argv.clone(),
            end,
            duration_ms: self.duration_ms,
            stdout_tail: Untrusted::new(""),
            stderr_tail: Untrusted::new(""),
        })
    }
}

impl CaseDocument {
    fn read(&self, name: &str, fixtures: &BTreeMap<String, Arc<[u8]>>) -> Result<Document, String> {
        let bytes = match (&self.text, &self.file) {
            (Some(text), None) => text.as_bytes().into(),
            (None, Some(file)) => {
                let missing = || format!("the document `{name}` names `{file}`, which is no file beside the case");
                fixtures.get(file).map(Arc::clone).ok_or_else(missing)?
            }
            _ => return Err(format!("the document `{name}` needs exactly one of `text` and `file`")),
        };
        Ok(Document { media_type: self.media_type.clone(), bytes })
    }
}
