//! A stored plan that is not the one its hash names never runs. Where the records that it was made from are still there, the plan is made
//! again from them, and what was changed is named.

use std::path::Path;

use orc_domain::api::StoredDecision;
use orc_domain::audit::EventKind;
use orc_domain::plan::{BaseCommit, PlanDifference, RulesPin, differences};
use orc_domain::{ErrorCode, OrcError, WorkflowId};
use orc_store::{PlanRevisionRow, ReadTx};
use serde_json::Value;

use crate::document::{Decided, NO_VERIFY, Subject, document, resolve};
use crate::engine::{Engine, to_json};
use crate::run::{describe, names};
use crate::views;

const EVENTS: u32 = 1000;

/// What else was written down when the plan was made.
struct Records {
    row: PlanRevisionRow,
    decision: StoredDecision,
    base: BaseCommit,
    rules: RulesPin,
    stored: Value,
}

impl Engine {
    /// The error of an altered plan, with what was changed where that can be told.
    pub(crate) async fn name_altered(&self, error: OrcError, wanted: &str) -> OrcError {
        if error.code != ErrorCode::PlanHashMismatch {
            return error;
        }
        match self.altered(wanted.to_owned()).await {
            Ok(Some(differences)) if !differences.is_empty() => {
                let mut named = OrcError { message: format!("{}: {}", error.message, names(&differences)), ..error };
                named.causes.extend(differences.iter().take(8).map(describe));
                named
            }
            _ => error,
        }
    }

    async fn altered(&self, wanted: String) -> Result<Option<Vec<PlanDifference>>, OrcError> {
        let Some(records) = self.read(move |tx| records(tx, &views::find_workflow(tx, &wanted)?)).await? else { return Ok(None) };
        let rules = self.active_rules().await?;
        let subject = subject(&records);
        let resolved = resolve(&rules, &subject)?;
        let copied = self.workspaces.digests(Path::new(&resolved.entry.root), &resolved.entry.copy).await?;
        let decided = Decided { risk: records.decision.decision.risk.clone(), approvals: records.decision.decision.requires.clone() };
        let mut again = document(&rules, &self.machine, &subject, &resolved, &records.base, &copied, decided)?;
        again.rules = records.rules;
        Ok(Some(differences(&to_json(&again)?, &records.stored)))
    }
}

fn records(tx: &ReadTx<'_>, id: &WorkflowId) -> Result<Option<Records>, OrcError> {
    let row = tx.plan_revision(id, tx.workflow(id)?.revision)?;
    let decision = tx.decision(&row.decision)?;
    let events = tx.newest_events(Some(id), EVENTS)?.events;
    let of_revision =
        |event: &&orc_domain::audit::Event| event.kind == EventKind::WorkflowPlanned && event.body["revision"] == row.revision;
    let Some(event) = events.iter().rev().find(of_revision) else { return Ok(None) };
    let read = |field: &str| event.body.get(field).cloned().unwrap_or_default();
    let (base, rules) = (serde_json::from_value(read("base")), serde_json::from_value(read("rules")));
    let stored = serde_json::from_slice(&tx.unchecked_blob(&row.plan_hash)?);
    match (base, rules, stored) {
        (Ok(base), Ok(rules), Ok(stored)) => Ok(Some(Records { row, decision, base, rules, stored })),
        _ => Ok(None),
    }
}

/// The request, as policy was told it.
fn subject(records: &Records) -> Subject {
    let input = &records.decision.input;
    let set = |name: &str| input.flags.get(name).copied().unwrap_or(false);
    let declared = input.flags.iter().filter(|(flag, set)| **set && flag.as_str() != NO_VERIFY).map(|(flag, _)| flag.clone());
    Subject {
        workflow: records.row.workflow.clone(),
        revision: records.row.revision,
        requesters: input.requesters.iter().map(|person| person.name.clone()).collect(),
        project: input.project.name.clone(),
        family: input.family,
        action: input.action.clone(),
        argv: input.argv.clone(),
        declared: declared.collect(),
        metadata: input.metadata.clone(),
        pipeline: Some(input.pipeline.clone()),
        no_verify: set(NO_VERIFY),
    }
}
