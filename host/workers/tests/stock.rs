//! The stock prompts and schemas that workers get.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::PathBuf;

use orc_workers::prompt::MAX_PROMPT;
use serde_json::{Map, Value};

const PHASES: [&str; 5] = ["plan", "architect", "develop", "review", "deploy"];

/// What the stock schemas use of the subset that both agent CLIs take. Not `$schema`: Claude Code refuses a schema that declares draft
/// 2020-12. A keyword is added once both are known to take it.
const KEYWORDS: [&str; 14] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "items",
    "maximum",
    "minimum",
    "properties",
    "required",
    "title",
    "type",
];

fn stock(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../phases").join(path)).unwrap()
}

fn schema(phase: &str) -> Value {
    serde_json::from_str(&stock(&format!("schemas/{phase}.json"))).unwrap()
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names
}

/// What of a schema is outside the strict subset, a sentence each.
fn problems(at: &str, schema: &Value, out: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else { return out.push(format!("{at}: is no object")) };
    out.extend(schema.keys().filter(|key| !KEYWORDS.contains(&key.as_str())).map(|key| format!("{at}: `{key}`")));
    object_problems(at, schema, out);
    if !["type", "anyOf", "$ref"].iter().any(|key| schema.contains_key(*key)) {
        out.push(format!("{at}: says no type"));
    }
    if schema.get("type") == Some(&"array".into()) && !schema.contains_key("items") {
        out.push(format!("{at}: an array of anything"));
    }
    for key in ["properties", "$defs"] {
        for (name, inner) in schema.get(key).and_then(Value::as_object).into_iter().flatten() {
            problems(&format!("{at}/{key}/{name}"), inner, out);
        }
    }
    schema.get("items").into_iter().for_each(|inner| problems(&format!("{at}/items"), inner, out));
    for inner in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        problems(&format!("{at}/anyOf"), inner, out);
    }
}

fn object_problems(at: &str, schema: &Map<String, Value>, out: &mut Vec<String>) {
    let types = schema.get("type");
    let object = types == Some(&"object".into()) || types.and_then(Value::as_array).is_some_and(|types| types.contains(&"object".into()));
    if !object {
        return;
    }
    let properties = sorted(schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()));
    let required = sorted(schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
    if properties.is_empty() || properties != required {
        out.push(format!("{at}: does not require each of its properties"));
    }
    if schema.get("additionalProperties") != Some(&false.into()) {
        out.push(format!("{at}: is open"));
    }
}

fn all_problems(schema: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if schema.get("type") != Some(&"object".into()) || schema.get("anyOf").is_some() {
        out.push("the root is no object".to_owned());
    }
    problems("#", schema, &mut out);
    out
}

#[test]
fn stock_schemas_are_in_the_strict_subset() {
    for phase in PHASES {
        assert_eq!(all_problems(&schema(phase)), Vec::<String>::new(), "{phase}");
    }
}

#[test]
fn what_is_outside_the_subset_is_seen() {
    let change = |change: fn(&mut Value)| {
        let mut schema = schema("review");
        change(&mut schema);
        all_problems(&schema)
    };
    let finding = "#/properties/security_findings/items";
    assert_eq!(change(|schema| schema["type"] = "array".into())[0], "the root is no object");
    assert_eq!(change(|schema| schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into()), ["#: `$schema`"]);
    assert_eq!(
        change(|schema| schema["properties"]["quality_score"]["multipleOf"] = 1.into()),
        ["#/properties/quality_score: `multipleOf`"]
    );
    let items = |schema: &mut Value, key: &str, value: Value| schema["properties"]["security_findings"]["items"][key] = value;
    let open = change(|schema| schema["properties"]["security_findings"]["items"]["additionalProperties"] = true.into());
    assert_eq!(open, [format!("{finding}: is open")]);
    let mut optional = schema("review");
    items(&mut optional, "required", serde_json::json!(["severity", "summary"]));
    assert_eq!(all_problems(&optional), [format!("{finding}: does not require each of its properties")]);
}

/// A prompt that does not name a field of the answer leaves it to guessing.
#[test]
fn every_prompt_names_every_field_of_its_answer() {
    for phase in PHASES {
        let prompt = stock(&format!("prompts/{phase}.md"));
        for field in schema(phase)["properties"].as_object().unwrap().keys() {
            assert!(prompt.contains(&format!("\n- `{field}`: ")), "{phase}: {field}");
        }
        for rule in ["commit", "network", "orkspace"] {
            assert!(prompt.contains(rule), "{phase}: {rule}");
        }
        assert!(prompt.len() < MAX_PROMPT / 100, "{phase}");
    }
}

/// The same prompts serve every engine.
#[test]
fn no_prompt_names_a_tool() {
    for phase in PHASES {
        let prompt = stock(&format!("prompts/{phase}.md")).to_lowercase();
        for tool in ["claude", "codex", "bash", "apply_patch", "mcp", "todowrite"] {
            assert!(!prompt.contains(tool), "{phase}: {tool}");
        }
    }
}
