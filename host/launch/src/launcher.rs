//! The launcher: options, the probe, and the port.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orc_domain::grant::{LaunchPlan, Protection};
use orc_domain::ports::{Enforceable, LaunchError, LaunchIo, LaunchOutcome, Launcher};
use orc_launch_helper::{Answer, Order, Setback};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::helper::{Helper, helper_error, is_helper};
use crate::paths::Reserved;
use crate::plan::{Prepared, plan_error, prepare};
use crate::program::Digests;
use crate::run::{domain_words, helper_word, run};

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(30);

/// How long a supervisor that lost its host may take: it kills at once, and has this patience itself.
const ORPHANED: Duration = Duration::from_secs(12);

/// How to launch on this installation.
#[derive(Debug, Clone, Default)]
pub struct LauncherOptions {
    /// The helper `orc-launch`: see [`find_helper`](crate::find_helper).
    pub helper: PathBuf,
    /// ORC's own directories and files: state, keys, configuration, sockets. They need not exist yet. A grant that contains one, is one
    /// or lies in one is refused.
    pub forbidden: Vec<PathBuf>,
    /// Directories inside forbidden ones that are for workers: worktrees, scratch. A grant that lies in one of them, or is one, is not
    /// refused for what surrounds it.
    pub allowed_within: Vec<PathBuf>,
}

/// The launcher by way of `orc-launch`.
#[derive(Debug)]
pub struct HelperLauncher {
    helper: Helper,
    reserved: Arc<Reserved>,
    digests: Arc<Digests>,
    probed: OnceCell<Enforceable>,
}

impl HelperLauncher {
    /// Opens and hashes the helper. Starts nothing.
    ///
    /// # Errors
    /// When the helper cannot be opened, is no executable file, or can be changed by everybody.
    pub fn new(options: LauncherOptions) -> Result<Self, LaunchError> {
        Ok(Self {
            helper: Helper::open(&options.helper)?,
            reserved: Arc::new(Reserved { forbidden: options.forbidden, allowed_within: options.allowed_within }),
            digests: Arc::default(),
            probed: OnceCell::new(),
        })
    }

    async fn probe(&self) -> Result<Enforceable, LaunchError> {
        let mut session = self.helper.spawn()?;
        // Whatever it prints is nothing that anybody asked for.
        drop(session.take_output());
        let asked = tokio::time::timeout(PROBE, async {
            session.order(&Order::Probe).await?;
            session.answer().await
        });
        let answer = asked.await;
        session.part().await;
        match answer {
            Ok(Ok(Some(Answer::Probed { confinement, facts }))) => {
                let (active, missing) = domain_words(&confinement);
                let mut enforceable = Enforceable { active, missing, facts };
                enforceable.facts.insert("helper_digest".to_owned(), self.helper.digest.to_string());
                Ok(enforceable)
            }
            Ok(Ok(Some(Answer::Stopped { setback: Setback::Failed { why, .. } | Setback::Refused { why, .. } }))) => {
                Err(helper_error(format!("it cannot probe this machine: {why}")))
            }
            Ok(Ok(Some(_))) => Err(helper_error("it answered what was not asked")),
            Ok(Ok(None)) => Err(helper_error("it ended without an answer to the probe")),
            Ok(Err(error)) => Err(helper_error(format!("it could not be asked: {error}"))),
            Err(_) => Err(helper_error(format!("it did not answer the probe within {} s", PROBE.as_secs()))),
        }
    }

    async fn prepare(&self, plan: &LaunchPlan, stdin_len: u64) -> Result<Prepared, LaunchError> {
        let (plan, reserved, digests) = (plan.clone(), self.reserved.clone(), self.digests.clone());
        let prepared = tokio::task::spawn_blocking(move || prepare(&plan, stdin_len, &reserved, &digests)).await;
        prepared.map_err(|error| plan_error(format!("it could not be checked: {error}")))?
    }
}

#[async_trait]
impl Launcher for HelperLauncher {
    async fn enforceable(&self) -> Result<Enforceable, LaunchError> {
        self.probe().await
    }

    async fn launch(&self, plan: &LaunchPlan, io: LaunchIo, cancel: &CancellationToken) -> Result<LaunchOutcome, LaunchError> {
        let here = self.probed.get_or_try_init(|| self.probe()).await?;
        let demanded = demands(&plan.grant.must, here)?;
        let mut prepared = self.prepare(plan, io.stdin.len() as u64).await?;
        prepared.launch.must = demanded.into_iter().map(helper_word).collect();
        let outcome = run(&self.helper, &prepared, io, cancel).await?;
        let report = &outcome.report;
        tracing::debug!(purpose = %plan.purpose, pid = report.pid, end = %report.end, left_over = report.left_over, "a launch ended");
        if !report.proved_dead {
            tracing::error!(purpose = %plan.purpose, pid = report.pid, "the processes of a launch are not proved dead");
        }
        Ok(outcome)
    }

    async fn gone(&self, pid: u32) -> bool {
        let until = Instant::now() + ORPHANED;
        while is_helper(pid) {
            if Instant::now() >= until {
                tracing::error!(pid, "the supervisor of an earlier owner's launch does not end");
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

/// What of the demanded protections the helper must put in force, or the first one that cannot be.
fn demands(must: &BTreeSet<Protection>, here: &Enforceable) -> Result<BTreeSet<Protection>, LaunchError> {
    match must.difference(&here.active).next() {
        Some(protection) => {
            let why = here.missing.get(protection).cloned().unwrap_or_else(|| "the helper does not know it: update it".to_owned());
            Err(LaunchError::Unenforceable { protection: *protection, why })
        }
        None => Ok(must.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_met_or_the_end() {
        use Protection::{Files, Processes, Tcp};
        let here = Enforceable { active: [Files].into(), missing: [(Tcp, "no Landlock".to_owned())].into(), ..Enforceable::default() };
        let unenforceable = |protection, why: &str| Err(LaunchError::Unenforceable { protection, why: why.to_owned() });
        for (must, expected) in [
            (&[][..], Ok([].into())),
            (&[Files], Ok([Files].into())),
            (&[Files, Processes], unenforceable(Processes, "the helper does not know it: update it")),
            (&[Files, Tcp], unenforceable(Tcp, "no Landlock")),
        ] {
            let set = |words: &[Protection]| words.iter().copied().collect();
            assert_eq!(demands(&set(must), &here), expected, "{must:?}");
        }
    }
}
