//! The audit is append-only for everybody who goes through SQLite, and shows whoever went around its guards.

use orc_domain::audit::{Event, NewEvent, event_hash};
use orc_store::StoreError;
use rusqlite::Connection;

use crate::support::*;

/// Five events: creation, ownership and three of ours.
fn filled() -> TestDb {
    let db = TestDb::new();
    let store = db.open();
    for text in ["one", "two", "three"] {
        store.write(NOW, |tx| tx.append(event(text))).unwrap();
    }
    db
}

fn proof(db: &TestDb) -> orc_domain::api::AuditProof {
    orc_store::Store::open_read_only(&db.path()).unwrap().read(|tx| tx.verify_audit()).unwrap()
}

fn drop_guards(raw: &Connection) {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'audit%'";
    let names: Vec<String> = raw.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(names.len(), 7, "the guards of the audit: {names:?}");
    for name in names {
        raw.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
}

#[test]
fn guards_refuse_every_statement_that_rewrites_history() {
    let copy = "at, kind, actor, tenant, project, workflow, execution, body, prev, hash || 'x' FROM audit WHERE seq = 1";
    let statements = [
        "UPDATE audit SET body = '{}' WHERE seq = 3".to_owned(),
        "UPDATE OR IGNORE audit SET body = '{}' WHERE seq = 3".to_owned(),
        "UPDATE audit SET seq = 9 WHERE seq = 3".to_owned(),
        "DELETE FROM audit WHERE seq = 5".to_owned(),
        "DELETE FROM audit".to_owned(),
        format!("INSERT INTO audit SELECT 7, {copy}"),
        format!("INSERT INTO audit SELECT 6, {copy}"),
        format!("INSERT OR REPLACE INTO audit SELECT 1, {copy}"),
        format!("INSERT OR REPLACE INTO audit SELECT 5, {copy}"),
        format!("REPLACE INTO audit SELECT 3, {copy}"),
        format!("INSERT OR IGNORE INTO audit SELECT 3, {copy}"),
        format!("INSERT INTO audit SELECT 3, {copy} ON CONFLICT (seq) DO UPDATE SET body = '{{}}'"),
        "UPDATE audit_head SET seq = 4".to_owned(),
        "UPDATE audit_head SET seq = 6".to_owned(),
        "DELETE FROM audit_head".to_owned(),
        "INSERT OR REPLACE INTO audit_head VALUES (1, 0, (SELECT prev FROM audit WHERE seq = 1))".to_owned(),
    ];
    let db = filled();
    let before = proof(&db);
    assert_eq!((before.events, &before.broken), (5, &None));
    let raw = db.raw();
    // The worst case: a connection without ORC's profile, where REPLACE fires no DELETE trigger.
    raw.pragma_update(None, "recursive_triggers", false).unwrap();
    for statement in statements {
        assert!(raw.execute_batch(&statement).is_err(), "{statement}");
    }
    assert_eq!(proof(&db), before);
}

#[test]
fn whoever_goes_around_the_guards_is_found_out() {
    let cases = [
        ("a changed body", "UPDATE audit SET body = '{\"text\":\"2\"}' WHERE seq = 4", 4, "not what was hashed"),
        ("a changed actor", "UPDATE audit SET actor = '{\"kind\":\"system\"}' WHERE seq = 4", 4, "not what was hashed"),
        ("a changed time", "UPDATE audit SET at = at + 1 WHERE seq = 4", 4, "not what was hashed"),
        ("a changed kind", "UPDATE audit SET kind = 'run_denied' WHERE seq = 4", 4, "not what was hashed"),
        ("hidden from its workflow", "UPDATE audit SET workflow = 'wf_two' WHERE seq = 4", 4, "not what was hashed"),
        ("hidden from all workflows", "UPDATE audit SET workflow = NULL WHERE seq = 4", 4, "not what was hashed"),
        ("given to a tenant", "UPDATE audit SET tenant = 'acme' WHERE seq = 4", 4, "not what was hashed"),
        ("another hash", "UPDATE audit SET hash = 'sha256:' || lower(hex(zeroblob(32))) WHERE seq = 5", 5, "not what was hashed"),
        ("removed from the middle", "DELETE FROM audit WHERE seq = 3", 3, "missing"),
        ("the first removed", "DELETE FROM audit WHERE seq = 1", 1, "missing"),
        ("cut off the end", "DELETE FROM audit WHERE seq > 3", 4, "the chain ends at 3"),
        ("all gone", "DELETE FROM audit", 1, "the chain ends at 0"),
        (
            "reordered",
            "UPDATE audit SET seq = 109 - seq WHERE seq IN (4, 5); UPDATE audit SET seq = seq - 100 WHERE seq > 100",
            4,
            "follow",
        ),
        ("the head turned back", "UPDATE audit_head SET seq = 4", 6, "names event 4"),
        ("a nonsense digest", "UPDATE audit SET prev = 'sha256:' || substr(prev, 9) || 'Z' WHERE seq = 2", 2, "not a digest"),
    ];
    for (name, tamper, seq, why) in cases {
        let db = filled();
        let raw = db.raw();
        drop_guards(&raw);
        raw.execute_batch(tamper).unwrap();
        drop(raw);
        let broken = proof(&db).broken.unwrap_or_else(|| panic!("{name}: not found"));
        assert_eq!(broken.seq, seq, "{name}: {}", broken.why);
        assert!(broken.why.contains(why), "{name}: {}", broken.why);
    }
}

#[test]
fn a_forged_event_at_the_end_needs_the_head_as_well() {
    let db = filled();
    let raw = db.raw();
    drop_guards(&raw);
    raw.execute_batch(
        "INSERT INTO audit SELECT 6, at, kind, actor, tenant, project, workflow, execution, body, hash,
         'sha256:' || lower(hex(zeroblob(32))) FROM audit WHERE seq = 5",
    )
    .unwrap();
    drop(raw);
    assert_eq!(proof(&db).broken.map(|broken| broken.seq), Some(6));
}

#[test]
fn an_event_says_where_it_stands_and_its_hash_can_be_computed_from_it() {
    let db = filled();
    let store = db.open();
    let first: Event = store.write(NOW, |tx| tx.append(event("last"))).unwrap();
    let stored = store.read(|tx| tx.newest_events(Some(&id("wf_one")), 2)).unwrap();
    assert_eq!((stored.events.last(), stored.left_out), (Some(&first), 2));
    for event in store.read(|tx| tx.events(0, None, 100)).unwrap() {
        let Event { seq, at, kind, actor, subject, body, prev, hash } = event;
        assert_eq!(event_hash(&prev, seq, at, &NewEvent { kind, actor, subject, body }).unwrap(), hash);
    }
}

#[test]
fn events_are_read_by_place_and_workflow() {
    let db = filled();
    let store = db.open();
    let seqs = |events: Vec<Event>| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    store
        .read(|tx| {
            assert_eq!(seqs(tx.events(0, None, 3)?), [1, 2, 3]);
            assert_eq!(seqs(tx.events(3, None, 9)?), [4, 5, 6]);
            assert_eq!(seqs(tx.events(3, Some(&id("wf_one")), 9)?), [4, 5]);
            assert_eq!(seqs(tx.events(u64::MAX, None, 9)?), [0; 0]);
            assert_eq!(seqs(tx.newest_events(None, 2)?.events), [5, 6]);
            assert_eq!(tx.newest_events(None, 2)?.left_out, 4);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn an_event_that_is_no_object_is_not_recorded_and_takes_its_transaction_along() {
    let db = filled();
    let store = db.open();
    let head = store.read(|tx| tx.audit_head()).unwrap();
    let result = store.write(NOW, |tx| {
        tx.put_blob("text/plain", b"content")?;
        tx.append(NewEvent { body: serde_json::json!([1]), ..event("") })
    });
    assert!(matches!(result, Err(StoreError::Constraint { .. })), "{result:?}");
    assert_eq!(store.read(|tx| tx.audit_head()).unwrap(), head);
    let kept = store.read(|tx| tx.blob(&orc_domain::Digest::of(b"content")));
    assert!(matches!(kept, Err(StoreError::NotFound { .. })), "{kept:?}");
}

#[test]
fn numbers_in_a_body_survive_the_way_through_json() {
    let db = TestDb::new();
    let store = db.open();
    let numbers = serde_json::json!({ "a": 0.1 + 0.2, "b": 1e21, "c": u64::MAX, "d": -0.0, "e": 5e-324, "f": 123_456_789.123_456_79 });
    store.write(NOW, |tx| tx.append(NewEvent { body: numbers, ..event("") })).unwrap();
    assert_eq!(proof(&db).broken, None);
}
