//! What a refused attempt leaves behind: an event that tells it, and nothing else.

use std::collections::BTreeMap;
use std::fmt::Debug;

use orc_domain::OrcError;
use orc_domain::api::GetAudit;
use orc_domain::audit::Event;
use orc_tests::World;
use rusqlite::{Connection, OpenFlags};

/// Tables that a refusal may add to: the event, the stored decision behind it, what was seen under the root meanwhile.
const TELLING: [&str; 5] = ["audit", "audit_head", "decision", "rules_candidate", "blob"];

/// Rows of every other table, and the state of everything that has one.
pub(crate) fn rows(world: &World) -> BTreeMap<String, String> {
    let db = Connection::open_with_flags(world.db(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let texts = |sql: &str| {
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let tables = texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name");
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for table in tables.into_iter().filter(|table| !TELLING.contains(&table.as_str())) {
        let count = texts(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}"));
        rows.insert(table, count.concat());
    }
    for table in ["workflow", "approval_request", "execution"] {
        let states = texts(&format!("SELECT id || ' ' || state FROM {table} ORDER BY id"));
        rows.insert(format!("states of {table}"), states.join(", "));
    }
    rows
}

pub(crate) async fn newest_event(world: &World) -> Event {
    world.ask("adam", GetAudit { workflow: None, limit: 1 }).await.unwrap().events.pop().unwrap()
}

/// The attempt of `who` is refused with `code`, changes nothing, and the newest event tells it. `who` is absent where nobody was proved.
pub(crate) async fn refused<T: Debug>(
    world: &World,
    who: Option<&str>,
    (kind, code): (&str, &str),
    attempt: impl Future<Output = Result<T, OrcError>>,
) -> OrcError {
    let (before, last) = (rows(world), newest_event(world).await.seq);
    let error = attempt.await.expect_err(code);
    assert_eq!(error.code.as_str(), code, "{error:#?}");
    assert_eq!(rows(world), before, "{code}: something is half-written");
    let event = newest_event(world).await;
    assert!(event.seq > last, "{code}: no event tells of it");
    assert_eq!((event.kind.as_str(), event.body["code"].as_str()), (kind, Some(code)), "{event:#?}");
    assert_eq!(event.body["message"].as_str(), Some(error.message.as_str()));
    assert_eq!(event.actor.operator().map(|name| name.as_str()), who, "{event:#?}");
    error
}
