//! What becomes of output, and how input gets in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use orc_domain::grant::LaunchEnd;
use orc_domain::ports::{LaunchIo, LaunchProgress, Secret};

use crate::support::{Ground, attempt};

#[tokio::test]
async fn a_flood_ends_the_launch_and_costs_no_memory() {
    let ground = Ground::new();
    let mut plan = ground.plan(&[&attempt(), "flood", "100000000"]);
    plan.grant.limits.output_bytes = Some(20_000_000);
    let io = LaunchIo { transcript: Some(ground.path("transcript")), ..LaunchIo::default() };
    let report = ground.run_with(&plan, io).await.report;
    assert_eq!(report.end, LaunchEnd::OutputLimit);
    assert!(report.stdout.bytes > 20_000_000, "{}", report.stdout.bytes);
    assert!(report.stdout.head.len() <= 64 << 10 && report.stdout.tail.len() <= 64 << 10);
    assert!(report.stdout.head.starts_with("0123456789abcde\n") && report.stdout.head.ends_with('\n'));
    let kept = std::fs::read(ground.path("transcript/stdout")).unwrap();
    assert!((16 << 20..17 << 20).contains(&kept.len()), "{}", kept.len());
    assert!(String::from_utf8_lossy(&kept).contains(" bytes not kept]\n"));
}

#[tokio::test]
async fn what_is_captured_is_raw_and_must_fit() {
    let ground = Ground::new();
    let capture = |bytes| LaunchIo { capture: Some(bytes), ..LaunchIo::default() };
    let plan = ground.plan(&[&attempt(), "latin1"]);
    let outcome = ground.run_with(&plan, capture(100)).await;
    assert_eq!(outcome.captured, b"caf\xe9 \xff\xfe\x1b[31m end\n");
    assert_eq!(outcome.report.stdout.head, "caf\u{fffd} \u{fffd}\u{fffd}\x1b[31m end\n", "a report is text");
    assert_eq!(outcome.report.stdout.bytes, 17);

    let outcome = ground.run_with(&plan, capture(16)).await;
    assert_eq!((outcome.report.end, outcome.captured.len()), (LaunchEnd::OutputLimit, 16));
    assert_eq!(ground.run_with(&plan, capture(17)).await.report.end, LaunchEnd::Exited { code: 0 });
}

#[tokio::test]
async fn secrets_are_replaced_before_anything_is_kept() {
    let ground = Ground::new();
    let plan = ground.plan(&[&attempt(), "halves", "the word is swordf", "ish, they say\n"]);
    let io = LaunchIo { redact: vec![Secret("swordfish".to_owned())], transcript: Some(ground.path("transcript")), ..LaunchIo::default() };
    let report = ground.run_with(&plan, io).await.report;
    assert_eq!(report.stdout.head, "the word is [redacted], they say\n");
    assert_eq!(report.stdout.redactions, 1);
    assert_eq!(std::fs::read_to_string(ground.path("transcript/stdout")).unwrap(), report.stdout.head);
    assert_eq!(std::fs::read_to_string(ground.path("transcript/stderr")).unwrap(), "");
}

#[tokio::test]
async fn a_transcript_is_never_written_over() {
    let ground = Ground::new();
    std::fs::write(ground.path("transcript/stderr"), "earlier").unwrap();
    let io = LaunchIo { transcript: Some(ground.path("transcript")), ..LaunchIo::default() };
    let error = orc_domain::ports::Launcher::launch(&ground.launcher, &ground.sh("echo > started"), io, &Default::default()).await;
    assert!(error.unwrap_err().to_string().contains("transcript/stderr` cannot be made"));
    assert!(!ground.path("work/started").exists());
}

#[tokio::test]
async fn whoever_holds_the_pipe_keeps_nobody_waiting() {
    let ground = Ground::new();
    let started = Instant::now();
    let report = ground.run(&ground.sh("setsid sh -c 'echo held; sleep 999' & sleep 0.2; echo out")).await.report;
    assert_eq!((report.end, report.stdout.head.as_str()), (LaunchEnd::Exited { code: 0 }, "held\nout\n"));
    assert!(report.left_over >= 1);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn standard_input_is_delivered_whole() {
    let ground = Ground::new();
    for length in [0, 1, 5_000_000] {
        let stdin: Vec<u8> = (0..length).map(|index: u32| (index % 251) as u8).collect();
        let io = LaunchIo { stdin: stdin.clone(), capture: Some(6_000_000), ..LaunchIo::default() };
        assert!(ground.run_with(&ground.plan(&["cat"]), io).await.captured == stdin, "{length} bytes");
    }
}

#[tokio::test]
async fn progress_is_told_in_order() {
    let ground = Ground::new();
    let (seen, counted) = (Arc::new(std::sync::Mutex::new(Vec::new())), Arc::new(AtomicU32::new(0)));
    let (told, count) = (seen.clone(), counted.clone());
    let progress: Box<dyn Fn(LaunchProgress) + Send + Sync> = Box::new(move |progress| match progress {
        LaunchProgress::Output => drop(count.fetch_add(1, Ordering::Relaxed)),
        other => told.lock().unwrap().push(other),
    });
    let io = LaunchIo { progress: Some(progress), ..LaunchIo::default() };
    let report = ground.run_with(&ground.sh("for i in 1 2 3 4 5 6 7 8; do echo $i; done"), io).await.report;
    assert_eq!(*seen.lock().unwrap(), [LaunchProgress::Launching { pid: report.pid }, LaunchProgress::Running]);
    assert!((1..=3).contains(&counted.load(Ordering::Relaxed)), "signs of life are throttled");
}
