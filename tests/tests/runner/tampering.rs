//! A plan document that somebody changed in the database, at each of its places in turn, never runs.

use orc_domain::*;
use orc_tests::World;
use rusqlite::Connection;
use serde_json::{Value, json};

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
        db.execute_batch("PRAGMA foreign_keys = OFF; DROP TRIGGER blob_no_update; DROP TRIGGER plan_revision_no_update;").unwrap();
        Self(db)
    }

    fn set_bytes(&self, digest: &Digest, bytes: &[u8]) {
        assert_eq!(self.0.execute("UPDATE blob SET bytes = ?2 WHERE digest = ?1", (digest.to_string(), bytes)).unwrap(), 1);
    }

    /// Puts another document in the place of a plan, with its right hash.
    fn set_plan(&self, workflow: &WorkflowId, bytes: &[u8]) {
        let digest = Digest::of(bytes).to_string();
        let blob = "INSERT INTO blob SELECT ?1, media_type, ?2, created_at FROM blob LIMIT 1 ON CONFLICT DO NOTHING";
        self.0.execute(blob, (&digest, bytes)).unwrap();
        assert_eq!(self.0.execute("UPDATE plan_revision SET plan_hash = ?2 WHERE workflow = ?1", (workflow.as_str(), &digest)).unwrap(), 1);
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
    let mut read = 0;
    for (at, mutant) in mutants(&document) {
        intruder.set_plan(&id, &canonical_json(&mutant).unwrap());
        let error = world.run(&id, "k1").await.expect_err(&at);
        // A document of another form is none; one of the same form was not what anybody voted on. Of another's plan alice is no requester.
        match error.code {
            ErrorCode::NotPermitted => assert_eq!(at, "/requesters/0"),
            ErrorCode::PlanHashMismatch | ErrorCode::NotApproved => assert!(error.message.contains(id.as_str()), "{at}: {}", error.message),
            _ => panic!("{at}: {error:#?}"),
        }
        read += usize::from(error.code == ErrorCode::NotApproved);
    }
    assert!(read > 50, "only {read} of the mutants could be read");
    // Another approved command, which every rule allows: only the votes say that it is not this plan.
    let mut swapped = document.clone();
    swapped["intent"]["argv"] = json!(["./check.sh"]);
    intruder.set_plan(&id, &canonical_json(&swapped).unwrap());
    let error = refused(&world, Some("alice"), ("run_denied", "not-approved"), world.run(&id, "k1")).await;
    assert!(error.message.contains("bob"), "{error:#?}");
    intruder.set_plan(&id, &canonical_json(&document).unwrap());
    assert!(world.run(&id, "k1").await.unwrap().created);
}
