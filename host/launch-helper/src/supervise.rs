//! Process A: watches process C, obeys the host, and proves that nothing is left.
//!
//! Orphans of the launch become A's children, because A is their sub-reaper. A kills its children until the kernel says that it has none:
//! then no process of the launch exists, whatever it forked, and however it called itself.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use orc_launch_helper::{Answer, End, Exit, Launch, Order, Part, Protection, Setback, decode, encode, read};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, kill_process_group};

use crate::child::{become_program, failed};
use crate::confine::Ledger;
use crate::sys::{self, Fork};

/// How long the kernel may take to let go of a killed process before its death counts as unproved.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Sends one answer to the host.
pub(crate) fn send(control: &UnixStream, answer: &Answer) -> io::Result<()> {
    let frame = encode(answer)?;
    let mut rest = frame.as_slice();
    while !rest.is_empty() {
        let sent = rustix::net::send(control, rest, SendFlags::NOSIGNAL)?;
        rest = &rest[sent..];
    }
    Ok(())
}

/// Forks process C and stays with it to the end.
pub(crate) fn launch(control: &mut UnixStream, launch: &Launch, stdin: &File) -> io::Result<()> {
    let mut ledger = Ledger::new(&launch.must);
    if let Err(setback) = book_process_tree(&mut ledger) {
        return send(control, &Answer::Stopped { setback });
    }
    let (status, mut status_of_child) = io::pipe()?;
    let signals = sys::child_signals()?;
    let supervisor = getpid();
    match sys::fork()? {
        Fork::Child => become_program(launch, stdin, &mut status_of_child, supervisor, ledger),
        Fork::Parent(main) => {
            drop(status_of_child);
            release_output()?;
            Supervisor { control, main, signals, status: Some(status), said: Vec::new(), deadline: None, stopped: false }.run()
        }
    }
}

/// Whether the tree can be killed depends on A alone, so A books it.
pub(crate) fn book_process_tree(ledger: &mut Ledger<'_>) -> Result<(), Setback> {
    match children() {
        Ok(_) => ledger.active(Protection::ProcessTree),
        Err(error) => {
            let why = format!("the list of children in /proc cannot be read ({error}): mount /proc, on a kernel with CONFIG_PROC_CHILDREN");
            ledger.missing(Protection::ProcessTree, &why)?;
        }
    }
    Ok(())
}

/// The host must see the end of the output when the program's processes are gone, not when A is.
fn release_output() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

struct Supervisor<'a> {
    control: &'a mut UnixStream,
    main: Pid,
    signals: OwnedFd,
    /// What C says until its exec; `None` once that was passed on.
    status: Option<io::PipeReader>,
    said: Vec<u8>,
    deadline: Option<Instant>,
    stopped: bool,
}

impl Supervisor<'_> {
    fn run(mut self) -> io::Result<()> {
        let result = self.watch();
        let end = ended(self.main);
        // Also where the host is gone or the watch failed: nothing outlives this.
        let (left_over, proved_dead) = kill_rest(self.main);
        result?;
        self.pass_on_status()?;
        let end = end.unwrap_or(End::Signaled { signal: Signal::KILL.as_raw() });
        let (cpu_ms, max_rss_kib) = sys::children_usage();
        send(self.control, &Answer::Exited { exit: Exit { end, stopped: self.stopped, left_over, proved_dead, cpu_ms, max_rss_kib } })
    }

    /// Returns when C ended, with an error when the host is gone.
    fn watch(&mut self) -> io::Result<()> {
        while ended(self.main).is_none() {
            let (status, control, signals) = self.wait()?;
            if status {
                self.hear_status()?;
            }
            if control {
                self.hear_order()?;
            }
            if signals {
                drain(&self.signals);
                reap_orphans(self.main);
            }
            if self.deadline.is_some_and(|deadline| now() >= deadline) {
                signal(self.main, Signal::KILL);
                self.deadline = None;
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<(bool, bool, bool)> {
        let mut polled = vec![PollFd::new(&*self.control, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(status) = &self.status {
            polled.push(PollFd::new(status, PollFlags::IN));
        }
        let timeout = self.deadline.and_then(|deadline| Timespec::try_from(deadline.saturating_duration_since(now())).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |index: usize| polled.get(index).is_some_and(|one| !one.revents().is_empty());
        Ok((ready(2), ready(0), ready(1)))
    }

    fn hear_status(&mut self) -> io::Result<()> {
        let Some(status) = &mut self.status else { return Ok(()) };
        let mut chunk = [0; 4096];
        match status.read(&mut chunk)? {
            0 => self.pass_on_status(),
            length => {
                self.said.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }

    /// The exec closed C's end, or C is dead: what it said last is how it went.
    fn pass_on_status(&mut self) -> io::Result<()> {
        let Some(mut status) = self.status.take() else { return Ok(()) };
        status.read_to_end(&mut self.said)?;
        let mut last = None;
        while let Some(answer) = decode::<Answer>(&mut self.said)? {
            last = Some(answer);
        }
        let silence = || Answer::Stopped { setback: failed(Part::Helper, "it ended before it had restricted itself") };
        send(self.control, &last.unwrap_or_else(silence))
    }

    fn hear_order(&mut self) -> io::Result<()> {
        match read::<Order>(self.control)? {
            Some(Order::Stop { grace_ms }) => {
                self.stopped = true;
                self.deadline = Some(now() + Duration::from_millis(grace_ms));
                signal(self.main, Signal::TERM);
                // A stopped process would sleep through the polite signal.
                signal(self.main, Signal::CONT);
                Ok(())
            }
            Some(_) => Err(io::Error::other("a second order to launch")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// How C ended, without reaping it: until the last signal was sent, its process id must not be given to anybody else.
pub(crate) fn ended(main: Pid) -> Option<End> {
    let status =
        rustix::process::waitid(WaitId::Pid(main), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT).ok()??;
    Some(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited { code },
        (None, signal) => End::Signaled { signal: signal.unwrap_or(0) },
    })
}

/// Signals C and its group. C is not reaped yet, so both numbers are its own.
fn signal(main: Pid, signal: Signal) {
    // Before C made its own group there is none to signal, and its process is all there is.
    if kill_process_group(main, signal).is_err() {
        let _ = kill_process(main, signal);
    }
}

/// Kills and reaps every process of the launch: how many besides C there were to kill, and whether none is left.
pub(crate) fn kill_rest(main: Pid) -> (u64, bool) {
    signal(main, Signal::KILL);
    let patience = now() + KILL_PATIENCE;
    let mut left_over = 0;
    loop {
        for child in children().unwrap_or_default() {
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    left_over += u64::from(pid != main && status.terminating_signal() == Some(Signal::KILL.as_raw()))
                }
                Ok(None) => break,
                Err(Errno::CHILD) => return (left_over, true),
                Err(_) => return (left_over, false),
            }
        }
        if now() >= patience {
            return (left_over, false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reaps orphans that ended while the program goes on, so that they do not pile up.
fn reap_orphans(main: Pid) {
    for child in children().unwrap_or_default().into_iter().filter(|child| *child != main) {
        let _ = rustix::process::waitpid(Some(child), WaitOptions::NOHANG);
    }
}

fn children() -> io::Result<Vec<Pid>> {
    let list = std::fs::read_to_string(format!("/proc/self/task/{}/children", getpid().as_raw_nonzero()))?;
    Ok(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect())
}

fn drain(signals: &OwnedFd) {
    let mut chunk = [0; 1024];
    while rustix::io::read(signals, &mut chunk).is_ok_and(|length| length > 0) {}
}

#[expect(clippy::disallowed_methods, reason = "the helper's one look at the clock: how much grace and patience is left")]
fn now() -> Instant {
    Instant::now()
}
