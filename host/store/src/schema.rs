//! The schema: its numbered migrations, what marks a file as ours, and the checks that a file passes before ORC touches it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use orc_domain::{Digest, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::StoreError;
use crate::place::check_file;

/// A numbered step of the schema. Never edited once landed.
pub(crate) struct Migration {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    sql: &'static str,
}

impl Migration {
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.sql.as_bytes())
    }
}

macro_rules! migrations {
    ($($number:literal $name:literal),+ $(,)?) => {
        &[$(Migration { number: $number, name: $name, sql: include_str!(concat!("../../../migrations/", $name, ".sql")) }),+]
    };
}

pub(crate) const MIGRATIONS: &[Migration] = migrations![
    1 "0001_create_meta",
    2 "0002_create_audit",
    3 "0003_create_rules",
    4 "0004_create_workflow",
    5 "0005_create_execution",
    6 "0006_create_operations",
    7 "0007_create_knowledge",
    8 "0008_guard_states",
    9 "0009_add_commit",
    10 "0010_describe_knowledge",
];

/// The schema that this version of ORC reads and writes: `user_version` of its databases.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// `application_id` of every ORC database: "ORC" and 1.
const APPLICATION_ID: u32 = 0x4f52_4301;

/// Applies the migrations after `have` inside the caller's transaction and records each.
pub(crate) fn apply_after(connection: &Connection, have: u32, now: Timestamp) -> rusqlite::Result<()> {
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > have) {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO migration (number, name, digest, applied_at) VALUES (?1, ?2, ?3, ?4)",
            (migration.number, migration.name, migration.digest().to_string(), now.0),
        )?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// Looks at the first page without SQLite: what is no database, or another program's, is not even opened.
pub(crate) fn check_header(path: &Path) -> Result<(), StoreError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    check_file(path)?;
    let mut header = [0u8; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(corrupt(path, "it is too short")),
        Err(error) => return Err(StoreError::io("reading the database", path)(error)),
    }
    if header[..16] != MAGIC[..] {
        return Err(corrupt(path, "it is no SQLite file"));
    }
    let application_id = u32::from_be_bytes([header[68], header[69], header[70], header[71]]);
    if application_id != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned(), application_id });
    }
    Ok(())
}

/// The schema version of an open database. Newer than this ORC is refused here, in one place.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let have: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| StoreError::on_opening(error, path))?;
    let have = u32::try_from(have).map_err(|_| corrupt(path, "its schema version is negative"))?;
    match have {
        0 => Err(corrupt(path, "it has no schema")),
        have if have > SCHEMA_VERSION => Err(StoreError::Newer { have, know: SCHEMA_VERSION }),
        have => Ok(have),
    }
}

/// As [`version`], and nothing else than this ORC's own.
pub(crate) fn check_current(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    match version(connection, path)? {
        SCHEMA_VERSION => Ok(()),
        have => Err(StoreError::Outdated { have, need: SCHEMA_VERSION }),
    }
}

/// Every page, and then whether each table, index and guard is the one that the migrations up to `have` made. Reads the whole file.
pub(crate) fn check_sound(connection: &Connection, path: &Path, have: u32) -> Result<(), StoreError> {
    let on_opening = |error| StoreError::on_opening(error, path);
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(on_opening)?;
    if found != "ok" {
        return Err(corrupt(path, &found));
    }
    check_migrations(connection, path, have)?;
    let expected = expected_objects(have)?;
    let actual = objects(connection).map_err(on_opening)?;
    let gone = expected.iter().find(|object| !actual.contains(object));
    let strange = actual.iter().find(|object| !expected.contains(object));
    match (gone, strange) {
        (None, None) => Ok(()),
        (Some((kind, name, _)), _) => Err(corrupt(path, &format!("the {kind} `{name}` is missing or altered"))),
        (None, Some((kind, name, _))) => Err(corrupt(path, &format!("there is a {kind} `{name}` that ORC never made"))),
    }
}

fn check_migrations(connection: &Connection, path: &Path, have: u32) -> Result<(), StoreError> {
    for migration in MIGRATIONS.iter().filter(|migration| migration.number <= have) {
        let digest: Option<String> = connection
            .query_row("SELECT digest FROM migration WHERE number = ?1", [migration.number], |row| row.get(0))
            .optional()
            .map_err(|error| StoreError::on_opening(error, path))?;
        if digest != Some(migration.digest().to_string()) {
            return Err(corrupt(path, &format!("migration {} was applied with other content, or not at all", migration.name)));
        }
    }
    Ok(())
}

type SchemaObject = (String, String, Option<String>);

fn objects(connection: &Connection) -> rusqlite::Result<Vec<SchemaObject>> {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name";
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

fn expected_objects(have: u32) -> Result<Vec<SchemaObject>, StoreError> {
    let memory = Connection::open_in_memory()?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.number <= have) {
        memory.execute_batch(migration.sql)?;
    }
    Ok(objects(&memory)?)
}

pub(crate) fn corrupt(path: &Path, why: &str) -> StoreError {
    StoreError::Corrupt { path: path.to_owned(), why: why.to_owned() }
}
