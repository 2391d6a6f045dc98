//! The process at the other end, held by a descriptor: a number alone is another process's once the first one is dead.

use std::fs;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use orc_domain::{ErrorCode, OrcError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The process that connected, whoever holds the connection now.
#[derive(Debug)]
pub(crate) struct Process {
    pidfd: OwnedFd,
    pid: u32,
}

impl Process {
    /// The process that connected `stream`, as this process's `/proc` numbers it.
    ///
    /// # Errors
    ///
    /// The kernel cannot hold a peer's process (before Linux 6.5), or the process is dead or in another process namespace.
    pub(crate) fn behind(stream: &impl AsFd) -> Result<Self, OrcError> {
        let pidfd = getsockopt(stream, PeerPidfd).map_err(no_pidfd)?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok();
        match info.as_deref().and_then(pid_in) {
            Some(pid @ 1..) => Ok(Self { pidfd, pid: pid.unsigned_abs() }),
            Some(..=-1) => Err(ended()),
            Some(0) | None => Err(refused("the peer's process cannot be seen from the host's process namespace")),
        }
    }

    /// Its number in `/proc`, for as long as it lives.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Proves that it lives. Whatever was read under its number before was then read of this process.
    ///
    /// # Errors
    ///
    /// It is dead, or nobody can tell.
    pub(crate) fn lives(&self) -> Result<(), OrcError> {
        let mut ended_already = [PollFd::new(&self.pidfd, PollFlags::IN)];
        match poll(&mut ended_already, Some(&Timespec::default())) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ended()),
            Err(error) => {
                Err(OrcError::from_source(ErrorCode::NotPermitted, "the kernel does not say whether the peer's process lives", &error))
            }
        }
    }
}

/// Whether this kernel lets a host hold the processes that connect to it. Without that, a host turns every peer away.
///
/// # Errors
///
/// It cannot; the hint says what it takes.
pub fn peers_can_be_held() -> Result<(), OrcError> {
    let (own, _other) = std::os::unix::net::UnixStream::pair()
        .map_err(|error| OrcError::from_source(ErrorCode::NotPermitted, "no pair of sockets can be made to try it with", &error))?;
    Process::behind(&own)?.lives()
}

fn no_pidfd(error: Errno) -> OrcError {
    match error {
        Errno::ESRCH | Errno::EINVAL => ended(),
        Errno::ENOPROTOOPT => refused("this kernel does not say for certain which process a peer is")
            .hint("run ORC on Linux 6.5 or later; until then stop the host, and `orcctl` works on the database by itself"),
        error => OrcError::from_source(ErrorCode::NotPermitted, "the peer's process cannot be held", &error),
    }
}

fn pid_in(info: &str) -> Option<i32> {
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

fn ended() -> OrcError {
    refused("the process that connected has ended").hint("speak to the host from a process that waits for the answer")
}

fn refused(message: &str) -> OrcError {
    OrcError::new(ErrorCode::NotPermitted, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_held_process_is_read() {
        for (line, pid) in [("Pid:\t12", Some(12)), ("Pid:\t-1", Some(-1)), ("Pid:\t0", Some(0)), ("Pid:\tx", None), ("NSpid:\t3", None)] {
            assert_eq!(pid_in(&format!("pos:\t0\n{line}\nNSpid:\t7\n")), pid, "{line}");
        }
    }

    #[test]
    fn a_kernel_without_it_and_a_dead_process_are_told_apart() {
        let hints = [Errno::ENOPROTOOPT, Errno::ESRCH, Errno::EMFILE].map(|error| no_pidfd(error).hint.unwrap_or_default());
        assert!(hints[0].contains("Linux 6.5") && hints[1].contains("waits") && hints[2].is_empty(), "{hints:?}");
    }

    #[test]
    fn this_process_is_held() {
        let (own, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let process = Process::behind(&own).expect("held");
        assert_eq!((process.pid(), process.lives()), (std::process::id(), Ok(())));
    }
}
