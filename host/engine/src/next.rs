//! The next safe step of every answer: commands that are ready to paste. They carry ids, never text of a worker or a repository.

use orc_domain::api::*;
use orc_domain::plan::{PlanDocument, PlannedIntent};
use orc_domain::states::{ApprovalRequestState, ExecutionState, Machine as _, WorkflowEvent, WorkflowState};

use crate::command;
use crate::document::NO_VERIFY;

/// The command that shows what a candidate changes.
const DIFF: &str = "orcctl rules diff";

fn step(command: String, why: &str) -> NextStep {
    NextStep { command, why: why.to_owned() }
}

/// After anything about one workflow.
pub(crate) fn for_workflow(
    workflow: &WorkflowSummary,
    requests: &[ApprovalRequestView],
    execution: Option<&ExecutionView>,
) -> Vec<NextStep> {
    let id = &workflow.id;
    match workflow.state {
        WorkflowState::Planned => vec![step(format!("orcctl status {id}"), "see what it waits for")],
        WorkflowState::AwaitingApproval => waiting(requests),
        WorkflowState::Approved if requests.iter().any(is_short) => vec![
            step(format!("orcctl status {id}"), "see which vote does not count any more"),
            step(format!("orcctl replan {id}"), "ask again: it cannot run with the votes that count now"),
        ],
        WorkflowState::Approved => vec![step(format!("orcctl run {id}"), "run exactly this plan")],
        WorkflowState::Stale => vec![
            step(format!("orcctl explain {id}"), "see what moved under the plan"),
            step(format!("orcctl replan {id}"), "plan it again under the rules in force"),
        ],
        WorkflowState::Rejected | WorkflowState::Expired => {
            vec![step(format!("orcctl explain {id}"), "see why"), step(format!("orcctl replan {id}"), "plan it again and ask again")]
        }
        WorkflowState::Withdrawn => vec![step(format!("orcctl audit {id}"), "see its history")],
        WorkflowState::Executing => executing(workflow, execution),
        WorkflowState::Completed => completed(workflow, execution),
        WorkflowState::Failed | WorkflowState::Cancelled => vec![
            step(format!("orcctl explain {id}"), "see why"),
            step(format!("orcctl phases {id}"), "see outputs and gates"),
            step(format!("orcctl replan {id}"), "plan it again"),
        ],
    }
}

/// Whether fewer votes count now than are needed: a role was withdrawn since.
fn is_short(request: &ApprovalRequestView) -> bool {
    crate::views::counting(request) < request.quorum as usize
}

fn waiting(requests: &[ApprovalRequestView]) -> Vec<NextStep> {
    let pending = requests.iter().filter(|request| request.state == ApprovalRequestState::Pending);
    let mut steps: Vec<NextStep> = pending
        .map(|request| {
            let who: Vec<&str> = request.eligible.iter().map(|name| name.as_str()).collect();
            let why = match who.as_slice() {
                [] => format!("nobody of {} can vote: see `orcctl explain`", request.group),
                names => format!("{} votes for {}", names.join(" or "), request.group),
            };
            NextStep { command: format!("orcctl approve {}", request.id), why }
        })
        .collect();
    steps.extend(requests.first().map(|request| step(format!("orcctl explain {}", request.workflow), "see why they are asked")));
    steps
}

fn completed(workflow: &WorkflowSummary, execution: Option<&ExecutionView>) -> Vec<NextStep> {
    let id = &workflow.id;
    let result = execution.and_then(|execution| execution.result.as_ref());
    let work =
        result.filter(|result| result.commit.is_some()).map(|_| step(format!("orcctl diff {id}"), "see the work, and how to merge it"));
    work.into_iter()
        .chain([
            step(format!("orcctl phases {id}"), "see outputs and gates"),
            step(format!("orcctl audit {id}"), "see who did what and when"),
        ])
        .collect()
}

fn executing(workflow: &WorkflowSummary, execution: Option<&ExecutionView>) -> Vec<NextStep> {
    let id = &workflow.id;
    let mut steps = vec![step(format!("orcctl phases {id}"), "see how far it is")];
    match execution.map(|execution| execution.state) {
        Some(ExecutionState::Queued) => steps.push(step("orcctl serve".to_owned(), "drive queued executions, where no host runs yet")),
        Some(ExecutionState::Interrupted) => {
            steps.push(step(format!("orcctl explain {id}"), "see why it was not started again"));
            steps.push(step("orcctl serve".to_owned(), "go on with it, where its contract lets it start again"));
        }
        _ => {}
    }
    match execution {
        Some(execution) if execution.cancel_requested => steps.push(step(format!("orcctl status {id}"), "see whether it is over")),
        _ => steps.push(step(format!("orcctl cancel {id}"), "stop it")),
    }
    steps
}

/// After a look at the rules.
pub(crate) fn after_rules(status: &RulesStatus) -> Vec<NextStep> {
    let mut steps = status.candidate.as_ref().map(after_candidate).unwrap_or_default();
    for proposal in &status.rollbacks {
        let revision = proposal.revision;
        steps.push(step(format!("{DIFF} --to {revision}"), "see what the rollback changes"));
        let why = format!("a second admin beside {} puts that content into force", proposal.by);
        steps.push(step(format!("orcctl rules rollback {revision}"), &why));
    }
    steps
}

fn after_candidate(candidate: &RulesCandidateView) -> Vec<NextStep> {
    // What was rolled back passes every check: it waits for an edit.
    if candidate.problems.iter().any(|problem| problem.message.starts_with(crate::rules::ROLLED_BACK)) {
        return Vec::new();
    }
    if !candidate.problems.is_empty() {
        return vec![
            step("orcctl config check".to_owned(), "see every problem with its place"),
            step("orcctl policy test".to_owned(), "see which case fails"),
        ];
    }
    let digest = candidate.digest.map(|digest| format!(" --digest {digest}")).unwrap_or_default();
    let why = match (&candidate.proposed_by, candidate.unseen) {
        (Some(_), _) => "a second admin puts it into force",
        (None, true) => "have it looked at; in a team a second admin agrees too",
        (None, false) => "an admin agrees to it; a second one puts it into force",
    };
    vec![step(DIFF.to_owned(), "see what it changes"), step(format!("orcctl rules activate{digest}"), why)]
}

/// After a look inside the rules: what was looked at can be agreed to, by its digest or number.
pub(crate) fn after_rules_diff(to: &RulesSide, status: &RulesStatus) -> Vec<NextStep> {
    match to.revision {
        Some(revision) if revision == status.active.revision => Vec::new(),
        Some(revision) => vec![step(format!("orcctl rules rollback {revision}"), "put that content into force again")],
        None => {
            let is_candidate = status.candidate.as_ref().is_some_and(|candidate| candidate.digest == Some(to.digest));
            if is_candidate { after_rules(status).into_iter().filter(|step| step.command != DIFF).collect() } else { Vec::new() }
        }
    }
}

/// After the overview.
pub(crate) fn after_overview(overview: &Overview) -> Vec<NextStep> {
    let mut steps = Vec::new();
    if !overview.waiting.is_empty() {
        steps.push(step("orcctl approvals".to_owned(), "see what waits for your vote"));
    }
    steps.extend(overview.ready.first().map(|workflow| step(format!("orcctl run {}", workflow.id), "run what is approved")));
    steps.extend(
        overview.failed.first().map(|failed| step(format!("orcctl explain {}", failed.workflow.id), "see why the last one failed")),
    );
    steps.extend(overview.rules.next.iter().cloned());
    if steps.is_empty() {
        steps.push(step("orcctl plan --help".to_owned(), "plan something"));
    }
    steps
}

/// The command that asks for the same once more, as a workflow of its own. Metadata belongs to the old one. A hint has it on a line of its
/// own: it is shown unbroken there, ready to paste.
pub(crate) fn plan_again(document: &PlanDocument) -> String {
    let mut line = format!("orcctl plan --project {} --action {} --family {}", document.project, document.action, document.family);
    if let PlannedIntent::Command { argv } = &document.intent {
        line.push_str(&format!(" --command-text '{}'", command::display(argv).replace('\'', r"'\''")));
    }
    for flag in document.flags.iter().filter(|(_, set)| **set).map(|(flag, _)| flag.as_str()) {
        line.push_str(&if flag == NO_VERIFY { " --no-verify".to_owned() } else { format!(" --flag {flag}") });
    }
    line
}

/// What helps where a workflow cannot be planned again.
pub(crate) fn instead_of_replan(state: WorkflowState, document: &PlanDocument) -> String {
    let id = &document.workflow;
    match state {
        WorkflowState::Executing => format!("`orcctl status {id}` shows what runs; `orcctl cancel {id}` stops it"),
        WorkflowState::Withdrawn | WorkflowState::Completed => format!("plan it anew:\n{}", plan_again(document)),
        _ => format!("`orcctl status {id}` shows what it waits for"),
    }
}

/// What helps where nothing can be cancelled.
pub(crate) fn instead_of_cancel(workflow: &WorkflowSummary) -> String {
    let id = &workflow.id;
    match workflow.state.next(WorkflowEvent::Withdrawn) {
        Ok(_) => format!("`orcctl withdraw {id}` takes a plan back that has not run"),
        Err(_) => format!("`orcctl status {id}` shows how it ended"),
    }
}

/// What helps where nothing can be withdrawn.
pub(crate) fn instead_of_withdraw(workflow: &WorkflowSummary) -> String {
    let id = &workflow.id;
    match workflow.state {
        WorkflowState::Executing => format!("`orcctl cancel {id}` stops what runs"),
        _ => format!("`orcctl status {id}` shows how it ended"),
    }
}

/// After a look at freezes.
pub(crate) fn after_freezes(freezes: &[FreezeView]) -> Vec<NextStep> {
    let lift = |freeze: &FreezeView| {
        let target = match &freeze.scope {
            FreezeScope::All => "--all".to_owned(),
            FreezeScope::Tenant { tenant } => format!("--tenant {tenant}"),
            FreezeScope::Project { project } => format!("--project {project}"),
        };
        step(format!("orcctl unfreeze {target}"), "lift it")
    };
    freezes.iter().map(lift).collect()
}
