use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_hook_cases::<ExtractBacklog>(env!("CARGO_MANIFEST_DIR"));
}

fn effects(settings: Value, output: &Value) -> Result<Vec<Effect>, Declined> {
    let settings = settings_of::<ExtractBacklog, _>(settings).unwrap();
    ExtractBacklog::run(&facts(Vec::new()), &settings, &TestDocuments::output(output.to_string()))
}

fn finding(severity: &str, summary: &str, path: Value) -> Value {
    json!({ "severity": severity, "summary": summary, "path": path })
}

#[test]
fn a_threshold_is_the_least_that_is_kept() {
    let findings = ["info", "low", "medium", "high", "critical"].map(|word| finding(word, word, Value::Null));
    let output = json!({ "security_findings": findings });
    for (min, kept) in [("info", 5), ("low", 4), ("medium", 3), ("high", 2), ("critical", 1)] {
        assert_eq!(effects(json!({ "min_severity": min }), &output).unwrap().len(), kept, "{min}");
    }
}

#[test]
fn too_many_items_keep_the_worst_and_are_counted() {
    let mut findings: Vec<Value> = (0..250).map(|number| finding("low", &format!("low {number}"), Value::Null)).collect();
    findings.push(finding("critical", "the worst", Value::Null));
    let effects = effects(json!({}), &json!({ "security_findings": findings })).unwrap();
    assert_eq!(effects.len(), BACKLOG_ITEMS + 1);
    assert!(matches!(&effects[0], Effect::Backlog(item) if item.title == "the worst"));
    assert_eq!(effects[BACKLOG_ITEMS], Effect::annotate("backlog_left_out", 151));
}

#[test]
fn hostile_words_stay_in_bounds() {
    let huge = "é\n".repeat(200_000);
    let table = [
        ("a huge summary", finding("high", &huge, json!("a.rs")), Some("a.rs")),
        ("a huge path", finding("high", "s", json!("p/".repeat(10_000))), None),
        ("an empty path", finding("high", "s", json!("")), None),
        ("a path with a line feed", finding("high", "s", json!("a\nb")), Some("a\nb")),
        ("escapes", finding("high", "\u{1b}[2J\u{202e}title\r\nnext", Value::Null), None),
        ("no words", finding("high", " \n ", Value::Null), None),
    ];
    for (name, finding, path) in table {
        let effects = effects(json!({}), &json!({ "security_findings": [finding] })).unwrap();
        let [Effect::Backlog(item)] = effects.as_slice() else { panic!("{name}: {effects:?}") };
        assert_eq!(item.path.as_deref(), path, "{name}");
        assert!(!item.title.is_empty() && item.title.len() <= 200 && !item.title.contains(['\n', '\r', '\u{1b}']), "{name}: {item:?}");
        assert!(item.detail.len() <= 8_000, "{name}");
    }
}

#[test]
fn what_has_another_form_is_no_answer() {
    for output in [
        json!({ "security_findings": "none" }),
        json!({ "security_findings": [{ "severity": "terrible", "summary": "s", "path": null }] }),
        json!({ "security_findings": [{ "severity": "low" }] }),
        json!({ "security_findings": null }),
        json!({ "architecture_violations": [1] }),
        json!(["security_findings"]),
    ] {
        assert!(effects(json!({}), &output).is_err(), "{output}");
    }
}
