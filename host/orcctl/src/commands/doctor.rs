//! `orcctl doctor`: what this machine and installation can do, and how to mend what they cannot.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Args;
use orc_domain::OrcError;
use orc_domain::grant::Protection;
use orc_domain::ports::Launcher as _;
use orc_launch::{HelperLauncher, LauncherOptions, find_helper};
use serde::Serialize;

use crate::context::Context;
use crate::wiring::{self, Paths};
use crate::{failure, host, local};

/// Say what this machine can enforce, who owns the database and what is not in order
///
/// Exits with 0 whatever it finds: it is a report. The checks that are not met say how to mend them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  orcctl doctor")]
pub(crate) struct Arguments {}

/// The report.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    pub(crate) checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) ok: bool,
    pub(crate) found: String,
    pub(crate) mend: Option<String>,
}

impl Check {
    fn good(what: &str, found: impl Into<String>) -> Self {
        Self { what: what.to_owned(), ok: true, found: found.into(), mend: None }
    }

    fn bad(what: &str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.to_owned(), ok: false, found: found.into(), mend: Some(mend.into()) }
    }

    fn failed(what: &str, error: OrcError) -> Self {
        let causes = error.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
        Self { what: what.to_owned(), ok: false, found: format!("{error}{causes}"), mend: error.hint }
    }
}

pub(crate) async fn run(context: &Context, Arguments {}: Arguments) -> Result<(), OrcError> {
    let paths = Paths::resolve(&context.globals)?;
    let mut checks = vec![Check::good("version", format!("orcctl {}", env!("CARGO_PKG_VERSION"))), root(&paths.root), host(&paths).await];
    checks.extend(private("state", &paths.state()));
    checks.extend(private("keys", &paths.keys));
    checks.push(peers());
    checks.extend(launches(&accepted(&paths.root)).await);
    context.answer(&Diagnosis { checks })
}

fn root(root: &Path) -> Check {
    match local::rules_of(root) {
        Ok(_) => Check::good("root", format!("{} is in order", root.display())),
        Err(error) => Check::failed("root", error),
    }
}

async fn host(paths: &Paths) -> Check {
    match wiring::listening(paths).await {
        Ok(Some(socket)) if socket.hello().version == env!("CARGO_PKG_VERSION") => {
            Check::good("host", format!("ORC {} listens on {}", socket.hello().version, socket.path().display()))
        }
        Ok(Some(socket)) => {
            let found = format!("ORC {} listens on {}", socket.hello().version, socket.path().display());
            Check::bad("host", found, "use an `orcctl` of the same version, or restart the host")
        }
        Ok(None) => Check::good("host", format!("none serves {}", paths.db.display())),
        Err(error) => Check::failed("host", error),
    }
}

/// Whether a host on this machine could let anybody in.
fn peers() -> Check {
    match orc_server::peers_can_be_held() {
        Ok(()) => Check::good("peers", "a host can hold the processes that connect to it"),
        Err(error) => Check::failed("peers", error),
    }
}

/// A directory that must be its owner's alone, where it exists.
fn private(what: &str, path: &Path) -> Option<Check> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Some(Check::failed(what, host::closed(path))),
        Err(_) => return None,
    };
    let mode = found.mode() & 0o777;
    let own = found.uid() == rustix::process::geteuid().as_raw();
    let text = format!("{} (uid {}, mode {mode:o})", path.display(), found.uid());
    Some(match (found.is_dir(), own, mode & 0o077) {
        (true, true, 0) => Check::good(what, text),
        (false, ..) => Check::bad(what, text, "it must be a directory"),
        (_, false, _) => Check::bad(what, text, "it belongs to somebody else: run as that user, or name another `--db`"),
        (true, true, _) => Check::bad(what, text, format!("chmod 700 {}", crate::render::text::word(&path.to_string_lossy()))),
    })
}

/// What this installation accepts to go without, where ORC runs as root.
fn accepted(root: &Path) -> BTreeSet<Protection> {
    let as_root = rustix::process::geteuid().is_root();
    local::rules_of(root).ok().filter(|_| as_root).map(|(checked, _)| checked.settings.launch.accept_root).unwrap_or_default()
}

async fn launches(accepted: &BTreeSet<Protection>) -> Vec<Check> {
    let probed = match launcher() {
        Ok(launcher) => launcher.enforceable().await.map_err(|error| failure::io("the launch helper does not answer", &error)),
        Err(error) => Err(error),
    };
    match probed {
        Ok(machine) => {
            let facts = machine.facts.iter().map(|(name, value)| Check::good(name, value));
            let active = machine.active.iter().map(|protection| Check::good("enforced", protection.as_str()));
            let missing = machine.missing.iter().map(|(protection, why)| match accepted.contains(protection) {
                true => Check::good("not enforced", format!("{protection}: accepted by `accept_root` in config/orc.yaml")),
                false => Check::bad("not enforced", protection.as_str(), why),
            });
            facts.chain(active).chain(missing).collect()
        }
        Err(error) => vec![Check::failed("launches", error)],
    }
}

fn launcher() -> Result<HelperLauncher, OrcError> {
    let program = std::env::current_exe().map_err(|error| failure::io("cannot say where this program is", &error))?;
    let helper = find_helper(&program).ok_or_else(|| {
        OrcError::new(orc_domain::ErrorCode::LaunchFailed, "there is no `orc-launch` beside this program")
            .hint("build it with `cargo xtask build`, or install it there")
    })?;
    HelperLauncher::new(LauncherOptions { helper, ..LauncherOptions::default() })
        .map_err(|error| failure::io("the launch helper cannot be used", &error))
}
