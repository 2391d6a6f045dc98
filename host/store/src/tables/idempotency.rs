//! Answers that were given to writing intents, by key: the same request again gets the same answer and has no second effect.

use orc_domain::{Digest, OperatorName, Timestamp};
use serde_json::Value;

use crate::record::{digest, json};
use crate::{ReadTx, StoreError, WriteTx};

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// The digest of the request: another request under the same key is a conflict.
    pub request_digest: Digest,
    /// The answer.
    pub answer: Value,
    /// When it was given.
    pub at: Timestamp,
}

impl WriteTx<'_> {
    /// Keeps the answer to an operator's intent, in the transaction of its effect.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the key is used.
    pub fn put_answer(
        &mut self,
        operator: &OperatorName,
        intent: &str,
        key: &str,
        request_digest: &Digest,
        answer: &Value,
    ) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO idempotency (operator, intent, key, request_digest, answer, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (operator.as_str(), intent, key, digest(request_digest), json("an answer", answer)?, self.now().0),
        )?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// The answer that was given to an operator's intent under a key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it cannot be read.
    pub fn answer(&self, operator: &OperatorName, intent: &str, key: &str) -> Result<Option<IdempotencyRow>, StoreError> {
        let sql = "SELECT * FROM idempotency WHERE operator = ?1 AND intent = ?2 AND key = ?3";
        self.first("idempotency", sql, (operator.as_str(), intent, key), |row| {
            Ok(IdempotencyRow { request_digest: row.text("request_digest")?, answer: row.json("answer")?, at: row.time("at")? })
        })
    }
}
