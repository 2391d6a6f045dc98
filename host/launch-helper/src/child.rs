//! Process C: from the fork to the exec. The order matters and is the security of the launch; read it with `docs/launches.md`.

use std::ffi::{CString, NulError};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use orc_launch_helper::{Answer, Confinement, Identity, Launch, Part, Place, Setback, encode};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, Signal};

use crate::confine::{Ledger, confine};
use crate::sys;

/// What the program gets as standard input, output and error.
pub(crate) struct Streams {
    stdin: File,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Streams {
    /// Takes the output over from the calling process. When the program's processes are gone, the host must see the end of it, whether or not
    /// the supervisor is still there.
    pub(crate) fn take(stdin: File) -> io::Result<Self> {
        let stdout = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
        let null = File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(Self { stdin, stdout, stderr })
    }

    fn install(&self) -> io::Result<()> {
        rustix::stdio::dup2_stdin(&self.stdin)?;
        rustix::stdio::dup2_stdout(&self.stdout)?;
        rustix::stdio::dup2_stderr(&self.stderr)?;
        Ok(())
    }
}

/// Becomes the program. What stopped it, or what it is confined by, goes into `status`, which the exec closes.
pub(crate) fn become_program(launch: &Launch, streams: &Streams, status: &mut impl Write, supervisor: Pid, ledger: Ledger<'_>) -> ! {
    let setback = match arm(launch, streams, supervisor, ledger) {
        Ok(confinement) => match say(status, &Answer::Running { confinement }) {
            Ok(()) => exec(launch),
            Err(error) => failed(Part::Helper, error),
        },
        Err(setback) => setback,
    };
    // Whoever reads takes silence for a failure as well.
    let _ = say(status, &Answer::Stopped { setback });
    std::process::exit(127)
}

/// Makes this process a child of `supervisor` alone: own session and group, dead when the supervisor is.
pub(crate) fn detach(supervisor: Pid) -> io::Result<()> {
    rustix::process::setsid()?;
    sys::block_no_signal()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() == Some(supervisor) { Ok(()) } else { Err(io::Error::other("the supervisor is gone")) }
}

pub(crate) fn say(status: &mut impl Write, answer: &Answer) -> io::Result<()> {
    status.write_all(&encode(answer)?)
}

pub(crate) fn failed(part: Part, why: impl ToString) -> Setback {
    Setback::Failed { part, why: why.to_string() }
}

fn arm(launch: &Launch, streams: &Streams, supervisor: Pid, ledger: Ledger<'_>) -> Result<Confinement, Setback> {
    let helper = |error: io::Error| failed(Part::Helper, error);
    detach(supervisor).map_err(helper)?;
    streams.install().map_err(helper)?;
    let cwd = open(&launch.cwd)?;
    rustix::process::fchdir(&cwd).map_err(|error| failed(Part::Plan, format!("cannot enter `{}`: {error}", launch.cwd.path)))?;
    check_program(&launch.program)?;
    sys::close_on_exec().map_err(helper)?;
    confine(launch, ledger)
}

/// Opens a place of the plan as a handle. A symlink on the way, or another file there, means that somebody changed it since the host looked.
pub(crate) fn open(place: &Place) -> Result<OwnedFd, Setback> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let handle = rustix::fs::openat2(CWD, &place.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
        .map_err(|error| failed(Part::Plan, format!("cannot open `{}`: {error}", place.path)))?;
    let stat = rustix::fs::fstat(&handle).map_err(|error| failed(Part::Plan, format!("cannot look at `{}`: {error}", place.path)))?;
    if (Identity { dev: stat.st_dev, ino: stat.st_ino }) == place.id { Ok(handle) } else { Err(replaced(Part::Plan, place)) }
}

fn check_program(program: &Place) -> Result<(), Setback> {
    let found = std::fs::metadata(&program.path).map_err(|error| failed(Part::Program, error))?;
    if (Identity { dev: found.dev(), ino: found.ino() }) == program.id { Ok(()) } else { Err(replaced(Part::Program, program)) }
}

fn replaced(part: Part, place: &Place) -> Setback {
    failed(part, format!("`{}` was replaced after it was checked: launch again, and find out who changes it", place.path))
}

/// By the system call itself: `execvp` would run a file that is no program as a shell script.
fn exec(launch: &Launch) -> Setback {
    let pairs = launch.env.iter().map(|(name, value)| format!("{name}={value}"));
    let (Ok(program), Ok(argv), Ok(env)) =
        (CString::new(launch.program.path.as_str()), c_strings(launch.argv.iter().cloned()), c_strings(pairs))
    else {
        return failed(Part::Plan, "a zero byte in the program's path, an argument or the environment");
    };
    failed(Part::Program, exec_words(&sys::execve(&program, &argv, &env)))
}

fn c_strings(texts: impl Iterator<Item = String>) -> Result<Vec<CString>, NulError> {
    texts.map(CString::new).collect()
}

fn exec_words(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => ": if it is a script, its interpreter must be inside a directory granted with execution",
        io::ErrorKind::NotFound => ": the file is there, so its interpreter or loader is missing",
        _ => "",
    };
    format!("{error}{hint}")
}
