//! Cases with `table: stock` test the scripts and hold whatever an author writes into the table; the others test the table.

use orc_policy::{Policy, TestReport, Words};

use crate::support::*;

const TABLE: &str = "policies/data/rules.yaml";
const STOCK: &str = "policies/tests/stock-table.yaml";
const MODERATE: &str = "moderate: { expires_h: 24, groups: { tech_lead: 1 } }";
const ELEVATED: &str = "elevated: { expires_h: 24, groups: { tech_lead: 1, security: 1 } }";
const HIGH: &str = "groups: { tech_lead: 1, security: 1, release_manager: 1 }";
const WEEKEND: &str = "    families: [deployment_runbook]\n    weekdays: [sat, sun]";
const WEEK: &str = "    families: [build_test, agent_implementation]\n    weekdays: [mon, tue, wed, thu, fri, sat, sun]";

/// The stock cases without their key: all test the table in force.
fn on_the_live_table(files: &Files) -> Files {
    let mut files = files.clone();
    let mut changed = 0;
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path.starts_with("policies/tests/")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        changed += text.matches("\ntable: stock\n").count();
        *bytes = text.replace("\ntable: stock\n", "\n").into_bytes();
    }
    assert!(changed >= 60, "only {changed} stock cases carry the key");
    files
}

fn failed(report: &TestReport) -> Vec<&str> {
    report.cases.iter().filter(|case| !case.passed()).map(|case| case.name.as_str()).collect()
}

fn edited(edits: &[(&str, &str)]) -> Files {
    let mut files = stock();
    for (from, to) in edits {
        edit(&mut files, TABLE, from, to);
    }
    files
}

#[test]
fn the_table_that_ships_does_what_the_stock_cases_say() {
    let report = load(&on_the_live_table(&stock())).run_tests(None);
    assert_eq!(failed(&report), ["skip/rule-holds"], "the table that ships skips nothing, everything else is the same");
}

#[test]
fn no_edit_of_the_table_fails_a_stock_case() {
    type Edits = &'static [(&'static str, &'static str)];
    #[rustfmt::skip]
    let table: &[(&str, Edits)] = &[
        ("quorum raised",       &[(MODERATE, "moderate: { expires_h: 24, groups: { tech_lead: 2 } }"),
                                  (ELEVATED, "elevated: { expires_h: 24, groups: { tech_lead: 2, security: 1 } }"),
                                  (HIGH, "groups: { tech_lead: 2, security: 1, release_manager: 1 }")]),
        ("group added",         &[(MODERATE, "moderate: { expires_h: 24, groups: { tech_lead: 1, security: 1 } }")]),
        ("expiry shortened",    &[("expires_h: 8,", "expires_h: 2,")]),
        ("flag risk raised",    &[("no_verify:            { risk: moderate", "no_verify:            { risk: high    ")]),
        ("flag removed",        &[("  production:           { risk: high,     description: touches production systems or data }\n", "")]),
        ("family risk raised",  &[("build_test:           { risk: low }", "build_test:           { risk: moderate }")]),
        ("reading needs a yes", &[("{ risk: low, low_needs_approval: false }", "{ risk: low }")]),
        ("threshold lowered",   &[("diff_files: 40", "diff_files: 10")]),
        ("no confirmation",     &[("confirmation: true", "confirmation: false")]),
        ("quota lowered",       &[("tenant:   { active: 20, planned_per_hour: 60 }", "tenant:   { active: 2, planned_per_hour: 5 }")]),
        ("quota exception",     &[("tenants:  {}", "tenants: { default: { active: 1, planned_per_hour: 1 } }")]),
        ("project exception",   &[("projects: {}\n\n", "projects: { sample: { active: 1 } }\n\n")]),
        ("freeze window",       &[(WEEKEND, WEEK)]),
        ("command removed",     &[("    - [npm, run, { one_of: [build, test, lint, check, typecheck] }]\n", "")]),
        ("command added",       &[("    - [tox]", "    - [tox]\n    - [cargo, test, --doc]")]),
        ("project command",     &[("\nproject_commands:\n", "\nproject_commands:\n  - { project: sample, family: build_test, argv: [curl, example.org] }\n")]),
        ("variable removed",    &[("env: [PATH, HOME,", "env: [HOME,")]),
        ("network withdrawn",   &[("purposes: [prepare, worker]", "purposes: [worker]")]),
        ("skip rule",           &[("skip: []", "skip: [{ phase: verify, actions: [build], reason: x }]")]),
        ("autorun enabled",     &[("enabled: false", "enabled: true")]),
        ("rule on trial",       &[("  tenant-quota:\n", "  tenant-quota:\n    level: warn\n")]),
    ];
    for (name, edits) in table {
        let files = edited(edits);
        let report = load(&files).run_tests(None);
        assert_eq!(failed(&report), [""; 0], "{name}");
        assert_eq!(report.uncovered().count(), 0, "{name}");
        // Were it not for the key, each of these would have stood in the author's way.
        let live = Policy::load(&on_the_live_table(&files), &words()).map(|policy| policy.run_tests(None));
        let in_the_way = live.is_err() || live.is_ok_and(|report| failed(&report) != ["skip/rule-holds"]);
        assert!(in_the_way, "{name} changes nothing that a case sees");
    }
}

#[test]
fn a_flag_and_a_code_of_ones_own_may_stand_in_a_script() {
    let mut files = edited(&[
        ("flags:\n  production:", "flags:\n  personal_data: { risk: low, description: touches personal data }\n  production:"),
        ("  skip-rule: {}", "  skip-rule: {}\n  no-personal-data: {}"),
    ]);
    let own = "fn plan(input, data, out) {\n    if input.flags.personal_data && data.flags.personal_data.risk == \"low\" {\n        \
               out.deny(\"no-personal-data\", \"not here\");\n    }";
    edit(&mut files, "policies/plan.rhai", "fn plan(input, data, out) {", own);
    let case = "about: x\ninput:\n  flags: { personal_data: true }\nexpect:\n  denied: [no-personal-data]\n";
    files.insert("policies/tests/plan/personal-data.yaml".to_owned(), case.as_bytes().to_vec());
    let report = load(&files).run_tests(None);
    assert_eq!(failed(&report), [""; 0]);
    assert_eq!(report.uncovered().count(), 0);
}

#[test]
fn an_installation_without_a_stock_group_or_phase_keeps_the_stock_cases() {
    let files = edited(&[(HIGH, "groups: { tech_lead: 1, security: 1 }")]);
    let mut less: Words = words();
    less.groups.retain(|group| group.as_str() != "release_manager");
    less.phases.retain(|phase| phase.as_str() != "verify");
    let Ok(policy) = Policy::load(&files, &less) else { panic!("the files were refused") };
    assert_eq!(failed(&policy.run_tests(None)), [""; 0]);
    // The table in force gets no word more.
    let Err(problems) = Policy::load(&stock(), &less) else { panic!("a group that does not exist was accepted") };
    let problems = shown(&problems);
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with(TABLE) && problems.contains("`release_manager` is no known role group"), "{problems}");
}

#[test]
fn a_broken_script_fails_the_stock_cases_whatever_the_table_says() {
    let mut files = edited(&[(MODERATE, "moderate: { expires_h: 24, groups: { tech_lead: 1, security: 1 } }")]);
    edit(&mut files, "policies/lib/approvals.rhai", "out.require(group, groups[group],", "out.require(group, 1 + groups[group],");
    assert!(failed(&load(&files).run_tests(None)).contains(&"plan/flag-no-verify"));
}

#[test]
fn a_case_without_the_key_tests_the_table_in_force() {
    let case = "about: leaving out verification needs security too\ninput:\n  flags: { no_verify: true }\nexpect:\n  groups: { tech_lead: 1, security: 1 }\n";
    let path = "policies/tests/plan/no-verify-needs-security.yaml";
    let with = |mut files: Files, text: &str| {
        files.insert(path.to_owned(), text.as_bytes().to_vec());
        load(&files).run_tests(Some("no-verify-needs-security"))
    };
    let change = edited(&[(MODERATE, "moderate: { expires_h: 24, groups: { tech_lead: 1, security: 1 } }")]);
    assert!(with(change.clone(), case).ok());
    assert!(!with(stock(), case).ok(), "before the change");
    assert!(!with(change, &case.replace("input:", "table: stock\ninput:")).ok(), "the key takes the change out of sight");
}

#[test]
fn what_is_wrong_with_the_stock_table_is_said_once_with_its_place() {
    #[rustfmt::skip]
    let table: &[(&str, &str)] = &[
        ("quotas: { tenant: { active: many, planned_per_hour: 1 }, project: { active: 1 } }", "1:29: expected a whole number"),
        ("qoutas: {}", "1:1: `qoutas` is no known key here [did you mean `quotas`?]"),
        ("version: 2", "1:10: 2 is out of range"),
        ("[quotas]", "1:1: expected a mapping, found a list"),
        ("approvals: { low: { expires_h: 1, groups: { \"Bad Name\": 1 } } }", "`moderate` is missing"),
        ("a: [", ""),
    ];
    for (text, part) in table {
        let mut files = stock();
        files.insert(STOCK.to_owned(), text.as_bytes().to_vec());
        let problems = refused(&files);
        let found: Vec<&str> = problems.lines().filter(|line| line.starts_with(&format!("{STOCK}:"))).collect();
        assert_eq!(found.iter().filter(|line| line.contains(part)).count(), 1, "{text}\n{problems}");
    }
}

#[test]
fn without_a_stock_table_its_cases_are_refused_and_others_run() {
    let mut files = stock();
    files.remove(STOCK);
    let problems = refused(&files);
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with(&format!("{STOCK}: the file is missing")), "{problems}");

    let mut own = on_the_live_table(&files);
    own.remove("policies/tests/skip/rule-holds.yaml");
    assert!(load(&own).run_tests(None).ok());
}

#[test]
fn no_other_table_can_be_named() {
    for value in ["live", "[stock]", "true", ""] {
        let mut files = stock();
        let case = format!("about: x\ntable: {value}\nexpect: {{}}\n");
        files.insert("policies/tests/plan/x.yaml".to_owned(), case.into_bytes());
        let problems = refused(&files);
        assert!(problems.starts_with("policies/tests/plan/x.yaml:2:"), "{value}\n{problems}");
        assert!(problems.contains("names no table but `stock`"), "{value}\n{problems}");
    }
}
