use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<TestTouch>(env!("CARGO_MANIFEST_DIR"));
}

fn evaluate(settings: Value, changes: Vec<Change>) -> Verdict {
    // No test is looked for in the source itself: paths alone decide.
    let mut without = json!({ "inline": [] });
    without.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings = settings_of::<TestTouch, _>(without).unwrap();
    TestTouch::evaluate(&facts(changes), &settings, &TestDocuments::none()).unwrap()
}

#[test]
fn paths_say_what_is_source_and_what_is_a_test() {
    let source = ["src/main.rs", "lib/app.py", "web/App.tsx", "cmd/main.go", "A.java", "src/latest.js", "contest.py", "src/testing.rs"];
    let tests = [
        "tests/it.rs",
        "src/a/tests.rs",
        "api/tests/test_a.py",
        "test_a.py",
        "a_test.go",
        "src/a.test.ts",
        "src/__tests__/a.js",
        "src/test/java/ATest.java",
        "spec/a_spec.rb",
    ];
    let neither = ["README.md", "Cargo.toml", "build.rs", "types.d.ts", "vite.config.ts", "tests.md"];
    for path in source {
        assert_eq!(evaluate(json!({}), vec![modified(path)]).word(), "fail", "{path} is source");
        assert_eq!(evaluate(json!({ "answer": "ask" }), vec![modified(path)]).word(), "ask", "{path} is source");
    }
    for path in tests {
        assert_eq!(evaluate(json!({}), vec![modified("src/main.rs"), modified(path)]).word(), "pass", "{path} is a test");
        assert_eq!(evaluate(json!({}), vec![modified("src/main.rs"), deleted(path)]).word(), "fail", "{path} is gone");
        assert_eq!(evaluate(json!({}), vec![modified(path)]).word(), "not_applicable", "{path} alone");
    }
    for path in neither {
        assert_eq!(evaluate(json!({}), vec![modified(path)]).word(), "not_applicable", "{path} is neither");
    }
}

fn in_source(line: &str) -> Result<Verdict, Declined> {
    let settings = settings_of::<TestTouch, _>(json!({})).unwrap();
    let diff = format!("diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1,2 @@\n one\n{line}\n");
    TestTouch::evaluate(&facts(vec![modified("src/a.rs")]), &settings, &TestDocuments::diff(diff))
}

#[test]
fn a_mark_in_source_is_a_test_where_it_begins_an_added_line() {
    let table = [
        ("+    #[test]", "pass"),
        ("+#[tokio::test]", "pass"),
        ("+    // #[test]", "fail"),
        ("+    \"#[test]\"", "fail"),
        ("+    #[testing]", "fail"),
    ];
    for (line, word) in table {
        assert_eq!(in_source(line).unwrap().word(), word, "{line}");
    }
    assert!(in_source(" #[test]").is_err(), "the diff lacks a line that was counted");
}

#[test]
fn without_every_line_there_is_no_answer() {
    let settings = settings_of::<TestTouch, _>(json!({})).unwrap();
    for diff in ["", "prose\n", "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1,2 @@\n one\n"] {
        let answer = TestTouch::evaluate(&facts(vec![modified("src/a.rs")]), &settings, &TestDocuments::diff(diff));
        assert!(answer.is_err(), "{diff}");
    }
    assert!(TestTouch::evaluate(&facts(vec![modified("src/a.rs")]), &settings, &TestDocuments::none()).is_err());
}

#[test]
fn many_files_keep_the_answer_small() {
    let many = |prefix: &str| (0..3_000).map(|number| modified(&format!("{prefix}{number}.rs"))).collect();
    let Verdict::Fail(report) = evaluate(json!({}), many("src/a")) else { panic!("it passed") };
    assert_eq!(report.findings.len(), NAMED);
    let Verdict::Ask(question) = evaluate(json!({ "answer": "ask" }), many("src/\u{202e}\n")) else { panic!("no question") };
    assert!(question.len() <= QUESTION && !question.contains(['\n', '\u{202e}']), "{question}");
}
