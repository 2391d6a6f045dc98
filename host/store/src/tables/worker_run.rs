//! Worker runs: every launch, intended before it is made, so that a new owner knows what may be left of the old one's.

use std::collections::BTreeMap;

use orc_domain::api::WorkerRunView;
use orc_domain::grant::{LaunchPlan, LaunchReport};
use orc_domain::states::WorkerRunState;
use orc_domain::{ExecutionId, PhaseRunId, ProjectName, Timestamp, WorkerRunId};

use crate::record::{Record, column, id_set, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "worker_run";

const VIEW: &str = "SELECT r.*, w.project, w.id AS workflow
    FROM worker_run AS r JOIN phase_run AS p ON p.id = r.phase_run JOIN execution AS e ON e.id = p.execution
    JOIN workflow AS w ON w.id = e.workflow";

/// A new worker run, `intended`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkerRun {
    /// Its id.
    pub id: WorkerRunId,
    /// The phase run.
    pub phase_run: PhaseRunId,
    /// The attempt.
    pub attempt: u32,
    /// What it is for: `prepare`, `command`, `verify`, `worker`, `runbook`.
    pub purpose: String,
    /// What is to be launched.
    pub plan: LaunchPlan,
}

/// A worker run of an earlier ownership that never ended: its processes must be proved dead before anything goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOverWorkerRun {
    /// Its id.
    pub id: WorkerRunId,
    /// The phase run.
    pub phase_run: PhaseRunId,
    /// The execution.
    pub execution: ExecutionId,
    /// Its state.
    pub state: WorkerRunState,
    /// The ownership that launched it.
    pub generation: u64,
    /// The supervisor's process id, where it came that far.
    pub pid: Option<u32>,
}

impl WriteTx<'_> {
    /// Adds a worker run, `intended`, under the present generation.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the purpose is none of the known words or there is no such phase run.
    pub fn insert_worker_run(&mut self, new: &NewWorkerRun) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO worker_run (id, phase_run, attempt, purpose, state, generation, plan, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
            (
                new.id.as_str(),
                new.phase_run.as_str(),
                new.attempt,
                &new.purpose,
                WorkerRunState::Intended.as_str(),
                column(self.generation()),
                json("a launch plan", &new.plan)?,
                self.now().0,
            ),
        )?;
        Ok(())
    }

    /// Keeps the supervisor's process id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such worker run.
    pub fn set_worker_pid(&mut self, id: &WorkerRunId, pid: u32) -> Result<(), StoreError> {
        let sql = "UPDATE worker_run SET pid = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(WorkerRunId::KIND, id.as_str(), sql, (id.as_str(), pid, self.now().0))
    }

    /// Keeps what became of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such worker run.
    pub fn set_worker_report(&mut self, id: &WorkerRunId, report: &LaunchReport) -> Result<(), StoreError> {
        let sql = "UPDATE worker_run SET report = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(WorkerRunId::KIND, id.as_str(), sql, (id.as_str(), json("a launch report", report)?, self.now().0))
    }

    /// Keeps why it was refused.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such worker run.
    pub fn set_worker_refused(&mut self, id: &WorkerRunId, why: &str) -> Result<(), StoreError> {
        let sql = "UPDATE worker_run SET refused = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(WorkerRunId::KIND, id.as_str(), sql, (id.as_str(), why, self.now().0))
    }

    /// Keeps a sign of life. Not for every line of output: once in a few seconds is enough.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such worker run.
    pub fn touch_worker_run(&mut self, id: &WorkerRunId) -> Result<(), StoreError> {
        let sql = "UPDATE worker_run SET last_output_at = ?2, updated_at = ?2 WHERE id = ?1";
        self.change_one(WorkerRunId::KIND, id.as_str(), sql, (id.as_str(), self.now().0))
    }
}

impl ReadTx<'_> {
    /// Worker runs, newest first, at most `limit`; of one project or of all.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn worker_runs(&self, project: Option<&ProjectName>, limit: u32) -> Result<Vec<WorkerRunView>, StoreError> {
        let sql = format!("{VIEW} WHERE ?1 IS NULL OR w.project = ?1 ORDER BY r.created_at DESC, r.rowid DESC LIMIT ?2");
        self.list(TABLE, &sql, (project.map(ProjectName::as_str), limit), view)
    }

    /// The worker runs of these phase runs, oldest first; phase runs without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn worker_runs_of(&self, phase_runs: &[PhaseRunId]) -> Result<BTreeMap<PhaseRunId, Vec<WorkerRunView>>, StoreError> {
        let sql = format!("{VIEW} WHERE r.phase_run IN (SELECT value FROM json_each(?1)) ORDER BY r.created_at, r.rowid");
        let mut runs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for run in self.list(TABLE, &sql, [id_set(phase_runs)?], view)? {
            runs.entry(run.phase_run.clone()).or_default().push(run);
        }
        Ok(runs)
    }

    /// Worker runs of ownerships before `generation` that never ended, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn left_over_worker_runs(&self, generation: u64) -> Result<Vec<LeftOverWorkerRun>, StoreError> {
        let sql = "SELECT r.*, p.execution FROM worker_run AS r JOIN phase_run AS p ON p.id = r.phase_run
                   WHERE r.state IN ('intended', 'launching', 'running') AND r.generation < ?1 ORDER BY r.created_at, r.rowid";
        self.list(TABLE, sql, [column(generation)], |row| {
            Ok(LeftOverWorkerRun {
                id: row.text("id")?,
                phase_run: row.text("phase_run")?,
                execution: row.text("execution")?,
                state: row.text("state")?,
                generation: row.number("generation")?,
                pid: row.raw("pid")?,
            })
        })
    }

    /// The last sign of life of each of these executions: output or change of a launch. Executions without a launch are left out.
    ///
    /// # Errors
    /// What the disk says.
    pub fn last_signs_of_life(&self, executions: &[ExecutionId]) -> Result<BTreeMap<ExecutionId, Timestamp>, StoreError> {
        let sql = "SELECT p.execution, max(r.updated_at) AS at
                   FROM worker_run AS r JOIN phase_run AS p ON p.id = r.phase_run
                   WHERE p.execution IN (SELECT value FROM json_each(?1)) GROUP BY p.execution";
        let found = self.list(TABLE, sql, [id_set(executions)?], |row| Ok((row.text("execution")?, row.time("at")?)))?;
        Ok(found.into_iter().collect())
    }
}

fn view(row: &Record<'_>) -> Result<WorkerRunView, StoreError> {
    Ok(WorkerRunView {
        id: row.text("id")?,
        project: row.text("project")?,
        workflow: row.text("workflow")?,
        phase_run: row.text("phase_run")?,
        attempt: row.number("attempt")?,
        purpose: row.raw("purpose")?,
        state: row.text("state")?,
        plan: row.json("plan")?,
        report: row.optional_json("report")?,
        refused: row.raw("refused")?,
        created_at: row.time("created_at")?,
        last_output_at: row.optional_time("last_output_at")?,
    })
}
