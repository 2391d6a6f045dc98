//! Read models: rows put together into what people see. Nothing here decides; eligibility and counting ask the one authorisation function.

use std::collections::BTreeMap;

use orc_domain::api::*;
use orc_domain::operators::{Actor, Proof};
use orc_domain::plan::PlanDocument;
use orc_domain::risk::RiskClass;
use orc_domain::states::{ApprovalRequestState, WorkflowState};
use orc_domain::*;
use orc_store::{ApprovalRequestRow, Found, PhaseRunRow, PlanRevisionRow, ReadTx, StoreError, VoteRow};

use crate::authority::{Act, VoteCase, authorise};
use crate::next;
use crate::rules::ActiveRules;
use crate::why;

/// What can be explained.
pub(crate) const WORKFLOW_OR_DECISION: &str = "workflow or decision";

pub(crate) fn nothing(kind: &str, text: &str) -> OrcError {
    let hint = match kind {
        WORKFLOW_OR_DECISION => "`orcctl workflows` lists workflows; a refused plan's decision stands in its event: `orcctl audit`",
        _ => "`orcctl workflows` and `orcctl approvals` list ids",
    };
    OrcError::new(ErrorCode::NotFound, format!("there is no {kind} `{}`", Untrusted::new(text).for_line(60))).hint(hint)
}

/// An id that a person typed, whole or abbreviated, as the one thing of this kind that it can mean.
pub(crate) fn find<T>(tx: &ReadTx<'_>, text: &str, kind: &str, take: impl Fn(&Found) -> Option<T>) -> Result<T, OrcError> {
    let all = tx.find(text)?;
    let mut fitting: Vec<T> = all.iter().filter_map(&take).collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => Err(nothing(kind, text)),
        _ => {
            let ids: Vec<&str> = all.iter().filter(|found| take(found).is_some()).map(Found::as_str).collect();
            Err(OrcError::new(ErrorCode::AmbiguousId, format!("`{}` can mean {}", Untrusted::new(text).for_line(60), ids.join(", ")))
                .hint("type more of the id"))
        }
    }
}

/// The workflow that an id means: its own; or, where the id says its kind, that of one of its parts.
pub(crate) fn find_workflow(tx: &ReadTx<'_>, text: &str) -> Result<WorkflowId, OrcError> {
    let any_part = text.contains('_');
    let found = find(tx, text, WorkflowId::KIND, |found| (any_part || matches!(found, Found::Workflow(_))).then(|| found.clone()))?;
    match found {
        Found::Workflow(id) => Ok(id),
        Found::Execution(id) => Ok(tx.execution(&id)?.workflow),
        Found::ApprovalRequest(id) => Ok(tx.approval_request(&id)?.workflow),
        Found::PhaseRun(id) => Ok(tx.execution(&tx.phase_run(&id)?.execution)?.workflow),
        Found::WorkerRun(_) | Found::Decision(_) | Found::Memory(_) | Found::Backlog(_) => Err(nothing(WorkflowId::KIND, text)),
    }
}

/// The same; and the execution, where the id is that of one or of a part of it.
pub(crate) fn find_execution(tx: &ReadTx<'_>, text: &str) -> Result<(WorkflowId, Option<ExecutionId>), OrcError> {
    let workflow = find_workflow(tx, text)?;
    // A bare beginning means workflows alone.
    let parts = if text.contains('_') { tx.find(text)? } else { Vec::new() };
    let execution = match parts.first() {
        Some(Found::Execution(id)) => Some(id.clone()),
        Some(Found::PhaseRun(id)) => Some(tx.phase_run(id)?.execution),
        _ => None,
    };
    Ok((workflow, execution))
}

/// The pending and past requests that an id means: a request's own, or all of a workflow's newest revision.
pub(crate) fn requests_named(tx: &ReadTx<'_>, text: &str) -> Result<Vec<ApprovalRequestRow>, OrcError> {
    enum Named {
        Request(ApprovalRequestId),
        Workflow(WorkflowId),
    }
    let named = find(tx, text, "approval request or workflow", |found| match found {
        Found::ApprovalRequest(id) => Some(Named::Request(id.clone())),
        Found::Workflow(id) => Some(Named::Workflow(id.clone())),
        _ => None,
    })?;
    match named {
        Named::Request(id) => Ok(vec![tx.approval_request(&id)?]),
        Named::Workflow(id) => {
            let workflow = tx.workflow(&id)?;
            Ok(tx.requests_of(&id, workflow.revision)?)
        }
    }
}

pub(crate) fn find_request(tx: &ReadTx<'_>, text: &str) -> Result<ApprovalRequestRow, OrcError> {
    let mut rows = requests_named(tx, text)?;
    match rows.len() {
        1 => Ok(rows.remove(0)),
        0 => Err(nothing(ApprovalRequestId::KIND, text)),
        _ => {
            let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            Err(OrcError::new(ErrorCode::AmbiguousId, format!("this workflow asks several groups: {}", ids.join(", ")))
                .hint("name one of the requests"))
        }
    }
}

/// The plan document of a revision, proved by its hash: what is stored is what was approved, or nothing.
pub(crate) fn document(tx: &ReadTx<'_>, row: &PlanRevisionRow) -> Result<PlanDocument, OrcError> {
    let document = tx.plan_document(&row.plan_hash).map_err(|error| match error {
        StoreError::Damaged { .. } => other_plan(row).cause(error.to_string()),
        error => error.into(),
    })?;
    let bound = document.workflow == row.workflow && document.revision == row.revision;
    let hash = document.hash().map_err(|error| crate::engine::internal("a plan document has no JSON form", &error))?;
    if !bound || hash != row.plan_hash {
        return Err(other_plan(row));
    }
    Ok(document)
}

fn other_plan(row: &PlanRevisionRow) -> OrcError {
    OrcError::new(
        ErrorCode::PlanHashMismatch,
        format!("the stored plan of {} is not the one that its hash {} names", row.workflow, row.plan_hash.short()),
    )
    .hint("the database was changed by hand: `orcctl audit verify`, then restore a backup")
}

pub(crate) fn newest_plan(tx: &ReadTx<'_>, id: &WorkflowId) -> Result<(WorkflowSummary, PlanRevisionRow, PlanDocument), OrcError> {
    let workflow = tx.workflow(id)?;
    let row = tx.plan_revision(id, workflow.revision)?;
    let document = document(tx, &row)?;
    Ok((workflow, row, document))
}

/// Who counts for which group already: yes votes on the requests of one revision.
pub(crate) fn counted(
    requests: &[ApprovalRequestRow],
    votes: &BTreeMap<ApprovalRequestId, Vec<VoteRow>>,
) -> Vec<(OperatorName, GroupName)> {
    let of = |request: &ApprovalRequestRow| {
        let yes = votes.get(&request.id).into_iter().flatten().filter(|vote| vote.choice == Choice::Approve);
        yes.map(|vote| (vote.operator.clone(), request.group.clone())).collect::<Vec<_>>()
    };
    requests.iter().flat_map(of).collect()
}

/// A plan revision's requests with what eligibility depends on.
pub(crate) struct Asked<'a> {
    pub(crate) rules: &'a ActiveRules,
    pub(crate) requesters: &'a [OperatorName],
    pub(crate) risk: RiskClass,
    pub(crate) counted: Vec<(OperatorName, GroupName)>,
}

impl Asked<'_> {
    fn may(&self, request: &ApprovalRequestRow, role: Option<&RoleName>, who: &OperatorName, proof: Proof) -> bool {
        let others: Vec<(OperatorName, GroupName)> = self.counted.iter().filter(|(_, group)| *group != request.group).cloned().collect();
        let case =
            VoteCase { group: &request.group, kind: request.kind, requesters: self.requesters, risk: self.risk, role, counted: &others };
        let actor = Actor::Operator { name: who.clone(), proof, uid: None };
        let settings = &self.rules.checked.settings;
        authorise(&self.rules.checked.operators, &settings.admin_group, &actor, Act::Vote(case)).is_ok()
    }

    fn view(&self, request: &ApprovalRequestRow, votes: &[VoteRow]) -> ApprovalRequestView {
        let vote = |vote: &VoteRow| VoteView {
            operator: vote.operator.clone(),
            role: vote.role.clone(),
            choice: vote.choice,
            proof: vote.proof,
            at: vote.at,
            reason: vote.reason.clone(),
            counts: self.may(request, Some(&vote.role), &vote.operator, vote.proof),
        };
        let pending = request.state == ApprovalRequestState::Pending;
        let free = |who: &&OperatorName| !votes.iter().any(|vote| vote.operator == **who);
        // With the best proof there is: who could vote at all.
        let able = |who: &&OperatorName| pending && self.may(request, None, who, Proof::UnixPeer);
        ApprovalRequestView {
            id: request.id.clone(),
            workflow: request.workflow.clone(),
            revision: request.revision,
            group: request.group.clone(),
            kind: request.kind,
            quorum: request.quorum,
            state: request.state,
            expires_at: request.expires_at,
            reasons: request.reasons.clone(),
            votes: votes.iter().map(vote).collect(),
            eligible: self.rules.checked.operators.all_active().filter(free).filter(able).cloned().collect(),
        }
    }
}

/// All requests of a plan revision.
pub(crate) fn requests(
    tx: &ReadTx<'_>,
    rules: &ActiveRules,
    workflow: &WorkflowSummary,
    revision: u32,
    risk: RiskClass,
) -> Result<Vec<ApprovalRequestView>, OrcError> {
    let rows = tx.requests_of(&workflow.id, revision)?;
    let ids: Vec<ApprovalRequestId> = rows.iter().map(|row| row.id.clone()).collect();
    let votes = tx.votes_of(&ids)?;
    let asked = Asked { rules, requesters: &workflow.requesters, risk, counted: counted(&rows, &votes) };
    let of = |row: &ApprovalRequestRow| votes.get(&row.id).map_or(&[][..], Vec::as_slice);
    Ok(rows.iter().map(|row| asked.view(row, of(row))).collect())
}

/// Yes votes that count now.
pub(crate) fn counting(request: &ApprovalRequestView) -> usize {
    request.votes.iter().filter(|vote| vote.choice == Choice::Approve && vote.counts).count()
}

pub(crate) fn freezes_over(tx: &ReadTx<'_>, workflow: &WorkflowSummary) -> Result<Vec<FreezeView>, OrcError> {
    Ok(tx.freezes_of(&workflow.tenant, &workflow.project)?)
}

/// The phase runs of an execution with their guests and launches.
pub(crate) fn phases(tx: &ReadTx<'_>, execution: &ExecutionId) -> Result<Vec<PhaseRunView>, OrcError> {
    let rows = tx.phase_runs_of(execution)?;
    let ids: Vec<PhaseRunId> = rows.iter().map(|row| row.id.clone()).collect();
    let (mut guests, mut worker_runs) = (tx.guest_results_of(&ids)?, tx.worker_runs_of(&ids)?);
    let view = |row: PhaseRunRow| PhaseRunView {
        guests: guests.remove(&row.id).unwrap_or_default(),
        worker_runs: worker_runs.remove(&row.id).unwrap_or_default(),
        id: row.id,
        phase: row.phase,
        state: row.state,
        attempt: row.attempt,
        attempts: row.attempts,
        started_at: row.started_at,
        ended_at: row.ended_at,
        tree: row.tree,
        commit: row.commit,
        output: row.output,
        reasons: row.reasons,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// A workflow's status, with its newest execution.
pub(crate) fn status(tx: &ReadTx<'_>, rules: &ActiveRules, id: &WorkflowId) -> Result<Status, OrcError> {
    status_with(tx, rules, id, None)
}

/// The same with the execution that was asked about. What ran stays to be seen, whatever was planned after it.
pub(crate) fn status_with(tx: &ReadTx<'_>, rules: &ActiveRules, id: &WorkflowId, asked: Option<&ExecutionId>) -> Result<Status, OrcError> {
    let (workflow, _, document) = newest_plan(tx, id)?;
    let approval_requests = requests(tx, rules, &workflow, workflow.revision, document.risk.class)?;
    let newest = tx.newest_execution_of(id)?.map(ExecutionView::from);
    let next = next::for_workflow(&workflow, &approval_requests, newest.as_ref());
    let execution = match asked {
        Some(asked) => Some(tx.execution(asked)?.into()),
        None => newest,
    };
    let phases = match &execution {
        Some(execution) => phases(tx, &execution.id)?,
        None => Vec::new(),
    };
    // An execution tells its own reasons.
    let reasons = match workflow.state {
        WorkflowState::Stale | WorkflowState::Rejected | WorkflowState::Expired | WorkflowState::Withdrawn => {
            vec![why::of_plan(tx, &workflow, &approval_requests)?]
        }
        _ => Vec::new(),
    };
    Ok(Status {
        next,
        reasons,
        plan_hash: workflow.plan_hash,
        risk: document.risk,
        freezes: freezes_over(tx, &workflow)?,
        approval_requests,
        execution,
        phases,
        workflow,
    })
}

/// Groups that a revision asked.
pub(crate) fn groups(tx: &ReadTx<'_>, workflow: &WorkflowSummary) -> Result<Vec<GroupName>, OrcError> {
    Ok(tx.requests_of(&workflow.id, workflow.revision)?.into_iter().map(|request| request.group).collect())
}
