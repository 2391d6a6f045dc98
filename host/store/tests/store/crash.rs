//! `kill -9` at any instant loses nothing that was acknowledged and leaves nothing half-done.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use orc_store::*;

use crate::support::*;

const ROUNDS: u64 = 20;
const DATABASE: &str = "ORC_STORE_CRASH_DATABASE";

/// The process that is killed: owns the database and writes, an event and a timer in each transaction, telling each one that was acknowledged.
#[test]
#[ignore = "started and killed by `killing_the_owner_loses_nothing_acknowledged`"]
#[expect(clippy::disallowed_methods, reason = "the only way to tell this child where its database is")]
fn writes_until_it_is_killed() {
    let path = std::env::var(DATABASE).unwrap();
    let store = Store::open_owner(Ownership::take(path.as_ref()).unwrap(), NOW).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let seq = store.write(NOW, |tx| {
            let seq = tx.append(event("acknowledged"))?.seq;
            tx.set_timer(&Timer { kind: "test".to_owned(), subject: seq.to_string(), due_at: NOW })?;
            Ok::<_, StoreError>(seq)
        });
        writeln!(out, "acknowledged {}", seq.unwrap()).unwrap();
        out.flush().unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a process of our own that is to be killed, in a test")]
fn start(db: &TestDb) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(DATABASE, db.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets it acknowledge `count` writes, kills it, and returns the last one that it acknowledged.
fn kill_after(child: &mut Child, count: usize) -> u64 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = lines.map_while(Result::ok).filter_map(|line| line.split_once("acknowledged ")?.1.parse().ok());
    let mut last = acknowledged.by_ref().take(count).last().expect("it writes");
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said between our last look and its end counts as well.
    last = acknowledged.last().unwrap_or(last);
    last
}

#[test]
fn killing_the_owner_loses_nothing_acknowledged() {
    let db = TestDb::new();
    for round in 0..ROUNDS {
        let mut child = start(&db);
        let last = kill_after(&mut child, 1 + (round as usize * 7) % 40);

        // Nobody owns it and nobody has tidied up: reading must work all the same.
        let left = Store::open_read_only(&db.path()).unwrap().read(|tx| tx.verify_audit()).unwrap();
        assert!(left.broken.is_none() && left.events >= last, "round {round}: {left:?}");

        let store = db.open();
        assert_eq!(store.generation(), Some(2 * (round + 1)), "child and parent in turn");
        let (head, proof, timers) = store
            .read(|tx| Ok::<_, StoreError>((tx.audit_head()?, tx.verify_audit()?, tx.due_timers(NOW, u32::MAX)?.len() as u64)))
            .unwrap();
        // The parent's own ownership is the newest event.
        assert!(head.seq > last, "round {round}: {last} was acknowledged, the head is {}", head.seq);
        assert_eq!((proof.broken, proof.events), (None, head.seq), "round {round}");
        let ownerships = 2 * (round + 1);
        assert_eq!(timers, head.seq - 1 - ownerships, "round {round}: each event has its timer");
    }
}

#[test]
fn while_another_process_owns_it_this_one_can_read_and_not_own() {
    let db = TestDb::new();
    let mut child = start(&db);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("acknowledged")));

    let error = Ownership::take(&db.path()).unwrap_err();
    let reader = Store::open_read_only(&db.path()).unwrap();
    let first = reader.read(|tx| tx.audit_head()).unwrap().seq;
    assert!(lines.by_ref().map_while(Result::ok).take(5).count() == 5);
    let second = reader.read(|tx| tx.verify_audit()).unwrap();

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(error, StoreError::Owned { pid: Some(pid) } if pid == child.id()), "{error}");
    assert!(second.events > first && second.broken.is_none(), "{first} {second:?}");
    Ownership::take(&db.path()).unwrap();
}
