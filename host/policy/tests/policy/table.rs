//! What is wrong in `policies/data/rules.yaml` is said with its place and the nearest valid name, all of it at once.

use crate::support::*;

const TABLE: &str = "policies/data/rules.yaml";

fn problems(edits: &[(&str, &str)]) -> String {
    let mut files = stock();
    files.retain(|path, _| !path.starts_with("policies/tests/") || path.ends_with("default-input.yaml"));
    for (from, to) in edits {
        edit(&mut files, TABLE, from, to);
    }
    refused(&files)
}

#[test]
fn each_mistake_has_its_message() {
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        ("\nquotas:", "\nqoutas:", "`qoutas` is no known key here [did you mean `quotas`?]"),
        ("version: 1", "version: 2", "2 is out of range: use 1 to 1"),
        ("{ risk: low, low_needs_approval: false }", "{ risk: lo }", "`lo` is no risk class"),
        ("build_test:           {", "build_tst:           {", "`build_tst` is no command family"),
        ("build_test:           {", "build_tst:           {", "`build_test` is missing"),
        ("{ risk: high,     description: touches production systems or data }", "{ description: x }", "the key `risk` is missing"),
        ("low_needs_approval: false", "low_needs_approval: 0", "expected true or false, found the number `0`"),
        ("groups: { operator: 1 }", "groups: { operators: 1 }", "`operators` is no known role group [did you mean `operator`?]"),
        ("groups: { operator: 1 }", "groups: { operator: 0 }", "0 is out of range: use 1 to 100"),
        ("groups: { operator: 1 }", "groups: { operator: 1.5 }", "expected a whole number, found the number `1.5`"),
        ("{ expires_h: 24, groups: { tech_lead: 1 } }", "{ expires_h: 24, groups: {} }", "`moderate` risk needs at least one group"),
        ("{ expires_h: 24, groups: { tech_lead: 1, security: 1 } }", "{ expires_h: 24, groups: { security: 1 } }", "`elevated` asks less than `moderate`: 1 of group `tech_lead` are missing"),
        ("expires_h: 8,", "expires_h: 0,", "0 is out of range: use 1 to 8760"),
        ("tenants:  {}", "tenants: { acme: { active: 1, planned_per_hour: 1 } }", "`acme` is no known tenant"),
        ("projects: {}", "projects: { smaple: { active: 1 } }", "`smaple` is no known project [did you mean `sample`?]"),
        ("tenant:   { active: 20,", "tenant:   { active: -1,", "-1 is out of range: use 0 to 1000000"),
        ("weekdays: [sat, sun]", "weekdays: [sat, son]", "`son` is no weekday"),
        ("weekdays: [sat, sun]", "weekdays: [sat, sat]", "this stands here twice"),
        ("    from_hour: 0\n    to_hour: 24", "    from_hour: 22\n    to_hour: 6", "the window ends before it starts"),
        ("env: [PATH,", "env: [PA-TH,", "`PA-TH` is no name of an environment variable"),
        ("purposes: [prepare, worker]", "purposes: [prepar]", "`prepar` is no known launch purpose [did you mean `prepare`?]"),
        ("skip: []", "skip: [{ phase: reviev, actions: [docs], reason: x }]", "`reviev` is no known phase [did you mean `review`?]"),
        ("family-risk: {}", "policy-error: {}", "the code `policy-error` is reserved"),
        ("family-risk: {}", "family-risk: { level: wran }", "`wran` is no level: use deny or warn"),
        ("    - [tox]", "    - []", "an allowed command is a list with at least the program"),
        ("    - [tox]", "    - tox", "expected a list, found the text `tox`"),
        ("    - [tox]", "    - [{ one_of: [tox] }]", "expected one word of a command"),
        ("    - [tox]", "    - [tox, { one_of: [] }]", "`one_of` needs at least one word"),
        ("    - [tox]", "    - [tox, { any: true }]", "`any` is no known key here"),
        ("    - [tox]", "    - [tox, 5]", "put numbers and `true` in quotes"),
        ("    - [tox]", "    - [tox, \"\"]", "neither empty"),
        ("    - [tox]", "    - [tox, \"a\\u001bb\"]", "control characters"),
        ("  - { project: flowry", "  - { project: flowry", ""),
        ("autorun:\n  enabled: false", "autorun:\n  enabled: yes", "expected true or false, found the text `yes`"),
        ("skip: []", "skip: []\nskip: []", "`skip` stands twice [it stands first in line "),
    ];
    for (from, to, part) in table.iter().filter(|(from, to, _)| from != to) {
        let problems = problems(&[(from, to)]);
        assert!(problems.contains(part), "{to}\n{problems}");
        assert!(problems.starts_with(&format!("{TABLE}:")), "{to}\n{problems}");
    }
}

#[test]
fn all_mistakes_are_said_at_once_with_line_and_column() {
    let problems = problems(&[
        ("version: 1", "version: 9"),
        ("groups: { operator: 1 }", "groups: { operatr: 1 }"),
        ("weekdays: [sat, sun]", "weekdays: [sat, son]"),
        ("    - [tox]", "    - [tox, 5]"),
    ]);
    assert_eq!(problems.lines().count(), 4, "{problems}");
    let table = String::from_utf8(stock()[TABLE].clone()).unwrap();
    let line = table.lines().position(|line| line.contains("groups: { operator: 1 }")).unwrap() + 1;
    let column = table.lines().nth(line - 1).unwrap().find("operator").unwrap() + 1;
    assert!(problems.contains(&format!("{TABLE}:{line}:{column}: `operatr` is no known role group")), "{problems}");
}

#[test]
fn what_is_no_yaml_is_said_with_its_place() {
    for text in ["version: [1", "a: b: c", "\t- x", "version: 1\nversion: 1\n", "&a [*a]", "- 1", "", "null"] {
        let mut files = stock();
        files.insert(TABLE.to_owned(), text.as_bytes().to_vec());
        let problems = refused(&files);
        assert!(problems.contains(TABLE), "{text:?}\n{problems}");
    }
    let mut files = stock();
    files.insert(TABLE.to_owned(), vec![0xff, 0xfe, 0x00]);
    assert!(refused(&files).contains("not UTF-8"));
    files.remove(TABLE);
    assert!(refused(&files).contains("the file is missing"));
}
