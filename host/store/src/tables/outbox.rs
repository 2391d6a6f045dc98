//! The outbox: what channels are told, written in the transaction of what it tells about, read by place.

use orc_domain::{Timestamp, WorkflowId};
use serde_json::Value;

use crate::record::{column, json};
use crate::{ReadTx, StoreError, WriteTx};

/// A message to channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place; grows, and is never given twice.
    pub seq: u64,
    /// What it is: a word of the engine's.
    pub kind: String,
    /// The workflow that it is about.
    pub workflow: Option<WorkflowId>,
    /// The facts. Never a secret.
    pub payload: Value,
    /// When.
    pub created_at: Timestamp,
}

impl WriteTx<'_> {
    /// Adds a message. Returns its place.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the payload is no object or there is no such workflow.
    pub fn push_outbox(&mut self, kind: &str, workflow: Option<&WorkflowId>, payload: &Value) -> Result<u64, StoreError> {
        self.connection().execute(
            "INSERT INTO outbox (kind, workflow, payload, created_at) VALUES (?1, ?2, ?3, ?4)",
            (kind, workflow.map(WorkflowId::as_str), json("a message", payload)?, self.now().0),
        )?;
        Ok(self.connection().last_insert_rowid().unsigned_abs())
    }
}

impl ReadTx<'_> {
    /// Messages after a place, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn outbox(&self, after: u64, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        self.list("outbox", "SELECT * FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2", (column(after), limit), |row| {
            Ok(OutboxRow {
                seq: row.number("seq")?,
                kind: row.raw("kind")?,
                workflow: row.optional_text("workflow")?,
                payload: row.json("payload")?,
                created_at: row.time("created_at")?,
            })
        })
    }
}
