use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<DependencyGuard>(env!("CARGO_MANIFEST_DIR"));
}

fn evaluate(settings: Value, changes: Vec<Change>, diff: &str) -> Verdict {
    let settings = settings_of::<DependencyGuard, _>(settings).unwrap();
    DependencyGuard::evaluate(&facts(changes), &settings, &TestDocuments::diff(diff)).unwrap()
}

/// Lines, each with the name that is found in it.
type Lines = [(&'static str, Option<&'static str>)];

#[test]
fn lines_are_named_by_their_look() {
    let table: &[(&str, &Lines)] = &[
        (
            "Cargo.toml",
            &[
                ("serde = \"1\"", Some("serde")),
                ("serde_json = { version = \"1\", features = [\"raw_value\"] }", Some("serde_json")),
                ("orc-guest.workspace = true", Some("orc-guest")),
                ("orc-guest = { path = \"../sdk\" }", Some("orc-guest")),
                ("\"quoted\" = \"^1.2\"", Some("quoted")),
                ("version = \"1.0.0\"", None),
                ("edition = \"2024\"", None),
                ("name = \"app\"", None),
                ("description = \"does = things\"", None),
                ("[dependencies]", None),
                ("# serde = \"1\"", None),
                ("", None),
            ],
        ),
        (
            "api/pyproject.toml",
            &[("    \"requests[socks]>=2.31\",", Some("requests")), ("  \"tests\",", None), ("requires-python = \">=3.12\"", None)],
        ),
        (
            "package.json",
            &[
                ("    \"left-pad\": \"^1.3.0\",", Some("left-pad")),
                ("    \"@scope/pkg\": \"workspace:*\"", Some("@scope/pkg")),
                ("    \"fork\": \"git+ssh://git@example.org/a.git\"", Some("fork")),
                ("  \"version\": \"1.2.3\",", None),
                ("  \"test\": \"vitest run\",", None),
                ("  \"dependencies\": {", None),
            ],
        ),
        ("requirements-dev.txt", &[("Django==5.0", Some("Django")), ("flask", Some("flask")), ("# flask", None), ("-r base.txt", None)]),
        ("requirements/base.txt", &[("uvicorn[standard]~=0.3", Some("uvicorn"))]),
        (
            "go.mod",
            &[
                ("\tgolang.org/x/sync v0.7.0", Some("golang.org/x/sync")),
                ("require example.org/a v1.0.0 // indirect", Some("example.org/a")),
                ("go 1.22", None),
                ("module example.org/app", None),
            ],
        ),
        ("Gemfile", &[("gem \"rails\", \"~> 7\"", Some("rails")), ("gem 'puma'", Some("puma")), ("source \"https://rubygems.org\"", None)]),
        ("pom.xml", &[("  <artifactId>guava</artifactId>", Some("guava")), ("  <version>1</version>", None)]),
        (
            "build.gradle.kts",
            &[("implementation(\"com.example:lib:1.2\")", Some("com.example:lib:1.2")), ("maven { url \"https://a.example/b\" }", None)],
        ),
    ];
    for (path, lines) in table {
        let form = names::form(path).unwrap_or_else(|| panic!("{path} has no form"));
        for (line, expected) in *lines {
            assert_eq!(names::name(form, line.as_bytes()), *expected, "{path}: {line}");
        }
    }
    for path in ["Cargo.lock", "package-lock.json", "go.sum", "notes.txt", "src/main.rs"] {
        assert_eq!(names::form(path), None, "{path}");
    }
    assert_eq!(names::name(names::Form::Toml, b"a\xff = \"1\""), None);
}

#[test]
fn manifests_of_every_language_are_guarded() {
    let guarded = [
        "Cargo.toml",
        "a/b/Cargo.lock",
        "web/package.json",
        "yarn.lock",
        "pyproject.toml",
        "requirements.txt",
        "requirements-dev.txt",
        "go.mod",
        "go.sum",
        "pom.xml",
        "app/build.gradle.kts",
        "Gemfile.lock",
        "composer.json",
        "src/App.csproj",
    ];
    for path in guarded {
        for change in [added(path), modified(path), deleted(path)] {
            let verdict = evaluate(json!({}), vec![change, modified("src/main.rs")], "");
            let Verdict::Fail(report) = verdict else { panic!("{path}: {verdict:?}") };
            assert_eq!(report.findings[0].path.as_deref(), Some(path));
        }
        assert_eq!(evaluate(json!({ "allow": ["**"] }), vec![modified(path)], "").word(), "pass");
    }
    for path in ["src/Cargo.toml.rs", "docs/requirements.md", "package.json.bak", "src/main.rs", "cargo.toml.txt"] {
        assert_eq!(evaluate(json!({}), vec![modified(path)], "").word(), "pass", "{path}");
    }
}

#[test]
fn a_diff_that_cannot_be_read_takes_names_away_and_no_verdict() {
    let head = "diff --git a/Cargo.toml b/Cargo.toml\n--- a/Cargo.toml\n+++ b/Cargo.toml\n@@ -1 +1,3 @@\n x\n+serde = \"1\"\n";
    for (diff, findings) in [("prose", 1), (head, 2), ("", 1)] {
        let Verdict::Fail(report) = evaluate(json!({}), vec![modified("Cargo.toml")], diff) else { panic!("{diff} passed") };
        assert_eq!(report.findings.len(), findings, "{diff}");
    }
    let settings = settings_of::<DependencyGuard, _>(json!({})).unwrap();
    let verdict = DependencyGuard::evaluate(&facts(vec![modified("go.mod")]), &settings, &TestDocuments::none()).unwrap();
    assert_eq!(verdict.word(), "fail");
}

#[test]
fn answers_stay_small_and_hide_nothing() {
    let lines: String = (0..50_000).map(|number| format!("+dep{number} = \"1\"\n")).collect();
    let diff = format!("diff --git a/Cargo.toml b/Cargo.toml\n--- a/Cargo.toml\n+++ b/Cargo.toml\n@@ -0,0 +1,50000 @@\n{lines}");
    let Verdict::Fail(report) = evaluate(json!({}), vec![modified("Cargo.toml")], &diff) else { panic!("it passed") };
    assert_eq!(report.findings.len(), NAMED + 1);
    let many = (0..2_000).map(|number| modified(&format!("a\n\u{202e}{number}/Cargo.toml"))).collect();
    let Verdict::Ask(question) = evaluate(json!({ "answer": "ask" }), many, &diff) else { panic!("no question") };
    assert!(question.len() <= QUESTION && !question.contains(['\n', '\u{202e}']), "{question}");
    assert!(question.starts_with("May these 2000 files"), "{question}");
}
