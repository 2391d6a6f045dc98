//! An execution from its start to its end: phases in order, and what is left when one does not go on.

use std::sync::Arc;

use orc_domain::api::{BlockReason, ExecutionResult, Usage};
use orc_domain::operators::Actor;
use orc_domain::output::PhaseResult;
use orc_domain::plan::PlanDocument;
use orc_domain::states::*;
use orc_domain::*;
use orc_store::{ReadTx, WriteTx};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::drive::lose_worker_runs;
use crate::engine::Engine;
use crate::knowledge::settle_backlog;
use crate::phase::{Phase, PhaseEnd};
use crate::views;

/// Why an execution is over, or not over but left.
enum End {
    Completed,
    Failed,
    Cancelled,
    /// This process stops: the next owner goes on, or asks.
    Left,
}

impl Engine {
    /// Drives an execution until it is over, is cancelled through `stop`, or this process stops. Errors of the work become its reasons;
    /// what cannot even be written down is logged, and is taken up again as it was last recorded. Whether its end was written down.
    pub(crate) async fn execute(&self, id: ExecutionId, stop: CancellationToken) -> bool {
        let ended = async {
            let Some(document) = self.begin(&id).await? else { return Ok(()) };
            let end = self.phases_in_order(&id, &document, &stop).await?;
            self.finish(&id, end).await
        };
        let written = match ended.await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(execution = %id, %error, causes = ?error.causes, "an execution could not be driven on");
                self.abandon(&id, &error).await
            }
        };
        self.remove_directories(&id).await;
        written
    }

    /// Ends what cannot be driven on, with the error as its reason.
    async fn abandon(&self, id: &ExecutionId, error: &OrcError) -> bool {
        let (execution, reason) =
            (id.clone(), BlockReason { code: error.code.to_string(), message: Untrusted::new(error.message.as_str()), fix: None });
        let ended = self.write(move |tx| {
            for row in tx.phase_runs_of(&execution)? {
                if matches!(row.state, PhaseRunState::Running | PhaseRunState::Paused) {
                    tx.set_phase_reasons(&row.id, std::slice::from_ref(&reason))?;
                    tx.apply_phase_run(&row.id, PhaseRunEvent::Failed, &Actor::System, json!({ "reasons": [&reason] }))?;
                }
            }
            over(tx, &execution, ExecutionState::Failed, &Actor::System)
        });
        let ended = ended.await;
        if let Err(error) = &ended {
            tracing::error!(execution = %id, %error, "its end could not be written down: it is taken up again as it was recorded last");
        }
        ended.is_ok()
    }

    /// `None`: it was cancelled before it began.
    async fn begin(&self, id: &ExecutionId) -> Result<Option<Arc<PlanDocument>>, OrcError> {
        let id = id.clone();
        self.write(move |tx| {
            let execution = tx.execution(&id)?;
            if execution.state.is_terminal() {
                return Ok(None);
            }
            let plan = tx.plan_revision(&execution.workflow, execution.revision)?;
            let document = views::document(tx, &plan)?;
            if execution.state == ExecutionState::Queued {
                tx.apply_execution(&id, ExecutionEvent::Started, &Actor::System, json!({ "generation": tx.generation() }))?;
            }
            Ok(Some(Arc::new(document)))
        })
        .await
    }

    async fn phases_in_order(&self, id: &ExecutionId, document: &Arc<PlanDocument>, stop: &CancellationToken) -> Result<End, OrcError> {
        let execution = id.clone();
        let rows = self.read(move |tx| Ok(tx.phase_runs_of(&execution)?)).await?;
        for (row, planned) in rows.into_iter().zip(&document.phases) {
            if matches!(row.state, PhaseRunState::Completed | PhaseRunState::Skipped) {
                continue;
            }
            let phase = Phase { engine: self, execution: id.clone(), document, planned, run: row.id.clone(), stop };
            let end = match phase.run(row).await {
                Ok(end) => end,
                Err(error) => phase.give_up(error).await?,
            };
            match end {
                PhaseEnd::Completed | PhaseEnd::Skipped => {}
                PhaseEnd::Failed => return Ok(End::Failed),
                PhaseEnd::Stopped => return self.stopped(id).await,
            }
        }
        Ok(End::Completed)
    }

    /// Whether a stop was an operator's cancel or this process going away.
    async fn stopped(&self, id: &ExecutionId) -> Result<End, OrcError> {
        let id = id.clone();
        let cancelled = self.read(move |tx| Ok(tx.execution(&id)?.cancel_requested_at.is_some())).await?;
        Ok(if cancelled { End::Cancelled } else { End::Left })
    }

    async fn finish(&self, id: &ExecutionId, end: End) -> Result<(), OrcError> {
        let id = id.clone();
        self.write(move |tx| {
            let cancelled_by = tx.execution(&id)?.cancel_requested_by;
            match (end, cancelled_by) {
                (End::Completed, _) => over(tx, &id, ExecutionState::Completed, &Actor::System),
                // What was cancelled did not fail, whatever else was found out in that moment.
                (End::Failed | End::Cancelled, Some(by)) => over(tx, &id, ExecutionState::Cancelled, &by),
                (End::Failed, None) => over(tx, &id, ExecutionState::Failed, &Actor::System),
                (End::Cancelled, None) => over(tx, &id, ExecutionState::Cancelled, &Actor::System),
                (End::Left, _) => leave(tx, &id),
            }
        })
        .await
    }
}

/// Ends an execution and its workflow: phases that were not reached are cancelled, the result is put together, channels are told.
pub(crate) fn over(tx: &mut WriteTx<'_>, id: &ExecutionId, state: ExecutionState, actor: &Actor) -> Result<(), OrcError> {
    lose_worker_runs(tx, id)?;
    for row in tx.phase_runs_of(id)? {
        if !row.state.is_terminal() {
            tx.apply_phase_run(&row.id, PhaseRunEvent::Cancelled, actor, json!({ "why": "the execution is over" }))?;
        }
    }
    let workflow = tx.execution(id)?.workflow;
    let result = result(tx, id, state)?;
    tx.end_execution(id, &result, actor, json!({ "reasons": result.reasons }))?;
    let event = match state {
        ExecutionState::Completed => WorkflowEvent::Completed,
        ExecutionState::Cancelled => WorkflowEvent::Cancelled,
        _ => WorkflowEvent::Failed,
    };
    settle_backlog(tx, &workflow, state == ExecutionState::Completed)?;
    tx.apply_workflow(&workflow, event, actor, json!({ "execution": id }))?;
    tx.push_outbox("execution_over", Some(&workflow), &json!({ "execution": id, "state": state }))?;
    Ok(())
}

/// Leaves a running execution to the next owner. Its processes are dead; whether it may start again is its contract's word.
fn leave(tx: &mut WriteTx<'_>, id: &ExecutionId) -> Result<(), OrcError> {
    for row in tx.phase_runs_of(id)? {
        if matches!(row.state, PhaseRunState::Running | PhaseRunState::Paused) {
            tx.apply_phase_run(&row.id, PhaseRunEvent::Interrupted, &Actor::System, json!({ "why": "the host stopped" }))?;
        }
    }
    tx.apply_execution(id, ExecutionEvent::Interrupted, &Actor::System, json!({ "why": "the host stopped" }))?;
    Ok(())
}

fn result(tx: &ReadTx<'_>, id: &ExecutionId, state: ExecutionState) -> Result<ExecutionResult, OrcError> {
    let phases = views::phases(tx, id)?;
    let mut usage = Usage::default();
    let mut reasons: Vec<BlockReason> = Vec::new();
    for phase in &phases {
        usage.attempts += phase.attempt;
        reasons.extend(phase.reasons.iter().cloned());
        for report in phase.worker_runs.iter().filter_map(|run| run.report.as_ref()) {
            usage.launches += 1;
            usage.launch_ms += report.duration_ms;
        }
    }
    if state == ExecutionState::Cancelled {
        let why = tx.execution(id)?.cancel_reason;
        reasons.push(BlockReason {
            code: "cancelled".to_owned(),
            message: why.unwrap_or_else(|| Untrusted::new("an operator stopped it")),
            fix: None,
        });
    }
    let commit = phases.iter().rev().find_map(|phase| phase.commit.clone());
    let phases = phases.into_iter().map(|phase| PhaseResult { phase_id: phase.phase, status: phase.state, output: phase.output }).collect();
    Ok(ExecutionResult { state, phases, commit, usage, reasons })
}
