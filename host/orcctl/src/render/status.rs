//! A workflow's status, and the parts of it that other pages show too.

use orc_domain::api::{ApprovalRequestView, Choice, ExecutionView, FreezeView, Freezes, RunAccepted, Status, WorkflowSummary};
use orc_domain::decision::RequirementKind;
use orc_domain::operators::Proof;
use orc_domain::risk::CommandFamily;
use orc_domain::risk::RiskAssessment;
use orc_domain::states::WorkflowState;

use super::page::Page;
use super::text::{list, safe};
use super::{Render, View};

impl Render for Status {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.summary(&self.workflow);
        page.risk(&self.risk);
        page.requests(&self.approval_requests);
        // Who rejected it stands with the votes.
        if self.workflow.state != WorkflowState::Rejected && !self.reasons.is_empty() {
            page.heading("why it does not go on");
            page.blocks(&self.reasons);
        }
        if let Some(execution) = &self.execution {
            page.execution(execution, self.workflow.revision);
        }
        page.phase_table(&self.phases);
        page.freezes(&self.freezes);
        page.next_from("status", &self.next);
        page.done()
    }
}

impl Render for Freezes {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.freezes.is_empty() {
            page.line("no freeze is on");
        }
        page.freezes(&self.freezes);
        page.next(&self.next);
        page.done()
    }
}

impl Render for RunAccepted {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.summary(&self.workflow);
        page.execution(&self.execution, self.workflow.revision);
        if !self.created {
            page.line("the same key named this execution before: nothing was started anew");
        }
        if self.base_lag > 0 {
            let lag = super::text::count(self.base_lag, "commit");
            page.line(&format!("the branch is {lag} ahead of the planned one; the planned one runs"));
        }
        if !self.warnings.is_empty() {
            page.heading("warnings");
            page.reasons(&self.warnings);
        }
        page.done()
    }
}

impl Page<'_> {
    /// The workflow at the top of a page.
    pub(crate) fn summary(&mut self, workflow: &WorkflowSummary) {
        let state = self.state(workflow.state.as_str());
        let id = self.bold(workflow.id.as_str());
        self.line(&format!("{id}  {state}"));
        self.field("project", &format!("{} (tenant {})", workflow.project, workflow.tenant));
        self.field("what", &format!("{} {}", workflow.family, workflow.action));
        let what = match workflow.family {
            CommandFamily::BuildTest | CommandFamily::DeploymentRunbook => "command",
            CommandFamily::ReadOnly | CommandFamily::AgentImplementation => "task",
        };
        self.field(what, &workflow.title.for_line(400));
        self.field("by", &format!("{}, planned {}", list(&workflow.requesters), self.when(workflow.planned_at)));
        self.field("plan", &format!("revision {}", workflow.revision));
        self.field("hash", &workflow.plan_hash.to_string());
    }

    /// The risk class with what raised it.
    pub(crate) fn risk(&mut self, risk: &RiskAssessment) {
        let class = self.state(risk.class.as_str());
        self.field("risk", &class);
        self.reasons(&risk.reasons);
    }

    /// Approval requests with their votes.
    pub(crate) fn requests(&mut self, requests: &[ApprovalRequestView]) {
        if requests.is_empty() {
            return;
        }
        self.heading("approvals");
        let rows = requests.iter().map(|request| self.request_row(request)).collect();
        self.table(&["request", "of", "votes", "state", "may vote", "until"], rows);
        for request in requests {
            self.votes(request);
        }
    }

    fn request_row(&self, request: &ApprovalRequestView) -> Vec<String> {
        let counted = votes_for(request);
        vec![
            request.id.to_string(),
            requirement(request),
            format!("{counted}/{}", request.quorum),
            request.state.to_string(),
            list(&request.eligible),
            self.until(request.expires_at),
        ]
    }

    fn votes(&mut self, request: &ApprovalRequestView) {
        for vote in &request.votes {
            let asserted = if vote.proof == Proof::Asserted { ", asserted" } else { "" };
            // A no stands, whatever became of the role behind it.
            let void = if vote.counts || vote.choice == Choice::Reject { "" } else { "; it does not count any more" };
            let choice = match (vote.choice, request.kind) {
                (Choice::Reject, _) => "rejected",
                (Choice::Approve, RequirementKind::Confirmation) => "confirmed",
                (Choice::Approve, RequirementKind::Approval) => "approved",
            };
            let line = format!("{}: {choice} by {} as {} ({}{asserted}){void}", request.id, vote.operator, vote.role, self.when(vote.at));
            self.hanging(2, "- ", &line);
            if let Some(reason) = &vote.reason {
                self.hanging(4, "why: ", &reason.for_line(400));
            }
        }
    }

    /// An execution with its end; `newest` is the workflow's newest plan revision.
    pub(crate) fn execution(&mut self, execution: &ExecutionView, newest: u32) {
        self.heading("execution");
        let paused = execution.paused.map(|why| format!(", waits for: {why}")).unwrap_or_default();
        let cancel = if execution.cancel_requested { ", cancelling was asked for" } else { "" };
        let state = self.state(execution.state.as_str());
        self.line(&format!("{}  {state}{paused}{cancel}", execution.id));
        if execution.revision != newest {
            self.field("plan", &format!("revision {} (the newest is {newest})", execution.revision));
        }
        self.field("key", &safe(&execution.idempotency_key));
        self.field("began", &execution.started_at.map_or_else(|| "not yet".to_owned(), |at| self.when(at)));
        if let Some(ended) = execution.ended_at {
            self.field("ended", &self.when(ended));
        }
        if let Some(result) = &execution.result {
            if let Some(commit) = &result.commit {
                self.field("commit", &safe(commit));
            }
            let usage = &result.usage;
            let spent = super::text::duration(usage.launch_ms);
            self.field("used", &format!("{spent} in commands, launches: {}, attempts: {}", usage.launches, usage.attempts));
            self.blocks(&result.reasons);
        }
    }

    /// Freezes in force.
    pub(crate) fn freezes(&mut self, freezes: &[FreezeView]) {
        if freezes.is_empty() {
            return;
        }
        self.heading("freezes");
        for freeze in freezes {
            let line =
                format!("{} since {} by {}: {}", freeze.scope, self.when(freeze.since), freeze.by.label(), freeze.reason.for_line(200));
            self.hanging(2, "- ", &line);
        }
    }
}

/// Votes for it that count: what a quorum is compared with.
pub(crate) fn votes_for(request: &ApprovalRequestView) -> usize {
    request.votes.iter().filter(|vote| vote.counts && vote.choice == Choice::Approve).count()
}

/// Whose yes it is.
pub(crate) fn requirement(request: &ApprovalRequestView) -> String {
    match request.kind {
        RequirementKind::Approval => request.group.to_string(),
        RequirementKind::Confirmation => "confirmation".to_owned(),
    }
}
