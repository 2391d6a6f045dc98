//! An operator's hand on what runs: cancel, freeze, withdraw, expiry, and what starts by itself.

use std::time::Duration;

use orc_domain::api::*;
use orc_domain::states::*;
use orc_domain::verdict::GuestKind;
use orc_domain::{ErrorCode, WorkflowId};
use orc_tests::{Wat, World, bind, edit, plan};

use crate::commands::{busy_world, codes, registry, result, start};

/// Looks every few milliseconds, for at most twenty seconds.
pub(crate) async fn until(world: &World, workflow: &WorkflowId, what: impl Fn(&Status) -> bool) -> Status {
    for _ in 0..1000 {
        let status = world.status(workflow).await;
        if what(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came: {:#?}", world.status(workflow).await);
}

/// Whether a command of it runs now.
pub(crate) fn runs(status: &Status) -> bool {
    status.phases.iter().flat_map(|phase| &phase.worker_runs).any(|run| run.state == WorkerRunState::Running)
}

/// A tree of processes, one of which is deaf and has a session of its own.
pub(crate) const TREE: &str = "trap '' TERM; (setsid sh -c 'while :; do sleep 0.05; done' &) ; sleep 600 & while :; do sleep 0.05; done";

/// What is deaf has a second.
async fn quick_world() -> World {
    busy_world(|root| registry(root, "launch: {limits: {grace_s: 1}}")).await
}

fn state(status: &Status) -> ExecutionState {
    status.execution.as_ref().unwrap().state
}

async fn cancel(world: &World, user: &str, id: &str) -> Result<Status, orc_domain::OrcError> {
    world.ask(user, Cancel { id: id.to_owned(), reason: Some("no longer needed".into()) }).await
}

fn everything() -> Freeze {
    Freeze { scope: FreezeScope::All, reason: "audit week".into() }
}

async fn count(world: &World, workflow: &WorkflowId, kind: &str) -> usize {
    world.history(workflow).await.iter().filter(|event| *event == kind).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_kills_the_whole_tree_and_is_never_a_failure() {
    let world = quick_world().await;
    let id = start(&world, TREE).await;
    until(&world, &id, runs).await;
    let answered = cancel(&world, "alice", id.as_str()).await.unwrap();
    assert!(answered.execution.unwrap().cancel_requested);
    assert!(answered.next.iter().all(|step| !step.command.contains("cancel")), "{:?}", answered.next);
    let status = world.settled(&id).await;
    assert_eq!((status.workflow.state, state(&status)), (WorkflowState::Cancelled, ExecutionState::Cancelled));
    assert_eq!(world.processes(), Vec::<String>::new(), "cancelled means that nothing is left");
    let result = result(&status);
    assert_eq!((result.phases[0].status, codes(&status)), (PhaseRunState::Cancelled, vec!["cancelled".to_owned()]));
    assert_eq!(result.reasons[0].message.raw(), "no longer needed");
    let run = &status.phases[0].worker_runs[0];
    let report = run.report.as_ref().unwrap();
    assert_eq!((run.state, report.end.to_string(), report.proved_dead), (WorkerRunState::Killed, "cancelled".to_owned(), true));
    assert!(report.left_over >= 2, "{}", report.left_over);

    // Once more is too late, and says so.
    let late = cancel(&world, "alice", id.as_str()).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::IllegalTransition);
    assert_eq!(count(&world, &id, "cancel_requested").await, 1);
    assert_eq!(count(&world, &id, "intent_denied").await, 1);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_what_waits_is_over_at_once() {
    let mut world = World::new().await;
    let id = start(&world, "echo never > ran").await;
    let execution = world.status(&id).await.execution.unwrap();
    assert_eq!(execution.state, ExecutionState::Queued);
    // By the execution's id as well.
    let status = cancel(&world, "alice", execution.id.as_str()).await.unwrap();
    assert_eq!((status.workflow.state, state(&status)), (WorkflowState::Cancelled, ExecutionState::Cancelled));
    world.drive();
    assert_eq!(world.completed("./build.sh").await.workflow.state, WorkflowState::Completed, "others go on");
    assert!(world.status(&id).await.phases[0].worker_runs.is_empty());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_twice_is_cancelling_once() {
    let world = quick_world().await;
    let id = start(&world, TREE).await;
    until(&world, &id, runs).await;
    let request = || Cancel { id: id.to_string(), reason: None };
    let (first, second, keyed) =
        tokio::join!(world.ask("alice", request()), world.ask("adam", request()), world.ask_once("alice", Some("c1"), request()));
    assert!([&first, &second, &keyed].iter().all(|answer| answer.is_ok()), "{first:?} {second:?} {keyed:?}");
    assert_eq!(world.settled(&id).await.workflow.state, WorkflowState::Cancelled);
    assert_eq!(count(&world, &id, "cancel_requested").await, 1);
    // The same key is the same answer, though it would be too late now.
    assert_eq!(world.ask_once("alice", Some("c1"), request()).await.unwrap(), keyed.unwrap());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_cancel_withdraw_and_freeze() {
    let world = World::new().await;
    world.commit("work.sh", "#!/bin/sh\necho work\n");
    // Moderate, so that the tech leads were asked: bob and carol.
    let risky = || world.ask("alice", Plan { no_verify: true, ..plan("./work.sh") });
    let (ok, no) = (None, Some(ErrorCode::NotPermitted));
    let table = [
        ("alice", ok, ok),
        ("bob", ok, no),
        ("carol", ok, no),
        ("dave", no, no),
        ("adam", ok, ok),
        ("gone", Some(ErrorCode::NotAnOperator), Some(ErrorCode::NotAnOperator)),
    ];
    for (user, may_cancel, may_withdraw) in table {
        let id = risky().await.unwrap().workflow.id;
        let withdrawn = world.ask(user, Withdraw { workflow: id.to_string(), reason: None }).await;
        assert_eq!(withdrawn.err().map(|error| error.code), may_withdraw, "{user} withdraws");

        let id = risky().await.unwrap().workflow.id;
        world.approve("bob", &id).await.unwrap();
        world.run(&id, "k1").await.unwrap();
        let cancelled = cancel(&world, user, id.as_str()).await;
        assert_eq!(cancelled.err().map(|error| error.code), may_cancel, "{user} cancels");
        if may_cancel.is_some() {
            assert_eq!(count(&world, &id, "intent_denied").await, 1, "{user}: what was refused is in the audit");
            assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Executing);
            cancel(&world, "alice", id.as_str()).await.unwrap();
        }
    }
    for (user, code) in [("alice", no), ("bob", no), ("adam", ok)] {
        assert_eq!(world.ask(user, everything()).await.err().map(|error| error.code), code, "{user} freezes");
        assert_eq!(world.ask(user, Unfreeze { scope: FreezeScope::All }).await.err().map(|error| error.code), code, "{user} lifts");
    }
    world.assert_nothing_left().await;
}

/// A cancel that comes while gates look at what failed already.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_last_moment_is_no_failure_either() {
    let names = ["l1", "l2", "l3", "l4", "l5", "l6"];
    let world = busy_world(|root| {
        for name in names {
            Wat { body: "(loop $l (br $l)) unreachable", ..Wat::new(name, GuestKind::Gate) }.install(root, &[], &[]);
            bind(root, "post_gates", &format!("{{guest: {name}}}"));
        }
    })
    .await;
    let id = start(&world, "exit 1").await;
    until(&world, &id, |status| status.phases.iter().any(|phase| phase.guests.iter().any(|guest| guest.guest.as_str().starts_with('l'))))
        .await;
    cancel(&world, "alice", id.as_str()).await.unwrap();
    let status = world.settled(&id).await;
    assert_eq!((status.workflow.state, state(&status)), (WorkflowState::Cancelled, ExecutionState::Cancelled));
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_holds_what_is_queued_until_it_is_lifted() {
    let mut world = World::new().await;
    let scopes = [
        FreezeScope::All,
        FreezeScope::Tenant { tenant: "default".parse().unwrap() },
        FreezeScope::Project { project: "demo".parse().unwrap() },
    ];
    for (round, scope) in scopes.into_iter().enumerate() {
        let id = start(&world, &format!("echo {round}")).await;
        world.ask("adam", Freeze { scope: scope.clone(), reason: "audit week".into() }).await.unwrap();
        world.drive();
        let status = until(&world, &id, |status| state(status) == ExecutionState::Paused).await;
        assert_eq!(status.execution.unwrap().paused, Some(PausedReason::Freeze));
        assert_eq!((status.workflow.state, status.freezes.len()), (WorkflowState::Executing, 1));
        assert!(status.phases[0].worker_runs.is_empty(), "nothing runs in a freeze");
        let refused = world.plan("./build.sh").await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::FreezeOn, "{scope}");
        assert!(refused.message.contains("audit week"), "{}", refused.message);

        // A restart changes nothing about it.
        world.stop_driving().await;
        world = world.reopen().await;
        world.drive();
        until(&world, &id, |status| state(status) == ExecutionState::Paused).await;
        world.ask("adam", Unfreeze { scope }).await.unwrap();
        let status = world.settled(&id).await;
        assert_eq!((status.workflow.state, status.phases[0].attempt), (WorkflowState::Completed, 1));
        world.stop_driving().await;
    }
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_freeze_holds_can_be_cancelled() {
    let mut world = World::new().await;
    let id = start(&world, "echo never").await;
    world.ask("adam", everything()).await.unwrap();
    world.drive();
    until(&world, &id, |status| state(status) == ExecutionState::Paused).await;
    cancel(&world, "alice", id.as_str()).await.unwrap();
    let status = world.settled(&id).await;
    assert_eq!((status.workflow.state, status.execution.as_ref().unwrap().paused), (WorkflowState::Cancelled, None));
    assert!(status.phases[0].worker_runs.is_empty());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_plan_is_not_run_in_a_freeze_and_keeps_its_approval() {
    let mut world = World::new().await;
    let id = world.approved("./build.sh").await.workflow.id;
    world.ask("adam", everything()).await.unwrap();
    let refused = world.run(&id, "k1").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FreezeOn);
    assert_eq!(count(&world, &id, "run_denied").await, 1);
    assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Approved);
    world.ask("adam", Unfreeze { scope: FreezeScope::All }).await.unwrap();
    world.drive();
    world.run(&id, "k1").await.unwrap();
    assert_eq!(world.settled(&id).await.workflow.state, WorkflowState::Completed);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_executes_is_neither_withdrawn_nor_planned_again() {
    let world = quick_world().await;
    let id = start(&world, TREE).await;
    until(&world, &id, runs).await;
    let withdrawn = world.ask("alice", Withdraw { workflow: id.to_string(), reason: None }).await.unwrap_err();
    let again = world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap_err();
    let other_key = world.run(&id, "k2").await.unwrap_err();
    assert_eq!(
        [withdrawn.code, again.code, other_key.code],
        [ErrorCode::IllegalTransition, ErrorCode::IllegalTransition, ErrorCode::IdempotencyConflict]
    );
    let same = world.run(&id, "k1").await.unwrap();
    assert!(!same.created);
    let status = world.status(&id).await;
    assert_eq!((status.workflow.state, status.workflow.revision), (WorkflowState::Executing, 1));
    cancel(&world, "alice", id.as_str()).await.unwrap();
    world.settled(&id).await;
    // What was cancelled can be planned again, and asks again.
    let planned = world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap();
    assert_eq!((planned.workflow.revision, planned.workflow.state), (2, WorkflowState::AwaitingApproval));
    world.assert_nothing_left().await;
}

/// What `explain` says of a workflow's end, whole.
async fn why(world: &World, id: &WorkflowId) -> Vec<String> {
    let explained = world.ask("carol", Explain { id: id.to_string() }).await.unwrap();
    explained.reasons.iter().map(|reason| format!("{}: {}", reason.code, reason.message.raw())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ended_it_is_named_with_the_reason() {
    let world = World::new().await;
    let plans = [world.plan("./build.sh").await.unwrap(), world.plan("./build.sh").await.unwrap(), world.approved("./build.sh").await];
    let [rejected, withdrawn, cancelled] = plans.map(|planned| planned.workflow.id);
    let card = world.card("bob", &rejected).await.unwrap();
    let (request, token) = (card.request.id.to_string(), card.token.unwrap());
    world.ask("bob", Reject { request: request.clone(), token, role: None, reason: Some("wrong branch".into()) }).await.unwrap();
    world.ask("adam", Withdraw { workflow: withdrawn.to_string(), reason: Some("too early".into()) }).await.unwrap();
    world.run(&cancelled, "k1").await.unwrap();
    cancel(&world, "alice", cancelled.as_str()).await.unwrap();

    assert_eq!(why(&world, &rejected).await, [format!("rejected: bob rejected {request} as operator: wrong branch")]);
    assert_eq!(why(&world, &withdrawn).await, ["withdrawn: adam withdrew it: too early"]);
    let execution = world.status(&cancelled).await.execution.unwrap().id;
    assert_eq!(why(&world, &cancelled).await, [format!("cancelled: alice cancelled {execution}: no longer needed")]);
    let status = world.status(&withdrawn).await;
    assert_eq!(status.reasons[0].message.raw(), "adam withdrew it: too early");

    // What was planned again goes on: the end of what stood before is no reason any more.
    for id in [&rejected, &cancelled] {
        world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap();
        assert_eq!(why(&world, id).await, Vec::<String>::new());
    }
    world.approve("bob", &cancelled).await.unwrap();
    world.clock.advance_s(48 * 3600);
    // Any change looks at what is due.
    assert!(world.run(&cancelled, "k2").await.is_err());
    assert_eq!(why(&world, &cancelled).await, ["expired: it was not run in time"]);
    let waited = world.status(&rejected).await.approval_requests[0].id.clone();
    assert_eq!(why(&world, &rejected).await, [format!("expired: it was not approved in time: 0 of 1 votes for operator ({waited})")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_stays_to_be_seen_after_it_was_planned_again() {
    let world = busy_world(|_| ()).await;
    let id = start(&world, "echo it went wrong >&2; exit 3").await;
    let failed = world.settled(&id).await.execution.unwrap();
    world.commit("work.sh", "#!/bin/sh\necho mended\n");
    world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap();

    let phases = |named: String| world.ask("alice", GetPhases { workflow: named });
    let of_the_workflow = phases(id.to_string()).await.unwrap();
    let shown = of_the_workflow.execution.clone().unwrap();
    assert_eq!((shown.id.clone(), shown.revision, of_the_workflow.workflow.revision), (failed.id.clone(), 1, 2));
    assert_eq!(of_the_workflow.phases[0].worker_runs.len(), 1);
    assert_eq!(world.status(&id).await.execution.unwrap().id, failed.id);
    assert_eq!(phases(failed.id.to_string()).await.unwrap(), of_the_workflow);

    // The newest one is shown, and the earlier one to who names it.
    world.approve("bob", &id).await.unwrap();
    world.run(&id, "k2").await.unwrap();
    let second = world.settled(&id).await.execution.unwrap();
    assert_eq!((second.revision, second.state), (2, ExecutionState::Completed));
    assert_eq!(phases(id.to_string()).await.unwrap().execution.unwrap().id, second.id);
    for named in [failed.id.to_string(), of_the_workflow.phases[0].id.to_string()] {
        assert_eq!(phases(named.clone()).await.unwrap().execution.unwrap().id, failed.id, "{named}");
        let status = world.ask("alice", GetStatus { workflow: named }).await.unwrap();
        assert_eq!((status.execution.unwrap().id, status.workflow.state), (failed.id.clone(), WorkflowState::Completed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_plan_cannot_be_voted_on_run_or_planned_again() {
    let world = World::new().await;
    for approved in [false, true] {
        let id =
            if approved { world.approved("./build.sh").await.workflow.id } else { world.plan("./build.sh").await.unwrap().workflow.id };
        let card = world.card("carol", &id).await.unwrap();
        let status = world.ask("alice", Withdraw { workflow: id.to_string(), reason: Some("wrong branch".into()) }).await.unwrap();
        assert_eq!(status.workflow.state, WorkflowState::Withdrawn);
        assert_eq!(status.approval_requests[0].state, ApprovalRequestState::Superseded);
        if let Some(token) = card.token {
            let vote = world.ask("carol", Approve { request: card.request.id.to_string(), token, role: None }).await.unwrap_err();
            assert_eq!(vote.code, ErrorCode::IllegalTransition);
        }
        assert_eq!(world.run(&id, "k1").await.unwrap_err().code, ErrorCode::IllegalTransition);
        assert_eq!(world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap_err().code, ErrorCode::IllegalTransition);
    }
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_expire_by_themselves_while_the_owner_drives() {
    let mut world = World::new().await;
    let waiting = world.plan("./build.sh").await.unwrap().workflow.id;
    let approved = world.approved("./build.sh").await.workflow.id;
    world.drive();
    world.clock.advance_s(24 * 3600 - 60);
    assert_eq!(world.status(&waiting).await.workflow.state, WorkflowState::AwaitingApproval);
    world.clock.advance_s(120);
    for id in [&waiting, &approved] {
        let status = until(&world, id, |status| status.workflow.state == WorkflowState::Expired).await;
        assert_eq!(status.approval_requests[0].state, ApprovalRequestState::Expired);
        assert_eq!(world.run(id, "k1").await.unwrap_err().code, ErrorCode::Expired);
    }
    // What executes does not expire under way.
    let running = world.approved("./build.sh").await.workflow.id;
    world.run(&running, "k1").await.unwrap();
    world.clock.advance_s(48 * 3600);
    assert_eq!(world.settled(&running).await.workflow.state, WorkflowState::Completed);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_low_risk_starts_by_itself_where_the_rules_say_so() {
    let mut world = World::with(|root| {
        edit(
            root,
            "policies/data/rules.yaml",
            "autorun:\n  enabled: false\n  families: [read_only]",
            "autorun:\n  enabled: true\n  families: [read_only, build_test]",
        );
    })
    .await;
    world.drive();
    let id = world.plan("./build.sh").await.unwrap().workflow.id;
    let voted = world.approve("bob", &id).await.unwrap();
    assert_eq!(voted.workflow.state, WorkflowState::Executing);
    assert!(voted.execution.is_some() && !voted.next.is_empty());
    let status = world.settled(&id).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed);
    let audit = world.ask("alice", GetAudit { workflow: Some(id.to_string()), limit: 0 }).await.unwrap();
    let created = audit.events.iter().find(|event| event.kind.as_str() == "execution_created").unwrap();
    assert_eq!(created.actor, orc_domain::operators::Actor::System);
    // By hand it is the same execution no more, and not another one either.
    assert_eq!(world.run(&id, "k1").await.unwrap_err().code, ErrorCode::IdempotencyConflict);

    // Above low risk the floor says no, whatever the table says.
    let risky = world.ask("alice", Plan { no_verify: true, ..plan("./build.sh") }).await.unwrap().workflow.id;
    let voted = world.approve("bob", &risky).await.unwrap();
    assert_eq!((voted.workflow.state, voted.execution), (WorkflowState::Approved, None));
    let explained = world.ask("alice", Explain { id: risky.to_string() }).await.unwrap();
    let decision = explained.decisions.iter().find(|stored| stored.decision.entry.as_str() == "autorun").unwrap();
    assert_eq!(decision.decision.denials[0].code.as_str(), "autorun-not-low");
    world.assert_nothing_left().await;
}
