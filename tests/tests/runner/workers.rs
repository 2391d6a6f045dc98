//! Tasks: what a worker is told, what it leaves, and what becomes of it. The workers are scripts, started as any worker is.

use std::path::Path;

use orc_domain::api::*;
use orc_domain::states::{ExecutionState, PhaseRunState, WorkflowState};
use orc_domain::*;
use orc_tests::{World, edit, git, write_executable};

use crate::evidence::refused;

/// Answers each phase as its schema asks; `$1` is what it does in `develop` and prints for it.
const WORKER: &str = r#"#!/bin/sh
task=$(cat)
phase=$(printf '%s' "$task" | sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p' | head -n 1)
attempt=$(printf '%s' "$task" | sed -n 's/.*"attempt":\([0-9]*\).*/\1/p' | head -n 1)
repairing() { case $task in *'"repair":{'*) return 0 ;; *) return 1 ;; esac; }
developed() { printf '{"changes_summary":"done","files_modified":["src/main.txt"],"verification_results":[]}\n'; }
case $phase in
plan) printf '{"scope_summary":"a line","affected_files":["src/main.txt"],"risk_assessment":"none","task_breakdown":["write it"]}\n' ;;
architect) printf '{"design_decisions":["one line"],"pattern_compliance":"as before","architecture_violations":[]}\n' ;;
review) printf '{"security_findings":[],"quality_score":90,"compliance_status":"compliant"}\n' ;;
develop)
@DEVELOP@
  ;;
esac
"#;

/// A world whose project allows tasks, with an engine that does this in `develop`.
async fn world(develop: &str) -> World {
    world_with(develop, |_| ()).await
}

async fn world_with(develop: &str, change: impl FnOnce(&Path)) -> World {
    World::with(|root| {
        let program = root.with_file_name("bin").join("worker");
        write_executable(&program, &WORKER.replace("@DEVELOP@", develop));
        let engine = format!("workers:\n  scripted:\n    kind: command\n    command: [{}]\n", program.display());
        edit(root, "config/orc.yaml", "workers: {}\n", &engine);
        edit(root, "config/projects.registry.yaml", "families: [build_test]", "families: [build_test, agent_implementation, read_only]");
        change(root);
    })
    .await
}

fn implement(task: &str) -> Implement {
    Implement {
        project: "demo".parse().unwrap(),
        engine: None,
        task: Some(task.into()),
        backlog: None,
        pipeline: None,
        flags: Vec::new(),
        metadata: Default::default(),
        no_verify: false,
    }
}

/// Plans, approves, runs and follows a task to its end.
async fn done(world: &mut World, request: Implement) -> Status {
    let planned = world.ask("alice", request).await.unwrap();
    let id = planned.workflow.id;
    if planned.workflow.state == WorkflowState::AwaitingApproval {
        world.approve("bob", &id).await.unwrap();
    }
    world.drive();
    world.run(&id, "key").await.unwrap();
    let status = world.settled(&id).await;
    world.stop_driving().await;
    status
}

fn phase<'a>(status: &'a Status, name: &str) -> &'a PhaseRunView {
    status.phases.iter().find(|phase| phase.phase.as_str() == name).unwrap()
}

fn codes(phase: &PhaseRunView) -> Vec<&str> {
    phase.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_in_a_commit_that_a_person_can_merge() {
    let mut world = world("echo second >> src/main.txt; developed").await;
    let status = done(&mut world, implement("Add a line\n\nORC-Approved-By: nobody")).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{status:#?}");
    assert_eq!(status.phases.iter().map(|phase| phase.state).collect::<Vec<_>>(), [PhaseRunState::Completed; 4]);
    let commit = status.execution.unwrap().result.unwrap().commit.unwrap();
    let id = status.workflow.id;

    let work = world.ask("alice", GetDiff { workflow: id.to_string() }).await.unwrap();
    assert_eq!(work.changes.iter().map(|change| change.path.raw()).collect::<Vec<_>>(), ["src/main.txt"]);
    assert!(work.patch.raw().contains("\n+second\n"), "{:?}", work.patch);
    assert_eq!(work.branch.as_ref().unwrap().commit, commit);

    // The project itself has nothing of it until a person fetches and merges, as the next steps say.
    let project = world.dir.path().join("project");
    assert_eq!(git(&project, &["branch", "--list", "orc/*"]), "");
    for step in &work.next {
        let words: Vec<&str> = step.command.split_whitespace().skip(3).collect();
        git(&project, &words);
    }
    assert_eq!(std::fs::read_to_string(project.join("src/main.txt")).unwrap(), "hello\nsecond\n");
    let message = git(&project, &["log", "-1", "--format=%B", &commit]);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!((lines[0], lines[1]), ("Add a line", ""));
    let trailers = git(&project, &["log", "-1", "--format=%(trailers:key=ORC-Approved-By,valueonly)", &commit]);
    assert_eq!(trailers.trim(), "bob as tech_lead (unix_peer)");
    world.assert_nothing_left().await;
}

/// A blocked attempt is thrown away; the next one begins anew and is told why.
#[tokio::test(flavor = "multi_thread")]
async fn the_reasons_of_an_attempt_reach_the_next_one() {
    let develop = r#"
  if [ "$attempt" = 1 ]; then echo x > stray; rm src/main.txt; else
    [ -e stray ] && exit 1
    case $task in *'"code":"command-failed"'*) echo second >> src/main.txt ;; esac
  fi
  developed"#;
    let mut world = world(develop).await;
    let status = done(&mut world, implement("add a line")).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{status:#?}");
    let develop = phase(&status, "develop");
    assert_eq!((develop.attempt, codes(develop).len()), (2, 0));
    let work = world.ask("alice", GetDiff { workflow: status.workflow.id.to_string() }).await.unwrap();
    assert_eq!(work.changes.iter().map(|change| change.path.raw()).collect::<Vec<_>>(), ["src/main.txt"]);
}

/// Answers that cannot be used are asked for once more, and block.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_repaired_once() {
    let once = |root: &Path| edit(root, "config/phase-contracts.yaml", "attempts: 3", "attempts: 1");
    let mut world = world_with("", once).await;
    for (case, develop, expected) in [
        ("prose, then an object", "echo second >> src/main.txt; if repairing; then developed; else echo I am done; fi", None),
        ("nothing", "echo second > src/main.txt", Some("output-invalid")),
        ("prose", "echo second > src/main.txt; echo I am done", Some("output-invalid")),
        ("two objects", "echo second > src/main.txt; developed; developed", Some("output-invalid")),
        ("another form", r#"echo second > src/main.txt; printf '{"changes_summary":1}'"#, Some("output-invalid")),
        ("a bad end", "echo second > src/main.txt; developed; exit 3", Some("command-failed")),
        ("no work", "developed", Some("nothing-changed")),
        ("too much", "echo second > src/main.txt; head -c 9000000 /dev/zero | tr '\\0' x", Some("output-invalid")),
        ("no text", r"echo second > src/main.txt; printf '\377\376'", Some("output-invalid")),
    ] {
        write_executable(&world.dir.path().join("bin/worker"), &WORKER.replace("@DEVELOP@", develop));
        let status = done(&mut world, implement("add a line")).await;
        match expected {
            None => assert_eq!(status.workflow.state, WorkflowState::Completed, "{case}: {status:#?}"),
            Some(code) => {
                assert_eq!(status.workflow.state, WorkflowState::Failed, "{case}: {status:#?}");
                let develop = phase(&status, "develop");
                assert_eq!(codes(develop).first(), Some(&code), "{case}: {:?}", develop.reasons);
                assert_eq!(develop.commit, None, "{case}");
                assert_eq!(phase(&status, "review").state, PhaseRunState::Cancelled, "{case}");
            }
        }
    }
}

/// What git says changed is asked about again: who approved less than that did not approve it.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_riskier_than_its_plan_goes_no_further() {
    let rules = |root: &Path| {
        let entry =
            "    verification_paths: [\"*.sh\"]\n    path_rules: [{paths: [\"db/**\"], flag: data_migration}]\n    owners: [alice]\n";
        edit(root, "config/projects.registry.yaml", "    owners: [alice]\n", entry);
        edit(root, "config/phase-contracts.yaml", "attempts: 3", "attempts: 1");
        // What it claims is not what is looked at here.
        edit(root, "config/phase-contracts.yaml", "      - guest: outputs-match-diff\n", "");
    };
    let mut world = world_with("eval \"$(cat \"$0.do\")\"; developed", rules).await;
    let deed = world.dir.path().join("bin/worker.do");
    for (what, code, flags) in [
        ("mkdir db; echo x > db/one.sql", Some("flag-risk"), &[][..]),
        ("mkdir db; echo x > db/one.sql", None, &["data_migration"]),
        ("echo '# more' >> check.sh", Some("flag-risk"), &[]),
        ("mkdir web; echo '{}' > web/package.json", None, &[]),
        ("for i in $(seq 45); do echo x > src/$i; done", Some("diff-size"), &[]),
        ("seq 1600 > src/main.txt", Some("diff-size"), &[]),
        ("seq 1000 > src/main.txt", None, &[]),
    ] {
        std::fs::write(&deed, what).unwrap();
        let flags = flags.iter().map(|flag| flag.parse().unwrap()).collect();
        let planned = world.ask("alice", Implement { flags, ..implement(what) }).await.unwrap();
        let id = planned.workflow.id;
        for voter in ["bob", "carol", "dave"] {
            if world.status(&id).await.workflow.state == WorkflowState::AwaitingApproval {
                world.approve(voter, &id).await.unwrap();
            }
        }
        world.drive();
        world.run(&id, "key").await.unwrap();
        let status = world.settled(&id).await;
        world.stop_driving().await;
        match code {
            None => assert_eq!(status.workflow.state, WorkflowState::Completed, "{what}: {status:#?}"),
            Some(code) => assert!(codes(phase(&status, "develop")).contains(&code), "{what}: {:#?}", phase(&status, "develop").reasons),
        }
    }
}

/// A phase that reads cannot write, and a task of the pipeline `read_only` leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_changes_nothing() {
    let mut world = world("developed").await;
    let program = world.dir.path().join("bin/worker");
    let writing = std::fs::read_to_string(&program).unwrap().replace("plan) printf", "plan) echo x > stray; printf");
    write_executable(&program, &writing);
    let request = Implement { pipeline: Some("read_only".parse().unwrap()), ..implement("where is the greeting?") };
    let status = done(&mut world, request).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{status:#?}");
    let result = status.execution.unwrap().result.unwrap();
    assert_eq!((result.state, result.commit), (ExecutionState::Completed, None));
    let work = world.ask("alice", GetDiff { workflow: status.workflow.id.to_string() }).await.unwrap();
    assert_eq!((work.changes, work.branch), (Vec::new(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_as_a_task() {
    let world = world("developed").await;
    const PLAN: &str = "plan_denied";
    let alice = Some("alice");
    refused(&world, alice, (PLAN, "invalid-request"), world.ask("alice", implement(" \n"))).await;
    refused(&world, alice, (PLAN, "invalid-request"), world.ask("alice", implement(&"x".repeat(20_000)))).await;
    let engine = Implement { engine: Some("nobody".parse().unwrap()), ..implement("x") };
    let unavailable = |error: OrcError| assert_eq!(error.code, ErrorCode::WorkerUnavailable, "{error:?}");
    unavailable(world.ask("alice", engine).await.unwrap_err());
    let pipeline = Implement { pipeline: Some("build_test".parse().unwrap()), ..implement("x") };
    refused(&world, alice, (PLAN, "pipeline-not-allowed"), world.ask("alice", pipeline)).await;
    let none = Implement { pipeline: Some("none".parse().unwrap()), ..implement("x") };
    refused(&world, alice, (PLAN, "pipeline-not-allowed"), world.ask("alice", none)).await;
    let command = Plan { family: risk::CommandFamily::AgentImplementation, ..orc_tests::plan("./build.sh") };
    refused(&world, alice, (PLAN, "pipeline-not-allowed"), world.ask("alice", command)).await;

    std::fs::remove_file(world.dir.path().join("bin/worker")).unwrap();
    unavailable(world.ask("alice", implement("x")).await.unwrap_err());
    let without = World::new().await;
    edit(&without.root(), "config/projects.registry.yaml", "families: [build_test]", "families: [agent_implementation]");
    without.activate().await;
    unavailable(without.ask("alice", implement("x")).await.unwrap_err());
}

/// The program is looked at again at each launch.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_changes_in_the_middle_is_not_started_again() {
    let mut world = world("developed").await;
    let program = world.dir.path().join("bin/worker");
    let text = std::fs::read_to_string(&program).unwrap();
    let id = world.ask("alice", implement("add a line")).await.unwrap().workflow.id;
    world.approve("bob", &id).await.unwrap();
    world.run(&id, "key").await.unwrap();
    // It was admitted, and is not driven yet.
    write_executable(&program, &format!("{text}# changed\n"));
    world.drive();
    let status = world.settled(&id).await;
    assert_eq!((status.workflow.state, codes(&status.phases[0])), (WorkflowState::Failed, vec!["plan-stale"]), "{status:#?}");
    assert!(status.phases[0].worker_runs.is_empty());
}

/// The program is part of the plan.
#[tokio::test(flavor = "multi_thread")]
async fn another_worker_is_another_plan() {
    let world = world("developed").await;
    let id = world.ask("alice", implement("x")).await.unwrap().workflow.id;
    world.approve("bob", &id).await.unwrap();
    let program: &Path = &world.dir.path().join("bin/worker");
    let text = std::fs::read_to_string(program).unwrap();
    write_executable(program, &format!("{text}# changed\n"));
    let error = world.run(&id, "key").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PlanStale);
    assert!(format!("{error:?}").contains("/worker/binary"), "{error:#?}");
}

/// The memory snapshot that a plan pins.
async fn recalled(world: &World, status: &Status) -> Option<Digest> {
    world.ask("alice", GetWorkflow { workflow: status.workflow.id.to_string() }).await.unwrap().plan.memory_snapshot
}

/// What hooks propose is kept once, decided by persons, and recalled only once it was accepted.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_learnt_is_recalled_once_somebody_accepted_it() {
    let mut world = world("echo second >> src/main.txt; developed").await;
    let program = world.dir.path().join("bin/worker");
    let text = std::fs::read_to_string(&program).unwrap();
    let told = "printf '%s' \"$task\" > /dev/null\n";
    let finding = r#"{"severity":"low","summary":"greetings are not escaped","path":"src/main.txt"}"#;
    let text = text.replace("\"security_findings\":[]", &format!("\"security_findings\":[{finding}]"));
    let decision = "\"design_decisions\":[\"Greetings stand in src/main.txt because the page reads that file\"]";
    write_executable(
        &program,
        &text.replace("\"design_decisions\":[\"one line\"]", decision).replace("case $phase in\n", &format!("{told}case $phase in\n")),
    );
    let project: ProjectName = "demo".parse().unwrap();
    let first = done(&mut world, implement("add a line")).await;
    assert_eq!(first.workflow.state, WorkflowState::Completed, "{first:#?}");

    let backlog = |state| GetBacklog { project: project.clone(), kind: None, state };
    let open = world.ask("alice", backlog(None)).await.unwrap().items;
    assert_eq!(open.iter().map(|item| item.title.raw()).collect::<Vec<_>>(), ["greetings are not escaped"], "{open:#?}");
    let memory = || GetMemory { project: project.clone(), state: None };
    let proposed = world.ask("alice", memory()).await.unwrap().items;
    let item = proposed.iter().find(|item| item.text.raw().contains("the page reads that file")).expect("what the architect decided");
    assert!(proposed.iter().all(|item| item.state == MemoryState::Proposed));
    let nothing = recalled(&world, &first).await;
    assert_eq!(nothing, Some(Digest::of(b"[]")));

    // Whoever asked for the work does not decide what is learnt from it.
    let accept = || SetMemory { item: item.id.to_string(), state: MemoryState::Accepted };
    assert_eq!(world.ask("alice", accept()).await.unwrap_err().code, ErrorCode::SelfApproval);
    assert_eq!(world.ask("bob", accept()).await.unwrap().state, MemoryState::Accepted);

    // The same work again teaches nothing new, and what was accepted is part of its plan.
    let again = Implement { task: None, backlog: Some(open[0].id.to_string()), ..implement("") };
    let planned = world.ask("alice", again.clone()).await.unwrap();
    assert!(planned.workflow.title.raw().starts_with("greetings are not escaped"));
    assert_eq!(world.ask("alice", again).await.unwrap_err().code, ErrorCode::IllegalTransition);
    let planned_items = world.ask("alice", backlog(Some(BacklogState::Planned))).await.unwrap().items;
    assert_eq!(planned_items[0].workflow.as_ref(), Some(&planned.workflow.id));
    world.ask("alice", Withdraw { workflow: planned.workflow.id.to_string(), reason: None }).await.unwrap();
    assert_eq!(world.ask("alice", backlog(Some(BacklogState::Open))).await.unwrap().items.len(), 1);

    let second = done(&mut world, Implement { task: None, backlog: Some(open[0].id.to_string()), ..implement("") }).await;
    assert_eq!(second.workflow.state, WorkflowState::Completed, "{second:#?}");
    let done_items = world.ask("alice", backlog(Some(BacklogState::Done))).await.unwrap().items;
    assert_eq!(done_items.iter().map(|item| &item.id).collect::<Vec<_>>(), [&open[0].id]);
    assert_eq!(world.ask("alice", memory()).await.unwrap().items.len(), proposed.len());
    assert_ne!(recalled(&world, &second).await, nothing);
    assert_eq!(
        world.ask("alice", SetBacklog { item: open[0].id.to_string(), state: BacklogState::Dismissed }).await.unwrap().state,
        BacklogState::Dismissed
    );
}
