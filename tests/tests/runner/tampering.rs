//! What somebody changed by hand, in the database or in the objects of a project's repository, never runs: a plan document at each of its
//! places in turn, persons, rules, files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use orc_domain::api::*;
use orc_domain::audit::stored_event_hash;
use orc_domain::states::WorkflowState;
use orc_domain::*;
use orc_tests::{World, git, own};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::control::{runs, until};
use crate::crash::{open_the_door, waiting_world};
use crate::drift::{approved, document, rich};
use crate::evidence::{newest_event, refused};

/// Each place of a document that holds no further one, as a JSON pointer.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| leaves(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found));
        }
        Value::Array(list) if !list.is_empty() => list.iter().enumerate().for_each(|(n, value)| leaves(value, &format!("{at}/{n}"), found)),
        _ => found.push(at.to_owned()),
    }
}

/// Another value of the same form, as far as that can be said of it.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!(1),
        Value::Bool(set) => json!(!set),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) if text.starts_with("sha256:") => json!(Digest::of(text.as_bytes())),
        Value::String(text) => json!(match text.as_str() {
            "low" => "moderate".to_owned(),
            "advisory" => "blocking".to_owned(),
            "blocking" => "advisory".to_owned(),
            "none" => "full".to_owned(),
            "approval" => "confirmation".to_owned(),
            text => format!("{text}x"),
        }),
        Value::Array(_) => json!(["x"]),
        Value::Object(_) => json!({ "x": 1 }),
    }
}

/// The database as somebody sees it who may write its file.
struct Intruder(Connection);

impl Intruder {
    fn new(world: &World) -> Self {
        let db = Connection::open(world.db()).unwrap();
        db.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF;").unwrap();
        Self(db)
    }

    /// Does something while no trigger is in its way.
    fn tamper(&self, deed: impl FnOnce(&Connection)) {
        let mut triggers = self.0.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
        let triggers = triggers.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let triggers: Vec<(String, String)> = triggers.collect::<Result<_, _>>().unwrap();
        let transaction = self.0.unchecked_transaction().unwrap();
        triggers.iter().for_each(|(name, _)| transaction.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
        deed(&transaction);
        triggers.iter().for_each(|(_, sql)| transaction.execute_batch(sql).unwrap());
        transaction.commit().unwrap();
    }

    fn run(&self, sql: &str) {
        self.tamper(|db| assert!(db.execute(sql, []).unwrap() > 0, "{sql}"));
    }

    /// Lets the audit say that this plan was made, with all its hashes made again: an intruder who knows what he does.
    fn announce(&self, workflow: &WorkflowId, plan: &Digest) {
        self.tamper(|db| Self::announce_in(db, workflow, plan));
    }

    fn announce_in(db: &Connection, workflow: &WorkflowId, plan: &Digest) {
        let set = "UPDATE audit SET body = json_set(body, '$.plan_hash', ?2) WHERE workflow = ?1 AND kind = 'workflow_planned'";
        assert_eq!(db.execute(set, (workflow.as_str(), plan.to_string())).unwrap(), 1);
        let mut prev = audit::GENESIS;
        let mut rows =
            db.prepare("SELECT seq, at, kind, actor, tenant, project, workflow, execution, body FROM audit ORDER BY seq").unwrap();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = |at: usize| row.get::<_, Option<String>>(at).unwrap();
            let subject: std::collections::BTreeMap<_, _> = ["tenant", "project", "workflow", "execution"]
                .into_iter()
                .zip(4..)
                .filter_map(|(name, at)| Some((name, text(at)?)))
                .collect();
            let subject = canonical_json(&subject).unwrap();
            let (kind, actor, body) = (text(2).unwrap(), text(3).unwrap(), text(8).unwrap());
            let (seq, at): (i64, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let fields = [kind.as_bytes(), actor.as_bytes(), &subject];
            let hash = stored_event_hash(&prev, seq.unsigned_abs(), Timestamp(at), fields, &Digest::of(body.as_bytes()));
            let sql = "UPDATE audit SET prev = ?2, hash = ?3 WHERE seq = ?1";
            db.execute(sql, (seq, prev.to_string(), hash.to_string())).unwrap();
            prev = hash;
        }
        db.execute("UPDATE audit_head SET hash = ?1", [prev.to_string()]).unwrap();
    }

    fn set_bytes(&self, digest: &Digest, bytes: &[u8]) {
        let sql = "UPDATE blob SET bytes = ?2 WHERE digest = ?1";
        self.tamper(|db| assert_eq!(db.execute(sql, (digest.to_string(), bytes)).unwrap(), 1));
    }

    /// Puts another document in the place of a plan, with its right hash.
    fn set_plan(&self, workflow: &WorkflowId, bytes: &[u8]) {
        let digest = Digest::of(bytes).to_string();
        let blob = "INSERT INTO blob SELECT ?1, media_type, ?2, created_at FROM blob LIMIT 1 ON CONFLICT DO NOTHING";
        let plan = "UPDATE plan_revision SET plan_hash = ?2 WHERE workflow = ?1";
        self.tamper(|db| {
            db.execute(blob, (&digest, bytes)).unwrap();
            assert_eq!(db.execute(plan, (workflow.as_str(), &digest)).unwrap(), 1);
        });
    }
}

/// The document changed at each of its places in turn.
fn mutants(document: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    leaves(document, "", &mut places);
    assert!(places.len() > 100, "{}", places.len());
    let mutant = |at: String| {
        let mut mutant = document.clone();
        let place = mutant.pointer_mut(&at).unwrap();
        *place = other(place);
        assert_ne!(mutant, *document, "{at}");
        (at, mutant)
    };
    places.into_iter().map(mutant).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_document_that_was_changed_in_the_database_never_runs() {
    let world = rich().await;
    let id = approved(&world).await;
    let document = document(&world, &id).await;
    let original = canonical_json(&document).unwrap();
    let hash = Digest::of(&original);
    assert_eq!(hash, world.status(&id).await.plan_hash);
    let intruder = Intruder::new(&world);
    for (at, mutant) in mutants(&document) {
        intruder.set_bytes(&hash, &canonical_json(&mutant).unwrap());
        let error = world.run(&id, "k1").await.expect_err(&at);
        assert_eq!(error.code, ErrorCode::PlanHashMismatch, "{at}: {error:#?}");
        assert!(error.message.contains(id.as_str()) && error.message.contains(&hash.short()), "{at}: {}", error.message);
        assert!(error.message.contains(&format!(": {at}")), "the one change is named: {at}: {}", error.message);
    }
    for bytes in [&b""[..], b"{}", b"not JSON", &original[..original.len() - 1], &[original.as_slice(), b" "].concat()] {
        intruder.set_bytes(&hash, bytes);
        assert_eq!(world.run(&id, "k1").await.unwrap_err().code, ErrorCode::PlanHashMismatch);
    }
    let event = newest_event(&world).await;
    assert_eq!((event.kind.as_str(), event.body["code"].as_str()), ("run_denied", Some("plan-hash-mismatch")));
    intruder.set_bytes(&hash, &original);
    assert!(world.run(&id, "k1").await.unwrap().created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_document_that_was_changed_together_with_its_hash_never_runs() {
    let world = rich().await;
    let id = approved(&world).await;
    let document = document(&world, &id).await;
    let intruder = Intruder::new(&world);
    for (at, mutant) in mutants(&document) {
        intruder.set_plan(&id, &canonical_json(&mutant).unwrap());
        let error = world.run(&id, "k1").await.expect_err(&at);
        assert_eq!(error.code, ErrorCode::PlanHashMismatch, "{at}: {error:#?}");
        assert!(error.message.contains(id.as_str()), "{at}: {}", error.message);
    }
    // A plan that nobody has to approve, and the state that such a one has.
    let mut unasked = document.clone();
    unasked["approvals"] = json!([]);
    intruder.set_plan(&id, &canonical_json(&unasked).unwrap());
    intruder.run(&format!("DELETE FROM approval_request WHERE workflow = '{id}'"));
    let error = refused(&world, Some("alice"), ("run_denied", "plan-hash-mismatch"), world.run(&id, "k1")).await;
    assert!(error.hint.unwrap().contains("orcctl audit verify"));
    let differs = world.ask("alice", VerifyAudit {}).await.unwrap().differs;
    assert!(differs.len() == 1 && differs[0].contains(&format!("the plan 1 of {id}")), "{differs:?}");
}

/// The chain made again as a whole is out of the audit's reach; the votes still were cast on another plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_changed_together_with_the_audit_has_nobody_s_vote() {
    let world = rich().await;
    let id = approved(&world).await;
    let document = document(&world, &id).await;
    let intruder = Intruder::new(&world);
    // Another approved command, which every rule allows: only the votes say that it is not this plan.
    let mut swapped = document.clone();
    swapped["intent"]["argv"] = json!(["./check.sh"]);
    let bytes = canonical_json(&swapped).unwrap();
    intruder.set_plan(&id, &bytes);
    intruder.announce(&id, &Digest::of(&bytes));
    assert_eq!(world.ask("alice", VerifyAudit {}).await.unwrap().broken, None);
    let error = refused(&world, Some("alice"), ("run_denied", "not-approved"), world.run(&id, "k1")).await;
    assert!(error.message.contains("bob"), "{error:#?}");
    let bytes = canonical_json(&document).unwrap();
    intruder.set_plan(&id, &bytes);
    intruder.announce(&id, &Digest::of(&bytes));
    assert!(world.run(&id, "k1").await.unwrap().created);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_a_plan_of_his_own_that_the_database_calls_another_s() {
    let world = World::new().await;
    let id = world.ask("bob", orc_tests::plan("./build.sh")).await.unwrap().workflow.id;
    let planned = document(&world, &id).await;
    let intruder = Intruder::new(&world);
    intruder.run(&format!("UPDATE requester SET operator = 'alice' WHERE workflow = '{id}'"));
    // The rows alone: whoever plans it again would be its only requester.
    let error =
        refused(&world, Some("alice"), ("plan_denied", "plan-hash-mismatch"), world.ask("alice", Replan { workflow: id.to_string() }))
            .await;
    assert!(error.causes[0].contains("requesters"), "{error:#?}");
    let mut document = planned.clone();
    document["requesters"] = json!(["alice"]);
    intruder.set_plan(&id, &canonical_json(&document).unwrap());
    let error = world.approve("bob", &id).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PlanHashMismatch, "{error:#?}");
    assert_eq!(world.status(&id).await.workflow.state, WorkflowState::AwaitingApproval);
    let differs = world.ask("alice", VerifyAudit {}).await.unwrap().differs;
    assert!(differs.len() == 2 && differs.iter().all(|why| why.contains(id.as_str()) || why.contains("requesters")), "{differs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_never_came_into_force_are_not_in_force() {
    // The newest revision with an older one's content; an older revision again; an event that says so, without its hash.
    let tamperings = [
        "UPDATE rules_revision SET (digest, files) = (SELECT digest, files FROM rules_revision WHERE revision = 1) WHERE revision = 2",
        "UPDATE rules_active SET revision = 1",
        "UPDATE audit SET body = json_set(body, '$.digest', 'sha256:0') WHERE kind = 'rules_activated' AND body ->> '$.revision' = 2",
    ];
    for tampering in tamperings {
        let world = World::new().await;
        world.edit("policies/data/rules.yaml", "planned_per_hour: 60", "planned_per_hour: 61");
        world.activate().await;
        let intruder = Intruder::new(&world);
        intruder.run(tampering);
        let differs = world.ask("alice", VerifyAudit {}).await.unwrap();
        assert!(
            differs.broken.is_some() || differs.differs.iter().any(|why| why.contains("the rules revision")),
            "{tampering}: {differs:?}"
        );
        let closed = world.close().await;
        let error = own(closed.dir.path(), &closed.clock, &closed.ids).await.err().expect(tampering);
        assert!(matches!(error.code, ErrorCode::DatabaseRefused | ErrorCode::Internal), "{tampering}: {error:#?}");
        assert!(error.hint.is_some(), "{tampering}: {error:#?}");
    }
}

/// Puts other content under the name of a file's object in the project's repository.
fn swap(world: &World, file: &str, content: &str) {
    let objects = world.project().join(".git/objects");
    let path = |id: &str| -> PathBuf { objects.join(&id[..2]).join(&id[2..]) };
    let other = world.dir.path().join("other");
    fs::write(&other, content).unwrap();
    let (other, id) = (
        git(&world.project(), &["hash-object", "-w", other.to_str().unwrap()]),
        git(&world.project(), &["rev-parse", &format!("HEAD:{file}")]),
    );
    fs::set_permissions(path(&id), fs::Permissions::from_mode(0o644)).unwrap();
    fs::copy(path(&other), path(&id)).unwrap();
}

/// That the execution failed for this, and said so.
async fn assert_altered(world: &World, id: &WorkflowId, file: &str) {
    let status = world.settled(id).await;
    let told = format!("{status:?}");
    assert_eq!(status.workflow.state, WorkflowState::Failed, "{told}");
    assert!(told.contains(&format!("the content that git has for {file} is not what its id says")), "{told}");
    assert!(!told.contains("evil"), "{told}");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_name_of_a_planned_object_never_runs() {
    let mut world = World::new().await;
    let id = world.approved("./build.sh").await.workflow.id;
    swap(&world, "build.sh", "#!/bin/sh\necho evil\n");
    world.drive();
    world.run(&id, "k1").await.unwrap();
    assert_altered(&world, &id, "build.sh").await;

    let (mut world, id) = waiting_world(|_| ()).await;
    world.drive();
    until(&world, &id, runs).await;
    swap(&world, "check.sh", "#!/bin/sh\necho evil\nexit 0\n");
    open_the_door(world.dir.path());
    assert_altered(&world, &id, "check.sh").await;
    world.stop_driving().await;
}
