//! All five machines, every state and every event: the store does what the domain's function says, and the schema stops everything else.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::api::{ExecutionResult, Usage};
use orc_domain::audit::EventKind;
use orc_domain::states::*;
use orc_store::{Store, StoreError, WriteTx};
use serde_json::json;

use crate::support::*;

/// Events that lead from the first state to each other one.
fn paths<M: Machine>() -> Vec<(M, Vec<M::Event>)> {
    let mut found = vec![(M::STATES[0], Vec::new())];
    let mut next = 0;
    while next < found.len() {
        let (state, path) = found[next].clone();
        for event in M::EVENTS {
            if let Ok(to) = state.next(*event)
                && found.iter().all(|(known, _)| *known != to)
            {
                found.push((to, path.iter().copied().chain([*event]).collect()));
            }
        }
        next += 1;
    }
    assert_eq!(found.len(), M::STATES.len(), "every state of {} can be reached", M::NAME);
    found
}

/// Walks to each state, tries each event there, and takes all of it back.
fn every_event_in_every_state<M: Machine + std::fmt::Debug>(
    store: &Store,
    kind: EventKind,
    column: fn(&WriteTx<'_>) -> &'static str,
    apply: fn(&mut WriteTx<'_>, M::Event) -> Result<M, StoreError>,
) {
    for (state, path) in paths::<M>() {
        for event in M::EVENTS {
            let back: Result<(), StoreError> = store.write(NOW, |tx| {
                insert_one_of_each(tx);
                for step in &path {
                    apply(tx, *step)?;
                }
                assert_eq!(column(tx), state.word());
                let before = tx.audit_head()?;
                let told = format!("{} {} {}", M::NAME, state.word(), M::event_word(*event));
                match (apply(tx, *event), state.next(*event)) {
                    (Ok(to), Ok(expected)) => {
                        assert_eq!(to, expected, "{told}");
                        assert_eq!(column(tx), to.word(), "{told}");
                        let recorded = tx.newest_events(None, 1)?.events.remove(0);
                        let body = [("event", M::event_word(*event)), ("from", state.word()), ("to", to.word()), ("more", "yes")];
                        assert!(body.iter().all(|(name, value)| recorded.body[name] == *value), "{told}: {}", recorded.body);
                        assert_eq!(recorded.kind, kind);
                        assert_eq!(recorded.subject.workflow, Some(id("wf_one")));
                        assert_eq!(recorded.subject.tenant, Some(id("acme")));
                    }
                    (Err(StoreError::IllegalTransition { why: error, .. }), Err(expected)) => {
                        assert_eq!(error, expected, "{told}");
                        assert_eq!(tx.audit_head()?, before, "{told}: nothing is recorded");
                        assert_eq!(column(tx), state.word(), "{told}: nothing is changed");
                    }
                    (is, expected) => panic!("{told}: {is:?}, expected {expected:?}"),
                }
                Err(StoreError::ReadOnly)
            });
            assert!(matches!(back, Err(StoreError::ReadOnly)), "{back:?}");
        }
    }
}

#[test]
fn the_store_follows_the_domain_in_every_cell_of_the_five_tables() {
    let db = TestDb::new();
    let store = db.open();
    every_event_in_every_state::<WorkflowState>(
        &store,
        EventKind::WorkflowChanged,
        |tx| tx.workflow(&id("wf_one")).unwrap().state.as_str(),
        |tx, event| tx.apply_workflow(&id("wf_one"), event, &alice(), json!({ "more": "yes", "to": "a lie" })),
    );
    every_event_in_every_state::<ApprovalRequestState>(
        &store,
        EventKind::ApprovalRequestChanged,
        |tx| tx.approval_request(&id("ap_one")).unwrap().state.as_str(),
        |tx, event| tx.apply_approval_request(&id("ap_one"), event, &alice(), json!({ "more": "yes" })),
    );
    every_event_in_every_state::<ExecutionState>(
        &store,
        EventKind::ExecutionChanged,
        |tx| tx.execution(&id("ex_one")).unwrap().state.as_str(),
        apply_execution,
    );
    every_event_in_every_state::<PhaseRunState>(
        &store,
        EventKind::PhaseRunChanged,
        |tx| tx.phase_run(&id("ph_one")).unwrap().state.as_str(),
        |tx, event| tx.apply_phase_run(&id("ph_one"), event, &alice(), json!({ "more": "yes" })),
    );
    every_event_in_every_state::<WorkerRunState>(
        &store,
        EventKind::WorkerRunChanged,
        |tx| tx.worker_runs(None, 1).unwrap()[0].state.as_str(),
        |tx, event| tx.apply_worker_run(&id("wr_one"), event, &alice(), json!({ "more": "yes" })),
    );
    assert_eq!(store.read(|tx| tx.verify_audit()).unwrap().broken, None);
}

pub(crate) fn result(state: ExecutionState) -> ExecutionResult {
    ExecutionResult { state, phases: Vec::new(), commit: None, usage: Usage::default(), reasons: Vec::new() }
}

fn apply_execution(tx: &mut WriteTx<'_>, event: ExecutionEvent) -> Result<ExecutionState, StoreError> {
    let (one, extra) = (id("ex_one"), json!({ "more": "yes" }));
    match event {
        ExecutionEvent::Paused => tx.pause_execution(&one, PausedReason::Freeze, &alice(), extra),
        ExecutionEvent::Completed => tx.end_execution(&one, &result(ExecutionState::Completed), &alice(), extra),
        ExecutionEvent::Failed => tx.end_execution(&one, &result(ExecutionState::Failed), &alice(), extra),
        ExecutionEvent::Cancelled => tx.end_execution(&one, &result(ExecutionState::Cancelled), &alice(), extra),
        ExecutionEvent::Started | ExecutionEvent::Resumed | ExecutionEvent::Requeued | ExecutionEvent::Interrupted => {
            tx.apply_execution(&one, event, &alice(), extra)
        }
    }
}

#[test]
fn what_is_not_there_cannot_change() {
    let db = TestDb::new();
    let result = db.open().write(NOW, |tx| tx.apply_workflow(&id("wf_none"), WorkflowEvent::Approved, &alice(), json!(null)));
    assert!(matches!(&result, Err(StoreError::NotFound { kind: "workflow", id }) if id == "wf_none"), "{result:?}");
}

#[test]
fn an_execution_does_not_pause_or_end_without_saying_why_or_how() {
    let db = TestDb::new();
    let store = db.open();
    for event in [ExecutionEvent::Paused, ExecutionEvent::Failed] {
        let result = store.write(NOW, |tx| {
            insert_one_of_each(tx);
            tx.apply_execution(&id("ex_one"), event, &alice(), json!({}))
        });
        assert!(matches!(result, Err(StoreError::Constraint { .. })), "{result:?}");
    }
    let result = store.write(NOW, |tx| {
        insert_one_of_each(tx);
        tx.end_execution(&id("ex_one"), &result(ExecutionState::Running), &alice(), json!({}))
    });
    assert!(matches!(result, Err(StoreError::Constraint { .. })), "{result:?}");
}

type Pairs = BTreeSet<(String, String)>;

fn domain_pairs<M: Machine>() -> Pairs {
    let next = |state: &M, event: &M::Event| state.next(*event).ok().map(|to| (state.word().to_owned(), to.word().to_owned()));
    M::STATES.iter().flat_map(|state| M::EVENTS.iter().filter_map(move |event| next(state, event))).collect()
}

fn machines() -> BTreeMap<&'static str, (Pairs, Vec<&'static str>)> {
    fn machine<M: Machine>() -> (Pairs, Vec<&'static str>) {
        (domain_pairs::<M>(), M::STATES.iter().map(|state| state.word()).collect())
    }
    BTreeMap::from([
        ("workflow", machine::<WorkflowState>()),
        ("approval_request", machine::<ApprovalRequestState>()),
        ("execution", machine::<ExecutionState>()),
        ("phase_run", machine::<PhaseRunState>()),
        ("worker_run", machine::<WorkerRunState>()),
    ])
}

#[test]
fn the_schema_holds_the_same_tables_as_the_domain() {
    let db = TestDb::new();
    let raw = db.raw();
    for (machine, (expected, states)) in machines() {
        let mut statement = raw.prepare("SELECT state, next FROM transition WHERE machine = ?1 AND state IS NOT NULL").unwrap();
        let pairs: Pairs = statement.query_map([machine], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        assert_eq!(pairs, expected, "{machine}");
        let sql = "SELECT group_concat(next) FROM transition WHERE machine = ?1 AND state IS NULL";
        let first: String = raw.query_row(sql, [machine], |row| row.get(0)).unwrap();
        assert_eq!(first, states[0], "{machine}");
    }
}

const FORCE_STATE: [(&str, &str); 5] = [
    ("workflow", "UPDATE workflow SET state = ?1"),
    ("approval_request", "UPDATE approval_request SET state = ?1"),
    (
        "execution",
        "UPDATE execution SET state = ?1, paused_reason = CASE ?1 WHEN 'paused' THEN 'operator' END,
         ended_at = CASE WHEN ?1 IN ('completed', 'failed', 'cancelled') THEN 1 END,
         result = CASE WHEN ?1 IN ('completed', 'failed', 'cancelled') THEN '{}' END",
    ),
    ("phase_run", "UPDATE phase_run SET state = ?1"),
    ("worker_run", "UPDATE worker_run SET state = ?1"),
];

#[test]
fn the_schema_stops_every_transition_that_the_domain_does_not_know() {
    let db = TestDb::new();
    db.open()
        .write(NOW, |tx| {
            insert_one_of_each(tx);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let mut raw = db.raw();
    for (machine, sql) in FORCE_STATE {
        let (pairs, states) = &machines()[machine];
        let guard = guard(&raw, machine);
        for from in states {
            for to in states {
                let trial = raw.transaction().unwrap();
                trial.execute_batch(&format!("DROP TRIGGER {machine}_moves")).unwrap();
                trial.execute(sql, [from]).unwrap();
                trial.execute_batch(&guard).unwrap();
                let allowed = from == to || pairs.contains(&((*from).to_owned(), (*to).to_owned()));
                assert_eq!(trial.execute(sql, [to]).is_ok(), allowed, "{machine}: {from} to {to}");
            }
        }
    }
}

fn guard(raw: &rusqlite::Connection, machine: &str) -> String {
    raw.query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [format!("{machine}_moves")], |row| row.get(0)).unwrap()
}

#[test]
fn nothing_begins_in_the_middle_and_nothing_is_deleted() {
    let db = TestDb::new();
    let store = db.open();
    let result = store.write(NOW, |tx| {
        insert_one_of_each(tx);
        let mut approved = request("ap_two", "wf_one", "security");
        approved.state = ApprovalRequestState::Approved;
        tx.insert_approval_request(&approved)
    });
    assert!(matches!(&result, Err(StoreError::Constraint { why }) if why.contains("not a state to begin in")), "{result:?}");
    store
        .write(NOW, |tx| {
            insert_one_of_each(tx);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let raw = db.raw();
    for (machine, _) in FORCE_STATE {
        assert!(raw.execute_batch(&format!("DELETE FROM {machine}")).is_err(), "{machine}");
    }
}
