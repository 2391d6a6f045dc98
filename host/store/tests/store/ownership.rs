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

/// The lock file's name is one way to the database; a bind mount is another one, and its file is the same.
#[test]
fn the_file_itself_has_one_owner() {
    let db = TestDb::new();
    let somebody = fs::File::open(db.path()).unwrap();
    somebody.try_lock().unwrap();
    let open = || Store::open_owner(Ownership::take(&db.path()).unwrap(), NOW);
    let error = open().unwrap_err();
    assert!(matches!(error, StoreError::Owned { pid: None }), "{error}");
    assert!(matches!(migrate(&Ownership::take(&db.path()).unwrap(), NOW), Err(StoreError::Owned { .. })));
    somebody.unlock().unwrap();

    let store = open().unwrap();
    assert!(matches!(somebody.try_lock(), Err(fs::TryLockError::WouldBlock)));
    // Somebody tidied up a "stale" lock file.
    fs::remove_file(state_dir(&db.path()).join("owner.lock")).unwrap();
    assert!(matches!(open(), Err(StoreError::Owned { pid: Some(pid) }) if pid == std::process::id()));
    store.write(NOW, |tx| tx.append(event("still the owner's"))).unwrap();
    drop(store);
    somebody.try_lock().unwrap();
    somebody.unlock().unwrap();
    open().unwrap();
}

/// Under two names there would be two journals and two locks of the same pages.
#[test]
fn a_database_with_two_names_is_refused_under_both() {
    let db = TestDb::new();
    let (other, store) = (db.dir().join("other.db"), db.open());
    fs::hard_link(db.path(), &other).unwrap();
    let refused = |path: &std::path::Path| {
        for error in [Store::open_owner(Ownership::take(path).unwrap(), NOW).unwrap_err(), Store::open_read_only(path).unwrap_err()] {
            assert!(matches!(&error, StoreError::Unsafe { why, .. } if why.contains("2 names")), "{error}");
        }
    };
    refused(&other);
    drop(store);
    refused(&db.path());
    fs::remove_file(other).unwrap();
    db.open();
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
    // Somebody copied the file away and back under a running owner, or its locks did not hold: a later owner has begun.
    db.raw().execute("UPDATE meta SET generation = 2", []).unwrap();
    let later = Store::open_read_only(&db.path()).unwrap();
    let head = later.read(|tx| tx.audit_head()).unwrap();

    let mut ran = false;
    let result = earlier.write(NOW, |tx| {
        ran = true;
        tx.append(event("from the past"))
    });
    assert!(matches!(result, Err(StoreError::OwnershipLost { ours: 1, now: 2 })));
    assert!(!ran, "nothing is even tried");
    assert_eq!(later.read(|tx| tx.audit_head()).unwrap(), head);
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
