//! What a program finds itself in: environment, descriptors, privileges, limits; and what the report says about it.

use std::collections::BTreeMap;
use std::fs::File;

use orc_domain::grant::{LaunchEnd, Protection, ResourceLimits};
use orc_domain::ports::{LaunchIo, Launcher};
use rustix::io::FdFlags;
use tokio_util::sync::CancellationToken;

use crate::support::{Ground, attempt, everything, is_root};

#[tokio::test]
async fn the_environment_is_exactly_the_grants() {
    let ground = Ground::new();
    let mut plan = ground.plan(&["env"]);
    plan.grant.env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("WORD".to_owned(), "a=b c".to_owned())]);
    let said = ground.said(&plan).await;
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["PATH=/usr/bin:/bin", "WORD=a=b c"]);
}

#[tokio::test]
async fn no_descriptor_is_inherited() {
    let leaked: Vec<File> = (0..3).map(|_| File::open("/etc/hostname").or_else(|_| File::open("/etc/passwd")).unwrap()).collect();
    for file in &leaked {
        rustix::io::fcntl_setfd(file, FdFlags::empty()).unwrap();
    }
    let ground = Ground::new();
    let said = ground.attempt(&["descriptors"]).await;
    let numbers: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(numbers, ["0", "1", "2"], "{said}");
    assert!(said.starts_with("0 /dev/null\n"), "{said}");
}

#[tokio::test]
async fn privileges_and_limits_are_the_plans() {
    let ground = Ground::new();
    let mut plan = ground.plan(&[&attempt(), "state"]);
    let limits = &mut plan.grant.limits;
    (limits.cpu_s, limits.memory_mib, limits.open_files, limits.file_mib) = (Some(77), Some(512), Some(99), Some(3));
    let said = ground.said(&plan).await;
    let state: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once('=')).collect();
    for (name, value) in [
        ("no_new_privs", "true"),
        ("own_session", "true"),
        ("umask", "77"),
        ("core", "0"),
        ("cpu", "77"),
        ("data", "536870912"),
        ("nofile", "99"),
        ("fsize", "3145728"),
    ] {
        assert_eq!(state[name], value, "{name}: {said}");
    }
    let capabilities = if is_root() { "CapabilitySet(DAC_OVERRIDE)" } else { "CapabilitySet(0x0)" };
    assert_eq!(state["capabilities"], capabilities);
}

#[tokio::test]
async fn limits_beyond_all_bounds_are_no_bounds_and_no_panic() {
    let ground = Ground::new();
    let mut plan = ground.sh("exit 7");
    let all = Some(u64::MAX);
    plan.grant.limits = ResourceLimits {
        wall_s: all,
        grace_s: all,
        cpu_s: all,
        memory_mib: all,
        processes: all,
        open_files: all,
        file_mib: all,
        output_bytes: all,
    };
    let cancel = CancellationToken::new();
    assert_eq!(ground.run(&plan).await.report.end, LaunchEnd::Exited { code: 7 });
    plan.argv = ["sleep", "999"].map(str::to_owned).to_vec();
    let launched = ground.launcher.launch(&plan, LaunchIo::default(), &cancel);
    let cancelled = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(launched, cancelled);
    assert_eq!(outcome.unwrap().report.end, LaunchEnd::Cancelled);
}

#[tokio::test]
async fn the_report_says_what_was_in_force() {
    let ground = Ground::new();
    let report = ground.run(&ground.sh(":")).await.report;
    let mut expected = everything();
    if is_root() {
        expected.remove(&Protection::Processes);
        assert!(report.missing[&Protection::Processes].contains("uid 0"));
    }
    assert_eq!(report.active, expected);
    assert_eq!(report.missing.len(), Protection::ALL.len() - expected.len());
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(report.program, shell.to_str().unwrap());
    assert_eq!(report.program_digest, orc_domain::canonical::Digest::of(&std::fs::read(shell).unwrap()));
    assert!(report.max_rss_kib > 0 && report.pid > 1);
}

#[tokio::test]
async fn the_probe_tries_what_it_reports() {
    let enforceable = Ground::new().launcher.enforceable().await.unwrap();
    for protection in Protection::ALL {
        let lost = is_root() && *protection == Protection::Processes;
        assert_eq!(enforceable.active.contains(protection), !lost, "{protection}: {enforceable:?}");
    }
    let digest = orc_domain::canonical::Digest::of(&std::fs::read(crate::support::helper()).unwrap());
    assert_eq!(enforceable.facts["helper_digest"], digest.to_string());
    assert!(enforceable.facts["landlock_abi"].parse::<u32>().unwrap() >= 3);
    assert!(enforceable.facts.contains_key("kernel"));
}

#[tokio::test]
async fn usual_programs_run_under_the_system_grant() {
    let ground = Ground::new();
    for script in [
        "awk 'BEGIN { print 1 }' && sed -n 1p /etc/passwd && sort < /dev/null && date && id && nproc",
        "cat <<EOF | tr a-z A-Z\nhere document\nEOF",
        "mktemp -d && git init -q repository && git -C repository status",
        "dd if=/dev/urandom of=random bs=1k count=4 2>/dev/null && tar cf - random | tar tf -",
    ] {
        let report = ground.run(&ground.sh(script)).await.report;
        assert!(report.end.success() && report.stderr.head.is_empty(), "{script}: {report:?}");
    }
}
