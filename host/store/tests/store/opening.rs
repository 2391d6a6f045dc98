//! What is no sound database of this version is refused, named, and left byte for byte as it was.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use orc_domain::{ErrorCode, OrcError};
use orc_store::*;

use crate::support::*;

struct Unfit {
    name: &'static str,
    make: fn(&TestDb),
    code: ErrorCode,
    says: &'static str,
    /// Whether it shows without reading the whole file.
    at_a_glance: bool,
}

fn sql(db: &TestDb, statements: &str) {
    db.raw().execute_batch(statements).unwrap();
}

fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

const UNFIT: &[Unfit] = &[
    Unfit {
        name: "empty",
        make: |db| fs::write(db.path(), b"").unwrap(),
        code: ErrorCode::DatabaseRefused,
        says: "too short",
        at_a_glance: true,
    },
    Unfit {
        name: "a text",
        make: |db| fs::write(db.path(), "not a database\n".repeat(100)).unwrap(),
        code: ErrorCode::DatabaseRefused,
        says: "no SQLite file",
        at_a_glance: true,
    },
    Unfit {
        name: "a database of no program",
        make: |db| {
            fs::remove_file(db.path()).unwrap();
            sql(db, "CREATE TABLE t (a)");
        },
        code: ErrorCode::DatabaseRefused,
        says: "another program",
        at_a_glance: true,
    },
    Unfit {
        name: "a database of another program",
        make: |db| sql(db, "PRAGMA application_id = 1196444487"),
        code: ErrorCode::DatabaseRefused,
        says: "0x47504b47",
        at_a_glance: true,
    },
    Unfit {
        name: "newer",
        make: |db| sql(db, "PRAGMA user_version = 99"),
        code: ErrorCode::DatabaseRefused,
        says: "schema 99",
        at_a_glance: true,
    },
    Unfit {
        name: "without a schema",
        make: |db| sql(db, "PRAGMA user_version = 0"),
        code: ErrorCode::DatabaseRefused,
        says: "no schema",
        at_a_glance: true,
    },
    Unfit {
        name: "truncated",
        make: |db| {
            let file = OpenOptions::new().write(true).open(db.path()).unwrap();
            file.set_len(20 * 4096).unwrap();
        },
        code: ErrorCode::DatabaseRefused,
        says: "no sound ORC database",
        at_a_glance: false,
    },
    Unfit {
        name: "with a damaged page",
        make: |db| write_at(&db.path(), 30 * 4096, &[0xa5; 4096]),
        code: ErrorCode::DatabaseRefused,
        says: "no sound ORC database",
        at_a_glance: false,
    },
    Unfit {
        name: "without a guard",
        make: |db| sql(db, "DROP TRIGGER audit_no_update"),
        code: ErrorCode::DatabaseRefused,
        says: "trigger `audit_no_update` is missing or altered",
        at_a_glance: false,
    },
    Unfit {
        name: "with a guard that does nothing",
        make: |db| sql(db, "DROP TRIGGER audit_no_update; CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT 1; END"),
        code: ErrorCode::DatabaseRefused,
        says: "trigger `audit_no_update` is missing or altered",
        at_a_glance: false,
    },
    Unfit {
        name: "with a planted trigger",
        make: |db| sql(db, "CREATE TRIGGER planted AFTER INSERT ON vote BEGIN DELETE FROM timer; END"),
        code: ErrorCode::DatabaseRefused,
        says: "trigger `planted` that ORC never made",
        at_a_glance: false,
    },
    Unfit {
        name: "with a migration of other content",
        make: |db| sql(db, "UPDATE migration SET digest = 'sha256:' || hex(zeroblob(32)) WHERE number = 4"),
        code: ErrorCode::DatabaseRefused,
        says: "0004_create_workflow was applied with other content",
        at_a_glance: false,
    },
    Unfit {
        name: "a symbolic link",
        make: |db| {
            let elsewhere = db.dir().join("elsewhere.db");
            fs::rename(db.path(), &elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, db.path()).unwrap();
        },
        code: ErrorCode::DatabaseRefused,
        says: "symbolic link",
        at_a_glance: true,
    },
    Unfit {
        name: "open to others",
        make: |db| fs::set_permissions(db.path(), fs::Permissions::from_mode(0o640)).unwrap(),
        code: ErrorCode::DatabaseRefused,
        says: "mode 640",
        at_a_glance: false,
    },
];

fn refused(result: Result<(), StoreError>, case: &Unfit, how: &str) {
    let error = OrcError::from(result.expect_err(&format!("{} was taken by {how}", case.name)));
    assert_eq!(error.code, case.code, "{} by {how}: {error:?}", case.name);
    let all = format!("{} {}", error.message, error.causes.join(" "));
    assert!(all.contains(case.says), "{} by {how}: {all}", case.name);
    assert!(error.hint.is_some(), "{} by {how}: no hint", case.name);
}

#[test]
fn unfit_databases_are_refused_untouched() {
    for case in UNFIT {
        let db = TestDb::new();
        (case.make)(&db);
        let before = fs::read(db.path()).unwrap();
        refused(Store::open_owner(Ownership::take(&db.path()).unwrap(), NOW).map(drop), case, "open_owner");
        refused(migrate(&Ownership::take(&db.path()).unwrap(), NOW).map(drop), case, "migrate");
        if case.at_a_glance {
            refused(Store::open_read_only(&db.path()).map(drop), case, "open_read_only");
        }
        assert!(before == fs::read(db.path()).unwrap(), "{}: the file was changed", case.name);
        let backups =
            fs::read_dir(db.dir()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("backup"));
        assert_eq!(backups.count(), 0, "{}: a backup was left", case.name);
    }
}

#[test]
fn what_is_not_there_is_not_made_by_opening() {
    let db = TestDb::empty();
    assert!(matches!(Store::open_owner(Ownership::take(&db.path()).unwrap(), NOW), Err(StoreError::Missing { .. })));
    assert!(matches!(Store::open_read_only(&db.path()), Err(StoreError::Missing { .. })));
    assert!(matches!(Store::open_read_only(&db.dir().join("no/such/orc.db")), Err(StoreError::Missing { .. })));
    assert!(!db.path().exists());
}

#[test]
fn a_new_database_is_private_complete_and_made_once() {
    let db = TestDb::empty();
    let path = db.dir().join("state/deep/orc.db");
    create(&path, &id("in_test"), "/home/me/root", NOW).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&state_dir(&path)), 0o700);
    assert_eq!(mode(&db.dir().join("state")), 0o700);

    let before = fs::read(&path).unwrap();
    assert!(matches!(create(&path, &id("in_other"), "", NOW), Err(StoreError::Exists { .. })));
    assert!(before == fs::read(&path).unwrap());
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "only the database and its directory: {names:?}");
    assert_eq!(fs::read_dir(state_dir(&path)).unwrap().count(), 0, "no draft is left");

    let store = Store::open_read_only(&path).unwrap();
    assert_eq!((store.installation(), store.root(), store.generation()), (&id("in_test"), "/home/me/root", None));
    let head = store.read(|tx| tx.audit_head()).unwrap();
    assert_eq!(head.seq, 1);
}

#[test]
fn a_private_directory_that_others_reach_is_refused() {
    let db = TestDb::new();
    let dir = state_dir(&db.path());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).unwrap();
    let error = Ownership::take(&db.path()).unwrap_err();
    assert!(matches!(&error, StoreError::Unsafe { why, .. } if why.contains("mode 750")), "{error}");

    fs::remove_dir_all(&dir).unwrap();
    std::os::unix::fs::symlink(db.dir(), &dir).unwrap();
    assert!(matches!(Ownership::take(&db.path()), Err(StoreError::Unsafe { .. })));
}

#[test]
fn a_planted_lock_link_is_not_followed() {
    let db = TestDb::new();
    let target = db.dir().join("precious");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, state_dir(&db.path()).join("owner.lock")).unwrap();
    assert!(matches!(Ownership::take(&db.path()), Err(StoreError::Io { .. })));
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}

#[test]
fn a_reader_beside_the_owner_sees_what_was_committed() {
    let db = TestDb::new();
    let owner = db.open();
    let reader = Store::open_read_only(&db.path()).unwrap();
    let before = reader.read(|tx| tx.audit_head()).unwrap().seq;
    owner.write(NOW, |tx| tx.append(event("hello"))).unwrap();
    assert_eq!(reader.read(|tx| tx.audit_head()).unwrap().seq, before + 1);
    let refused = reader.write(NOW, |tx| tx.append(event("no")));
    assert!(matches!(refused, Err(StoreError::ReadOnly)));
}

#[test]
fn a_snapshot_does_not_move_while_it_is_read() {
    let db = TestDb::new();
    let store = db.open();
    store
        .read(|tx| {
            let before = tx.audit_head()?;
            store.write(NOW, |tx| tx.append(event("meanwhile")))?;
            assert_eq!(tx.audit_head()?, before);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}
