//! One connection: greet, then line by line read a call, let the engine answer, write the answer.

use std::future::Future;
use std::io;
use std::time::Duration;

use orc_domain::api::Envelope;
use orc_domain::settings::HostLimits;
use orc_domain::wire::{ANSWER_BYTES, Call, Hello, PROTOCOL, Reply, line};
use orc_domain::{ErrorCode, OrcError};
use orc_engine::Peer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Bounds of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest call, in bytes, its line break included. `limits.request_bytes` of orc.yaml.
    pub request_bytes: u64,
    /// Connections at the same time.
    pub connections: usize,
    /// Connections of one unix user at the same time.
    pub connections_per_user: usize,
    /// How long a connection may say nothing between calls.
    pub idle: Duration,
    /// How long a call may take to come in once it began, and an answer to be taken.
    pub transfer: Duration,
    /// How long calls under way may take to finish once the host stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: HostLimits::default().request_bytes,
            connections: 128,
            connections_per_user: 32,
            idle: Duration::from_secs(60),
            transfer: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// What came in.
enum Incoming {
    Call(Envelope),
    /// Not a call; the next line may be one.
    Unusable(OrcError),
    /// Not a call, and where the next line begins is not known.
    Hopeless(OrcError),
    End,
}

/// Serves `stream` until its end, an error or the shutdown. A call that the engine has begun is finished and answered before.
pub(crate) async fn converse<H, F>(
    stream: UnixStream,
    peer: Peer,
    handler: H,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    H: Fn(Peer, Envelope) -> F,
    F: Future<Output = Result<Value, OrcError>>,
{
    let mut stream = BufReader::new(stream);
    let hello = Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), request_bytes: limits.request_bytes };
    say(stream.get_mut(), Reply::Hello(hello), limits.transfer).await?;
    loop {
        let incoming = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            incoming = listen(&mut stream, &limits) => incoming?,
        };
        let (reply, last) = match incoming {
            Incoming::Call(envelope) => (handler(peer.clone(), envelope).await.map_or_else(Reply::Error, Reply::Answer), false),
            Incoming::Unusable(error) => (Reply::Error(error), false),
            Incoming::Hopeless(error) => (Reply::Error(error), true),
            Incoming::End => return Ok(()),
        };
        say(stream.get_mut(), reply, limits.transfer).await?;
        if last {
            return Ok(());
        }
    }
}

async fn listen(stream: &mut BufReader<UnixStream>, limits: &Limits) -> io::Result<Incoming> {
    let Ok(begun) = timeout(limits.idle, stream.fill_buf()).await else {
        return Ok(Incoming::End);
    };
    if begun?.is_empty() {
        return Ok(Incoming::End);
    }
    let mut bytes = Vec::new();
    let mut bounded = stream.take(limits.request_bytes);
    let Ok(read) = timeout(limits.transfer, bounded.read_until(b'\n', &mut bytes)).await else {
        return Ok(Incoming::Hopeless(malformed("the request did not come in within the time for it")));
    };
    read?;
    match bytes.last() {
        Some(b'\n') => Ok(parse(&bytes)),
        _ if bytes.len() as u64 == limits.request_bytes => {
            let message = format!("the request is longer than {} bytes", limits.request_bytes);
            Ok(Incoming::Hopeless(malformed(message).hint("shorten it, or raise `limits.request_bytes` in orc.yaml")))
        }
        _ => Ok(Incoming::End),
    }
}

fn parse(bytes: &[u8]) -> Incoming {
    match serde_json::from_slice::<Call>(bytes) {
        Ok(call) if call.protocol == PROTOCOL => Incoming::Call(call.envelope),
        Ok(call) => {
            let message = format!("the client speaks protocol {}, this host protocol {PROTOCOL}", call.protocol);
            Incoming::Hopeless(malformed(message).hint("use an `orcctl` of the host's version"))
        }
        Err(error) => Incoming::Unusable(OrcError::from_source(ErrorCode::InvalidRequest, "the line is no call", &error)),
    }
}

fn malformed(message: impl Into<String>) -> OrcError {
    OrcError::new(ErrorCode::InvalidRequest, message)
}

/// Writes a reply, in bounded time: a client that does not read keeps nobody but itself waiting.
pub(crate) async fn say(stream: &mut UnixStream, reply: Reply, patience: Duration) -> io::Result<()> {
    let mut bytes = line(&reply).map_err(io::Error::other)?;
    if bytes.len() as u64 > ANSWER_BYTES {
        let error = OrcError::new(ErrorCode::InvalidRequest, format!("the answer is longer than {ANSWER_BYTES} bytes"));
        bytes = line(&Reply::Error(error.hint("ask for less: a smaller limit, or one workflow"))).map_err(io::Error::other)?;
    }
    timeout(patience, stream.write_all(&bytes)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
