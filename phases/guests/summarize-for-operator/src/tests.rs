use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_hook_cases::<SummarizeForOperator>(env!("CARGO_MANIFEST_DIR"));
}

fn text(settings: Value, facts: &Facts, documents: &TestDocuments) -> String {
    let settings = settings_of::<SummarizeForOperator, _>(settings).unwrap();
    let effects = SummarizeForOperator::run(facts, &settings, documents).unwrap();
    let [Effect::Notify(text)] = effects.as_slice() else { panic!("{effects:?}") };
    text.clone()
}

#[test]
fn a_text_stays_short_and_hides_nothing() {
    let hostile = "\u{1b}[2J\u{202e}line\nnext ".repeat(20_000);
    let mut facts = facts((0..3_000).map(|number| modified(&format!("{number}{}", &hostile[..30]))).collect());
    facts.commands = (0..50).map(|_| command(&["sh", "-c", &hostile], End::Exited(1))).collect();
    let documents = TestDocuments::output(json!({ "changes_summary": hostile }).to_string());
    for bytes in [200, 600, 4_000] {
        let text = text(json!({ "max_bytes": bytes, "max_files": 20 }), &facts, &documents);
        assert!(text.len() <= bytes, "{}", text.len());
        assert!(!text.contains(['\n', '\u{1b}', '\u{202e}']), "{text:?}");
        assert!(text.starts_with("verify: 3000 files changed (+3000 -3000): "), "{text}");
    }
}

#[test]
fn what_the_worker_says_takes_only_what_is_left() {
    let facts = facts(vec![modified("src/a.rs")]);
    let documents = TestDocuments::output(json!({ "changes_summary": "word ".repeat(1_000) }).to_string());
    let text = text(json!({ "max_bytes": 200 }), &facts, &documents);
    assert!(text.starts_with("verify: 1 file changed (+1 -1): src/a.rs. The worker says: word word"), "{text}");
    assert!(text.len() <= 200 && text.ends_with('…'), "{text}");
}

#[test]
fn an_output_of_another_form_is_no_answer() {
    let settings = settings_of::<SummarizeForOperator, _>(json!({})).unwrap();
    for output in ["prose", "[]", "{\"changes_summary\": 3}", "{\"quality_score\": 1000}"] {
        assert!(SummarizeForOperator::run(&facts(Vec::new()), &settings, &TestDocuments::output(output)).is_err(), "{output}");
    }
}
