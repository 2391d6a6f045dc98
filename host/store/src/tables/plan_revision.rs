//! Plan revisions. The document is a blob; its digest is the plan hash, so a document that is not what was approved cannot be read back.

use orc_domain::plan::{PlanDocument, PlanHash};
use orc_domain::risk::RiskClass;
use orc_domain::{DecisionId, Digest, Timestamp, WorkflowId};

use crate::record::{Record, digest, millis};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "plan_revision";

/// A plan revision in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRevisionRow {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its number, from 1.
    pub revision: u32,
    /// Its hash: the digest of the document's blob.
    pub plan_hash: PlanHash,
    /// The decision behind it.
    pub decision: DecisionId,
    /// Its risk class.
    pub risk: RiskClass,
    /// When.
    pub created_at: Timestamp,
    /// When it may no longer be run; `None` is never.
    pub expires_at: Option<Timestamp>,
}

impl WriteTx<'_> {
    /// Adds a plan revision with its document and makes it the workflow's newest. The decision must be there already.
    /// A re-plan applies [`orc_domain::states::WorkflowEvent::Replanned`] as well. Returns the plan hash.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the revision exists, or workflow or decision do not.
    pub fn insert_plan_revision(
        &mut self,
        document: &PlanDocument,
        decision: &DecisionId,
        expires_at: Option<Timestamp>,
    ) -> Result<PlanHash, StoreError> {
        let canonical = document.canonical().map_err(StoreError::json("a plan document"))?;
        let plan_hash = self.put_blob("application/json", &canonical)?;
        let workflow = document.workflow.as_str();
        self.connection().execute(
            "INSERT INTO plan_revision (workflow, revision, plan_hash, decision, risk, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                workflow,
                document.revision,
                digest(&plan_hash),
                decision.as_str(),
                document.risk.class.as_str(),
                self.now().0,
                millis(expires_at),
            ),
        )?;
        let sql = "UPDATE workflow SET revision = ?2, updated_at = ?3 WHERE id = ?1 AND revision <= ?2";
        self.change_one(WorkflowId::KIND, workflow, sql, (workflow, document.revision, self.now().0))?;
        Ok(plan_hash)
    }
}

impl ReadTx<'_> {
    /// A plan revision by its number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn plan_revision(&self, workflow: &WorkflowId, number: u32) -> Result<PlanRevisionRow, StoreError> {
        let sql = "SELECT * FROM plan_revision WHERE workflow = ?1 AND revision = ?2";
        let found = self.first(TABLE, sql, (workflow.as_str(), number), revision)?;
        found.ok_or_else(|| StoreError::NotFound { kind: "plan revision", id: format!("{workflow} {number}") })
    }

    /// The plan revisions of a workflow, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn plan_revisions_of(&self, workflow: &WorkflowId) -> Result<Vec<PlanRevisionRow>, StoreError> {
        self.list(TABLE, "SELECT * FROM plan_revision WHERE workflow = ?1 ORDER BY revision", [workflow.as_str()], revision)
    }

    /// A plan document by its plan hash, checked against it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none; [`StoreError::Damaged`] where it is not what the hash names.
    pub fn plan_document(&self, plan_hash: &Digest) -> Result<PlanDocument, StoreError> {
        let blob = self.blob(plan_hash)?;
        serde_json::from_slice(&blob.bytes).map_err(|error| StoreError::Damaged {
            table: "blob",
            column: "bytes",
            why: format!("{} is no plan document of this version: {error}", plan_hash.short()),
        })
    }
}

fn revision(row: &Record<'_>) -> Result<PlanRevisionRow, StoreError> {
    Ok(PlanRevisionRow {
        workflow: row.text("workflow")?,
        revision: row.number("revision")?,
        plan_hash: row.text("plan_hash")?,
        decision: row.text("decision")?,
        risk: row.text("risk")?,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
    })
}
