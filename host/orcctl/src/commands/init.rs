//! `orcctl init`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orc_config::init::{InitError, InitOptions, StockGuest, Team, init};
use orc_domain::api::{NextStep, Problem};
use orc_domain::{ErrorCode, OperatorName, OrcError};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{io, usage};
use crate::host;
use crate::local;
use crate::wiring::Paths;

/// Write a commented root: configuration, rules, contracts, stock guests
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl init\n  orcctl --root /etc/orc init --team small --operator alice")]
pub(crate) struct Arguments {
    /// For whom
    #[arg(long, value_enum, default_value_t, value_name = "TEAM")]
    team: TeamArg,
    /// The first operator, who becomes an admin [default: your unix user]
    #[arg(long, value_name = "NAME")]
    operator: Option<OperatorName>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TeamArg {
    /// One person on one machine
    #[default]
    Solo,
    /// A handful of people with several roles each
    Small,
    /// A role a head
    Org,
}

impl From<TeamArg> for Team {
    fn from(team: TeamArg) -> Self {
        match team {
            TeamArg::Solo => Self::Solo,
            TeamArg::Small => Self::Small,
            TeamArg::Org => Self::Org,
        }
    }
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Initialised {
    pub(crate) root: String,
    pub(crate) files: Vec<String>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) next: Vec<NextStep>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let root = Paths::resolve(&context.globals)?.root;
    let unix_user = unix_user()?;
    let operator = match arguments.operator {
        Some(operator) => operator,
        None => unix_user
            .parse()
            .map_err(|_| usage(format!("the unix user `{unix_user}` is no operator's name")).hint("name one with `--operator`"))?,
    };
    let guests = stock(&local::stock_guests()?)?;
    let options = InitOptions { team: arguments.team.into(), operator, installation: host::new_installation(), unix_user, guests };
    let report = init(&root, &options).map_err(|error| refused(&root, &error))?;
    let next = NextStep { command: "orcctl project add PATH".to_owned(), why: "register a git repository".to_owned() };
    context.answer(&Initialised { root: root.display().to_string(), files: report.files, warnings: report.warnings, next: vec![next] })
}

fn unix_user() -> Result<String, OrcError> {
    let uid = rustix::process::geteuid().as_raw();
    orc_server::unix_user(uid)
        .ok_or_else(|| usage(format!("uid {uid} has no name in /etc/passwd: operators are bound to unix users by name")))
}

fn refused(root: &Path, error: &InitError) -> OrcError {
    let code = match error {
        InitError::NotEmpty { .. } => ErrorCode::InvalidRequest,
        InitError::Io { .. } => ErrorCode::StorageFailed,
        InitError::UnixUser { .. } | InitError::NoStock { .. } | InitError::Manifest { .. } | InitError::Incomplete { .. } => {
            ErrorCode::ConfigInvalid
        }
    };
    OrcError::from_source(code, format!("no root was written to `{}`", root.display()), error)
}

/// The stock guests of a directory: every `NAME.wasm` with its `NAME.toml`.
pub(crate) fn stock(directory: &Path) -> Result<Vec<StockGuest>, OrcError> {
    let guest = |path: &PathBuf| Ok(StockGuest { manifest: local::read(&path.with_extension("toml"))?, component: local::read(path)? });
    components(directory)?.iter().map(guest).collect()
}

/// The components of a directory of guests, sorted.
pub(crate) fn components(directory: &Path) -> Result<Vec<PathBuf>, OrcError> {
    let failed = |error: std::io::Error| io(&format!("cannot read the stock guests in `{}`", directory.display()), &error);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(directory).map_err(failed)?.collect();
    let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect();
    found.sort();
    Ok(found)
}

/// Writes a root as a solo operator gets it, to look at what is stock.
pub(crate) fn write_stock(root: &Path) -> Result<(), OrcError> {
    let operator: OperatorName = "operator".parse().map_err(|error| usage(format!("{error}")))?;
    let guests = stock(&local::stock_guests()?)?;
    let options =
        InitOptions { team: Team::Solo, operator, installation: host::new_installation(), unix_user: "nobody".to_owned(), guests };
    init(root, &options).map(|_| ()).map_err(|error| refused(root, &error))
}
