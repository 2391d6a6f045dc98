//! A stored plan that is not the one its hash names never runs, nor one of which the audit names another hash: plan, hash and rows can be
//! edited together, the chain of the audit only as a whole. Where the records that a plan was made from are still there, it is made again
//! from them, and what was changed is named.

use std::collections::BTreeSet;

use orc_domain::api::{StoredDecision, WorkflowSummary};
use orc_domain::audit::{Event, EventKind};
use orc_domain::plan::{BaseCommit, PlanDifference, PlanDocument, PlannedIntent, RulesPin, differences};
use orc_domain::{Digest, ErrorCode, OperatorName, OrcError, Untrusted, WorkflowId};
use orc_store::{PlanRevisionRow, ReadTx, RulesRevisionRow, WorkflowFilter};
use serde_json::{Value, json};

use crate::document::{Decided, NO_VERIFY, Subject, document, resolve};
use crate::engine::{Engine, to_json};
use crate::run::{describe, names};
use crate::views;

/// What else was written down when the plan was made.
struct Records {
    row: PlanRevisionRow,
    /// What the workflow is called: of a task, the task itself.
    title: Untrusted,
    decision: StoredDecision,
    base: BaseCommit,
    memory: Option<Digest>,
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
        let found = self.found(&resolved, records.base.clone(), records.memory).await?;
        let decided = Decided { risk: records.decision.decision.risk.clone(), approvals: records.decision.decision.requires.clone() };
        let mut again = document(&rules, &self.machine, &subject, &resolved, &found, decided)?;
        again.rules = records.rules;
        Ok(Some(differences(&to_json(&again)?, &records.stored)))
    }
}

/// Refuses a plan that is not the one which the audit says was made then, of the persons whom it names.
///
/// # Errors
/// `plan-hash-mismatch`.
pub(crate) fn announced(
    tx: &ReadTx<'_>,
    workflow: &WorkflowSummary,
    row: &PlanRevisionRow,
    document: &PlanDocument,
) -> Result<(), OrcError> {
    let events = tx.proved(EventKind::WorkflowPlanned, Some(&row.workflow), u32::MAX)?;
    let why = match plan_difference(&events, row) {
        // Of an older plan the persons were fewer.
        None if row.revision < workflow.revision => None,
        None => persons_difference(&events, row.revision, &document.requesters, &workflow.requesters),
        why => why,
    };
    why.map_or(Ok(()), |why| Err(other_plan(row).cause(why)))
}

fn other_plan(row: &PlanRevisionRow) -> OrcError {
    let message = format!("the stored plan {} of {} is not the one that the audit says was made", row.plan_hash.short(), row.workflow);
    OrcError::new(ErrorCode::PlanHashMismatch, message)
        .hint("the database was changed by hand: `orcctl audit verify`, then restore a backup")
}

fn plan_difference(events: &[Event], row: &PlanRevisionRow) -> Option<String> {
    let what = format!("the plan {} of {}", row.revision, row.workflow);
    let named: Vec<&Value> = of_revision(events, u64::from(row.revision)).map(|event| &event.body["plan_hash"]).collect();
    match named[..] {
        [named] if *named == json!(row.plan_hash) => None,
        [named] => Some(format!("{what} is stored as {}, the audit says {}", row.plan_hash, text(named))),
        [] => Some(format!("{what} is stored as {}, the audit does not say that it was made", row.plan_hash)),
        _ => Some(format!("{what} is stored as {}, the audit says more than once that it was made", row.plan_hash)),
    }
}

/// A fact of an event as words. It may be anything where somebody made the chain again.
fn text(fact: &Value) -> String {
    Untrusted::new(fact.as_str().map_or_else(|| fact.to_string(), str::to_owned)).for_line(80)
}

/// Nobody stops being a requester. Events of before requesters were in them say nothing of persons; their plan's hash covers the document's.
fn persons_difference(events: &[Event], revision: u32, planned: &[OperatorName], stored: &[OperatorName]) -> Option<String> {
    let set = |names: &[OperatorName]| names.iter().cloned().collect::<BTreeSet<_>>();
    let said = of_revision(events, u64::from(revision)).find_map(|event| event.body.get("requesters"));
    let said = said.map_or(Some(set(planned)), |said| serde_json::from_value::<BTreeSet<OperatorName>>(said.clone()).ok());
    let same = said.as_ref().is_some_and(|said| *said == set(planned) && *said == set(stored));
    (!same).then(|| format!("the requesters are stored as {}, the plan was made for {}", json!(stored), json!(said)))
}

fn of_revision(events: &[Event], revision: u64) -> impl Iterator<Item = &Event> {
    events.iter().filter(move |event| event.body["revision"] == revision)
}

/// Refuses rules that are not those of which the audit says that they came into force as this revision.
///
/// # Errors
/// `database-refused`.
pub(crate) fn once_in_force(tx: &ReadTx<'_>, row: &RulesRevisionRow) -> Result<(), OrcError> {
    rules_difference(&tx.proved(EventKind::RulesActivated, None, u32::MAX)?, row).map_or(Ok(()), |why| Err(other_rules(row, why)))
}

/// The same of the revision in force, which must be the newest that the audit knows of.
///
/// # Errors
/// `database-refused`.
pub(crate) fn in_force(tx: &ReadTx<'_>, row: &RulesRevisionRow) -> Result<(), OrcError> {
    let newest = tx.proved(EventKind::RulesActivated, None, 1)?;
    rules_difference(&newest, row).map_or(Ok(()), |why| Err(other_rules(row, why)))
}

fn other_rules(row: &RulesRevisionRow, why: String) -> OrcError {
    OrcError::new(
        ErrorCode::DatabaseRefused,
        format!("the rules revision {} in the database is not what the audit says came into force", row.revision),
    )
    .cause(why)
    .hint("the database was changed by hand: restore a backup, and keep this file for examination")
}

fn rules_difference(events: &[Event], row: &RulesRevisionRow) -> Option<String> {
    let what = format!("the rules revision {} is stored as {}", row.revision, row.digest);
    let named: Vec<&Value> = of_revision(events, row.revision).map(|event| &event.body["digest"]).collect();
    match named[..] {
        [named] if *named == json!(row.digest) => None,
        [named] => Some(format!("{what}, the audit says {}", text(named))),
        _ => Some(format!("{what}, the audit does not say that it came into force last")),
    }
}

/// Every stored plan and rules revision that is not what the audit says of it, in words.
///
/// # Errors
/// What the store says.
pub(crate) fn against_audit(tx: &ReadTx<'_>) -> Result<Vec<String>, OrcError> {
    let mut found = Vec::new();
    let activations = tx.proved(EventKind::RulesActivated, None, u32::MAX)?;
    let revisions = tx.rules_history(u32::MAX)?;
    found.extend(revisions.iter().filter_map(|row| rules_difference(&activations, row)));
    if let Some(active) = tx.active_rules()? {
        found.extend(rules_difference(&activations[..activations.len().min(1)], &active).filter(|why| !found.contains(why)));
    }
    for workflow in tx.list_workflows(&WorkflowFilter::default())? {
        let events = tx.proved(EventKind::WorkflowPlanned, Some(&workflow.id), u32::MAX)?;
        for revision in 1..=workflow.revision {
            found.extend(plan_difference(&events, &tx.plan_revision(&workflow.id, revision)?));
        }
        if events.iter().any(|event| event.body["revision"].as_u64() > Some(u64::from(workflow.revision))) {
            found.push(format!("the newest plan of {} is stored as {}, the audit knows a later one", workflow.id, workflow.revision));
        }
        let planned = of_revision(&events, u64::from(workflow.revision)).find_map(|event| event.body.get("requesters"));
        if planned.is_some() {
            found.extend(persons_difference(&events, workflow.revision, &workflow.requesters, &workflow.requesters));
        }
    }
    Ok(found)
}

fn records(tx: &ReadTx<'_>, id: &WorkflowId) -> Result<Option<Records>, OrcError> {
    let workflow = tx.workflow(id)?;
    let row = tx.plan_revision(id, workflow.revision)?;
    let decision = tx.decision(&row.decision)?;
    let events = tx.proved(EventKind::WorkflowPlanned, Some(id), u32::MAX)?;
    let Some(event) = of_revision(&events, u64::from(row.revision)).next() else { return Ok(None) };
    let read = |field: &str| event.body.get(field).cloned().unwrap_or_default();
    let (base, rules) = (serde_json::from_value(read("base")), serde_json::from_value(read("rules")));
    let memory = serde_json::from_value(read("memory")).unwrap_or_default();
    let stored = serde_json::from_slice(&tx.unchecked_blob(&row.plan_hash)?);
    match (base, rules, stored) {
        (Ok(base), Ok(rules), Ok(stored)) => Ok(Some(Records { row, title: workflow.title, decision, base, memory, rules, stored })),
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
        intent: match &input.engine {
            None => PlannedIntent::Command { argv: input.argv.clone() },
            Some(_) => PlannedIntent::Task { task: records.title.clone() },
        },
        engine: input.engine.clone(),
        backlog: None,
        declared: declared.collect(),
        metadata: input.metadata.clone(),
        pipeline: Some(input.pipeline.clone()),
        no_verify: set(NO_VERIFY),
    }
}
