//! The reading intents.

use orc_domain::api::*;
use orc_domain::operators::{Actor, Trust};
use orc_domain::plan::differences;
use orc_domain::states::WorkflowState;
use orc_domain::*;
use orc_store::{Found, ReadTx, StoreError, WorkflowFilter};

use crate::altered;
use crate::authority::Act;
use crate::engine::{Engine, to_json};
use crate::next;
use crate::rules::ActiveRules;
use crate::views;
use crate::why;

const MOST_EVENTS: u32 = 1000;
const EVENTS_AT_ONCE: u32 = 200;
const LISTED: u32 = 50;
const FAILED_SHOWN: u32 = 5;

fn limit(asked: u32, default: u32) -> u32 {
    if asked == 0 { default } else { asked.min(1000) }
}

impl Engine {
    pub(crate) async fn status(&self, request: GetStatus) -> Result<Status, OrcError> {
        let rules = self.active_rules().await?;
        self.read(move |tx| {
            let (workflow, execution) = views::find_execution(tx, &request.workflow)?;
            views::status_with(tx, &rules, &workflow, execution.as_ref())
        })
        .await
    }

    pub(crate) async fn phase_status(&self, request: GetPhases) -> Result<Phases, OrcError> {
        let rules = self.active_rules().await?;
        self.read(move |tx| {
            let (workflow, execution) = views::find_execution(tx, &request.workflow)?;
            let status = views::status_with(tx, &rules, &workflow, execution.as_ref())?;
            Ok(Phases { workflow: status.workflow, execution: status.execution, phases: status.phases, next: status.next })
        })
        .await
    }

    pub(crate) async fn audit(&self, request: GetAudit) -> Result<Audit, OrcError> {
        self.read(move |tx| {
            let workflow = request.workflow.as_deref().map(|text| views::find_workflow(tx, text)).transpose()?;
            let tail = tx.newest_events(workflow.as_ref(), limit(request.limit, MOST_EVENTS))?;
            let head = tx.audit_head()?;
            Ok(Audit { events: tail.events, left_out: tail.left_out, head_seq: head.seq, head_hash: head.hash })
        })
        .await
    }

    pub(crate) async fn audit_verify(&self) -> Result<AuditProof, OrcError> {
        self.read(|tx| {
            let proof = tx.verify_audit()?;
            // What a broken chain says is no measure of anything.
            let differs = if proof.broken.is_none() { altered::against_audit(tx)? } else { Vec::new() };
            Ok(AuditProof { differs, ..proof })
        })
        .await
    }

    pub(crate) async fn events(&self, request: GetEvents) -> Result<Events, OrcError> {
        self.read(move |tx| {
            if let Some(id) = &request.workflow {
                tx.workflow(id).map_err(|error| match error {
                    StoreError::NotFound { .. } => views::nothing(WorkflowId::KIND, id.as_str()),
                    error => error.into(),
                })?;
            }
            let events = tx.events(request.after, request.workflow.as_ref(), limit(request.limit, EVENTS_AT_ONCE))?;
            let next_after = events.last().map_or(request.after, |event| event.seq);
            Ok(Events { events, next_after })
        })
        .await
    }

    pub(crate) async fn workflows(&self, request: ListWorkflows) -> Result<Workflows, OrcError> {
        let filter =
            WorkflowFilter { project: request.project, states: request.state.into_iter().collect(), limit: limit(request.limit, LISTED) };
        let rules = self.active_rules().await?;
        self.read(move |tx| {
            known_project(tx, &rules, filter.project.as_ref())?;
            Ok(Workflows { workflows: tx.list_workflows(&filter)? })
        })
        .await
    }

    pub(crate) async fn workers(&self, request: GetWorkers) -> Result<Workers, OrcError> {
        let rules = self.active_rules().await?;
        self.read(move |tx| {
            known_project(tx, &rules, request.project.as_ref())?;
            Ok(Workers { worker_runs: tx.worker_runs(request.project.as_ref(), limit(request.limit, LISTED))? })
        })
        .await
    }

    pub(crate) async fn workflow(&self, request: GetWorkflow) -> Result<WorkflowDetail, OrcError> {
        let rules = self.active_rules().await?;
        self.read(move |tx| {
            let id = views::find_workflow(tx, &request.workflow)?;
            let (_, _, plan) = views::newest_plan(tx, &id)?;
            let executions = tx.executions_of(&id)?.into_iter().map(ExecutionView::from).collect();
            Ok(WorkflowDetail { status: views::status(tx, &rules, &id)?, plan, revisions: revisions(tx, &id)?, executions })
        })
        .await
    }

    /// Why: from what was stored when it was decided.
    pub(crate) async fn explain(&self, request: Explain) -> Result<Explanation, OrcError> {
        let rules = self.active_rules().await?;
        self.read(move |tx| {
            let named = views::find(tx, &request.id, views::WORKFLOW_OR_DECISION, |found| match found {
                Found::Workflow(id) => Some(Ok(id.clone())),
                Found::Decision(id) => Some(Err(id.clone())),
                _ => None,
            })?;
            match named {
                Ok(id) => explain_workflow(tx, &rules, &id),
                Err(id) => {
                    let decision = tx.decision(&id)?;
                    let workflow = decision.workflow.as_ref().map(|id| tx.workflow(id)).transpose()?;
                    let next = workflow.as_ref().map(|workflow| next::for_workflow(workflow, &[], None)).unwrap_or_default();
                    Ok(Explanation { workflow, decisions: vec![decision], reasons: Vec::new(), next })
                }
            }
        })
        .await
    }

    pub(crate) async fn whoami(&self, actor: Actor) -> Result<Identity, OrcError> {
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Read)?;
        let operators = &rules.checked.operators;
        let roles = operators.active(&permit.operator).map(|operator| operator.roles.iter().cloned().collect()).unwrap_or_default();
        let groups = operators.role_groups.keys().filter(|group| operators.in_group(&permit.operator, group)).cloned().collect();
        Ok(Identity { actor, roles, groups })
    }

    pub(crate) async fn overview(&self) -> Result<Overview, OrcError> {
        let rules = self.active_rules().await?;
        let status = self.rules_status().await?;
        let host = self.host(&rules);
        self.read(move |tx| {
            let mut overview = Overview {
                workflows: tx.workflow_counts()?,
                waiting: waiting(tx, &rules)?,
                ready: listed(tx, WorkflowState::Approved, LISTED)?,
                running: running(tx)?,
                failed: failed(tx)?,
                freezes: tx.freezes()?,
                tenants: tx.active_by_tenant()?,
                rules: status,
                host,
                next: Vec::new(),
            };
            overview.next = next::after_overview(&overview);
            Ok(overview)
        })
        .await
    }

    fn host(&self, rules: &ActiveRules) -> HostView {
        let trust: Trust = rules.checked.settings.trust;
        HostView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            installation: self.store.installation().clone(),
            generation: self.store.generation(),
            pid: std::process::id(),
            trust: trust.to_string(),
        }
    }
}

/// Refuses the name of no project: an empty list would say that it did nothing. One that was registered once and worked has its history.
fn known_project(tx: &ReadTx<'_>, rules: &ActiveRules, project: Option<&ProjectName>) -> Result<(), OrcError> {
    let Some(project) = project else { return Ok(()) };
    let registered = &rules.checked.registry.projects;
    let worked = || tx.list_workflows(&WorkflowFilter { project: Some(project.clone()), states: Vec::new(), limit: 1 });
    if registered.contains_key(project) || !worked()?.is_empty() {
        return Ok(());
    }
    let names = registered.keys().map(|name| name.as_str());
    Err(OrcError::new(ErrorCode::NotFound, format!("there is no project {project}")).hint(nearest::suggest(project.as_str(), names)))
}

fn listed(tx: &ReadTx<'_>, state: WorkflowState, limit: u32) -> Result<Vec<WorkflowSummary>, OrcError> {
    Ok(tx.list_workflows(&WorkflowFilter { project: None, states: vec![state], limit })?)
}

fn waiting(tx: &ReadTx<'_>, rules: &ActiveRules) -> Result<Vec<ApprovalRequestView>, OrcError> {
    let mut out = Vec::new();
    for workflow in listed(tx, WorkflowState::AwaitingApproval, LISTED)? {
        let views = views::requests(tx, rules, &workflow, workflow.revision, workflow.risk)?;
        out.extend(views.into_iter().filter(|view| view.state == orc_domain::states::ApprovalRequestState::Pending));
    }
    Ok(out)
}

fn running(tx: &ReadTx<'_>) -> Result<Vec<RunningView>, OrcError> {
    let live = tx.live_executions()?;
    let ids: Vec<ExecutionId> = live.iter().map(|row| row.id.clone()).collect();
    let workflows: Vec<WorkflowId> = live.iter().map(|row| row.workflow.clone()).collect();
    let (mut workflows, mut phases, mut signs) = (tx.workflows_by_id(&workflows)?, tx.current_phases(&ids)?, tx.last_signs_of_life(&ids)?);
    let mut out = Vec::new();
    for row in live {
        let Some(workflow) = workflows.remove(&row.workflow) else { continue };
        out.push(RunningView { phase: phases.remove(&row.id), last_sign_of_life: signs.remove(&row.id), execution: row.into(), workflow });
    }
    Ok(out)
}

fn failed(tx: &ReadTx<'_>) -> Result<Vec<FailedView>, OrcError> {
    let mut out = Vec::new();
    for workflow in listed(tx, WorkflowState::Failed, FAILED_SHOWN)? {
        out.push(FailedView { reasons: why::of_execution(tx, &workflow.id)?, workflow });
    }
    Ok(out)
}

fn explain_workflow(tx: &ReadTx<'_>, rules: &ActiveRules, id: &WorkflowId) -> Result<Explanation, OrcError> {
    let status = views::status(tx, rules, id)?;
    let reasons = why::of_workflow(tx, &status.workflow, &status.approval_requests)?;
    Ok(Explanation { decisions: tx.decisions_of(id)?, reasons, workflow: Some(status.workflow), next: status.next })
}

fn revisions(tx: &ReadTx<'_>, id: &WorkflowId) -> Result<Vec<RevisionView>, OrcError> {
    let mut out = Vec::new();
    let mut before: Option<serde_json::Value> = None;
    for row in tx.plan_revisions_of(id)? {
        let document = to_json(&views::document(tx, &row)?)?;
        let differences = before.as_ref().map(|before| differences(before, &document)).unwrap_or_default();
        before = Some(document);
        out.push(RevisionView {
            revision: row.revision,
            plan_hash: row.plan_hash,
            risk: row.risk,
            decision: row.decision,
            created_at: row.created_at,
            differences,
        });
    }
    Ok(out)
}
