//! Why a workflow does not go on: who said no, took it back or stopped it, and what it ran into. From rows and events, in words.

use orc_domain::api::*;
use orc_domain::audit::{Event, EventKind};
use orc_domain::operators::Actor;
use orc_domain::states::{ApprovalRequestState, ExecutionState, WorkflowState};
use orc_domain::*;
use orc_store::{ExecutionRow, ReadTx};

/// Events of a workflow among which the one is looked for that ended it.
const LOOKED_AT: u32 = 1000;

/// Why it does not go on; empty where it does, or is over as it should be.
pub(crate) fn of_workflow(
    tx: &ReadTx<'_>,
    workflow: &WorkflowSummary,
    requests: &[ApprovalRequestView],
) -> Result<Vec<BlockReason>, OrcError> {
    match workflow.state {
        WorkflowState::Stale | WorkflowState::Rejected | WorkflowState::Expired | WorkflowState::Withdrawn => {
            Ok(vec![of_plan(tx, workflow, requests)?])
        }
        WorkflowState::Executing | WorkflowState::Failed | WorkflowState::Cancelled => of_execution(tx, &workflow.id),
        WorkflowState::Planned | WorkflowState::AwaitingApproval | WorkflowState::Approved | WorkflowState::Completed => Ok(Vec::new()),
    }
}

/// Why a plan was never run: each of these states has one cause.
pub(crate) fn of_plan(tx: &ReadTx<'_>, workflow: &WorkflowSummary, requests: &[ApprovalRequestView]) -> Result<BlockReason, OrcError> {
    let ended = ended(tx, workflow)?;
    Ok(match workflow.state {
        WorkflowState::Stale => stale(workflow, ended.as_ref()),
        WorkflowState::Rejected => rejected(workflow, requests),
        WorkflowState::Expired => expired(workflow, requests),
        _ => withdrawn(ended.as_ref()),
    })
}

/// The event that brought the workflow into its state.
fn ended(tx: &ReadTx<'_>, workflow: &WorkflowSummary) -> Result<Option<Event>, OrcError> {
    let events = tx.newest_events(Some(&workflow.id), LOOKED_AT)?.events;
    let into = |event: &Event| event.kind == EventKind::WorkflowChanged && event.body["to"] == workflow.state.as_str();
    Ok(events.into_iter().rev().find(into))
}

fn reason(code: &str, message: impl Into<String>, fix: Option<String>) -> BlockReason {
    BlockReason { code: code.to_owned(), message: Untrusted::new(message), fix: fix.map(Untrusted::new) }
}

/// What moved under the plan, as the event says.
fn stale(workflow: &WorkflowSummary, ended: Option<&Event>) -> BlockReason {
    let text = |field: &str| ended.and_then(|event| event.body[field].as_str()).unwrap_or_default().to_owned();
    reason(&text("code"), text("message"), Some(format!("`orcctl replan {}` plans it again and shows what differs", workflow.id)))
}

fn rejected(workflow: &WorkflowSummary, requests: &[ApprovalRequestView]) -> BlockReason {
    let no = requests.iter().flat_map(|request| request.votes.iter().map(move |vote| (request, vote)));
    let no = no.into_iter().find(|(_, vote)| vote.choice == Choice::Reject);
    let message = match no {
        Some((request, vote)) => {
            format!("{} rejected {} as {}{}", vote.operator, request.id, vote.role, because(vote.reason.as_ref().map(Untrusted::raw)))
        }
        None => "somebody said no".to_owned(),
    };
    reason("rejected", message, Some(format!("`orcctl replan {}` plans it again and asks again", workflow.id)))
}

fn expired(workflow: &WorkflowSummary, requests: &[ApprovalRequestView]) -> BlockReason {
    let missing = |request: &ApprovalRequestView| {
        let votes = crate::views::counting(request);
        let unmet = votes < request.quorum as usize && request.state == ApprovalRequestState::Expired;
        unmet.then(|| format!("{votes} of {} votes for {} ({})", request.quorum, request.group, request.id))
    };
    let missing: Vec<String> = requests.iter().filter_map(missing).collect();
    let message = match missing.as_slice() {
        [] => "it was not run in time".to_owned(),
        missing => format!("it was not approved in time: {}", missing.join(", ")),
    };
    reason("expired", message, Some(format!("`orcctl replan {}` plans it again and asks again", workflow.id)))
}

fn withdrawn(ended: Option<&Event>) -> BlockReason {
    let why = ended.and_then(|event| event.body["reason"].as_str());
    reason("withdrawn", format!("{} withdrew it{}", ended.map_or("somebody".to_owned(), |event| event.actor.label()), because(why)), None)
}

fn because(why: Option<&str>) -> String {
    match why {
        Some(why) if !why.trim().is_empty() => format!(": {why}"),
        _ => ", giving no reason".to_owned(),
    }
}

/// Why the newest execution did not complete, or waits for an operator.
pub(crate) fn of_execution(tx: &ReadTx<'_>, id: &WorkflowId) -> Result<Vec<BlockReason>, OrcError> {
    let Some(row) = tx.newest_execution_of(id)? else { return Ok(Vec::new()) };
    if row.state == ExecutionState::Interrupted {
        return Ok(vec![reason(
            "interrupted",
            "the host stopped in the middle, and starting again is not safe: a phase is not restartable, or a process of it may be alive",
            Some("cancel it, look at what it did, and plan again".to_owned()),
        )]);
    }
    let reasons = row.result.as_ref().map(|result| result.reasons.clone()).unwrap_or_default();
    Ok(reasons.into_iter().map(|reason| named(reason, &row)).collect())
}

/// A cancel with who asked for it.
fn named(reason: BlockReason, row: &ExecutionRow) -> BlockReason {
    match &row.cancel_requested_by {
        Some(by) if reason.code == "cancelled" => BlockReason { message: Untrusted::new(cancelled(by, row)), ..reason },
        _ => reason,
    }
}

fn cancelled(by: &Actor, row: &ExecutionRow) -> String {
    format!("{} cancelled {}{}", by.label(), row.id, because(row.cancel_reason.as_ref().map(Untrusted::raw)))
}
