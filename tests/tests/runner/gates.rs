//! Guests around a phase, hostile ones in every position and the stock ones at work.

use std::fs;
use std::path::Path;

use orc_domain::ErrorCode;
use orc_domain::api::*;
use orc_domain::states::*;
use orc_domain::verdict::{Capability, FaultClass, GuestKind};
use orc_tests::{Wat, World, bind, edit, git, names, replace};

use crate::commands::{codes, output, ran, reasons};

const LOOP: &str = "(loop $l (br $l)) unreachable";
const TRAP: &str = "unreachable";
const GROW: &str = "(drop (memory.grow (i32.const 2000))) unreachable";
const RECURSE: &str = "(call $r) i32.const 64";
const NONSENSE: &str = "(i32.store8 (i32.const 64) (i32.const 9)) i32.const 64";
const OUT_OF_BOUNDS: &str = "i32.const 131072";
const DECLINE: &str = "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const 1024)) (i32.store (i32.const 72) (i32.const 3)) i32.const 64";
const FAIL: &str = "(i32.store8 (i32.const 68) (i32.const 1)) i32.const 64";
const FIND: &str = "(i32.store8 (i32.const 68) (i32.const 1)) (i32.store (i32.const 72) (i32.const 2048)) (i32.store (i32.const 76) (i32.const 1)) i32.const 64";
const ASK: &str = "(i32.store8 (i32.const 68) (i32.const 2)) (i32.store (i32.const 72) (i32.const 1024)) (i32.store (i32.const 76) (i32.const 3)) i32.const 64";
/// `ok([finding])` of a validator.
const INVALID: &str = "(i32.store (i32.const 68) (i32.const 2048)) (i32.store (i32.const 72) (i32.const 1)) i32.const 64";

/// The ways to give no usable answer, with the classes that each may get: a loop is ended by whichever of fuel and deadline is first here.
const FAULTS: [(&str, &str, &[FaultClass]); 7] = [
    ("trap", TRAP, &[FaultClass::RunTrap]),
    ("loop", LOOP, &[FaultClass::RunFuel, FaultClass::RunDeadline]),
    ("grow", GROW, &[FaultClass::RunMemory]),
    ("deep", RECURSE, &[FaultClass::RunStack]),
    ("odd", NONSENSE, &[FaultClass::RunOutput]),
    ("wild", OUT_OF_BOUNDS, &[FaultClass::RunOutput]),
    ("shy", DECLINE, &[FaultClass::RunDeclined]),
];

fn guest(name: &'static str, kind: GuestKind, body: &'static str) -> Wat {
    let fields = if body == RECURSE { "(func $r (call $r))" } else { "" };
    Wat { body, fields, ..Wat::new(name, kind) }
}

/// Puts the guest under the root and binds it.
fn stand(root: &Path, place: &str, name: &'static str, body: &'static str, mode: &str) {
    let kind = match place {
        "pre_hooks" | "post_hooks" => GuestKind::Hook,
        "validator" => GuestKind::Validator,
        _ => GuestKind::Gate,
    };
    guest(name, kind, body).install(root, &[], &[]);
    bind(root, place, &format!("{{guest: {name}{mode}}}"));
}

async fn work(change: impl FnOnce(&Path)) -> (World, Status) {
    let mut world = World::with(change).await;
    world.drive();
    let status = ran(&world, "echo new > new.txt").await;
    (world, status)
}

fn answers(status: &Status) -> Vec<(&str, &str, &str)> {
    status.phases[0].guests.iter().map(|guest| (guest.position.as_str(), guest.guest.as_str(), guest.outcome.as_str())).collect()
}

/// The fault class recorded of a guest.
fn fault(status: &Status, name: &str) -> FaultClass {
    let guest = status.phases[0].guests.iter().find(|guest| guest.guest.as_str() == name).unwrap();
    assert_eq!((guest.outcome.as_str(), guest.verdict.is_none()), ("fault", true), "{name}: a fault is no verdict");
    guest.fault.as_ref().unwrap().class
}

#[tokio::test(flavor = "multi_thread")]
async fn every_gate_without_a_usable_answer_blocks_and_all_of_them_are_told() {
    for (place, launches) in [("pre_gates", 0), ("post_gates", 2)] {
        let (world, status) = work(|root| FAULTS.iter().for_each(|(name, body, _)| stand(root, place, name, body, ""))).await;
        assert_eq!((status.workflow.state, status.phases[0].state), (WorkflowState::Failed, PhaseRunState::Blocked), "{place}");
        assert_eq!(status.phases[0].worker_runs.len(), launches, "{place}");
        let reasons = &status.phases[0].reasons;
        assert_eq!(reasons.len(), FAULTS.len(), "{place}: {reasons:?}");
        for (name, _, classes) in FAULTS {
            let class = fault(&status, name);
            assert!(classes.contains(&class), "{place} {name}: {class}");
            let told =
                reasons.iter().find(|reason| reason.message.raw().contains(&format!("the gate {name} gave no usable answer"))).unwrap();
            assert_eq!(told.code, class.to_string(), "{place} {name}");
            assert!(told.fix.as_ref().unwrap().raw().contains("mend or unbind"), "{place} {name}");
        }
        // The honest ones were asked all the same.
        let stock = if place == "pre_gates" { ("pre_gate", "workspace-clean", "pass") } else { ("post_gate", "secret-scan", "pass") };
        assert!(answers(&status).contains(&stock), "{:?}", answers(&status));
        world.assert_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advisory_gate_is_shown_and_stops_nothing() {
    let bodies = [("trap", TRAP), ("no", FAIL), ("what", ASK)];
    let (world, status) = work(|root| {
        for (name, body) in bodies {
            stand(root, "post_gates", name, body, ", mode: advisory");
        }
    })
    .await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!(fault(&status, "trap"), FaultClass::RunTrap);
    for expected in [("post_gate", "no", "fail"), ("post_gate", "what", "ask")] {
        assert!(answers(&status).contains(&expected), "{:?}", answers(&status));
    }
    assert!(status.phases[0].reasons.is_empty());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_says_no_or_asks_blocks_with_its_own_words() {
    let table =
        [("silent", FAIL, "the gate failed without a finding"), ("finder", FIND, "finder"), ("asker", ASK, "the gate asks a person: ask")];
    let (world, status) = work(|root| table.iter().for_each(|(name, body, _)| stand(root, "post_gates", name, body, ""))).await;
    assert_eq!(status.workflow.state, WorkflowState::Failed);
    for (name, _, message) in table {
        assert!(reasons(&status).contains(&(name.to_owned(), message.to_owned())), "{name}: {:?}", reasons(&status));
    }
    assert_eq!(reasons(&status).len(), table.len());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_cannot_block_whatever_they_do() {
    let (world, status) = work(|root| {
        for (place, names) in [("pre_hooks", ["a", "b", "c", "d"]), ("post_hooks", ["e", "f", "g", "h"])] {
            for (name, body) in names.into_iter().zip([TRAP, GROW, NONSENSE, DECLINE]) {
                stand(root, place, name, body, "");
            }
        }
    })
    .await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    let classes = [FaultClass::RunTrap, FaultClass::RunMemory, FaultClass::RunOutput, FaultClass::RunDeclined];
    for names in [["a", "b", "c", "d"], ["e", "f", "g", "h"]] {
        for (name, class) in names.into_iter().zip(classes) {
            assert_eq!(fault(&status, name), class, "{name}");
        }
    }
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_finds_something_or_fails_blocks() {
    let table: [(&str, &str, Option<FaultClass>); 3] =
        [("fine", "i32.const 64", None), ("finder", INVALID, None), ("trap", TRAP, Some(FaultClass::RunTrap))];
    for (name, body, class) in table {
        let (world, status) = work(|root| stand(root, "validator", name, body, "")).await;
        let expected = match (name, class) {
            ("fine", _) => (WorkflowState::Completed, vec![]),
            (_, None) => (WorkflowState::Failed, vec![name.to_owned()]),
            (_, Some(class)) => (WorkflowState::Failed, vec![class.to_string()]),
        };
        assert_eq!((status.workflow.state, codes(&status)), expected, "{name}: {:?}", reasons(&status));
        if let Some(class) = class {
            assert_eq!(fault(&status, name), class);
        }
        assert!(!output(&status).is_null(), "the output is kept as it came");
        world.assert_nothing_left().await;
    }
}

/// The world's root with this change is refused as a candidate, and the rules before it stay in force.
async fn refused(world: &World, what: &str, change: impl FnOnce(&Path), class: FaultClass) {
    let root = world.root();
    let before =
        ["config/guests.lock", "config/phase-contracts.yaml"].map(|file| (root.join(file), fs::read_to_string(root.join(file)).unwrap()));
    change(&root);
    let error = world.ask("adam", RulesActivate::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ConfigInvalid, "{what}");
    assert!(error.causes.iter().any(|cause| cause.contains(&format!("({class})"))), "{what}: {:?}", error.causes);
    let overview = world.ask("alice", GetOverview {}).await.unwrap();
    let candidate = overview.rules.candidate.unwrap();
    assert!(candidate.problems.iter().any(|problem| problem.message.contains("probe")), "{what}: {candidate:?}");
    assert_eq!(overview.rules.active.revision, 1);
    for (file, text) in before {
        replace(&file, &text);
    }
    for file in ["probe.wasm", "probe.toml"] {
        fs::remove_file(root.join("phases/guests").join(file)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_does_not_load_never_comes_into_force() {
    let mut world = World::new().await;
    let probe = |root: &Path, change: fn(&mut Wat)| {
        let mut wat = Wat::new("probe", GuestKind::Gate);
        change(&mut wat);
        wat.install(root, &[], &[]);
        bind(root, "post_gates", "{guest: probe}");
    };
    let as_bytes = |root: &Path, bytes: &[u8]| {
        Wat::new("probe", GuestKind::Gate).install_as(root, bytes);
        bind(root, "post_gates", "{guest: probe}");
    };
    let log = r#"(import "orc:guest/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
    let wants_log = |root: &Path, asks: &[Capability], granted: &[Capability]| {
        Wat { imports: log, ..Wat::new("probe", GuestKind::Gate) }.install(root, asks, granted);
        bind(root, "post_gates", "{guest: probe}");
    };
    refused(&world, "a text", |root| as_bytes(root, b"#!/bin/sh\n"), FaultClass::LoadInvalid).await;
    refused(&world, "a core module", |root| as_bytes(root, b"\0asm\x01\0\0\0"), FaultClass::LoadInvalid).await;
    refused(&world, "a hook", |root| as_bytes(root, &Wat::new("probe", GuestKind::Hook).component()), FaultClass::LoadWorld).await;
    refused(&world, "another name", |root| as_bytes(root, &Wat::new("other", GuestKind::Gate).component()), FaultClass::LoadWorld).await;
    refused(&world, "it asks and is not granted", |root| wants_log(root, &[Capability::Log], &[]), FaultClass::LoadCapability).await;
    refused(&world, "it is granted and does not ask", |root| wants_log(root, &[], &[Capability::Log]), FaultClass::LoadCapability).await;
    refused(&world, "a trap when it is asked about settings", |root| probe(root, |wat| wat.check = TRAP), FaultClass::RunTrap).await;
    let picky = |wat: &mut Wat| {
        wat.fields = r#"(data (i32.const 512) "\00\08\00\00\01\00\00\00")"#;
        wat.check = "i32.const 512";
    };
    refused(&world, "it does not like its settings", |root| probe(root, picky), FaultClass::LoadSettings).await;
    assert_eq!(world.completed("./build.sh").await.workflow.state, WorkflowState::Completed);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_found_and_never_repeated() {
    let mut world = World::new().await;
    world.drive();
    // Put together here and there, so that no scanner of this repository finds it, and the script does not hold it either.
    let secret = format!("ghp_{}", "x7Qm2Zk9Lw4Rt8Vb1Nc6Yd3Hf5Jg0PsAeUi2");
    let parts = format!("a=ghp_; b={}; ", &secret[4..]);
    let scripts = [format!("{parts}echo \"token = \\\"$a$b\\\"\" >> src/main.txt"), format!("{parts}echo \"$a$b\" > new.txt")];
    for script in scripts {
        let status = ran(&world, &script).await;
        assert_eq!(
            (status.workflow.state, codes(&status)),
            (WorkflowState::Failed, vec!["secret-scan".to_owned()]),
            "{:?}",
            reasons(&status)
        );
        let place = if script.contains("new.txt") { "new.txt:1: " } else { "src/main.txt:2: " };
        assert!(reasons(&status)[0].1.starts_with(place), "{:?}", reasons(&status));
    }
    // Said on a stream, it is redacted before it is stored.
    let status = ran(&world, &format!("{parts}echo \"my token is $a$b\"")).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!(output(&status)["command_result"]["stdout_tail"], "my token is [redacted]\n");
    world.assert_nothing_left().await;

    let closed = world.close().await;
    for file in files(&closed.dir.path().join("state")) {
        // Git's objects hold the tree as it was captured; they are compressed and nobody's to read.
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
    }
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let below = |name: String| {
        let path = dir.join(name);
        if path.is_symlink() {
            Vec::new()
        } else if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    };
    names(dir).into_iter().flat_map(below).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_gates_judge_what_the_host_saw() {
    let mut world = World::with(|root| {
        let settings = "      - guest: diff-budget\n        mode: advisory\n";
        edit(root, "config/phase-contracts.yaml", settings, &format!("{settings}        settings: {{max_files: 1}}\n"));
    })
    .await;
    world.drive();
    let table = [
        ("mkdir -p .github/workflows; echo x > .github/workflows/ci.yml", Some("protected-paths"), "pass"),
        ("echo '* -diff' > .gitattributes", Some("protected-paths"), "pass"),
        ("ln -s main.txt src/link", Some("protected-paths"), "pass"),
        // Advisory: too much is shown and stops nothing.
        ("echo 1 > one; echo 2 > two", None, "fail"),
        ("echo 1 > one", None, "pass"),
        // Ignored files are no change.
        ("mkdir -p out; echo 1 > out/one; echo 2 > out/two", None, "pass"),
    ];
    for (script, blocked, budget) in table {
        let status = ran(&world, script).await;
        let state = if blocked.is_some() { WorkflowState::Failed } else { WorkflowState::Completed };
        assert_eq!(
            (status.workflow.state, codes(&status)),
            (state, blocked.map(str::to_owned).into_iter().collect()),
            "{script}: {:?}",
            reasons(&status)
        );
        assert!(answers(&status).contains(&("post_gate", "diff-budget", budget)), "{script}: {:?}", answers(&status));
    }
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_starts_from_the_base_with_the_reasons_recorded() {
    let mut world = World::with(|root| edit(root, "config/phase-contracts.yaml", "attempts: 1", "attempts: 2")).await;
    world.drive();
    // What an attempt leaves in its checkout, home or temporary directory, the next one does not find.
    let script = "ls left $HOME/left 2>/dev/null && exit 9; echo x > left; echo x > $HOME/left; echo attempt; exit 1";
    let status = ran(&world, script).await;
    assert_eq!(status.workflow.state, WorkflowState::Failed);
    let phase = &status.phases[0];
    assert_eq!((phase.attempt, phase.attempts, phase.state), (2, 2, PhaseRunState::Blocked));
    let ends: Vec<_> = phase.worker_runs.iter().map(|run| (run.attempt, run.report.as_ref().unwrap().end.to_string())).collect();
    assert_eq!(ends, [(1, "exit code 1".to_owned()), (2, "exit code 1".to_owned())]);
    assert_eq!(phase.guests.iter().filter(|guest| guest.guest.as_str() == "verification-passed" && guest.outcome == "fail").count(), 2);
    let audit = world.ask("alice", GetAudit { workflow: Some(status.workflow.id.to_string()), limit: 0 }).await.unwrap();
    let again = audit.events.iter().find(|event| event.body["event"] == "attempt_started").unwrap();
    assert_eq!(again.body["after"][0]["code"], "command-failed", "{}", again.body);
    assert_eq!(crate::commands::result(&status).usage.attempts, 2);

    assert_eq!(ran(&world, "echo fine").await.phases[0].attempt, 1, "no attempt more than needed");
    assert_eq!(git(&world.project(), &["status", "--porcelain"]), "");
    world.assert_nothing_left().await;
}
