//! A launcher that confines nothing. Tests about hostile repositories use it: behind the real one a canary could run and nobody would
//! see it, and the hardening of git has to hold by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use async_trait::async_trait;
use orc_domain::Digest;
use orc_domain::grant::{LaunchEnd, LaunchPlan, LaunchReport, StreamReport};
use orc_domain::ports::{Enforceable, LaunchError, LaunchIo, LaunchOutcome, Launcher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

pub(crate) struct Unconfined;

#[async_trait]
impl Launcher for Unconfined {
    async fn enforceable(&self) -> Result<Enforceable, LaunchError> {
        Ok(Enforceable::default())
    }

    async fn launch(&self, plan: &LaunchPlan, io: LaunchIo, _cancel: &CancellationToken) -> Result<LaunchOutcome, LaunchError> {
        #[expect(clippy::disallowed_methods, reason = "this is a launcher")]
        let mut command = tokio::process::Command::new(&plan.argv[0]);
        command.args(&plan.argv[1..]).env_clear().envs(&plan.grant.env).current_dir(&plan.cwd);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, stdout, stderr) = (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let cap = io.capture.unwrap_or(usize::MAX);
        let (mut captured, mut said) = (Vec::new(), String::new());
        let write = async move { drop(stdin.write_all(&io.stdin).await) };
        let mut stdout = stdout.take(cap as u64 + 1);
        let mut stderr = stderr;
        let (_, read, _) = tokio::join!(write, stdout.read_to_end(&mut captured), stderr.read_to_string(&mut said));
        read.unwrap();
        drop(stdout);
        let status = child.wait().await.unwrap();
        let over = captured.len() > cap;
        captured.truncate(cap);
        let end = if over { LaunchEnd::OutputLimit } else { LaunchEnd::Exited { code: status.code().unwrap_or(-1) } };
        let report = LaunchReport {
            end,
            duration_ms: 0,
            program: plan.argv[0].clone(),
            program_digest: Digest::of(b""),
            pid: 0,
            active: BTreeSet::new(),
            missing: BTreeMap::new(),
            proved_dead: true,
            left_over: 0,
            cpu_ms: 0,
            max_rss_kib: 0,
            stdout: StreamReport::default(),
            stderr: StreamReport { bytes: said.len() as u64, head: said, ..StreamReport::default() },
        };
        Ok(LaunchOutcome { report, captured })
    }

    async fn gone(&self, _pid: u32) -> bool {
        true
    }
}
