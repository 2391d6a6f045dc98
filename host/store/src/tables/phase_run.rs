//! Phase runs: a phase inside an execution, with its attempts, tree and structured output.

use std::collections::BTreeMap;

use orc_domain::api::BlockReason;
use orc_domain::states::PhaseRunState;
use orc_domain::{ExecutionId, PhaseName, PhaseRunId, Timestamp};
use serde_json::Value;

use crate::record::{Record, id_set, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "phase_run";

/// A new phase run, `pending`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPhaseRun {
    /// Its id.
    pub id: PhaseRunId,
    /// The execution.
    pub execution: ExecutionId,
    /// Its place in the pipeline, from 0.
    pub place: u32,
    /// The phase.
    pub phase: PhaseName,
    /// Attempts that the contract allows.
    pub attempts: u32,
}

/// A phase run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseRunRow {
    /// Its id.
    pub id: PhaseRunId,
    /// The execution.
    pub execution: ExecutionId,
    /// Its place in the pipeline, from 0.
    pub place: u32,
    /// The phase.
    pub phase: PhaseName,
    /// Its state.
    pub state: PhaseRunState,
    /// The newest attempt, 0 before the first.
    pub attempt: u32,
    /// Attempts that the contract allows.
    pub attempts: u32,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The captured tree, once there is one.
    pub tree: Option<String>,
    /// The commit that the host made of it.
    pub commit: Option<String>,
    /// Its structured output, once accepted or, where it was blocked, as it came.
    pub output: Option<Value>,
    /// Why it did not go on.
    pub reasons: Vec<BlockReason>,
}

impl WriteTx<'_> {
    /// Adds a phase run, `pending`.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the execution has a run of this phase or in this place, or does not exist.
    pub fn insert_phase_run(&mut self, new: &NewPhaseRun) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO phase_run (id, execution, place, phase, state, attempt, attempts, created_at, updated_at, reasons)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?7, '[]')",
            (
                new.id.as_str(),
                new.execution.as_str(),
                new.place,
                new.phase.as_str(),
                PhaseRunState::Pending.as_str(),
                new.attempts,
                self.now().0,
            ),
        )?;
        Ok(())
    }

    /// Keeps the id of the captured tree; `None` for an attempt that begins anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such phase run.
    pub fn set_phase_tree(&mut self, id: &PhaseRunId, tree: Option<&str>) -> Result<(), StoreError> {
        let sql = "UPDATE phase_run SET tree = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(PhaseRunId::KIND, id.as_str(), sql, (id.as_str(), tree, self.now().0))
    }

    /// Keeps the commit that the host made of the tree.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such phase run.
    pub fn set_phase_commit(&mut self, id: &PhaseRunId, commit: &str) -> Result<(), StoreError> {
        let sql = "UPDATE phase_run SET commit_id = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(PhaseRunId::KIND, id.as_str(), sql, (id.as_str(), commit, self.now().0))
    }

    /// Keeps the structured output; `None` for an attempt that begins anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such phase run.
    pub fn set_phase_output(&mut self, id: &PhaseRunId, output: Option<&Value>) -> Result<(), StoreError> {
        let output = output.map(|output| json("a phase's output", output)).transpose()?;
        let sql = "UPDATE phase_run SET output = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(PhaseRunId::KIND, id.as_str(), sql, (id.as_str(), output, self.now().0))
    }

    /// Keeps why it did not go on, in place of what was there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such phase run.
    pub fn set_phase_reasons(&mut self, id: &PhaseRunId, reasons: &[BlockReason]) -> Result<(), StoreError> {
        let sql = "UPDATE phase_run SET reasons = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(PhaseRunId::KIND, id.as_str(), sql, (id.as_str(), json("reasons", reasons)?, self.now().0))
    }
}

impl ReadTx<'_> {
    /// A phase run by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn phase_run(&self, id: &PhaseRunId) -> Result<PhaseRunRow, StoreError> {
        let found = self.first(TABLE, "SELECT * FROM phase_run WHERE id = ?1", [id.as_str()], phase_run)?;
        found.ok_or_else(|| StoreError::NotFound { kind: PhaseRunId::KIND, id: id.to_string() })
    }

    /// The phase runs of an execution, in the pipeline's order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn phase_runs_of(&self, execution: &ExecutionId) -> Result<Vec<PhaseRunRow>, StoreError> {
        self.list(TABLE, "SELECT * FROM phase_run WHERE execution = ?1 ORDER BY place", [execution.as_str()], phase_run)
    }

    /// The phase that each of these executions is in: the first that is not over. Executions without one are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn current_phases(&self, executions: &[ExecutionId]) -> Result<BTreeMap<ExecutionId, PhaseName>, StoreError> {
        let sql = "SELECT execution, phase, min(place) FROM phase_run WHERE execution IN (SELECT value FROM json_each(?1))
                   AND state IN ('pending', 'running', 'paused', 'interrupted') GROUP BY execution";
        let found = self.list(TABLE, sql, [id_set(executions)?], |row| Ok((row.text("execution")?, row.text("phase")?)))?;
        Ok(found.into_iter().collect())
    }
}

fn phase_run(row: &Record<'_>) -> Result<PhaseRunRow, StoreError> {
    Ok(PhaseRunRow {
        id: row.text("id")?,
        execution: row.text("execution")?,
        place: row.number("place")?,
        phase: row.text("phase")?,
        state: row.text("state")?,
        attempt: row.number("attempt")?,
        attempts: row.number("attempts")?,
        started_at: row.optional_time("started_at")?,
        ended_at: row.optional_time("ended_at")?,
        tree: row.raw("tree")?,
        commit: row.raw("commit_id")?,
        output: row.optional_json("output")?,
        reasons: row.json("reasons")?,
    })
}
