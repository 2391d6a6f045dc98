//! Commands that need no database: gates, rules, the state of the machine.

use std::fs;

use orc_tests::cli::Shell;
use orc_tests::{edit, replace};
use serde_json::Value;

/// What every new root has.
const STOCK: &[&str] = &[
    "dependency-guard",
    "diff-budget",
    "distill-memory",
    "extract-backlog",
    "instruction-scan",
    "json-schema",
    "outputs-match-diff",
    "protected-paths",
    "recall-memory",
    "review-threshold",
    "rollback-plan-present",
    "secret-scan",
    "summarize-for-operator",
    "test-touch",
    "verification-passed",
    "workspace-clean",
];

#[test]
fn gates_are_listed_inspected_tested_and_pinned() {
    let shell = Shell::solo();
    let list = shell.orcctl(&["gate", "list"]).ok();
    for guest in STOCK {
        assert!(list.stdout.contains(guest), "{list}");
        let inspected = shell.orcctl(&["gate", "inspect", guest]).ok();
        assert!(inspected.stdout.contains("digest   sha256:") && inspected.stdout.contains("export "), "{inspected}");
    }
    assert!(list.stdout.contains("verify pre_gate") && list.stdout.contains("verify post_gate"), "{list}");
    let rows = shell.orcctl(&["--format", "json", "gate", "list"]).ok().json();
    assert_eq!(rows["guests"].as_array().unwrap().len(), STOCK.len());
    let _ = shell.orcctl(&["gate", "inspect", "secret-scam"]).fails(3, "not-found").says("orcctl gate list");
    let _ = shell.orcctl(&["gate", "inspect", "./nothing.wasm"]).fails(3, "not-found");
    let text = shell.path("text.wasm");
    fs::write(&text, "no component").unwrap();
    let _ = shell.orcctl(&["gate", "inspect", text.to_str().unwrap()]).fails(7, "guest-fault");

    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../phases/guests");
    let _ = shell.orcctl(&["gate", "test", "secret-scan", "--cases", &format!("{cases}/secret-scan/cases")]).ok().says("cases passed");
    let _ = shell.orcctl(&["gate", "test", "--stock", cases]).ok().says("pass workspace-clean/untouched-passes.toml");
    let empty = shell.path("empty");
    fs::create_dir(&empty).unwrap();
    let _ = shell.orcctl(&["gate", "test", "secret-scan", "--cases", empty.to_str().unwrap()]).fails(7, "guest-fault").says("no case");
    fs::write(empty.join("wrong.toml"), "[expect]\nverdict = \"fail\"\n").unwrap();
    let failed = shell.orcctl(&["gate", "test", "diff-budget", "--cases", empty.to_str().unwrap()]).fails(7, "guest-fault");
    let _ = failed.says("fail wrong.toml").says("expected: ").says("got: ");
    let _ = shell.orcctl(&["gate", "test", "--stock", empty.to_str().unwrap()]);

    let before = fs::read(shell.root().join("config/guests.lock")).unwrap();
    let _ = shell.orcctl(&["gate", "lock"]).ok().says("every guest is pinned as it is");
    let manifest = shell.root().join("phases/guests/secret-scan.toml");
    replace(&manifest, &(fs::read_to_string(&manifest).unwrap() + "\n# looked at\n"));
    let _ = shell.orcctl(&["config", "check"]).fails(6, "config-invalid").says("config/guests.lock:").says("orcctl gate lock secret-scan");
    let _ = shell.orcctl(&["gate", "lock", "diff-budget"]).ok().says("every guest is pinned as it is");
    let _ = shell.orcctl(&["gate", "lock", "secret-scan"]).ok().says("secret-scan");
    let _ = shell.orcctl(&["config", "check"]).ok();
    assert_ne!(fs::read(shell.root().join("config/guests.lock")).unwrap(), before);
}

#[test]
fn rules_are_checked_tested_and_tried() {
    let shell = Shell::crew();
    let _ = shell.orcctl(&["policy", "check"]).ok().says("nothing is wrong");
    let _ = shell.orcctl(&["policy", "test"]).ok().says("cases passed");
    let some = shell.orcctl(&["policy", "test", "plan/"]).ok();
    assert!(some.stdout.lines().filter(|line| line.starts_with("pass")).all(|line| line.starts_with("pass  plan/")), "{some}");
    assert!(!some.stdout.contains("both ways"), "some cases say nothing about coverage: {some}");
    let _ = shell.orcctl(&["policy", "test", "--require-coverage"]).ok();
    let _ = shell.orcctl(&["policy", "test", "no-such-case"]).fails(6, "rules-tests-failed").says("no case was found");
    let bare = Shell::new();
    let _ = bare.orcctl(&["policy", "test", "--stock", "--require-coverage"]).ok().says("cases passed");

    let _ = shell.plan("./build.sh");
    let id = shell.json("alice", &["workflows"])["workflows"][0]["id"].as_str().unwrap().to_owned();
    let mut input = shell.json("alice", &["explain", &id])["decisions"][0]["input"].clone();
    let _ =
        shell.fed(&input.to_string(), &["policy", "eval", "--input", "-"]).ok().says("answer allowed (plan)").says("needs 1 of operator");
    input["argv"] = serde_json::json!(["./build.sh", "--force"]);
    let file = shell.path("input.json");
    fs::write(&file, input.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let _ =
        shell.orcctl(&["policy", "eval", "--entry", "plan", "--input", file]).ok().says("answer denied (plan)").says("command-not-allowed");
    let _ = shell.orcctl(&["policy", "eval", "--entry", "lunch", "--input", file]);
    let _ = shell.fed("{}", &["policy", "eval", "--input", "-"]).fails(2, "invalid-request").says("is no decision input");
    let _ = shell.orcctl(&["policy", "eval", "--input", "nowhere.json"]).fails(3, "not-found");

    edit(&shell.root(), "policies/data/rules.yaml", "  flag-risk:\n", "  flag-risk: {}\n  never-given:\n");
    let _ = shell.orcctl(&["policy", "test", "--require-coverage"]).fails(6, "rules-tests-failed").says("never-given");
    let _ = shell.orcctl(&["policy", "test"]).ok().says("do not show both ways: never-given");
    edit(&shell.root(), "policies/plan.rhai", "fn plan(input, data, out) {", "fn plan(input, data, out) {\n    let x = input.famly;");
    let _ = shell.orcctl(&["policy", "check"]).fails(6, "config-invalid").says("policies/plan.rhai:").says("family");
}

#[test]
fn the_doctor_reports_and_exits_with_success() {
    let shell = Shell::new();
    let _ = shell.orcctl(&["doctor"]).ok().says("fail root:").says("`orcctl init` writes one");
    let _ = shell.orcctl(&["init"]).ok();
    let healthy = shell.orcctl(&["doctor"]).ok().says("pass root:").says("enforced: files").says("none serves");
    if rustix::process::geteuid().is_root() {
        let _ = healthy.says("fail not enforced: processes").says("run ORC as an ordinary user");
        shell.accept_root();
        let _ = shell.orcctl(&["doctor"]).ok().says("pass not enforced: processes: accepted by `accept_root`");
    }
    let json = shell.orcctl(&["--format", "json", "doctor"]).ok().json();
    assert!(json["checks"].as_array().unwrap().iter().any(|check| check["what"] == "version" && check["ok"] == true), "{json}");
}

#[test]
fn nothing_there_yet_is_said_with_what_makes_it() {
    let shell = Shell::new();
    let _ = shell.orcctl(&["overview"]).fails(3, "not-found").says("`orcctl init` writes a root");
    let _ = shell.orcctl(&["whoami"]).fails(3, "not-found");
    let plan = ["plan", "--project", "demo", "--action", "a", "--family", "build_test", "--command-text", "x"];
    let _ = shell.orcctl(&plan).fails(6, "config-invalid").says("`orcctl init` writes one");
    let _ = shell.orcctl(&["serve"]).fails(6, "config-invalid").says("`orcctl init` writes one");
    let _ = shell.orcctl(&["migrate"]).ok().says("there is none yet");
    assert!(!shell.db().exists());
}

/// As an auditor does with a copy of the database.
#[test]
fn who_only_reads_makes_no_key_and_gets_no_token() {
    let shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let keys = shell.path("home/config/orc/keys");
    let aside = shell.path("keys");
    std::fs::rename(&keys, &aside).unwrap();
    let _ = shell.by("alice", &["audit", "verify"]).ok().says("events holds");
    let cards = shell.json("bob", &["approvals"]);
    assert_eq!(
        (&cards["cards"][0]["token"], &cards["cards"][0]["cannot"]["code"]),
        (&Value::Null, &Value::from("not-permitted")),
        "{cards}"
    );
    assert!(!keys.exists(), "a reader made a key");
    std::fs::rename(&aside, &keys).unwrap();
    let _ = shell.by("bob", &["approve", &id, "--yes"]).ok();
}

#[test]
fn a_rules_revision_is_rolled_back_and_brought_back() {
    let shell = Shell::crew();
    let _ = shell.plan("./build.sh");
    edit(&shell.root(), "policies/data/rules.yaml", "project:  { active: 5 }", "project:  { active: 6 }");
    let _ = shell.plan("./build.sh");
    let status = shell.by("alice", &["rules"]).ok().says("active revision 2");
    assert!(status.stdout.contains("history"), "{status}");
    let _ = shell.by("bob", &["rules", "diff", "--to", "1"]).ok().says("from revision 2").says("rules rollback 1");
    let _ = shell.by("bob", &["rules", "rollback", "1"]).fails(4, "not-permitted");
    let _ = shell.by("alice", &["rules", "rollback", "1"]).ok().says("revision 3");
    let _ = shell.by("alice", &["rules", "rollback", "77"]).fails(3, "not-found");
    let _ =
        shell.by("alice", &["rules", "status"]).ok().says("this content was rolled back").says("change it, and it is a candidate again");
    let _ = shell.plan("./build.sh");
    let _ = shell.by("alice", &["rules"]).ok().says("active revision 3");
    edit(&shell.root(), "policies/data/rules.yaml", "project:  { active: 6 }", "project:  { active: 7 }");
    let _ = shell.plan("./build.sh");
    let _ = shell.by("alice", &["rules"]).ok().says("active revision 4");
}

/// Nobody serves and nobody has changed anything: who asks sees the root as it is now, and nothing of that is written down.
#[test]
fn who_asks_sees_the_root_as_it_is() {
    let shell = Shell::crew();
    let _ = shell.plan("./build.sh");
    let rules = shell.root().join("policies/data/rules.yaml");
    let good = fs::read_to_string(&rules).unwrap();
    let events = shell.by("alice", &["audit"]).ok().stdout;
    let clean = shell.by("alice", &["rules"]).ok();
    assert!(!clean.stdout.contains("candidate"), "{clean}");

    edit(&shell.root(), "policies/data/rules.yaml", "low:      { expires_h: 24", "low:      { expires_hours: 24");
    for page in ["rules", "overview"] {
        let _ = shell.by("alice", &[page]).ok().says("not looked at by a host yet").says("cannot come into force").says("expires_hours");
    }
    replace(&rules, &good.replace("project:  { active: 5 }", "project:  { active: 6 }"));
    let changed = shell.by("alice", &["rules"]).ok().says("not looked at by a host yet").says("~ policies/data/rules.yaml");
    assert!(!changed.stdout.contains("cannot come into force"), "{changed}");
    assert_eq!(shell.by("alice", &["audit"]).ok().stdout, events, "asking writes nothing");

    // What a host wrote down about a broken root is not repeated once it is mended.
    replace(&rules, &good[..good.len() / 2]);
    let _ = shell.plan("./build.sh");
    let _ = shell.by("alice", &["overview"]).ok().says("it cannot come into force");
    replace(&rules, &good);
    let mended = shell.by("alice", &["overview"]).ok();
    assert!(!mended.stdout.contains("candidate"), "{mended}");
}

#[test]
fn a_root_that_is_not_there_plans_nothing_and_is_seen() {
    let shell = Shell::crew();
    let _ = shell.plan("./build.sh");
    let nowhere = shell.path("nowhere").display().to_string();
    let plan =
        ["--root", &nowhere, "plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", "./build.sh"];
    let _ = shell.by("alice", &plan).fails(3, "not-found").says("there is no root at").says("orcctl init");
    for page in ["rules", "overview"] {
        let _ = shell.by("alice", &["--root", &nowhere, page]).ok().says("cannot come into force").says("is no ORC root");
    }
    // One that was not named and is gone for a moment takes nothing out of force.
    fs::rename(shell.root().join("config"), shell.path("aside")).unwrap();
    let _ = shell.plan("./build.sh");
    let overview = shell.by("alice", &["overview"]).ok().says("is no ORC root");
    assert!(!overview.stdout.contains("not looked at"), "the plan's host has seen it: {overview}");
    fs::rename(shell.path("aside"), shell.root().join("config")).unwrap();
}

#[test]
fn a_name_of_nothing_is_no_empty_list() {
    let shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let _ = shell.by("alice", &["events", "--workflow-id", "wf_zzzzzzzz"]).fails(3, "not-found").says("there is no workflow `wf_zzzzzzzz`");
    for list in ["workflows", "workers"] {
        let _ = shell.by("alice", &[list, "--project", "dmeo"]).fails(3, "not-found").says("did you mean `demo`?");
    }
    // A project that was taken off the registry has its history.
    edit(&shell.root(), "config/projects.registry.yaml", "  demo:", "  other:");
    edit(&shell.root(), "policies/data/rules.yaml", "{ project: demo,", "{ project: other,");
    let _ = shell.by("alice", &["rules", "activate"]).ok();
    let _ = shell.by("alice", &["workflows", "--project", "demo"]).ok().says(&id);
}
