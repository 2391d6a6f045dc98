//! Many at once without a host: each becomes the owner in its turn, and nobody is lost.

use std::collections::BTreeSet;

use orc_tests::cli::{Running, Shell};

const PLAN: [&str; 13] = [
    "--user",
    "alice",
    "--format",
    "json",
    "plan",
    "--project",
    "demo",
    "--action",
    "build",
    "--family",
    "build_test",
    "--command-text",
    "./build.sh",
];

fn ids(planning: Vec<Running>) -> BTreeSet<String> {
    planning.into_iter().map(|one| one.end().ok().json()["workflow"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn eight_plan_at_once_and_all_succeed() {
    let shell = Shell::crew();
    orc_tests::edit(&shell.root(), "policies/data/rules.yaml", "project:  { active: 5 }", "project:  { active: 50 }");
    // The first of them makes the database: that is a race too.
    let ids = ids((0..8).map(|_| shell.start(&PLAN)).collect());
    assert_eq!(ids.len(), 8, "{ids:?}");
    let listed = shell.json("bob", &["workflows"]);
    let listed: BTreeSet<String> =
        listed["workflows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, ids);
    let _ = shell.by("bob", &["audit", "verify"]).ok().says("events holds");
}

#[test]
fn the_same_key_from_many_at_once_has_one_effect() {
    let shell = Shell::crew();
    let line = [PLAN.as_slice(), &["--idempotency-key", "once"]].concat();
    let ids = ids((0..4).map(|_| shell.start(&line)).collect());
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[test]
fn many_run_one_plan_and_it_is_executed_once() {
    let shell = Shell::crew();
    let id = shell.approved("./build.sh");
    let runs: Vec<Running> = (0..4).map(|_| shell.start(&["--user", "alice", "run", &id])).collect();
    for run in runs {
        let _ = run.end().ok().says(&format!("{id} completed"));
    }
    let detail = shell.json("alice", &["workflow", &id]);
    assert_eq!(detail["executions"].as_array().unwrap().len(), 1);
    assert_eq!(shell.json("alice", &["workers"])["worker_runs"].as_array().unwrap().len(), 2, "the command and its verification, once");
}
