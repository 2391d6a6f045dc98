//! Hosts: `serve` and the foreground `run` own the database and serve the socket; everybody else goes through it; they stop, and are followed.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use orc_tests::cli::{Said, Shell, process_lives, until};
use orc_tests::{edit, replace};
use rustix::process::Signal;

static MARKS: AtomicU32 = AtomicU32::new(0);

/// Gives `demo` a `./work.sh` that works until it is killed. The mark is in its processes' command lines.
fn endless(shell: &Shell) -> String {
    let mark = format!("600.{}{:03}", std::process::id(), MARKS.fetch_add(1, Ordering::SeqCst));
    shell.commit("demo", "work.sh", &format!("#!/bin/sh\ntrap '' TERM\necho working\nsleep {mark} & sleep {mark}\n"));
    mark
}

fn generation(shell: &Shell) -> (Option<u64>, u64) {
    let host = &shell.json("alice", &["overview"])["host"];
    (host["generation"].as_u64(), host["pid"].as_u64().unwrap())
}

#[test]
fn a_host_answers_for_everybody_and_stays_the_only_one() {
    let shell = Shell::crew();
    let before = shell.plan("./build.sh");
    let host = shell.serve();
    let (first, pid) = generation(&shell);
    assert_eq!(pid, u64::from(host.pid()), "the answers are the host's");
    let planned = shell.plan("./build.sh");
    assert_eq!(generation(&shell), (first, pid), "nobody took the database over to plan");
    assert_eq!(shell.state(&before), "awaiting_approval", "it goes on with what was there");
    let second = shell.orcctl(&["serve"]).fails(8, "database-busy").says("is served already").says("stop that host first");
    assert!(second.stderr.contains(&shell.socket().display().to_string()), "{second}");
    let _ = shell.orcctl(&["doctor"]).ok().says("listens on");
    assert_eq!(shell.json("alice", &["overview"])["host"]["pid"], pid, "the first one is still there");

    let stopped = host.stop().ok().says("stopping");
    assert_eq!(stopped.stdout, "", "a host has no data");
    assert!(!shell.socket().exists(), "its socket went with it");
    let (none, _) = generation(&shell);
    assert_eq!(none, None, "only read now");
    assert_eq!(shell.state(&planned), "awaiting_approval");
}

/// A session in words. What is asked, in order; what is said, without what differs from run to run.
fn session(shell: &Shell) -> Vec<String> {
    let plan = |command| vec!["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", command];
    let mut told = Vec::new();
    let mut tell = |user: &str, line: &[&str]| -> Said {
        let said = shell.by(user, line);
        told.push(shell.redact(&format!("$ {} [{}]\n{}", line[0], said.code, said.stdout)));
        // Whether a run was seen under way depends on when one looked.
        let words: Vec<&str> = said.stderr.lines().filter(|line| !line.starts_with("verify: running")).collect();
        told.push(shell.redact(&words.join("\n")));
        said
    };
    let first = tell("alice", &plan("./build.sh"));
    let id = first.stdout.split_whitespace().next().unwrap().to_owned();
    let second = tell("alice", &plan("./fail.sh"));
    let failing = second.stdout.split_whitespace().next().unwrap().to_owned();
    for (user, line) in [
        ("alice", vec!["approve", &id, "--yes"]),
        ("bob", vec!["approvals"]),
        ("alice", vec!["run", &id]),
        ("bob", vec!["approve", &id, "--yes"]),
        ("carol", vec!["approve", &failing, "--yes"]),
        ("bob", vec!["run", &id]),
        ("alice", vec!["run", &id]),
        ("alice", vec!["run", &failing]),
        ("alice", plan("./build.sh --force")),
        ("alice", vec!["status", "wf_zzzzzzzz"]),
        ("carol", vec!["status", &id]),
        ("carol", vec!["phases", &failing]),
        ("carol", vec!["workflow", &id]),
        ("carol", vec!["explain", &failing]),
        ("carol", vec!["workers"]),
        ("carol", vec!["workflows"]),
        ("carol", vec!["whoami"]),
        ("mallory", vec!["whoami"]),
        ("bob", vec!["freeze", "--all", "--reason", "no"]),
        ("alice", vec!["freeze", "--project", "demo", "--reason", "yes"]),
        ("alice", vec!["unfreeze", "--project", "demo"]),
    ] {
        let _ = tell(user, &line);
    }
    let audit = shell.json("alice", &["audit", &id]);
    let kinds = audit["events"].as_array().unwrap().iter().map(|event| format!("{} {}", event["kind"], event["actor"]["name"]));
    told.push(kinds.collect::<Vec<_>>().join("\n"));
    told
}

#[test]
fn a_session_is_the_same_in_process_and_over_the_socket() {
    let alone = Shell::crew();
    let in_process = session(&alone);
    let served = Shell::crew();
    let host = served.serve();
    let over_the_socket = session(&served);
    let _ = host.stop().ok();
    for (one, other) in in_process.iter().zip(&over_the_socket) {
        assert_eq!(one, other);
    }
    assert_eq!(in_process.len(), over_the_socket.len());
}

#[test]
fn a_detached_run_goes_on_without_its_caller() {
    let shell = Shell::crew();
    let _host = shell.serve();
    let id = shell.approved("./build.sh");
    let started = shell.by("alice", &["run", &id, "--detach"]).ok();
    assert!(started.stdout.contains("execution\nex_"), "{started}");
    shell.wait_for_state(&id, "completed");
    let twice = shell.by("alice", &["run", &id, "--detach"]).ok().says("the same key named this execution before");
    assert!(twice.stdout.contains("completed"), "{twice}");
}

#[test]
fn a_run_is_cancelled_from_another_terminal() {
    let shell = Shell::crew();
    let mark = endless(&shell);
    let _host = shell.serve();
    let id = shell.approved("./work.sh");
    let watching = shell.start(&["--user", "alice", "run", &id]);
    until("the command runs", || process_lives(&mark));
    assert_eq!(shell.state(&id), "executing");
    let _ = shell.by("alice", &["overview"]).ok().says("running").says("verify");
    let _ = shell.by("carol", &["cancel", &id, "--reason", "wrong branch"]).ok();
    let _ = watching.end().fails(9, "execution-cancelled");
    assert!(!process_lives(&mark), "nothing of it is left when it is cancelled");
    let status = shell.by("alice", &["status", &id]).ok();
    assert!(status.stdout.starts_with(&format!("{id}  cancelled")), "{status}");
    assert!(shell.by("alice", &["audit", &id]).ok().stdout.contains("wrong branch"));
    let _ = shell.by("alice", &["cancel", &id]).fails(5, "illegal-transition");
}

/// SIGTERM lets nothing live and loses nothing; the next host takes it up. So does one after a host that was killed.
#[test]
fn what_a_host_left_the_next_one_takes_up() {
    let shell = Shell::crew();
    let mark = endless(&shell);
    let host = shell.serve();
    let id = shell.approved("./work.sh");
    let _ = shell.by("alice", &["run", &id, "--detach"]).ok();
    until("the command runs", || process_lives(&mark));
    let _ = host.stop().ok().says("stopping");
    assert!(!process_lives(&mark), "a host that stopped left nothing running");
    let left = shell.by("alice", &["status", &id]).ok();
    assert!(left.stdout.starts_with(&format!("{id}  executing")), "{left}");

    let host = shell.serve();
    until("the next host runs it again", || process_lives(&mark));
    host.signal(Signal::KILL);
    assert_eq!(host.end().code, 128 + 9);
    until("what a killed host had started dies with it", || !process_lives(&mark));
    assert!(shell.socket().exists(), "a killed host leaves its socket");
    let _ = shell.by("alice", &["audit", "verify"]).ok().says("events holds");
    let _ = shell.by("alice", &["workers"]).ok();

    let host = shell.serve();
    until("the third host runs it again", || process_lives(&mark));
    let workers = shell.by("alice", &["workers"]).ok();
    assert!(workers.stdout.contains("lost"), "the launch that nobody saw the end of: {workers}");
    let _ = shell.by("alice", &["cancel", &id]).ok();
    shell.wait_for_state(&id, "cancelled");
    let _ = host.stop().ok();
    let _ = shell.by("alice", &["audit", "verify"]).ok().says("events holds");
}

#[test]
fn a_run_in_the_foreground_is_a_host() {
    let shell = Shell::crew();
    let mark = endless(&shell);
    let id = shell.approved("./work.sh");
    let run = shell.start(&["--user", "alice", "run", &id]);
    until("the command runs", || process_lives(&mark));
    assert_eq!(generation(&shell).1, u64::from(run.pid()), "it answers other terminals");
    assert_eq!(shell.state(&id), "executing");
    let _ = shell.plan("./check.sh");
    let _ = shell.orcctl(&["serve"]).fails(8, "database-busy");
    let _ = shell.by("alice", &["cancel", &id]).ok();
    let _ = run.end().fails(9, "execution-cancelled");
    assert!(!process_lives(&mark) && !shell.socket().exists());
}

#[test]
fn who_leaves_a_foreground_run_stops_it_and_is_told_so() {
    let shell = Shell::crew();
    let mark = endless(&shell);
    let id = shell.approved("./work.sh");
    let run = shell.start(&["--user", "alice", "run", &id]);
    until("the command runs", || process_lives(&mark));
    run.signal(Signal::INT);
    let left = run.end().fails(8, "execution-paused").says("this command was the host").says(&format!("orcctl cancel {id}"));
    assert_eq!(left.stdout, "", "it is not known how it will end");
    assert!(!process_lives(&mark));
    let _ = shell.by("alice", &["cancel", &id]).ok();
    assert_eq!(shell.state(&id), "cancelled", "the hint leads to an end, without a host");

    let id = shell.approved("./work.sh");
    let _host = shell.serve();
    let watching = shell.start(&["--user", "alice", "run", &id]);
    until("the command runs", || process_lives(&mark));
    watching.signal(Signal::INT);
    let _ = watching.end().fails(8, "execution-paused").says("goes on").says(&format!("orcctl cancel {id}"));
    assert!(process_lives(&mark), "the host goes on with it");
    let _ = shell.by("alice", &["cancel", &id]).ok();
    shell.wait_for_state(&id, "cancelled");
}

#[test]
fn a_changed_rule_decides_the_next_plan_and_a_broken_one_does_not() {
    let shell = Shell::crew();
    let _host = shell.serve();
    let rules = shell.root().join("policies/data/rules.yaml");
    let good = fs::read_to_string(&rules).unwrap();
    let plan = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", "./new.sh"];
    let _ = shell.by("alice", &plan).fails(4, "policy-denied");
    let revision = || shell.json("alice", &["rules"])["active"]["revision"].as_u64().unwrap();
    let before = revision();
    replace(&rules, &format!("{good}  - {{ project: demo, family: build_test, argv: [./new.sh] }}\n"));
    until("the change is in force", || revision() > before);
    let _ = shell.by("alice", &plan).ok();

    edit(&shell.root(), "policies/data/rules.yaml", "low:      { expires_h: 24", "low:      { expires_hours: 24");
    let problem = |shell: &Shell| shell.by("alice", &["overview"]).ok().stdout;
    until("the overview says what is wrong", || problem(&shell).contains("it cannot come into force"));
    let overview = problem(&shell);
    assert!(overview.contains("policies/data/rules.yaml:") && overview.contains("expires_hours"), "{overview}");
    assert!(overview.contains("orcctl config check"), "{overview}");
    let _ = shell.by("alice", &plan).ok();
    let _ = shell.orcctl(&["config", "check"]).fails(6, "config-invalid").says("expires_hours");

    replace(&rules, &good);
    until("the old content is in force again", || shell.by("alice", &plan).code == 4);
    assert!(!problem(&shell).contains("candidate"), "{}", problem(&shell));
    let history = shell.by("alice", &["rules"]).ok();
    assert!(history.stdout.contains("history"), "{history}");
}

/// With `trust: team` the kernel's word counts: whoever owns the state is still only who the operators file binds to that unix user.
#[test]
fn a_teams_host_believes_the_kernel_and_not_the_option() {
    let shell = Shell::new();
    let _ = shell.orcctl(&["init", "--team", "small", "--operator", "ada"]).ok();
    shell.accept_root();
    let host = shell.start(&["serve"]);
    let socket = shell.path("home/state/orc/orc.db.run/orc.sock");
    until("the team's socket is there", || socket.exists());
    for line in [["whoami"].as_slice(), &["--user", "ada", "whoami"]] {
        let _ = shell.orcctl(line).ok().says("ada").says("unix_peer");
    }
    let _ = shell.orcctl(&["--user", "example-lead", "whoami"]).fails(4, "operator-not-bound").says("example-lead");
    let _ = shell.orcctl(&["--user", "nobody-there", "whoami"]).fails(4, "not-an-operator");
    let _ = host.stop().ok();
    assert!(!socket.exists());
}
