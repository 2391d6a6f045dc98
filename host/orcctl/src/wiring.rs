//! The one place that reads the environment: where database, root and keys are, whether there is a colour terminal, and how to reach a host.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orc_client::{Client, InProcess, Socket, Timeouts};
use orc_domain::{ErrorCode, OrcError};
use orc_engine::Engine;

use crate::cli::{Color, Globals};
use crate::failure;
use crate::host::{self, Owning, Working};

/// Columns where standard output is no terminal and `COLUMNS` says nothing, and the fewest and most that text is set for: in fewer, ids
/// would be broken.
const COLUMNS: (u16, u16, u16) = (80, 60, 120);

/// Where an installation lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// The database.
    pub(crate) db: PathBuf,
    /// The root: config/, policies/, phases/.
    pub(crate) root: PathBuf,
    /// The keys; never beside the database.
    pub(crate) keys: PathBuf,
    /// Whether the database was named and the root was not: then the user's own root need not be the database's.
    guessed_root: bool,
    /// Whether the root was named.
    named_root: bool,
}

impl Paths {
    /// By the options, else the environment, else the user's directories. The root is never looked for by walking up from a checkout.
    pub(crate) fn resolve(globals: &Globals) -> Result<Self, OrcError> {
        let config = user_directory("XDG_CONFIG_HOME", ".config");
        let db = match &globals.db {
            Some(db) => db.clone(),
            None => user_directory("XDG_STATE_HOME", ".local/state")?.join("orc/orc.db"),
        };
        let root = match (&globals.root, variable("ORC_ROOT")) {
            (Some(root), _) => root.clone(),
            (None, Some(root)) => PathBuf::from(root),
            (None, None) => config.clone()?.join("orc"),
        };
        let guessed_root = globals.db.is_some() && globals.root.is_none() && variable("ORC_ROOT").is_none();
        let named_root = globals.root.is_some() || variable("ORC_ROOT").is_some();
        Ok(Self { db: absolute(&db)?, root: absolute(&root)?, keys: config?.join("orc/keys"), guessed_root, named_root })
    }

    /// The paths of a made-up installation.
    pub(crate) const fn of(db: PathBuf, root: PathBuf, keys: PathBuf) -> Self {
        Self { db, root, keys, guessed_root: false, named_root: false }
    }

    /// The root, for commands that read or write it: with a database of somebody else it is not guessed.
    pub(crate) fn own_root(&self) -> Result<&Path, OrcError> {
        if self.guessed_root {
            return Err(OrcError::new(
                ErrorCode::InvalidRequest,
                format!("`--db {}` does not say which root belongs to it", self.db.display()),
            )
            .hint("name it with `--root DIR`, or run this as the user that owns the database"));
        }
        Ok(&self.root)
    }

    /// Refuses a root that was named and is not there: a slip of the pen must not mean the rules in force. One that vanishes under a host
    /// is another matter: the rules stay.
    fn named_root_exists(&self) -> Result<(), OrcError> {
        let missing = std::fs::metadata(&self.root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if !(self.named_root && missing) {
            return Ok(());
        }
        let message = format!("there is no root at `{}`", self.root.display());
        Err(OrcError::new(ErrorCode::NotFound, message)
            .hint("`--root` or ORC_ROOT names the directory that has config/, policies/ and phases/; `orcctl init` writes one"))
    }

    /// The state directory beside the database.
    pub(crate) fn state(&self) -> PathBuf {
        beside(&self.db, ".d")
    }

    /// Where a host of this database may listen: the owner's own socket, then the one that a team can reach.
    pub(crate) fn sockets(&self) -> [PathBuf; 2] {
        [self.state().join("orc.sock"), beside(&self.db, ".run").join("orc.sock")]
    }

    /// The unix user id that owns the database, or would own a new one.
    pub(crate) fn owner(&self) -> u32 {
        std::fs::metadata(&self.db).map_or_else(|_| rustix::process::geteuid().as_raw(), |found| found.uid())
    }
}

/// `db` with a suffix: what stands beside the database.
pub(crate) fn beside(db: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(db);
    name.push(suffix);
    PathBuf::from(name)
}

fn absolute(path: &Path) -> Result<PathBuf, OrcError> {
    std::path::absolute(path).map_err(|error| failure::io(&format!("cannot resolve `{}`", path.display()), &error))
}

fn user_directory(name: &str, in_home: &str) -> Result<PathBuf, OrcError> {
    // The XDG rules: a relative path is to be ignored.
    if let Some(set) = variable(name).map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Ok(set);
    }
    let home = variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.ok_or_else(|| {
        OrcError::new(ErrorCode::InvalidRequest, format!("neither {name} nor HOME names an absolute directory"))
            .hint("give `--db` and `--root`, and set HOME: the keys live in the user's configuration directory")
    })?;
    Ok(home.join(in_home))
}

#[expect(clippy::disallowed_methods, reason = "wiring is the one door to the environment")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Where programs of a project may be: the search path, and rustup's home.
pub(crate) fn toolchain_places() -> (String, Option<PathBuf>) {
    let path = variable("PATH").and_then(|path| path.into_string().ok()).unwrap_or_default();
    let rustup = variable("RUSTUP_HOME").map(PathBuf::from);
    (path, rustup.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".rustup"))))
}

/// Whether to use colour on standard output.
pub(crate) fn color(asked: Color) -> bool {
    match asked {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stdout().is_terminal() && variable("NO_COLOR").is_none() && variable("TERM").is_some_and(|term| term != "dumb"),
    }
}

/// Columns to set text for.
pub(crate) fn width() -> u16 {
    let (usual, least, most) = COLUMNS;
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| size.ws_col)
        .filter(|columns| *columns > 0)
        .or_else(|| variable("COLUMNS")?.to_str()?.parse().ok())
        .unwrap_or(usual)
        .clamp(least, most)
}

/// Whether the command line, which was not understood, asks for JSON.
pub(crate) fn asks_for_json() -> bool {
    let words: Vec<OsString> = env::args_os().collect();
    words.iter().any(|word| word == "--format=json") || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// Sends the log to standard error, as much of it as `ORC_LOG` asks for.
pub(crate) fn start_log() {
    let wanted = variable("ORC_LOG").and_then(|value| value.into_string().ok()).unwrap_or_else(|| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(wanted).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second subscriber is refused; the first one serves.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).try_init();
}

/// A host that listens, where there is one.
pub(crate) async fn listening(paths: &Paths) -> Result<Option<Socket>, OrcError> {
    for path in paths.sockets() {
        // The owner's own socket stands where nobody else may look: for everybody else it is not there.
        if std::fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            continue;
        }
        if let Some(socket) = Socket::open(path, paths.owner(), Timeouts::default()).await? {
            return Ok(Some(socket));
        }
    }
    Ok(None)
}

/// Environment variables of this process that are text: what `launch.env` of orc.yaml may name.
pub(crate) fn environment() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "wiring is the one door to the environment")]
    let all = env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// What a command wants of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// To see something.
    Read,
    /// To change something.
    Write,
    /// To have an execution driven to its end.
    Drive,
}

/// The way to the engine: the host that listens, else an engine in this process, owning the database for as long as the command takes.
pub(crate) async fn connect(globals: &Globals, want: Want) -> Result<(Box<dyn Client>, Option<Working>), OrcError> {
    let paths = Paths::resolve(globals)?;
    let host = listening(&paths).await?;
    if host.is_none() && paths.owner() != rustix::process::geteuid().as_raw() {
        let owner = orc_server::unix_user(paths.owner()).unwrap_or_else(|| format!("uid {}", paths.owner()));
        return Err(OrcError::new(
            ErrorCode::HostUnreachable,
            format!("the database `{}` is {owner}'s, and no host serves it", paths.db.display()),
        )
        .hint(format!("ask an admin to start `orcctl serve` as {owner}")));
    }
    if want != Want::Read {
        paths.named_root_exists()?;
    }
    if want == Want::Read {
        return match host {
            Some(socket) => Ok((Box::new(socket), None)),
            None => Ok((in_process(host::reader(&paths).await?), None)),
        };
    }
    match host::own(&paths).await? {
        Owning::Elsewhere(socket) => Ok((Box::new(socket), None)),
        Owning::Engine(engine) if want == Want::Drive => {
            let working = Working::start(&paths, &engine).await?;
            Ok((in_process(engine), Some(working)))
        }
        Owning::Engine(engine) => Ok((in_process(engine), None)),
    }
}

fn in_process(engine: Arc<Engine>) -> Box<dyn Client> {
    Box::new(InProcess { engine, peer: host::this_peer() })
}
