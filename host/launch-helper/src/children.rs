//! A's children: every process of a launch is one at the latest when its own parent dies, because A is their sub-reaper.
//!
//! What counts as proof is the kernel's answer to `wait` that there is nobody to wait for. The list in /proc only says whom to kill: one that
//! cannot be read proves nothing. It is opened before the program exists and read again and again, because a process of the same user can take
//! the right to open files away from this one.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::Duration;

use orc_launch_helper::{Protection, Setback};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, waitpid};

use crate::confine::Ledger;
use crate::supervise::now;
use crate::sys;

/// How long the kernel may take to let go of killed processes before their death counts as unproved.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// The list of this process's children.
pub(crate) struct Children {
    list: io::Result<File>,
}

impl Children {
    /// Opens the list of the calling process. A failure shows when it is read.
    pub(crate) fn open() -> Self {
        Self { list: File::open(format!("/proc/self/task/{}/children", getpid().as_raw_nonzero())) }
    }

    /// Whether the tree can be killed depends on A alone, so A books it.
    pub(crate) fn book(&mut self, ledger: &mut Ledger<'_>) -> Result<(), Setback> {
        match self.each(|_| ()) {
            Ok(()) => ledger.active(Protection::ProcessTree),
            Err(error) => {
                let why =
                    format!("the list of children in /proc cannot be read ({error}): mount /proc, on a kernel with CONFIG_PROC_CHILDREN");
                ledger.missing(Protection::ProcessTree, &why)?;
            }
        }
        Ok(())
    }

    /// Kills and reaps until none is left or the patience is at its end: how many besides `main` had to be killed, and whether none is left.
    pub(crate) fn kill_all(&mut self, main: Pid) -> (u64, bool) {
        let patience = now() + KILL_PATIENCE;
        let mut killed = 0;
        loop {
            // Without the list the loop waits for them to end by themselves, and what does not is reported as unproved.
            let _ = self.each(|child| {
                let _ = kill_process(child, Signal::KILL);
            });
            let none_left = reap(|pid, status| {
                killed += u64::from(pid != main && status.terminating_signal() == Some(Signal::KILL.as_raw()));
            });
            if none_left || now() >= patience {
                return (killed, none_left);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn each(&mut self, mut visit: impl FnMut(Pid)) -> io::Result<()> {
        let list = self.list.as_mut().map_err(|error| io::Error::from(error.kind()))?;
        list.rewind()?;
        let mut chunk = [0; 4096];
        let mut number = 0_i32;
        loop {
            let length = list.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            // Each number is followed by a space, and may be cut by the end of a chunk.
            for byte in &chunk[..length] {
                if byte.is_ascii_digit() {
                    number = number.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
                } else if let Some(pid) = Pid::from_raw(std::mem::take(&mut number)) {
                    visit(pid);
                }
            }
        }
    }
}

/// Reaps whatever ended. True when the kernel says that there are no children at all; in doubt, false.
fn reap(mut ended: impl FnMut(Pid, WaitStatus)) -> bool {
    let every_kind = WaitOptions::NOHANG | WaitOptions::from_bits_retain(sys::WAIT_FOR_EVERY_KIND);
    loop {
        match rustix::process::wait(every_kind) {
            Ok(Some((pid, status))) => ended(pid, status),
            Err(Errno::CHILD) => return true,
            Ok(None) | Err(_) => return false,
        }
    }
}

/// Reaps orphans that ended while the program goes on, so that they do not pile up. `main` stays, ended or not.
pub(crate) fn reap_orphans(main: Pid) {
    while let Some(orphan) = sys::ended_child().filter(|child| *child != main) {
        if waitpid(Some(orphan), WaitOptions::NOHANG).is_err() {
            return;
        }
    }
}
