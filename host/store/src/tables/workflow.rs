//! Workflows and the persons behind them; the counts that quotas and overview are made of.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::api::WorkflowSummary;
use orc_domain::risk::CommandFamily;
use orc_domain::states::WorkflowState;
use orc_domain::*;
use rusqlite::named_params;

use crate::record::{Record, id_set};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "workflow";

/// A workflow with the risk and hash of its newest plan revision and its requesters: everything of a [`WorkflowSummary`] in one row.
const SUMMARY: &str = "SELECT w.*, p.risk, p.plan_hash, p.created_at AS planned_at,
    (SELECT json_group_array(operator) FROM requester WHERE workflow = w.id) AS requesters
    FROM workflow AS w JOIN plan_revision AS p ON p.workflow = w.id AND p.revision = w.revision";

/// A new workflow, `planned`, at plan revision 1. The transaction must also insert that revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkflow {
    /// Its id.
    pub id: WorkflowId,
    /// The tenant.
    pub tenant: TenantName,
    /// The project.
    pub project: ProjectName,
    /// The family.
    pub family: CommandFamily,
    /// The action.
    pub action: ActionName,
    /// The command or task.
    pub title: Untrusted,
    /// All persons behind it.
    pub requesters: BTreeSet<OperatorName>,
}

/// Which workflows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkflowFilter {
    /// Of one project.
    pub project: Option<ProjectName>,
    /// In one of these states; empty: in any.
    pub states: Vec<WorkflowState>,
    /// At most this many; 0 is no bound.
    pub limit: u32,
}

impl WriteTx<'_> {
    /// Adds a workflow. Insert its plan revision in the same transaction: a workflow without one is refused at the commit.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the id is taken.
    pub fn insert_workflow(&mut self, new: &NewWorkflow) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO workflow (id, revision, state, tenant, project, family, action, title, created_at, updated_at)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
            (
                new.id.as_str(),
                WorkflowState::Planned.as_str(),
                new.tenant.as_str(),
                new.project.as_str(),
                new.family.as_str(),
                new.action.as_str(),
                new.title.raw(),
                self.now().0,
            ),
        )?;
        self.add_requesters(&new.id, &new.requesters)
    }

    /// Adds persons behind a workflow's plans. Nobody is ever taken off.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where there is no such workflow.
    pub fn add_requesters(&mut self, workflow: &WorkflowId, requesters: &BTreeSet<OperatorName>) -> Result<(), StoreError> {
        for operator in requesters {
            let sql = "INSERT INTO requester (workflow, operator) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            self.connection().execute(sql, (workflow.as_str(), operator.as_str()))?;
        }
        Ok(())
    }
}

impl ReadTx<'_> {
    /// A workflow by its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn workflow(&self, id: &WorkflowId) -> Result<WorkflowSummary, StoreError> {
        let found = self.first(TABLE, &format!("{SUMMARY} WHERE w.id = ?1"), [id.as_str()], summary)?;
        found.ok_or_else(|| StoreError::NotFound { kind: WorkflowId::KIND, id: id.to_string() })
    }

    /// Workflows by their ids; ids of none are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn workflows_by_id(&self, ids: &[WorkflowId]) -> Result<BTreeMap<WorkflowId, WorkflowSummary>, StoreError> {
        let sql = format!("{SUMMARY} WHERE w.id IN (SELECT value FROM json_each(?1))");
        let found = self.list(TABLE, &sql, [id_set(ids)?], summary)?;
        Ok(found.into_iter().map(|workflow| (workflow.id.clone(), workflow)).collect())
    }

    /// Workflows, newest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn list_workflows(&self, filter: &WorkflowFilter) -> Result<Vec<WorkflowSummary>, StoreError> {
        let sql = format!(
            "{SUMMARY} WHERE (:project IS NULL OR w.project = :project)
             AND (:states = '[]' OR w.state IN (SELECT value FROM json_each(:states)))
             ORDER BY w.created_at DESC, w.rowid DESC LIMIT :limit"
        );
        let params = named_params! {
            ":project": filter.project.as_ref().map(ProjectName::as_str),
            ":states": id_set(&filter.states)?,
            ":limit": if filter.limit == 0 { -1 } else { i64::from(filter.limit) },
        };
        self.list(TABLE, &sql, params, summary)
    }

    /// Workflows by state; states without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a state cannot be read.
    pub fn workflow_counts(&self) -> Result<BTreeMap<WorkflowState, u64>, StoreError> {
        let sql = "SELECT state, count(*) AS count FROM workflow GROUP BY state";
        let counts = self.list(TABLE, sql, [], |row| Ok((row.text("state")?, row.number("count")?)))?;
        Ok(counts.into_iter().collect())
    }

    /// Active workflows (executing or awaiting approval) by tenant; tenants without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a tenant cannot be read.
    pub fn active_by_tenant(&self) -> Result<BTreeMap<TenantName, u64>, StoreError> {
        let sql = "SELECT tenant, count(*) AS count FROM workflow WHERE state IN ('executing', 'awaiting_approval') GROUP BY tenant";
        let counts = self.list(TABLE, sql, [], |row| Ok((row.text("tenant")?, row.number("count")?)))?;
        Ok(counts.into_iter().collect())
    }

    /// Active workflows (executing or awaiting approval) of a tenant, `except` one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn active_of_tenant(&self, tenant: &TenantName, except: Option<&WorkflowId>) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM workflow WHERE state IN ('executing', 'awaiting_approval') AND tenant = ?1 AND id IS NOT ?2",
            (tenant.as_str(), except.map(WorkflowId::as_str)),
        )
    }

    /// Active workflows (executing or awaiting approval) of a project, `except` one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn active_of_project(&self, project: &ProjectName, except: Option<&WorkflowId>) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM workflow WHERE state IN ('executing', 'awaiting_approval') AND project = ?1 AND id IS NOT ?2",
            (project.as_str(), except.map(WorkflowId::as_str)),
        )
    }

    /// Plans of a tenant that were made at `since` or later: first ones, and each time that one was planned again.
    ///
    /// # Errors
    /// What the disk says.
    pub fn planned_since(&self, tenant: &TenantName, since: Timestamp) -> Result<u64, StoreError> {
        // No workflow that was last changed before has a plan of after.
        self.count(
            "SELECT count(*) FROM workflow AS w JOIN plan_revision AS p ON p.workflow = w.id
             WHERE w.tenant = ?1 AND w.updated_at >= ?2 AND p.created_at >= ?2",
            (tenant.as_str(), since.0),
        )
    }

    /// Open plans (planned, awaiting approval or approved) that an operator is a requester of, one workflow left aside.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open_plans_of(&self, operator: &OperatorName, except: &WorkflowId) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM requester AS r JOIN workflow AS w ON w.id = r.workflow
             WHERE r.operator = ?1 AND w.id <> ?2 AND w.state IN ('planned', 'awaiting_approval', 'approved')",
            (operator.as_str(), except.as_str()),
        )
    }
}

fn summary(row: &Record<'_>) -> Result<WorkflowSummary, StoreError> {
    Ok(WorkflowSummary {
        id: row.text("id")?,
        revision: row.number("revision")?,
        state: row.text("state")?,
        tenant: row.text("tenant")?,
        project: row.text("project")?,
        family: row.text("family")?,
        action: row.text("action")?,
        title: Untrusted::new(row.raw::<String>("title")?),
        risk: row.text("risk")?,
        plan_hash: row.text("plan_hash")?,
        requesters: row.json("requesters")?,
        created_at: row.time("created_at")?,
        planned_at: row.time("planned_at")?,
        updated_at: row.time("updated_at")?,
    })
}
