//! The host over its Unix socket: one connection a call, every wait bounded, the other end's owner checked before anything is said.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use orc_domain::api::{Envelope, INTENTS};
use orc_domain::wire::{ANSWER_BYTES, Call, Hello, PROTOCOL, Reply, line};
use orc_domain::{ErrorCode, OrcError};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::Client;

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands and the host greeted.
    pub greeting: Duration,
    /// Until the request is taken.
    pub send: Duration,
    /// Until the answer is here.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { greeting: Duration::from_secs(5), send: Duration::from_secs(30), answer: Duration::from_secs(120) }
    }
}

/// A host that listened on its socket when this was opened.
#[derive(Debug, Clone)]
pub struct Socket {
    path: PathBuf,
    owner: u32,
    hello: Hello,
    timeouts: Timeouts,
}

/// Why a conversation broke.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("nobody listens")]
    NobodyListens,
    #[error("it is run by uid {found}, and the state belongs to uid {expected}")]
    Stranger { expected: u32, found: u32 },
    #[error("it closed the connection")]
    Closed,
    #[error("no sign of it for {0:?}")]
    Silent(Duration),
    #[error("it said more than {ANSWER_BYTES} bytes at once")]
    TooLong,
    #[error("it says what no host of this version says")]
    Nonsense(#[source] serde_json::Error),
    #[error("it greets where it should answer, or the other way round")]
    OutOfTurn,
    #[error("it speaks protocol {theirs} (ORC {version}), this client protocol {PROTOCOL}")]
    Protocol { theirs: u32, version: String },
    #[error("the connection failed")]
    Io(#[source] io::Error),
    #[error("it refused the connection")]
    Refused(OrcError),
}

impl Socket {
    /// Greets the host that listens on `path`; `None` where nobody does. `owner` is the unix user id that owns the state: a socket of
    /// anybody else is never spoken to.
    ///
    /// # Errors
    /// `host-unreachable` where somebody listens who is not the owner, does not greet in time or speaks another protocol.
    pub async fn open(path: impl Into<PathBuf>, owner: u32, timeouts: Timeouts) -> Result<Option<Self>, OrcError> {
        let path = path.into();
        match Conversation::begin(&path, owner, timeouts.greeting).await {
            Ok((_, hello)) => Ok(Some(Self { path, owner, hello, timeouts })),
            Err(Broken::NobodyListens) => Ok(None),
            Err(broken) => Err(unreachable_host(&path, broken)),
        }
    }

    /// What the host said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn converse(&self, intent: &str, writes: bool, request: &[u8]) -> Result<Value, OrcError> {
        let (mut talk, hello) = Conversation::begin(&self.path, self.owner, self.timeouts.greeting)
            .await
            .map_err(|broken| unreachable_host(&self.path, broken).hint("nothing was sent: the same command can be tried again"))?;
        if request.len() as u64 > hello.request_bytes {
            let message = format!("the request is {} bytes long and the host takes {}", request.len(), hello.request_bytes);
            return Err(OrcError::new(ErrorCode::InvalidRequest, message).hint("shorten it, or raise `limits.request_bytes` in orc.yaml"));
        }
        talk.send(request, self.timeouts.send).await.map_err(|broken| lost(&self.path, intent, writes, broken))?;
        match talk.reply(self.timeouts.answer).await.map_err(|broken| lost(&self.path, intent, writes, broken))? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Error(error) => Err(error),
            Reply::Hello(_) => Err(lost(&self.path, intent, writes, Broken::OutOfTurn)),
        }
    }
}

#[async_trait]
impl Client for Socket {
    async fn call(&self, envelope: Envelope) -> Result<Value, OrcError> {
        let intent = envelope.intent.clone();
        let writes = INTENTS.iter().any(|(name, writes)| *name == intent && *writes);
        let request = line(&Call { protocol: PROTOCOL, envelope })
            .map_err(|error| OrcError::from_source(ErrorCode::Internal, format!("`{intent}` has no JSON form"), &error))?;
        self.converse(&intent, writes, &request).await
    }

    fn host_outlives_caller(&self) -> bool {
        true
    }
}

struct Conversation {
    stream: BufReader<UnixStream>,
}

impl Conversation {
    /// Connects, checks who listens and takes the greeting. The kernel says whose the socket is: no file can be swapped in between.
    async fn begin(path: &Path, owner: u32, patience: Duration) -> Result<(Self, Hello), Broken> {
        let connected = timeout(patience, UnixStream::connect(path)).await.map_err(|_| Broken::Silent(patience))?;
        let stream = connected.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Broken::NobodyListens,
            _ => Broken::Io(error),
        })?;
        let found = stream.peer_cred().map_err(Broken::Io)?.uid();
        if found != owner {
            return Err(Broken::Stranger { expected: owner, found });
        }
        let mut talk = Self { stream: BufReader::new(stream) };
        match talk.reply(patience).await? {
            Reply::Hello(hello) if hello.protocol == PROTOCOL => Ok((talk, hello)),
            Reply::Hello(hello) => Err(Broken::Protocol { theirs: hello.protocol, version: hello.version }),
            Reply::Error(error) => Err(Broken::Refused(error)),
            Reply::Answer(_) => Err(Broken::OutOfTurn),
        }
    }

    async fn send(&mut self, request: &[u8], patience: Duration) -> Result<(), Broken> {
        let sent = timeout(patience, self.stream.get_mut().write_all(request)).await;
        sent.map_err(|_| Broken::Silent(patience))?.map_err(Broken::Io)
    }

    async fn reply(&mut self, patience: Duration) -> Result<Reply, Broken> {
        let mut bytes = Vec::new();
        let mut bounded = (&mut self.stream).take(ANSWER_BYTES);
        let read = timeout(patience, bounded.read_until(b'\n', &mut bytes)).await;
        read.map_err(|_| Broken::Silent(patience))?.map_err(Broken::Io)?;
        match bytes.last() {
            Some(b'\n') => serde_json::from_slice(&bytes).map_err(Broken::Nonsense),
            _ if bytes.len() as u64 == ANSWER_BYTES => Err(Broken::TooLong),
            _ => Err(Broken::Closed),
        }
    }
}

/// No conversation came about, so nothing was asked.
fn unreachable_host(path: &Path, broken: Broken) -> OrcError {
    if let Broken::Refused(error) = broken {
        return error;
    }
    let message = format!("the host at `{}` cannot be used", path.display());
    let error = OrcError::from_source(ErrorCode::HostUnreachable, message, &broken);
    match broken {
        Broken::Stranger { .. } => error.hint("do not use this `--db`: somebody else placed a socket beside it"),
        Broken::Protocol { .. } => error.hint("use an `orcctl` of the host's version, or restart the host with this one"),
        Broken::NobodyListens => error.hint("start it again with `orcctl serve`"),
        _ => error.hint("look at the host's log; `orcctl doctor` says which process owns the database"),
    }
}

/// The host went away between request and answer.
fn lost(path: &Path, intent: &str, writes: bool, broken: Broken) -> OrcError {
    let done = if writes { "; it may have been done" } else { "" };
    let message = format!("no answer to `{intent}` from the host at `{}`{done}", path.display());
    let error = OrcError::from_source(ErrorCode::HostUnreachable, message, &broken);
    if writes {
        error.hint("ask again with the same idempotency key: what was done is not done twice")
    } else {
        error.hint("ask again; it changes nothing")
    }
}
