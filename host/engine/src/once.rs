//! Mutating intents happen once: the same key with the same request gives the kept answer, with another request it is a conflict.

use orc_domain::{Digest, ErrorCode, OperatorName, OrcError, Untrusted};
use orc_store::{ReadTx, WriteTx};
use serde::Serialize;

use crate::engine::to_json;

/// An operator's idempotency key on one request of one intent.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    key: Option<(OperatorName, String)>,
    intent: &'static str,
    request: Digest,
}

impl Once {
    pub(crate) fn new(operator: Option<&OperatorName>, intent: &'static str, key: Option<&str>, request: Digest) -> Self {
        let key = operator.zip(key).map(|(operator, key)| (operator.clone(), key.to_owned()));
        Self { key, intent, request }
    }

    /// The answer that was given before.
    pub(crate) fn before(&self, tx: &ReadTx<'_>) -> Result<Option<serde_json::Value>, OrcError> {
        let Some((operator, key)) = &self.key else { return Ok(None) };
        match tx.answer(operator, self.intent, key)? {
            Some(kept) if kept.request_digest == self.request => Ok(Some(kept.answer)),
            Some(_) => Err(OrcError::new(
                ErrorCode::IdempotencyConflict,
                format!("the idempotency key `{}` came with another request before", Untrusted::new(key.as_str()).for_line(80)),
            )
            .hint("use a new key for a new request")),
            None => Ok(None),
        }
    }

    /// Keeps the answer, in the transaction of the effect.
    pub(crate) fn keep<T: Serialize>(&self, tx: &mut WriteTx<'_>, answer: &T) -> Result<(), OrcError> {
        if let Some((operator, key)) = &self.key {
            tx.put_answer(operator, self.intent, key, &self.request, &to_json(answer)?)?;
        }
        Ok(())
    }
}
