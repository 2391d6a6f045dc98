use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_hook_cases::<DistillMemory>(env!("CARGO_MANIFEST_DIR"));
}

fn effects(settings: Value, output: &Value) -> Result<Vec<Effect>, Declined> {
    let settings = settings_of::<DistillMemory, _>(settings).unwrap();
    DistillMemory::run(&facts(Vec::new()), &settings, &TestDocuments::output(output.to_string()))
}

#[test]
fn what_says_too_little_or_hides_something_is_left_out_and_counted() {
    let table = [
        ("nineteen characters", "x".repeat(19), false),
        ("twenty", "x".repeat(20), true),
        ("twenty that are no ASCII", "é".repeat(20), true),
        ("blanks around", format!("  {}  ", "x".repeat(18)), false),
        ("several lines", "Handlers return the error type.\n\tNever a string.".to_owned(), true),
        ("a bidirectional control", format!("{}\u{202e}", "x".repeat(30)), false),
        ("a zero-width space", format!("{}\u{200b}", "x".repeat(30)), false),
        ("an escape", format!("{}\u{1b}[2J", "x".repeat(30)), false),
        ("a tag character", format!("{}\u{e0041}", "x".repeat(30)), false),
    ];
    for (name, text, kept) in table {
        let effects = effects(json!({}), &json!({ "design_decisions": [text] })).unwrap();
        let expected = if kept { "remember" } else { "annotate" };
        assert!(matches!(effects.as_slice(), [effect] if effect.word() == expected), "{name}: {effects:?}");
    }
}

#[test]
fn a_text_becomes_one_line_within_the_bounds() {
    let told = format!("first\nsecond\r\n\tthird {}", "é ".repeat(100_000));
    let effects = effects(json!({}), &json!({ "pattern_compliance": told })).unwrap();
    let [Effect::Remember(memory)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(memory.text.starts_with("first second third é") && memory.text.len() <= MEMORY_TEXT, "{}", memory.text.len());
    assert!(!memory.text.contains(['\n', '\r', '\t']));
}

#[test]
fn a_flood_keeps_what_comes_first() {
    let decisions: Vec<String> = (0..20_000).map(|number| format!("decision number {number} of many")).collect();
    let effects = effects(json!({ "max_items": 50 }), &json!({ "design_decisions": decisions })).unwrap();
    assert_eq!(effects.len(), 51);
    assert_eq!(effects[50], Effect::annotate("memory_left_out", 19_950));
}

#[test]
fn what_has_another_form_is_no_answer() {
    for output in [json!({ "design_decisions": "none" }), json!({ "risk_assessment": 3 }), json!([]), json!({ "security_findings": [{}] })]
    {
        assert!(effects(json!({}), &output).is_err(), "{output}");
    }
}
