//! The client against other ends that lie, stop in the middle or say nothing: an error in bounded time, and the right advice.

#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use orc_client::{Client, Session, Socket, Timeouts, call};
use orc_domain::api::{Envelope, Freeze, FreezeScope, GetOverview, WhoAmI};
use orc_domain::wire::{Hello, PROTOCOL, Reply, line};
use orc_domain::{ErrorCode, OrcError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

const SHORT: Timeouts = Timeouts { greeting: Duration::from_secs(1), send: Duration::from_secs(1), answer: Duration::from_secs(1) };

fn hello(protocol: u32) -> Vec<u8> {
    line(&Reply::Hello(Hello { protocol, version: "9.9.9".to_owned(), request_bytes: 4096 })).expect("a line")
}

/// Listens; says `greeting` to each connection, then, once asked something, `then`, and holds the connection if `hold`.
fn other_end(greeting: Vec<u8>, then: Vec<u8>, hold: bool) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("orc.sock");
    let listener = UnixListener::bind(&path).expect("binds");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (greeting, then) = (greeting.clone(), then.clone());
            tokio::spawn(async move {
                let _ = stream.write_all(&greeting).await;
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&then).await;
                if hold {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            });
        }
    });
    (directory, path)
}

fn uid(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).expect("exists").uid()
}

async fn open(path: &Path) -> Result<Option<Socket>, OrcError> {
    Socket::open(path, uid(path.parent().expect("a directory")), SHORT).await
}

fn freeze() -> Freeze {
    Freeze { scope: FreezeScope::All, reason: "now".into() }
}

#[tokio::test]
async fn nobody_there_is_no_error_but_an_answer() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("orc.sock");
    assert!(open(&path).await.expect("no error").is_none(), "no socket");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(open(&path).await.expect("no error").is_none(), "a socket that a dead host left");
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_not_spoken_to() {
    let (_directory, path) = other_end(hello(PROTOCOL), Vec::new(), false);
    let error = Socket::open(&path, uid(&path) + 1, SHORT).await.expect_err("a stranger");
    assert_eq!(error.code, ErrorCode::HostUnreachable);
    assert!(error.causes[0].contains(&format!("run by uid {}", uid(&path))), "{:?}", error.causes);
}

#[tokio::test]
async fn greetings_that_cannot_be_used_are_errors_in_bounded_time() {
    let mut endless = vec![b'x'; 1024];
    endless.extend(b"\n");
    let cases = [
        ("silent", Vec::new(), "no sign of it"),
        ("nonsense", endless, "says what no host"),
        ("another protocol", hello(PROTOCOL + 1), "speaks protocol 2 (ORC 9.9.9)"),
        ("an answer", line(&Reply::Answer(serde_json::json!(1))).expect("a line"), "greets where it should answer"),
    ];
    for (name, greeting, cause) in cases {
        let (_directory, path) = other_end(greeting, Vec::new(), true);
        let error = open(&path).await.expect_err(name);
        assert_eq!(error.code, ErrorCode::HostUnreachable, "{name}");
        assert!(error.causes[0].contains(cause), "{name}: {:?}", error.causes);
        assert!(error.hint.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_refusal_in_place_of_the_greeting_arrives_as_it_is() {
    let refusal = OrcError::new(ErrorCode::NotPermitted, "launched processes cannot speak to it");
    let (_directory, path) = other_end(line(&Reply::Error(refusal.clone())).expect("a line"), Vec::new(), false);
    assert_eq!(open(&path).await.expect_err("refused"), refusal);
}

#[tokio::test]
async fn a_lost_answer_says_whether_something_may_have_been_done() {
    let cases: [(&str, &[u8], bool); 4] = [
        ("closed", b"", false),
        ("cut in the middle", b"{\"answer\":{\"free", false),
        ("silent", b"", true),
        ("nonsense", b"{\"answer\"\n", false),
    ];
    for (name, then, hold) in cases {
        let (_directory, path) = other_end(hello(PROTOCOL), then.to_vec(), hold);
        let client = open(&path).await.expect("usable").expect("listening");
        let write = call(&client, &Session::default(), Some("k".to_owned()), freeze()).await.expect_err(name);
        assert_eq!(write.code, ErrorCode::HostUnreachable, "{name}");
        assert!(write.message.contains("may have been done"), "{name}: {write}");
        assert!(write.hint.expect("a hint").contains("same idempotency key"), "{name}");
        let read = call(&client, &Session::default(), None, GetOverview {}).await.expect_err(name);
        assert_eq!(read.code, ErrorCode::HostUnreachable, "{name}");
        assert!(!read.message.contains("may have been done"), "{name}: {read}");
    }
}

#[tokio::test]
async fn a_host_that_died_since_says_that_nothing_was_sent() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("orc.sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let (opened, ()) = tokio::join!(open(&path), async {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        stream.write_all(&hello(PROTOCOL)).await.expect("greets");
    });
    let client = opened.expect("usable").expect("listening");
    drop(listener);
    let error = call(&client, &Session::default(), Some("k".to_owned()), freeze()).await.expect_err("nobody there");
    assert_eq!(error.code, ErrorCode::HostUnreachable);
    assert!(error.hint.expect("a hint").contains("nothing was sent"));
}

#[tokio::test]
async fn an_answer_of_another_form_is_an_error_that_names_the_intent() {
    let (_directory, path) = other_end(hello(PROTOCOL), b"{\"answer\":{\"actor\":1}}\n".to_vec(), false);
    let client = open(&path).await.expect("usable").expect("listening");
    let error = call(&client, &Session::default(), None, WhoAmI {}).await.expect_err("another form");
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(error.message.contains("`whoami`"), "{error}");
}

#[tokio::test]
async fn a_request_beyond_the_hosts_bound_is_not_sent() {
    let (_directory, path) = other_end(hello(PROTOCOL), b"{\"answer\":1}\n".to_vec(), false);
    let client = open(&path).await.expect("usable").expect("listening");
    let envelope = Envelope { intent: "plan".to_owned(), user: None, idempotency_key: None, request: "x".repeat(5000).into() };
    assert_eq!(client.call(envelope).await.expect_err("too long").code, ErrorCode::InvalidRequest);
}
