//! `orc-launch`: the small program that restricts itself and becomes the worker.
//!
//! The host spawns it with an empty environment, one end of a socket pair as standard input and pipes as output. It is process A, the
//! supervisor: reads one order, forks process C, and stays to kill and count whatever C leaves. C puts every protection in force and
//! becomes the program. Each step is fatal on error: nothing is executed under less than the plan demands.
//!
//! Here belong: the order of restriction (`child`), what each protection is (`confine`), the watch (`supervise`), the proof of death
//! (`children`), trying all of it (`probe`), and what needs `unsafe` (`sys`). Never: decisions about what a grant may hold (the host's
//! `launch`), async.
//!
//! Pitfalls: A must stay single-threaded, because C allocates after the fork and because `PR_SET_PDEATHSIG` follows the thread. A reaps
//! a process id only after its last signal to it, so no signal can reach a stranger. Nothing may be printed: 1 and 2 are the program's.

mod child;
mod children;
mod confine;
mod probe;
mod supervise;
#[allow(unsafe_code, reason = "the allocator, and system calls that neither std nor rustix offer safely; each states why it is sound")]
mod sys;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use orc_launch_helper::{Answer, MAX_STDIN, Order, Part, Setback, read};
use rustix::fs::{MemfdFlags, Mode};

use crate::supervise::send;

fn main() -> ExitCode {
    // First of all: whatever the host leaked is gone before anything could be made of it.
    let closed = sys::close_inherited();
    let Ok(mut control) = take_control() else { return ExitCode::from(70) };
    let done = closed.and_then(|()| settle()).and_then(|()| obey(&mut control));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let setback = Setback::Failed { part: Part::Helper, why: error.to_string() };
            // The host sees the end of the socket if this does not arrive either.
            let _ = send(&control, &Answer::Stopped { setback });
            ExitCode::from(70)
        }
    }
}

/// Moves the socket pair off standard input, so that it can never become the program's.
fn take_control() -> io::Result<UnixStream> {
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(UnixStream::from(control))
}

/// What the host's state must not decide: session, signals, file modes, whose child an orphan becomes.
fn settle() -> io::Result<()> {
    rustix::process::setsid()?;
    sys::default_signals();
    sys::block_only_child_signal()?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::thread::set_name(c"orc-launch")?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

fn obey(control: &mut UnixStream) -> io::Result<()> {
    match read::<Order>(control)? {
        Some(Order::Launch(launch)) => {
            let stdin = receive_stdin(control, launch.stdin_len)?;
            supervise::launch(control, &launch, stdin)
        }
        Some(Order::Probe) => probe::probe(control),
        Some(Order::Stop { .. }) | None => Ok(()),
    }
}

/// The program's input as a file that nobody else holds, opened for reading alone. It comes whole, so no relay can be blocked by either end.
fn receive_stdin(control: &mut UnixStream, length: u64) -> io::Result<File> {
    if length == 0 {
        return File::open("/dev/null");
    }
    if length > MAX_STDIN {
        return Err(io::Error::other(format!("{length} bytes of standard input; at most {MAX_STDIN} are taken")));
    }
    let mut memory = File::from(rustix::fs::memfd_create(c"stdin", MemfdFlags::CLOEXEC)?);
    if io::copy(&mut control.take(length), &mut memory)? != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory)))
}
