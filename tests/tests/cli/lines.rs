//! Command lines: the seeds' long forms and the short ones do the same, and global options stand before and after.

use orc_tests::cli::Shell;

/// The seeds' forms to the letter, with ids filled in, in the order of a life.
#[test]
fn the_seeds_long_forms_go_the_whole_way() {
    let shell = Shell::crew();
    let (db, root) = (shell.db().display().to_string(), shell.root().display().to_string());
    let orcctl = |line: &[&str]| shell.orcctl(&[&["--db", &db, "--root", &root], line].concat());
    let planned = orcctl(&[
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
        "--flag",
        "public_interface",
        "--flag",
        "large_change",
        "--meta",
        "ticket=CPS-12",
        "--meta",
        "why=a b",
        "--pipeline",
        "build_test",
        "--no-verify",
        "--idempotency-key",
        "plan-1",
    ])
    .ok()
    .json();
    let workflow = planned["workflow"]["id"].as_str().unwrap();
    let hash = planned["workflow"]["plan_hash"].as_str().unwrap();
    assert_eq!(planned["risk"]["class"], "moderate");
    let approvals = orcctl(&["--user", "bob", "--format", "json", "approvals", "--workflow-id", workflow]).ok().json();
    let request = approvals["cards"][0]["request"]["id"].as_str().unwrap();
    let token = approvals["cards"][0]["token"].as_str().unwrap();
    let _ = orcctl(&["approve", "--request-id", request, "--token", token, "--user", "bob", "--role", "tech_lead"]).ok();
    let _ = orcctl(&["run", "--workflow-id", workflow, "--plan-hash", hash, "--idempotency-key", "manual-1", "--user", "alice"]).ok();
    for (line, says) in [
        (vec!["status", "--workflow-id", workflow], "completed"),
        (vec!["phases", "--workflow-id", workflow], "not_applicable"),
        (vec!["audit", "--workflow-id", workflow], "execution_created"),
        (vec!["audit", "--workflow-id", workflow, "--limit", "2"], "earlier events are left out; `--limit` shows more"),
        (vec!["workflow", "--workflow-id", workflow], "ticket=CPS-12"),
        (vec!["explain", "--workflow-id", workflow], "flag-risk"),
        (vec!["workers", "--project", "demo", "--limit", "1"], "./build.sh"),
        (vec!["overview"], "1 completed"),
    ] {
        let _ = orcctl(&[&["--user", "alice"], line.as_slice()].concat()).ok().says(says);
    }
}

#[test]
fn short_and_long_forms_say_the_same() {
    let shell = Shell::crew();
    let id = shell.approved("./build.sh");
    let _ = shell.by("alice", &["run", &id]).ok();
    for command in ["status", "phases", "workflow", "audit", "explain"] {
        let (short, long) = (shell.by("alice", &[command, &id]).ok(), shell.by("alice", &[command, "--workflow-id", &id]).ok());
        assert_eq!(short.stdout, long.stdout, "{command}");
        assert_eq!(shell.by("alice", &[command, &id[..5]]).ok().stdout, short.stdout, "{command} by a prefix");
    }
    let waiting = shell.plan("./build.sh");
    let approvals = |line: &[&str]| shell.by("bob", &[&["approvals"], line].concat()).ok().stdout;
    assert_eq!(approvals(&[&waiting]), approvals(&["--workflow-id", &waiting]));
    assert_eq!(approvals(&[]), approvals(&[&waiting]), "it is all that waits");
}

#[test]
fn global_options_stand_before_and_after() {
    let shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let (db, root) = (shell.db().display().to_string(), shell.root().display().to_string());
    let globals = ["--db", &db, "--root", &root, "--user", "carol", "--format", "json", "--color", "never"];
    let before = shell.orcctl(&[globals.as_slice(), &["status", &id]].concat()).ok();
    let after = shell.orcctl(&[&["status", &id], globals.as_slice()].concat()).ok();
    let around = shell.orcctl(&[&globals[..4], &["status"], &globals[4..], &[&id]].concat()).ok();
    assert_eq!(before.stdout, after.stdout);
    assert_eq!(before.stdout, around.stdout);
    let nested = shell.orcctl(&["audit", "verify", "--format", "json", "--user", "bob"]).ok().json();
    assert!(nested["events"].as_u64().unwrap() > 3);
    let step = shell.orcctl(&["--db", &db, "--root", &root, "--user", "alice", "status", &id]).ok();
    assert!(
        step.stdout.contains(&format!("orcctl --db {db} --root {root} approve ap_")),
        "a next step names the same installation: {step}"
    );
}

/// Votes, withdrawals, freezes: the commands that end or stop something.
#[test]
fn the_other_changing_commands_have_their_forms() {
    let shell = Shell::crew();
    let rejected = shell.plan("./build.sh");
    let approvals = shell.json("bob", &["approvals", &rejected]);
    let (request, token) = (approvals["cards"][0]["request"]["id"].as_str().unwrap(), approvals["cards"][0]["token"].as_str().unwrap());
    let _ = shell.by("bob", &["reject", "--request-id", request, "--token", token, "--role", "operator", "--reason", "the wrong day"]).ok();
    let _ = shell.by("alice", &["status", &rejected]).ok().says("rejected").says("why: the wrong day");
    let _ = shell.by("alice", &["replan", &rejected]).ok().says("revision 2").says("awaiting_approval");
    let _ = shell.by("carol", &["reject", &rejected, "--yes"]).ok().says("rejected");
    let _ = shell.by("alice", &["replan", "--workflow-id", &rejected]).ok().says("revision 3");
    let _ = shell.by("alice", &["withdraw", &rejected, "--reason", "not needed"]).ok().says("withdrawn").says("orcctl audit");

    for scope in [["--project", "demo"].as_slice(), &["--tenant", "default"], &["--all"]] {
        let froze = shell.by("alice", &[&["freeze"], scope, &["--reason", "incident 42"]].concat()).ok().says("incident 42");
        assert!(froze.stdout.contains(&format!("orcctl unfreeze {}", scope.join(" "))), "{froze}");
        let plan = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", "./build.sh"];
        let _ = shell.by("alice", &plan).fails(4, "freeze-on").says("incident 42");
        let _ = shell.by("alice", &["overview"]).ok().says("freezes").says("incident 42");
        let _ = shell.by("alice", &[&["unfreeze"], scope].concat()).ok().says("no freeze is on");
    }
    let _ = shell.by("bob", &["freeze", "--all", "--reason", "no admin"]).fails(4, "not-permitted");
}

/// One key, one effect: a command whose answer was lost is repeated.
#[test]
fn a_key_makes_a_command_repeatable() {
    let shell = Shell::crew();
    let line = [
        "plan",
        "--project",
        "demo",
        "--action",
        "build",
        "--family",
        "build_test",
        "--command-text",
        "./build.sh",
        "--idempotency-key",
        "once",
    ];
    let first = shell.by("alice", &line).ok();
    assert_eq!(shell.by("alice", &line).ok().stdout, first.stdout);
    assert_eq!(shell.json("alice", &["workflows"])["workflows"].as_array().unwrap().len(), 1);
    let other = line.map(|word| if word == "./build.sh" { "./check.sh" } else { word });
    let _ = shell.by("alice", &other).fails(5, "idempotency-conflict");
}

#[test]
fn completions_and_the_manual_are_data() {
    let shell = Shell::new();
    for (shell_name, holds) in [("bash", "complete -F _orcctl"), ("zsh", "#compdef orcctl"), ("fish", "complete -c orcctl")] {
        let script = shell.orcctl(&["completions", shell_name]).ok();
        assert!(script.stdout.contains(holds) && script.stdout.contains("approvals") && script.stderr.is_empty(), "{shell_name}");
    }
    assert!(shell.orcctl(&["man"]).ok().stdout.contains(".TH orcctl"));
    let pages = shell.path("man1");
    std::fs::create_dir(&pages).unwrap();
    let _ = shell.orcctl(&["man", "--all", "man1"]).ok();
    for page in ["orcctl.1", "orcctl-plan.1", "orcctl-rules-activate.1"] {
        assert!(pages.join(page).is_file(), "{page}");
    }
    let _ = shell.orcctl(&["man", "--all", "share/man/man1"]).ok();
    assert!(shell.path("share/man/man1/orcctl-run.1").is_file(), "a directory that is not there is made");
    std::fs::write(shell.path("file"), "").unwrap();
    let _ = shell.orcctl(&["man", "--all", "file"]).fails(8, "storage-failed");
}
