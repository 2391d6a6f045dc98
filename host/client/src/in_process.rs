//! The engine in this process.

use std::sync::Arc;

use async_trait::async_trait;
use orc_domain::OrcError;
use orc_domain::api::Envelope;
use orc_engine::{Engine, Peer};
use serde_json::Value;

use crate::Client;

/// Asks an engine of this process, as `peer`.
pub struct InProcess {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Who this process is.
    pub peer: Peer,
}

#[async_trait]
impl Client for InProcess {
    async fn call(&self, envelope: Envelope) -> Result<Value, OrcError> {
        self.engine.handle(&self.peer, envelope).await
    }

    fn host_outlives_caller(&self) -> bool {
        false
    }
}
