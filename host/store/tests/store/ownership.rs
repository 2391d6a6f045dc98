//! One owner at a time, and nothing of an earlier one lands.

use std::fs;

use orc_domain::{ErrorCode, OrcError};
use orc_store::*;

use crate::support::*;

#[test]
fn the_second_owner_is_told_who_the_first_is() {
    let db = TestDb::new();
    let first = Ownership::take(&db.path()).unwrap();
    let error = Ownership::take(&db.path()).unwrap_err();
    assert!(matches!(error, StoreError::Owned { pid: Some(pid) } if pid == std::process::id()), "{error}");
    assert_eq!(OrcError::from(error).code, ErrorCode::DatabaseBusy);
    drop(first);
    Ownership::take(&db.path()).unwrap();
}

#[test]
fn another_way_to_name_the_database_is_the_same_lock() {
    let db = TestDb::new();
    let link = db.dir().join("link");
    std::os::unix::fs::symlink(db.dir(), &link).unwrap();
    let _first = Ownership::take(&db.path()).unwrap();
    assert!(matches!(Ownership::take(&link.join("orc.db")), Err(StoreError::Owned { .. })));
    assert!(matches!(Ownership::take(&db.dir().join("./orc.db")), Err(StoreError::Owned { .. })));
}

#[test]
fn each_ownership_has_a_generation_of_its_own_and_is_in_the_audit() {
    let db = TestDb::new();
    for generation in 1..=3 {
        let store = db.open();
        assert_eq!(store.generation(), Some(generation));
        let tail = store.read(|tx| tx.newest_events(None, 1)).unwrap();
        assert_eq!(tail.events[0].kind.as_str(), "ownership_taken");
        assert_eq!(tail.events[0].body["generation"], generation);
    }
}

#[test]
fn writes_of_an_earlier_ownership_do_not_land() {
    let db = TestDb::new();
    let earlier = db.open();
    // Somebody tidied up a "stale" lock file: now two processes believe that they own the database.
    fs::remove_file(state_dir(&db.path()).join("owner.lock")).unwrap();
    let later = db.open();
    let head = later.read(|tx| tx.audit_head()).unwrap();

    let mut ran = false;
    let result = earlier.write(NOW, |tx| {
        ran = true;
        tx.append(event("from the past"))
    });
    assert!(matches!(result, Err(StoreError::OwnershipLost { ours: 1, now: 2 })));
    assert!(!ran, "nothing is even tried");
    assert_eq!(later.read(|tx| tx.audit_head()).unwrap(), head);
    later.write(NOW, |tx| tx.append(event("from the present"))).unwrap();
}

#[test]
fn what_ends_badly_leaves_nothing() {
    let db = TestDb::new();
    let store = db.open();
    let head = store.read(|tx| tx.audit_head()).unwrap();

    let failed: Result<(), StoreError> = store.write(NOW, |tx| {
        tx.append(event("half"))?;
        Err(StoreError::ReadOnly)
    });
    assert!(failed.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(NOW, |tx| -> Result<(), StoreError> {
            tx.append(event("half"))?;
            panic!("a bug in the engine")
        })
    }));
    assert!(panicked.is_err());

    assert_eq!(store.read(|tx| tx.audit_head()).unwrap(), head);
    store.write(NOW, |tx| tx.append(event("whole"))).unwrap();
    assert_eq!(store.read(|tx| tx.verify_audit()).unwrap().broken, None);
}

#[test]
fn a_write_waits_for_whoever_holds_the_file_but_not_for_ever() {
    let db = TestDb::new();
    let store = db.open();
    let raw = db.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.write(NOW, |tx| tx.append(event("never"))).unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    assert_eq!(OrcError::from(error).code, ErrorCode::DatabaseBusy);

    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.write(NOW, |tx| tx.append(event("in the end"))));
        std::thread::sleep(std::time::Duration::from_millis(100));
        raw.execute_batch("ROLLBACK").unwrap();
        waiting.join().unwrap().unwrap();
    });
}
