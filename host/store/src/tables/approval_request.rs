//! Approval requests: what is asked of one role group for one plan revision.

use orc_domain::decision::{Reason, RequirementKind};
use orc_domain::states::ApprovalRequestState;
use orc_domain::{ApprovalRequestId, GroupName, Timestamp, WorkflowId};

use crate::record::{Record, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "approval_request";

/// An approval request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequestRow {
    /// Its id.
    pub id: ApprovalRequestId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The plan revision.
    pub revision: u32,
    /// Whose approval.
    pub group: GroupName,
    /// Approval or the sole operator's confirmation.
    pub kind: RequirementKind,
    /// How many persons.
    pub quorum: u32,
    /// Its state.
    pub state: ApprovalRequestState,
    /// The rules that asked for it.
    pub reasons: Vec<Reason>,
    /// The captured tree that it is bound to, where the work turned out riskier than approved; `None` for the plan itself.
    pub tree: Option<String>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl WriteTx<'_> {
    /// Adds an approval request, `pending`. At most one of a group, kind and tree is open or approved at a time.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where there is one already, its state is not `pending`, or there is no such plan revision.
    pub fn insert_approval_request(&mut self, new: &ApprovalRequestRow) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO approval_request
             (id, workflow, revision, role_group, kind, quorum, state, reasons, tree, created_at, updated_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)",
            (
                new.id.as_str(),
                new.workflow.as_str(),
                new.revision,
                new.group.as_str(),
                new.kind.as_str(),
                new.quorum,
                new.state.as_str(),
                json("reasons", &new.reasons)?,
                &new.tree,
                new.created_at.0,
                new.expires_at.0,
            ),
        )?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// An approval request by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn approval_request(&self, id: &ApprovalRequestId) -> Result<ApprovalRequestRow, StoreError> {
        let found = self.first(TABLE, "SELECT * FROM approval_request WHERE id = ?1", [id.as_str()], request)?;
        found.ok_or_else(|| StoreError::NotFound { kind: ApprovalRequestId::KIND, id: id.to_string() })
    }

    /// The requests of a plan revision, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn requests_of(&self, workflow: &WorkflowId, revision: u32) -> Result<Vec<ApprovalRequestRow>, StoreError> {
        let sql = "SELECT * FROM approval_request WHERE workflow = ?1 AND revision = ?2 ORDER BY created_at, rowid";
        self.list(TABLE, sql, (workflow.as_str(), revision), request)
    }

    /// Every pending request, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn pending_requests(&self) -> Result<Vec<ApprovalRequestRow>, StoreError> {
        self.list(TABLE, "SELECT * FROM approval_request WHERE state = 'pending' ORDER BY created_at, rowid", [], request)
    }
}

fn request(row: &Record<'_>) -> Result<ApprovalRequestRow, StoreError> {
    Ok(ApprovalRequestRow {
        id: row.text("id")?,
        workflow: row.text("workflow")?,
        revision: row.number("revision")?,
        group: row.text("role_group")?,
        kind: row.text("kind")?,
        quorum: row.number("quorum")?,
        state: row.text("state")?,
        reasons: row.json("reasons")?,
        tree: row.raw("tree")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
