//! The form of a case file, and the input that it makes. The host has a reader of its own (`host/guests/src/cases/form.rs`): what one of
//! them refuses, the other has to refuse, or a case passes here and is none there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{TestDocument, TestDocuments, facts};
use crate::{BacklogKind, Change, ChangeKind, Command, Effect, End, Facts, Finding, MemoryKind, Severity};

/// Whose case it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gate,
    Hook,
    Validator,
}

/// A case, in order.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) settings: Map<String, Value>,
    pub(super) facts: Facts,
    pub(super) documents: TestDocuments,
    pub(super) expect: Expect,
}

/// What a case expects. Findings: each in this order, with anything between. Effects: these and no others.
#[derive(Debug)]
pub(super) enum Expect {
    Verdict { word: &'static str, findings: Vec<ExpectedFinding> },
    Effects(Vec<ExpectedEffect>),
    Valid { valid: bool, findings: Vec<ExpectedFinding> },
    Fault(FaultClass),
    SettingsRejected { findings: Vec<ExpectedFinding> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    settings: Map<String, Value>,
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

const fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseContext {
    phase: Option<String>,
    position: Option<Position>,
    attempt: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseChange {
    path: String,
    kind: CaseKind,
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

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CaseKind {
    Added,
    Modified,
    Deleted,
}

#[derive(Deserialize)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    media_type: String,
    text: Option<String>,
    /// Beside the case: a name, no path.
    file: Option<String>,
}

#[derive(Deserialize)]
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

/// A finding that must be there; what is not given is not compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedFinding {
    rule: String,
    path: Option<String>,
    line: Option<u32>,
    severity: Option<Severity>,
}

/// An effect that must be there; what is not given is not compared.
#[derive(Debug, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ExpectedEffect {
    Annotate { name: String, value: Option<String> },
    Notify { message: Option<String> },
    Remember { kind: MemoryKind, text: Option<String>, path: Option<String> },
    Backlog { kind: BacklogKind, severity: Option<Severity>, title: Option<String>, detail: Option<String>, path: Option<String> },
}

/// A word of a fixed set, as in the host's domain. Anything else is refused, and the message lists them.
macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        pub(super) enum $name {
            $(#[serde(rename = $word)] $variant,)+
        }

        impl $name {
            pub(super) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words!(Position:
    PreHook = "pre_hook", PreGate = "pre_gate", Validator = "validator", PostGate = "post_gate", PostHook = "post_hook",
);

words!(VerdictWord: Pass = "pass", Fail = "fail", Ask = "ask", NotApplicable = "not_applicable");

words!(FaultClass:
    LoadDigest = "load.digest",
    LoadInvalid = "load.invalid",
    LoadWorld = "load.world",
    LoadCapability = "load.capability",
    LoadSettings = "load.settings",
    RunFuel = "run.fuel",
    RunDeadline = "run.deadline",
    RunWall = "run.wall",
    RunMemory = "run.memory",
    RunStack = "run.stack",
    RunTrap = "run.trap",
    RunOutput = "run.output",
    RunDeclined = "run.declined",
    RunHost = "run.host",
    RunBusy = "run.busy",
);

/// Reads a case that stands in `dir`; the error is for its author.
pub(super) fn parse(text: &str, kind: Kind, dir: &Path) -> Result<Case, String> {
    let file: CaseFile = toml::from_str(text).map_err(|error| error.to_string())?;
    Ok(Case { facts: file.facts(kind)?, documents: file.documents(dir)?, settings: file.settings, expect: file.expect.take(kind)? })
}

impl ExpectTable {
    fn take(self, kind: Kind) -> Result<Expect, String> {
        let found_none = self.findings.is_empty();
        match (self.verdict, self.effects, self.valid, self.fault, self.settings_rejected) {
            (Some(word), None, None, None, false) if kind == Kind::Gate => {
                Ok(Expect::Verdict { word: word.as_str(), findings: self.findings })
            }
            (None, Some(effects), None, None, false) if kind == Kind::Hook && found_none => Ok(Expect::Effects(effects)),
            (None, None, Some(valid), None, false) if kind == Kind::Validator => Ok(Expect::Valid { valid, findings: self.findings }),
            (None, None, None, Some(class), false) if found_none => Ok(Expect::Fault(class)),
            (None, None, None, None, true) => Ok(Expect::SettingsRejected { findings: self.findings }),
            _ => Err(format!(
                "[expect] of a {} holds exactly one of `{}`, `fault` and `settings_rejected = true`; `findings` go with all but `effects` \
                 and `fault`",
                kind.word(),
                kind.answer()
            )),
        }
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Hook => "hook",
            Self::Validator => "validator",
        }
    }

    /// The key of its answer.
    const fn answer(self) -> &'static str {
        match self {
            Self::Gate => "verdict",
            Self::Hook => "effects",
            Self::Validator => "valid",
        }
    }

    /// Where the host puts a case that names no position.
    const fn position(self) -> Position {
        match self {
            Self::Gate => Position::PostGate,
            Self::Hook => Position::PostHook,
            Self::Validator => Position::Validator,
        }
    }
}

impl CaseFile {
    fn facts(&self, kind: Kind) -> Result<Facts, String> {
        let mut facts = facts(self.changes.iter().map(CaseChange::to_change).collect());
        facts.commands = self.commands.iter().map(CaseCommand::to_command).collect::<Result<_, _>>()?;
        facts.verification_expected = self.verification_expected;
        let context = &mut facts.context;
        if let Some(phase) = &self.context.phase {
            context.phase = phase_name(phase)?.to_owned();
        }
        context.position = self.context.position.unwrap_or(kind.position()).as_str().to_owned();
        context.attempt = self.context.attempt.unwrap_or(context.attempt);
        Ok(facts)
    }

    fn documents(&self, dir: &Path) -> Result<TestDocuments, String> {
        self.documents.iter().try_fold(TestDocuments::none(), |documents, (name, document)| {
            Ok(documents.with(name, TestDocument::new(&document.media_type, document.bytes(name, dir)?)))
        })
    }
}

fn phase_name(name: &str) -> Result<&str, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && name.len() <= 64 && name.bytes().all(allowed) {
        return Ok(name);
    }
    Err(format!("`{name}` is no phase name: use 1 to 64 of a-z, 0-9, `-` and `_`, starting with a letter or digit"))
}

impl CaseChange {
    fn to_change(&self) -> Change {
        let (kind, mode) = match self.kind {
            CaseKind::Added => (ChangeKind::Added, "100644"),
            CaseKind::Modified => (ChangeKind::Modified, "100644"),
            CaseKind::Deleted => (ChangeKind::Deleted, ""),
        };
        Change {
            path: self.path.clone(),
            kind,
            added: self.added,
            removed: self.removed,
            binary: self.binary,
            size: self.size,
            mode: self.mode.clone().unwrap_or_else(|| mode.to_owned()),
        }
    }
}

impl CaseCommand {
    fn to_command(&self) -> Result<Command, String> {
        let end = match (self.exit, self.signal, self.timed_out, self.cancelled, self.output_limit) {
            (Some(code), None, false, false, false) => End::Exited(code),
            (None, Some(signal), false, false, false) => End::Signaled(signal),
            (None, None, true, false, false) => End::TimedOut,
            (None, None, false, true, false) => End::Cancelled,
            (None, None, false, false, true) => End::OutputLimit,
            _ => return Err("a command says one of `exit`, `signal`, `timed_out`, `cancelled` and `output_limit`".to_owned()),
        };
        Ok(Command { argv: self.argv.clone(), end, duration_ms: self.duration_ms })
    }
}

impl CaseDocument {
    fn bytes(&self, name: &str, dir: &Path) -> Result<Vec<u8>, String> {
        let file = match (&self.text, &self.file) {
            (Some(text), None) => return Ok(text.clone().into_bytes()),
            (None, Some(file)) => file,
            _ => return Err(format!("document `{name}`: say either `text` or `file`")),
        };
        let path = dir.join(file);
        // Neither a path nor a link nor a case: the host reads the plain files beside the cases and no others.
        let beside = Path::new(file).file_name().is_some_and(|last| last == file.as_str()) && !file.ends_with(".toml");
        if !beside || !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            return Err(format!("document `{name}` names `{file}`, which is no file beside the case"));
        }
        fs::read(path).map_err(|error| format!("{file}: {error}"))
    }
}

impl ExpectedFinding {
    pub(super) fn fits(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && same_path(&self.path, finding.path.as_ref())
            && self.line.is_none_or(|line| Some(line) == finding.line)
            && self.severity.is_none_or(|severity| severity == finding.severity)
    }
}

impl ExpectedEffect {
    pub(super) fn fits(&self, effect: &Effect) -> bool {
        match (self, effect) {
            (Self::Annotate { name, value }, Effect::Annotate(found)) => *name == found.name && same(value, &found.value),
            (Self::Notify { message }, Effect::Notify(found)) => same(message, found),
            (Self::Remember { kind, text, path }, Effect::Remember(found)) => {
                *kind == found.kind && same(text, &found.text) && same_path(path, found.path.as_ref())
            }
            (Self::Backlog { kind, severity, title, detail, path }, Effect::Backlog(found)) => {
                *kind == found.kind
                    && severity.is_none_or(|severity| severity == found.severity)
                    && same(title, &found.title)
                    && same(detail, &found.detail)
                    && same_path(path, found.path.as_ref())
            }
            _ => false,
        }
    }
}

fn same(expected: &Option<String>, found: &str) -> bool {
    expected.as_ref().is_none_or(|expected| expected == found)
}

fn same_path(expected: &Option<String>, found: Option<&String>) -> bool {
    expected.as_ref().is_none_or(|expected| Some(expected) == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Case, String> {
        read_as(Kind::Gate, text)
    }

    fn read_as(kind: Kind, text: &str) -> Result<Case, String> {
        parse(text, kind, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/testing")))
    }

    const PASS: &str = "[expect]\nverdict = \"pass\"\n";

    /// The host's reader refuses each of these.
    #[test]
    fn what_is_no_case_of_the_host_is_none_here() {
        let expect = [
            ("nothing", "", "exactly one of"),
            ("two answers", "verdict = \"fail\"\nsettings_rejected = true", "exactly one of"),
            ("a verdict and a fault", "verdict = \"fail\"\nfault = \"run.declined\"", "exactly one of"),
            ("a fault of settings", "fault = \"load.settings\"\nsettings_rejected = true", "exactly one of"),
            ("findings of a fault", "fault = \"run.declined\"\nfindings = [{ rule = \"r\" }]", "exactly one of"),
            ("settings that are not rejected", "settings_rejected = false", "exactly one of"),
            ("an unknown verdict", "verdict = \"passes\"", "unknown variant `passes`"),
            ("an unknown fault", "fault = \"run.delined\"", "unknown variant `run.delined`"),
            ("a hook's answer", "effects = []", "exactly one of `verdict`"),
            ("a validator's answer", "valid = true", "exactly one of `verdict`"),
            ("an unknown severity", "verdict = \"fail\"\nfindings = [{ rule = \"r\", severity = \"hgih\" }]", "unknown variant `hgih`"),
            ("a finding without a rule", "verdict = \"fail\"\nfindings = [{ path = \"p\" }]", "missing field `rule`"),
        ];
        let expect = expect.map(|(name, text, why)| (name, format!("[expect]\n{text}\n"), why));
        let input = [
            ("an unknown position", "[context]\nposition = \"post_gates\"", "unknown variant `post_gates`"),
            ("a phase that is no name", "[context]\nphase = \"Verify it\"", "no phase name"),
            ("an attempt that is no number", "[context]\nattempt = -1", "invalid value"),
            ("an unknown kind of change", "[[changes]]\npath = \"a\"\nkind = \"renamed\"", "unknown variant `renamed`"),
            ("a change without a kind", "[[changes]]\npath = \"a\"", "missing field `kind`"),
            ("a command without an end", "[[commands]]\nargv = [\"a\"]", "a command says one of"),
            ("a command with two ends", "[[commands]]\nargv = [\"a\"]\nexit = 0\ntimed_out = true", "a command says one of"),
            ("a document of nothing", "[documents.diff]\nmedia_type = \"text/x-diff\"", "either `text` or `file`"),
            ("a document twice", "[documents.diff]\nmedia_type = \"m\"\ntext = \"a\"\nfile = \"mod.rs\"", "either `text` or `file`"),
            ("a path", "[documents.diff]\nmedia_type = \"m\"\nfile = \"../lib.rs\"", "no file beside"),
            ("a path to here", "[documents.diff]\nmedia_type = \"m\"\nfile = \"./mod.rs\"", "no file beside"),
            ("an absolute path", "[documents.diff]\nmedia_type = \"m\"\nfile = \"/etc/passwd\"", "no file beside"),
            ("a file that is not there", "[documents.diff]\nmedia_type = \"m\"\nfile = \"absent\"", "no file beside"),
            ("an unknown table", "[contxt]\nattempt = 1", "unknown field `contxt`"),
        ];
        let input = input.map(|(name, text, why)| (name, format!("{text}\n{PASS}"), why));
        let whole = [("no [expect]", "settings = {}\n".to_owned(), "missing field `expect`"), ("no TOML", "expect".to_owned(), "TOML")];
        for (name, text, why) in expect.into_iter().chain(input).chain(whole) {
            let error = read(&text).map(|_| "it was taken").unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
        }
    }

    #[test]
    fn each_kind_has_an_answer_of_its_own() {
        let hook = [
            ("verdict = \"pass\"", "[expect] of a hook holds exactly one of `effects`"),
            ("effects = []\nfindings = [{ rule = \"r\" }]", "exactly one of `effects`"),
            ("effects = [{ effect = \"remember\", text = \"t\" }]", "missing field `kind`"),
            ("effects = [{ effect = \"remember\", kind = \"note\" }]", "unknown variant `note`"),
            ("effects = [{ effect = \"backlog\", kind = \"follow-up\" }]", "unknown variant `follow-up`"),
            ("effects = [{ effect = \"backlog\", kind = \"bug\", summary = \"s\" }]", "unknown field `summary`"),
            ("effects = [{ effect = \"forget\" }]", "unknown variant `forget`"),
        ];
        for (expect, why) in hook {
            let error = read_as(Kind::Hook, &format!("[expect]\n{expect}\n")).map(|_| "it was taken").unwrap_err();
            assert!(error.contains(why), "{expect}: {error}");
        }
        let error = read_as(Kind::Validator, "[expect]\neffects = []\n").map(|_| "it was taken").unwrap_err();
        assert!(error.contains("[expect] of a validator holds exactly one of `valid`"), "{error}");
        let kinds =
            ["bug", "security", "debt", "test", "docs", "follow_up"].map(|kind| format!("{{ effect = \"backlog\", kind = \"{kind}\" }}"));
        let memory = ["fact", "decision", "convention", "pitfall"].map(|kind| format!("{{ effect = \"remember\", kind = \"{kind}\" }}"));
        let all = format!("[expect]\neffects = [{}, {}]\n", kinds.join(", "), memory.join(", "));
        let case = read_as(Kind::Hook, &all).unwrap();
        assert!(matches!(case.expect, Expect::Effects(effects) if effects.len() == 10));
        assert_eq!(case.facts.context.position, "post_hook");
        let case = read_as(Kind::Validator, "[expect]\nvalid = false\nfindings = [{ rule = \"r\" }]\n").unwrap();
        assert!(matches!(case.expect, Expect::Valid { valid: false, findings } if findings.len() == 1));
        assert_eq!(case.facts.context.position, "validator");
    }

    #[test]
    fn every_word_of_the_host_is_taken() {
        for position in ["pre_hook", "pre_gate", "validator", "post_gate", "post_hook"] {
            let case = read(&format!("[context]\nposition = \"{position}\"\nphase = \"develop-2\"\nattempt = 3\n{PASS}")).unwrap();
            let context = case.facts.context;
            assert_eq!((&*context.position, &*context.phase, context.attempt), (position, "develop-2", 3));
        }
        for word in ["pass", "fail", "ask", "not_applicable"] {
            let case = read(&format!("[expect]\nverdict = \"{word}\"\n")).unwrap();
            assert!(matches!(case.expect, Expect::Verdict { word: read, .. } if read == word), "{word}");
        }
        let load = ["digest", "invalid", "world", "capability", "settings"].map(|word| format!("load.{word}"));
        let run =
            ["fuel", "deadline", "wall", "memory", "stack", "trap", "output", "declined", "host", "busy"].map(|word| format!("run.{word}"));
        for class in load.into_iter().chain(run) {
            let case = read(&format!("[expect]\nfault = \"{class}\"\n")).unwrap();
            assert!(matches!(case.expect, Expect::Fault(read) if read.as_str() == class), "{class}");
        }
        let rejected = read("[expect]\nsettings_rejected = true\nfindings = [{ rule = \"settings\", severity = \"high\" }]\n").unwrap();
        assert!(matches!(rejected.expect, Expect::SettingsRejected { findings } if findings.len() == 1));
        let file = read(&format!("[documents.diff]\nmedia_type = \"m\"\nfile = \"form.rs\"\n{PASS}")).unwrap();
        assert!(crate::Document::size(&*crate::Documents::open(&file.documents, "diff").unwrap()) > 0);
    }
}
