//! Cases: one TOML file says what a gate is given and what it must answer. The host's runner reads the same form.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::form::{self, Expect, ExpectedFinding, FaultClass};
use crate::{Declined, Described, Finding, Gate, Manifest, Report, Settings, Verdict, settings};

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
    let case = form::parse(&text, file.parent().unwrap_or(Path::new(".")))?;
    let settings: G::Settings = match (read_settings::<G, _>(&case.settings), &case.expect) {
        (Err(found), Expect::SettingsRejected { findings }) => return in_order(findings, &found),
        (Err(_), Expect::Fault(FaultClass::LoadSettings)) => return Ok(()),
        (Err(found), _) => return Err(format!("its settings were rejected: {found:#?}")),
        (Ok(_), Expect::SettingsRejected { .. }) => return Err("its settings were accepted".to_owned()),
        (Ok(settings), _) => settings,
    };
    judge(&case.expect, G::evaluate(&case.facts, &settings, &case.documents))
}

fn judge(expect: &Expect, answer: Result<Verdict, Declined>) -> Result<(), String> {
    match (expect, answer) {
        (Expect::Fault(FaultClass::RunDeclined), Err(_)) => Ok(()),
        (Expect::Verdict { word, findings }, Ok(verdict)) if *word == verdict.word() => in_order(findings, found(&verdict)),
        (Expect::Fault(class), Ok(verdict)) => Err(format!("it answered `{}` instead of the fault {}", verdict.word(), class.as_str())),
        (_, Ok(verdict)) => Err(format!("it answered `{}`: {verdict:?}", verdict.word())),
        (_, Err(declined)) => Err(format!("it declined: {declined}")),
    }
}

const fn found(verdict: &Verdict) -> &[Finding] {
    match verdict {
        Verdict::Pass(Report { findings, .. }) | Verdict::Fail(Report { findings, .. }) => findings.as_slice(),
        Verdict::Ask(_) | Verdict::NotApplicable(_) => &[],
    }
}

/// Whether each is found, in this order; there may be more between them.
fn in_order(expected: &[ExpectedFinding], found: &[Finding]) -> Result<(), String> {
    let mut left = found.iter();
    match expected.iter().find(|expected| !left.any(|finding| expected.fits(finding))) {
        Some(missing) => Err(format!("{missing:?} was not found among {found:#?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(expect: &str, answer: Result<Verdict, Declined>) -> Result<(), String> {
        let case = form::parse(&format!("[expect]\n{expect}\n"), Path::new("."))?;
        judge(&case.expect, answer)
    }

    #[test]
    fn an_answer_has_to_be_the_expected_one() {
        let found = |rules: &[&str]| Report::new(rules.iter().map(|rule| Finding::new(*rule, crate::Severity::Low, "m")).collect());
        let in_order = "verdict = \"fail\"\nfindings = [{ rule = \"a\" }, { rule = \"c\", severity = \"low\" }]";
        let table = [
            ("the verdict", "verdict = \"pass\"", Ok(Verdict::Pass(found(&[]))), true),
            ("another verdict", "verdict = \"pass\"", Ok(Verdict::Fail(found(&["a"]))), false),
            ("more between", in_order, Ok(Verdict::Fail(found(&["a", "b", "c"]))), true),
            ("out of order", in_order, Ok(Verdict::Fail(found(&["c", "a"]))), false),
            ("once where twice is expected", in_order, Ok(Verdict::Fail(found(&["a"]))), false),
            ("findings of a pass", "verdict = \"pass\"\nfindings = [{ rule = \"a\" }]", Ok(Verdict::Pass(found(&["a"]))), true),
            (
                "findings where an answer has none",
                "verdict = \"not_applicable\"\nfindings = [{ rule = \"a\" }]",
                Ok(Verdict::not_applicable("")),
                false,
            ),
            ("the fault", "fault = \"run.declined\"", Err(Declined::from("")), true),
            ("another fault", "fault = \"run.fuel\"", Err(Declined::from("")), false),
            ("an answer for a fault", "fault = \"run.declined\"", Ok(Verdict::Fail(found(&["a"]))), false),
            ("a fault for an answer", "verdict = \"fail\"", Err(Declined::from("")), false),
        ];
        for (name, expect, answer, good) in table {
            let judged = judged(expect, answer);
            assert_eq!(judged.is_ok(), good, "{name}: {judged:?}");
        }
    }
}
