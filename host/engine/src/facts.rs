//! What policy is told: one document, built here from request, rules and counts, the same for planning, running and explaining.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::decision::*;
use orc_domain::operators::Operators;
use orc_domain::plan::{PlanDocument, PlannedIntent};
use orc_domain::project::ProjectEntry;
use orc_domain::risk::CommandFamily;
use orc_domain::*;
use orc_store::ReadTx;

use crate::document::{Resolved, Subject};
use crate::rules::ActiveRules;

const HOUR_S: u64 = 3600;

/// What a decision is about, whether a plan exists already or not.
pub(crate) struct About<'a> {
    pub(crate) requesters: &'a [OperatorName],
    pub(crate) project: &'a ProjectName,
    pub(crate) entry: &'a ProjectEntry,
    pub(crate) family: CommandFamily,
    pub(crate) action: &'a ActionName,
    pub(crate) argv: &'a [String],
    pub(crate) flags: &'a BTreeMap<FlagName, bool>,
    pub(crate) metadata: &'a BTreeMap<String, String>,
    pub(crate) pipeline: &'a PipelineName,
    pub(crate) engine: Option<&'a EngineName>,
}

/// The command of an intent; a task has none.
fn argv(intent: &PlannedIntent) -> &[String] {
    match intent {
        PlannedIntent::Command { argv } => argv,
        PlannedIntent::Task { .. } => &[],
    }
}

impl<'a> About<'a> {
    pub(crate) fn planned(subject: &'a Subject, resolved: &'a Resolved<'a>) -> Self {
        Self {
            requesters: &subject.requesters,
            project: &subject.project,
            entry: resolved.entry,
            family: subject.family,
            action: &subject.action,
            argv: argv(&subject.intent),
            flags: &resolved.flags,
            metadata: &subject.metadata,
            pipeline: &resolved.pipeline_name,
            engine: resolved.worker.map(|(engine, _)| engine),
        }
    }

    pub(crate) fn of(document: &'a PlanDocument) -> Self {
        Self {
            requesters: &document.requesters,
            project: &document.project,
            entry: &document.project_entry,
            family: document.family,
            action: &document.action,
            argv: argv(&document.intent),
            flags: &document.flags,
            metadata: &document.metadata,
            pipeline: &document.pipeline,
            engine: document.worker.as_ref().map(|worker| &worker.engine),
        }
    }
}

/// What policy compares with quotas and freezes. Read again in the transaction that acts on a decision: a decision on other numbers is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) tenant_active: u64,
    pub(crate) planned_last_hour: u64,
    pub(crate) project_active: u64,
    pub(crate) freezes: Vec<FreezeFacts>,
}

/// The counts for a plan of `project`, the workflow `except` left out of what is active. How often it was planned counts.
pub(crate) fn counts(
    tx: &ReadTx<'_>,
    tenant: &TenantName,
    project: &ProjectName,
    now: Timestamp,
    except: Option<&WorkflowId>,
) -> Result<Counts, OrcError> {
    let hour_ago = Timestamp(now.0.saturating_sub(i64::try_from(HOUR_S * 1000).unwrap_or(i64::MAX)));
    let freezes = tx.freezes_of(tenant, project)?;
    let facts = freezes.into_iter().map(|freeze| FreezeFacts { scope: freeze.scope.to_string(), reason: freeze.reason.for_line(200) });
    Ok(Counts {
        tenant_active: tx.active_of_tenant(tenant, except)?,
        planned_last_hour: tx.planned_since(tenant, hour_ago)?,
        project_active: tx.active_of_project(project, except)?,
        freezes: facts.collect(),
    })
}

/// The input document.
pub(crate) fn input(rules: &ActiveRules, about: &About<'_>, counts: &Counts, now: Timestamp) -> DecisionInput {
    let operators = &rules.checked.operators;
    let now_s = now.0.div_euclid(1000);
    let (hour, weekday) = hour_and_weekday(now_s);
    DecisionInput {
        schema: 1,
        now_s,
        hour,
        weekday,
        requesters: about.requesters.iter().map(|name| person(operators, name)).collect(),
        operators: u32::try_from(operators.all_active().count()).unwrap_or(u32::MAX),
        tenant: TenantFacts { name: about.entry.tenant.clone(), active: counts.tenant_active, planned_last_hour: counts.planned_last_hour },
        project: ProjectFacts {
            name: about.project.clone(),
            families: about.entry.families.iter().copied().collect(),
            stack: about.entry.stack.clone(),
            owners: about.entry.owners.clone(),
            active: counts.project_active,
        },
        family: about.family,
        action: about.action.clone(),
        argv: about.argv.to_vec(),
        flags: about.flags.clone(),
        metadata: about.metadata.clone(),
        pipeline: about.pipeline.clone(),
        phase: None,
        engine: about.engine.cloned(),
        freezes: counts.freezes.clone(),
        groups: operators.role_groups.keys().map(|group| (group.clone(), group_facts(operators, group, about.requesters))).collect(),
        diff: None,
        launch: None,
        approved_risk: None,
    }
}

fn person(operators: &Operators, name: &OperatorName) -> PersonFacts {
    let roles = operators.active(name).map(|operator| operator.roles.iter().cloned().collect()).unwrap_or_default();
    PersonFacts { name: name.clone(), roles }
}

fn group_facts(operators: &Operators, group: &GroupName, requesters: &[OperatorName]) -> GroupFacts {
    let members: BTreeSet<&OperatorName> = operators.members(group).collect();
    let eligible = members.iter().filter(|name| !requesters.contains(name)).count();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    GroupFacts { members: count(members.len()), eligible: count(eligible) }
}

/// Hour 0 to 23 and weekday 1 (Monday) to 7 (Sunday), in UTC.
fn hour_and_weekday(now_s: i64) -> (u32, u32) {
    let day = now_s.div_euclid(86_400);
    let hour = now_s.rem_euclid(86_400) / 3600;
    // 1970-01-01 was a Thursday.
    let weekday = (day + 3).rem_euclid(7) + 1;
    (u32::try_from(hour).unwrap_or(0), u32::try_from(weekday).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn hours_and_weekdays_are_utcs() {
        let table = [(0, (0, 4)), (1_795_166_700, (9, 5)), (-1, (23, 3)), (1_609_459_199, (23, 4)), (1_609_459_200, (0, 5))];
        for (now_s, expected) in table {
            assert_eq!(super::hour_and_weekday(now_s), expected, "{now_s}");
        }
    }
}
