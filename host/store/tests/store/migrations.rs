//! Migrations: never edited, complete from every earlier schema, with a verified backup first.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use orc_domain::Digest;
use orc_store::*;
use rusqlite::Connection;

use crate::support::*;

/// What has landed. A line is added, never changed: databases out there have run exactly this.
const LANDED: &[(&str, &str)] = &[
    ("0001_create_meta", "sha256:3054de61488bef1f48f7b5d0bfa1150d3600387f99f4f489440edef42d7e7f37"),
    ("0002_create_audit", "sha256:c13d1d31ca628e30390a51328690177cc443a640161548848ab723f0385d1afe"),
    ("0003_create_rules", "sha256:fd39baa301050687d9c193a1473f35d292e2aa2a8cbcf6fbe4b7f8d2a3880653"),
    ("0004_create_workflow", "sha256:cc54b7065aaf6bddabf2fa1f5df36d093d715c820c5b884bd48dc8c13ae70a09"),
    ("0005_create_execution", "sha256:eabb558d018ae896bc857a5038287f4d5c4b2b7655f3717b70c4714668deeae7"),
    ("0006_create_operations", "sha256:718db1d2b1ce2ecdccb674ddcf9b6d63fafc3c8c337ea7873b4a9608f72a7bf0"),
    ("0007_create_knowledge", "sha256:d6489e75780908aaffebafce1b7099c88c7cd12eb226447046c29333f7135df6"),
    ("0008_guard_states", "sha256:0ce0b743aa9e214100a8300190002afeada3ebf5af2d19befef028af4ec37f34"),
    ("0009_add_commit", "sha256:cd325ee0dac439badef8b8dc88f25c836693fd7414fd653cafb897d0f249af2b"),
    ("0010_describe_knowledge", "sha256:6bdb5d8a8e598bf49adf40ff4129a409c5a8d2849168f129f34132e1b348decf"),
];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations"))
}

fn sql_of(name: &str) -> String {
    fs::read_to_string(folder().join(format!("{name}.sql"))).unwrap()
}

#[test]
fn landed_migrations_are_never_edited() {
    for (name, digest) in LANDED {
        assert_eq!(Digest::of(sql_of(name).as_bytes()).to_string(), *digest, "{name} was edited: add another migration instead");
    }
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let landed: Vec<_> = LANDED.iter().map(|(name, _)| format!("{name}.sql")).collect();
    assert_eq!(files, landed, "every file is a landed migration, and every one of them is here");
    assert_eq!(SCHEMA_VERSION as usize, LANDED.len());
}

fn schema(connection: &Connection) -> Vec<(String, String, Option<String>)> {
    let sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
    connection.prepare(sql).unwrap().query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

/// A database as an ORC of schema `version` made it.
fn old_database(version: u32) -> TestDb {
    let db = TestDb::empty();
    let raw = db.raw();
    raw.execute_batch("PRAGMA journal_mode = wal; BEGIN").unwrap();
    for (number, (name, digest)) in (1..=version).zip(LANDED) {
        raw.execute_batch(&sql_of(name)).unwrap();
        raw.execute("INSERT INTO migration VALUES (?1, ?2, ?3, 5)", (number, name, digest)).unwrap();
    }
    raw.execute_batch("INSERT INTO meta VALUES (1, 'in_old', 'an old root', 5, 3); COMMIT").unwrap();
    raw.pragma_update(None, "application_id", 0x4f52_4301).unwrap();
    raw.pragma_update(None, "user_version", version).unwrap();
    drop(raw);
    fs::set_permissions(db.path(), fs::Permissions::from_mode(0o600)).unwrap();
    db
}

#[test]
fn an_older_database_is_refused_untouched_until_it_is_migrated() {
    let fresh = schema(&TestDb::new().raw());
    for version in 1..SCHEMA_VERSION {
        let db = old_database(version);
        let before = fs::read(db.path()).unwrap();
        let need = |error| matches!(error, StoreError::Outdated { have, need } if have == version && need == SCHEMA_VERSION);
        assert!(Store::open_read_only(&db.path()).is_err_and(need));
        assert!(Store::open_owner(Ownership::take(&db.path()).unwrap(), NOW).is_err_and(need));
        assert!(before == fs::read(db.path()).unwrap(), "{version}");

        let report = migrate(&Ownership::take(&db.path()).unwrap(), NOW).unwrap();
        assert_eq!((report.from, report.to, report.applied.len()), (version, SCHEMA_VERSION, (SCHEMA_VERSION - version) as usize));
        check_backup(&report.backup.unwrap(), version);

        let store = db.open();
        assert_eq!((store.installation(), store.generation()), (&id("in_old"), Some(4)));
        let tail = store.read(|tx| tx.newest_events(None, 2)).unwrap();
        assert_eq!(tail.events[0].kind.as_str(), "database_migrated");
        assert_eq!(tail.events[0].body["from"], version);
        assert_eq!(store.read(|tx| tx.verify_audit()).unwrap().broken, None);
        assert_eq!(schema(&db.raw()), fresh, "from {version}");
    }
}

fn check_backup(backup: &Path, version: u32) {
    assert_eq!(fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
    let copy = Connection::open(backup).unwrap();
    let have: u32 = copy.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let root: String = copy.query_row("SELECT root FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!((have, root.as_str()), (version, "an old root"));
}

#[test]
fn a_current_database_has_nothing_to_migrate() {
    let db = TestDb::new();
    let report = migrate(&Ownership::take(&db.path()).unwrap(), NOW).unwrap();
    assert_eq!(report, MigrationReport { from: SCHEMA_VERSION, to: SCHEMA_VERSION, applied: Vec::new(), backup: None });
}

#[test]
fn a_migration_that_cannot_make_its_backup_changes_nothing() {
    let db = old_database(3);
    let mut taken = db.path().into_os_string();
    taken.push(format!(".backup-v3-{}", NOW.0));
    fs::write(&taken, "somebody's file").unwrap();
    let before = fs::read(db.path()).unwrap();
    let result = migrate(&Ownership::take(&db.path()).unwrap(), NOW);
    assert!(matches!(result, Err(StoreError::Exists { .. })), "{result:?}");
    assert!(before == fs::read(db.path()).unwrap());
    assert_eq!(fs::read_to_string(&taken).unwrap(), "somebody's file");
}

#[test]
fn a_broken_audit_is_not_carried_into_a_new_schema() {
    let db = old_database(5);
    db.raw().execute_batch(
        "INSERT INTO audit SELECT 1, 5, 'database_created', '{\"kind\":\"system\"}', NULL, NULL, NULL, NULL, '{}', hash, replace(hash, '0', '1') FROM audit_head",
    ).unwrap();
    let result = migrate(&Ownership::take(&db.path()).unwrap(), NOW);
    assert!(matches!(&result, Err(StoreError::Corrupt { why, .. }) if why.contains("event 1")), "{result:?}");
    assert!(Store::open_read_only(&db.path()).is_err_and(|error| matches!(error, StoreError::Outdated { have: 5, .. })));
}
