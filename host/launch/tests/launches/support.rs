//! A directory to work in, a launcher, and plans.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orc_domain::grant::{Access, DirGrant, LaunchEnd, LaunchGrant, LaunchPlan, Network, Protection, ResourceLimits};
use orc_domain::ports::{LaunchError, LaunchIo, LaunchOutcome, Launcher};
use orc_launch::{HelperLauncher, LauncherOptions, baseline_env, find_helper, system_grant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a machine under load may take for what happens at once on another.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Ground {
    pub(crate) launcher: HelperLauncher,
    directory: TempDir,
}

pub(crate) fn helper() -> PathBuf {
    let beside = std::env::current_exe().unwrap();
    find_helper(&beside).expect("no `orc-launch` beside the tests: run `cargo build -p orc-launch-helper` first")
}

pub(crate) fn example(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    deps.parent().and_then(Path::parent).unwrap().join("examples").join(name)
}

pub(crate) fn attempt() -> String {
    example("attempt").to_str().unwrap().to_owned()
}

pub(crate) fn options() -> LauncherOptions {
    LauncherOptions { helper: helper(), ..LauncherOptions::default() }
}

pub(crate) fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Everything that can be demanded of this user.
pub(crate) fn everything() -> BTreeSet<Protection> {
    Protection::ALL.iter().copied().filter(|protection| !is_root() || !Protection::LOST_TO_ROOT.contains(protection)).collect()
}

impl Ground {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ground = Self { launcher: HelperLauncher::new(options()).unwrap(), directory };
        for name in ["work", "read", "outside", "state", "transcript"] {
            std::fs::create_dir(ground.path(name)).unwrap();
        }
        std::fs::write(ground.path("read/file"), "readable").unwrap();
        std::fs::write(ground.path("outside/file"), "secret").unwrap();
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn dir(&self, name: &str, access: Access) -> DirGrant {
        DirGrant { path: self.text(name), access, role: "workspace".to_owned() }
    }

    /// Everything demanded; `work` may be written, `read` read, the attempts executed.
    pub(crate) fn plan(&self, argv: &[&str]) -> LaunchPlan {
        let mut dirs = system_grant();
        let examples = example("").to_str().unwrap().trim_end_matches('/').to_owned();
        dirs.push(DirGrant { path: examples, access: Access::ReadExecute, role: "toolchain".to_owned() });
        dirs.push(self.dir("work", Access::Write));
        dirs.push(self.dir("read", Access::Read));
        let limits = ResourceLimits { wall_s: Some(20), grace_s: Some(1), ..ResourceLimits::default() };
        let env = baseline_env(&self.text("work"), &self.text("work"));
        let grant = LaunchGrant { dirs, env, network: Network::None, limits, must: everything() };
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        LaunchPlan { purpose: "test".to_owned(), argv, cwd: self.text("work"), grant }
    }

    pub(crate) fn sh(&self, script: &str) -> LaunchPlan {
        self.plan(&["sh", "-c", script])
    }

    pub(crate) async fn launch(&self, plan: &LaunchPlan) -> Result<LaunchOutcome, LaunchError> {
        self.launcher.launch(plan, LaunchIo::default(), &CancellationToken::new()).await
    }

    /// Launches, and demands that it ran and that its death is proved.
    pub(crate) async fn run(&self, plan: &LaunchPlan) -> LaunchOutcome {
        self.run_with(plan, LaunchIo::default()).await
    }

    pub(crate) async fn run_with(&self, plan: &LaunchPlan, io: LaunchIo) -> LaunchOutcome {
        let outcome = self.launcher.launch(plan, io, &CancellationToken::new()).await.unwrap();
        assert!(outcome.report.proved_dead, "{outcome:?}");
        outcome
    }

    /// What an attempt says.
    pub(crate) async fn attempt(&self, words: &[&str]) -> String {
        self.said(&self.plan(&[&[attempt().as_str()], words].concat())).await
    }

    pub(crate) async fn said(&self, plan: &LaunchPlan) -> String {
        let report = self.run(plan).await.report;
        assert_eq!(report.end, LaunchEnd::Exited { code: 0 }, "{report:?}");
        report.stdout.head.trim_end().to_owned()
    }

    /// Waits until scripts wrote a line into each of these files of `work`.
    pub(crate) async fn written(&self, names: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        let ends_a_line = |name: &&str| std::fs::read_to_string(self.path("work").join(name)).is_ok_and(|text| text.ends_with('\n'));
        while !names.iter().all(ends_a_line) {
            assert!(Instant::now() < deadline, "never all written: {names:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The process id that a script wrote into `work`.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let text = std::fs::read_to_string(self.path("work").join(name)).unwrap_or_default();
        text.trim().parse().unwrap_or_else(|_| panic!("`{name}` holds no process id: {text:?}"))
    }
}

/// Whether a process exists that is not a corpse.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
