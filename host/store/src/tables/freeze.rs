//! Freezes: at most one in force of each scope; lifted ones stay as history.

use orc_domain::api::{FreezeScope, FreezeView};
use orc_domain::operators::Actor;
use orc_domain::{ProjectName, TenantName, Untrusted};

use crate::record::{Record, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "freeze";

fn words(scope: &FreezeScope) -> (&'static str, Option<&str>) {
    match scope {
        FreezeScope::All => ("all", None),
        FreezeScope::Tenant { tenant } => ("tenant", Some(tenant.as_str())),
        FreezeScope::Project { project } => ("project", Some(project.as_str())),
    }
}

impl WriteTx<'_> {
    /// Puts a freeze on.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where one of this scope is in force.
    pub fn insert_freeze(&mut self, freeze: &FreezeView) -> Result<(), StoreError> {
        let (scope, name) = words(&freeze.scope);
        self.connection().execute(
            "INSERT INTO freeze (id, scope, name, reason, frozen_by, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (freeze.id.as_str(), scope, name, freeze.reason.raw(), json("an actor", &freeze.by)?, freeze.since.0),
        )?;
        Ok(())
    }

    /// Lifts the freeze of exactly this scope. Returns whether there was one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn lift_freeze(&mut self, scope: &FreezeScope, by: &Actor) -> Result<bool, StoreError> {
        let (scope, name) = words(scope);
        let lifted = self.connection().execute(
            "UPDATE freeze SET lifted_at = ?3, lifted_by = ?4 WHERE scope = ?1 AND name IS ?2 AND lifted_at IS NULL",
            (scope, name, self.now().0, json("an actor", by)?),
        )?;
        Ok(lifted > 0)
    }
}

impl ReadTx<'_> {
    /// Freezes in force, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn freezes(&self) -> Result<Vec<FreezeView>, StoreError> {
        self.list(TABLE, "SELECT * FROM freeze WHERE lifted_at IS NULL ORDER BY since, rowid", [], freeze)
    }

    /// Freezes in force that cover a project of a tenant, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn freezes_of(&self, tenant: &TenantName, project: &ProjectName) -> Result<Vec<FreezeView>, StoreError> {
        let sql = "SELECT * FROM freeze WHERE lifted_at IS NULL
                   AND (scope = 'all' OR (scope = 'tenant' AND name = ?1) OR (scope = 'project' AND name = ?2)) ORDER BY since, rowid";
        self.list(TABLE, sql, (tenant.as_str(), project.as_str()), freeze)
    }
}

fn freeze(row: &Record<'_>) -> Result<FreezeView, StoreError> {
    let scope = match row.raw::<String>("scope")?.as_str() {
        "tenant" => FreezeScope::Tenant { tenant: row.text("name")? },
        "project" => FreezeScope::Project { project: row.text("name")? },
        // The schema knows three words. Read as the widest, a damaged one stops too much, never too little.
        _ => FreezeScope::All,
    };
    Ok(FreezeView {
        id: row.text("id")?,
        scope,
        reason: Untrusted::new(row.raw::<String>("reason")?),
        by: row.json("frozen_by")?,
        since: row.time("since")?,
    })
}
