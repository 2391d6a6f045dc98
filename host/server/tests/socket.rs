//! The server through its socket: what peers get, and what they cannot do to one another.

#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orc_client::{Client, Socket, Timeouts};
use orc_domain::api::Envelope;
use orc_domain::wire::{PROTOCOL, Reply};
use orc_domain::{ErrorCode, OrcError};
use orc_engine::Peer;
use orc_server::{Access, BindError, Limits, Server};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Who was turned away, and why.
type Away = Arc<Mutex<Vec<(Option<u32>, OrcError)>>>;

/// A server that answers `echo` with what it was told and by whom, `refuse` with an error, `slow` after 300 ms and `break` not at all.
struct Host {
    path: PathBuf,
    slow: Arc<Slow>,
    /// Peers that may not ask anything.
    away: Away,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    _directory: TempDir,
}

/// How many `slow` calls began, and how many of them came to their end.
#[derive(Debug, Default)]
struct Slow {
    begun: AtomicU32,
    done: AtomicU32,
}

impl Host {
    fn start(limits: Limits) -> Self {
        Self::start_after(limits, |_| {})
    }

    /// A server whose first `accept` comes after `early` met its socket.
    fn start_after(limits: Limits, early: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("state/orc.sock");
        let server = Server::bind(&path, Access::Owner, limits).expect("binds");
        early(&path);
        let shutdown = CancellationToken::new();
        let slow = Arc::new(Slow::default());
        let counter = Arc::clone(&slow);
        let handler = move |peer: Peer, envelope: Envelope| answer(peer, envelope, Arc::clone(&counter));
        let away = Away::default();
        let told = Arc::clone(&away);
        let turned_away = move |uid: Option<u32>, error: OrcError| {
            told.lock().expect("a lock").push((uid, error));
            async {}
        };
        let running = tokio::spawn(server.serve_with(handler, turned_away, shutdown.clone()));
        Self { path, slow, away, shutdown, running, _directory: directory }
    }

    async fn client(&self) -> Socket {
        Socket::open(&self.path, uid(), Timeouts::default()).await.expect("usable").expect("listening")
    }

    /// A connection of its own, past the greeting.
    async fn raw(&self) -> BufReader<UnixStream> {
        let mut stream = BufReader::new(UnixStream::connect(&self.path).await.expect("connects"));
        assert!(matches!(reply(&mut stream).await, Some(Reply::Hello(hello)) if hello.protocol == PROTOCOL));
        stream
    }
}

async fn answer(peer: Peer, envelope: Envelope, slow: Arc<Slow>) -> Result<Value, OrcError> {
    match envelope.intent.as_str() {
        "echo" => Ok(json!({"uid": peer.uid, "owns_state": peer.owns_state, "pid": peer.pid, "request": envelope.request})),
        "slow" => {
            slow.begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            slow.done.fetch_add(1, Ordering::SeqCst);
            Ok(json!("done"))
        }
        "break" => panic!("the handler of this call breaks"),
        _ => Err(OrcError::new(ErrorCode::PolicyDenied, "denied").hint("ask somebody")),
    }
}

/// Waits until `count` is one.
async fn once(count: &AtomicU32) {
    for _ in 0..500 {
        if count.load(Ordering::SeqCst) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not one but {count:?}");
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn envelope(intent: &str, request: Value) -> Envelope {
    Envelope { intent: intent.to_owned(), user: None, idempotency_key: None, request }
}

async fn reply(stream: &mut BufReader<UnixStream>) -> Option<Reply> {
    let mut line = String::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_line(&mut line)).await.expect("in time").expect("reads");
    (read > 0).then(|| serde_json::from_str(&line).expect("a reply"))
}

async fn error_of(stream: &mut BufReader<UnixStream>) -> OrcError {
    match reply(stream).await {
        Some(Reply::Error(error)) => error,
        other => panic!("no error: {other:?}"),
    }
}

fn echo_line() -> String {
    format!("{{\"protocol\":{PROTOCOL},\"envelope\":{{\"intent\":\"echo\",\"request\":{{}}}}}}\n")
}

#[tokio::test]
async fn the_kernel_says_who_asks_and_errors_arrive_whole() {
    let host = Host::start(Limits::default());
    let client = host.client().await;
    let answer = client.call(envelope("echo", json!({"uid": 4711}))).await.expect("an answer");
    assert_eq!(answer, json!({"uid": uid(), "owns_state": true, "pid": std::process::id(), "request": {"uid": 4711}}));
    let error = client.call(envelope("refuse", json!({}))).await.expect_err("refused");
    assert_eq!(error, OrcError::new(ErrorCode::PolicyDenied, "denied").hint("ask somebody"));
}

#[tokio::test]
async fn lines_that_are_no_call_get_a_typed_error_and_the_next_line_is_heard() {
    let host = Host::start(Limits::default());
    let mut stream = host.raw().await;
    let nonsense: [&[u8]; 6] = [b"\n", b"{}\n", b"\xff\xfe\n", b"[[[[\n", b"{\"protocol\":1,\"envelope\":{},\"more\":1}\n", b"null\n"];
    for line in nonsense {
        stream.get_mut().write_all(line).await.expect("writes");
        assert_eq!(error_of(&mut stream).await.code, ErrorCode::InvalidRequest, "{line:?}");
    }
    stream.get_mut().write_all(echo_line().as_bytes()).await.expect("writes");
    assert!(matches!(reply(&mut stream).await, Some(Reply::Answer(_))));
}

#[tokio::test]
async fn another_protocol_is_refused_with_both_named() {
    let host = Host::start(Limits::default());
    let mut stream = host.raw().await;
    stream.get_mut().write_all(b"{\"protocol\":99,\"envelope\":{\"intent\":\"echo\",\"request\":{}}}\n").await.expect("writes");
    let error = error_of(&mut stream).await;
    assert!(error.message.contains("99") && error.message.contains(&PROTOCOL.to_string()), "{error}");
    assert!(reply(&mut stream).await.is_none(), "the connection ends");
}

#[tokio::test]
async fn a_long_request_is_refused_by_both_sides_and_read_by_none() {
    let host = Host::start(Limits { request_bytes: 1000, ..Limits::default() });
    let error = host.client().await.call(envelope("echo", json!("x".repeat(2000)))).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    let mut stream = host.raw().await;
    stream.get_mut().write_all("x".repeat(1000).as_bytes()).await.expect("writes");
    assert_eq!(error_of(&mut stream).await.code, ErrorCode::InvalidRequest);
    assert!(reply(&mut stream).await.is_none(), "the connection ends");
}

#[tokio::test]
async fn a_slow_client_keeps_only_itself_waiting() {
    let host = Host::start(Limits { transfer: Duration::from_millis(200), ..Limits::default() });
    let mut slow = host.raw().await;
    slow.get_mut().write_all(b"{\"protocol\":").await.expect("writes");
    host.client().await.call(envelope("echo", json!({}))).await.expect("others are served");
    let error = error_of(&mut slow).await;
    assert_eq!(error.code, ErrorCode::InvalidRequest, "the half line is given up");
}

#[tokio::test]
async fn connections_are_bounded_and_places_come_back() {
    let host = Host::start(Limits { connections_per_user: 2, ..Limits::default() });
    let first = host.raw().await;
    let second = host.raw().await;
    let error = Socket::open(&host.path, uid(), Timeouts::default()).await.expect_err("no place");
    assert_eq!(error.code, ErrorCode::HostUnreachable);
    drop((first, second));
    for _ in 0..500 {
        if Socket::open(&host.path, uid(), Timeouts::default()).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("places do not come back");
}

#[tokio::test]
async fn a_call_that_breaks_takes_nothing_else_down() {
    let host = Host::start(Limits::default());
    let error = host.client().await.call(envelope("break", json!({}))).await.expect_err("no answer");
    assert_eq!(error.code, ErrorCode::HostUnreachable);
    host.client().await.call(envelope("echo", json!({}))).await.expect("the server lives");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_cancel_what_it_asked_for() {
    let host = Host::start(Limits::default());
    let mut stream = host.raw().await;
    stream.get_mut().write_all(echo_line().replace("echo", "slow").as_bytes()).await.expect("writes");
    drop(stream);
    once(&host.slow.done).await;
}

#[tokio::test]
async fn shutdown_answers_calls_under_way_and_removes_the_socket() {
    let host = Host::start(Limits::default());
    let client = host.client().await;
    let idle = host.raw().await;
    let under_way = tokio::spawn(async move { client.call(envelope("slow", json!({}))).await });
    once(&host.slow.begun).await;
    host.shutdown.cancel();
    host.running.await.expect("ends");
    assert_eq!(under_way.await.expect("joins").expect("an answer"), json!("done"));
    assert!(!host.path.exists(), "the socket is gone");
    assert!(Socket::open(&host.path, uid(), Timeouts::default()).await.expect("no error").is_none(), "nobody listens");
    drop(idle);
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_the_shutdown_up() {
    let host = Host::start(Limits { drain: Duration::from_millis(50), ..Limits::default() });
    let client = host.client().await;
    let under_way = tokio::spawn(async move { client.call(envelope("slow", json!({}))).await });
    once(&host.slow.begun).await;
    host.shutdown.cancel();
    host.running.await.expect("ends");
    let error = under_way.await.expect("joins").expect_err("no answer");
    assert_eq!(error.code, ErrorCode::HostUnreachable);
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("exists").permissions().mode() & 0o777
}

#[tokio::test]
async fn modes_let_through_whom_the_access_names() {
    for (access, directory_mode, socket_mode) in [(Access::Owner, 0o700, 0o600), (Access::Everyone, 0o711, 0o666)] {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("run/orc.sock");
        let _server = Server::bind(&path, access, Limits::default()).expect("binds");
        assert_eq!((mode(&directory.path().join("run")), mode(&path)), (directory_mode, socket_mode), "{access:?}");
    }
}

#[tokio::test]
async fn a_dead_hosts_socket_is_replaced_and_nothing_else_is() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("orc.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket that nobody listens on any more"));
    drop(Server::bind(&path, Access::Owner, Limits::default()).expect("replaces it"));
    assert!(!path.exists(), "its own socket goes with it");
    std::fs::write(&path, "precious").expect("writes");
    assert!(matches!(Server::bind(&path, Access::Owner, Limits::default()), Err(BindError::Occupied { .. })));
    std::fs::remove_file(&path).expect("removes");
    std::os::unix::fs::symlink("elsewhere", &path).expect("links");
    assert!(matches!(Server::bind(&path, Access::Owner, Limits::default()), Err(BindError::Occupied { .. })));
}

#[tokio::test]
async fn a_later_hosts_socket_is_left_alone() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("orc.sock");
    let old = Server::bind(&path, Access::Owner, Limits::default()).expect("binds");
    let new = Server::bind(&path, Access::Owner, Limits::default()).expect("replaces it");
    drop(old);
    assert!(path.exists(), "the new host's socket stays");
    drop(new);
}

#[tokio::test]
async fn directories_that_others_can_change_are_refused() {
    let directory = TempDir::new().expect("a directory");
    for (name, mode) in [("shared", 0o777), ("grouped", 0o770)] {
        let inside = directory.path().join(name);
        std::fs::create_dir(&inside).expect("makes");
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(mode)).expect("sets");
        let refused = Server::bind(&inside.join("orc.sock"), Access::Owner, Limits::default());
        assert!(matches!(refused, Err(BindError::UnsafeDirectory { .. })), "{name}");
    }
    std::fs::create_dir(directory.path().join("real")).expect("makes");
    std::os::unix::fs::symlink("real", directory.path().join("link")).expect("links");
    let refused = Server::bind(&directory.path().join("link/orc.sock"), Access::Owner, Limits::default());
    assert!(matches!(refused, Err(BindError::UnsafeDirectory { .. })), "a link");
    let long = directory.path().join("x".repeat(120));
    assert!(matches!(Server::bind(&long, Access::Owner, Limits::default()), Err(BindError::PathTooLong { .. })));
}

/// Where a connector is told the socket that it shall connect to.
const CONNECT_TO: &str = "ORC_TEST_CONNECT_TO";

/// The process of `connect_and_die`: it hands its connection over on standard input, and ends.
#[test]
#[ignore = "the child of another test"]
#[allow(clippy::disallowed_methods, reason = "the environment is how a test tells its child something")]
fn connector() {
    let Ok(path) = std::env::var(CONNECT_TO) else { return };
    let stream = std::os::unix::net::UnixStream::connect(path).expect("connects");
    let handed = [stream.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    assert!(message.push(SendAncillaryMessage::ScmRights(&handed)));
    sendmsg(std::io::stdin(), &[IoSlice::new(b"x")], &mut message, SendFlags::empty()).expect("hands it over");
}

/// A connection to `path` whose process is dead and buried, with that process's number.
#[allow(clippy::disallowed_methods, reason = "a test needs a process that connects")]
fn connect_and_die(path: &Path) -> (std::os::unix::net::UnixStream, u32) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "connector", "--ignored"])
        .env(CONNECT_TO, path)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&ours, &mut [IoSliceMut::new(&mut [0])], &mut message, RecvFlags::empty()).expect("receives");
    let handed = message.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut handed) => handed.next(),
        _ => None,
    });
    let pid = child.id();
    assert!(child.wait().expect("ends").success());
    (handed.expect("a connection").into(), pid)
}

/// A process of its own, no descendant of this one, under the number `pid`. Only root can have that.
#[allow(clippy::disallowed_methods, reason = "a test needs a process that has nothing to do with it")]
fn reuse(pid: u32) -> bool {
    // The numbers just before it may be in use: the shell takes the first that is free, and what it starts those that follow.
    let several = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 5 >/dev/null 2>&1 & echo $!; done";
    if std::fs::write("/proc/sys/kernel/ns_last_pid", pid.saturating_sub(10).to_string()).is_err() {
        return false;
    }
    let started = Command::new("sh").args(["-c", several]).output().expect("starts");
    String::from_utf8_lossy(&started.stdout).lines().any(|line| line == pid.to_string())
}

#[tokio::test]
async fn a_peer_that_died_before_it_was_accepted_is_refused_whoever_has_its_number_now() {
    for take_the_number in [true, false] {
        let mut left = None;
        let host = Host::start_after(Limits::default(), |path| left = Some(connect_and_die(path)));
        let (stream, pid) = left.expect("connected");
        let taken = take_the_number && reuse(pid);
        stream.set_nonblocking(true).expect("sets");
        let mut stream = BufReader::new(UnixStream::from_std(stream).expect("a stream"));
        let error = error_of(&mut stream).await;
        assert_eq!(error.code, ErrorCode::NotPermitted);
        assert!(error.message.contains("has ended"), "number taken: {taken}: {error}");
        assert_eq!(*host.away.lock().expect("a lock"), [(Some(uid()), error)], "and whoever keeps the audit is told");
        assert!(reply(&mut stream).await.is_none(), "the connection ends");
    }
}
