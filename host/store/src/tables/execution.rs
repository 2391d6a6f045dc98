//! Executions: the one run of a plan revision, under its idempotency key.

use orc_domain::api::{ExecutionResult, ExecutionView};
use orc_domain::operators::Actor;
use orc_domain::states::{ExecutionState, PausedReason};
use orc_domain::{Digest, ExecutionId, Timestamp, Untrusted, WorkflowId};

use crate::record::{Record, column, digest, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "execution";

/// A new execution, `queued`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The plan revision.
    pub revision: u32,
    /// Its key: unique in the workflow.
    pub idempotency_key: String,
    /// The digest of the request that it came with.
    pub request_digest: Digest,
    /// Who asked for it.
    pub created_by: Actor,
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The plan revision.
    pub revision: u32,
    /// Its key.
    pub idempotency_key: String,
    /// The digest of the request that it came with.
    pub request_digest: Digest,
    /// Its state.
    pub state: ExecutionState,
    /// What it waits for, where paused.
    pub paused: Option<PausedReason>,
    /// The ownership that wrote its state last.
    pub generation: u64,
    /// Who asked for it.
    pub created_by: Actor,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When cancelling was asked for.
    pub cancel_requested_at: Option<Timestamp>,
    /// Who asked for that.
    pub cancel_requested_by: Option<Actor>,
    /// Why.
    pub cancel_reason: Option<Untrusted>,
    /// Its result, once terminal.
    pub result: Option<ExecutionResult>,
}

impl From<ExecutionRow> for ExecutionView {
    fn from(row: ExecutionRow) -> Self {
        Self {
            id: row.id,
            workflow: row.workflow,
            revision: row.revision,
            idempotency_key: row.idempotency_key,
            state: row.state,
            paused: row.paused,
            cancel_requested: row.cancel_requested_at.is_some(),
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            result: row.result,
        }
    }
}

impl WriteTx<'_> {
    /// Adds an execution, `queued`, under the present generation.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the key is used in this workflow, another execution of it is not over, or there is no such revision.
    pub fn insert_execution(&mut self, new: &NewExecution) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO execution
             (id, workflow, revision, idempotency_key, request_digest, state, generation, created_by, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
            (
                new.id.as_str(),
                new.workflow.as_str(),
                new.revision,
                &new.idempotency_key,
                digest(&new.request_digest),
                ExecutionState::Queued.as_str(),
                column(self.generation()),
                json("an actor", &new.created_by)?,
                self.now().0,
            ),
        )?;
        Ok(())
    }

    /// Notes durably that cancelling was asked for. The first ask stays: returns whether this was it. Whoever drives the execution obeys.
    ///
    /// # Errors
    /// What the disk says.
    pub fn request_cancel(&mut self, id: &ExecutionId, by: &Actor, reason: Option<&Untrusted>) -> Result<bool, StoreError> {
        let changed = self.connection().execute(
            "UPDATE execution SET cancel_requested_at = ?2, cancel_requested_by = ?3, cancel_reason = ?4, updated_at = ?2
             WHERE id = ?1 AND cancel_requested_at IS NULL AND ended_at IS NULL",
            (id.as_str(), self.now().0, json("an actor", by)?, reason.map(Untrusted::raw)),
        )?;
        Ok(changed == 1)
    }
}

impl ReadTx<'_> {
    /// An execution by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn execution(&self, id: &ExecutionId) -> Result<ExecutionRow, StoreError> {
        let found = self.first(TABLE, "SELECT * FROM execution WHERE id = ?1", [id.as_str()], execution)?;
        found.ok_or_else(|| StoreError::NotFound { kind: ExecutionId::KIND, id: id.to_string() })
    }

    /// The execution of a workflow under a key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it cannot be read.
    pub fn execution_by_key(&self, workflow: &WorkflowId, key: &str) -> Result<Option<ExecutionRow>, StoreError> {
        let sql = "SELECT * FROM execution WHERE workflow = ?1 AND idempotency_key = ?2";
        self.first(TABLE, sql, (workflow.as_str(), key), execution)
    }

    /// The executions of a workflow, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn executions_of(&self, workflow: &WorkflowId) -> Result<Vec<ExecutionRow>, StoreError> {
        let sql = "SELECT * FROM execution WHERE workflow = ?1 ORDER BY created_at, rowid";
        self.list(TABLE, sql, [workflow.as_str()], execution)
    }

    /// The newest execution of a workflow.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it cannot be read.
    pub fn newest_execution_of(&self, workflow: &WorkflowId) -> Result<Option<ExecutionRow>, StoreError> {
        let sql = "SELECT * FROM execution WHERE workflow = ?1 ORDER BY created_at DESC, rowid DESC LIMIT 1";
        self.first(TABLE, sql, [workflow.as_str()], execution)
    }

    /// Executions that are not over, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn live_executions(&self) -> Result<Vec<ExecutionRow>, StoreError> {
        let sql = "SELECT * FROM execution WHERE state NOT IN ('completed', 'failed', 'cancelled') ORDER BY created_at, rowid";
        self.list(TABLE, sql, [], execution)
    }

    /// Executions in a state, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn executions_in(&self, state: ExecutionState) -> Result<Vec<ExecutionRow>, StoreError> {
        self.list(TABLE, "SELECT * FROM execution WHERE state = ?1 ORDER BY created_at, rowid", [state.as_str()], execution)
    }
}

fn execution(row: &Record<'_>) -> Result<ExecutionRow, StoreError> {
    Ok(ExecutionRow {
        id: row.text("id")?,
        workflow: row.text("workflow")?,
        revision: row.number("revision")?,
        idempotency_key: row.raw("idempotency_key")?,
        request_digest: row.text("request_digest")?,
        state: row.text("state")?,
        paused: row.optional_text("paused_reason")?,
        generation: row.number("generation")?,
        created_by: row.json("created_by")?,
        created_at: row.time("created_at")?,
        started_at: row.optional_time("started_at")?,
        ended_at: row.optional_time("ended_at")?,
        cancel_requested_at: row.optional_time("cancel_requested_at")?,
        cancel_requested_by: row.optional_json("cancel_requested_by")?,
        cancel_reason: row.raw::<Option<String>>("cancel_reason")?.map(Untrusted::new),
        result: row.optional_json("result")?,
    })
}
