//! From an intent to its proof, as one types it.

use orc_tests::cli::{Said, Shell};
use serde_json::Value;

const PLAN: [&str; 9] = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", "./build.sh"];

#[test]
fn every_team_gets_a_root_that_is_in_order() {
    for team in ["solo", "small", "org"] {
        let shell = Shell::new();
        let made =
            shell.orcctl(&["init", "--team", team, "--operator", "ada"]).ok().says("orcctl project add PATH # register a git repository");
        assert!(made.stdout.starts_with("wrote "), "{made}");
        assert_eq!(made.stderr, "");
        let checked = shell.orcctl(&["config", "check"]).ok();
        assert!(checked.stdout.contains("nothing is wrong"), "{checked}");
        let operators = std::fs::read_to_string(shell.root().join("config/operators.yaml")).unwrap();
        assert!(operators.contains("\n  ada:\n"), "{operators}");
        let before = std::fs::read(shell.root().join("config/orc.yaml")).unwrap();
        let _ = shell.orcctl(&["init", "--team", team]).fails(2, "invalid-request").says("is not empty");
        assert_eq!(std::fs::read(shell.root().join("config/orc.yaml")).unwrap(), before, "a second init changes nothing");
    }
}

#[test]
fn config_check_says_every_error_of_a_file_with_its_place() {
    let shell = Shell::solo();
    orc_tests::edit(&shell.root(), "config/orc.yaml", "trust: single_user", "trust: nobody\ntrsut: team");
    orc_tests::edit(&shell.root(), "config/orc.yaml", "concurrent_executions: 2", "concurrent_executions: many");
    orc_tests::edit(&shell.root(), "config/operators.yaml", "roles: [operator", "rolls: [operator");
    let said = shell.orcctl(&["config", "check"]).fails(6, "config-invalid");
    assert_eq!(said.stdout, "", "errors are words");
    let line = |file: &str, text: &str| {
        let content = std::fs::read_to_string(shell.root().join(file)).unwrap();
        content.lines().position(|line| line.contains(text)).unwrap() + 1
    };
    for (file, text, column, message) in [
        ("config/orc.yaml", "trust: nobody", 8, "nobody"),
        ("config/orc.yaml", "trsut: team", 1, "unknown key `trsut` (did you mean `trust`?)"),
        ("config/orc.yaml", "concurrent_executions: many", 24, ""),
        ("config/operators.yaml", "rolls: [operator", 5, "unknown key `rolls` (did you mean `roles`?)"),
    ] {
        let place = format!("{file}:{}:{column}: ", line(file, text));
        assert!(said.stderr.contains(&place), "no {place} in {said}");
        let _ = said.clone().says(message);
    }
    let json = shell.orcctl(&["--format", "json", "config", "check"]).fails(6, "config-invalid").json();
    assert!(json["error"]["causes"].as_array().unwrap().len() >= 4, "{json}");
}

#[test]
fn a_plan_is_approved_by_another_run_and_proved() {
    let shell = Shell::crew();
    let planned = shell.by("alice", &PLAN).ok();
    assert!(planned.stderr.is_empty(), "{planned}");
    let expected = "\
wf_1 awaiting_approval
project demo (tenant default)
what build_test build
command ./build.sh
by alice, planned DATE TIME
plan revision 1
hash sha256:HASH
risk low
why decision de_2

approvals
request of votes state may vote until
ap_3 operator 0/1 pending bob, carol DATE TIME UTC

next
orcctl approve ap_3 # bob or carol votes for operator
orcctl explain wf_1 # see why they are asked
";
    assert_eq!(shell.redact(&planned.stdout), expected);
    let id = planned.stdout.split_whitespace().next().unwrap().to_owned();

    let _ = shell.by("alice", &["approve", &id, "--yes"]).fails(4, "self-approval").says("another member of operator must vote");
    let _ = shell.by("bob", &["approve", &id]).fails(2, "invalid-request").says("there is no terminal to ask on").says("give `--yes`");
    let voted = shell.by("bob", &["approve", &id, "--yes"]).ok().says("workflow").says("is approved");
    assert!(voted.stdout.contains("will run ./build.sh\nthen     ./check.sh\n"), "the card says what runs: {voted}");
    assert!(voted.stdout.contains("you      may vote as operator"), "{voted}");
    assert!(!voted.stdout.contains("token"), "no token in a card: {voted}");

    let run = shell.by("alice", &["run", &id]).ok();
    assert!(run.stderr.ends_with("verify: completed\n"), "progress is words: {run}");
    let expected = "\
wf_1 completed
project demo (tenant default)
what build_test build
command ./build.sh
by alice, planned DATE TIME
plan revision 1
hash sha256:HASH
risk low

approvals
request of votes state may vote until
ap_2 operator 1/1 approved nobody DATE TIME UTC
- ap_2: approved by bob as operator (DATE TIME, asserted)

execution
ex_3 completed
key cli-HASH
began DATE TIME
ended DATE TIME
used N UNIT in commands, launches: 2, attempts: 1

phases
phase state attempt took guests
verify completed 1 of 1 N UNIT workspace-clean pass, verification-passed pass, diff-budget pass, protected-paths
pass, secret-scan pass

next
orcctl phases wf_1 # see outputs and gates
orcctl audit wf_1 # see who did what and when
";
    assert_eq!(shell.redact(&run.stdout), expected);
    let again = shell.by("alice", &["run", &id]).ok().says("was started before under this key");
    assert_eq!(again.stdout, run.stdout, "the same key, the same execution");
    every_reading_command_tells_the_same_twice(&shell, &id);
}

/// What a reading command must say in text, and where the same fact stands in its JSON.
fn every_reading_command_tells_the_same_twice(shell: &Shell, id: &str) {
    let by = |line: &[&str]| shell.by("alice", line).ok();
    let facts: [(&[&str], &str, &[&str]); 12] = [
        (&["status", id], "/workflow/state", &["completed", "ap_", "ex_"]),
        (&["phases", id], "/phases/0/guests/4/guest", &["secret-scan", "exit code 0", "output"]),
        (&["workflow", id], "/plan/intent/argv/0", &["./build.sh", "revisions", "verify   ./check.sh"]),
        (&["audit", id], "/events/0/kind", &["workflow_planned", "vote_approved", "execution_created", "head"]),
        (&["audit", "verify"], "/head", &["sha256:", "events holds"]),
        (&["explain", id], "/decisions/0/id", &["de_", "allowed (plan", "policies/lib/approvals.rhai:"]),
        (&["workers"], "/worker_runs/0/id", &["wr_", "./build.sh", "./check.sh"]),
        (&["workflows"], "/workflows/0/id", &[id, "demo"]),
        (&["workflows", "--state", "completed", "--project", "demo", "--limit", "1"], "/workflows/0/id", &[id]),
        (&["whoami"], "/actor/name", &["alice", "asserted", "admin"]),
        (&["rules"], "/active/digest", &["sha256:", "revision 1"]),
        (&["overview"], "/rules/active/digest", &["1 completed", "single_user", "no host owns the database"]),
    ];
    for (line, pointer, words) in facts {
        let text = by(line);
        assert_eq!(text.stderr, "", "{text}");
        for word in words {
            assert!(text.stdout.contains(word), "no {word:?} in {text}");
        }
        let json = shell.json("alice", line);
        let fact = json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {json:#}"));
        assert!(text.stdout.contains(fact), "{fact} of {pointer} is not in {text}");
    }
    let events = by(&["--format", "json", "events", "--after", "0"]);
    let kinds: Vec<Value> = events.stdout.lines().map(|line| serde_json::from_str(line).expect("an event a line")).collect();
    let text = by(&["events"]);
    assert!(kinds.len() > 20 && kinds.iter().all(|event| text.stdout.contains(event["kind"].as_str().unwrap())), "{events}");
    let sequence: Vec<u64> = kinds.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(sequence, (1..=sequence.len() as u64).collect::<Vec<_>>(), "no gap");
    let of_one = by(&["--format", "json", "events", "--workflow-id", id, "--after", "10"]);
    assert!(of_one.stdout.lines().all(|line| line.contains(id)) && !of_one.stdout.is_empty(), "{of_one}");
    assert_eq!(shell.state(&id[..6]), "completed", "an unambiguous prefix will do");
}

#[test]
fn no_page_sends_the_reader_where_he_is() {
    let shell = Shell::crew();
    let id = shell.approved("./fail.sh");
    let _ = shell.by("alice", &["run", &id]).fails(7, "execution-failed").says("command-failed");
    for page in ["status", "phases", "explain"] {
        let said = shell.by("alice", &[page, &id]).ok();
        let (_, next) = said.stdout.rsplit_once("next\n").unwrap();
        assert!(next.contains("orcctl replan"), "{said}");
        assert!(!next.contains(&format!("orcctl {page} ")), "{said}");
        assert!(said.stdout.contains("it went wrong") || page != "phases", "the output of what failed is shown: {said}");
    }
}

fn token_of(approvals: &Value) -> (String, String) {
    let card = &approvals["cards"][0];
    (card["request"]["id"].as_str().unwrap().to_owned(), card["token"].as_str().unwrap().to_owned())
}

/// Three ways to vote: the token as an argument, over standard input, and `--yes`. Each works once.
#[test]
fn a_vote_takes_its_token_in_three_ways() {
    let shell = Shell::crew();
    let vote = |how: &dyn Fn(&str, &str) -> Said| {
        let id = shell.plan("./build.sh");
        let (request, token) = token_of(&shell.json("bob", &["approvals", &id]));
        let voted = how(&request, &token).ok();
        assert!(!voted.stdout.contains(&token) && !voted.stderr.contains(&token), "a token is not repeated: {voted}");
        assert_eq!(shell.state(&id), "approved");
        how(&request, &token)
    };
    let again = vote(&|request, token| {
        shell.by("bob", &["approve", "--request-id", request, "--token", token, "--user", "bob", "--role", "operator"])
    });
    let _ = again.fails(5, "token-used");
    let again = vote(&|request, token| {
        shell.fed(&format!("{token}\n"), &["approve", "--request-id", request, "--token", "-", "--user", "bob", "--role", "operator"])
    });
    let _ = again.fails(5, "token-used");
    let again = vote(&|request, _| shell.by("bob", &["approve", request, "--yes"]));
    assert_eq!(again.code, 5, "{again}");
    let id = shell.plan("./build.sh");
    let (request, token) = token_of(&shell.json("bob", &["approvals", &id]));
    let _ = shell.by("carol", &["approve", &request, "--token", &token]).fails(4, "token-invalid");
    assert_eq!(shell.state(&id), "awaiting_approval");
}

/// Where there is one operator, nobody else can approve: the confirmation is typed, or its token given, and recorded as what it is.
#[test]
fn a_sole_operator_confirms_and_approves_nothing() {
    let shell = Shell::solo();
    shell.project("demo", &[("check.sh", "#!/bin/sh\n")]);
    shell.register("demo", "[]", &["./check.sh"]);
    let planned =
        shell.orcctl(&["plan", "--project", "demo", "--action", "test", "--family", "build_test", "--command-text", "./check.sh"]).ok();
    let id = planned.stdout.split_whitespace().next().unwrap().to_owned();
    let _ = shell.orcctl(&["approve", &id, "--yes"]).fails(2, "invalid-request").says("a confirmation is typed on a terminal");
    let approvals = shell.orcctl(&["--format", "json", "approvals"]).ok().json();
    let (request, token) = token_of(&approvals);
    let _ = shell.fed(&token, &["approve", &request, "--token", "-"]).ok().says("confirmed: the request is approved");
    let _ = shell.orcctl(&["run", &id]).ok().says("confirmed by");
    assert!(!shell.orcctl(&["audit", &id]).ok().stdout.contains("vote_approved"));
}
