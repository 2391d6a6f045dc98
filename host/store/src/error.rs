//! Why the store said no, and what an operator is told.

use std::path::PathBuf;

use orc_domain::states::IllegalTransition;
use orc_domain::{ErrorCode, OrcError};

/// Why the store said no. Nothing is half-written after any of these: a transaction that does not end well is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is something at the path already.
    #[error("{} exists already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// There is nothing at the path.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// The path, or what stands beside it, is not what only the owner can have put there.
    #[error("{} is not safe to use: {why}", path.display())]
    Unsafe {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The directory is everybody's: a file that SQLite trusts could be somebody else's.
    #[error("{} is no place for a database: everybody can put files there (mode {mode:o})", path.display())]
    Shared {
        /// Which directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Another process owns the database.
    #[error("{}", match pid {
        Some(pid) => format!("another process (pid {pid}) owns the database"),
        None => "another process owns the database".to_owned(),
    })]
    Owned {
        /// Its process id, where it could be read.
        pid: Option<u32>,
    },
    /// A later ownership began: nothing of this one lands any more.
    #[error("ownership went to another process: generation {now} is in force, this one is {ours}")]
    OwnershipLost {
        /// The generation of this ownership.
        ours: u64,
        /// The generation in force.
        now: u64,
    },
    /// A write was asked of a store that was opened read-only.
    #[error("the database is open read-only")]
    ReadOnly,
    /// The database was written by a later version of ORC.
    #[error("the database has schema {have}, this version of ORC knows {know}")]
    Newer {
        /// Its schema.
        have: u32,
        /// The newest schema that this version knows.
        know: u32,
    },
    /// The database must be migrated first.
    #[error("the database has schema {have}, this version of ORC needs {need}")]
    Outdated {
        /// Its schema.
        have: u32,
        /// The schema that this version needs.
        need: u32,
    },
    /// It is a database of another program.
    #[error("{} is a database of another program (application id {application_id:#010x})", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What it says it is.
        application_id: u32,
    },
    /// It is damaged, or no database at all.
    #[error("{} is no sound ORC database: {why}", path.display())]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The SQLite that was linked can damage databases in WAL mode.
    #[error("SQLite {found} is too old: 3.51.3 or newer is needed")]
    SqliteTooOld {
        /// Its version.
        found: &'static str,
    },
    /// No space is left, or the file may not grow.
    #[error("the disk is full: nothing was changed")]
    DiskFull(#[source] rusqlite::Error),
    /// Somebody held the database for too long.
    #[error("the database is busy")]
    Busy(#[source] rusqlite::Error),
    /// The file cannot be read or written.
    #[error("{what} failed at {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite could not read or write the file.
    #[error("the database file cannot be read or written")]
    Disk(#[source] rusqlite::Error),
    /// The id names nothing.
    #[error("there is no {kind} `{id}`")]
    NotFound {
        /// What it was to name.
        kind: &'static str,
        /// The id.
        id: String,
    },
    /// The state does not allow the event.
    #[error("{id}: {why}")]
    IllegalTransition {
        /// Of what.
        id: String,
        /// Which state, which event.
        why: IllegalTransition,
    },
    /// The schema refuses the row: a bug above, or somebody went around the engine.
    #[error("the schema refuses this write: {why}")]
    Constraint {
        /// Which constraint, in SQLite's words.
        why: String,
    },
    /// What is stored cannot be what ORC wrote.
    #[error("{column} of {table} holds what ORC never wrote there: {why}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Why.
        why: String,
    },
    /// A value has no JSON form.
    #[error("a value of {what} has no JSON form")]
    Json {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Anything else that SQLite says: a bug.
    #[error("a statement failed")]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Sqlite;
        let rusqlite::Error::SqliteFailure(failure, text) = &error else { return Self::Sqlite(error) };
        match failure.code {
            Sqlite::DiskFull => Self::DiskFull(error),
            Sqlite::DatabaseBusy | Sqlite::DatabaseLocked => Self::Busy(error),
            Sqlite::SystemIoFailure | Sqlite::CannotOpen | Sqlite::ReadOnly | Sqlite::PermissionDenied => Self::Disk(error),
            Sqlite::ConstraintViolation => Self::Constraint { why: text.clone().unwrap_or_else(|| failure.to_string()) },
            _ => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// The same, but damage of the file is named as such: for the first touch of a database.
    pub(crate) fn on_opening(error: rusqlite::Error, path: &std::path::Path) -> Self {
        use rusqlite::ErrorCode as Sqlite;
        match error.sqlite_error_code() {
            Some(Sqlite::DatabaseCorrupt | Sqlite::NotADatabase) => Self::Corrupt { path: path.to_owned(), why: error.to_string() },
            _ => error.into(),
        }
    }

    pub(crate) fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            if source.kind() == std::io::ErrorKind::StorageFull { Self::full(source) } else { Self::Io { what, path, source } }
        }
    }

    fn full(source: std::io::Error) -> Self {
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        Self::DiskFull(rusqlite::Error::SqliteFailure(failure, Some(source.to_string())))
    }

    pub(crate) const fn json(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { what, source }
    }

    const fn code(&self) -> ErrorCode {
        match self {
            Self::Exists { .. } => ErrorCode::InvalidRequest,
            Self::Missing { .. } | Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Unsafe { .. } | Self::Shared { .. } | Self::Newer { .. } | Self::Foreign { .. } | Self::Corrupt { .. } => {
                ErrorCode::DatabaseRefused
            }
            Self::Outdated { .. } => ErrorCode::DatabaseOutdated,
            Self::Owned { .. } | Self::Busy(_) => ErrorCode::DatabaseBusy,
            Self::OwnershipLost { .. } => ErrorCode::OwnershipLost,
            Self::DiskFull(_) | Self::Io { .. } | Self::Disk(_) => ErrorCode::StorageFailed,
            Self::IllegalTransition { .. } => ErrorCode::IllegalTransition,
            Self::ReadOnly
            | Self::SqliteTooOld { .. }
            | Self::Constraint { .. }
            | Self::Damaged { .. }
            | Self::Json { .. }
            | Self::Sqlite(_) => ErrorCode::Internal,
        }
    }

    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exists { .. } => Some("name another path with --db, or move the file away"),
            Self::Missing { .. } => Some("`orcctl init` makes one; `--db` names another"),
            Self::Unsafe { .. } => {
                Some("make it a plain file or directory of yours that nobody else can reach: chmod 600, or 700 for a directory")
            }
            Self::Shared { .. } => Some("name a database in a directory that only you can write to, with `--db`"),
            Self::Newer { .. } => Some("use the version of ORC that wrote it; the file was not touched"),
            Self::Foreign { .. } => Some("name ORC's own database with --db; the file was not touched"),
            Self::Corrupt { .. } => Some("restore a backup, and keep this file for examination; it was not touched"),
            Self::Outdated { .. } => Some("run `orcctl migrate`: it makes a backup first"),
            Self::Owned { .. } | Self::OwnershipLost { .. } => Some("talk to that process over its socket, or stop it and try again"),
            Self::Busy(_) => Some("try again; if it stays, look for a program that holds the file open"),
            Self::DiskFull(_) => Some("free some space and repeat the command: it is safe to repeat"),
            Self::Io { .. } | Self::Disk(_) => Some("look at the disk and the permissions of the database's directory"),
            Self::NotFound { .. } | Self::ReadOnly | Self::Json { .. } => None,
            Self::IllegalTransition { .. } => Some("`orcctl status` of it shows its state and what can be done next"),
            Self::SqliteTooOld { .. } => Some("build ORC with its bundled SQLite"),
            Self::Constraint { .. } | Self::Sqlite(_) => Some("this is a bug of ORC: report it with the audit's newest events"),
            Self::Damaged { .. } => Some("run `orcctl audit verify`; restore a backup if the chain is broken"),
        }
    }
}

impl From<StoreError> for OrcError {
    fn from(error: StoreError) -> Self {
        let mut out = match std::error::Error::source(&error) {
            Some(source) => Self::from_source(error.code(), error.to_string(), source),
            None => Self::new(error.code(), error.to_string()),
        };
        out.hint = error.hint().map(str::to_owned);
        out
    }
}
