//! Bringing an older database to this version's schema: backup first, one transaction, checked before it counts.

use std::fs;
use std::path::{Path, PathBuf};

use orc_domain::Timestamp;
use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::operators::Actor;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;

use crate::connection::{Mode, connect};
use crate::place::{self, FileLock, Ownership};
use crate::schema::{self, MIGRATIONS, SCHEMA_VERSION, corrupt};
use crate::{ReadTx, StoreError, WriteTx};

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The schema before.
    pub from: u32,
    /// The schema now.
    pub to: u32,
    /// The migrations that were applied, in order; none where nothing was to do.
    pub applied: Vec<&'static str>,
    /// The verified copy of the database as it was; `None` where nothing was to do.
    pub backup: Option<PathBuf>,
}

/// Brings the database that `ownership` is of to [`SCHEMA_VERSION`]. A verified backup is put beside it before anything changes.
///
/// # Errors
/// As [`crate::Store::open_owner`], an older schema apart; where a migration fails, the database is as it was.
pub fn migrate(ownership: &Ownership, now: Timestamp) -> Result<MigrationReport, StoreError> {
    let path = ownership.db();
    let _file = FileLock::take(path)?;
    let from = examine(path)?;
    if from == SCHEMA_VERSION {
        return Ok(MigrationReport { from, to: from, applied: Vec::new(), backup: None });
    }
    let mut connection = connect(path, Mode::Write)?;
    let backup = back_up(&connection, path, from, now)?;
    let applied: Vec<&'static str> = MIGRATIONS.iter().filter(|step| step.number > from).map(|step| step.name).collect();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::apply_after(&transaction, from, now)?;
    refuse_orphans(&transaction, path)?;
    WriteTx::new(&transaction, 0, now).append(NewEvent {
        kind: EventKind::DatabaseMigrated,
        actor: Actor::System,
        subject: Subject::default(),
        body: json!({ "from": from, "to": SCHEMA_VERSION, "applied": applied }),
    })?;
    schema::check_sound(&transaction, path, SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(MigrationReport { from, to: SCHEMA_VERSION, applied, backup: Some(backup) })
}

/// The schema of a database, whether somebody owns it or not. Reads the whole file; nothing is touched.
///
/// # Errors
/// As [`crate::Store::open_owner`], an older schema apart.
pub fn examine(path: &Path) -> Result<u32, StoreError> {
    let path = place::resolve(path)?;
    schema::check_header(&path)?;
    place::check_private_file(&path)?;
    let connection = connect(&path, Mode::Read)?;
    let have = schema::version(&connection, &path)?;
    schema::check_sound(&connection, &path, have)?;
    Ok(have)
}

fn refuse_orphans(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let orphan: Option<String> = statement.query([])?.next()?.map(|row| row.get(0)).transpose()?;
    orphan.map_or(Ok(()), |table| Err(corrupt(path, &format!("a row of {table} names what does not exist"))))
}

/// Copies the database to `<db>.backup-v<schema>-<time>`, flushes the copy, opens it and checks every page, its schema and its audit chain.
fn back_up(connection: &Connection, path: &Path, have: u32, now: Timestamp) -> Result<PathBuf, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".backup-v{have}-{}", now.0));
    let backup = PathBuf::from(name);
    drop(place::new_private_file(&backup)?);
    let checked = copy(connection, &backup).and_then(|()| check_backup(&backup, have)).and_then(|()| place::sync_parent(&backup));
    if let Err(error) = checked {
        let _ = fs::remove_file(&backup);
        return Err(error);
    }
    Ok(backup)
}

fn copy(from: &Connection, to: &Path) -> Result<(), StoreError> {
    let mut copy = connect(to, Mode::Write)?;
    let step = Backup::new(from, &mut copy)?.step(-1)?;
    if step != StepResult::Done {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(StoreError::Busy(rusqlite::Error::SqliteFailure(busy, None)));
    }
    copy.close().map_err(|(_, error)| error.into())
}

fn check_backup(backup: &Path, have: u32) -> Result<(), StoreError> {
    const AUDIT_SINCE: u32 = 2;
    let connection = connect(backup, Mode::Read)?;
    schema::check_sound(&connection, backup, have)?;
    if have >= AUDIT_SINCE
        && let Some(broken) = ReadTx::of(&connection).verify_audit()?.broken
    {
        return Err(corrupt(backup, &format!("its audit breaks at event {}: {}", broken.seq, broken.why)));
    }
    Ok(())
}
