//! Cases: one TOML file says what a guest is given and what it must answer. The host's runner reads the same form.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::bounds;
use super::form::{self, Case, Expect, ExpectedEffect, ExpectedFinding, FaultClass, Kind};
use crate::{Declined, Described, Effect, Finding, Gate, Hook, Manifest, Report, Settings, Validator, Verdict, settings};

#[derive(Deserialize)]
struct ManifestFile {
    name: String,
    version: String,
    summary: String,
    #[serde(default)]
    settings: Map<String, Value>,
}

/// What a guest answered.
enum Got {
    Verdict(Verdict),
    Effects(Vec<Effect>),
    Findings(Vec<Finding>),
}

/// Runs every `cases/*.toml` of a gate natively. `dir` is the guest's directory: `env!("CARGO_MANIFEST_DIR")`.
///
/// # Panics
/// As a test does, naming each case that came out otherwise; also where there is no case at all.
pub fn run_gate_cases<G: Gate + Described>(dir: impl AsRef<Path>) {
    let call = |case: &Case, settings: &G::Settings| G::evaluate(&case.facts, settings, &case.documents).map(Got::Verdict);
    run_all(G::MANIFEST, dir.as_ref(), |file| run(G::MANIFEST, Kind::Gate, file, call));
}

/// Runs every `cases/*.toml` of a hook natively, as [`run_gate_cases`] does for a gate.
///
/// # Panics
/// As a test does.
pub fn run_hook_cases<H: Hook + Described>(dir: impl AsRef<Path>) {
    let call = |case: &Case, settings: &H::Settings| H::run(&case.facts, settings, &case.documents).map(Got::Effects);
    run_all(H::MANIFEST, dir.as_ref(), |file| run(H::MANIFEST, Kind::Hook, file, call));
}

/// Runs every `cases/*.toml` of a validator natively, as [`run_gate_cases`] does for a gate.
///
/// # Panics
/// As a test does.
pub fn run_validator_cases<V: Validator + Described>(dir: impl AsRef<Path>) {
    let call = |case: &Case, settings: &V::Settings| V::validate(&case.facts.context, settings, &case.documents).map(Got::Findings);
    run_all(V::MANIFEST, dir.as_ref(), |file| run(V::MANIFEST, Kind::Validator, file, call));
}

fn run_all(manifest: Manifest, dir: &Path, run: impl Fn(&Path) -> Result<(), String>) {
    check_manifest(manifest);
    let dir = dir.join("cases");
    let mut files = toml_files(&dir);
    files.sort();
    assert!(!files.is_empty(), "there is no case in {}", dir.display());
    let failures: Vec<String> = files.iter().filter_map(|file| run(file).err().map(|why| format!("{}: {why}", file.display()))).collect();
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
pub(super) fn read_settings<S: Settings>(manifest: Manifest, over: &Map<String, Value>) -> Result<S, Vec<Finding>> {
    let mut merged = manifest_file(manifest).settings;
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

fn run<S: Settings>(manifest: Manifest, kind: Kind, file: &Path, call: impl Fn(&Case, &S) -> Result<Got, Declined>) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let case = form::parse(&text, kind, file.parent().unwrap_or(Path::new(".")))?;
    let settings: S = match (read_settings(manifest, &case.settings), &case.expect) {
        (Err(found), Expect::SettingsRejected { findings }) => return in_order(findings, &found),
        (Err(_), Expect::Fault(FaultClass::LoadSettings)) => return Ok(()),
        (Err(found), _) => return Err(format!("its settings were rejected: {found:#?}")),
        (Ok(_), Expect::SettingsRejected { .. }) => return Err("its settings were accepted".to_owned()),
        (Ok(settings), _) => settings,
    };
    judge(&case.expect, call(&case, &settings))
}

fn judge(expect: &Expect, answer: Result<Got, Declined>) -> Result<(), String> {
    match (expect, answer) {
        (Expect::Fault(FaultClass::RunDeclined), Err(_)) => Ok(()),
        (_, Err(declined)) => Err(format!("it declined: {declined}")),
        (_, Ok(Got::Effects(effects))) => judge_effects(expect, &effects),
        (Expect::Verdict { word, findings }, Ok(Got::Verdict(verdict))) if *word == verdict.word() => in_order(findings, found(&verdict)),
        (Expect::Valid { valid, findings }, Ok(Got::Findings(found))) if *valid == found.is_empty() => in_order(findings, &found),
        (Expect::Fault(class), Ok(got)) => Err(format!("it answered {} instead of the fault {}", got.shown(), class.as_str())),
        (_, Ok(got)) => Err(format!("it answered {}", got.shown())),
    }
}

fn judge_effects(expect: &Expect, effects: &[Effect]) -> Result<(), String> {
    match (expect, bounds::problem(effects)) {
        (Expect::Fault(FaultClass::RunOutput), Some(_)) => Ok(()),
        (_, Some(problem)) => Err(format!("the host would refuse its answer: {problem}")),
        (Expect::Effects(expected), None) => exactly(expected, effects),
        (Expect::Fault(class), None) => Err(format!("it answered {effects:#?} instead of the fault {}", class.as_str())),
        (_, None) => Err(format!("it answered {effects:#?}")),
    }
}

/// Whether these are the effects, in this order, and no others.
fn exactly(expected: &[ExpectedEffect], effects: &[Effect]) -> Result<(), String> {
    let same = expected.len() == effects.len() && expected.iter().zip(effects).all(|(expected, effect)| expected.fits(effect));
    if same { Ok(()) } else { Err(format!("{expected:#?} was expected, not {effects:#?}")) }
}

impl Got {
    fn shown(&self) -> String {
        match self {
            Self::Verdict(verdict) => format!("`{}`: {verdict:?}", verdict.word()),
            Self::Effects(effects) => format!("{effects:#?}"),
            Self::Findings(found) if found.is_empty() => "no findings".to_owned(),
            Self::Findings(found) => format!("{found:#?}"),
        }
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
    use crate::{BacklogItem, BacklogKind, Memory, MemoryKind};

    fn judged(expect: &str, answer: Result<Verdict, Declined>) -> Result<(), String> {
        judge(&case(Kind::Gate, expect).expect, answer.map(Got::Verdict))
    }

    fn case(kind: Kind, expect: &str) -> Case {
        form::parse(&format!("[expect]\n{expect}\n"), kind, Path::new(".")).unwrap()
    }

    #[test]
    fn effects_have_to_be_exactly_the_expected_ones() {
        let memory = || Effect::Remember(Memory::new(MemoryKind::Pitfall, "text").at("a.rs"));
        let item = || Effect::Backlog(BacklogItem::new(BacklogKind::FollowUp, crate::Severity::High, "title").detail("detail"));
        let remember = r#"{ effect = "remember", kind = "pitfall", text = "text", path = "a.rs" }"#;
        let backlog = r#"{ effect = "backlog", kind = "follow_up", severity = "high", title = "title", detail = "detail" }"#;
        let table = [
            ("none", "", vec![], true),
            ("one that is not expected", "", vec![memory()], false),
            ("in full", remember, vec![memory()], true),
            ("the kind alone", r#"{ effect = "remember", kind = "pitfall" }"#, vec![memory()], true),
            ("another kind", r#"{ effect = "remember", kind = "fact" }"#, vec![memory()], false),
            ("another path", r#"{ effect = "remember", kind = "pitfall", path = "b.rs" }"#, vec![memory()], false),
            ("both", &format!("{remember}, {backlog}"), vec![memory(), item()], true),
            ("the other way round", &format!("{backlog}, {remember}"), vec![memory(), item()], false),
            ("one is missing", &format!("{remember}, {backlog}"), vec![memory()], false),
            ("another severity", r#"{ effect = "backlog", kind = "follow_up", severity = "low" }"#, vec![item()], false),
            ("a path where there is none", r#"{ effect = "backlog", kind = "follow_up", path = "a" }"#, vec![item()], false),
            ("a note", r#"{ effect = "annotate", name = "n", value = "1" }"#, vec![Effect::annotate("n", 1)], true),
            ("another value", r#"{ effect = "annotate", name = "n", value = "2" }"#, vec![Effect::annotate("n", 1)], false),
            ("a message", r#"{ effect = "notify" }"#, vec![Effect::Notify("m".to_owned())], true),
        ];
        for (name, expected, effects, good) in table {
            let case = case(Kind::Hook, &format!("effects = [{expected}]"));
            let judged = judge(&case.expect, Ok(Got::Effects(effects)));
            assert_eq!(judged.is_ok(), good, "{name}: {judged:?}");
        }
        let absurd = || Ok(Got::Effects(vec![memory(); 51]));
        assert!(judge(&case(Kind::Hook, "fault = \"run.output\"").expect, absurd()).is_ok());
        assert!(judge(&case(Kind::Hook, "fault = \"run.declined\"").expect, absurd()).is_err());
        assert!(judge(&case(Kind::Hook, "fault = \"run.declined\"").expect, Err(Declined::from(""))).is_ok());
        assert!(judge(&case(Kind::Hook, "fault = \"run.declined\"").expect, Ok(Got::Effects(Vec::new()))).is_err());
    }

    #[test]
    fn an_output_is_valid_where_nothing_is_found() {
        let found = || vec![Finding::new("a", crate::Severity::Low, "m").at("/b")];
        let table = [
            ("valid = true", vec![], true),
            ("valid = true", found(), false),
            ("valid = false", vec![], false),
            ("valid = false", found(), true),
            ("valid = false\nfindings = [{ rule = \"a\", path = \"/b\" }]", found(), true),
            ("valid = false\nfindings = [{ rule = \"b\" }]", found(), false),
        ];
        for (expect, found, good) in table {
            let judged = judge(&case(Kind::Validator, expect).expect, Ok(Got::Findings(found)));
            assert_eq!(judged.is_ok(), good, "{expect}: {judged:?}");
        }
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
