//! What a person's abbreviation of an id can mean.

use orc_domain::*;

use crate::{ReadTx, StoreError};

/// What an id or prefix of one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A workflow.
    Workflow(WorkflowId),
    /// An approval request.
    ApprovalRequest(ApprovalRequestId),
    /// An execution.
    Execution(ExecutionId),
    /// A phase run.
    PhaseRun(PhaseRunId),
    /// A worker run.
    WorkerRun(WorkerRunId),
    /// A decision.
    Decision(DecisionId),
    /// A memory item.
    Memory(MemoryItemId),
    /// A backlog item.
    Backlog(BacklogItemId),
}

impl Found {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Workflow(id) => id.as_str(),
            Self::ApprovalRequest(id) => id.as_str(),
            Self::Execution(id) => id.as_str(),
            Self::PhaseRun(id) => id.as_str(),
            Self::WorkerRun(id) => id.as_str(),
            Self::Decision(id) => id.as_str(),
            Self::Memory(id) => id.as_str(),
            Self::Backlog(id) => id.as_str(),
        }
    }
}

/// Beyond this many, nobody reads the list.
const MOST: usize = 20;

impl ReadTx<'_> {
    /// What `prefix` can mean, at most 20 ids: the start of an id, with its kind (`wf_k7f`) or without (`k7f`). A whole id means itself alone,
    /// even where it is also the start of another. Empty where nothing fits, or where `prefix` cannot be the start of an id.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where an id cannot be read.
    pub fn find(&self, prefix: &str) -> Result<Vec<Found>, StoreError> {
        let (kind, start) = match prefix.split_once('_') {
            Some((kind, start)) => (Some(kind), start),
            None => (None, prefix),
        };
        let plausible = !start.is_empty() && start.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plausible || kind == Some("") {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for table in TABLES.iter().filter(|table| kind.is_none_or(|kind| kind == table.prefix)) {
            self.find_in(table, start, &mut found)?;
        }
        let whole = |found: &Found| found.as_str().split_once('_').is_some_and(|(_, rest)| rest == start);
        if found.iter().any(whole) {
            found.retain(whole);
        }
        found.truncate(MOST);
        Ok(found)
    }

    fn find_in(&self, table: &Table, start: &str, found: &mut Vec<Found>) -> Result<(), StoreError> {
        // Ids have only digits and lower-case letters behind the underscore; `{` comes right after `z`.
        let (from, to) = (format!("{}_{start}", table.prefix), format!("{}_{start}{{", table.prefix));
        let sql = format!("SELECT id FROM {} WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT {MOST}", table.name);
        found.extend(self.list(table.name, &sql, (from, to), table.read)?);
        Ok(())
    }
}

struct Table {
    prefix: &'static str,
    name: &'static str,
    read: fn(&crate::record::Record<'_>) -> Result<Found, StoreError>,
}

/// In the order of life: what a bare prefix most likely means comes first.
const TABLES: [Table; 8] = [
    Table { prefix: WorkflowId::PREFIX, name: "workflow", read: |row| Ok(Found::Workflow(row.text("id")?)) },
    Table { prefix: ApprovalRequestId::PREFIX, name: "approval_request", read: |row| Ok(Found::ApprovalRequest(row.text("id")?)) },
    Table { prefix: ExecutionId::PREFIX, name: "execution", read: |row| Ok(Found::Execution(row.text("id")?)) },
    Table { prefix: PhaseRunId::PREFIX, name: "phase_run", read: |row| Ok(Found::PhaseRun(row.text("id")?)) },
    Table { prefix: WorkerRunId::PREFIX, name: "worker_run", read: |row| Ok(Found::WorkerRun(row.text("id")?)) },
    Table { prefix: DecisionId::PREFIX, name: "decision", read: |row| Ok(Found::Decision(row.text("id")?)) },
    Table { prefix: MemoryItemId::PREFIX, name: "memory_item", read: |row| Ok(Found::Memory(row.text("id")?)) },
    Table { prefix: BacklogItemId::PREFIX, name: "backlog_item", read: |row| Ok(Found::Backlog(row.text("id")?)) },
];
