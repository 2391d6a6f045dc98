//! placeholder of the engine; see the plan in the session
use orc_domain::OrcError;
use orc_domain::api::Envelope;

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The unix user id.
    pub uid: u32,
    /// The unix user name, where it has one.
    pub user: Option<String>,
    /// Whether that user owns the state directory (or is root).
    pub owns_state: bool,
    /// The process id.
    pub pid: Option<u32>,
}

/// The one engine.
pub struct Engine {}

impl Engine {
    /// Answers an envelope: the one entry point of server and in-process client.
    ///
    /// # Errors
    /// Whatever the intent refuses.
    pub async fn handle(&self, _peer: &Peer, _envelope: Envelope) -> Result<serde_json::Value, OrcError> {
        Err(OrcError::new(orc_domain::ErrorCode::Internal, "not wired yet"))
    }
}
