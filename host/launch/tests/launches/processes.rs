//! Nothing outlives a launch.

use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use orc_domain::grant::LaunchEnd;
use orc_domain::ports::{LaunchIo, LaunchProgress, Launcher};
use orc_launch::{HelperLauncher, LauncherOptions};
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::support::{Ground, attempt, eventually, example, helper, is_alive, is_root};

#[tokio::test]
async fn daemons_die_with_the_launch_and_are_counted() {
    let ground = Ground::new();
    for (what, script) in [
        ("in the background", "sleep 999 & echo $! > pid; exit 0"),
        ("in a session of its own", "setsid sleep 999 & echo $! > pid; exit 0"),
        (
            "forked twice",
            "setsid sh -c 'setsid sh -c \"echo \\$\\$ > pid; exec sleep 999\" & exit 0'; until test -s pid; do sleep 0.01; done; exit 0",
        ),
        (
            "deaf",
            "setsid sh -c 'trap \"\" TERM HUP INT; echo $$ > pid; while :; do sleep 1; done' & until test -s pid; do sleep 0.01; done; exit 0",
        ),
        ("stopped", "setsid sh -c 'echo $$ > pid; kill -STOP $$; sleep 999' & until test -s pid; do sleep 0.01; done; sleep 0.1; exit 0"),
    ] {
        let report = ground.run(&ground.sh(script)).await.report;
        assert_eq!(report.end, LaunchEnd::Exited { code: 0 }, "{what}");
        assert!(report.left_over >= 1, "{what}: {report:?}");
        assert!(!is_alive(ground.pid("pid")), "{what}");
    }
}

#[tokio::test]
async fn what_forks_on_and_on_is_killed() {
    let ground = Ground::new();
    let hopping = "hop() { setsid sh -c \"$1\" hop \"$1\" & }; code='sleep 0.01; setsid sh -c \"$1\" hop \"$1\" & exit 0'; \
                   for i in 1 2 3 4 5 6 7 8; do hop \"$code\"; done; echo $$ > pid; sleep 0.3";
    let report = ground.run(&ground.sh(hopping)).await.report;
    assert!(report.left_over >= 1, "{report:?}");
    assert_eq!(report.end, LaunchEnd::Exited { code: 0 });
}

#[tokio::test]
async fn a_killed_host_leaves_nothing() {
    let ground = Ground::new();
    let script = "setsid sleep 999 & echo $! > daemon; trap '' TERM; echo $$ > main; while :; do sleep 1; done";
    let mut host = Command::new(example("launch_and_wait"))
        .args([helper().to_str().unwrap(), &ground.text("work"), script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the launch runs", || std::fs::read_to_string(ground.path("work/main")).is_ok_and(|text| text.ends_with('\n')));
    let (main, daemon) = (ground.pid("main"), ground.pid("daemon"));
    assert!(is_alive(main) && is_alive(daemon));
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("main and daemon are dead", || !is_alive(main) && !is_alive(daemon));
}

#[tokio::test]
async fn a_dropped_launch_leaves_nothing() {
    let ground = Ground::new();
    let plan = ground.sh("setsid sleep 999 & echo $! > daemon; echo $$ > main; sleep 999");
    let cancel = CancellationToken::new();
    tokio::select! {
        ended = ground.launcher.launch(&plan, LaunchIo::default(), &cancel) => panic!("it ended by itself: {ended:?}"),
        () = ground.written(&["main", "daemon"]) => {}
    }
    let (main, daemon) = (ground.pid("main"), ground.pid("daemon"));
    eventually("main and daemon are dead", || !is_alive(main) && !is_alive(daemon));
}

#[tokio::test]
async fn a_killed_supervisor_takes_the_program_along_and_proves_nothing() {
    let ground = Ground::new();
    let supervisor = Arc::new(OnceLock::new());
    let seen = Arc::clone(&supervisor);
    let progress: Box<dyn Fn(LaunchProgress) + Send + Sync> = Box::new(move |progress| {
        if let LaunchProgress::Launching { pid } = progress {
            seen.set(Pid::from_raw(pid.cast_signed()).unwrap()).unwrap();
        }
    });
    let io = LaunchIo { progress: Some(progress), ..LaunchIo::default() };
    let plan = ground.sh("setsid sh -c 'setsid sh -c \"echo \\$\\$ > daemon; exec sleep 999\" & exit 0'; echo $$ > main; exec sleep 999");
    // Neither another launch nor a process that the host has for itself is taken for what was left.
    let mut bystander = Command::new("setsid").args(["sleep", "999"]).spawn().unwrap();
    let (neighbour, cancel) = (ground.sh("setsid sleep 999 & sleep 1; exit 7"), CancellationToken::new());
    let killed = async {
        ground.written(&["main", "daemon"]).await;
        kill_process(*supervisor.get().unwrap(), Signal::KILL).unwrap();
    };
    let (lost, other, ()) = tokio::join!(ground.launcher.launch(&plan, io, &cancel), ground.run(&neighbour), killed);
    let report = lost.unwrap().report;
    assert_eq!((report.end, report.proved_dead), (LaunchEnd::Signaled { signal: 9 }, false));
    assert_eq!((other.report.end, other.report.left_over), (LaunchEnd::Exited { code: 7 }, 1));
    // Where the host itself has no-new-privs, nothing tells the two apart.
    assert!(is_alive(bystander.id()) || rustix::thread::no_new_privs().unwrap());
    let _ = (bystander.kill(), bystander.wait());
    let main = ground.pid("main");
    eventually("the program is dead", || !is_alive(main));
    // Not proved, and yet done: orphans of a lost supervisor fall to the host.
    assert!(!is_alive(ground.pid("daemon")));
}

/// Entered containers are such: the session's leader lives outside the pid namespace, and no-new-privs is common.
#[test]
fn a_host_in_a_container_tells_them_apart_too() {
    if !is_root() {
        return eprintln!("skipped: only root makes a pid namespace everywhere");
    }
    let this = std::env::current_exe().unwrap();
    let test = "processes::a_killed_supervisor_takes_the_program_along_and_proves_nothing";
    for privileges in [&[][..], &["setpriv", "--no-new-privs"]] {
        let words = ["--pid", "--fork", "--mount-proc"].into_iter().chain(privileges.iter().copied());
        let ran = Command::new("unshare").args(words).arg(&this).args(["--exact", test]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{privileges:?}: {said}{}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[tokio::test]
async fn a_supervisor_whose_limits_are_taken_away_still_kills_and_proves() {
    let ground = Ground::new();
    for (resource, limit) in [("nofile", "0"), ("nofile", "4"), ("as", "0"), ("data", "0"), ("stack", "0"), ("sigpending", "0")] {
        let file = format!("{resource}-{limit}");
        let plan = ground.plan(&[&attempt(), "besiege", resource, limit, &file]);
        let report = ground.launch(&plan).await.unwrap_or_else(|error| panic!("{file}: it ran, and was called `{error}`")).report;
        assert_eq!((report.end.clone(), report.stdout.head.as_str()), (LaunchEnd::Exited { code: 0 }, "done\n"), "{file}: {report:?}");
        assert!(report.left_over >= 1 && report.proved_dead, "{file}: {report:?}");
        assert!(!is_alive(ground.pid(&file)), "{file}: the daemon survived");
    }
}

#[tokio::test]
async fn a_supervisor_without_limits_still_obeys() {
    let ground = Ground::new();
    for resource in ["nofile", "data"] {
        let mut plan = ground.plan(&[&attempt(), "hold", resource, "0", resource]);
        plan.grant.limits.wall_s = Some(2);
        let report = ground.run(&plan).await.report;
        assert_eq!(report.end, LaunchEnd::TimedOut, "{report:?}");
        assert!(!is_alive(ground.pid(resource)), "{report:?}");
    }
}

#[tokio::test]
async fn a_helper_that_breaks_its_word_proves_nothing() {
    let ground = Ground::new();
    let options = LauncherOptions { helper: example("faithless"), ..LauncherOptions::default() };
    let launcher = HelperLauncher::new(options).unwrap();
    for (deed, ran) in [
        ("was not started", false),
        ("says nothing", true),
        ("vanishes", true),
        ("takes it back", true),
        ("breaks off", true),
        ("lies", true),
    ] {
        let plan = ground.plan(&["sh", deed]);
        match launcher.launch(&plan, LaunchIo::default(), &CancellationToken::new()).await {
            Ok(outcome) => assert!(ran && !outcome.report.proved_dead && !outcome.report.end.success(), "{deed}: {outcome:?}"),
            Err(error) => assert!(!ran && error.to_string().contains("a change of mind"), "{deed}: {error}"),
        }
    }
}
