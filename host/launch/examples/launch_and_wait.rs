//! A host that launches a shell script under a writable directory and waits for it: the tests kill it.
//! `launch_and_wait HELPER DIRECTORY SCRIPT`

use std::path::PathBuf;

use orc_domain::grant::{Access, DirGrant, LaunchGrant, LaunchPlan, Network, ResourceLimits};
use orc_domain::ports::{LaunchIo, Launcher};
use orc_launch::{HelperLauncher, LauncherOptions, baseline_env, system_grant};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [helper, directory, script] = &arguments[..] else { return Err("usage: launch_and_wait HELPER DIRECTORY SCRIPT".into()) };
    let launcher = HelperLauncher::new(LauncherOptions { helper: PathBuf::from(helper), ..LauncherOptions::default() })?;
    let mut dirs = system_grant();
    dirs.push(DirGrant { path: directory.clone(), access: Access::Write, role: "workspace".to_owned() });
    let grant = LaunchGrant {
        dirs,
        env: baseline_env(directory, directory),
        network: Network::None,
        limits: ResourceLimits::default(),
        must: [].into(),
    };
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let plan = LaunchPlan { purpose: "test: wait to be killed".to_owned(), argv, cwd: directory.clone(), grant };
    launcher.launch(&plan, LaunchIo::default(), &CancellationToken::new()).await?;
    Ok(())
}
