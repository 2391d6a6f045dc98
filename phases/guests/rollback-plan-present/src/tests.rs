use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<RollbackPlanPresent>(env!("CARGO_MANIFEST_DIR"));
}

fn evaluate(documents: &TestDocuments) -> Result<Verdict, Declined> {
    let settings = settings_of::<RollbackPlanPresent, _>(json!({})).unwrap();
    RollbackPlanPresent::evaluate(&facts(Vec::new()), &settings, documents)
}

fn of_output(rollback: Value) -> Result<Verdict, Declined> {
    evaluate(&TestDocuments::output(json!({ "rollback_plan": rollback }).to_string()))
}

fn of_plan(plan: &Value) -> Result<Verdict, Declined> {
    evaluate(&TestDocuments::none().with("plan", TestDocument::new("application/json", plan.to_string())))
}

#[test]
fn a_plan_has_a_command_that_undoes_something() {
    let table = [
        (json!([["./rollback.sh"]]), "pass"),
        (json!([["echo", "hello"], ["kubectl", "rollout", "undo"]]), "pass"),
        (json!([]), "fail"),
        (json!([[]]), "fail"),
        (json!([[""]]), "fail"),
        (json!([["  "]]), "fail"),
        (json!([["true"]]), "fail"),
        (json!([["/bin/true"], ["echo", "rolled back"]]), "fail"),
        (json!([["./true"]]), "fail"),
        (json!([["truer"]]), "pass"),
    ];
    for (rollback, word) in table {
        assert_eq!(of_output(rollback.clone()).unwrap().word(), word, "{rollback}");
        assert_eq!(of_plan(&json!({ "runbook": { "steps": [["x"]], "rollback": rollback } })).unwrap().word(), word, "{rollback}");
    }
}

#[test]
fn the_output_counts_where_there_is_one() {
    let plan = TestDocument::new("application/json", json!({ "runbook": { "rollback": [["undo"]] } }).to_string());
    let empty = TestDocuments::output(json!({ "rollback_plan": [] }).to_string()).with("plan", plan.clone());
    assert_eq!(evaluate(&empty).unwrap().word(), "fail");
    let another = TestDocuments::output(json!({ "changes_summary": "s" }).to_string()).with("plan", plan);
    assert!(evaluate(&another).is_err());
}

#[test]
fn what_has_another_form_is_no_answer() {
    for rollback in [json!(null), json!("undo"), json!(["undo"]), json!([[1]]), json!({ "a": [] })] {
        assert!(of_output(rollback.clone()).is_err(), "{rollback}");
        if !rollback.is_null() {
            assert!(of_plan(&json!({ "runbook": { "rollback": rollback } })).is_err(), "{rollback}");
        }
    }
    assert!(evaluate(&TestDocuments::output("prose")).is_err());
    assert!(evaluate(&TestDocuments::none()).is_err());
    for plan in [json!({}), json!({ "runbook": null }), json!([])] {
        assert_eq!(of_plan(&plan).unwrap().word(), "fail", "{plan}");
    }
    assert_eq!(of_plan(&json!({ "runbook": {} })).unwrap().word(), "fail");
}

#[test]
fn a_command_is_shown_cut_and_escaped() {
    let Verdict::Fail(report) = of_output(json!([["echo", "a\nb\u{1b}".repeat(50_000)]])).unwrap() else { panic!("it passed") };
    let message = &report.findings[0].message;
    assert!(message.len() < 300 && message.contains("echo a b\\u{1b}"), "{message}");
}
