use orc_guest::testing::*;
use serde_json::json;

use super::*;

#[test]
fn cases() {
    run_validator_cases::<JsonSchema>(env!("CARGO_MANIFEST_DIR"));
}

fn validate(schema: impl AsRef<[u8]>, output: impl AsRef<[u8]>) -> Result<Vec<Finding>, Declined> {
    let schema = TestDocument::new("application/schema+json", schema);
    let documents = TestDocuments::output(output).with("schema", schema);
    JsonSchema::validate(&facts(Vec::new()).context, &NoSettings {}, &documents)
}

fn found(schema: &Value, output: &Value) -> Vec<String> {
    let findings = validate(schema.to_string(), output.to_string()).unwrap();
    findings.into_iter().map(|finding| format!("{} {}", finding.rule, finding.path.unwrap_or_default())).collect()
}

/// The schemas that ORC ships are all understood.
#[test]
fn the_stock_schemas_are_known() {
    let schemas = [
        include_str!("../../../schemas/architect.json"),
        include_str!("../../../schemas/deploy.json"),
        include_str!("../../../schemas/develop.json"),
        include_str!("../../../schemas/plan.json"),
        include_str!("../../../schemas/review.json"),
        include_str!("../../../schemas/verify.json"),
    ];
    for schema in schemas {
        let found = validate(schema, "{}").unwrap();
        assert!(found.len() >= 3 && found.iter().all(|finding| finding.rule == "required"), "{found:?}");
    }
}

#[test]
fn each_keyword_allows_and_refuses() {
    let table: &[(Value, &[Value], &[Value])] = &[
        (json!({ "type": "null" }), &[json!(null)], &[json!(0), json!("")]),
        (json!({ "type": "boolean" }), &[json!(false)], &[json!(0), json!("true")]),
        (json!({ "type": "integer" }), &[json!(0), json!(-3), json!(1.0), json!(u64::MAX)], &[json!(1.5), json!("1"), json!(null)]),
        (json!({ "type": "number" }), &[json!(0), json!(1.5)], &[json!("1")]),
        (json!({ "type": "string" }), &[json!("")], &[json!(1), json!(["a"])]),
        (json!({ "type": "array" }), &[json!([])], &[json!({})]),
        (json!({ "type": "object" }), &[json!({})], &[json!([])]),
        (json!({ "type": ["string", "null"] }), &[json!("a"), json!(null)], &[json!(1)]),
        (json!({ "enum": ["a", 1, null] }), &[json!("a"), json!(1), json!(1.0), json!(null)], &[json!("A"), json!(2), json!("1")]),
        (json!({ "const": "a" }), &[json!("a")], &[json!("b"), json!(["a"])]),
        (json!({ "minimum": 0 }), &[json!(0), json!(0.1), json!("-1")], &[json!(-1), json!(-0.1)]),
        (json!({ "maximum": 100 }), &[json!(100), json!(-1)], &[json!(101), json!(100.5)]),
        (json!({ "maximum": 9_007_199_254_740_992u64 }), &[json!(9_007_199_254_740_992u64)], &[json!(9_007_199_254_740_993u64)]),
        (json!({ "minLength": 2 }), &[json!("éé"), json!(1)], &[json!("é"), json!("")]),
        (json!({ "maxLength": 2 }), &[json!("éé")], &[json!("abc")]),
        (json!({ "minItems": 1, "maxItems": 2 }), &[json!([1]), json!([1, 2])], &[json!([]), json!([1, 2, 3])]),
        (json!({ "required": ["a"] }), &[json!({ "a": null }), json!(1)], &[json!({}), json!({ "A": 1 })]),
        (json!({ "items": { "type": "integer" } }), &[json!([]), json!([1, 2])], &[json!([1, "2"])]),
        (json!({ "anyOf": [{ "const": 1 }, { "type": "string" }] }), &[json!(1), json!("a")], &[json!(2), json!(null)]),
        (json!({ "additionalProperties": false }), &[json!({})], &[json!({ "a": 1 })]),
        (json!({ "additionalProperties": true }), &[json!({ "a": 1 })], &[]),
        (json!({ "properties": { "a": { "type": "null" } } }), &[json!({}), json!({ "b": 1 })], &[json!({ "a": 1 })]),
        (json!({ "$ref": "#/$defs/d", "$defs": { "d": { "const": 1 } } }), &[json!(1)], &[json!(2)]),
    ];
    for (schema, good, bad) in table {
        for output in *good {
            assert_eq!(found(schema, output), [""; 0], "{schema} {output}");
        }
        for output in *bad {
            assert_eq!(found(schema, output).len(), 1, "{schema} {output}");
        }
    }
}

#[test]
fn places_are_pointers() {
    let any = json!({ "type": "string" });
    let schema = json!({
        "properties": { "a/b~c": { "items": { "properties": { "x": any } } }, "\n": any, "": any },
        "additionalProperties": false,
    });
    let output = json!({ "a/b~c": [{ "x": "" }, { "x": 1 }], "\n": 2, "": 3, "more": 4 });
    assert_eq!(found(&schema, &output), ["type /", "type /\n", "type /a~1b~0c/1/x", "additional "]);
}

#[test]
fn what_is_not_understood_is_refused() {
    let table = [
        (json!(true), "`#` is no object"),
        (json!({ "pattern": "^a" }), "`#/pattern` is a keyword that this validator does not know"),
        (json!({ "format": "uri" }), "/format"),
        (json!({ "properties": { "a": { "oneOf": [] } } }), "`#/properties/a/oneOf` is a keyword"),
        (json!({ "properties": [] }), "`#/properties` is no object"),
        (json!({ "properties": { "a": { "$defs": {} } } }), "`#/properties/a/$defs` is a keyword"),
        (json!({ "type": "text" }), "names a type that JSON does not have"),
        (json!({ "type": [] }), "an empty one"),
        (json!({ "type": 1 }), "is no list"),
        (json!({ "enum": [] }), "an empty one"),
        (json!({ "enum": [[1]] }), "does not compare"),
        (json!({ "const": {} }), "does not compare"),
        (json!({ "required": "a" }), "is no list"),
        (json!({ "required": [1] }), "no text"),
        (json!({ "additionalProperties": {} }), "neither true nor false"),
        (json!({ "items": [] }), "`#/items` is no object"),
        (json!({ "anyOf": [] }), "an empty one"),
        (json!({ "minimum": "0" }), "is no number"),
        (json!({ "minLength": -1 }), "no whole number"),
        (json!({ "$ref": "#/$defs/d" }), "`#/$defs/d`, which is not there"),
        (json!({ "$ref": "https://example.invalid/s.json" }), "something else than"),
        (json!({ "$defs": { "a": { "$ref": "#/$defs/b" } } }), "`#/$defs/b`, which is not there"),
    ];
    for (schema, why) in table {
        let declined = validate(schema.to_string(), "{}").unwrap_err().to_string();
        assert!(declined.contains(why), "{schema}: {declined}");
    }
}

#[test]
fn an_output_that_cannot_be_read_is_the_output_s_fault() {
    let deep = "[".repeat(100_000);
    let huge = format!("\"{}\"", "x".repeat(1024 * 1024));
    for output in ["", "prose", "{} {}", "{", "```json\n{}\n```", "{\"a\": NaN}", &deep, &huge] {
        let found = validate("{}", output).unwrap();
        assert!(matches!(found.as_slice(), [finding] if finding.rule == "no-json"), "{found:?}");
    }
    assert!(validate("{", "{}").is_err());
    let without = TestDocuments::none().with("schema", TestDocument::new("m", "{}"));
    assert!(JsonSchema::validate(&facts(Vec::new()).context, &NoSettings {}, &without).is_err());
}

#[test]
fn a_walk_without_end_ends() {
    let circle = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
    let fan = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "items": { "$ref": "#/$defs/a" }, "type": "null" }, { "items": { "$ref": "#/$defs/a" } }] } } });
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(validate(circle.to_string(), "1").unwrap_err().to_string().contains("too large or too deep"));
    assert!(validate(fan.to_string(), nested).unwrap_err().to_string().contains("too large or too deep"));
}

#[test]
fn a_schema_of_trees_is_no_circle() {
    let tree = json!({ "$ref": "#/$defs/t", "$defs": { "t": { "type": "array", "items": { "$ref": "#/$defs/t" } } } });
    assert_eq!(found(&tree, &json!([[], [[[]]]])), [""; 0]);
    assert_eq!(found(&tree, &json!([[], [[[1]]]])), ["type /1/0/0/0"]);
}

#[test]
fn a_flood_keeps_the_answer_small() {
    let schema = json!({ "items": { "type": "string" } });
    let output = json!((0..100_000).collect::<Vec<u32>>());
    assert_eq!(found(&schema, &output).len(), 50);
    let key = "k".repeat(100_000);
    let findings = validate(json!({ "additionalProperties": false }).to_string(), json!({ key: 1 }).to_string()).unwrap();
    assert!(findings[0].message.len() < 300, "{}", findings[0].message.len());
}

#[test]
fn a_message_says_what_is_and_what_must_be() {
    let schema = json!({ "properties": { "s": { "type": ["string", "null"] }, "q": { "maximum": 100 }, "c": { "enum": ["a", "b"] } } });
    let findings = validate(schema.to_string(), json!({ "s": 1, "q": 101, "c": "x" }).to_string()).unwrap();
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    let expected = [
        "it is none of the values that it may have: \"a\", \"b\"",
        "it is 101; it must be 100 or less",
        "it is of type integer; it must be string or null",
    ];
    assert_eq!(messages, expected);
}
