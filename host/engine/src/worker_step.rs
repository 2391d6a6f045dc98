//! The worker of a phase: told what to do, started under its grant, its answer found, compared with the schema, and asked for once more
//! where it cannot be used. What it says is judged by gates and never believed.

use std::path::Path;

use orc_domain::api::BlockReason;
use orc_domain::contract::WorkspaceKind;
use orc_domain::plan::{PlannedIntent, PlannedWorker};
use orc_domain::ports::Worker;
use orc_domain::settings::WorkerKind;
use orc_domain::worker::*;
use orc_domain::*;
use orc_workers::CommandWorker;
use orc_workers::capture::MAX_STDOUT;
use orc_workers::prompt::{EarlierOutput, MAX_PROMPT, PromptParts, build};
use serde_json::{Value, json};

use crate::document::WORKER;
use crate::engine::internal;
use crate::found::program_digest;
use crate::knowledge::recalled;
use crate::launch_step::{Feed, Launched};
use crate::phase::{Done, Phase, Room, failed};

/// The diff that a phase is told of, in bytes.
const MAX_TOLD_DIFF: usize = 512 * 1024;

/// Who speaks with a kind of worker.
fn adapter(kind: WorkerKind) -> &'static dyn Worker {
    match kind {
        WorkerKind::Command => &CommandWorker,
    }
}

/// What an answer is worth.
enum Judged {
    Accepted(Value),
    /// It ended badly: asking again is the next attempt's business.
    Failed(BlockReason),
    /// The answer alone is no good.
    Unusable(Repair),
}

impl Phase<'_> {
    /// Lets the worker work. `None`: stopped.
    pub(crate) async fn work(&self, room: &Room<'_>, before: &[BlockReason]) -> Result<Option<Done>, OrcError> {
        let Some(worker) = &self.document.worker else {
            return Err(OrcError::new(ErrorCode::WorkerUnavailable, "the plan names no worker"));
        };
        if self.access() == WorkerAccess::Write {
            match self.prepare(room).await? {
                Some(reasons) if reasons.is_empty() => {}
                stopped_or_failed => return Ok(stopped_or_failed.map(|reasons| Done { reasons, output: None })),
            }
        }
        let mut task = self.task(room, before, None).await?;
        loop {
            let Some(judged) = self.ask_worker(room, worker, &task).await? else { return Ok(None) };
            match judged {
                Judged::Accepted(output) => return Ok(Some(Done { reasons: Vec::new(), output: Some(output) })),
                Judged::Failed(reason) => return Ok(Some(Done { reasons: vec![reason], output: None })),
                Judged::Unusable(repair) if task.repair.is_some() => {
                    return Ok(Some(Done { reasons: unusable(&repair), output: None }));
                }
                Judged::Unusable(repair) => {
                    self.step(room.attempt, "repair", json!({ "problems": repair.problems })).await?;
                    task = self.task(room, before, Some(repair)).await?;
                }
            }
        }
    }

    async fn ask_worker(&self, room: &Room<'_>, worker: &PlannedWorker, task: &WorkerTask) -> Result<Option<Judged>, OrcError> {
        let adapter = adapter(worker.kind);
        if program_digest(&worker.command).await? != worker.binary {
            return Err(changed(worker));
        }
        let call = adapter.call(task).map_err(|why| OrcError::new(ErrorCode::WorkerUnavailable, why))?;
        let argv = [worker.command.clone(), call.args].concat();
        let feed = Feed { stdin: call.stdin, capture: Some(MAX_STDOUT) };
        let launched = self.launch_fed(room.attempt, WORKER, &argv, (&room.workspace.path, room.scratch), feed).await?;
        let Some(Launched { result, captured: stdout, program }) = launched else { return Ok(None) };
        // It ran in its confinement, and nothing of it counts.
        if program != worker.binary {
            return Err(changed(worker));
        }
        let cut = result.end == grant::LaunchEnd::OutputLimit;
        let ended = WorkerEnded { end: result.end.clone(), stdout, cut };
        Ok(Some(match adapter.answer(&ended) {
            Ok(answer) => self.compare(room.attempt, answer).await?,
            Err(fault) if fault.kind == AnswerFaultKind::Failed => Judged::Failed(failed("the worker", &result)),
            Err(fault) if fault.kind == AnswerFaultKind::TooLarge => {
                Judged::Failed(BlockReason { code: ErrorCode::OutputInvalid.to_string(), message: fault.message, fix: None })
            }
            Err(fault) => Judged::Unusable(Repair { answer: fault.head, problems: vec![fault.message] }),
        }))
    }

    async fn compare(&self, attempt: u32, answer: Answer) -> Result<Judged, OrcError> {
        let problems = self.matches_schema(&answer.output).await?;
        if problems.is_empty() {
            self.step(attempt, "answer", json!({ "rule": answer.rule })).await?;
            return Ok(Judged::Accepted(answer.output));
        }
        let head = Untrusted::new(answer.output.to_string()).for_terminal(2000);
        Ok(Judged::Unusable(Repair {
            answer: Untrusted::new(head),
            problems: problems.into_iter().map(|problem| problem.message).collect(),
        }))
    }

    fn access(&self) -> WorkerAccess {
        if self.planned.contract.workspace == WorkspaceKind::ReadOnly { WorkerAccess::Read } else { WorkerAccess::Write }
    }

    async fn task(&self, room: &Room<'_>, before: &[BlockReason], repair: Option<Repair>) -> Result<WorkerTask, OrcError> {
        let PlannedIntent::Task { task } = &self.document.intent else {
            return Err(OrcError::new(ErrorCode::PipelineNotAllowed, "a command is no task for a worker"));
        };
        let parts = self.parts(room, before, repair).await?;
        let prompt = build(&parts, MAX_PROMPT)
            .map_err(|error| OrcError::from_source(ErrorCode::InvalidRequest, "the prompt cannot be put together", &error))?;
        if !prompt.cut.is_empty() {
            self.step(room.attempt, "prompt_cut", json!({ "cut": prompt.cut })).await?;
        }
        Ok(WorkerTask {
            schema: TASK_SCHEMA.to_owned(),
            workflow: self.document.workflow.clone(),
            execution: self.execution.clone(),
            project: self.document.project.clone(),
            phase: self.planned.phase.clone(),
            attempt: room.attempt,
            access: self.access(),
            workspace: text_of(&room.workspace.path)?,
            task: Some(task.clone()),
            prompt: prompt.text,
            diff: parts.diff,
            output_schema: parts.schema,
            reasons: parts.reasons,
            repair: parts.repair,
        })
    }

    async fn parts(&self, room: &Room<'_>, before: &[BlockReason], repair: Option<Repair>) -> Result<PromptParts, OrcError> {
        let contract = match self.planned.prompt {
            Some(digest) => self.pinned_text(digest).await?,
            None => String::new(),
        };
        Ok(PromptParts {
            contract,
            work: self.document.intent.clone(),
            project: self.document.project.clone(),
            branch: Untrusted::new(self.document.base.branch.as_str()),
            commit: self.document.base.commit.clone(),
            access: self.access(),
            earlier: self.outputs_before().await?,
            reasons: before.to_vec(),
            memory: recalled(&self.memory().await?)?,
            diff: self.diff_so_far(room).await?,
            repair,
            schema: self.pinned_json(self.planned.schema).await?,
        })
    }

    /// What the phases before changed.
    async fn diff_so_far(&self, room: &Room<'_>) -> Result<Option<Untrusted>, OrcError> {
        let (project, base) = (&self.document.project, &self.document.base.commit);
        let diff = self.engine.workspaces.diff(project, base, room.begun, MAX_TOLD_DIFF).await?;
        let text = String::from_utf8_lossy(&diff.bytes).into_owned();
        // Half a diff would be taken for a whole one.
        Ok((!text.is_empty() && !diff.truncated).then(|| Untrusted::new(text)))
    }

    /// What the phases before this one emitted, in order.
    async fn outputs_before(&self) -> Result<Vec<EarlierOutput>, OrcError> {
        let (execution, run) = (self.execution.clone(), self.run.clone());
        let rows = self.engine.read(move |tx| Ok(tx.phase_runs_of(&execution)?)).await?;
        let before = rows.into_iter().take_while(|row| row.id != run);
        Ok(before.filter_map(|row| row.output.map(|output| EarlierOutput { phase: row.phase, output })).collect())
    }

    async fn pinned_text(&self, digest: Digest) -> Result<String, OrcError> {
        String::from_utf8(self.pinned(digest).await?).map_err(|error| internal("a pinned prompt is no UTF-8", &error))
    }

    async fn pinned_json(&self, digest: Digest) -> Result<Value, OrcError> {
        serde_json::from_slice(&self.pinned(digest).await?).map_err(|error| internal("a pinned schema is no JSON", &error))
    }
}

fn changed(worker: &PlannedWorker) -> OrcError {
    OrcError::new(ErrorCode::PlanStale, format!("the program of the engine {} is not the planned one any more", worker.engine))
        .hint("plan it again")
}

fn unusable(repair: &Repair) -> Vec<BlockReason> {
    let reason = |problem: &Untrusted| BlockReason {
        code: ErrorCode::OutputInvalid.to_string(),
        message: Untrusted::new(format!("the worker's answer, asked for twice: {}", problem.raw())),
        fix: None,
    };
    repair.problems.iter().map(reason).collect()
}

fn text_of(path: &Path) -> Result<String, OrcError> {
    path.to_str().map(str::to_owned).ok_or_else(|| OrcError::new(ErrorCode::LaunchFailed, format!("{} is no UTF-8", path.display())))
}
