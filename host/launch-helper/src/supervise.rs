//! Process A: watches process C, obeys the host, and proves that nothing is left.
//!
//! Kill first, report second: whatever goes wrong with the watch, C and all that it left die before A says a word or ends.
//!
//! Pitfall: once C is the program it runs under A's user, and such a process can lower A's limits (`prlimit`; Landlock does not mind). So
//! everything that A will ever need is there before the fork: descriptors, stack, and by way of the reserve in `sys`, memory. After it nothing
//! is opened or duplicated, and no system call is made that asks the limit on open files, as `poll` does.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use orc_launch_helper::{Answer, End, Exit, Launch, Order, Part, decode, encode, read};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group};

use crate::child::{Streams, become_program, failed};
use crate::children::{Children, reap_orphans};
use crate::confine::Ledger;
use crate::sys::{self, Fork};

/// The longest sleep of the watch; a later deadline is slept for in parts.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

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
pub(crate) fn launch(control: &mut UnixStream, launch: &Launch, stdin: File) -> io::Result<()> {
    let mut ledger = Ledger::new(&launch.must);
    let mut children = Children::open();
    if let Err(setback) = children.book(&mut ledger) {
        return send(control, &Answer::Stopped { setback });
    }
    let (status, mut status_of_child) = io::pipe()?;
    rustix::io::ioctl_fionbio(&status, true)?;
    let wake = Wake::on(control, &status)?;
    let streams = Streams::take(stdin)?;
    sys::grow_stack();
    let supervisor = getpid();
    match sys::fork()? {
        Fork::Child => become_program(launch, &streams, &mut status_of_child, supervisor, ledger),
        Fork::Parent(main) => {
            drop((status_of_child, streams));
            Supervisor { control, main, children, wake, status: Some(status), said: Vec::new(), deadline: None, stopped: false }.run()
        }
    }
}

/// Waits for whatever happens next.
struct Wake {
    events: OwnedFd,
    signals: OwnedFd,
}

/// What woke the watch.
#[derive(Default)]
struct Woken {
    control: bool,
    status: bool,
    signals: bool,
}

const CONTROL: u64 = 1;
const STATUS: u64 = 2;
const SIGNALS: u64 = 3;

impl Wake {
    fn on(control: &UnixStream, status: &io::PipeReader) -> io::Result<Self> {
        let (events, signals) = (epoll::create(epoll::CreateFlags::CLOEXEC)?, sys::child_signals()?);
        let (input, number) = (epoll::EventFlags::IN, epoll::EventData::new_u64);
        epoll::add(&events, control, number(CONTROL), input)?;
        epoll::add(&events, status, number(STATUS), input)?;
        epoll::add(&events, &signals, number(SIGNALS), input)?;
        Ok(Self { events, signals })
    }

    fn wait(&self, deadline: Option<Instant>) -> io::Result<Woken> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now()).min(LONGEST_WAIT));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut room = [const { MaybeUninit::uninit() }; 3];
        let mut woken = Woken::default();
        match epoll::wait(&self.events, &mut room, timeout.as_ref()) {
            Ok((events, _)) => events.iter().for_each(|event| match event.data.u64() {
                CONTROL => woken.control = true,
                STATUS => woken.status = true,
                _ => woken.signals = true,
            }),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(woken)
    }
}

struct Supervisor<'a> {
    control: &'a mut UnixStream,
    main: Pid,
    children: Children,
    wake: Wake,
    /// What C says until its exec; `None` once that was passed on.
    status: Option<io::PipeReader>,
    said: Vec<u8>,
    deadline: Option<Instant>,
    stopped: bool,
}

impl Supervisor<'_> {
    fn run(mut self) -> io::Result<()> {
        let watched = self.watch();
        let end = ended(self.main);
        let (left_over, mut proved_dead) = kill_launch(self.main, &mut self.children);
        let told = self.report(end, left_over, proved_dead);
        // The host knows. Whatever is left stays A's to kill, for as long as it takes: nobody else is sure to find it.
        while !proved_dead {
            proved_dead = self.children.kill_all(self.main).1;
        }
        watched.and(told)
    }

    fn report(&mut self, end: Option<End>, left_over: u64, proved_dead: bool) -> io::Result<()> {
        let passed_on = self.pass_on_status();
        let end = end.unwrap_or(End::Signaled { signal: Signal::KILL.as_raw() });
        let (cpu_ms, max_rss_kib) = sys::children_usage();
        send(self.control, &Answer::Exited { exit: Exit { end, stopped: self.stopped, left_over, proved_dead, cpu_ms, max_rss_kib } })?;
        passed_on
    }

    /// Returns when C ended; with an error when the host is gone, or when it cannot go on watching.
    fn watch(&mut self) -> io::Result<()> {
        while ended(self.main).is_none() {
            let woken = self.wake.wait(self.deadline)?;
            if woken.status {
                self.hear_status()?;
            }
            if woken.control {
                self.hear_order()?;
            }
            if woken.signals {
                drain(&self.wake.signals);
                reap_orphans(self.main);
            }
            if self.deadline.is_some_and(|deadline| now() >= deadline) {
                signal(self.main, Signal::KILL);
                self.deadline = None;
            }
        }
        Ok(())
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
        // Should C be one that cannot be killed, it still holds the other end: what is there counts.
        let _ = status.read_to_end(&mut self.said);
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

/// Kills C and all that it left: how many besides C there were to kill, and whether none is left. Once a launch, because it reaps C.
pub(crate) fn kill_launch(main: Pid, children: &mut Children) -> (u64, bool) {
    signal(main, Signal::KILL);
    children.kill_all(main)
}

fn drain(signals: &OwnedFd) {
    let mut chunk = [0; 1024];
    while rustix::io::read(signals, &mut chunk).is_ok_and(|length| length > 0) {}
}

#[expect(clippy::disallowed_methods, reason = "the helper's one look at the clock: how much grace and patience is left")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
