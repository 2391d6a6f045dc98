//! How launches end.

use std::time::Instant;

use orc_domain::grant::LaunchEnd;
use orc_domain::ports::{LaunchIo, Launcher};
use tokio_util::sync::CancellationToken;

use crate::support::Ground;

#[tokio::test]
async fn a_program_ends_as_it_likes() {
    let ground = Ground::new();
    for (script, end) in [
        ("exit 0", LaunchEnd::Exited { code: 0 }),
        ("exit 42", LaunchEnd::Exited { code: 42 }),
        ("exit 255", LaunchEnd::Exited { code: 255 }),
        ("kill -SEGV $$", LaunchEnd::Signaled { signal: 11 }),
        ("kill -KILL $$", LaunchEnd::Signaled { signal: 9 }),
        ("kill -TERM $$", LaunchEnd::Signaled { signal: 15 }),
    ] {
        let report = ground.run(&ground.sh(script)).await.report;
        assert_eq!((report.end, report.left_over), (end, 0), "{script}");
    }
}

#[tokio::test]
async fn the_wall_limit_ends_even_what_ignores_the_polite_signal() {
    let ground = Ground::new();
    let mut plan = ground.sh("trap '' TERM; echo deaf; while :; do sleep 1; done");
    plan.grant.limits.wall_s = Some(1);
    let started = Instant::now();
    let report = ground.run(&plan).await.report;
    assert_eq!((report.end, report.stdout.head.as_str()), (LaunchEnd::TimedOut, "deaf\n"));
    assert!((1500..6000).contains(&started.elapsed().as_millis()), "wall and grace are one second each: {:?}", started.elapsed());
}

#[tokio::test]
async fn the_polite_signal_leaves_time_to_tidy_up() {
    let ground = Ground::new();
    let mut plan = ground.sh("trap 'echo tidied > tidied; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    plan.grant.limits.wall_s = Some(1);
    let report = ground.run(&plan).await.report;
    assert_eq!(report.end, LaunchEnd::TimedOut);
    assert_eq!(std::fs::read_to_string(ground.path("work/tidied")).unwrap(), "tidied\n");
}

#[tokio::test]
async fn a_cancel_ends_the_whole_tree() {
    let ground = Ground::new();
    let cancel = CancellationToken::new();
    let plan = ground.sh("setsid sleep 999 & echo $! > daemon; sleep 999");
    let cancelled = async {
        ground.written(&["daemon"]).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(ground.launcher.launch(&plan, LaunchIo::default(), &cancel), cancelled);
    let report = outcome.unwrap().report;
    assert_eq!((report.end, report.proved_dead), (LaunchEnd::Cancelled, true));
    assert!(!crate::support::is_alive(ground.pid("daemon")));
}

#[tokio::test]
async fn what_was_cancelled_before_never_starts() {
    let ground = Ground::new();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let report = ground.launcher.launch(&ground.sh("echo > started"), LaunchIo::default(), &cancel).await.unwrap().report;
    assert_eq!((report.end, report.pid, report.proved_dead), (LaunchEnd::Cancelled, 0, true));
    assert!(!ground.path("work/started").exists());
}

#[tokio::test]
async fn limits_of_a_process_end_it() {
    let ground = Ground::new();
    let mut plan = ground.sh("while :; do :; done");
    plan.grant.limits.cpu_s = Some(1);
    assert_eq!(ground.run(&plan).await.report.end, LaunchEnd::Signaled { signal: 24 });

    let mut plan = ground.sh("exec head -c 3000000 /dev/zero > large");
    plan.grant.limits.file_mib = Some(1);
    assert_eq!(ground.run(&plan).await.report.end, LaunchEnd::Signaled { signal: 25 });
    assert_eq!(std::fs::metadata(ground.path("work/large")).unwrap().len(), 1 << 20);
}
