//! A launch plan as the domain says it, checked against this machine, as the helper needs it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use orc_domain::canonical::Digest;
use orc_domain::grant::{LaunchPlan, Network, Protection, ResourceLimits};
use orc_domain::ports::LaunchError;
use orc_launch_helper::{Launch, Limits, MAX_STDIN};

use crate::paths::{Reserved, check_cwd, check_dirs, utf8};
use crate::program::{Digests, look_up};

const MIB: u64 = 1 << 20;

/// The longest wall time and grace, in seconds: a year. Timers take no centuries.
const LONGEST: u64 = 365 * 86400;

/// A plan that can be launched.
pub(crate) struct Prepared {
    pub(crate) launch: Launch,
    pub(crate) program: String,
    pub(crate) digest: Digest,
    pub(crate) wall: Duration,
    pub(crate) grace: Duration,
    pub(crate) output_bytes: u64,
}

pub(crate) fn plan_error(why: impl Into<String>) -> LaunchError {
    LaunchError::Plan { why: why.into() }
}

/// Checks everything that can be checked before a process exists. Reads the file system: not for an async thread.
pub(crate) fn prepare(plan: &LaunchPlan, stdin_len: u64, reserved: &Reserved, digests: &Digests) -> Result<Prepared, LaunchError> {
    check_words(plan, stdin_len)?;
    let dirs = check_dirs(&plan.grant.dirs, reserved).map_err(plan_error)?;
    let (cwd, cwd_place) = check_cwd(&plan.cwd, &dirs).map_err(plan_error)?;
    let executable: Vec<&Path> = dirs.iter().filter(|dir| dir.granted.execute).map(|dir| dir.path.as_path()).collect();
    let name = plan.argv.first().map_or("", String::as_str);
    let search = plan.grant.env.get("PATH").map_or("", String::as_str);
    let program = look_up(name, search, &cwd, &executable, digests)?;
    let limits = &plan.grant.limits;
    Ok(Prepared {
        program: utf8(&program.resolved).map_err(plan_error)?,
        digest: program.digest,
        wall: Duration::from_secs(limits.wall_s.unwrap_or(1800).min(LONGEST)),
        grace: Duration::from_secs(limits.grace_s.unwrap_or(5).min(LONGEST)),
        output_bytes: limits.output_bytes.unwrap_or(64 * MIB),
        launch: Launch {
            program: program.place,
            argv: plan.argv.clone(),
            cwd: cwd_place,
            env: plan.grant.env.clone(),
            granted: dirs.into_iter().map(|dir| dir.granted).collect(),
            deny_tcp: plan.grant.network == Network::None,
            limits: bounds(limits),
            must: BTreeSet::new(),
            stdin_len,
        },
    })
}

/// The bounds of each process, with this room's defaults: `docs/launches.md` has them as a table.
fn bounds(limits: &ResourceLimits) -> Limits {
    Limits {
        cpu_s: limits.cpu_s.unwrap_or(7200),
        memory_bytes: limits.memory_mib.unwrap_or(8192).saturating_mul(MIB),
        processes: limits.processes.unwrap_or(4096),
        open_files: limits.open_files.unwrap_or(4096),
        file_bytes: limits.file_mib.unwrap_or(4096).saturating_mul(MIB),
    }
}

fn check_words(plan: &LaunchPlan, stdin_len: u64) -> Result<(), LaunchError> {
    if plan.argv.first().is_none_or(String::is_empty) {
        return Err(plan_error("it names no program"));
    }
    if let Some(argument) = plan.argv.iter().position(|argument| argument.contains('\0')) {
        return Err(plan_error(format!("argument {argument} contains a zero byte, which no argument can")));
    }
    let bad_name = |name: &str| name.is_empty() || name.contains(['=', '\0']);
    if let Some((name, _)) = plan.grant.env.iter().find(|(name, value)| bad_name(name) || value.contains('\0')) {
        return Err(plan_error(format!("environment variable {name:?} is none: an empty name, or a `=` or a zero byte in it")));
    }
    if plan.grant.network == Network::Full && plan.grant.must.contains(&Protection::Tcp) {
        return Err(plan_error("it demands `tcp` and grants the network rule `full`: drop one of the two"));
    }
    if stdin_len > MAX_STDIN {
        return Err(plan_error(format!("{stdin_len} bytes of standard input; at most {MAX_STDIN} are passed on")));
    }
    Ok(())
}
