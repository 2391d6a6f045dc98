//! One launch of a phase: policy is asked, the intent is written down, the process runs, its report is stored. Nothing starts unrecorded.

use std::path::Path;

use orc_domain::contract::WorkspaceKind;
use orc_domain::decision::{EntryPoint, LaunchFacts};
use orc_domain::grant::{LaunchEnd, LaunchPlan, LaunchReport};
use orc_domain::operators::Actor;
use orc_domain::output::CommandResult;
use orc_domain::ports::{LaunchIo, LaunchOutcome, LaunchProgress};
use orc_domain::project::Argv;
use orc_domain::states::{WorkerRunEvent, WorkerRunState};
use orc_domain::*;
use orc_store::NewWorkerRun;
use serde_json::json;
use tokio::sync::mpsc;

use crate::command;
use crate::document::{WORKER, WORKER_READ, expand};
use crate::engine::blocking;
use crate::phase::{OUTPUT_TAIL, Phase, private_dir};

/// What a launch reads, and how much of what it prints is kept whole.
#[derive(Default)]
pub(crate) struct Feed {
    pub(crate) stdin: Vec<u8>,
    pub(crate) capture: Option<usize>,
}

/// What came of a launch.
pub(crate) struct Launched {
    pub(crate) result: CommandResult,
    /// What it printed, where that was asked for.
    pub(crate) captured: Vec<u8>,
    /// The digest of the program as it was opened for this launch.
    pub(crate) program: Digest,
}

impl Phase<'_> {
    /// Launches `argv` in `cwd` under the planned grant for `purpose`. `None`: cancelled, or this process stops.
    pub(crate) async fn launch(
        &self,
        attempt: u32,
        purpose: &'static str,
        argv: &Argv,
        cwd: &Path,
        scratch: &Path,
    ) -> Result<Option<CommandResult>, OrcError> {
        let launched = self.launch_fed(attempt, purpose, argv, (cwd, scratch), Feed::default()).await?;
        Ok(launched.map(|launched| launched.result))
    }

    /// As [`Phase::launch`], with something to read, and with what it printed.
    pub(crate) async fn launch_fed(
        &self,
        attempt: u32,
        purpose: &'static str,
        argv: &Argv,
        (cwd, scratch): (&Path, &Path),
        feed: Feed,
    ) -> Result<Option<Launched>, OrcError> {
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let plan = self.launch_plan(purpose, argv, cwd, scratch)?;
        self.permitted(purpose, &plan).await?;
        let id = WorkerRunId::generate(self.engine.ids.as_ref());
        self.intend(&id, attempt, purpose, &plan).await?;
        let LaunchOutcome { report, captured } = self.started(&id, &plan, feed).await?;
        let ended = report.end.clone();
        let result = CommandResult {
            argv: argv.clone(),
            end: report.end.clone(),
            duration_ms: report.duration_ms,
            stdout_tail: Untrusted::new(report.stdout.last(OUTPUT_TAIL)),
            stderr_tail: Untrusted::new(report.stderr.last(OUTPUT_TAIL)),
        };
        let (proved_dead, program) = (report.proved_dead, report.program_digest);
        self.ended(&id, report).await?;
        // A tree that something may still write to is not captured, and what may still run is not called cancelled.
        if !proved_dead {
            let what = Untrusted::new(plan.purpose.as_str()).for_line(120);
            return Err(OrcError::new(ErrorCode::LaunchFailed, format!("the processes of `{what}` are not proved dead"))
                .hint(format!("`orcctl workers` shows {id} with its process id: end what is left of it, then plan again")));
        }
        Ok(if ended == LaunchEnd::Cancelled { None } else { Some(Launched { result, captured, program }) })
    }

    fn launch_plan(&self, purpose: &str, argv: &Argv, cwd: &Path, scratch: &Path) -> Result<LaunchPlan, OrcError> {
        let text = |path: &Path| {
            path.to_str()
                .map(str::to_owned)
                .ok_or_else(|| OrcError::new(ErrorCode::LaunchFailed, format!("{} is no UTF-8", path.display())))
        };
        let reads = purpose == WORKER && self.planned.contract.workspace == WorkspaceKind::ReadOnly;
        let planned = self.document.launch_grants.get(if reads { WORKER_READ } else { purpose });
        let planned = planned.ok_or_else(|| OrcError::new(ErrorCode::LaunchFailed, format!("the plan grants nothing for `{purpose}`")))?;
        let cwd = text(cwd)?;
        let grant = expand(planned, &cwd, &text(scratch)?, &self.planned.contract);
        Ok(LaunchPlan { purpose: format!("{purpose}: {}", command::display(argv)), argv: argv.clone(), cwd, grant })
    }

    async fn permitted(&self, purpose: &str, plan: &LaunchPlan) -> Result<(), OrcError> {
        let facts = LaunchFacts {
            purpose: purpose.to_owned(),
            argv: plan.argv.clone(),
            network: plan.grant.network.to_string(),
            env_names: plan.grant.env.keys().cloned().collect(),
        };
        self.ask(EntryPoint::Launch, |question| question.launch = Some(facts)).await.map(|_| ())
    }

    async fn intend(&self, id: &WorkerRunId, attempt: u32, purpose: &str, plan: &LaunchPlan) -> Result<(), OrcError> {
        let new = NewWorkerRun { id: id.clone(), phase_run: self.run.clone(), attempt, purpose: purpose.to_owned(), plan: plan.clone() };
        self.engine
            .write(move |tx| {
                tx.insert_worker_run(&new)?;
                tx.apply_worker_run(
                    &new.id,
                    WorkerRunEvent::Launching,
                    &Actor::System,
                    json!({ "purpose": new.purpose, "argv": new.plan.argv }),
                )?;
                Ok(())
            })
            .await
    }

    /// Starts it and follows it to its end. A launch that was refused is recorded as such and becomes an error.
    async fn started(&self, id: &WorkerRunId, plan: &LaunchPlan, feed: Feed) -> Result<LaunchOutcome, OrcError> {
        let transcript = self.engine.store.dir().join("transcripts").join(id.as_str());
        let made = transcript.clone();
        blocking(move || private_dir(&made)).await?;
        let (tell, mut told) = mpsc::unbounded_channel();
        let io = LaunchIo {
            transcript: Some(transcript),
            redact: self.engine.machine.secrets(&plan.grant),
            progress: Some(Box::new(move |progress| {
                let _ = tell.send(progress);
            })),
            stdin: feed.stdin,
            capture: feed.capture,
        };
        // What cannot be recorded is ended, and its end is waited for.
        let (halt, mut unrecorded) = (self.stop.child_token(), None);
        let revealed = LaunchPlan { grant: self.engine.machine.revealed(&plan.grant), ..plan.clone() };
        let launching = self.engine.launcher.launch(&revealed, io, &halt);
        tokio::pin!(launching);
        let outcome = loop {
            tokio::select! {
                outcome = &mut launching => break outcome,
                Some(progress) = told.recv(), if unrecorded.is_none() => {
                    unrecorded = self.follow(id, progress).await.err();
                    if unrecorded.is_some() {
                        halt.cancel();
                    }
                }
            }
        };
        if let Some(error) = unrecorded {
            return Err(error);
        }
        while let Ok(progress) = told.try_recv() {
            self.follow(id, progress).await?;
        }
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                self.refused(id, &error).await?;
                Err(launch_error(plan, &error))
            }
        }
    }

    async fn follow(&self, id: &WorkerRunId, progress: LaunchProgress) -> Result<(), OrcError> {
        let id = id.clone();
        self.engine
            .write(move |tx| {
                match progress {
                    LaunchProgress::Launching { pid } => tx.set_worker_pid(&id, pid)?,
                    LaunchProgress::Running => {
                        tx.apply_worker_run(&id, WorkerRunEvent::Running, &Actor::System, json!({}))?;
                    }
                    LaunchProgress::Output => tx.touch_worker_run(&id)?,
                }
                Ok(())
            })
            .await
    }

    async fn refused(&self, id: &WorkerRunId, error: &ports::LaunchError) -> Result<(), OrcError> {
        let (id, why) = (id.clone(), error.to_string());
        self.engine
            .write(move |tx| {
                tx.set_worker_refused(&id, &why)?;
                tx.apply_worker_run(&id, WorkerRunEvent::Exited, &Actor::System, json!({ "refused": why }))?;
                Ok(())
            })
            .await
    }

    async fn ended(&self, id: &WorkerRunId, report: LaunchReport) -> Result<(), OrcError> {
        let id = id.clone();
        self.engine
            .write(move |tx| {
                let event = match report.end {
                    LaunchEnd::Exited { .. } | LaunchEnd::Signaled { .. } => WorkerRunEvent::Exited,
                    LaunchEnd::TimedOut | LaunchEnd::Cancelled | LaunchEnd::OutputLimit => WorkerRunEvent::Killed,
                };
                let facts = json!({ "end": report.end, "duration_ms": report.duration_ms, "proved_dead": report.proved_dead,
                    "active": report.active, "missing": report.missing, "program": report.program_digest });
                tx.set_worker_report(&id, &report)?;
                let state = tx.apply_worker_run(&id, event, &Actor::System, facts)?;
                debug_assert!(matches!(state, WorkerRunState::Exited | WorkerRunState::Killed));
                Ok(())
            })
            .await
    }
}

fn launch_error(plan: &LaunchPlan, error: &ports::LaunchError) -> OrcError {
    let what = Untrusted::new(plan.purpose.as_str()).for_line(120);
    let code = match error {
        ports::LaunchError::Unenforceable { .. } => ErrorCode::Unenforceable,
        ports::LaunchError::Program { .. } | ports::LaunchError::Plan { .. } | ports::LaunchError::Helper { .. } => ErrorCode::LaunchFailed,
    };
    let hint = match error {
        ports::LaunchError::Unenforceable { .. } => "`orcctl doctor` says what this machine can enforce",
        ports::LaunchError::Program { .. } => {
            "grant its directory in `launch.read` of the project, or in `launch.toolchains` of config/orc.yaml, and set `PATH` in `launch.env`"
        }
        ports::LaunchError::Plan { .. } => "mend the `launch` section of the project in config/projects.registry.yaml",
        ports::LaunchError::Helper { .. } => "`orcctl doctor` tries the launch helper",
    };
    OrcError::new(code, format!("`{what}` was not started")).cause(error.to_string()).hint(hint)
}
