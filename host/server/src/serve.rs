//! The accept loop, and the clean stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use orc_domain::api::Envelope;
use orc_domain::wire::Reply;
use orc_domain::{ErrorCode, OrcError};
use orc_engine::{Engine, Peer};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bind::Server;
use crate::connection::{Limits, converse, say};
use crate::peer::identify;
use crate::places::Places;

/// How long to wait after the system refused a connection (out of descriptors), instead of turning in circles.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// How long a peer that is turned away may take to hear why.
const FAREWELL: Duration = Duration::from_secs(1);

impl Server {
    /// Serves `engine` until `shutdown`, then lets calls under way finish, for a bounded time, and removes the socket.
    pub async fn serve(self, engine: Arc<Engine>, shutdown: CancellationToken) {
        let handler = move |peer: Peer, envelope: Envelope| {
            let engine = Arc::clone(&engine);
            async move { engine.handle(&peer, envelope).await }
        };
        self.serve_with(handler, shutdown).await;
    }

    /// As [`Server::serve`], for whatever answers envelopes.
    pub async fn serve_with<H, F>(self, handler: H, shutdown: CancellationToken)
    where
        H: Fn(Peer, Envelope) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Value, OrcError>> + Send + 'static,
    {
        let Self { listener, file, limits, owner } = self;
        let places = Places::new(limits.connections, limits.connections_per_user);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(attend(stream, owner, places.clone(), handler.clone(), limits, shutdown.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the system refused a connection");
                        tokio::time::sleep(AFTER_REFUSAL).await;
                    }
                },
            }
        }
        drop(listener);
        drop(file);
        drain(connections, limits).await;
    }
}

async fn drain(mut connections: JoinSet<()>, limits: Limits) {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all).await.is_err() {
        tracing::warn!(left = connections.len(), "calls did not finish in time and are left without an answer");
        connections.shutdown().await;
    }
}

async fn attend<H, F>(mut stream: UnixStream, owner: u32, places: Places, handler: H, limits: Limits, shutdown: CancellationToken)
where
    H: Fn(Peer, Envelope) -> F,
    F: Future<Output = Result<Value, OrcError>>,
{
    let admitted = identify(&stream, owner).and_then(|peer| match places.take(peer.uid) {
        Some(place) => Ok((peer, place)),
        None => Err(full(&peer)),
    });
    let outcome = match admitted {
        Ok((peer, _place)) => converse(stream, peer, handler, limits, shutdown).await,
        Err(error) => {
            tracing::info!(code = %error.code, message = %error, "a peer was turned away");
            say(&mut stream, Reply::Error(error), FAREWELL).await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn full(peer: &Peer) -> OrcError {
    OrcError::new(ErrorCode::HostUnreachable, format!("the host has no place left for connections of uid {}", peer.uid))
        .hint("close other clients of this user, or try again in a minute")
}
