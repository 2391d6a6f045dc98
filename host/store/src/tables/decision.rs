//! Policy's answers with their questions, kept whole: what `explain` shows and what a replay starts from.

use orc_domain::api::StoredDecision;
use orc_domain::{DecisionId, Digest, WorkflowId};

use crate::record::{Record, column, digest, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "decision";

impl WriteTx<'_> {
    /// Keeps a decision. The digest of the input is computed here: it is that of what is stored.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the id is taken, or workflow or rules revision do not exist.
    pub fn insert_decision(&mut self, stored: &StoredDecision) -> Result<(), StoreError> {
        let input = json("a decision's input", &stored.input)?;
        self.connection().execute(
            "INSERT INTO decision (id, workflow, entry, rules_revision, input_digest, input, decision, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                stored.id.as_str(),
                stored.workflow.as_ref().map(WorkflowId::as_str),
                stored.decision.entry.as_str(),
                column(stored.rules_revision),
                digest(&Digest::of(input.as_bytes())),
                input,
                json("a decision", &stored.decision)?,
                stored.at.0,
            ),
        )?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// A decision by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn decision(&self, id: &DecisionId) -> Result<StoredDecision, StoreError> {
        let found = self.first(TABLE, "SELECT * FROM decision WHERE id = ?1", [id.as_str()], decision)?;
        found.ok_or_else(|| StoreError::NotFound { kind: DecisionId::KIND, id: id.to_string() })
    }

    /// The decisions on a workflow, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn decisions_of(&self, workflow: &WorkflowId) -> Result<Vec<StoredDecision>, StoreError> {
        self.list(TABLE, "SELECT * FROM decision WHERE workflow = ?1 ORDER BY at, rowid", [workflow.as_str()], decision)
    }
}

fn decision(row: &Record<'_>) -> Result<StoredDecision, StoreError> {
    Ok(StoredDecision {
        id: row.text("id")?,
        workflow: row.optional_text("workflow")?,
        rules_revision: row.number("rules_revision")?,
        input: row.json("input")?,
        decision: row.json("decision")?,
        at: row.time("at")?,
    })
}
