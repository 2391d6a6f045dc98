//! Cases: one TOML file says what a gate is given and what it must answer. The host's runner reads the same form.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{TestDocument, TestDocuments, facts};
use crate::{
    Change, ChangeKind, Command, Declined, Described, End, Facts, Finding, Gate, Manifest, Report, Settings, Severity, Verdict, settings,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
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
    expect: Expect,
}

const fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseContext {
    phase: Option<String>,
    position: Option<String>,
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
    /// Relative to the case.
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    verdict: Option<String>,
    /// Each must be found, in this order; there may be more between them.
    #[serde(default)]
    findings: Vec<ExpectedFinding>,
    #[serde(default)]
    settings_rejected: bool,
    fault: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFinding {
    rule: String,
    path: Option<String>,
    line: Option<u32>,
    severity: Option<String>,
}

#[derive(Deserialize)]
struct ManifestFile {
    name: String,
    version: String,
    summary: String,
    #[serde(default)]
    settings: Map<String, Value>,
}

/// Runs every `cases/*.toml` of a gate natively. `dir` is the guest's directory: `env!("CARGO_MANIFEST_DIR")`.
///
/// # Panics
/// As a test does, naming each case that came out otherwise; also where there is no case at all.
pub fn run_gate_cases<G: Gate + Described>(dir: impl AsRef<Path>) {
    check_manifest(G::MANIFEST);
    let mut files = toml_files(&dir.as_ref().join("cases"));
    files.sort();
    assert!(!files.is_empty(), "there is no case in {}", dir.as_ref().join("cases").display());
    let failures: Vec<String> =
        files.iter().filter_map(|file| run::<G>(file).err().map(|why| format!("{}: {why}", file.display()))).collect();
    assert!(failures.is_empty(), "{} of {} cases came out otherwise:\n{}", failures.len(), files.len(), failures.join("\n"));
}

/// Checks that the whole manifest is good TOML and says what the compiled guest says.
///
/// # Panics
/// As a test does.
pub fn check_manifest(manifest: Manifest) {
    let file = manifest_file(manifest);
    let expected = (file.name.as_str(), file.version.as_str(), file.summary.as_str());
    assert_eq!(expected, (manifest.name, manifest.version, manifest.summary), "`describe` differs from guest.toml");
}

/// The settings of a binding that says `over`.
pub(super) fn read_settings<G: Described, S: Settings>(over: &Map<String, Value>) -> Result<S, Vec<Finding>> {
    let mut merged = manifest_file(G::MANIFEST).settings;
    merged.extend(over.clone());
    settings::read(&Value::Object(merged).to_string())
}

fn manifest_file(manifest: Manifest) -> ManifestFile {
    toml::from_str(manifest.text).unwrap_or_else(|error| panic!("guest.toml: {error}"))
}

fn toml_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", dir.display())).path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

fn run<G: Gate + Described>(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let case: Case = toml::from_str(&text).map_err(|error| error.to_string())?;
    let settings: G::Settings = match (read_settings::<G, _>(&case.settings), case.expect.settings_rejected) {
        (Err(findings), true) => return case.expect.check_findings(&findings),
        (Ok(_), true) => return Err("its settings were accepted".to_owned()),
        (Err(findings), false) => return Err(format!("its settings were rejected: {findings:#?}")),
        (Ok(settings), false) => settings,
    };
    let documents = case.documents(file.parent().unwrap_or(Path::new(".")))?;
    let answer = G::evaluate(&case.facts()?, &settings, &documents);
    case.expect.check(answer)
}

impl Case {
    fn facts(&self) -> Result<Facts, String> {
        let mut facts = facts(self.changes.iter().map(CaseChange::to_change).collect());
        facts.commands = self.commands.iter().map(CaseCommand::to_command).collect::<Result<_, _>>()?;
        facts.verification_expected = self.verification_expected;
        let context = &mut facts.context;
        context.phase = self.context.phase.clone().unwrap_or_else(|| context.phase.clone());
        context.position = self.context.position.clone().unwrap_or_else(|| context.position.clone());
        context.attempt = self.context.attempt.unwrap_or(context.attempt);
        Ok(facts)
    }

    fn documents(&self, dir: &Path) -> Result<TestDocuments, String> {
        self.documents.iter().try_fold(TestDocuments::none(), |documents, (name, document)| {
            let bytes = match (&document.text, &document.file) {
                (Some(text), None) => text.clone().into_bytes(),
                (None, Some(file)) => fs::read(dir.join(file)).map_err(|error| format!("{}: {error}", file.display()))?,
                _ => return Err(format!("document `{name}`: say either `text` or `file`")),
            };
            Ok(documents.with(name, TestDocument::new(&document.media_type, bytes)))
        })
    }
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

impl Expect {
    fn check(&self, answer: Result<Verdict, Declined>) -> Result<(), String> {
        let verdict = match (answer, &self.fault) {
            (Err(_), Some(class)) if class == "run.declined" => return Ok(()),
            (Err(declined), _) => return Err(format!("it declined: {declined}")),
            (Ok(verdict), Some(class)) => return Err(format!("it answered `{}` instead of the fault {class}", verdict.word())),
            (Ok(verdict), None) => verdict,
        };
        if self.verdict.as_deref() != Some(verdict.word()) {
            return Err(format!("it answered `{}`: {verdict:?}", verdict.word()));
        }
        let (Verdict::Pass(Report { findings, .. }) | Verdict::Fail(Report { findings, .. })) = &verdict else { return Ok(()) };
        self.check_findings(findings)
    }

    fn check_findings(&self, findings: &[Finding]) -> Result<(), String> {
        let mut found = findings.iter();
        match self.findings.iter().find(|expected| !found.any(|finding| expected.fits(finding))) {
            Some(missing) => Err(format!("{missing:?} was not found among {findings:#?}")),
            None => Ok(()),
        }
    }
}

impl ExpectedFinding {
    fn fits(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && self.path.as_ref().is_none_or(|path| Some(path) == finding.path.as_ref())
            && self.line.is_none_or(|line| Some(line) == finding.line)
            && self.severity.as_ref().is_none_or(|severity| severity == word(finding.severity))
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
