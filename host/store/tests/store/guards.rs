//! What the schema itself refuses, whatever the engine says: words, seats, tokens, second runs.

use std::collections::BTreeSet;

use orc_domain::api::Choice;
use orc_domain::contract::BindingPosition;
use orc_domain::decision::{EntryPoint, RequirementKind};
use orc_domain::operators::Proof;
use orc_domain::risk::{CommandFamily, RiskClass};
use orc_domain::states::*;
use orc_domain::verdict::BindingMode;
use orc_store::{Store, StoreError, WriteTx};

use crate::support::*;
use crate::transitions::result;

fn refused<T: std::fmt::Debug>(store: &Store, says: &str, work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, StoreError>) {
    let outcome = store.write(NOW, |tx| {
        insert_one_of_each(tx);
        work(tx)
    });
    assert!(matches!(&outcome, Err(StoreError::Constraint { why }) if why.contains(says)), "{says}: {outcome:?}");
}

#[test]
fn votes_take_one_seat_with_one_token_and_never_on_the_own_plan() {
    let db = TestDb::new();
    let store = &db.open();
    let second = |tx: &mut WriteTx<'_>| tx.insert_approval_request(&request("ap_two", "wf_one", "security"));

    refused(store, "requester", |tx| tx.insert_vote(&vote("ap_one", "alice", Choice::Approve)));
    refused(store, "requester", |tx| tx.insert_vote(&vote("ap_one", "alice", Choice::Reject)));
    refused(store, "vote.token_digest", |tx| {
        second(tx)?;
        let first = vote("ap_one", "bob", Choice::Approve);
        tx.insert_vote(&first)?;
        tx.insert_vote(&orc_store::VoteRow { token_digest: first.token_digest, ..vote("ap_two", "carol", Choice::Approve) })
    });
    refused(store, "vote.request, vote.operator", |tx| {
        tx.insert_vote(&vote("ap_one", "bob", Choice::Approve))?;
        let again = vote("ap_one", "bob", Choice::Reject);
        tx.insert_vote(&orc_store::VoteRow { token_digest: orc_domain::Digest::of(b"another"), ..again })
    });
    refused(store, "one role group", |tx| {
        second(tx)?;
        tx.insert_vote(&vote("ap_one", "bob", Choice::Approve))?;
        tx.insert_vote(&vote("ap_two", "bob", Choice::Approve))
    });
    refused(store, "FOREIGN KEY", |tx| tx.insert_vote(&vote("ap_none", "bob", Choice::Approve)));
}

#[test]
fn what_the_guards_of_votes_must_let_pass() {
    let db = TestDb::new();
    let store = db.open();
    store
        .write(NOW, |tx| {
            insert_one_of_each(tx);
            tx.insert_approval_request(&request("ap_two", "wf_one", "security"))?;
            tx.insert_vote(&vote("ap_one", "bob", Choice::Approve))?;
            tx.insert_vote(&vote("ap_two", "bob", Choice::Reject))?;
            tx.insert_vote(&vote("ap_two", "carol", Choice::Approve))?;
            let mut confirmation = request("ap_three", "wf_one", "tech_lead");
            confirmation.kind = RequirementKind::Confirmation;
            tx.insert_approval_request(&confirmation)?;
            tx.insert_vote(&vote("ap_three", "alice", Choice::Approve))?;
            let mut of_tree = request("ap_four", "wf_one", "tech_lead");
            of_tree.tree = Some("a tree".to_owned());
            tx.insert_approval_request(&of_tree)?;
            tx.insert_vote(&vote("ap_four", "bob", Choice::Approve))
        })
        .unwrap();
}

#[test]
fn a_workflow_runs_once_at_a_time_and_once_a_key() {
    let db = TestDb::new();
    let store = &db.open();
    refused(store, "execution.workflow", |tx| tx.insert_execution(&execution("ex_two", "wf_one", "other")));
    refused(store, "execution.workflow, execution.idempotency_key", |tx| {
        tx.end_execution(&id("ex_one"), &result(ExecutionState::Failed), &alice(), serde_json::json!({}))?;
        tx.insert_execution(&execution("ex_two", "wf_one", "key"))
    });
    store
        .write(NOW, |tx| {
            insert_one_of_each(tx);
            tx.end_execution(&id("ex_one"), &result(ExecutionState::Failed), &alice(), serde_json::json!({}))?;
            tx.insert_execution(&execution("ex_two", "wf_one", "other"))
        })
        .unwrap();
}

#[test]
fn a_group_is_asked_once_and_a_workflow_without_a_plan_is_refused() {
    let db = TestDb::new();
    let store = &db.open();
    refused(store, "approval_request_once", |tx| tx.insert_approval_request(&request("ap_two", "wf_one", "tech_lead")));
    refused(store, "FOREIGN KEY", |tx| tx.insert_approval_request(&request("ap_two", "wf_none", "tech_lead")));
    refused(store, "FOREIGN KEY", |tx| {
        tx.insert_workflow(&orc_store::NewWorkflow {
            id: id("wf_two"),
            tenant: id("acme"),
            project: id("flowry"),
            family: CommandFamily::ReadOnly,
            action: id("look"),
            title: "".into(),
            requesters: BTreeSet::new(),
        })
    });
    refused(store, "plan_revision.workflow, plan_revision.revision", |tx| {
        tx.insert_plan_revision(&plan_of("wf_one", 1), &id("de_one"), None)
    });
}

/// The words between `column IN (` and `)` in a table's definition.
fn checked_words(raw: &rusqlite::Connection, table: &str, column: &str) -> BTreeSet<String> {
    let sql: String = raw.query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1", [table], |row| row.get(0)).unwrap();
    let list = sql.split_once(&format!("CHECK ({column} IN (")).unwrap_or_else(|| panic!("{table}.{column} is not checked")).1;
    list.split_once(')').unwrap().0.split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect()
}

#[test]
fn columns_of_words_take_the_words_of_the_domain_and_no_other() {
    macro_rules! words {
        ($enum:ty) => {
            <$enum>::ALL.iter().map(|word| word.as_str().to_owned()).collect::<BTreeSet<String>>()
        };
    }
    let db = TestDb::new();
    let raw = db.raw();
    let columns = [
        ("workflow", "state", words!(WorkflowState)),
        ("workflow", "family", words!(CommandFamily)),
        ("plan_revision", "risk", words!(RiskClass)),
        ("decision", "entry", words!(EntryPoint)),
        ("approval_request", "state", words!(ApprovalRequestState)),
        ("approval_request", "kind", words!(RequirementKind)),
        ("vote", "choice", words!(Choice)),
        ("vote", "proof", words!(Proof)),
        ("execution", "state", words!(ExecutionState)),
        ("execution", "paused_reason", words!(PausedReason)),
        ("phase_run", "state", words!(PhaseRunState)),
        ("guest_result", "position", words!(BindingPosition)),
        ("guest_result", "mode", words!(BindingMode)),
        ("worker_run", "state", words!(WorkerRunState)),
    ];
    for (table, column, words) in columns {
        assert_eq!(checked_words(&raw, table, column), words, "{table}.{column}");
    }
}

#[test]
fn a_state_that_nobody_knows_is_refused_even_without_the_transition_guards() {
    let db = TestDb::new();
    db.open()
        .write(NOW, |tx| {
            insert_one_of_each(tx);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let raw = db.raw();
    for table in ["workflow", "approval_request", "execution", "phase_run", "worker_run"] {
        raw.execute_batch(&format!("DROP TRIGGER {table}_moves")).unwrap();
        let error = raw.execute(&format!("UPDATE {table} SET state = 'finished'"), []).unwrap_err();
        assert!(error.to_string().contains("CHECK constraint failed"), "{table}: {error}");
    }
}

#[test]
fn every_table_is_strict() {
    let raw = TestDb::new();
    let raw = raw.raw();
    let sql = "SELECT group_concat(name) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'";
    let lax: Option<String> = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(lax, None);
}

#[test]
fn content_that_is_not_what_its_digest_says_is_not_given_out() {
    let db = TestDb::new();
    let store = db.open();
    let key = store.write(NOW, |tx| tx.put_blob("text/plain", b"content")).unwrap();
    let again = store.write(NOW, |tx| tx.put_blob("text/other", b"content")).unwrap();
    assert_eq!(key, again);
    assert_eq!(store.read(|tx| tx.blob(&key)).unwrap().media_type, "text/plain");

    let raw = db.raw();
    assert!(raw.execute("UPDATE blob SET bytes = x'00'", []).is_err());
    raw.execute_batch("DROP TRIGGER blob_no_update; UPDATE blob SET bytes = x'00'").unwrap();
    let read = store.read(|tx| tx.blob(&key));
    assert!(matches!(read, Err(StoreError::Damaged { table: "blob", .. })), "{read:?}");
    let missing = store.read(|tx| tx.blob(&orc_domain::Digest::of(b"other")));
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
}
