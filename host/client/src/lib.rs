//! The intents for frontends: in this process or over the Unix socket, with the same requests, answers and errors.
//!
//! **Belongs here:** the port [`Client`], its two implementations [`InProcess`] and [`Socket`], and the typed [`call`].
//!
//! **Never belongs here:** deciding anything, words for a screen, reading the environment, finding out where the socket is.
//!
//! **Key types:** [`Client`], [`Session`], [`Socket::open`] (who listens, is it the state's owner, does it speak our protocol?).
//!
//! **Pitfalls:** a lost answer is not a "no". An error of a writing intent that says *it may have been done* must be repeated under the same
//! idempotency key, never under a new one; [`call`] therefore takes the key from its caller and makes none.

mod in_process;
mod socket;

use async_trait::async_trait;
use orc_domain::api::{Envelope, Intent};
use orc_domain::{ErrorCode, OperatorName, OrcError};
use serde_json::Value;

pub use in_process::InProcess;
pub use socket::{Socket, Timeouts};

/// Takes an envelope to the engine and brings its answer back.
#[async_trait]
pub trait Client: Send + Sync {
    /// Answers `envelope`.
    ///
    /// # Errors
    /// Whatever the engine refuses; `host-unreachable` where no answer came.
    async fn call(&self, envelope: Envelope) -> Result<Value, OrcError>;

    /// Whether the host lives on when this client is gone. Where it does not, what runs stops with the caller.
    fn host_outlives_caller(&self) -> bool;
}

/// In whose name a frontend speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The operator; absent: the one that is bound to the peer.
    pub user: Option<OperatorName>,
}

/// Asks for an intent with its own types. `idempotency_key` belongs to writing intents.
///
/// # Errors
/// As [`Client::call`]; `internal` where request or answer do not have the form of this version.
pub async fn call<I: Intent>(
    client: &dyn Client,
    session: &Session,
    idempotency_key: Option<String>,
    request: I,
) -> Result<I::Answer, OrcError> {
    let request = serde_json::to_value(request).map_err(|error| form(I::NAME, "request", &error))?;
    let envelope = Envelope { intent: I::NAME.to_owned(), user: session.user.clone(), idempotency_key, request };
    let answer = client.call(envelope).await?;
    serde_json::from_value(answer).map_err(|error| form(I::NAME, "answer", &error))
}

fn form(intent: &str, what: &str, error: &serde_json::Error) -> OrcError {
    OrcError::from_source(ErrorCode::Internal, format!("the {what} of `{intent}` does not have the form that this version knows"), error)
        .hint("use an `orcctl` of the same version as the host: `orcctl doctor` shows both")
}
