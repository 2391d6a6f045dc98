//! What is learnt about projects, and what is left to do in them. The same is not kept twice, whoever finds it again.

use orc_domain::api::{BacklogItem, BacklogState, MemoryItem, MemoryState};
use orc_domain::verdict::BacklogKind;
use orc_domain::{BacklogItemId, Digest, MemoryItemId, ProjectName, Untrusted, WorkflowId};

use crate::record::{Record, digest};
use crate::{ReadTx, StoreError, WriteTx};

const MEMORY: &str = "memory_item";
const BACKLOG: &str = "backlog_item";
/// Items that a list has at most.
const MOST: u32 = 1000;

impl WriteTx<'_> {
    /// Keeps an item; whether it is new.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where its phase run does not exist.
    pub fn insert_memory(&mut self, item: &MemoryItem, says: &Digest) -> Result<bool, StoreError> {
        let kept = self.connection().execute(
            "INSERT INTO memory_item (id, project, state, kind, content, path, digest, phase_run, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT (project, digest) DO NOTHING",
            (
                item.id.as_str(),
                item.project.as_str(),
                item.state.as_str(),
                item.kind.as_str(),
                item.text.raw(),
                item.path.as_ref().map(Untrusted::raw),
                digest(says),
                item.source.as_str(),
                item.created_at.0,
            ),
        )?;
        Ok(kept > 0)
    }

    /// Changes an item's state.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn set_memory_state(&mut self, id: &MemoryItemId, state: MemoryState) -> Result<(), StoreError> {
        let sql = "UPDATE memory_item SET state = ?2, updated_at = ?3 WHERE id = ?1";
        self.change_one(MemoryItemId::KIND, id.as_str(), sql, (id.as_str(), state.as_str(), self.now().0))
    }

    /// Keeps an item; whether it is new.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where its phase run does not exist.
    pub fn insert_backlog(&mut self, item: &BacklogItem, says: &Digest) -> Result<bool, StoreError> {
        let kept = self.connection().execute(
            "INSERT INTO backlog_item (id, project, state, kind, severity, title, detail, path, digest, phase_run, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11) ON CONFLICT (project, digest) DO NOTHING",
            (
                item.id.as_str(),
                item.project.as_str(),
                item.state.as_str(),
                item.kind.as_str(),
                item.severity.as_str(),
                item.title.raw(),
                item.detail.raw(),
                item.path.as_ref().map(Untrusted::raw),
                digest(says),
                item.source.as_str(),
                item.created_at.0,
            ),
        )?;
        Ok(kept > 0)
    }

    /// Changes where an item stands, and the workflow that is planned from it where one is given.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn set_backlog_state(&mut self, id: &BacklogItemId, state: BacklogState, of: Option<&WorkflowId>) -> Result<(), StoreError> {
        let sql = "UPDATE backlog_item SET state = ?2, workflow = coalesce(?3, workflow), updated_at = ?4 WHERE id = ?1";
        self.change_one(BacklogItemId::KIND, id.as_str(), sql, (id.as_str(), state.as_str(), of.map(WorkflowId::as_str), self.now().0))
    }
}

impl ReadTx<'_> {
    /// An item by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn memory_item(&self, id: &MemoryItemId) -> Result<MemoryItem, StoreError> {
        let found = self.first(MEMORY, "SELECT * FROM memory_item WHERE id = ?1", [id.as_str()], memory)?;
        found.ok_or_else(|| StoreError::NotFound { kind: MemoryItemId::KIND, id: id.to_string() })
    }

    /// A project's items, oldest first, at most 1000: those in a state, or all but retired ones.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn memory_of(&self, project: &ProjectName, state: Option<MemoryState>) -> Result<Vec<MemoryItem>, StoreError> {
        let sql = "SELECT * FROM memory_item WHERE project = ?1 AND (state = ?2 OR (?2 IS NULL AND state <> 'retired'))
                   ORDER BY created_at, id LIMIT ?3";
        self.list(MEMORY, sql, (project.as_str(), state.map(MemoryState::as_str), MOST), memory)
    }

    /// An item by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn backlog_item(&self, id: &BacklogItemId) -> Result<BacklogItem, StoreError> {
        let found = self.first(BACKLOG, "SELECT * FROM backlog_item WHERE id = ?1", [id.as_str()], backlog)?;
        found.ok_or_else(|| StoreError::NotFound { kind: BacklogItemId::KIND, id: id.to_string() })
    }

    /// A project's items, worst first, at most 1000: those of a kind and in a state, or the open and planned ones.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn backlog_of(
        &self,
        project: &ProjectName,
        kind: Option<BacklogKind>,
        state: Option<BacklogState>,
    ) -> Result<Vec<BacklogItem>, StoreError> {
        let sql = "SELECT * FROM backlog_item WHERE project = ?1 AND (?2 IS NULL OR kind = ?2)
                   AND (state = ?3 OR (?3 IS NULL AND state IN ('open', 'planned')))
                   ORDER BY instr('critical high medium low info', severity), created_at, id LIMIT ?4";
        let state = state.map(BacklogState::as_str);
        self.list(BACKLOG, sql, (project.as_str(), kind.map(BacklogKind::as_str), state, MOST), backlog)
    }

    /// The items that a workflow was planned from and that are not over.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn backlog_planned_as(&self, workflow: &WorkflowId) -> Result<Vec<BacklogItem>, StoreError> {
        let sql = "SELECT * FROM backlog_item WHERE workflow = ?1 AND state = 'planned' ORDER BY id";
        self.list(BACKLOG, sql, [workflow.as_str()], backlog)
    }
}

fn memory(row: &Record<'_>) -> Result<MemoryItem, StoreError> {
    Ok(MemoryItem {
        id: row.text("id")?,
        project: row.text("project")?,
        state: row.text("state")?,
        kind: row.text("kind")?,
        text: Untrusted::new(row.raw::<String>("content")?),
        path: row.raw::<Option<String>>("path")?.map(Untrusted::from),
        source: row.text("phase_run")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn backlog(row: &Record<'_>) -> Result<BacklogItem, StoreError> {
    Ok(BacklogItem {
        id: row.text("id")?,
        project: row.text("project")?,
        state: row.text("state")?,
        kind: row.text("kind")?,
        severity: row.text("severity")?,
        title: Untrusted::new(row.raw::<String>("title")?),
        detail: Untrusted::new(row.raw::<String>("detail")?),
        path: row.raw::<Option<String>>("path")?.map(Untrusted::from),
        source: row.text("phase_run")?,
        workflow: row.optional_text("workflow")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
