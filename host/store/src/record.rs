//! Rows as the domain's types: every text is parsed, every number checked, and what does not fit is named with table and column.

use std::fmt::Display;
use std::str::FromStr;

use orc_domain::{Digest, Timestamp, canonical_json};
use rusqlite::types::FromSql;
use rusqlite::{Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ReadTx, StoreError};

/// A row of a table, read by column name.
pub(crate) struct Record<'a> {
    row: &'a Row<'a>,
    table: &'static str,
}

impl<'a> Record<'a> {
    pub(crate) const fn new(row: &'a Row<'a>, table: &'static str) -> Self {
        Self { row, table }
    }

    fn damaged(&self, column: &'static str, why: impl Display) -> StoreError {
        StoreError::Damaged { table: self.table, column, why: why.to_string() }
    }

    pub(crate) fn raw<T: FromSql>(&self, column: &'static str) -> Result<T, StoreError> {
        match self.row.get(column) {
            Err(error @ (rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..))) => {
                Err(self.damaged(column, error))
            }
            other => Ok(other?),
        }
    }

    /// An id, a name, a digest, a word.
    pub(crate) fn text<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.parse(column, &self.raw::<String>(column)?)
    }

    pub(crate) fn optional_text<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.raw::<Option<String>>(column)?.map(|text| self.parse(column, &text)).transpose()
    }

    fn parse<T: FromStr<Err: Display>>(&self, column: &'static str, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|error| self.damaged(column, error))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.raw::<String>(column)?).map_err(|error| self.damaged(column, error))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.raw(column)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| self.damaged(column, error))
    }

    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        let number: i64 = self.raw(column)?;
        T::try_from(number).map_err(|_| self.damaged(column, format_args!("{number} is out of range")))
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp(self.raw(column)?))
    }

    pub(crate) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.raw::<Option<i64>>(column)?.map(Timestamp))
    }
}

impl ReadTx<'_> {
    /// Every row of a query, in its order.
    pub(crate) fn list<T>(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Record<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        let mut statement = self.connection().prepare(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            out.push(read(&Record::new(row, table))?);
        }
        Ok(out)
    }

    /// The first row of a query.
    pub(crate) fn first<T>(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Record<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection().prepare(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(|row| read(&Record::new(row, table))).transpose()
    }

    /// One number: a count, a flag.
    pub(crate) fn count(&self, sql: &str, params: impl Params) -> Result<u64, StoreError> {
        let count: i64 = self.connection().query_row(sql, params, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

/// The canonical JSON of a value, as JSON columns hold it.
pub(crate) fn json<T: Serialize + ?Sized>(what: &'static str, value: &T) -> Result<String, StoreError> {
    let bytes = canonical_json(&value).map_err(StoreError::json(what))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A set of ids as one JSON parameter, for `IN (SELECT value FROM json_each(?))`: one statement for any number of them.
pub(crate) fn id_set<T: Serialize>(ids: &[T]) -> Result<String, StoreError> {
    json("ids", ids)
}

/// A number for a column. Above `i64::MAX` nothing of ORC counts; there it saturates.
pub(crate) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An instant for a column that may be empty.
pub(crate) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.0)
}

/// A digest as columns hold it.
pub(crate) fn digest(digest: &Digest) -> String {
    digest.to_string()
}
