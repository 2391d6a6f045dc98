use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<OutputsMatchDiff>(env!("CARGO_MANIFEST_DIR"));
}

fn evaluate(settings: Value, changed: &[&str], output: &Value) -> Result<Verdict, Declined> {
    let settings = settings_of::<OutputsMatchDiff, _>(settings).unwrap();
    let facts = facts(changed.iter().map(|path| modified(path)).collect());
    OutputsMatchDiff::evaluate(&facts, &settings, &TestDocuments::output(output.to_string()))
}

#[test]
fn names_are_compared_as_git_says_them() {
    let table: &[(&str, &[&str], &[&str], bool)] = &[
        ("the same", &["src/a.rs", "b"], &["b", "src/a.rs"], true),
        ("nothing and nothing", &[], &[], true),
        ("twice", &["a"], &["a", "a"], true),
        ("from here", &["a"], &["./a"], true),
        ("from the root", &["a"], &["/a"], false),
        ("from above", &["a"], &["../project/a"], false),
        ("a directory", &["src/a.rs"], &["src/"], false),
        ("another case", &["README.md"], &["readme.md"], false),
        ("a line feed in the name", &["a\nb"], &["a\nb"], true),
        ("two names in one", &["a", "b"], &["a\nb"], false),
        ("a blank more", &["a"], &["a "], false),
        ("another way to write é", &["caf\u{e9}"], &["cafe\u{301}"], false),
        ("a lock file that nobody claims", &["a", "deep/Cargo.lock"], &["a"], true),
        ("a lock file that somebody claims", &["a", "Cargo.lock"], &["a", "Cargo.lock"], true),
    ];
    for (name, changed, claimed, passes) in table {
        let verdict = evaluate(json!({}), changed, &json!({ "files_modified": claimed })).unwrap();
        assert_eq!(verdict.word(), if *passes { "pass" } else { "fail" }, "{name}: {verdict:?}");
    }
}

#[test]
fn what_has_another_form_is_no_answer() {
    for output in [
        json!({}),
        json!({ "files_modified": null }),
        json!({ "files_modified": "a" }),
        json!({ "files_modified": [1] }),
        json!({ "files_modified": { "a": true } }),
        json!([["a"]]),
    ] {
        assert!(evaluate(json!({}), &["a"], &output).is_err(), "{output}");
    }
}

#[test]
fn a_flood_of_claims_keeps_the_answer_small() {
    let claims = |count: u32| -> Vec<String> { (0..count).map(|number| format!("no/such/file/{number}")).collect() };
    let Verdict::Fail(report) = evaluate(json!({}), &["a"], &json!({ "files_modified": claims(5_000) })).unwrap() else {
        panic!("it passed")
    };
    assert_eq!(report.findings.len(), NAMED + 1);
    assert!(report.annotations.iter().any(|note| note.name == "unchanged" && note.value == "5000"));
    let Verdict::Fail(report) = evaluate(json!({}), &["a"], &json!({ "files_modified": claims(40_000) })).unwrap() else {
        panic!("it passed")
    };
    assert_eq!((report.findings.len(), report.findings[0].rule.as_str()), (1, "too-many-claims"));
    let long = "\u{202e}x".repeat(100_000);
    let Verdict::Fail(report) = evaluate(json!({}), &[], &json!({ "files_modified": [long] })).unwrap() else { panic!("it passed") };
    let path = report.findings[0].path.as_deref().unwrap();
    assert!(path.len() <= SHOWN && path.starts_with("\\u{202e}x"), "{path}");
}
