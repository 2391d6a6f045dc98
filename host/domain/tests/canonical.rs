//! Canonical JSON and the plan hash against vectors that another implementation made.
#![allow(clippy::unwrap_used, reason = "tests")]

use orc_domain::plan::{PlanDocument, differences};
use orc_domain::{Digest, canonical_json};
use serde_json::json;

/// RFC 8785, section 3.2.2 and appendix: sorted by UTF-16 code units, shortest numbers, minimal escapes.
#[test]
fn the_rfcs_own_examples() {
    let input: serde_json::Value = serde_json::from_str(
        r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#,
    )
    .unwrap();
    let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(String::from_utf8(canonical_json(&input).unwrap()).unwrap(), expected);
    let keys = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
    let text = String::from_utf8(canonical_json(&keys).unwrap()).unwrap();
    assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}");
}

/// `tests/vectors/plan.json` is a plan document, `plan.sha256` what `tests/vectors/make.py` (Trail of Bits' `rfc8785`, Python's hashlib)
/// says of it.
#[test]
fn the_plan_hash_is_what_an_independent_implementation_says() {
    let document: PlanDocument = serde_json::from_str(include_str!("vectors/plan.json")).unwrap();
    let expected: Digest = include_str!("vectors/plan.sha256").trim().parse().unwrap();
    assert_eq!(document.hash().unwrap(), expected);
}

/// Every leaf and every key of the document takes part in the hash.
#[test]
fn each_change_of_the_document_changes_the_hash_and_is_named() {
    let value: serde_json::Value = serde_json::from_str(include_str!("vectors/plan.json")).unwrap();
    let document: PlanDocument = serde_json::from_value(value.clone()).unwrap();
    let hash = document.hash().unwrap();
    let mut leaves = Vec::new();
    collect(&value, String::new(), &mut leaves);
    assert!(leaves.len() > 80, "the vector fills every field: {}", leaves.len());
    for pointer in leaves {
        let mut changed = value.clone();
        let leaf = changed.pointer_mut(&pointer).unwrap();
        *leaf = mutated(leaf);
        assert_ne!(Digest::of_canonical(&changed).unwrap(), hash, "{pointer}");
        let named: Vec<String> = differences(&value, &changed).into_iter().map(|difference| difference.pointer).collect();
        assert_eq!(named, [pointer]);
    }
}

fn collect(value: &serde_json::Value, at: String, leaves: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                collect(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), leaves);
            }
        }
        serde_json::Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{at}/{index}"), leaves);
            }
        }
        _ => leaves.push(at),
    }
}

fn mutated(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Bool(b) => json!(!b),
        serde_json::Value::Number(n) => json!(n.as_u64().unwrap() + 1),
        serde_json::Value::String(s) => json!(format!("{s}x")),
        _ => json!("something"),
    }
}
