//! Due times: what must happen later even if nobody asks, as the expiry of a request.

use orc_domain::Timestamp;

use crate::{ReadTx, StoreError, WriteTx};

/// A due time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// What is to happen: a word of the engine's.
    pub kind: String,
    /// To what: an id.
    pub subject: String,
    /// When.
    pub due_at: Timestamp,
}

impl WriteTx<'_> {
    /// Sets the due time of a kind and subject, in place of an earlier one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn set_timer(&mut self, timer: &Timer) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO timer (kind, subject, due_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at",
            (&timer.kind, &timer.subject, timer.due_at.0),
        )?;
        Ok(())
    }

    /// Takes a due time away, where there is one: in the transaction that did what was due, or made it void.
    ///
    /// # Errors
    /// What the disk says.
    pub fn clear_timer(&mut self, kind: &str, subject: &str) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM timer WHERE kind = ?1 AND subject = ?2", (kind, subject))?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// What is due at `now`, longest due first, at most `limit`.
    ///
    /// # Errors
    /// What the disk says.
    pub fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, StoreError> {
        let sql = "SELECT kind, subject, due_at FROM timer WHERE due_at <= ?1 ORDER BY due_at, kind, subject LIMIT ?2";
        self.list("timer", sql, (now.0, limit), |row| {
            Ok(Timer { kind: row.raw("kind")?, subject: row.raw("subject")?, due_at: row.time("due_at")? })
        })
    }
}
