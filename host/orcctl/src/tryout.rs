//! Trying a project entry before it is registered: its prepare and verify commands on the base commit, launched as ORC will launch them.

use std::path::Path;
use std::sync::Arc;

use orc_domain::grant::{LaunchPlan, LaunchReport};
use orc_domain::ports::{LaunchError, LaunchIo, Launcher};
use orc_domain::project::{Argv, ProjectEntry};
use orc_domain::settings::Settings;
use orc_domain::{ErrorCode, ExecutionId, OrcError, ProjectName};
use orc_engine::{command_grant, placed};
use orc_launch::HelperLauncher;
use orc_workspace::{CollectionLimits, Workspaces, WorkspacesOptions};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::printer::Printer;
use crate::render::text;
use crate::wiring::Paths;
use crate::{failure, host};

/// Wall time of one command where the entry names none, in seconds.
const WALL_S: u64 = 1800;
/// Characters of a failed command's output that are shown.
const SHOWN: usize = 1500;

/// How one command went.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tried {
    /// `prepare` or `verify`.
    pub(crate) purpose: &'static str,
    pub(crate) argv: Argv,
    pub(crate) ok: bool,
    pub(crate) end: String,
    pub(crate) duration_ms: u64,
    /// The end of its output, where it failed.
    pub(crate) output: Option<String>,
}

/// Runs prepare and verify on a checkout of the base commit; stops after the first that fails. What a launch is refused for is an error, and
/// so is Ctrl-C.
pub(crate) async fn run(
    paths: &Paths,
    settings: &Settings,
    name: &ProjectName,
    entry: &ProjectEntry,
    printer: &Printer,
) -> Result<Vec<Tried>, OrcError> {
    let stop = stopped_by_person();
    let state =
        tempfile::Builder::new().prefix("orc-try-").tempdir().map_err(|error| failure::io("cannot make a temporary directory", &error))?;
    let launcher = Arc::new(host::launcher(paths, state.path())?);
    let workspaces = workspaces(state.path(), &launcher)?;
    let root = Path::new(&entry.root);
    let base = workspaces.resolve(root, &entry.base).await?;
    let execution = ExecutionId::generate(&host::SystemRandom);
    let workspace = workspaces.checkout(name, root, &base.commit, "try", &execution).await?;
    workspaces.copy_files(&workspace, root, &entry.copy).await?;
    let scratch = state.path().join("scratch");
    std::fs::create_dir(&scratch).map_err(|error| failure::io("cannot make a scratch directory", &error))?;
    let machine = host::machine(None);
    let mut grant = placed(&machine.revealed(&command_grant(settings, &machine, entry)), &text_of(&workspace.path)?, &text_of(&scratch)?);
    grant.limits.wall_s = grant.limits.wall_s.or(Some(WALL_S));
    let prepare = entry.prepare.iter().map(|argv| ("prepare", argv));
    let verify = entry.verify.iter().map(|argv| ("verify", argv));
    let mut tried = Vec::new();
    for (purpose, argv) in prepare.chain(verify) {
        refuse_stopped(&stop)?;
        printer.words(&format!("{purpose}: {} on {} ...", text::argv(argv), text::safe(&base.branch)));
        let plan = LaunchPlan { purpose: purpose.to_owned(), argv: argv.clone(), cwd: text_of(&workspace.path)?, grant: grant.clone() };
        let report = launch(&launcher, &plan, &stop).await;
        refuse_stopped(&stop)?;
        let report = report?;
        let ok = report.end.success();
        tried.push(told(purpose, argv, &report));
        if !ok {
            break;
        }
    }
    refuse_stopped(&stop)?;
    Ok(tried)
}

fn workspaces(state: &Path, launcher: &Arc<HelperLauncher>) -> Result<Workspaces, OrcError> {
    let machine = host::machine(None);
    Ok(Workspaces::new(WorkspacesOptions {
        state_dir: state.to_owned(),
        git: host::git()?,
        launcher: Arc::clone(launcher) as Arc<dyn Launcher>,
        system: machine.system,
        env: machine.env,
        limits: CollectionLimits::default(),
    }))
}

/// Cancelled by Ctrl-C, from now on: once it was listened for, it ends no process by itself any more.
fn stopped_by_person() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopped.cancel();
        }
    });
    stop
}

fn refuse_stopped(stop: &CancellationToken) -> Result<(), OrcError> {
    if !stop.is_cancelled() {
        return Ok(());
    }
    Err(OrcError::new(ErrorCode::Interrupted, "stopped while its commands were tried: nothing was written")
        .hint("the same command tries them again; `--no-try` registers the project without"))
}

async fn launch(launcher: &HelperLauncher, plan: &LaunchPlan, stop: &CancellationToken) -> Result<LaunchReport, OrcError> {
    let outcome = launcher.launch(plan, LaunchIo::default(), stop).await;
    let failed = |error| {
        let (code, hint) = match &error {
            LaunchError::Unenforceable { .. } => {
                (ErrorCode::Unenforceable, "`orcctl doctor` says what this machine can enforce; `accept_root` stands in config/orc.yaml")
            }
            _ => (ErrorCode::LaunchFailed, "`--no-try` registers the project without trying it: then mend its entry"),
        };
        OrcError::from_source(code, format!("`{}` cannot be launched as proposed", text::argv(&plan.argv)), &error).hint(hint)
    };
    Ok(outcome.map_err(failed)?.report)
}

fn told(purpose: &'static str, argv: &Argv, report: &LaunchReport) -> Tried {
    let output = || format!("{}{}", report.stdout.last(SHOWN), report.stderr.last(SHOWN));
    let ok = report.end.success();
    Tried { purpose, argv: argv.clone(), ok, end: report.end.to_string(), duration_ms: report.duration_ms, output: (!ok).then(output) }
}

fn text_of(path: &Path) -> Result<String, OrcError> {
    path.to_str().map(str::to_owned).ok_or_else(|| failure::usage(format!("`{}` is no UTF-8 text", path.display())))
}
