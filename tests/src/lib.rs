//! What end-to-end tests stand on: a [`World`] with everything real but the clock and the ids, which tests decide.
//!
//! **Belongs here:** making worlds and looking at them from outside. **Never belongs here:** a mock of a room.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs, reason = "support of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use orc_client::{InProcess, Session, call};
use orc_config::init::{InitOptions, StockGuest, Team, init};
use orc_domain::api::*;
use orc_domain::ports::{Clock, IdSource};
use orc_domain::states::WorkflowState;
use orc_domain::*;
use orc_engine::{Engine, EngineParts, Inherited, Keys, Machine, Peer};
use orc_guests::{GuestsOptions, WasmGuests};
use orc_launch::{HelperLauncher, LauncherOptions, baseline_env, find_helper, system_grant};
use orc_store::{Ownership, Store};
use orc_workspace::{CollectionLimits, Workspaces, WorkspacesOptions};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod check;
pub mod cli;
mod guest;

pub use check::{assert_database_consistent, assert_nothing_left, names, processes};
pub use guest::{Wat, bind};

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    pub fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        // A millisecond a look: events have an order, and nothing depends on how fast the machine is.
        Timestamp(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// SplitMix64 from a seed: other bytes each time, the same in every run.
#[derive(Debug)]
pub struct SeededIds(AtomicU64);

impl SeededIds {
    pub fn from_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl IdSource for SeededIds {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8;
        }
    }
}

/// Operators of every world, each bound to the unix user of the same name.
const OPERATORS: &str = "
operators:
  alice: {roles: [operator], unix_users: [alice]}
  bob: {roles: [operator, tech_lead], unix_users: [bob]}
  carol: {roles: [operator, security, tech_lead], unix_users: [carol]}
  dave: {roles: [operator, release_manager], unix_users: [dave]}
  adam: {roles: [operator, admin], unix_users: [adam]}
  anna: {roles: [operator, admin], unix_users: [anna]}
  gone: {roles: [tech_lead], unix_users: [gone], withdrawn: true}
role_groups:
  operator: [operator]
  tech_lead: [tech_lead]
  security: [security]
  release_manager: [release_manager]
  admin: [admin]
";

/// A directory with a root, a project and a database, and an engine on them.
pub struct World {
    pub dir: TempDir,
    pub engine: Arc<Engine>,
    pub clock: Arc<TestClock>,
    pub ids: Arc<SeededIds>,
    driver: Option<(CancellationToken, JoinHandle<()>)>,
}

impl World {
    /// A world of a team whose project allows `./check.sh` and `./build.sh`.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, its root changed before the first look at it.
    pub async fn with(change: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::with_prefix("orc-world-").unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_000_000_000)));
        let ids = Arc::new(SeededIds(AtomicU64::new(42)));
        project(&dir.path().join("project"));
        root(dir.path(), ids.as_ref());
        change(&dir.path().join("root"));
        let engine = open(dir.path(), &clock, &ids).await.unwrap();
        Self { dir, engine, clock, ids, driver: None }
    }

    /// Lets the engine drive queued executions.
    pub fn drive(&mut self) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&self.engine).drive(stop.clone()));
        self.driver = Some((stop, task));
    }

    /// Stops driving in order.
    pub async fn stop_driving(&mut self) {
        if let Some((stop, task)) = self.driver.take() {
            stop.cancel();
            task.await.unwrap();
        }
    }

    /// Another owner takes over, as after a restart.
    pub async fn reopen(self) -> Self {
        self.close().await.open().await
    }

    /// Nobody owns the database any more.
    pub async fn close(mut self) -> Closed {
        self.stop_driving().await;
        let Self { dir, engine, clock, ids, .. } = self;
        drop(engine);
        Closed { dir, clock, ids }
    }

    /// The engine vanishes in the middle of whatever it does, as when its process dies, but for the kernel's part.
    pub async fn vanish(self) -> Closed {
        let Self { dir, engine, clock, ids, driver } = self;
        if let Some((_, task)) = driver {
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()), "it was driving");
        }
        drop(engine);
        Closed { dir, clock, ids }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn db(&self) -> PathBuf {
        self.dir.path().join("state/orc.db")
    }

    /// Asks as `user`, over a peer whose unix user has that name.
    pub async fn ask<I: Intent>(&self, user: &str, request: I) -> Result<I::Answer, OrcError> {
        self.ask_once(user, None, request).await
    }

    pub async fn ask_once<I: Intent>(&self, user: &str, key: Option<&str>, request: I) -> Result<I::Answer, OrcError> {
        self.ask_from(peer(Some(user)), None, key, request).await
    }

    /// Asks over a connection of `peer`, in the name of the operator `named` where one is.
    pub async fn ask_from<I: Intent>(&self, peer: Peer, named: Option<&str>, key: Option<&str>, request: I) -> Result<I::Answer, OrcError> {
        let client = InProcess { engine: Arc::clone(&self.engine), peer };
        let user = named.map(|name| name.parse().unwrap());
        call(&client, &Session { user }, key.map(str::to_owned), request).await
    }

    /// Puts what is under the root into force: two admins agree to it.
    pub async fn activate(&self) -> RulesStatus {
        let digest = self.candidate().await.candidate.expect("nothing under the root differs from what is in force").digest;
        self.ask("adam", RulesActivate { digest }).await.unwrap();
        let status = self.ask("anna", RulesActivate { digest }).await.unwrap();
        assert!(status.candidate.is_none(), "{status:#?}");
        status
    }

    /// The rules after a look at the root.
    pub async fn candidate(&self) -> RulesStatus {
        self.engine.scan_root().await.unwrap();
        self.ask("alice", GetRules {}).await.unwrap()
    }

    /// Plans `command` of the family build_test as alice.
    pub async fn plan(&self, command: &str) -> Result<Planned, OrcError> {
        self.ask("alice", plan(command)).await
    }

    /// Votes yes as `user` on the request of `group`.
    pub async fn approve(&self, user: &str, workflow: &WorkflowId) -> Result<Voted, OrcError> {
        let card = self.card(user, workflow).await?;
        let token = card.token.ok_or_else(|| card.cannot.expect("no token and no reason"))?;
        self.ask(user, Approve { request: card.request.id.to_string(), token, role: None }).await
    }

    /// The first card of a workflow that `user` can vote on, else the first.
    pub async fn card(&self, user: &str, workflow: &WorkflowId) -> Result<ApprovalCard, OrcError> {
        let mut cards = self.ask(user, GetApprovals { of: Some(workflow.to_string()) }).await?.cards;
        let at = cards.iter().position(|card| card.token.is_some()).unwrap_or(0);
        Ok(cards.remove(at))
    }

    /// A plan of `command` that is approved.
    pub async fn approved(&self, command: &str) -> Planned {
        let planned = self.plan(command).await.unwrap();
        let voted = self.approve("bob", &planned.workflow.id).await.unwrap();
        assert_eq!(voted.workflow.state, WorkflowState::Approved);
        planned
    }

    pub async fn run(&self, workflow: &WorkflowId, key: &str) -> Result<RunAccepted, OrcError> {
        self.ask("alice", Run { workflow: workflow.to_string(), plan_hash: None, idempotency_key: key.to_owned() }).await
    }

    pub async fn status(&self, workflow: &WorkflowId) -> Status {
        self.ask("alice", GetStatus { workflow: workflow.to_string() }).await.unwrap()
    }

    /// Waits, at most a minute, until a workflow is no longer executing.
    pub async fn settled(&self, workflow: &WorkflowId) -> Status {
        for _ in 0..600 {
            let status = self.status(workflow).await;
            if status.workflow.state != WorkflowState::Executing {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{workflow} is still executing: {:#?}", self.status(workflow).await);
    }

    /// Plans, approves, runs and waits.
    pub async fn completed(&mut self, command: &str) -> Status {
        let planned = self.approved(command).await;
        if self.driver.is_none() {
            self.drive();
        }
        self.run(&planned.workflow.id, "k1").await.unwrap();
        self.settled(&planned.workflow.id).await
    }

    /// Kinds of the audit events of a workflow, oldest first.
    pub async fn history(&self, workflow: &WorkflowId) -> Vec<String> {
        let audit = self.ask("alice", GetAudit { workflow: Some(workflow.to_string()), limit: 0 }).await.unwrap();
        audit.events.into_iter().map(|event| event.kind.to_string()).collect()
    }

    /// Replaces `from` by `to` in a file of the root; it must occur.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        edit(&self.root(), path, from, to);
    }

    /// Commits `content` as `path` to the project.
    pub fn commit(&self, path: &str, content: &str) {
        write_executable(&self.project().join(path), content);
        git(&self.project(), &["add", "-A"]);
        git(&self.project(), &["commit", "-qm", "Change"]);
    }
}

/// A connection of the unix user of that name; `None`: of a user id that this machine has no name for.
pub fn peer(user: Option<&str>) -> Peer {
    Peer { uid: 1000, user: user.map(str::to_owned), owns_state: false, pid: None }
}

/// A world that nobody owns.
pub struct Closed {
    pub dir: TempDir,
    pub clock: Arc<TestClock>,
    pub ids: Arc<SeededIds>,
}

impl Closed {
    /// Waits, at most ten seconds, for what a vanished engine still holds, and takes ownership.
    pub async fn open(self) -> World {
        let Self { dir, clock, ids } = self;
        for _ in 0..500 {
            match open(dir.path(), &clock, &ids).await {
                Ok(engine) => return World { dir, engine, clock, ids, driver: None },
                Err(error) if error.code == ErrorCode::DatabaseBusy => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("somebody still owns {}", dir.path().display());
    }
}

/// An engine that owns the database of the world at `dir`, which another process made.
pub async fn own(dir: &Path, clock: &Arc<TestClock>, ids: &Arc<SeededIds>) -> Result<Arc<Engine>, OrcError> {
    open(dir, clock, ids).await
}

/// The intent of planning `command`.
pub fn plan(command: &str) -> Plan {
    Plan {
        project: "demo".parse().unwrap(),
        action: "build".parse().unwrap(),
        family: risk::CommandFamily::BuildTest,
        command_text: command.to_owned(),
        flags: Vec::new(),
        metadata: BTreeMap::new(),
        pipeline: None,
        no_verify: false,
    }
}

/// Replaces `from` by `to` in a file below `root`; it must occur.
pub fn edit(root: &Path, path: &str, from: &str, to: &str) {
    let file = root.join(path);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{path} has no {from:?}");
    replace(&file, &text.replace(from, to));
}

/// Saves whole, as an editor should.
pub fn replace(file: &Path, text: &str) {
    let part = file.with_extension("part~");
    fs::write(&part, text).unwrap();
    fs::rename(&part, file).unwrap();
}

pub fn write_executable(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn project(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    git(dir, &["init", "-q"]);
    write_executable(&dir.join("build.sh"), "#!/bin/sh\nmkdir -p out && echo built > out/result && echo building\n");
    write_executable(&dir.join("check.sh"), "#!/bin/sh\necho checking\ntest -f src/main.txt\n");
    fs::create_dir_all(dir.join("src")).unwrap();
    fs::write(dir.join("src/main.txt"), "hello\n").unwrap();
    fs::write(dir.join(".gitignore"), "out/\n").unwrap();
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-qm", "Start"]);
}

/// The stock guests, built by xtask beside the host's binaries.
pub fn stock_guests() -> Vec<StockGuest> {
    let exe = std::env::current_exe().unwrap();
    let dir = exe.ancestors().skip(1).take(2).map(|dir| dir.join("guests")).find(|dir| dir.is_dir());
    let dir = dir.expect("no stock guests beside the test: run `cargo xtask build` first");
    let mut names: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|path| StockGuest { manifest: fs::read(&path).unwrap(), component: fs::read(path.with_extension("wasm")).unwrap() })
        .collect()
}

fn root(dir: &Path, ids: &dyn IdSource) {
    let root = dir.join("root");
    let options = InitOptions {
        installation: InstallationId::generate(ids),
        team: Team::Small,
        operator: "alice".parse().unwrap(),
        unix_user: "alice".to_owned(),
        guests: stock_guests(),
    };
    init(&root, &options).unwrap();
    replace(&root.join("config/operators.yaml"), OPERATORS);
    let project = dir.join("project").display().to_string();
    let entry = format!(
        "projects:\n  demo:\n    tenant: default\n    root: {project}\n    families: [build_test]\n    verify: [[./check.sh]]\n    owners: [alice]\n"
    );
    edit(&root, "config/projects.registry.yaml", "projects:\n", &entry);
    let rules = fs::read_to_string(root.join("policies/data/rules.yaml")).unwrap();
    let commands = ["./check.sh", "./build.sh", "./work.sh"]
        .map(|command| format!("  - {{ project: demo, family: build_test, argv: [{command}] }}\n"))
        .concat();
    replace(&root.join("policies/data/rules.yaml"), &format!("{}\n{commands}", rules.trim_end()));
    // Worlds bind the gate with its own settings: tests move it about.
    let settings = "        # Nothing of this phase is kept: a binary file that a build leaves is no matter.\n        settings: {binary_files: allow}\n";
    edit(&root, "config/phase-contracts.yaml", settings, "");
    if rustix::process::geteuid().is_root() {
        edit(&root, "config/orc.yaml", "accept_root: []", "accept_root: [processes]");
    }
}

async fn open(dir: &Path, clock: &Arc<TestClock>, ids: &Arc<SeededIds>) -> Result<Arc<Engine>, OrcError> {
    let db = dir.join("state/orc.db");
    let root = dir.join("root");
    if !db.exists() {
        let snapshot = orc_config::RootSnapshot::read(&root).unwrap();
        let checked = orc_config::check(&snapshot).unwrap_or_else(|problems| panic!("{problems:#?}"));
        orc_store::create(&db, &checked.settings.installation, "the test's root", clock.now()).unwrap();
    }
    let store = Store::open_owner(Ownership::take(&db)?, clock.now())?;
    let state = store.dir();
    let keys = Keys::load_or_create(&dir.join("keys"), store.installation(), ids.as_ref())?;
    // Worlds share what they compiled: it is looked up by content, and most of a world's time otherwise.
    let cache = std::env::current_exe().unwrap().with_file_name("guest-cache");
    let options = GuestsOptions { cache_dir: Some(cache), cache_key: [7; 32], concurrent_calls: 8 };
    let guests = WasmGuests::new(options).unwrap();
    let launcher = Arc::new(launcher(dir, &state));
    let mut env = baseline_env("", "");
    env.retain(|name, _| name != "HOME" && name != "TMPDIR");
    // Nothing gets it unless `launch.env` of orc.yaml names it.
    let value = "from the host";
    let inherited = Inherited { value: ports::Secret(value.to_owned()), pin: keys.pin(value) };
    let inherited = BTreeMap::from([("ORC_TEST_INHERITED".to_owned(), inherited)]);
    let machine = Machine { system: system_grant(), env: env.clone(), inherited, as_root: rustix::process::geteuid().is_root() };
    let git = ["/usr/local/bin/git", "/usr/bin/git"].iter().map(PathBuf::from).find(|path| path.is_file()).unwrap();
    let workspaces = Workspaces::new(WorkspacesOptions {
        state_dir: state,
        git,
        launcher: Arc::clone(&launcher) as Arc<dyn ports::Launcher>,
        system: machine.system.clone(),
        env,
        limits: CollectionLimits::default(),
    });
    let parts = EngineParts {
        store,
        root: Some(root),
        keys,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        ids: Arc::clone(ids) as Arc<dyn IdSource>,
        guests: Arc::new(guests),
        launcher,
        workspaces,
        machine,
    };
    Engine::open(parts).await.map(Arc::new)
}

fn launcher(dir: &Path, state: &Path) -> HelperLauncher {
    let exe = std::env::current_exe().unwrap();
    let helper = find_helper(&exe).expect("no launch helper beside the test: run `cargo xtask build` first");
    let options = LauncherOptions {
        helper,
        forbidden: vec![state.to_owned(), dir.join("keys"), dir.join("root")],
        allowed_within: ["git", "worktrees", "scratch"].map(|name| state.join(name)).into(),
    };
    HelperLauncher::new(options).unwrap()
}
