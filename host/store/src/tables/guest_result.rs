//! What guests answered: gates' verdicts, hooks' effects, validators' findings, faults. A table of its own, to be asked across phases.

use std::collections::BTreeMap;

use orc_domain::PhaseRunId;
use orc_domain::api::GuestResultView;

use crate::record::{Record, digest, id_set, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "guest_result";

impl WriteTx<'_> {
    /// Keeps an answer or a fault.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the outcome is none of the known words, a fault comes as a verdict, or there is no such phase run.
    pub fn insert_guest_result(&mut self, phase_run: &PhaseRunId, result: &GuestResultView) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO guest_result (id, phase_run, attempt, position, guest, module, mode, outcome, verdict, fault, detail, cost, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            (
                result.id.as_str(),
                phase_run.as_str(),
                result.attempt,
                result.position.as_str(),
                result.guest.as_str(),
                digest(&result.module),
                result.mode.as_str(),
                &result.outcome,
                result.verdict.as_ref().map(|verdict| json("a verdict", verdict)).transpose()?,
                result.fault.as_ref().map(|fault| json("a fault", fault)).transpose()?,
                result.detail.as_ref().map(|detail| json("a guest's detail", detail)).transpose()?,
                json("a guest's cost", &result.cost)?,
                result.at.0,
            ),
        )?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// The answers in these phase runs, oldest first; phase runs without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn guest_results_of(&self, phase_runs: &[PhaseRunId]) -> Result<BTreeMap<PhaseRunId, Vec<GuestResultView>>, StoreError> {
        let sql = "SELECT * FROM guest_result WHERE phase_run IN (SELECT value FROM json_each(?1)) ORDER BY at, rowid";
        let mut results: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (phase_run, result) in self.list(TABLE, sql, [id_set(phase_runs)?], |row| Ok((row.text("phase_run")?, result(row)?)))? {
            results.entry(phase_run).or_default().push(result);
        }
        Ok(results)
    }
}

fn result(row: &Record<'_>) -> Result<GuestResultView, StoreError> {
    Ok(GuestResultView {
        id: row.text("id")?,
        attempt: row.number("attempt")?,
        position: row.text("position")?,
        guest: row.text("guest")?,
        module: row.text("module")?,
        mode: row.text("mode")?,
        outcome: row.raw("outcome")?,
        verdict: row.optional_json("verdict")?,
        fault: row.optional_json("fault")?,
        detail: row.optional_json("detail")?,
        cost: row.json("cost")?,
        at: row.time("at")?,
    })
}
