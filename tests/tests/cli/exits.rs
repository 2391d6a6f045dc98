//! How a command fails: the exit code by kind, and words that say what, why, where and what to do.

use orc_tests::cli::Shell;
use orc_tests::{edit, git};

fn plan<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let line = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", command];
    [line.as_slice(), more].concat()
}

/// One of each kind and code that a single person can meet, as `docs/exit-codes.md` groups them; each with a piece of what is said, and of
/// the hint where there is one.
#[test]
fn the_exit_code_says_what_sort_of_no_it_is() {
    let shell = Shell::crew();
    let approved = shell.approved("./build.sh");
    let hash = format!("sha256:{}", "0".repeat(64));
    let deploy = plan("./build.sh", &[]).into_iter().map(|word| if word == "build_test" { "deployment_runbook" } else { word }).collect();
    let unregistered = plan("./build.sh", &[]).into_iter().map(|word| if word == "demo" { "demi" } else { word }).collect();
    let cases: Vec<(i32, &str, Vec<&str>, &str)> = vec![
        (2, "invalid-command", plan("./build.sh && ./check.sh", &[]), "`&` in column 12 would need a shell"),
        (2, "invalid-command", plan("./build.sh $(id)", &[]), "hint: "),
        (2, "unknown-flag", plan("./build.sh", &["--flag", "publik_interface"]), "hint: "),
        (2, "pipeline-not-allowed", plan("./build.sh", &["--pipeline", "read_only"]), "hint: "),
        (2, "invalid-request", plan("./build.sh", &["--meta", "a=1", "--meta", "a=2"]), "`--meta a` is given twice"),
        (2, "invalid-request", vec!["run", &approved, "--detach"], "start `orcctl serve` first"),
        (3, "not-found", vec!["status", "wf_zzzzzzzz"], "orcctl workflows"),
        (3, "not-found", vec!["approve", "ap_zzzzzzzz", "--yes"], "hint: "),
        (3, "not-found", vec!["explain", "de_zzzzzzzz"], "hint: "),
        (3, "project-not-registered", unregistered, "demo"),
        (4, "family-not-allowed", deploy, "families"),
        (4, "policy-denied", plan("./build.sh --force", &[]), "at policies/"),
        (4, "policy-denied", plan("rm -rf .", &[]), "remedy: "),
        (4, "not-permitted", vec!["--user", "bob", "run", &approved], "ask alice"),
        (4, "not-an-operator", vec!["--user", "mallory", "overview"], "operators are alice, bob, carol"),
        (5, "plan-hash-mismatch", vec!["run", &approved, "--plan-hash", &hash], "hint: "),
        (5, "illegal-transition", vec!["cancel", &approved], "withdraw"),
        (6, "config-invalid", vec!["--root", "/nonexistent", "config", "check"], "`orcctl init` writes one"),
    ];
    for (code, error, line, says) in cases {
        let by = if line[0] == "--user" { line.clone() } else { [&["--user", "alice"], line.as_slice()].concat() };
        let said = shell.orcctl(&by).fails(code, error).says(says);
        assert_eq!(said.stdout, "", "errors are words: {said}");
        let json = shell.orcctl(&[&["--format", "json"], by.as_slice()].concat()).fails(code, error).json();
        assert_eq!(json["error"]["code"], error);
        let message = json["error"]["message"].as_str().unwrap();
        let _ = said.says(message);
    }
    assert_eq!(shell.state(&approved), "approved", "nothing of it changed anything");
    let denied = shell.by("alice", &["audit"]).ok();
    for kind in ["plan_denied", "run_denied", "intent_denied"] {
        assert!(denied.stdout.contains(kind), "refused attempts are in the audit: {denied}");
    }
}

#[test]
fn a_denial_says_rule_place_remedy_and_where_to_look_on() {
    let shell = Shell::crew();
    let denied = shell.by("alice", &plan("./build.sh --force", &[])).fails(4, "policy-denied");
    let lines: Vec<&str> = denied.stderr.lines().collect();
    assert!(lines[0].starts_with("error[policy-denied]: "), "{denied}");
    assert!(lines.iter().any(|line| line.starts_with("  reason: command-not-allowed: ")), "{denied}");
    assert!(lines.iter().any(|line| line.starts_with("    at policies/") && line.split(':').count() == 3), "{denied}");
    assert!(denied.stderr.split_whitespace().collect::<Vec<_>>().join(" ").contains(", or use \"./build.sh\""), "{denied}");
    let hint = denied.stderr.split("hint: `orcctl ").nth(1).and_then(|rest| rest.split('`').next()).expect("a hint with a command");
    let words: Vec<&str> = hint.split_whitespace().collect();
    let explained = shell.by("alice", &words).ok();
    assert!(
        explained.stdout.contains("denied because") && explained.stdout.contains("command-not-allowed"),
        "the hint leads on: {explained}"
    );
}

#[test]
fn the_id_of_a_part_means_its_workflow() {
    let shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let request = shell.json("bob", &["approvals"])["cards"][0]["request"]["id"].as_str().unwrap().to_owned();
    for part in [&request, &id, &id[..6]] {
        assert_eq!(shell.json("alice", &["status", part])["workflow"]["id"], id.as_str(), "{part}");
    }
    // Without its kind an id means a workflow.
    let _ = shell.by("alice", &["status", &request[3..]]).fails(3, "not-found");
    let _ = shell.by("alice", &["status", "de_nothere"]).fails(3, "not-found");
}

#[test]
fn what_clap_refuses_is_an_error_like_every_other() {
    let shell = Shell::new();
    for line in [["status", "--no-such-option"].as_slice(), &["plan", "--family", "buildtest"], &["staus"], &["run"]] {
        let said = shell.orcctl(line);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said}");
        assert!(said.stderr.contains("--help"), "{said}");
        let json = shell.orcctl(&[&["--format", "json"], line].concat());
        assert_eq!(json.code, 2, "{json}");
        assert_eq!(json.json()["error"]["code"], "invalid-request");
        assert_eq!(json.stderr, said.stderr);
    }
    for (line, names) in [(["status"].as_slice(), "WORKFLOW"), (&["plan", "--project", "demo"], "--command-text"), (&["staus"], "'status'")]
    {
        let json = shell.orcctl(&[&["--format", "json"], line].concat()).json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains(names) && !message.contains("Usage:"), "{json}");
    }
    for line in [["--help"].as_slice(), &["plan", "--help"], &["--version"]] {
        let said = shell.orcctl(line).ok();
        assert!(!said.stdout.is_empty() && said.stderr.is_empty(), "{said}");
    }
}

/// What does not come to its end has exit code 7 (it failed) or 9 (somebody cancelled it), and says why in words.
#[test]
fn a_run_that_fails_says_why_and_where_to_look() {
    let shell = Shell::crew();
    let id = shell.approved("./fail.sh");
    let failed = shell.by("alice", &["run", &id]).fails(7, "execution-failed").says("exit code 3");
    assert!(failed.stdout.contains("failed"), "the page is shown all the same: {failed}");
    let again = shell.by("alice", &["run", &id]);
    assert_eq!((again.code, shell.redact(&again.stdout)), (7, shell.redact(&failed.stdout)), "the same answer the second time");
    let _ = shell.by("alice", &["overview"]).ok().says("failed lately").says("orcctl explain");
}

#[test]
fn what_the_plan_pins_and_moved_is_named() {
    let shell = Shell::crew();
    let id = shell.approved("./build.sh");
    edit(&shell.root(), "config/phase-contracts.yaml", "timeout_s: 1800", "timeout_s: 1801");
    let said = shell.by("alice", &["run", &id]).fails(5, "plan-stale").says("timeout_s").says("1801").says("orcctl replan");
    assert_eq!(said.stdout, "");
    assert_eq!(shell.state(&id), "stale");
    let _ = shell.by("alice", &["replan", &id]).ok().says("changed since the revision before").says("+ 1801");
}

#[test]
fn a_commit_that_its_branch_lost_is_refused_and_a_branch_that_moved_on_is_not() {
    let shell = Shell::crew();
    let moved = shell.approved("./build.sh");
    shell.commit("demo", "more.sh", "#!/bin/sh\n");
    let _ = shell.by("alice", &["run", &moved]).ok().says("the branch is 1 commit ahead");
    let lost = shell.approved("./build.sh");
    git(&shell.path("demo"), &["reset", "-q", "--hard", "HEAD~1"]);
    shell.commit("demo", "other.sh", "#!/bin/sh\n");
    let _ = shell.by("alice", &["run", &lost]).fails(5, "base-commit-gone").says("orcctl replan");
}

/// Without the exception for root, a bound on processes is demanded that the kernel does not enforce for it: nothing is launched.
#[test]
fn what_cannot_be_enforced_is_not_run() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let shell = Shell::crew();
    edit(&shell.root(), "config/orc.yaml", "accept_root: [processes]", "accept_root: []");
    let _ = shell.by("alice", &plan("./build.sh", &[])).fails(10, "unenforceable").says("processes").says("accept_root");
    let other = shell.project("other", &[("Makefile", "test:\n\ttrue\n")]);
    let tried = shell.orcctl(&["project", "add", other.to_str().unwrap(), "--yes"]);
    let _ = tried.fails(10, "unenforceable").says("cannot be launched as proposed").says("accept_root");
    assert!(!std::fs::read_to_string(shell.root().join("config/projects.registry.yaml")).unwrap().contains("other"));
}
