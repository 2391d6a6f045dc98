//! One test for each measured trap of Rhai (and for each way around a fence): closed at load, or a denial.

use orc_domain::decision::{Decision, EntryPoint};

use crate::support::*;

fn decide(body: &str) -> Decision {
    load(&plan_body(body)).decide(EntryPoint::Plan, &input())
}

/// Scripts that must not load, each with a part of what is said about it.
#[test]
fn refused_at_load() {
    #[rustfmt::skip]
    let table: &[(&str, &str)] = &[
        // Changes that are silently lost.
        ("for r in input.requesters { r.name = \"x\"; }", "a field or an item cannot be assigned to"),
        ("for n in data.launch.env { n = \"x\"; }", "`n` cannot be assigned to"),
        ("for r in input.requesters { r.roles.push(\"x\"); }", "there is no function `push`"),
        ("input.family = \"read_only\";", "a field or an item cannot be assigned to"),
        ("input = 1;", "`input` cannot be assigned to"),
        ("data.flags[\"deploy\"].risk = \"low\";", "a field or an item cannot be assigned to"),
        ("let l = [1]; l[0] = 2;", "a field or an item cannot be assigned to"),
        // Misspelt paths and words.
        ("if input.famly == \"x\" { }", "`famly` is no known field here [did you mean `family`?]"),
        ("if input[\"famly\"] == \"x\" { }", "`famly` is no known field here"),
        ("if input?.famly == \"x\" { }", ""),
        ("if input.tenant.actve > 1 { }", "`actve` is no known field here [did you mean `active`?]"),
        ("if input.flags.prodction { }", "`prodction` is no known field here [did you mean `production`?]"),
        ("if input.groups.techlead.members > 1 { }", "`techlead` is no known field here [did you mean `tech_lead`?]"),
        ("let d = data; if d.quota.tenant.active > 1 { }", "`quota` is no known field here [did you mean `quotas`?]"),
        ("for w in data.freeze_windows { if w.form_hour > 1 { } }", "`form_hour` is no known field here [did you mean `from_hour`?]"),
        ("if input.family == \"build_tset\" { }", "`build_tset` is no known word here [did you mean `build_test`?]"),
        ("if \"hihg\" != input.approved_risk { }", "`hihg` is no known word here"),
        ("if input.family in [\"buildtest\"] { }", "`buildtest` is no known word here"),
        ("if \"readonly\" in input.project.families { }", "`readonly` is no known word here"),
        ("if out.risk_class() == \"hgh\" { }", "`hgh` is no known word here"),
        ("let x = targetenv;", "targetenv"),
        // Comparisons that never hold.
        ("if input.operators == \"1\" { }", "a number and text can never be equal"),
        ("if input.argv == \"cargo test\" { }", "a list and text can never be equal"),
        ("let m = input.metadata; if m.limit > 50 { }", "`>` takes numbers, not text and a number"),
        ("if out.risk_class() >= \"high\" { }", "`>=` takes numbers, not text and text [compare risk classes with at_least"),
        ("if input.argv && true { }", "expected true or false, found a list"),
        ("let x = input.argv + [\"x\"];", "`+` takes numbers or texts, not a list and a list"),
        ("let x = input.operators + \"1\";", "`+` takes numbers or texts, not a number and text"),
        ("let x = input.family - 1;", "`-` takes numbers, not text and a number"),
        ("if input.operators == 1.5 { }", "not part of the policy language"),
        // Functions, on a branch that no test takes too.
        ("if false { if false { limt(input); } }", "there is no function `limt`"),
        ("if false { out.dney(\"tenant-quota\", \"x\"); }", "`dney` is no known method of `out` [did you mean `deny`?]"),
        ("if false { out.deny(\"tenant-quota\"); }", "`deny` does not take that many arguments"),
        ("if false { limits::x(input); }", "limits"),
        // Reason codes, groups, classes, obligations.
        ("if false { out.deny(\"tenant-qouta\", \"x\"); }", "`tenant-qouta` is no known reason code [did you mean `tenant-quota`?"),
        ("out.deny(\"policy-error\", \"x\");", "`policy-error` is no known reason code"),
        ("let code = \"tenant-quota\"; out.deny(code, \"x\");", "the reason code is not written out"),
        ("out.require(\"techlead\", 1, \"risk-approval\", \"x\");", "`techlead` is no known role group [did you mean `tech_lead`?]"),
        ("out.risk(\"hihg\", \"flag-risk\", \"x\");", "`hihg` is no known risk class [did you mean `high`?]"),
        ("out.oblige(\"budget.wal_s\", \"60\");", "`budget.wal_s` is no known obligation [did you mean `budget.wall_s`?]"),
        // What policy does without.
        ("switch input.family { \"build_test\" => 1, _ => 2 }", "switch"),
        ("while true { }", "while"),
        ("loop { }", "loop"),
        ("do { } while true;", "do"),
        ("try { x() } catch { }", "try"),
        ("throw \"x\";", "throw"),
        ("eval(\"1\");", "eval"),
        ("import \"x\" as y;", "import"),
        ("print(\"x\");", "print"),
        ("debug(\"x\");", "debug"),
        ("sleep(1);", "sleep"),
        ("timestamp();", "timestamp"),
        ("let f = |x| x;", ""),
        ("let f = Fn(\"plan\");", "Fn"),
        ("call(\"plan\");", "call"),
        ("let s = \"x\"; s.pad(200000000, \"x\");", "there is no function `pad`"),
        ("parse_json(\"1\");", "there is no function `parse_json`"),
        ("exit();", "there is no function `exit`"),
        ("let x = 1; let x = 2;", "x"),
        ("let out = 1;", "out"),
        ("for data in input.argv { }", ""),
        ("for f in input.flags { }", "a table is no list"),
    ];
    for (body, part) in table {
        let problems = refused(&plan_body(body));
        assert!(problems.starts_with("policies/plan.rhai:2:"), "{body}\n{problems}");
        assert!(problems.contains(part), "{body}\n{problems}");
    }
}

/// Whole files that must not load.
#[test]
fn refused_files() {
    let empty = "fn plan(input, data, out) { }";
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        ("policies/plan.rhai", "fn plan(input, data, out) { }\nfn plan(input, data, out) { }", "plan"),
        ("policies/plan.rhai", "fn plam(input, data, out) { }", "the function `plan` with its three parameters is missing"),
        ("policies/plan.rhai", "fn plan(a, b, c) { }", "the function `plan` with its three parameters is missing"),
        ("policies/plan.rhai", "fn plan(input, data, out) { }\nfn deny(code, message) { }", "`deny` is a function of ORC"),
        ("policies/plan.rhai", "fn plan(input, data, out) { }\nfn contains(a, b) { true }", "`contains` is a function of ORC"),
        ("policies/plan.rhai", "const X = 1;\nfn plan(input, data, out) { }", "a policy file holds functions only"),
        ("policies/plan.rhai", "plan(1, 2, 3);\nfn plan(input, data, out) { }", "a policy file holds functions only"),
        ("policies/plan.rhai", "fn plan(input, data, out) { helper(1); }\nfn helper(a, b) { }", "`helper` does not take 1 arguments"),
        ("policies/plan.rhai", "fn plan(input, data, out) { help(input); }\nfn help(input) { input.famly }", "`famly` is no known field"),
        ("policies/plan.rhai", "fn plan(input, data, out) {", "policies/plan.rhai:1"),
        ("policies/plan.rhai", "\u{fffd}", "policies/plan.rhai:1"),
        ("policies/paln.rhai", empty, "`paln.rhai` is no known policy file [did you mean `plan.rhai`?]"),
        ("policies/lib/two words.rhai", "fn f() { }", "this is no name of a library"),
        ("policies/lib/a.rhai", "fn f() { b::g() }", "b"),
        ("policies/lib/a.rhai", "fn f(out) { out.deny(\"nope\", \"x\"); }", "`nope` is no known reason code"),
    ];
    for (path, text, part) in table {
        let problems = refused(&scripts(&[(path, text)]));
        assert!(problems.contains(part), "{path}: {text}\n{problems}");
    }
    let mut files = scripts(&[]);
    files.remove("policies/launch.rhai");
    assert!(refused(&files).contains("policies/launch.rhai: the file is missing"));
}

#[test]
fn problems_come_all_at_once_in_every_file() {
    let files = scripts(&[
        ("policies/plan.rhai", "fn plan(input, data, out) {\n    limt(1);\n    input.famly;\n}"),
        ("policies/admit.rhai", "fn admit(input, data, out) {\n    out.deny(\"nope\", \"x\");\n}"),
    ]);
    let problems = refused(&files);
    assert_eq!(problems.lines().count(), 3, "{problems}");
}

/// What only shows when a script runs: always a denial with its place, never an allow.
#[test]
fn denied_when_run() {
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        // Values of different types, hidden from the linter.
        ("if less(input.metadata.limit, 50) { }", "policy-error", "limit"),
        ("if same(\"60\", 50) { }", "policy-error", "text and a number cannot be compared"),
        ("if less(\"60\", 50) { }", "policy-error", "text and a number cannot be compared"),
        ("if less((), 50) { }", "policy-error", "nothing and a number cannot be compared"),
        ("if less(50, ()) { }", "policy-error", "a number and nothing cannot be compared"),
        ("if same((), 50) { }", "policy-error", "nothing and a number cannot be compared"),
        ("if same((), ()) { }", "policy-error", "cannot be compared"),
        ("if less(\"high\", \"low\") { }", "policy-error", "at_least"),
        ("if input.approved_risk == \"high\" { }", "policy-error", "nothing and text cannot be compared"),
        ("if same([1, \"2\"], [1, 2]) { }", "policy-error", "text and a number cannot be compared"),
        ("if 1 in input.argv { }", "policy-error", "cannot be compared"),
        ("if not(()) { }", "policy-error", ""),
        ("if given(()) { }", "policy-error", ""),
        ("if given(1) { }", "policy-error", ""),
        ("let x = 1 / len([]);", "policy-error", "zero"),
        ("let x = 9223372036854775807 + len([1]);", "policy-error", "overflow"),
        ("if at_least(\"hihg\", \"low\") { }", "policy-error", "`hihg` is no risk class"),
        ("if field(input) { }", "policy-error", ""),
        ("if input.diff.files > 1 { }", "policy-error", ""),
        ("let g = \"no\" + \"body\"; out.require(g, 1, \"risk-approval\", \"x\");", "policy-error", "`nobody` is no role group"),
        ("out.require(\"operator\", 0, \"risk-approval\", \"x\");", "policy-error", "at least 1"),
        ("out.require(\"operator\", -1, \"risk-approval\", \"x\");", "policy-error", "at least 1"),
        ("out.require(\"operator\", 5000000000, \"risk-approval\", \"x\");", "policy-error", "at least 1"),
        ("out.deny(\"tenant-quota\", 5);", "policy-error", ""),
        ("out.risk_class(); out.risk(\"high\", \"flag-risk\", \"x\");", "policy-error", "risk rises after it was read"),
        // Limits.
        ("recurse(0);", "policy-limit", ""),
        ("for a in many() { for b in many() { for c in many() { burn(0); } } }", "policy-limit", ""),
        ("let s = \"xxxxxxxxxxxxxxxx\"; for i in [1,2,3,4,5,6,7,8,9,10,11,12,13,14] { s += s; }", "policy-limit", ""),
        ("for i in [1,2,3] { for a in many() { for b in many() { out.warn(\"tenant-quota\", \"x\"); } } }", "policy-error", "256"),
    ];
    const HELPERS: &str = "
fn same(a, b) { a == b }
fn less(a, b) { a < b }
fn not(a) { !a }
fn given(a) { if a { true } else { false } }
fn field(a) { a.targetenv == \"prod\" }
fn recurse(n) { recurse(n + 1) }
fn many() { [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20] }
fn burn(n) { let sum = n; for a in many() { for b in many() { sum += 1; } } }
";
    for (body, code, part) in table {
        let script = format!("fn plan(input, data, out) {{\n{body}\n}}\n{HELPERS}");
        let decision = load(&scripts(&[("policies/plan.rhai", &script)])).decide(EntryPoint::Plan, &input());
        let reason = decision.denials.iter().find(|reason| reason.code.as_str() == *code);
        let reason = reason.unwrap_or_else(|| panic!("{body}: {:?}", decision.denials));
        assert!(reason.message.contains(part), "{body}: {}", reason.message);
        let at = reason.at.as_ref().unwrap();
        // Rhai loses the line where operations or call levels run out.
        assert!(at.file == "policies/plan.rhai" && (at.line > 1 || *code == "policy-limit"), "{body}: {at}");
    }
}

#[test]
fn what_is_said_before_a_failure_does_not_count_as_an_answer() {
    let decision = decide("out.grant(\"skip-rule\", \"x\"); let x = 1 / len([]);");
    assert!(!decision.allowed());
    assert!(decision.grants.is_empty());
}

#[test]
fn an_error_in_a_library_names_the_library() {
    let files = scripts(&[
        ("policies/plan.rhai", "fn plan(input, data, out) {\n    deep::down(input);\n}"),
        ("policies/lib/deep.rhai", "fn down(input) {\n    further(input)\n}\n\nfn further(x) {\n    1 / len([])\n}"),
    ]);
    let decision = load(&files).decide(EntryPoint::Plan, &input());
    let at = decision.denials[0].at.as_ref().unwrap();
    assert_eq!((at.file.as_str(), at.line), ("policies/lib/deep.rhai", 6));
}

#[test]
fn deep_nesting_is_a_problem_and_not_a_crash() {
    let body = format!("let x = {}1{};", "(".repeat(5000), ")".repeat(5000));
    assert!(refused(&plan_body(&body)).contains("policies/plan.rhai:2:"));
    let body = format!("let x = {}1;", "-".repeat(5000));
    assert!(refused(&plan_body(&body)).contains("policies/plan.rhai:2:"));
    let nested = "if true { if true { if true { if true { if true { if true { let x = 1; } } } } } }";
    load(&plan_body(nested));
}

#[test]
fn functions_of_one_file_cannot_replace_those_of_another() {
    let files = scripts(&[
        ("policies/plan.rhai", "fn plan(input, data, out) { a::f(out); }\nfn f(out) { }\nfn g(out) { }"),
        ("policies/lib/a.rhai", "fn f(out) { g(out); }\nfn g(out) { out.deny(\"tenant-quota\", \"from a\"); }"),
        ("policies/lib/b.rhai", "fn f(out) { }\nfn g(out) { }"),
    ]);
    let decision = load(&files).decide(EntryPoint::Plan, &input());
    assert_eq!(codes(&decision.denials), ["tenant-quota"]);
}

/// The most expensive thing that one operation can do is to copy a text of the largest size or a list of the table.
#[test]
fn the_slowest_script_is_stopped() {
    let text = "let l = `0123456789abcdef`; for i in [1,2,3,4,5,6,7,8,9,10,11] { l = l + l; }";
    let list = "let l = data.commands.build_test;";
    for big in [list, text] {
        let spin = "for a in all { for b in all { for c in all { for d in all { let x = len(l) + len(l) + len(l); } } } }";
        let decision = decide(&format!("{big}\nlet all = keys(data.codes);\n{spin}"));
        assert_eq!(codes(&decision.denials), ["policy-limit"], "{:?}", decision.denials);
    }
}
