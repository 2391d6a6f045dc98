//! A helper that breaks its word: the tests put it in the place of `orc-launch`. It promises every protection, and does with a launch what the
//! first argument of the program says. The program never runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use orc_launch_helper::{Answer, Confinement, End, Exit, Order, Part, Protection, Setback, encode, read};

fn main() -> io::Result<()> {
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let confinement = Confinement { active: promised(), missing: BTreeMap::new() };
    match read::<Order>(&mut control)? {
        Some(Order::Probe) => control.write_all(&encode(&Answer::Probed { confinement, facts: BTreeMap::new() })?),
        Some(Order::Launch(launch)) => {
            let setback = Setback::Failed { part: Part::Helper, why: "a change of mind".to_owned() };
            let running = encode(&Answer::Running { confinement })?;
            let stopped = encode(&Answer::Stopped { setback })?;
            let exit = Exit { end: End::Exited { code: 0 }, stopped: false, left_over: 0, proved_dead: true, cpu_ms: 0, max_rss_kib: 0 };
            let half = &encode(&Answer::Exited { exit })?[..20];
            for part in match launch.argv.get(1).map(String::as_str) {
                Some("says nothing") => vec![],
                Some("was not started") => vec![&stopped[..]],
                Some("vanishes") => vec![&running[..]],
                Some("takes it back") => vec![&running[..], &stopped[..]],
                Some("breaks off") => vec![&running[..], half],
                _ => vec![&running[..], b"\x04\0\0\0what".as_slice()],
            } {
                control.write_all(part)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn promised() -> BTreeSet<Protection> {
    use Protection::{AbstractSockets, Files, NoNewPrivs, ProcessTree, Processes, Resources, Signals, Tcp};
    [Files, Tcp, Signals, AbstractSockets, NoNewPrivs, ProcessTree, Processes, Resources].into()
}
