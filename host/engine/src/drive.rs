//! What the owner does by itself: queued executions, due times, and what an earlier owner left.

use std::sync::Arc;
use std::time::Duration;

use orc_domain::operators::Actor;
use orc_domain::states::*;
use orc_domain::{ExecutionId, OrcError, WorkflowId};
use orc_store::{ExecutionRow, WriteTx};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::knowledge::settle_backlog;
use crate::plan::PLAN_EXPIRY;
use crate::views;

/// How long the driver sleeps at most: due times are met within this, and changes wake it at once.
const NAP: Duration = Duration::from_secs(1);
const DUE_AT_ONCE: u32 = 100;

/// An execution that this process drives; not any more when this is dropped, even by a panic.
struct Driven {
    engine: Arc<Engine>,
    id: ExecutionId,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.engine.driven().remove(&self.id);
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "driving an execution broke off; it is taken up again as after a crash");
    }
}

impl Engine {
    /// Drives queued executions and due times until `shutdown`; then stops what runs, so that it can be taken up again, and returns.
    pub async fn drive(self: Arc<Self>, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            let woken = self.changed.notified();
            if let Err(error) = self.expire_due().await {
                tracing::error!(%error, "due times could not be kept");
            }
            if let Err(error) = self.take_up_abandoned().await {
                tracing::error!(%error, "what nobody drives any more could not be taken up again");
            }
            match self.startable(running.len()).await {
                Ok(ids) => ids.into_iter().for_each(|id| self.take_up(id, &mut running)),
                Err(error) => tracing::error!(%error, "queued executions could not be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = woken => {}
                () = tokio::time::sleep(NAP) => {}
                Some(ended) = running.join_next() => report_panic(ended),
            }
        }
        for stop in self.driven().values() {
            stop.cancel();
        }
        while let Some(ended) = running.join_next().await {
            report_panic(ended);
        }
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
        let driven = Driven { engine: Arc::clone(self), id };
        running.spawn(async move {
            if !driven.engine.execute(driven.id.clone(), stop).await {
                // Whatever stands in the way, a full disk most likely, will not be gone at once.
                tokio::time::sleep(NAP).await;
            }
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

    /// Takes up what an earlier owner left.
    pub(crate) async fn recover(&self) -> Result<(), OrcError> {
        for row in self.read(|tx| Ok(tx.live_executions()?)).await? {
            if row.state != ExecutionState::Queued {
                self.take_back(row.id).await?;
            }
        }
        Ok(())
    }

    /// Takes up what this owner drove and could not write the end of.
    async fn take_up_abandoned(&self) -> Result<(), OrcError> {
        // In this order: one that ends in between was driven.
        let driven: Vec<ExecutionId> = self.driven().keys().cloned().collect();
        let live = self.read(|tx| Ok(tx.live_executions()?)).await?;
        let began = |row: &ExecutionRow| matches!(row.state, ExecutionState::Running | ExecutionState::Paused);
        for row in live.into_iter().filter(|row| began(row) && !driven.contains(&row.id)) {
            self.take_back(row.id).await?;
        }
        Ok(())
    }

    /// The helper kills its tree when the host's end closes; nothing goes on before that is seen.
    async fn take_back(&self, id: ExecutionId) -> Result<(), OrcError> {
        let dead = self.left_over_dead(&id).await?;
        self.write(move |tx| recover_execution(tx, &id, dead)).await
    }

    /// Whether no process of an execution that nobody drives is left.
    async fn left_over_dead(&self, id: &ExecutionId) -> Result<bool, OrcError> {
        let left = self.read(|tx| Ok(tx.left_over_worker_runs(u64::MAX)?)).await?;
        for pid in left.into_iter().filter(|run| run.execution == *id).filter_map(|run| run.pid) {
            if !self.launcher.gone(pid).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes the directories of executions of which nothing runs.
    pub(crate) async fn tidy_up(&self) -> Result<(), OrcError> {
        let live = self.read(|tx| Ok(tx.live_executions()?)).await?;
        for id in self.workspaces.executions().await? {
            // What an interrupted one did is still to be looked at.
            let kept = live.iter().any(|row| row.id == id && row.state == ExecutionState::Interrupted);
            if !kept {
                self.remove_directories(&id).await;
            }
        }
        Ok(())
    }

    /// Removes checkouts and scratch directories. What cannot be removed now is by the next owner.
    pub(crate) async fn remove_directories(&self, id: &ExecutionId) {
        if let Err(error) = self.workspaces.remove_execution(id).await {
            tracing::warn!(execution = %id, %error, "the execution's directories could not be removed");
        }
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
    settle_backlog(tx, id, false)?;
    tx.push_outbox("workflow_expired", Some(id), &json!({}))?;
    Ok(())
}

/// What ran is interrupted; where every interrupted phase may be started again and all that ran is dead, it is queued again.
fn recover_execution(tx: &mut WriteTx<'_>, id: &ExecutionId, dead: bool) -> Result<(), OrcError> {
    let row = tx.execution(id)?;
    if dead {
        lose_worker_runs(tx, id)?;
    }
    let plan = tx.plan_revision(&row.workflow, row.revision)?;
    let document = views::document(tx, &plan)?;
    let why = json!({ "why": "who drove it stopped in the middle", "proved_dead": dead });
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
    if dead && interrupted.into_iter().all(restartable) {
        tx.apply_execution(id, ExecutionEvent::Requeued, &Actor::System, json!({ "why": "its contract lets it start again" }))?;
    }
    Ok(())
}

/// Launches of an execution whose end nobody saw.
pub(crate) fn lose_worker_runs(tx: &mut WriteTx<'_>, id: &ExecutionId) -> Result<(), OrcError> {
    for run in tx.left_over_worker_runs(u64::MAX)?.into_iter().filter(|run| run.execution == *id) {
        tx.apply_worker_run(&run.id, WorkerRunEvent::Lost, &Actor::System, json!({ "generation": run.generation }))?;
    }
    Ok(())
}
