//! What must hold of every world, whatever a test did to it: states are the fold of the audit, and nothing is left of what is over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orc_domain::api::VerifyAudit;
use orc_domain::states::*;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::World;

/// An event of the audit, as it is stored.
struct Stored {
    kind: String,
    body: Value,
}

impl World {
    /// Every state column is what its events fold to, what belongs together is in one state, and the chain holds.
    pub async fn assert_consistent(&self) {
        assert_database_consistent(&self.db());
        let proof = self.ask("alice", VerifyAudit {}).await.unwrap();
        assert_eq!(proof.broken, None);
    }

    /// The same, and no process, checkout or scratch directory of this world is left.
    pub async fn assert_nothing_left(&self) {
        self.assert_consistent().await;
        assert_nothing_left(self.dir.path(), &self.db());
    }

    /// Processes that work in this world: by directory, environment or arguments.
    pub fn processes(&self) -> Vec<String> {
        processes(self.dir.path())
    }
}

/// Waits, at most ten seconds: what is over is recorded before its directories are removed.
pub fn assert_nothing_left(world: &Path, db: &Path) {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let left = left(world, db);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < patience, "left: {left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes, checkouts, scratch directories and git directories of checkouts.
fn left(world: &Path, db: &Path) -> Vec<String> {
    let state = orc_store::state_dir(db);
    let below = |dir: PathBuf| names(&dir).into_iter().map(|name| dir.join(name).display().to_string()).collect::<Vec<_>>();
    let repositories = names(&state.join("git")).into_iter().map(|name| state.join("git").join(name).join("worktrees"));
    let directories = repositories.chain(["worktrees", "scratch"].map(|name| state.join(name)));
    processes(world).into_iter().chain(directories.flat_map(below)).collect()
}

/// The names in a directory; none where there is none.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Processes, this one left out, whose directory, environment or arguments name `world`.
pub fn processes(world: &Path) -> Vec<String> {
    let (own, needle) = (std::process::id().to_string(), world.to_str().unwrap());
    let of = |pid: String| {
        let proc = Path::new("/proc").join(&pid);
        let text = |file: &str| String::from_utf8_lossy(&fs::read(proc.join(file)).unwrap_or_default()).replace('\0', " ");
        let (arguments, environment) = (text("cmdline"), text("environ"));
        let cwd = fs::read_link(proc.join("cwd")).unwrap_or_default();
        let found = arguments.contains(needle) || environment.contains(needle) || cwd.starts_with(world);
        found.then(|| format!("{pid}: {arguments}"))
    };
    let pids = names(Path::new("/proc")).into_iter().filter(|name| *name != own && name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter_map(of).collect()
}

/// The offline half of [`World::assert_consistent`].
pub fn assert_database_consistent(db: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(db, flags).unwrap();
    let snapshot = connection.transaction().unwrap();
    let events = events(&snapshot);
    assert_folds::<WorkflowState>(&snapshot, &events, "workflow", WorkflowState::Planned);
    assert_folds::<ApprovalRequestState>(&snapshot, &events, "approval_request", ApprovalRequestState::Pending);
    assert_folds::<ExecutionState>(&snapshot, &events, "execution", ExecutionState::Queued);
    assert_folds::<PhaseRunState>(&snapshot, &events, "phase_run", PhaseRunState::Pending);
    assert_folds::<WorkerRunState>(&snapshot, &events, "worker_run", WorkerRunState::Intended);
    assert_attempts(&snapshot, &events);
    for (what, sql) in NEVER {
        let found = rows(&snapshot, sql);
        assert!(found.is_empty(), "{what}: {found:?}");
    }
    let answered = events.iter().filter(|event| event.kind == "guest_answered").count();
    assert_eq!(rows(&snapshot, "SELECT id, outcome FROM guest_result").len(), answered, "an event for each answer of a guest");
}

/// What no database may hold: two columns of the rows where it does.
const NEVER: [(&str, &str); 6] = [
    (
        "a phase goes on in an execution that is over",
        "SELECT p.id, p.state FROM phase_run AS p JOIN execution AS e ON e.id = p.execution
         WHERE e.ended_at IS NOT NULL AND p.state IN ('pending', 'running', 'paused', 'interrupted')",
    ),
    (
        "a launch goes on in an execution that is over",
        "SELECT r.id, r.state FROM worker_run AS r JOIN phase_run AS p ON p.id = r.phase_run JOIN execution AS e ON e.id = p.execution
         WHERE e.ended_at IS NOT NULL AND r.state IN ('intended', 'launching', 'running')",
    ),
    (
        "a launch that ended has neither a report nor a refusal",
        "SELECT id, state FROM worker_run WHERE state IN ('exited', 'killed') AND report IS NULL AND refused IS NULL",
    ),
    (
        "a workflow executes and nothing of it does",
        "SELECT id, state FROM workflow AS w WHERE state = 'executing'
         AND NOT EXISTS (SELECT 1 FROM execution AS e WHERE e.workflow = w.id AND e.revision = w.revision AND e.ended_at IS NULL)",
    ),
    (
        "an execution goes on and its workflow does not execute",
        "SELECT e.id, w.state FROM execution AS e JOIN workflow AS w ON w.id = e.workflow
         WHERE e.ended_at IS NULL AND w.state <> 'executing'",
    ),
    (
        "a workflow ended otherwise than its execution",
        "SELECT e.id, w.state FROM execution AS e JOIN workflow AS w ON w.id = e.workflow AND w.revision = e.revision
         WHERE e.ended_at IS NOT NULL AND w.state <> e.state",
    ),
];

fn events(connection: &Connection) -> Vec<Stored> {
    let event = |(kind, body): (String, String)| Stored { kind, body: serde_json::from_str(&body).unwrap() };
    rows(connection, "SELECT kind, body FROM audit ORDER BY seq").into_iter().map(event).collect()
}

fn rows(connection: &Connection, sql: &str) -> Vec<(String, String)> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn assert_folds<M: Machine + std::fmt::Debug>(connection: &Connection, events: &[Stored], table: &str, begin: M) {
    let mut folded: BTreeMap<&str, M> = BTreeMap::new();
    let kind = format!("{table}_changed");
    for body in events.iter().filter(|event| event.kind == kind).map(|event| &event.body) {
        let word = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("{kind} without {key}: {body}"));
        let event = M::EVENTS.iter().copied().find(|event| M::event_word(*event) == word("event")).unwrap();
        let state = folded.entry(word("id")).or_insert(begin);
        assert_eq!(state.word(), word("from"), "{body}");
        *state = state.next(event).unwrap();
        assert_eq!(state.word(), word("to"), "{body}");
    }
    for (id, state) in rows(connection, &format!("SELECT id, state FROM {table}")) {
        let fold = folded.get(id.as_str()).copied().unwrap_or(begin);
        assert_eq!(state, fold.word(), "{table} {id}");
    }
}

fn assert_attempts(connection: &Connection, events: &[Stored]) {
    let begins = |body: &Value, id: &str| body["id"] == id && matches!(body["event"].as_str(), Some("started" | "attempt_started"));
    for (id, attempt) in rows(connection, "SELECT id, CAST(attempt AS TEXT) FROM phase_run") {
        let counted = events.iter().filter(|event| event.kind == "phase_run_changed" && begins(&event.body, &id)).count();
        assert_eq!(attempt, counted.to_string(), "attempts of {id}");
    }
}
