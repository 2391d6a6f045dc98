//! What a confined program can try, one attempt a call, with the outcome as one line: `done` or the error's kind. The tests launch it; so
//! may anybody who wants to know what a grant holds.

#![allow(clippy::print_stdout, reason = "its output is its answer")]
#![allow(clippy::disallowed_methods, reason = "a program under confinement starts what it likes")]

use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["read", path] => answer(std::fs::read(path)),
        ["write", path] => answer(std::fs::write(path, "written")),
        ["append", path] => answer(std::fs::OpenOptions::new().append(true).open(path)),
        ["truncate", path] => answer(rustix::fs::open(path, rustix::fs::OFlags::TRUNC, rustix::fs::Mode::empty())),
        ["remove", path] => answer(std::fs::remove_file(path)),
        ["make-dir", path] => answer(std::fs::create_dir(path)),
        ["list", path] => answer(std::fs::read_dir(path)),
        ["link", from, to] => answer(std::fs::hard_link(from, to)),
        ["rename", from, to] => answer(std::fs::rename(from, to)),
        ["device", path] => answer(rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::RWXU,
            rustix::fs::makedev(1, 1),
        )),
        ["tcp", port] => answer(std::net::TcpStream::connect(format!("127.0.0.1:{port}"))),
        ["bind"] => answer(std::net::TcpListener::bind("127.0.0.1:0")),
        ["abstract", name] => answer(SocketAddr::from_abstract_name(name).and_then(|name| UnixStream::connect_addr(&name))),
        ["signal", pid] => answer(signal(pid)),
        ["besiege", resource, limit, file] => besiege(resource, limit, file),
        ["hold", resource, limit, file] => besiege(resource, limit, file).and_then(|()| nap(999_000)),
        ["siege", supervisor, resource, limit, file] => siege(supervisor, resource, limit, file),
        ["orphan", ..] => start(&words[1..]).map(drop),
        ["nap"] => nap(100),
        ["descriptors"] => descriptors(),
        ["state"] => state(),
        ["flood", bytes] => flood(bytes.parse().unwrap_or(0)),
        ["latin1"] => io::stdout().write_all(b"caf\xe9 \xff\xfe\x1b[31m end\n"),
        ["halves", first, second] => halves(first, second),
        _ => Err(io::Error::other("no such attempt")),
    }
}

fn answer<T, E: Into<io::Error>>(result: Result<T, E>) -> io::Result<()> {
    match result {
        Ok(_) => println!("done"),
        Err(error) => println!("{:?}", error.into().kind()),
    }
    Ok(())
}

fn signal(pid: &str) -> io::Result<()> {
    Ok(rustix::process::kill_process(process(pid)?, Signal::CONT)?)
}

/// Lowers a limit of the supervisor by way of a daemon that writes its process id into `file`, and ends like any program.
fn besiege(resource: &str, limit: &str, file: &str) -> io::Result<()> {
    let supervisor = getppid().map_or(0, |pid| pid.as_raw_nonzero().get()).to_string();
    start(&["orphan", "siege", &supervisor, resource, limit, file])?.wait()?;
    while !std::path::Path::new(file).exists() {
        nap(10)?;
    }
    nap(300)?;
    println!("done");
    Ok(())
}

/// The daemon: once it is the supervisor's own child it lowers the limit, lets an orphan's end wake the supervisor, and stays.
fn siege(supervisor: &str, resource: &str, limit: &str, file: &str) -> io::Result<()> {
    rustix::process::setsid()?;
    let supervisor = process(supervisor)?;
    while getppid() != Some(supervisor) {
        nap(1)?;
    }
    let limit = limit.parse().map_err(io::Error::other)?;
    let lowered = Rlimit { current: Some(limit), maximum: Some(limit) };
    rustix::process::prlimit(Some(supervisor), resource_named(resource)?, lowered)?;
    start(&["orphan", "nap"])?.wait()?;
    std::fs::write(file, std::process::id().to_string())?;
    loop {
        nap(1000)?;
    }
}

fn resource_named(name: &str) -> io::Result<Resource> {
    Ok(match name {
        "as" => Resource::As,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "nofile" => Resource::Nofile,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return Err(io::Error::other("no such resource")),
    })
}

fn start(words: &[&str]) -> io::Result<std::process::Child> {
    Command::new(std::env::current_exe()?).args(words).spawn()
}

fn nap(millis: u64) -> io::Result<()> {
    std::thread::sleep(Duration::from_millis(millis));
    Ok(())
}

fn process(pid: &str) -> io::Result<Pid> {
    pid.parse().ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))
}

fn descriptors() -> io::Result<()> {
    for number in 0..256 {
        if let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{number}")) {
            println!("{number} {}", target.display());
        }
    }
    Ok(())
}

fn state() -> io::Result<()> {
    let session = rustix::process::getsid(None)?;
    let limit = |resource| rustix::process::getrlimit(resource).current.unwrap_or(u64::MAX);
    println!("no_new_privs={}", rustix::thread::no_new_privs()?);
    println!("own_session={}", session == rustix::process::getpid());
    println!("capabilities={:?}", rustix::thread::capabilities(None)?.effective);
    println!("umask={:o}", rustix::process::umask(rustix::fs::Mode::empty()).bits());
    for (name, resource) in [
        ("core", Resource::Core),
        ("cpu", Resource::Cpu),
        ("data", Resource::Data),
        ("nofile", Resource::Nofile),
        ("fsize", Resource::Fsize),
    ] {
        println!("{name}={}", limit(resource));
    }
    Ok(())
}

fn flood(bytes: usize) -> io::Result<()> {
    let line = [b"0123456789abcde".as_slice(), b"\n"].concat().repeat(4096);
    let mut left = bytes;
    while left > 0 {
        let part = left.min(line.len());
        io::stdout().write_all(&line[..part])?;
        left -= part;
    }
    Ok(())
}

/// Writes a word in two parts, far enough apart in time to be read apart.
fn halves(first: &str, second: &str) -> io::Result<()> {
    for half in [first, second] {
        io::stdout().write_all(half.as_bytes())?;
        io::stdout().flush()?;
        nap(60)?;
    }
    Ok(())
}
