//! What the owner does by itself: queued executions, due times, and what an earlier owner left.

use std::sync::Arc;
use std::time::Duration;

use orc_domain::operators::Actor;
use orc_domain::states::*;
use orc_domain::{ExecutionId, OrcError, WorkflowId};
use orc_store::WriteTx;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::plan::PLAN_EXPIRY;
use crate::views;

/// How long the driver sleeps at most: due times are met within this, and changes wake it at once.
const NAP: Duration = Duration::from_secs(1);
const DUE_AT_ONCE: u32 = 100;

impl Engine {
    /// Drives queued executions and due times until `shutdown`; then stops what runs, so that it can be taken up again, and returns.
    pub async fn drive(self: Arc<Self>, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            let woken = self.changed.notified();
            if let Err(error) = self.expire_due().await {
                tracing::error!(%error, "due times could not be kept");
            }
            match self.startable(running.len()).await {
                Ok(ids) => ids.into_iter().for_each(|id| self.take_up(id, &mut running)),
                Err(error) => tracing::error!(%error, "queued executions could not be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = woken => {}
                () = tokio::time::sleep(NAP) => {}
                Some(_) = running.join_next() => {}
            }
        }
        for stop in self.driven().values() {
            stop.cancel();
        }
        while running.join_next().await.is_some() {}
    }

    /// Queued executions that have a place.
    async fn startable(&self, running: usize) -> Result<Vec<ExecutionId>, OrcError> {
        let places = self.active_rules().await?.checked.settings.concurrent_executions as usize;
        let queued = self.read(|tx| Ok(tx.executions_in(ExecutionState::Queued)?)).await?;
        let driven = self.driven();
        let free = queued.into_iter().map(|row| row.id).filter(|id| !driven.contains_key(id));
        Ok(free.take(places.saturating_sub(running)).collect())
    }

    fn take_up(self: &Arc<Self>, id: ExecutionId, running: &mut JoinSet<()>) {
        let stop = CancellationToken::new();
        self.driven().insert(id.clone(), stop.clone());
        let engine = Arc::clone(self);
        running.spawn(async move {
            engine.execute(id.clone(), stop).await;
            engine.driven().remove(&id);
        });
    }

    /// Expires plans whose time is over.
    pub(crate) async fn expire_due(&self) -> Result<(), OrcError> {
        let now = self.now();
        let due = self.read(move |tx| Ok(tx.due_timers(now, DUE_AT_ONCE)?)).await?;
        if due.is_empty() {
            return Ok(());
        }
        self.write(move |tx| {
            for timer in due {
                tx.clear_timer(&timer.kind, &timer.subject)?;
                if timer.kind == PLAN_EXPIRY
                    && let Ok(id) = timer.subject.parse()
                {
                    expire_plan(tx, &id)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Takes up what an earlier owner left. Its processes died with it: the helper kills its tree when the host's end closes.
    pub(crate) async fn recover(&self) -> Result<(), OrcError> {
        self.write(|tx| {
            let generation = tx.generation();
            for run in tx.left_over_worker_runs(generation)? {
                tx.apply_worker_run(&run.id, WorkerRunEvent::Lost, &Actor::System, json!({ "generation": run.generation }))?;
            }
            for row in tx.live_executions()? {
                if row.state != ExecutionState::Queued {
                    recover_execution(tx, &row.id)?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn expire_plan(tx: &mut WriteTx<'_>, id: &WorkflowId) -> Result<(), OrcError> {
    let workflow = tx.workflow(id)?;
    if !matches!(workflow.state, WorkflowState::AwaitingApproval | WorkflowState::Approved) {
        return Ok(());
    }
    for request in tx.requests_of(id, workflow.revision)? {
        if matches!(request.state, ApprovalRequestState::Pending | ApprovalRequestState::Approved) {
            tx.apply_approval_request(&request.id, ApprovalRequestEvent::Expired, &Actor::System, json!({}))?;
        }
    }
    tx.apply_workflow(id, WorkflowEvent::Expired, &Actor::System, json!({ "revision": workflow.revision }))?;
    tx.push_outbox("workflow_expired", Some(id), &json!({}))?;
    Ok(())
}

/// What ran is interrupted; where every interrupted phase may be started again, it is queued again.
fn recover_execution(tx: &mut WriteTx<'_>, id: &ExecutionId) -> Result<(), OrcError> {
    let row = tx.execution(id)?;
    let plan = tx.plan_revision(&row.workflow, row.revision)?;
    let document = views::document(tx, &plan)?;
    let why = json!({ "why": "an earlier owner stopped" });
    for phase in tx.phase_runs_of(id)? {
        if matches!(phase.state, PhaseRunState::Running | PhaseRunState::Paused) {
            tx.apply_phase_run(&phase.id, PhaseRunEvent::Interrupted, &Actor::System, why.clone())?;
        }
    }
    if row.state != ExecutionState::Interrupted {
        tx.apply_execution(id, ExecutionEvent::Interrupted, &Actor::System, why)?;
    }
    if row.cancel_requested_at.is_some() {
        return crate::execute::over(tx, id, ExecutionState::Cancelled, &row.cancel_requested_by.unwrap_or(Actor::System));
    }
    let interrupted = tx.phase_runs_of(id)?.into_iter().filter(|phase| phase.state == PhaseRunState::Interrupted);
    let restartable = |phase: orc_store::PhaseRunRow| document.phase(&phase.phase).is_some_and(|planned| planned.contract.restartable);
    if interrupted.into_iter().all(restartable) {
        tx.apply_execution(id, ExecutionEvent::Requeued, &Actor::System, json!({ "why": "its contract lets it start again" }))?;
    }
    Ok(())
}
