//! Tries every protection on a process that executes nothing: what counts is the attempt that fails, not the call that succeeded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};

use orc_launch_helper::{Answer, Confinement, Identity, Launch, Limits, Part, Place, Protection, decode};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Signal, getpid, kill_process};

use crate::child::{detach, failed, say};
use crate::children::Children;
use crate::confine::{Ledger, confine};
use crate::supervise::{ended, kill_launch, send};
use crate::sys::{self, Fork};

const OPEN_FILES: u64 = 256;

/// What lies outside the confined process and must be out of its reach.
struct Outside {
    supervisor: Pid,
    socket: UnixAddr,
}

/// Answers the host with what this machine enforces.
pub(crate) fn probe(control: &UnixStream) -> io::Result<()> {
    let name = UnixAddr::from_abstract_name(format!("orc-launch-probe-{}", getpid().as_raw_nonzero()))?;
    let _listening = UnixListener::bind_addr(&name)?;
    let outside = Outside { supervisor: getpid(), socket: name };
    let confinement = try_all(&outside)?;
    send(control, &Answer::Probed { confinement, facts: facts() })
}

fn facts() -> BTreeMap<String, String> {
    let kernel = rustix::system::uname();
    BTreeMap::from([
        ("kernel".to_owned(), kernel.release().to_string_lossy().into_owned()),
        ("landlock_abi".to_owned(), sys::landlock_abi().to_string()),
        ("uid".to_owned(), rustix::process::getuid().as_raw().to_string()),
    ])
}

fn try_all(outside: &Outside) -> io::Result<Confinement> {
    let (mut status, mut status_of_child) = io::pipe()?;
    let main = match sys::fork()? {
        Fork::Child => {
            let answer = attempt(outside);
            let said = say(&mut status_of_child, &answer);
            drop(status_of_child);
            leave_a_daemon();
            std::process::exit(i32::from(said.is_err()));
        }
        Fork::Parent(main) => main,
    };
    drop(status_of_child);
    let mut said = Vec::new();
    status.read_to_end(&mut said)?;
    while ended(main).is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let (left_over, proved_dead) = kill_launch(main, &mut Children::open());
    let mut confinement = match decode(&mut said)? {
        Some(Answer::Running { confinement }) => confinement,
        other => return Err(io::Error::other(format!("the probe could not confine itself: {other:?}"))),
    };
    if left_over == 0 || !proved_dead {
        retract(&mut confinement, Protection::ProcessTree);
    }
    Ok(confinement)
}

/// Forks a process with a session of its own that outlives its parent, as daemons do. It has let go of the status pipe.
fn leave_a_daemon() {
    if let Ok(Fork::Child) = sys::fork() {
        let _ = rustix::process::setsid();
        loop {
            std::thread::park();
        }
    }
}

fn attempt(outside: &Outside) -> Answer {
    let must = BTreeSet::new();
    let mut ledger = Ledger::new(&must);
    // With nothing demanded, booking cannot refuse.
    let _ = Children::open().book(&mut ledger);
    let confined = detach(outside.supervisor).map_err(|error| failed(Part::Helper, error)).and_then(|()| confine(&nothing(), ledger));
    match confined {
        Ok(mut confinement) => {
            for (protection, held) in attempts(outside) {
                if !held && confinement.active.contains(&protection) {
                    retract(&mut confinement, protection);
                }
            }
            Answer::Running { confinement }
        }
        Err(setback) => Answer::Stopped { setback },
    }
}

fn retract(confinement: &mut Confinement, protection: Protection) {
    confinement.active.remove(&protection);
    let why =
        "the kernel accepted the restriction, but an attempt to break it succeeded: look for what else runs in this sandbox or container";
    confinement.missing.insert(protection, why.to_owned());
}

/// Each protection with whether an attempt against it was stopped.
fn attempts(outside: &Outside) -> [(Protection, bool); 6] {
    let denied = |result: io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    [
        (Protection::Files, denied(File::open("/").map(drop))),
        // Nobody needs to listen: the wall answers before the network does, and with another error.
        (Protection::Tcp, denied(TcpStream::connect("127.0.0.1:9").map(drop))),
        (Protection::Signals, kill_process(outside.supervisor, Signal::CONT) == Err(Errno::PERM)),
        (Protection::AbstractSockets, denied(UnixStream::connect_addr(&outside.socket).map(drop))),
        (Protection::NoNewPrivs, rustix::thread::no_new_privs().unwrap_or(false)),
        (Protection::Resources, rustix::process::getrlimit(Resource::Nofile).maximum == Some(OPEN_FILES)),
    ]
}

/// A launch that grants nothing at all.
fn nothing() -> Launch {
    let nowhere = Place { path: String::new(), id: Identity { dev: 0, ino: 0 } };
    Launch {
        program: nowhere.clone(),
        argv: Vec::new(),
        cwd: nowhere,
        env: BTreeMap::new(),
        granted: Vec::new(),
        deny_tcp: true,
        limits: Limits { cpu_s: 60, memory_bytes: 1 << 30, processes: u64::MAX, open_files: OPEN_FILES, file_bytes: 1 << 20 },
        must: BTreeSet::new(),
        stdin_len: 0,
    }
}
