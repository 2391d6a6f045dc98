//! The store itself: created once, opened by its owner or to read, and used through transactions.

use std::fmt;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::operators::Actor;
use orc_domain::{InstallationId, Timestamp};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;

use crate::connection::{Mode, connect};
use crate::place::{self, FileLock, Ownership};
use crate::record::column;
use crate::{SCHEMA_VERSION, StoreError, schema};

/// Read connections that are kept open for the next reader; more are opened as needed and closed again.
const KEPT_READERS: usize = 4;

/// Makes a new database at `path`, with its private directory beside it. It appears whole or not at all. Missing directories above are made.
///
/// `installation` is what database and root both name; `root` says in words where that root was.
///
/// # Errors
/// [`StoreError::Exists`] where there is something at `path`.
pub fn create(path: &Path, installation: &InstallationId, root: &str, now: Timestamp) -> Result<(), StoreError> {
    place::make_parents(path)?;
    let path = place::resolve(path)?;
    if fs::symlink_metadata(&path).is_ok() {
        return Err(StoreError::Exists { path });
    }
    let dir = place::private_dir(&path)?;
    let draft = dir.join(format!("new-{}.db", std::process::id()));
    let _ = fs::remove_file(&draft);
    drop(place::new_private_file(&draft)?);
    let made = fill(&draft, installation, root, now).and_then(|()| publish(&draft, &path));
    if made.is_err() {
        let _ = fs::remove_file(&draft);
    }
    made
}

fn fill(draft: &Path, installation: &InstallationId, root: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut connection = connect(draft, Mode::Write)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::apply_after(&transaction, 0, now)?;
    transaction.execute(
        "INSERT INTO meta (id, installation, root, created_at, generation) VALUES (1, ?1, ?2, ?3, 0)",
        (installation.as_str(), root, now.0),
    )?;
    let body = json!({ "installation": installation, "root": root, "schema": SCHEMA_VERSION });
    WriteTx::new(&transaction, 0, now).append(NewEvent {
        kind: EventKind::DatabaseCreated,
        actor: Actor::System,
        subject: Subject::default(),
        body,
    })?;
    transaction.commit()?;
    // The mode is a mark in the file. Set after the content, it leaves no second file behind that would have to move along.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error.into())
}

fn publish(draft: &Path, path: &Path) -> Result<(), StoreError> {
    let cwd = rustix::fs::CWD;
    match rustix::fs::renameat_with(cwd, draft, cwd, path, rustix::fs::RenameFlags::NOREPLACE) {
        Ok(()) => place::sync_parent(path),
        Err(rustix::io::Errno::EXIST) => Err(StoreError::Exists { path: path.to_owned() }),
        Err(error) => Err(StoreError::io("putting the new database in its place", path)(error.into())),
    }
}

/// An open database.
pub struct Store {
    path: PathBuf,
    installation: InstallationId,
    root: String,
    writer: Option<Writer>,
    readers: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).field("generation", &self.generation()).finish_non_exhaustive()
    }
}

struct Writer {
    connection: Mutex<Connection>,
    generation: u64,
    // Declared last: the locks go after the connection is closed.
    _file: FileLock,
    _ownership: Ownership,
}

impl Store {
    /// Opens the database that `ownership` is of, under a new generation. Reads the whole file first: a damaged, altered, newer,
    /// older or foreign one is refused untouched.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn open_owner(ownership: Ownership, now: Timestamp) -> Result<Self, StoreError> {
        let path = ownership.db().to_owned();
        let file = FileLock::take(&path)?;
        refuse_unfit(&path)?;
        let mut connection = connect(&path, Mode::Write)?;
        let generation = take_generation(&mut connection, now)?;
        let writer = Writer { connection: Mutex::new(connection), generation, _file: file, _ownership: ownership };
        Self::assemble(path, Some(writer))
    }

    /// Opens a database to read, whether somebody owns it or not. Damage shows when it is read, not before.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let path = place::resolve(path)?;
        schema::check_header(&path)?;
        let connection = connect(&path, Mode::Read)?;
        schema::check_current(&connection, &path)?;
        drop(connection);
        Self::assemble(path, None)
    }

    fn assemble(path: PathBuf, writer: Option<Writer>) -> Result<Self, StoreError> {
        let reader = connect(&path, Mode::Read)?;
        let (installation, root) = ReadTx { connection: &reader }.identity()?;
        Ok(Self { path, installation, root, writer, readers: Mutex::new(vec![reader]) })
    }

    /// The database file, with its directory resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The private directory beside it.
    pub fn dir(&self) -> PathBuf {
        place::state_dir(&self.path)
    }

    /// The installation that it belongs to.
    pub const fn installation(&self) -> &InstallationId {
        &self.installation
    }

    /// Where the root was when the database was made, in words.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The generation of this ownership; `None` where it is only read.
    pub fn generation(&self) -> Option<u64> {
        self.writer.as_ref().map(|writer| writer.generation)
    }

    /// Does `work` in one transaction: all of it is durable when this returns `Ok`, nothing of it has happened when it returns `Err`.
    ///
    /// `work` holds the only write connection: nothing slow belongs in it, and no other call of this store.
    ///
    /// # Errors
    /// What `work` says; [`StoreError::OwnershipLost`] where a later ownership began; what the disk says at the commit.
    pub fn write<T, E: From<StoreError>>(&self, now: Timestamp, work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let writer = self.writer.as_ref().ok_or(StoreError::ReadOnly)?;
        // A panic in `work` rolled its transaction back: the connection behind a poisoned lock is sound.
        let mut connection = writer.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        check_generation(&transaction, writer.generation)?;
        let done = work(&mut WriteTx::new(&transaction, writer.generation, now))?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// Reads in one consistent snapshot. It keeps the log from being cleared while it lasts: read, return, then think.
    ///
    /// # Errors
    /// What `work` says.
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&ReadTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.reader()?;
        let transaction = connection.transaction().map_err(StoreError::from)?;
        let done = work(&ReadTx { connection: &transaction });
        if transaction.rollback().is_ok() {
            self.keep(connection);
        }
        done
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.map_or_else(|| connect(&self.path, Mode::Read), Ok)
    }

    fn keep(&self, connection: Connection) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < KEPT_READERS {
            readers.push(connection);
        }
    }
}

/// Everything that can be found out without writing: an unfit file stays byte for byte as it was.
fn refuse_unfit(path: &Path) -> Result<(), StoreError> {
    schema::check_header(path)?;
    place::check_private_file(path)?;
    let connection = connect(path, Mode::Read)?;
    schema::check_current(&connection, path)?;
    schema::check_sound(&connection, path, SCHEMA_VERSION)
}

fn take_generation(connection: &mut Connection, now: Timestamp) -> Result<u64, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let generation: i64 =
        transaction.query_row("UPDATE meta SET generation = generation + 1 RETURNING generation", [], |row| row.get(0))?;
    let generation = generation.unsigned_abs();
    WriteTx::new(&transaction, generation, now).append(NewEvent {
        kind: EventKind::OwnershipTaken,
        actor: Actor::System,
        subject: Subject::default(),
        body: json!({ "generation": generation, "pid": std::process::id() }),
    })?;
    transaction.commit()?;
    Ok(generation)
}

fn check_generation(connection: &Connection, ours: u64) -> Result<(), StoreError> {
    let now: i64 = connection.query_row("SELECT generation FROM meta", [], |row| row.get(0))?;
    if now == column(ours) { Ok(()) } else { Err(StoreError::OwnershipLost { ours, now: now.unsigned_abs() }) }
}

/// One consistent snapshot, with every reading function of the store.
pub struct ReadTx<'a> {
    connection: &'a Connection,
}

impl<'a> ReadTx<'a> {
    pub(crate) const fn of(connection: &'a Connection) -> Self {
        Self { connection }
    }

    pub(crate) const fn connection(&self) -> &'a Connection {
        self.connection
    }

    fn identity(&self) -> Result<(InstallationId, String), StoreError> {
        let identity =
            self.first("meta", "SELECT installation, root FROM meta", [], |row| Ok((row.text("installation")?, row.raw("root")?)))?;
        identity.ok_or_else(|| StoreError::Damaged { table: "meta", column: "id", why: "the row is gone".to_owned() })
    }
}

/// One transaction of the owner: every reading function, which see what was written before in it, and every writing one.
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    generation: u64,
    now: Timestamp,
}

impl<'a> WriteTx<'a> {
    pub(crate) const fn new(connection: &'a Connection, generation: u64, now: Timestamp) -> Self {
        Self { read: ReadTx { connection }, generation, now }
    }

    /// The time of this transaction: everything in it happened now.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The generation of this ownership.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Does a statement that must change exactly one row.
    pub(crate) fn change_one(&self, kind: &'static str, id: &str, sql: &str, params: impl rusqlite::Params) -> Result<(), StoreError> {
        match self.connection.execute(sql, params)? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound { kind, id: id.to_owned() }),
        }
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;

    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1);

    /// Inside, because only the write connection itself can be told how large its file may grow.
    #[test]
    fn a_full_disk_is_named_changes_nothing_and_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orc.db");
        create(&path, &"in_test".parse().unwrap(), "", NOW).unwrap();
        let store = Store::open_owner(Ownership::take(&path).unwrap(), NOW).unwrap();
        let limit = |pages: i64| {
            let writer = store.writer.as_ref().unwrap().connection.lock().unwrap();
            writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        let head = store.read(|tx| tx.audit_head()).unwrap();

        limit(1);
        let full = store.write(NOW, |tx| {
            tx.append(NewEvent {
                kind: EventKind::IntentDenied,
                actor: Actor::System,
                subject: Subject::default(),
                body: json!({ "big": "x".repeat(100_000) }),
            })
        });
        assert!(matches!(full, Err(StoreError::DiskFull(_))), "{full:?}");
        assert_eq!(store.read(|tx| tx.audit_head()).unwrap(), head);

        limit(1_000_000);
        store.write(NOW, |tx| tx.put_blob("text/plain", &[b'x'; 100_000])).unwrap();
        assert_eq!(store.read(|tx| tx.verify_audit()).unwrap().broken, None);
    }
}
