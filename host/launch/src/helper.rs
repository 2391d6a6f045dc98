//! The helper as a file that is pinned at start, and as a process with a socket.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use orc_domain::canonical::Digest;
use orc_domain::ports::LaunchError;
use orc_launch_helper::{Answer, Order, decode, encode};
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::program::{Stamp, digest_of};
use crate::strays::start_helper;

/// What the helper calls itself, and the process that becomes the program until it is the program.
const ARG0: &str = "orc-launch";

/// How long a helper that lost its host may take to kill and to be gone: a little more than the patience it has itself.
const PARTING: Duration = Duration::from_secs(12);

/// How long the kernel may take to let go of a killed helper.
const REAPING: Duration = Duration::from_secs(2);

/// Finds `orc-launch` beside an executable, or one directory up: `target/debug/deps/some_test` finds `target/debug/orc-launch`.
pub fn find_helper(beside: &Path) -> Option<PathBuf> {
    beside.ancestors().skip(1).take(2).map(|directory| directory.join("orc-launch")).find(|candidate| candidate.is_file())
}

/// Whether this process id is a helper's now. A number that was given to somebody else meanwhile is not.
pub(crate) fn is_helper(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| arguments.strip_suffix(b"\0") == Some(ARG0.as_bytes()))
}

pub(crate) fn helper_error(why: impl Into<String>) -> LaunchError {
    LaunchError::Helper { why: why.into() }
}

/// The helper's file, opened once: what was hashed is what is started, whatever its path names later.
#[derive(Debug)]
pub(crate) struct Helper {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    pub(crate) digest: Digest,
}

impl Helper {
    pub(crate) fn open(path: &Path) -> Result<Self, LaunchError> {
        let broken = |why: String| helper_error(format!("`{}` {why}", path.display()));
        let file =
            File::open(path).map_err(|error| broken(format!("cannot be opened: {error}; build or install it beside this program")))?;
        let metadata = file.metadata().map_err(|error| broken(format!("cannot be looked at: {error}")))?;
        if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
            return Err(broken("is no executable file".to_owned()));
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(broken("can be changed by everybody: take that permission away (`chmod o-w`)".to_owned()));
        }
        let digest = digest_of(&file).map_err(|error| broken(format!("cannot be read: {error}")))?;
        Ok(Self { path: path.to_owned(), stamp: Stamp::of(&metadata), file, digest })
    }

    /// Starts it. Its environment is empty, its directory `/`, its standard input the socket.
    pub(crate) fn spawn(&self) -> Result<Session, LaunchError> {
        let unchanged = self.file.metadata().is_ok_and(|now| Stamp::of(&now).same_content(&self.stamp));
        if !unchanged {
            return Err(helper_error(format!("`{}` was changed since this program started: restart it", self.path.display())));
        }
        self.start().map_err(|error| helper_error(format!("`{}` cannot be started: {error}", self.path.display())))
    }

    fn start(&self) -> io::Result<Session> {
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        #[expect(clippy::disallowed_methods, reason = "this room is the one door to other processes")]
        let mut command = Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        command.arg0(ARG0).env_clear().current_dir("/").stdin(Stdio::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, pid, pidfd) = start_helper(&mut command)?;
        // The command holds our copy of the helper's end: while it lives, the helper's death would go unnoticed.
        drop(command);
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("it has no output"));
        };
        let socket = std::os::unix::net::UnixStream::from(ours);
        socket.set_nonblocking(true)?;
        let control = UnixStream::from_std(socket)?;
        Ok(Session {
            pid: pid.as_raw_nonzero().get().cast_unsigned(),
            child,
            pidfd,
            control,
            heard: Vec::new(),
            output: Some((stdout, stderr)),
        })
    }
}

/// A running helper. Dropping it closes the lifeline.
pub(crate) struct Session {
    pub(crate) pid: u32,
    child: Child,
    pidfd: Arc<OwnedFd>,
    control: UnixStream,
    heard: Vec<u8>,
    output: Option<(ChildStdout, ChildStderr)>,
}

impl Session {
    /// Both streams of output; once.
    pub(crate) fn take_output(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        self.output.take()
    }

    pub(crate) async fn order(&mut self, order: &Order) -> io::Result<()> {
        self.control.write_all(&encode(order)?).await
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.control.write_all(bytes).await
    }

    /// The next answer; `None` when the helper is gone. Loses nothing when it is dropped halfway.
    pub(crate) async fn answer(&mut self) -> io::Result<Option<Answer>> {
        loop {
            if let Some(answer) = decode(&mut self.heard)? {
                return Ok(Some(answer));
            }
            if self.control.read_buf(&mut self.heard).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Kills the helper where it stands. Its children lose their supervisor: nothing is proved any more.
    pub(crate) fn kill(&self) {
        if let Err(error) = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL) {
            tracing::warn!(pid = self.pid, %error, "a launch helper that did not answer could not be killed");
        }
    }

    /// Ends the talk and waits for the helper to be gone, which kills what it supervises first. Kills it when it takes too long. Whether it
    /// left by itself.
    pub(crate) async fn part(mut self) -> bool {
        // Its own patience starts here if it was still waiting: killed before that is over, it would leave what it is there to kill.
        let _ = self.control.shutdown().await;
        if timeout(PARTING, self.child.wait()).await.is_ok() {
            return true;
        }
        self.kill();
        let _ = timeout(REAPING, self.child.wait()).await;
        false
    }
}
