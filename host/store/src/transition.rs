//! States change here and nowhere else: the domain's transition function, the row and the audit event in one step.
//!
//! The event's body is `{"id", "event", "from", "to"}` and what the caller adds: folding those events gives every state column again.

use orc_domain::api::ExecutionResult;
use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::operators::Actor;
use orc_domain::states::*;
use orc_domain::*;
use rusqlite::named_params;
use serde_json::{Map, Value};

use crate::record::{Record, column, json};
use crate::{ReadTx, StoreError, WriteTx};

/// Where one of the five machines is stored.
struct Place {
    kind: &'static str,
    table: &'static str,
    event: EventKind,
    /// The row's state and what it is about.
    load: &'static str,
}

const WORKFLOW: Place = Place {
    kind: WorkflowId::KIND,
    table: "workflow",
    event: EventKind::WorkflowChanged,
    load: "SELECT state, tenant, project, id AS workflow, NULL AS execution FROM workflow WHERE id = ?1",
};

const APPROVAL_REQUEST: Place = Place {
    kind: ApprovalRequestId::KIND,
    table: "approval_request",
    event: EventKind::ApprovalRequestChanged,
    load: "SELECT a.state, w.tenant, w.project, w.id AS workflow, NULL AS execution
           FROM approval_request AS a JOIN workflow AS w ON w.id = a.workflow WHERE a.id = ?1",
};

const EXECUTION: Place = Place {
    kind: ExecutionId::KIND,
    table: "execution",
    event: EventKind::ExecutionChanged,
    load: "SELECT e.state, w.tenant, w.project, w.id AS workflow, e.id AS execution
           FROM execution AS e JOIN workflow AS w ON w.id = e.workflow WHERE e.id = ?1",
};

const PHASE_RUN: Place = Place {
    kind: PhaseRunId::KIND,
    table: "phase_run",
    event: EventKind::PhaseRunChanged,
    load: "SELECT p.state, w.tenant, w.project, w.id AS workflow, e.id AS execution
           FROM phase_run AS p JOIN execution AS e ON e.id = p.execution JOIN workflow AS w ON w.id = e.workflow WHERE p.id = ?1",
};

const WORKER_RUN: Place = Place {
    kind: WorkerRunId::KIND,
    table: "worker_run",
    event: EventKind::WorkerRunChanged,
    load: "SELECT r.state, w.tenant, w.project, w.id AS workflow, e.id AS execution
           FROM worker_run AS r JOIN phase_run AS p ON p.id = r.phase_run JOIN execution AS e ON e.id = p.execution
           JOIN workflow AS w ON w.id = e.workflow WHERE r.id = ?1",
};

/// A state, before and after.
struct Change<M> {
    from: M,
    to: M,
    subject: Subject,
}

impl ReadTx<'_> {
    fn next_state<M: Machine>(&self, place: &Place, id: &str, event: M::Event) -> Result<Change<M>, StoreError> {
        let loaded = self.first(place.table, place.load, [id], |row| Ok((state::<M>(place.table, row)?, subject(row)?)))?;
        let (from, subject) = loaded.ok_or_else(|| StoreError::NotFound { kind: place.kind, id: id.to_owned() })?;
        let to = from.next(event).map_err(|why| StoreError::IllegalTransition { id: id.to_owned(), why })?;
        Ok(Change { from, to, subject })
    }
}

fn state<M: Machine>(table: &'static str, row: &Record<'_>) -> Result<M, StoreError> {
    let word: String = row.raw("state")?;
    let known = M::STATES.iter().find(|state| state.word() == word);
    known.copied().ok_or_else(|| StoreError::Damaged { table, column: "state", why: format!("`{word}` is no state") })
}

fn subject(row: &Record<'_>) -> Result<Subject, StoreError> {
    Ok(Subject {
        tenant: row.optional_text("tenant")?,
        project: row.optional_text("project")?,
        workflow: row.optional_text("workflow")?,
        execution: row.optional_text("execution")?,
    })
}

/// The event's own four fields stand, whatever `extra` holds under their names.
fn body<M: Machine>(id: &str, event: M::Event, change: &Change<M>, extra: Value) -> Value {
    let mut body = fields(extra);
    let own = [("id", id), ("event", M::event_word(event)), ("from", change.from.word()), ("to", change.to.word())];
    body.extend(own.map(|(name, value)| (name.to_owned(), Value::from(value))));
    Value::Object(body)
}

impl WriteTx<'_> {
    fn record<M: Machine>(
        &mut self,
        place: &Place,
        id: &str,
        event: M::Event,
        change: Change<M>,
        actor: &Actor,
        extra: Value,
    ) -> Result<M, StoreError> {
        let body = body(id, event, &change, extra);
        self.append(NewEvent { kind: place.event, actor: actor.clone(), subject: change.subject, body })?;
        Ok(change.to)
    }

    /// Something happens to a workflow. Returns its new state.
    ///
    /// # Errors
    /// [`StoreError::IllegalTransition`] where its state does not allow the event: then nothing is written.
    pub fn apply_workflow(
        &mut self,
        id: &WorkflowId,
        event: WorkflowEvent,
        actor: &Actor,
        extra: Value,
    ) -> Result<WorkflowState, StoreError> {
        let change = self.next_state::<WorkflowState>(&WORKFLOW, id.as_str(), event)?;
        let sql = "UPDATE workflow SET state = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(WORKFLOW.kind, id.as_str(), sql, (id.as_str(), change.to.as_str(), self.now().0))?;
        self.record(&WORKFLOW, id.as_str(), event, change, actor, extra)
    }

    /// Something happens to an approval request. Returns its new state.
    ///
    /// # Errors
    /// As [`WriteTx::apply_workflow`].
    pub fn apply_approval_request(
        &mut self,
        id: &ApprovalRequestId,
        event: ApprovalRequestEvent,
        actor: &Actor,
        extra: Value,
    ) -> Result<ApprovalRequestState, StoreError> {
        let change = self.next_state::<ApprovalRequestState>(&APPROVAL_REQUEST, id.as_str(), event)?;
        let sql = "UPDATE approval_request SET state = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(APPROVAL_REQUEST.kind, id.as_str(), sql, (id.as_str(), change.to.as_str(), self.now().0))?;
        self.record(&APPROVAL_REQUEST, id.as_str(), event, change, actor, extra)
    }

    /// Something happens to an execution that does not end it and does not make it wait. Returns its new state.
    ///
    /// # Errors
    /// As [`WriteTx::apply_workflow`]. [`StoreError::Constraint`] for the events of [`WriteTx::pause_execution`] and
    /// [`WriteTx::end_execution`].
    pub fn apply_execution(
        &mut self,
        id: &ExecutionId,
        event: ExecutionEvent,
        actor: &Actor,
        extra: Value,
    ) -> Result<ExecutionState, StoreError> {
        self.move_execution(id, event, None, None, actor, extra)
    }

    /// An execution must wait.
    ///
    /// # Errors
    /// As [`WriteTx::apply_workflow`].
    pub fn pause_execution(
        &mut self,
        id: &ExecutionId,
        reason: PausedReason,
        actor: &Actor,
        extra: Value,
    ) -> Result<ExecutionState, StoreError> {
        let mut extra = fields(extra);
        extra.insert("reason".to_owned(), Value::from(reason.as_str()));
        self.move_execution(id, ExecutionEvent::Paused, Some(reason), None, actor, Value::Object(extra))
    }

    /// An execution is over, with this result; the result's state says how.
    ///
    /// # Errors
    /// As [`WriteTx::apply_workflow`]. [`StoreError::Constraint`] where the result's state is not a terminal one.
    pub fn end_execution(
        &mut self,
        id: &ExecutionId,
        result: &ExecutionResult,
        actor: &Actor,
        extra: Value,
    ) -> Result<ExecutionState, StoreError> {
        let event = match result.state {
            ExecutionState::Completed => ExecutionEvent::Completed,
            ExecutionState::Failed => ExecutionEvent::Failed,
            ExecutionState::Cancelled => ExecutionEvent::Cancelled,
            ExecutionState::Queued | ExecutionState::Running | ExecutionState::Paused | ExecutionState::Interrupted => {
                return Err(StoreError::Constraint { why: format!("no execution ends as {}", result.state) });
            }
        };
        self.move_execution(id, event, None, Some(result), actor, extra)
    }

    fn move_execution(
        &mut self,
        id: &ExecutionId,
        event: ExecutionEvent,
        paused: Option<PausedReason>,
        result: Option<&ExecutionResult>,
        actor: &Actor,
        extra: Value,
    ) -> Result<ExecutionState, StoreError> {
        let change = self.next_state::<ExecutionState>(&EXECUTION, id.as_str(), event)?;
        let result = result.map(|result| json("an execution result", result)).transpose()?;
        let sql =
            "UPDATE execution SET state = :state, paused_reason = :paused, result = :result, generation = :generation, updated_at = :now,
                   started_at = CASE WHEN :begins THEN coalesce(started_at, :now) ELSE started_at END,
                   ended_at = CASE WHEN :ends THEN :now END
                   WHERE id = :id";
        let params = named_params! {
            ":id": id.as_str(),
            ":state": change.to.as_str(),
            ":paused": paused.map(PausedReason::as_str),
            ":result": result,
            ":generation": column(self.generation()),
            ":now": self.now().0,
            ":begins": change.to == ExecutionState::Running,
            ":ends": change.to.is_terminal(),
        };
        self.change_one(EXECUTION.kind, id.as_str(), sql, params)?;
        self.record(&EXECUTION, id.as_str(), event, change, actor, extra)
    }

    /// Something happens to a phase run. `Started` and `AttemptStarted` count an attempt. Returns its new state.
    ///
    /// # Errors
    /// As [`WriteTx::apply_workflow`].
    pub fn apply_phase_run(
        &mut self,
        id: &PhaseRunId,
        event: PhaseRunEvent,
        actor: &Actor,
        extra: Value,
    ) -> Result<PhaseRunState, StoreError> {
        let change = self.next_state::<PhaseRunState>(&PHASE_RUN, id.as_str(), event)?;
        let sql = "UPDATE phase_run SET state = :state, attempt = attempt + :attempts, updated_at = :now,
                   started_at = CASE WHEN :begins THEN coalesce(started_at, :now) ELSE started_at END,
                   ended_at = CASE WHEN :ends THEN :now END
                   WHERE id = :id";
        let params = named_params! {
            ":id": id.as_str(),
            ":state": change.to.as_str(),
            ":attempts": matches!(event, PhaseRunEvent::Started | PhaseRunEvent::AttemptStarted),
            ":now": self.now().0,
            ":begins": change.to == PhaseRunState::Running,
            ":ends": change.to.is_terminal(),
        };
        self.change_one(PHASE_RUN.kind, id.as_str(), sql, params)?;
        self.record(&PHASE_RUN, id.as_str(), event, change, actor, extra)
    }

    /// Something happens to a worker run. Returns its new state.
    ///
    /// # Errors
    /// As [`WriteTx::apply_workflow`].
    pub fn apply_worker_run(
        &mut self,
        id: &WorkerRunId,
        event: WorkerRunEvent,
        actor: &Actor,
        extra: Value,
    ) -> Result<WorkerRunState, StoreError> {
        let change = self.next_state::<WorkerRunState>(&WORKER_RUN, id.as_str(), event)?;
        let sql = "UPDATE worker_run SET state = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(WORKER_RUN.kind, id.as_str(), sql, (id.as_str(), change.to.as_str(), self.now().0))?;
        self.record(&WORKER_RUN, id.as_str(), event, change, actor, extra)
    }
}

/// What is no object is kept under `detail`.
fn fields(extra: Value) -> Map<String, Value> {
    match extra {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        other => Map::from_iter([("detail".to_owned(), other)]),
    }
}
