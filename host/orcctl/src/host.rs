//! The engine in this process: made of its parts, owned or only reading, and, where it is to work, driven and served on the socket.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orc_domain::operators::Trust;
use orc_domain::ports::{Clock, IdSource, Secret};
use orc_domain::{ErrorCode, OrcError, Timestamp};
use orc_engine::{Engine, EngineParts, Inherited, Keys, Machine, Peer};
use orc_guests::{GuestsOptions, WasmGuests};
use orc_launch::{HelperLauncher, LauncherOptions, baseline_env, find_helper, system_grant};
use orc_server::{Access, Limits, Server};
use orc_store::{MigrationReport, Ownership, Store, StoreError};
use orc_workspace::{CollectionLimits, Workspaces, WorkspacesOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::render::text;
use crate::wiring::{self, Paths};
use crate::{failure, local};

/// Tries to become the owner: another command may own the database for the moment that it takes.
const TRIES: u32 = 80;
const PAUSE: Duration = Duration::from_millis(250);
/// Guest calls at the same time; more wait for up to a second.
const GUEST_CALLS: u32 = 64;
/// Directories of the state that launches may be given: the rest is out of reach.
const FOR_LAUNCHES: [&str; 3] = ["git", "worktrees", "scratch"];

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
pub(crate) struct SystemRandom;

impl IdSource for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        rand::fill(buffer);
    }
}

/// A new installation's id, for `init`.
pub(crate) fn new_installation() -> orc_domain::InstallationId {
    orc_domain::InstallationId::generate(&SystemRandom)
}

/// Now, for commands that need no engine.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// The peer of an engine in this process: this user, who opened the database.
pub(crate) fn this_peer() -> Peer {
    let uid = rustix::process::geteuid().as_raw();
    Peer { uid, user: orc_server::unix_user(uid), owns_state: true, pid: Some(std::process::id()) }
}

/// What became of trying to own the database.
pub(crate) enum Owning {
    /// This process owns it.
    Engine(Arc<Engine>),
    /// A host that listens owns it.
    Elsewhere(orc_client::Socket),
}

/// Owns the database, or finds the host that does. A new database is made for the root's installation.
pub(crate) async fn own(paths: &Paths) -> Result<Owning, OrcError> {
    create_if_missing(paths)?;
    let mut last = None;
    for _ in 0..TRIES {
        if let Some(socket) = wiring::listening(paths).await? {
            return Ok(Owning::Elsewhere(socket));
        }
        match Ownership::take(&paths.db) {
            Ok(ownership) => {
                refuse_foreign(paths)?;
                let store = Store::open_owner(ownership, now())?;
                let keys = Keys::load_or_create(&paths.keys, store.installation(), &SystemRandom)?;
                return engine(paths, store, keys, Some(paths.root.clone())).await.map(Owning::Engine);
            }
            Err(StoreError::Owned { pid }) => last = Some(StoreError::Owned { pid }),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last.map_or_else(|| OrcError::new(ErrorCode::DatabaseBusy, "the database stays busy"), OrcError::from))
}

/// Refuses a root of another installation before anything is written. A root that is not in order says nothing here: the rules in force
/// are in the database.
fn refuse_foreign(paths: &Paths) -> Result<(), OrcError> {
    let Ok(Ok(checked)) = local::snapshot(&paths.root).map(|snapshot| local::checked(&snapshot)) else { return Ok(()) };
    let store = Store::open_read_only(&paths.db)?;
    let (root, database) = (&checked.settings.installation, store.installation());
    if root == database {
        return Ok(());
    }
    Err(OrcError::new(ErrorCode::WrongInstallation, format!("the root is of the installation {root}, the database of {database}"))
        .hint(format!("name the root that belongs to this database with --root (it was {}), or another database with --db", store.root())))
}

/// Makes the database where there is none yet, for the installation that the root names.
fn create_if_missing(paths: &Paths) -> Result<(), OrcError> {
    if exists(&paths.db)? {
        return Ok(());
    }
    let (checked, _) = local::rules_of(&paths.root)?;
    match orc_store::create(&paths.db, &checked.settings.installation, &paths.root.display().to_string(), now()) {
        // Another command was faster.
        Ok(()) | Err(StoreError::Exists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is a database. What this user may not look at is not missing.
pub(crate) fn exists(db: &Path) -> Result<bool, OrcError> {
    match db.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(closed(db)),
        Err(error) => Err(failure::io(&format!("cannot look at `{}`", db.display()), &error)),
    }
}

/// The error of a path below a directory that this user may not enter.
pub(crate) fn closed(path: &Path) -> OrcError {
    let found = path.ancestors().skip(1).find_map(|directory| Some((directory, directory.symlink_metadata().ok()?.uid())));
    let (directory, owner) = found.unwrap_or((path, 0));
    let name = orc_server::unix_user(owner).unwrap_or_else(|| format!("uid {owner}"));
    let refused = OrcError::new(
        ErrorCode::StorageFailed,
        format!("permission denied: the directory `{}` is {name}'s and cannot be entered", directory.display()),
    );
    if owner == rustix::process::geteuid().as_raw() {
        return refused.hint(format!("chmod 700 {}", text::word(&directory.to_string_lossy())));
    }
    refused.hint(format!(
        "run this as {name}, or name another database with `--db`; a team's host has its database where others may pass (mode 711)"
    ))
}

/// Migrates an outdated database, after a backup beside it; `None` where it is not outdated.
pub(crate) fn migrate_if_outdated(paths: &Paths) -> Result<Option<MigrationReport>, OrcError> {
    if !exists(&paths.db)? || !matches!(Store::open_read_only(&paths.db), Err(StoreError::Outdated { .. })) {
        return Ok(None);
    }
    migrate(paths).map(Some)
}

/// Migrates the database, after a backup beside it.
pub(crate) fn migrate(paths: &Paths) -> Result<MigrationReport, OrcError> {
    Ok(orc_store::migrate(&Ownership::take(&paths.db)?, now())?)
}

/// An engine that only reads.
pub(crate) async fn reader(paths: &Paths) -> Result<Arc<Engine>, OrcError> {
    if !exists(&paths.db)? {
        return Err(OrcError::new(ErrorCode::NotFound, format!("there is no database at {} yet", paths.db.display()))
            .hint("the first `orcctl plan` makes it; `--db` names another, `orcctl init` writes a root"));
    }
    let store = Store::open_read_only(&paths.db)?;
    let keys = Keys::load_or_pass(&paths.keys, store.installation(), &SystemRandom)?;
    engine(paths, store, keys, paths.own_root().ok().map(Path::to_owned)).await
}

async fn engine(paths: &Paths, store: Store, keys: Keys, root: Option<PathBuf>) -> Result<Arc<Engine>, OrcError> {
    let state = store.dir();
    let guests = guests(&state, &keys)?;
    let launcher = Arc::new(launcher(paths, &state)?);
    let machine = machine(Some(&keys));
    let workspaces = Workspaces::new(WorkspacesOptions {
        state_dir: state,
        git: git()?,
        launcher: Arc::clone(&launcher) as Arc<dyn orc_domain::ports::Launcher>,
        system: machine.system.clone(),
        env: machine.env.clone(),
        limits: CollectionLimits::default(),
    });
    let parts = EngineParts {
        store,
        root,
        keys,
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemRandom),
        guests: Arc::new(guests),
        launcher,
        workspaces,
        machine,
    };
    Engine::open(parts).await.map(Arc::new)
}

fn guests(state: &Path, keys: &Keys) -> Result<WasmGuests, OrcError> {
    let options = GuestsOptions { cache_dir: Some(state.join("cache")), cache_key: keys.guest_cache(), concurrent_calls: GUEST_CALLS };
    WasmGuests::new(options).map_err(|error| OrcError::from_source(ErrorCode::Internal, "guests cannot be run here", &error))
}

/// The launcher of this installation: state, keys and root are out of every launch's reach.
pub(crate) fn launcher(paths: &Paths, state: &Path) -> Result<HelperLauncher, OrcError> {
    let program = std::env::current_exe().map_err(|error| failure::io("cannot say where this program is", &error))?;
    let helper = find_helper(&program).ok_or_else(|| {
        OrcError::new(ErrorCode::LaunchFailed, format!("the launch helper `orc-launch` is not beside `{}`", program.display()))
            .hint("install it there, or build it with `cargo xtask build`")
    })?;
    let options = LauncherOptions {
        helper,
        forbidden: forbidden(paths, state),
        allowed_within: FOR_LAUNCHES.iter().map(|name| state.join(name)).collect(),
    };
    HelperLauncher::new(options).map_err(|error| OrcError::from_source(ErrorCode::LaunchFailed, "the launch helper cannot be used", &error))
}

/// The state with everything that stands beside the database, the keys, the root.
fn forbidden(paths: &Paths, state: &Path) -> Vec<PathBuf> {
    let beside = ["", "-wal", "-shm", "-journal", ".d", ".run"].map(|suffix| wiring::beside(&paths.db, suffix));
    let mut all = vec![state.to_owned(), paths.keys.clone(), paths.root.clone()];
    all.extend(beside);
    all
}

/// What this machine gives every launch. Without keys, for trying a project out, inherited values have no pin.
pub(crate) fn machine(keys: Option<&Keys>) -> Machine {
    let mut env = baseline_env("/nonexistent", "/nonexistent");
    env.retain(|name, _| !matches!(name.as_str(), "HOME" | "TMPDIR"));
    let inherited = wiring::environment().into_iter().map(|(name, value)| {
        let pin = keys.map(|keys| keys.pin(&value)).unwrap_or_default();
        (name, Inherited { value: Secret(value), pin })
    });
    Machine { system: system_grant(), env, inherited: inherited.collect(), as_root: rustix::process::geteuid().is_root() }
}

pub(crate) fn git() -> Result<PathBuf, OrcError> {
    let places = ["/usr/local/bin/git", "/usr/bin/git", "/bin/git"];
    let found = places.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        OrcError::new(ErrorCode::LaunchFailed, format!("there is no git at {}", places.join(", "))).hint("install git 2.41 or newer")
    })
}

/// An owner at work: executions are driven, due times kept, the socket served, the root watched.
pub(crate) struct Working {
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    /// Where it listens.
    pub(crate) socket: PathBuf,
}

impl Working {
    /// Puts an owner to work.
    pub(crate) async fn start(paths: &Paths, engine: &Arc<Engine>) -> Result<Self, OrcError> {
        let settings = engine.settings().await?;
        let [own, team] = paths.sockets();
        let (path, access) = match settings.trust {
            Trust::SingleUser => (own, Access::Owner),
            Trust::Team => (team, Access::Everyone),
        };
        let limits = Limits { request_bytes: settings.limits.request_bytes, ..Limits::default() };
        let server = Server::bind(&path, access, limits)
            .map_err(|error| OrcError::from_source(ErrorCode::Unenforceable, "the socket cannot be served", &error))?;
        let shutdown = CancellationToken::new();
        let socket = server.path().to_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(Arc::clone(engine), shutdown.clone()));
        tasks.spawn(Arc::clone(engine).drive(shutdown.clone()));
        tasks.spawn(orc_server::watch_root(Arc::clone(engine), paths.root.clone(), shutdown.clone()));
        Ok(Self { shutdown, tasks, socket })
    }

    /// Stops in order: no new requests, running processes killed and proved dead, what was running left to the next owner.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the host did not end well");
            }
        }
    }

    /// Waits until one of its tasks ends by itself, which none should: a host without one of them only looks alive.
    pub(crate) async fn broken(&mut self) -> OrcError {
        let why = match self.tasks.join_next().await {
            Some(Err(error)) => error.to_string(),
            Some(Ok(())) | None => "it returned".to_owned(),
        };
        OrcError::new(ErrorCode::Internal, "a part of the host ended: socket, driver or root watch")
            .cause(why)
            .hint("start it again; what ran is taken up")
    }
}
