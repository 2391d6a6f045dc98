//! What is left where a supervisor was lost.
//!
//! This process is a sub-reaper too: when a helper is killed, the processes that it watched become this process's children. They are told
//! from its other children by what no process of a launch can shed: a session that is not this process's, and no-new-privs. Helpers have a
//! session of their own as well, and are known by their pidfd.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, waitpid};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long the kernel may take to let go of what was killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks that find nobody after the first that does.
const CLEAN_LOOKS: u32 = 2;

/// A helper of this process, alive or not yet reaped.
#[derive(Debug)]
struct Known {
    pid: Pid,
    pidfd: Arc<OwnedFd>,
}

/// Of all launchers of this process, because so are its children. Locked while a helper is started and while strays are killed.
static HELPERS: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// Starts a helper: its process, its number, and a handle on it that never means another process.
pub(crate) fn start_helper(command: &mut Command) -> io::Result<(Child, Pid, Arc<OwnedFd>)> {
    let mut helpers = helpers();
    rustix::process::set_child_subreaper(Some(getpid()))?;
    let child = command.spawn()?;
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or_else(|| io::Error::other("it has no process id"))?;
    // Not waited for yet, so the number is still its own.
    let pidfd = Arc::new(rustix::process::pidfd_open(pid, PidfdFlags::empty())?);
    helpers.push(Known { pid, pidfd: pidfd.clone() });
    Ok((child, pid, pidfd))
}

/// Kills the strays of all lost supervisors until there are none. Call it when the supervisor is reaped.
///
/// No proof of death for the report: it rests on this process's limits, which a process of the same user can lower.
pub(crate) async fn kill_strays() {
    let until = Instant::now() + PATIENCE;
    let mut clean = 0;
    loop {
        match kill_round() {
            // A list of children that is read while one of them ends may lack another (proc(5)); so one clean look is none.
            Ok(false) if clean == CLEAN_LOOKS => return,
            Ok(false) => clean += 1,
            Ok(true) if Instant::now() < until => {
                clean = 0;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(true) => return tracing::error!("processes of a launch that lost its supervisor do not die"),
            Err(error) => return tracing::error!(%error, "processes of a launch that lost its supervisor cannot be looked for"),
        }
    }
}

/// Kills every stray of now and reaps what can be. Whether there was one: its own children show up in the next round.
fn kill_round() -> io::Result<bool> {
    let helpers = helpers();
    let mut found = false;
    for child in children()? {
        if helpers.iter().any(|helper| helper.pid == child) || !is_stray(child) {
            continue;
        }
        found = true;
        tracing::warn!(pid = child.as_raw_nonzero(), "killing what a launch that lost its supervisor left");
        let _ = kill_process(child, Signal::KILL);
        let _ = waitpid(Some(child), WaitOptions::NOHANG);
    }
    Ok(found)
}

/// The helpers that still have their number.
fn helpers() -> MutexGuard<'static, Vec<Known>> {
    let mut helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    helpers.retain(|helper| !matches!(rustix::process::waitid(WaitId::PidFd(helper.pidfd.as_fd()), look), Err(Errno::CHILD)));
    helpers
}

/// In doubt it is one: nobody else's process has a session of its own and this process as parent.
fn is_stray(child: Pid) -> bool {
    let child = child.as_raw_nonzero().to_string();
    let ours = session_of("self").is_some_and(|session| session_of(&child) == Some(session));
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
    !ours && !status.contains("\nNoNewPrivs:\t0\n")
}

/// The session in proc(5)'s `stat`. It is 0 where the session's leader lives outside this process's pid namespace, as in a container that
/// was entered, which getsid(2) cannot say without breaking its word.
fn session_of(process: &str) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may hold anything: state, parent, process group, session.
    stat.rsplit_once(") ")?.1.split(' ').nth(3)?.parse().ok()
}

/// The children of all threads of this process: an orphan is given to any of them.
fn children() -> io::Result<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        match std::fs::read_to_string(thread?.path().join("children")) {
            Ok(list) => children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw))),
            // The thread ended, and what it had is another's.
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(children)
}
