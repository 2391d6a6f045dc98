use orc_guest::testing::*;
use serde_json::json;

use super::*;

#[test]
fn cases() {
    run_gate_cases::<WorkspaceClean>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn many_changes_are_counted_and_the_first_named() {
    let mut facts = facts((0..1_000).map(|number| added(&format!("f{number}"))).collect());
    facts.context.position = "pre_gate".to_owned();
    let settings = settings_of::<WorkspaceClean, _>(json!({})).unwrap();
    let verdict = WorkspaceClean::evaluate(&facts, &settings, &TestDocuments::none()).unwrap();
    let Verdict::Fail(report) = verdict else { panic!("{verdict:?}") };
    assert_eq!(report.findings.len(), NAMED);
    assert_eq!(report.annotations[0].value, "1000");
}
