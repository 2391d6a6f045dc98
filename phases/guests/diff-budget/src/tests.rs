use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<DiffBudget>(env!("CARGO_MANIFEST_DIR"));
}

fn verdict(settings: Value, changes: Vec<Change>) -> Verdict {
    let settings = settings_of::<DiffBudget, _>(settings).unwrap();
    DiffBudget::evaluate(&facts(changes), &settings, &TestDocuments::none()).unwrap()
}

#[test]
fn a_limit_is_the_last_number_that_is_allowed() {
    for (added_lines, word) in [(9, "pass"), (10, "pass"), (11, "fail")] {
        let change = Change { added: added_lines, ..added("a") };
        assert_eq!(verdict(json!({ "max_added": 10 }), vec![change]).word(), word, "{added_lines}");
    }
}

#[test]
fn sums_do_not_wrap() {
    let huge = || Change { added: u64::MAX, ..added("a") };
    assert_eq!(verdict(json!({}), vec![huge(), huge()]).word(), "fail");
}

#[test]
fn null_takes_a_limit_away_and_leaves_the_others() {
    let many = || (0..100).map(|number| added(&format!("{number}"))).collect();
    assert_eq!(verdict(json!({}), many()).word(), "fail");
    assert_eq!(verdict(json!({ "max_files": null }), many()).word(), "pass");
}

#[test]
fn the_largest_share_is_named() {
    let changes = vec![Change { added: 5, ..added("small") }, Change { added: 50, ..added("large") }];
    let Verdict::Fail(report) = verdict(json!({ "max_added": 20 }), changes) else { panic!("it passed") };
    assert_eq!(report.findings[0].message, "55 lines are added, at most 20 are allowed; most of them (50) in `large`");
}
