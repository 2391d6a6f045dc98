//! Owners that stop, vanish or are killed in the middle, disks that are full: nothing acknowledged is lost, nothing unsafe is repeated.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orc_domain::api::*;
use orc_domain::ports::Clock as _;
use orc_domain::states::*;
use orc_domain::{ErrorCode, Timestamp, WorkflowId};
use orc_tests::{Closed, SeededIds, TestClock, World, assert_database_consistent, edit, own, processes};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::commands::{reasons, registry, result, start};
use crate::control::{runs, until};

/// A world whose `./work.sh` ends only once the test opened the door, and leaves its process id in its checkout until then.
pub(crate) async fn waiting_world(change: impl FnOnce(&Path)) -> (World, WorkflowId) {
    let mut door = PathBuf::new();
    let world = World::with(|root| {
        door = root.parent().unwrap().join("door");
        fs::create_dir(&door).unwrap();
        registry(root, &format!("launch: {{read: [{}], limits: {{grace_s: 1}}}}", door.display()));
        change(root);
    })
    .await;
    let script = format!(
        "echo $$ > pid; (setsid sh -c 'while :; do sleep 0.05; done' &); while ! test -e {}/open; do sleep 0.05; done; rm pid",
        door.display()
    );
    let id = start(&world, &script).await;
    (world, id)
}

pub(crate) fn open_the_door(dir: &Path) {
    fs::write(dir.join("door/open"), "").unwrap();
}

/// Reads one number of a database that somebody else may own.
fn number(db: &Path, sql: &str) -> Option<u64> {
    let connection = Connection::open_with_flags(db, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten().map(|number| number.unsigned_abs())
}

fn events(db: &Path) -> u64 {
    number(db, "SELECT seq FROM audit_head").unwrap()
}

async fn assert_completes_at_the_second_attempt(world: &mut World, id: &WorkflowId) {
    open_the_door(world.dir.path());
    world.drive();
    let status = world.settled(id).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    let phase = &status.phases[0];
    assert_eq!((phase.state, phase.attempt, phase.attempts), (PhaseRunState::Completed, 2, 1));
    assert_eq!(result(&status).usage.attempts, 2);
    let attempts: Vec<(u32, &str, WorkerRunState)> =
        phase.worker_runs.iter().map(|run| (run.attempt, run.purpose.as_str(), run.state)).collect();
    assert_eq!(attempts[1..], [(2, "command", WorkerRunState::Exited), (2, "verify", WorkerRunState::Exited)]);
    assert_eq!(attempts[0].0, 1);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_stops_in_order_leaves_what_the_next_one_takes_up() {
    let (mut world, id) = waiting_world(|_| ()).await;
    world.drive();
    until(&world, &id, runs).await;
    world.stop_driving().await;
    assert_eq!(world.processes(), Vec::<String>::new(), "it stops after what it started");
    let status = world.status(&id).await;
    assert_eq!((status.workflow.state, status.execution.unwrap().state), (WorkflowState::Executing, ExecutionState::Interrupted));
    assert_eq!((status.phases[0].state, status.phases[0].worker_runs[0].state), (PhaseRunState::Interrupted, WorkerRunState::Killed));
    world.assert_nothing_left().await;

    let mut world = world.reopen().await;
    assert_eq!(world.status(&id).await.execution.unwrap().state, ExecutionState::Queued);
    assert_completes_at_the_second_attempt(&mut world, &id).await;
}

/// A process that sleeps for a while, and not for ever where the test fails.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: u64) -> Self {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1500));
            let _ = kill_process(pid, Signal::CONT);
        });
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_vanishes_leaves_what_the_next_one_takes_up() {
    let (mut world, id) = waiting_world(|_| ()).await;
    world.drive();
    until(&world, &id, runs).await;
    // A supervisor that is slow to notice.
    let supervisor = number(&world.db(), "SELECT pid FROM worker_run WHERE state = 'running'").unwrap();
    let stopped = Stopped::stop(supervisor);
    let mut world = world.vanish().await.open().await;
    assert_eq!(world.processes(), Vec::<String>::new(), "who takes over waits for their death");
    drop(stopped);
    let status = world.status(&id).await;
    assert_eq!((status.execution.unwrap().state, status.phases[0].state), (ExecutionState::Queued, PhaseRunState::Interrupted));
    assert_eq!(status.phases[0].worker_runs[0].state, WorkerRunState::Lost);
    world.assert_nothing_left().await;
    assert_completes_at_the_second_attempt(&mut world, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_restartable_waits_for_an_operator() {
    for orderly in [true, false] {
        let (mut world, id) =
            waiting_world(|root| edit(root, "config/phase-contracts.yaml", "restartable: true", "restartable: false")).await;
        world.drive();
        until(&world, &id, runs).await;
        let mut world = if orderly { world.reopen().await } else { world.vanish().await.open().await };
        world.drive();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = world.status(&id).await;
        assert_eq!((status.workflow.state, status.execution.unwrap().state), (WorkflowState::Executing, ExecutionState::Interrupted));
        assert_eq!(status.phases[0].attempt, 1);
        let explained = world.ask("bob", Explain { id: id.to_string() }).await.unwrap();
        assert_eq!((explained.reasons.len(), explained.reasons[0].code.as_str()), (1, "interrupted"));
        assert!(status.next.iter().any(|step| step.command == format!("orcctl cancel {id}")), "{:?}", status.next);
        assert!(status.next.iter().any(|step| step.command == "orcctl serve"), "{:?}", status.next);

        world.ask("alice", Cancel { id: id.to_string(), reason: None }).await.unwrap();
        assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Cancelled);
        world.assert_nothing_left().await;
        open_the_door(world.dir.path());
        let planned = world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap();
        world.approve("bob", &planned.workflow.id).await.unwrap();
        world.run(&id, "k2").await.unwrap();
        assert_eq!(world.settled(&id).await.workflow.state, WorkflowState::Completed);
        world.assert_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_was_acknowledged_is_kept_by_the_next_owner() {
    let (mut world, id) = waiting_world(|_| ()).await;
    world.drive();
    until(&world, &id, runs).await;
    world.ask("alice", Cancel { id: id.to_string(), reason: None }).await.unwrap();
    let mut world = world.vanish().await.open().await;
    world.drive();
    let status = world.settled(&id).await;
    assert_eq!((status.workflow.state, status.phases[0].attempt), (WorkflowState::Cancelled, 1));
    world.assert_nothing_left().await;
}

const WORLD: &str = "ORC_RUNNER_CRASH_WORLD";
const NOW: &str = "ORC_RUNNER_CRASH_NOW";

/// The process that is killed: owns the world's database and drives.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started and killed by tests of this module"]
async fn drives_until_it_is_killed() {
    let dir = PathBuf::from(std::env::var_os(WORLD).unwrap());
    let now: i64 = std::env::var(NOW).unwrap().parse().unwrap();
    let clock = Arc::new(TestClock::at(Timestamp(now)));
    // Ids that no other process of this test makes.
    let ids = Arc::new(SeededIds::from_seed(now.unsigned_abs()));
    let engine = own(&dir, &clock, &ids).await.unwrap();
    println!("it drives");
    std::io::stdout().flush().unwrap();
    engine.drive(CancellationToken::new()).await;
}

/// Starts it and waits until it drives.
fn start_owner(world: &Closed) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::drives_until_it_is_killed", "--ignored", "--nocapture"])
        .env(WORLD, world.dir.path())
        .env(NOW, world.clock.now().0.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("it drives")), "it does not drive");
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Looks often, for at most twenty seconds.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < patience, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn alive(pid: u64) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_while_a_command_runs_leaves_no_process_and_loses_nothing() {
    let (world, id) = waiting_world(|_| ()).await;
    let execution = world.status(&id).await.execution.unwrap().id;
    let db = world.db();
    let checkout = db.with_extension("db.d").join("worktrees").join(execution.as_str()).join("verify-1");
    let world = world.close().await;
    let owner = start_owner(&world);
    let command = wait_for("the command", || fs::read_to_string(checkout.join("pid")).ok()?.trim().parse::<u64>().ok());
    let supervisor = wait_for("its supervisor", || number(&db, "SELECT pid FROM worker_run WHERE state = 'running'"));
    assert!(alive(command) && alive(supervisor));

    // While it lives, nobody else gets in.
    let second = own(world.dir.path(), &world.clock, &world.ids).await.err().unwrap();
    assert_eq!(second.code, ErrorCode::DatabaseBusy);
    assert!(second.message.contains(&owner.id().to_string()), "{}", second.message);

    kill(owner);
    wait_for("the death of all", || (!alive(command) && !alive(supervisor) && processes(world.dir.path()).is_empty()).then_some(()));
    assert_database_consistent(&db);

    let mut world = world.open().await;
    world.assert_nothing_left().await;
    assert_eq!(world.status(&id).await.phases[0].worker_runs[0].state, WorkerRunState::Lost);
    assert_completes_at_the_second_attempt(&mut world, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_after_any_step_is_recovered_from() {
    let mut world = World::new().await;
    let db = world.db();
    // Before it begins, before the command, in the middle of it, between it and its verification, among the gates.
    for steps in [1, 6, 10, 13, 18] {
        let id = world.approved("./build.sh").await.workflow.id;
        world.run(&id, "k1").await.unwrap();
        let before = events(&db);
        let closed = world.close().await;
        let owner = start_owner(&closed);
        wait_for("a step", || (events(&db) >= before + steps).then_some(()));
        kill(owner);
        assert_database_consistent(&db);
        let acknowledged = events(&db);

        world = closed.open().await;
        assert!(events(&db) > acknowledged, "nothing is taken back");
        world.drive();
        let status = world.settled(&id).await;
        assert_eq!(status.workflow.state, WorkflowState::Completed, "after {steps}: {:?}", reasons(&status));
        assert!(status.phases[0].attempt <= 2, "after {steps}: {}", status.phases[0].attempt);
        assert_eq!(world.ask("alice", GetWorkflow { workflow: id.to_string() }).await.unwrap().executions.len(), 1);
        world.assert_nothing_left().await;
        world.stop_driving().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_owner() {
    let world = World::new().await;
    let (clock, ids) = (Arc::clone(&world.clock), Arc::clone(&world.ids));
    let second = own(world.dir.path(), &clock, &ids).await.err().unwrap();
    assert_eq!(second.code, ErrorCode::DatabaseBusy);
    assert!(second.hint.unwrap().contains("socket"));
    world.plan("./build.sh").await.unwrap();
    let generation = world.ask("alice", GetOverview {}).await.unwrap().host.generation;
    let world = world.reopen().await;
    assert_eq!(world.ask("alice", GetOverview {}).await.unwrap().host.generation, generation.map(|generation| generation + 1));
    world.assert_nothing_left().await;
}

/// As if another owner had come without the lock: whatever the first one still wants to write does not land.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_generation_writes_does_not_land() {
    let (mut world, id) = waiting_world(|_| ()).await;
    world.drive();
    until(&world, &id, runs).await;
    Connection::open(world.db()).unwrap().execute("UPDATE meta SET generation = generation + 1", []).unwrap();
    let before = events(&world.db());
    let refused = world.plan("./build.sh").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::OwnershipLost);
    let cancelled = world.ask("alice", Cancel { id: id.to_string(), reason: None }).await.unwrap_err();
    assert_eq!(cancelled.code, ErrorCode::OwnershipLost);
    // The command ends, and nobody may write that down.
    open_the_door(world.dir.path());
    wait_for("the end of the command", || world.processes().is_empty().then_some(()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(events(&world.db()), before);
    assert_eq!(number(&world.db(), "SELECT count(*) FROM workflow"), Some(1));

    let mut world = world.vanish().await.open().await;
    assert_completes_at_the_second_attempt(&mut world, &id).await;
}

/// A small disk of its own under the state directory, where this machine lets a test mount one.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes every byte that is left; what the database has reserved for itself is given up first.
    fn fill(&self, db: &Path) {
        let connection = Connection::open(db).unwrap();
        wait_for("an empty log", || {
            let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
            (busy == 0).then_some(())
        });
        drop(connection);
        let mut ballast = fs::File::create(self.0.join("ballast")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while ballast.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the engine may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_survived() {
    let mut disk = None;
    let (mut world, running) = waiting_world(|root| disk = Disk::mount(&root.parent().unwrap().join("state"))).await;
    let Some(disk) = disk else {
        println!("skipped: a_full_disk_is_named_and_survived: no small disk can be mounted here (needs root and CAP_SYS_ADMIN)");
        return;
    };
    world.drive();
    until(&world, &running, runs).await;
    let db = world.db();
    let before = (events(&db), number(&db, "SELECT count(*) FROM workflow"), number(&db, "SELECT count(*) FROM decision"));
    disk.fill(&db);

    let refused = world.plan("./build.sh").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StorageFailed, "{refused:?}");
    assert!(refused.hint.as_ref().unwrap().contains("free some space"), "{refused:?}");
    let refused = world.ask("adam", Freeze { scope: FreezeScope::All, reason: "x".repeat(1000).as_str().into() }).await;
    if let Err(refused) = &refused {
        assert_eq!(refused.code, ErrorCode::StorageFailed, "{refused:?}");
    }
    // What runs ends now, and its end cannot be written down.
    open_the_door(world.dir.path());
    wait_for("the end of the command", || world.processes().is_empty().then_some(()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.status(&running).await.workflow.state, WorkflowState::Executing, "reading works");
    let after = (events(&db), number(&db, "SELECT count(*) FROM workflow"), number(&db, "SELECT count(*) FROM decision"));
    assert_eq!((after.1, after.2), (before.1, before.2), "nothing half-written");

    disk.free();
    let status = world.settled(&running).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!(status.phases[0].attempt, 2);
    if refused.is_ok() {
        world.ask("adam", Unfreeze { scope: FreezeScope::All }).await.unwrap();
    }
    assert_eq!(world.completed("./build.sh").await.workflow.state, WorkflowState::Completed);
    world.assert_nothing_left().await;
    drop(world);
    drop(disk);
}
