//! The helper on its own: it trusts the host's word for nothing that it can look at itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use orc_launch_helper::{Answer, End, Granted, Identity, Launch, Limits, MAX_STDIN, Order, Part, Place, Protection, Setback, encode, read};

use crate::support::{Ground, attempt, helper};

fn start() -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(helper());
    let child = command.env_clear().stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    (child.unwrap(), ours)
}

/// All that the helper says to a launch.
fn answers(launch: Launch) -> Vec<Answer> {
    let (mut child, mut control) = start();
    control.write_all(&encode(&Order::Launch(Box::new(launch))).unwrap()).unwrap();
    let answers = std::iter::from_fn(|| read(&mut control).unwrap()).collect();
    child.wait().unwrap();
    answers
}

fn place(path: impl AsRef<Path>) -> Place {
    let found = path.as_ref().metadata().unwrap();
    Place { path: path.as_ref().to_str().unwrap().to_owned(), id: Identity { dev: found.dev(), ino: found.ino() } }
}

fn launch(ground: &Ground) -> Launch {
    let granted = |place, execute| Granted { place, execute, write: false };
    let usr = place("/usr");
    let program = place(attempt());
    let examples = place(Path::new(&attempt()).parent().unwrap());
    Launch {
        program,
        argv: vec!["attempt".to_owned(), "state".to_owned()],
        cwd: place(ground.path("work")),
        env: BTreeMap::new(),
        granted: vec![granted(usr, true), granted(examples, true), granted(place(ground.path("work")), false)],
        deny_tcp: true,
        limits: Limits { cpu_s: 10, memory_bytes: 1 << 30, processes: 4096, open_files: 100, file_bytes: 1 << 20 },
        must: [].into(),
        stdin_len: 0,
    }
}

fn setback(launch: Launch) -> Setback {
    match answers(launch).into_iter().next() {
        Some(Answer::Stopped { setback }) => setback,
        other => panic!("it was launched: {other:?}"),
    }
}

#[test]
fn it_launches_what_is_in_order() {
    let said = answers(launch(&Ground::new()));
    let [Answer::Running { confinement }, Answer::Exited { exit }] = &said[..] else { panic!("{said:?}") };
    assert!(confinement.active.contains(&Protection::Files));
    assert!(exit.proved_dead && !exit.stopped && exit.end == End::Exited { code: 0 }, "{exit:?}");
}

#[test]
fn it_refuses_what_it_cannot_enforce() {
    let ground = Ground::new();
    let said = setback(Launch { deny_tcp: false, must: [Protection::Tcp].into(), ..launch(&ground) });
    assert!(matches!(said, Setback::Refused { protection: Protection::Tcp, .. }), "{said:?}");
}

#[test]
fn it_notices_what_was_replaced_after_the_host_looked() {
    let ground = Ground::new();
    let other = place(ground.path("outside")).id;
    let at = |name: &str| place(ground.path(name));
    std::fs::create_dir(ground.path("work/real")).unwrap();
    symlink(ground.path("outside"), ground.path("work/swapped")).unwrap();
    let swapped = Place { path: ground.text("work/swapped"), id: other };

    let launch = launch(&ground);
    let cwd = |cwd| Launch { cwd, ..launch.clone() };
    let grant = |place| Launch { granted: vec![Granted { place, execute: false, write: true }], ..launch.clone() };
    for changed in
        [cwd(swapped.clone()), grant(swapped), cwd(Place { id: other, ..at("work/real") }), grant(Place { id: other, ..at("read") })]
    {
        let said = setback(changed);
        assert!(matches!(said, Setback::Failed { part: Part::Plan, .. }), "{said:?}");
    }
    let program = Place { id: other, ..launch.program.clone() };
    let said = setback(Launch { program, ..launch });
    assert!(matches!(&said, Setback::Failed { part: Part::Program, why } if why.contains("was replaced")), "{said:?}");
}

#[test]
fn it_survives_no_nonsense() {
    let order = encode(&Order::Launch(Box::new(Launch { stdin_len: MAX_STDIN + 1, ..launch(&Ground::new()) }))).unwrap();
    for (nonsense, answered) in [
        (b"".as_slice(), false),
        (&[9, 0, 0], true),
        (&[255, 255, 255, 255], true),
        (b"\x02\0\0\0{}", true),
        (b"\x09\0\0\0not json!", true),
        (&order, true),
    ] {
        let (mut child, mut control) = start();
        control.write_all(nonsense).unwrap();
        control.shutdown(std::net::Shutdown::Write).unwrap();
        let answer: Option<Answer> = read(&mut control).unwrap();
        assert_eq!(matches!(answer, Some(Answer::Stopped { .. })), answered, "{nonsense:?}: {answer:?}");
        assert_eq!(child.wait().unwrap().code(), Some(if answered { 70 } else { 0 }));
    }
}
