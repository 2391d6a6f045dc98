use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<ProtectedPaths>(env!("CARGO_MANIFEST_DIR"));
}

fn rules(settings: Value, changes: Vec<Change>) -> Vec<(String, String)> {
    let settings = settings_of::<ProtectedPaths, _>(settings).unwrap();
    match ProtectedPaths::evaluate(&facts(changes), &settings, &TestDocuments::none()).unwrap() {
        Verdict::Pass(_) => Vec::new(),
        Verdict::Fail(report) => report.findings.into_iter().map(|finding| (finding.rule, finding.path.unwrap_or_default())).collect(),
        other => panic!("{other:?}"),
    }
}

fn entry_of(mode: &str, path: &str) -> Change {
    Change { mode: mode.to_owned(), ..modified(path) }
}

/// Every way to reach a protected directory that does not change a path beneath it.
#[test]
fn links_and_submodules_do_not_lead_around_a_pattern() {
    let lenient = json!({ "paths": ["**/CODEOWNERS", "ops/deploy/**"], "symlinks": "allow", "submodules": "allow" });
    for (mode, path, refused) in [
        ("120000", "ops", true),
        ("120000", "ops/deploy", true),
        ("160000", "ops/deploy", true),
        ("120000", "ops/deploy/inner", true),
        ("120000", "opsx", false),
        ("160000", "vendor/lib", false),
        ("100644", "ops/readme", false),
    ] {
        let found = rules(lenient.clone(), vec![entry_of(mode, path)]);
        let expected: &[(String, String)] = if refused { &[("protected-path".to_owned(), path.to_owned())] } else { &[] };
        assert_eq!(found, expected, "{mode} {path}");
    }
}

#[test]
fn every_kind_of_change_counts() {
    let settings = json!({ "paths": ["a"] });
    for change in [added("a"), modified("a"), deleted("a")] {
        assert_eq!(rules(settings.clone(), vec![change]).len(), 1);
    }
}

#[test]
fn a_flood_of_changes_keeps_the_answer_small() {
    let changes = (0..10_000).map(|number| added(&format!(".github/{number}"))).collect();
    assert_eq!(rules(json!({}), changes).len(), NAMED);
}
