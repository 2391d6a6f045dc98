//! One way to open a connection, with the profile that durability and the guards of the schema rest on.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reads and writes.
    Write,
    /// Only reads.
    Read,
}

/// The first version without the bug that damages WAL databases when several connections write or checkpoint at once.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Opens the file that is there. Never makes one, never follows a symbolic link.
pub(crate) fn connect(path: &Path, mode: Mode) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::SqliteTooOld { found: rusqlite::version() });
    }
    let access = match mode {
        Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Mode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| StoreError::on_opening(error, path))?;
    profile(&mut connection, mode).map_err(|error| StoreError::on_opening(error, path))?;
    Ok(connection)
}

fn profile(connection: &mut Connection, mode: Mode) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait_a_little))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    let pragmas = [
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("mmap_size", 0),
        ("query_only", i64::from(mode == Mode::Read)),
    ];
    for (name, value) in pragmas {
        connection.pragma_update(None, name, value)?;
        let is: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        if is != value {
            let refused = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISUSE);
            return Err(rusqlite::Error::SqliteFailure(refused, Some(format!("SQLite does not take `{name} = {value}`"))));
        }
    }
    connection.pragma_update_and_check(None, "journal_size_limit", 64 * 1024 * 1024, |_| Ok(()))
}

/// A few short waits, then 1 ms each with a little disorder so that waiters do not march in step, for 5 s in all. SQLite's own handler
/// sleeps ever longer and starves whoever came first.
fn wait_a_little(waited: i32) -> bool {
    const SHORT: i32 = 20;
    const LONG: i32 = 4000;
    let micros = match waited {
        0..SHORT => 250,
        SHORT..LONG => 1000 + (u64::from(std::process::id()) * 31 + u64::from(waited.unsigned_abs()) * 17) % 500,
        _ => return false,
    };
    std::thread::sleep(Duration::from_micros(micros));
    true
}
