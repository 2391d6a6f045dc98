//! What goes over the Unix socket: one JSON value a line. The server greets with a [`Hello`], then answers each [`Call`] in turn.

use serde::{Deserialize, Serialize};

use crate::api::Envelope;
use crate::error::OrcError;

/// The version of this form. Another one on either side is refused, with both named.
pub const PROTOCOL: u32 = 1;

/// The largest answer, in bytes, its line break included.
pub const ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// What the server says first. Unknown fields are let through, so that a client can always read `protocol` and `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the server.
    pub protocol: u32,
    /// The server's version of ORC.
    pub version: String,
    /// The largest call that it takes, in bytes, its line break included.
    pub request_bytes: u64,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// [`PROTOCOL`] of the client.
    pub protocol: u32,
    /// The intent.
    pub envelope: Envelope,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Once, first.
    Hello(Hello),
    /// The intent's answer.
    Answer(serde_json::Value),
    /// What it answers instead.
    Error(OrcError),
}

/// A value as its line: compact JSON, which has no line break inside, and one at the end.
///
/// # Errors
/// When the value has no JSON form.
pub fn line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
