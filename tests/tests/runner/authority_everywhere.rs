//! Who may do what, for every intent there is: one table, written by hand.

use std::collections::BTreeSet;

use orc_domain::api::*;
use orc_domain::*;
use orc_engine::Peer;
use orc_tests::{World, edit, peer, plan};
use serde_json::{Value, json};

use crate::evidence::{newest_event, rows};

/// Columns: the requester; an operator without a role; an approver; an admin; a withdrawn operator, as his unix user and by name; a unix
/// user that nobody is; a user id without a name; an operator's unix user in another's name. `-`: not an operator.
const WHO_MAY: &str = "
    intent          requester      roleless       approver       admin          gone  gone-named          stranger  no-name  impostor
    plan            yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    implement       family-not-allowed  family-not-allowed  family-not-allowed  family-not-allowed  -     operator-withdrawn  -         -        operator-not-bound
    replan          yes            not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    approve         self-approval  role-not-held  yes            role-not-held  -     operator-withdrawn  -         -        operator-not-bound
    reject          self-approval  role-not-held  yes            role-not-held  -     operator-withdrawn  -         -        operator-not-bound
    withdraw        yes            not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    run             yes            not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    cancel          yes            not-permitted  yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    freeze          not-permitted  not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    unfreeze        not-permitted  not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    rules_activate  not-permitted  not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    rules_rollback  not-permitted  not-permitted  not-permitted  yes            -     operator-withdrawn  -         -        operator-not-bound
    status          yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    phase_status    yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    audit           yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    audit_verify    yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    overview        yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    workflow        yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    workflows       yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    workers         yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    approvals       yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    explain         yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    events          yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    rules           yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    rules_diff      yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    diff            yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    memory          yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    backlog         yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
    memory_set      not-found      not-found      not-found      not-found      -     operator-withdrawn  -         -        operator-not-bound
    backlog_set     not-found      not-found      not-found      not-found      -     operator-withdrawn  -         -        operator-not-bound
    whoami          yes            yes            yes            yes            -     operator-withdrawn  -         -        operator-not-bound
";

/// The peer of a column, and the operator that it names.
fn caller(column: &str) -> (Peer, Option<OperatorName>) {
    let (user, named) = match column {
        "requester" => (Some("alice"), None),
        "roleless" => (Some("zoe"), None),
        "approver" => (Some("bob"), None),
        "admin" => (Some("adam"), None),
        "gone" => (Some("gone"), None),
        "gone-named" => (Some("gone"), Some("gone")),
        "stranger" => (Some("mallory"), None),
        "no-name" => (None, None),
        "impostor" => (Some("zoe"), Some("adam")),
        other => panic!("{other}"),
    };
    (peer(user), named.map(|name| name.parse().unwrap()))
}

async fn world() -> World {
    World::with(|root| {
        edit(root, "config/operators.yaml", "operators:\n", "operators:\n  zoe: {roles: [], unix_users: [zoe]}\n");
        edit(root, "policies/data/rules.yaml", "project:  { active: 5 }", "project:  { active: 500 }");
        edit(root, "policies/data/rules.yaml", "active: 20, planned_per_hour: 60", "active: 500, planned_per_hour: 5000");
    })
    .await
}

/// What an intent needs to be able to succeed.
struct Stage {
    workflow: WorkflowId,
    request: String,
    token: String,
}

/// A plan of alice that a tech_lead must approve, and what of it `intent` acts on.
async fn stage(world: &World, intent: &str) -> Stage {
    lift_freezes(world).await;
    let flagged = Plan { flags: vec!["large_change".parse().unwrap()], ..plan("./build.sh") };
    let workflow = world.ask("alice", flagged).await.unwrap().workflow.id;
    let card = world.card("bob", &workflow).await.unwrap();
    if matches!(intent, "run" | "cancel") {
        world.approve("bob", &workflow).await.unwrap();
    }
    if intent == "cancel" {
        world.run(&workflow, "k1").await.unwrap();
    }
    if intent == "unfreeze" {
        world.ask("adam", Freeze { scope: FreezeScope::All, reason: "a test".into() }).await.unwrap();
    }
    Stage { workflow, request: card.request.id.to_string(), token: card.token.unwrap() }
}

async fn lift_freezes(world: &World) {
    for freeze in world.ask("adam", GetOverview {}).await.unwrap().freezes {
        world.ask("adam", Unfreeze { scope: freeze.scope }).await.unwrap();
    }
}

fn request(intent: &str, stage: &Stage) -> Value {
    let workflow = stage.workflow.as_str();
    match intent {
        "plan" => serde_json::to_value(plan("./build.sh")).unwrap(),
        "approve" | "reject" => json!({ "request": stage.request, "token": stage.token }),
        "implement" => json!({ "project": "demo", "task": "a line" }),
        "memory" | "backlog" => json!({ "project": "demo" }),
        "memory_set" => json!({ "item": "me_none", "state": "accepted" }),
        "backlog_set" => json!({ "item": "bl_none", "state": "done" }),
        "run" => json!({ "workflow": workflow, "idempotency_key": "k1" }),
        "replan" | "withdraw" | "status" | "phase_status" | "workflow" | "audit" | "diff" => json!({ "workflow": workflow }),
        "cancel" | "explain" => json!({ "id": workflow }),
        "freeze" => json!({ "scope": { "scope": "all" }, "reason": "a test" }),
        "unfreeze" => json!({ "scope": { "scope": "all" } }),
        "rules_rollback" => json!({ "revision": 1 }),
        "events" => json!({ "after": 0 }),
        "rules_activate" | "audit_verify" | "overview" | "workflows" | "workers" | "approvals" | "rules" | "rules_diff" | "whoami" => {
            json!({})
        }
        other => panic!("what does a request of {other} look like?"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_intent_is_in_the_table_and_as_it_says() {
    let mut lines = WHO_MAY.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|cells| !cells.is_empty());
    let columns = lines.next().unwrap();
    let table: Vec<Vec<&str>> = lines.collect();
    let named: Vec<&str> = table.iter().map(|cells| cells[0]).collect();
    let known: BTreeSet<&str> = INTENTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), known, "an intent is missing, or one too many");
    assert_eq!(named.len(), known.len(), "an intent stands twice");

    let world = world().await;
    for cells in table {
        let intent = cells[0];
        let writes = INTENTS.iter().any(|(name, writes)| *name == intent && *writes);
        assert_eq!(cells.len(), columns.len(), "{intent}");
        // Strangers are recorded so often a minute and no more.
        world.clock.advance_s(60);
        let mut on = stage(&world, intent).await;
        for (column, expected) in columns.iter().zip(&cells).skip(1) {
            let expected = if *expected == "-" { "not-an-operator" } else { *expected };
            let (peer, user) = caller(column);
            let envelope = Envelope { intent: intent.to_owned(), user, idempotency_key: None, request: request(intent, &on) };
            let (before, last) = (rows(&world), newest_event(&world).await.seq);
            match world.engine.handle(&peer, envelope).await {
                Ok(_) => {
                    assert_eq!(expected, "yes", "{intent} by {column}");
                    if writes {
                        on = stage(&world, intent).await;
                    }
                }
                Err(error) => {
                    assert_eq!(error.code.as_str(), expected, "{intent} by {column}: {error:#?}");
                    assert_eq!(rows(&world), before, "{intent} by {column}: something is half-written");
                    let event = newest_event(&world).await;
                    assert!(event.seq > last, "{intent} by {column}: no event tells of it");
                    assert_eq!(event.body["code"].as_str(), Some(expected), "{intent} by {column}");
                }
            }
        }
    }
}

/// Columns: the plan's flag (or `-`), who owns the state and says so, in whose name, expected.
const ASSERTED: &str = "
    -                   owner   bob    yes
    large_change        owner   bob    yes
    security_sensitive  owner   bob    proof-too-weak
    production          owner   bob    proof-too-weak
    -                   owner   alice  self-approval
    -                   owner   gone   operator-withdrawn
    -                   owner   nobody not-an-operator
    -                   other   bob    operator-not-bound
    security_sensitive  bob     bob    yes
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_asserted_counts_up_to_moderate_risk() {
    let world = World::with(|root| {
        edit(root, "config/orc.yaml", "trust: team", "trust: single_user");
        edit(root, "policies/data/rules.yaml", "project:  { active: 5 }", "project:  { active: 500 }");
    })
    .await;
    for line in ASSERTED.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [flag, who, named, expected] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let flags = (flag != "-").then(|| flag.parse().unwrap()).into_iter().collect();
        let workflow = world.ask("alice", Plan { flags, ..plan("./build.sh") }).await.unwrap().workflow.id;
        let cards = world.ask("bob", GetApprovals { of: Some(workflow.to_string()) }).await.unwrap().cards;
        let card = cards.into_iter().find(|card| card.token.is_some()).unwrap();
        let peer = match who {
            "owner" => Peer { owns_state: true, ..peer(Some("root")) },
            "other" => peer(Some("root")),
            user => peer(Some(user)),
        };
        let vote = Approve { request: card.request.id.to_string(), token: card.token.unwrap(), role: None };
        match world.ask_from(peer, Some(named), None, vote).await {
            Ok(voted) => {
                assert_eq!(expected, "yes", "{line}");
                let proof = voted.request.votes[0].proof.as_str();
                assert_eq!(proof, if who == "owner" { "asserted" } else { "unix_peer" }, "{line}");
            }
            Err(error) => assert_eq!(error.code.as_str(), expected, "{line}: {error:#?}"),
        }
    }
}
