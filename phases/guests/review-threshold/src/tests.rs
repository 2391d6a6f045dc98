use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<ReviewThreshold>(env!("CARGO_MANIFEST_DIR"));
}

fn evaluate(settings: Value, output: impl AsRef<[u8]>) -> Result<Verdict, Declined> {
    let settings = settings_of::<ReviewThreshold, _>(settings).unwrap();
    ReviewThreshold::evaluate(&facts(Vec::new()), &settings, &TestDocuments::output(output))
}

fn review(severities: &[&str], score: u64, compliance: &str) -> Value {
    let findings: Vec<Value> = severities.iter().map(|word| json!({ "severity": word, "summary": "s", "path": null })).collect();
    json!({ "security_findings": findings, "quality_score": score, "compliance_status": compliance })
}

#[test]
fn a_limit_is_the_last_that_is_allowed() {
    let table = [
        (json!({}), review(&[], 70, "compliant"), "pass"),
        (json!({}), review(&[], 69, "compliant"), "fail"),
        (json!({}), review(&["info", "low", "medium"], 100, "compliant"), "pass"),
        (json!({}), review(&["info", "high"], 100, "compliant"), "fail"),
        (json!({}), review(&["critical"], 100, "compliant"), "fail"),
        (json!({}), review(&[], 100, "conditional"), "fail"),
        (json!({}), review(&[], 100, "non_compliant"), "fail"),
        (json!({ "compliance": ["compliant", "conditional"] }), review(&[], 100, "conditional"), "pass"),
        (json!({ "max_severity": "info" }), review(&["low"], 100, "compliant"), "fail"),
        (json!({ "max_severity": null }), review(&["critical"], 100, "compliant"), "pass"),
        (json!({ "min_quality_score": 0 }), review(&[], 0, "compliant"), "pass"),
        (json!({ "min_quality_score": 100 }), review(&[], 99, "compliant"), "fail"),
    ];
    for (settings, output, word) in table {
        assert_eq!(evaluate(settings.clone(), output.to_string()).unwrap().word(), word, "{settings} {output}");
    }
}

#[test]
fn what_is_no_review_in_full_never_passes() {
    let good = review(&["low"], 100, "compliant");
    let without = |key: &str| {
        let mut review = good.clone();
        review.as_object_mut().unwrap().remove(key);
        review.to_string()
    };
    let with = |key: &str, value: Value| {
        let mut review = good.clone();
        review[key] = value;
        review.to_string()
    };
    let deep = "[".repeat(100_000);
    let huge = with("compliance_status", json!("x".repeat(2_000_000)));
    let outputs = [
        without("security_findings"),
        without("quality_score"),
        without("compliance_status"),
        with("verdict", json!("approved")),
        with("security_findings", Value::Null),
        with("security_findings", json!({})),
        with("security_findings", json!([{ "severity": "low", "summary": "s" , "path": null, "ok": true }])),
        with("security_findings", json!([{ "severity": "none", "summary": "s", "path": null }])),
        with("quality_score", json!(101)),
        with("quality_score", json!(256)),
        with("quality_score", json!(-1)),
        with("quality_score", json!(99.5)),
        with("quality_score", json!("100")),
        with("compliance_status", json!("Compliant")),
        with("compliance_status", json!("compliant ")),
        r#"{"quality_score": 10, "quality_score": 100, "security_findings": [], "compliance_status": "compliant"}"#.to_owned(),
        format!("{good} {good}"),
        json!([[], 100, "compliant"]).to_string(),
        "LGTM".to_owned(),
        String::new(),
        deep,
        huge,
    ];
    for output in outputs {
        let shown: String = output.chars().take(200).collect();
        assert!(evaluate(json!({}), &output).is_err(), "{shown}");
    }
}

#[test]
fn what_a_review_says_is_shown_cut_and_escaped() {
    let finding = json!({ "severity": "critical", "summary": "\u{1b}[2Jline\nnext ".repeat(500), "path": "a\nb" });
    let output = json!({ "security_findings": vec![finding; 30], "quality_score": 100, "compliance_status": "compliant" });
    let Verdict::Fail(report) = evaluate(json!({}), output.to_string()).unwrap() else { panic!("it passed") };
    let first = &report.findings[0];
    assert_eq!((first.severity, first.path.as_deref()), (Severity::Critical, Some("a b")));
    assert!(first.message.len() < 300 && first.message.contains("\\u{1b}[2Jline next"), "{}", first.message);
}

#[test]
fn settings_that_judge_nothing_are_refused() {
    let all = json!(["compliant", "conditional", "non_compliant"]);
    for max in [json!("critical"), Value::Null] {
        let settings = json!({ "min_quality_score": 0, "max_severity": max, "compliance": all });
        let problems = settings_of::<ReviewThreshold, ReviewThresholdSettings>(settings).unwrap_err();
        assert!(problems[0].contains("this judges nothing"), "{problems:?}");
    }
    assert!(settings_of::<ReviewThreshold, ReviewThresholdSettings>(json!({ "min_quality_score": 0, "max_severity": null })).is_ok());
}
