//! The stock schemas say what the domain's output types say, in the subset that structured-output engines take.

use orc_config::stock;
use orc_domain::Untrusted;
use orc_domain::grant::LaunchEnd;
use orc_domain::output::*;
use orc_domain::verdict::Severity;
use serde_json::Value;

fn schema(name: &str) -> Value {
    let path = format!("phases/schemas/{name}.json");
    serde_json::from_slice(stock::file(&path).unwrap_or_else(|| panic!("{path} is not embedded"))).unwrap()
}

fn texts() -> Vec<Untrusted> {
    vec![Untrusted::new("a"), Untrusted::new("b")]
}

fn command(end: LaunchEnd) -> CommandResult {
    CommandResult {
        argv: vec!["cargo".to_owned(), "test".to_owned()],
        end,
        duration_ms: 12,
        stdout_tail: "ok".into(),
        stderr_tail: "".into(),
    }
}

fn outputs() -> Vec<(&'static str, Value)> {
    let ends = [
        LaunchEnd::Exited { code: -1 },
        LaunchEnd::Signaled { signal: 9 },
        LaunchEnd::TimedOut,
        LaunchEnd::Cancelled,
        LaunchEnd::OutputLimit,
    ];
    let commands: Vec<CommandResult> = ends.into_iter().map(command).collect();
    let plan = PlanOutput { scope_summary: "s".into(), affected_files: texts(), risk_assessment: "r".into(), task_breakdown: vec![] };
    let architect = ArchitectOutput { design_decisions: texts(), pattern_compliance: "p".into(), architecture_violations: vec![] };
    let develop = DevelopOutput { changes_summary: "c".into(), files_modified: texts(), verification_results: texts() };
    let finding = SecurityFinding { severity: Severity::High, summary: "s".into(), path: Some("src/x".into()) };
    let review = ReviewOutput { security_findings: vec![finding], quality_score: 100, compliance_status: "compliant".into() };
    let deploy = DeployOutput {
        deployment_steps: commands.clone(),
        rollback_plan: vec![vec!["undo".to_owned()]],
        health_check_results: commands.clone(),
    };
    let verify = VerifyOutput { command_result: command(LaunchEnd::TimedOut), verification_results: commands, files_modified: texts() };
    [
        ("plan", serde_json::to_value(plan)),
        ("architect", serde_json::to_value(architect)),
        ("develop", serde_json::to_value(develop)),
        ("review", serde_json::to_value(review)),
        ("deploy", serde_json::to_value(deploy)),
        ("verify", serde_json::to_value(verify)),
    ]
    .map(|(name, output)| (name, output.unwrap()))
    .into()
}

#[test]
fn outputs_match_their_schemas_and_nothing_less_does() {
    for (name, output) in outputs() {
        let validator = jsonschema::validator_for(&schema(name)).unwrap();
        assert!(validator.is_valid(&output), "{name}: {:?}", validator.iter_errors(&output).map(|e| e.to_string()).collect::<Vec<_>>());
        for key in output.as_object().unwrap().keys() {
            let mut less = output.clone();
            less.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&less), "{name} without `{key}`");
        }
        let mut more = output.clone();
        more["unheard_of"] = Value::Null;
        assert!(!validator.is_valid(&more), "{name} with one more key");
    }
}

/// A model that has no path says `null`, because every property is required of it.
#[test]
fn a_finding_without_a_place_is_read() {
    let finding = serde_json::json!({"severity": "low", "summary": "s", "path": null});
    let review = serde_json::json!({"security_findings": [finding], "quality_score": 1, "compliance_status": "compliant"});
    assert!(jsonschema::validator_for(&schema("review")).unwrap().is_valid(&review));
    assert_eq!(serde_json::from_value::<ReviewOutput>(review).unwrap().security_findings[0].path, None);
}

#[test]
fn every_object_is_closed_and_requires_all_it_has() {
    fn walk(name: &str, value: &Value) {
        if value["type"] == "object" {
            assert_eq!(value["additionalProperties"], false, "{name}: {value}");
            let mut required: Vec<&str> = value["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let mut properties: Vec<&str> = value["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            required.sort_unstable();
            properties.sort_unstable();
            assert_eq!(required, properties, "{name}");
        }
        match value {
            Value::Object(map) => map.values().for_each(|value| walk(name, value)),
            Value::Array(items) => items.iter().for_each(|value| walk(name, value)),
            _ => {}
        }
    }
    let schemas: Vec<&str> =
        stock::FILES.iter().filter_map(|(path, _)| path.strip_prefix("phases/schemas/")?.strip_suffix(".json")).collect();
    assert_eq!(schemas, ["architect", "deploy", "develop", "plan", "review", "verify"]);
    schemas.into_iter().for_each(|name| walk(name, &schema(name)));
}
