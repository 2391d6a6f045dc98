//! The stock rules and their own cases.

use orc_domain::decision::EntryPoint;

use crate::support::*;

#[test]
fn every_stock_case_passes_and_every_code_is_covered() {
    let report = load(&stock()).run_tests(None);
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.passed()).map(|case| (&case.name, &case.differences)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.ok());
    let uncovered: Vec<_> = report.uncovered().collect();
    assert!(uncovered.is_empty(), "{uncovered:?}");
    assert!(report.coverage.values().all(|coverage| coverage.emitted), "a code that no script gives: {:?}", report.coverage);
}

#[test]
fn no_case_is_no_proof() {
    let policy = load(&stock());
    assert!(!policy.run_tests(Some("no such case")).ok());
    let some = policy.run_tests(Some("plan/one-of"));
    assert_eq!(some.cases.len(), 1);
    assert!(some.ok());
}

#[test]
fn a_case_that_expects_something_else_fails_and_says_what_differs() {
    let mut files = stock();
    let path = "policies/tests/plan/flag-production.yaml";
    edit(&mut files, path, "risk: high", "risk: low");
    edit(&mut files, path, "groups: { tech_lead: 1, security: 1, release_manager: 1 }", "groups: {}");
    let report = load(&files).run_tests(None);
    assert!(!report.ok());
    let case = report.cases.iter().find(|case| !case.passed()).unwrap();
    assert_eq!(case.file, path);
    assert_eq!(
        case.differences,
        ["risk: expected low, found high", "groups: expected {}, found {release_manager: 1, security: 1, tech_lead: 1}"]
    );
}

#[test]
fn a_broken_case_is_a_problem_with_its_place() {
    let mut files = stock();
    let broken = "about: x\ninput:\n  flags: { prodction: true }\n  oprators: 3\nexpect:\n  denied: [comand-not-allowed]\n";
    files.insert("policies/tests/plan/broken.yaml".to_owned(), broken.as_bytes().to_vec());
    let problems = refused(&files);
    assert!(problems.contains("broken.yaml:3:12: `prodction` is no known key here [did you mean `production`?]"), "{problems}");
    assert!(problems.contains("broken.yaml:4:3: `oprators` is no known key here [did you mean `operators`?]"), "{problems}");
    assert!(problems.contains("broken.yaml:6:12: `comand-not-allowed` is no known reason code"), "{problems}");
}

#[test]
fn the_derived_flags_are_known() {
    let policy = load(&stock());
    let derived: Vec<&str> = policy.flags().iter().filter(|(_, rule)| rule.derived).map(|(name, _)| name.as_str()).collect();
    assert_eq!(derived, ["dependency_change", "deploy", "no_verify", "public_interface", "security_sensitive", "verification_changed"]);
}

#[test]
fn a_command_of_one_project_is_allowed_for_it_alone() {
    let mut files = stock();
    let argv = ["./verify.sh", "--level=5: ]}", "true", "\"quoted\" \\ #"].map(str::to_owned).to_vec();
    // A list of JSON texts is a list of YAML texts in quotes. `project_commands` is the last section of the file.
    let line = format!("  - {{ project: sample, family: build_test, argv: {} }}\n", serde_json::json!(argv));
    files.get_mut("policies/data/rules.yaml").unwrap().extend_from_slice(line.as_bytes());
    let policy = load(&files);
    let mut asked = input();
    asked.argv = argv;
    assert!(policy.decide(EntryPoint::Plan, &asked).allowed());
    asked.project.name = "other".parse().unwrap();
    assert_eq!(codes(&policy.decide(EntryPoint::Plan, &asked).denials), ["command-not-allowed"]);
    asked.project.name = "sample".parse().unwrap();
    asked.argv.push("--slow".to_owned());
    assert_eq!(codes(&policy.decide(EntryPoint::Plan, &asked).denials), ["command-not-allowed"]);
}

#[test]
fn a_reason_carries_the_line_that_gave_it_even_in_a_library() {
    let mut asked = input();
    asked.argv.push("--evil".to_owned());
    let decision = load(&stock()).decide(EntryPoint::Plan, &asked);
    let reason = &decision.denials[0];
    assert_eq!(reason.at.as_ref().unwrap().file, "policies/lib/command.rhai");
    let script = String::from_utf8(stock()["policies/lib/command.rhai"].clone()).unwrap();
    let line = script.lines().nth(reason.at.as_ref().unwrap().line - 1).unwrap();
    assert!(line.contains("out.deny(\"command-not-allowed\""), "{line}");
    assert!(reason.message.contains("cargo test --evil"));
    assert!(reason.remedy.as_ref().unwrap().contains("project_commands"));
}

#[test]
fn a_large_table_is_decided_within_the_limits() {
    let mut files = stock();
    let table = files.get_mut("policies/data/rules.yaml").unwrap();
    for number in 0..2000 {
        let line = format!("  - {{ project: sample, family: build_test, argv: [make, target-{number}] }}\n");
        table.extend_from_slice(line.as_bytes());
    }
    let policy = load(&files);
    let mut asked = input();
    asked.argv = vec!["make".to_owned(), "target-1999".to_owned()];
    let decision = policy.decide(EntryPoint::Plan, &asked);
    assert!(decision.allowed(), "{:?}", decision.denials);
    assert!(decision.cost.operations < 100_000, "half of what is allowed: {}", decision.cost.operations);
}
