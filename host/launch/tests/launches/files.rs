//! What of the file system, the network and other processes is in reach.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};

use orc_domain::grant::{Access, Network, Protection};
use orc_domain::ports::LaunchError;

use crate::support::{Ground, attempt};

#[tokio::test]
async fn files_are_in_reach_as_far_as_the_grant_goes() {
    let ground = Ground::new();
    std::fs::write(ground.path("work/mine"), "").unwrap();
    for (words, expected) in [
        (&["read", "{read}/file"][..], "done"),
        (&["list", "{read}"], "done"),
        (&["write", "{work}/new"], "done"),
        (&["make-dir", "{work}/dir"], "done"),
        (&["rename", "{work}/new", "{work}/dir/new"], "done"),
        (&["write", "/dev/null"], "done"),
        (&["read", "/etc/passwd"], "done"),
        (&["read", "{outside}/file"], "PermissionDenied"),
        (&["list", "{outside}"], "PermissionDenied"),
        (&["write", "{outside}/new"], "PermissionDenied"),
        (&["read", "{read}/../outside/file"], "PermissionDenied"),
        (&["write", "{read}/new"], "PermissionDenied"),
        (&["append", "{read}/file"], "PermissionDenied"),
        (&["truncate", "{read}/file"], "PermissionDenied"),
        (&["remove", "{read}/file"], "PermissionDenied"),
        (&["make-dir", "{read}/dir"], "PermissionDenied"),
        (&["rename", "{work}/mine", "{read}/mine"], "PermissionDenied"),
        (&["link", "{outside}/file", "{work}/linked"], "CrossesDevices"),
        (&["device", "{work}/memory"], "PermissionDenied"),
        (&["write", "/usr/new"], "PermissionDenied"),
        (&["read", "/etc/shadow"], "PermissionDenied"),
        (&["list", "/"], "PermissionDenied"),
        (&["list", "/proc"], "PermissionDenied"),
        (&["read", "/proc/1/environ"], "PermissionDenied"),
    ] {
        let at = |word: &str| {
            ["work", "read", "outside"].iter().fold(word.to_owned(), |word, name| word.replace(&format!("{{{name}}}"), &ground.text(name)))
        };
        let words: Vec<String> = words.iter().map(|word| at(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(ground.attempt(&words).await, expected, "{words:?}");
    }
}

#[tokio::test]
async fn only_what_is_granted_for_it_can_be_executed() {
    let ground = Ground::new();
    for name in ["work/script", "outside/script"] {
        std::fs::write(ground.path(name), "#!/bin/sh\necho ran\n").unwrap();
        std::fs::set_permissions(ground.path(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let by_a_shell = |name: &str| ground.sh(&format!("'{}' || echo refused", ground.text(name)));
    assert_eq!(ground.said(&by_a_shell("outside/script")).await, "refused");
    assert_eq!(ground.said(&by_a_shell("work/script")).await, "refused", "`work` is granted for writing, not for executing");

    let mut plan = by_a_shell("work/script");
    plan.grant.dirs.iter_mut().filter(|dir| dir.path == ground.text("work")).for_each(|dir| dir.access = Access::WriteExecute);
    assert_eq!(ground.said(&plan).await, "ran");
    plan.argv = vec!["./script".to_owned()];
    let report = ground.run(&plan).await.report;
    assert_eq!((report.stdout.head.as_str(), report.program), ("ran\n", ground.text("work/script")));
}

#[tokio::test]
async fn a_symlink_is_granted_as_what_it_names() {
    let ground = Ground::new();
    symlink(ground.path("outside"), ground.path("alias")).unwrap();
    let mut plan = ground.plan(&[&attempt(), "read", &ground.text("alias/file")]);
    plan.grant.dirs.push(ground.dir("alias", Access::Read));
    assert_eq!(ground.said(&plan).await, "done");

    // A link that lies in the grant takes nobody out of it.
    symlink(ground.path("outside/file"), ground.path("work/planted")).unwrap();
    assert_eq!(ground.attempt(&["read", &ground.text("work/planted")]).await, "PermissionDenied");
}

#[tokio::test]
async fn no_tcp_unless_the_network_is_granted() {
    let ground = Ground::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    assert_eq!(ground.attempt(&["tcp", &port]).await, "PermissionDenied");
    assert_eq!(ground.attempt(&["bind"]).await, "PermissionDenied");

    let mut plan = ground.plan(&[&attempt(), "tcp", &port]);
    plan.grant.network = Network::Full;
    assert!(matches!(ground.launch(&plan).await, Err(LaunchError::Plan { .. })), "`tcp` is demanded and `full` granted");
    plan.grant.must.remove(&Protection::Tcp);
    let report = ground.run(&plan).await.report;
    assert_eq!(report.stdout.head, "done\n");
    assert!(!report.active.contains(&Protection::Tcp));
    assert_eq!(report.missing[&Protection::Tcp], "the grant's network rule is `full`");
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    let ground = Ground::new();
    let name = format!("orc-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert_eq!(ground.attempt(&["abstract", &name]).await, "PermissionDenied");
    assert_eq!(ground.attempt(&["signal", &std::process::id().to_string()]).await, "PermissionDenied");
    // Its supervisor as well, who is the parent of the shell.
    let killing = ground.sh("kill -KILL $PPID; sleep 0.1; echo still here");
    assert_eq!(ground.said(&killing).await, "still here");
}
