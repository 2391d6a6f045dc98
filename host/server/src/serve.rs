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
use crate::places::{Place, Places};

/// How long to wait after the system refused a connection (out of descriptors), instead of turning in circles.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// How long a peer that is turned away may take to hear why.
const FAREWELL: Duration = Duration::from_secs(1);

impl Server {
    /// Serves `engine` until `shutdown`, then lets calls under way finish, for a bounded time, and removes the socket.
    pub async fn serve(self, engine: Arc<Engine>, shutdown: CancellationToken) {
        let recorder = Arc::clone(&engine);
        let handler = move |peer: Peer, envelope: Envelope| {
            let engine = Arc::clone(&engine);
            async move { engine.handle(&peer, envelope).await }
        };
        let turned_away = move |uid: Option<u32>, error: OrcError| {
            let engine = Arc::clone(&recorder);
            async move { engine.turned_away(uid, &error).await }
        };
        self.serve_with(handler, turned_away, shutdown).await;
    }

    /// As [`Server::serve`], for whatever answers envelopes and is told of peers that may not ask anything.
    pub async fn serve_with<H, F, T, G>(self, handler: H, turned_away: T, shutdown: CancellationToken)
    where
        H: Fn(Peer, Envelope) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Value, OrcError>> + Send + 'static,
        T: Fn(Option<u32>, OrcError) -> G + Clone + Send + Sync + 'static,
        G: Future<Output = ()> + Send + 'static,
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
                        let guard = Guard { owner, places: places.clone(), turned_away: turned_away.clone() };
                        connections.spawn(attend(stream, guard, handler.clone(), limits, shutdown.clone()));
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

/// Who gets in.
struct Guard<T> {
    owner: u32,
    places: Places,
    turned_away: T,
}

impl<T, G> Guard<T>
where
    T: Fn(Option<u32>, OrcError) -> G,
    G: Future<Output = ()>,
{
    async fn admit(&self, stream: &UnixStream) -> Result<(Peer, Place), OrcError> {
        match identify(stream, self.owner) {
            Ok(peer) => self.places.take(peer.uid).map_or_else(|| Err(full(&peer)), |place| Ok((peer.clone(), place))),
            Err(error) => {
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                (self.turned_away)(uid, error.clone()).await;
                Err(error)
            }
        }
    }
}

async fn attend<H, F, T, G>(mut stream: UnixStream, guard: Guard<T>, handler: H, limits: Limits, shutdown: CancellationToken)
where
    H: Fn(Peer, Envelope) -> F,
    F: Future<Output = Result<Value, OrcError>>,
    T: Fn(Option<u32>, OrcError) -> G,
    G: Future<Output = ()>,
{
    let outcome = match guard.admit(&stream).await {
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
