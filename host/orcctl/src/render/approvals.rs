//! What waits for the caller: the cards, and the caller's own tokens.

use orc_domain::api::{ApprovalCard, Approvals};
use orc_domain::grant::{DirGrant, LaunchGrant};

use super::page::Page;
use super::status::{requirement, votes_for};
use super::text::{argv, list, safe};
use super::{Render, View};

impl Render for Approvals {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.cards.is_empty() {
            page.line(&format!("nothing waits for a vote of {}", self.operator));
        }
        for (index, card) in self.cards.iter().enumerate() {
            if index > 0 {
                page.blank();
            }
            page.card(card);
            if let Some(token) = &card.token {
                page.field("token", &safe(token));
            }
        }
        page.next(&self.next);
        page.done()
    }
}

/// The card alone, without its token: what an approver is shown before saying yes.
pub(crate) fn card(card: &ApprovalCard, view: &View) -> String {
    let mut page = Page::new(view);
    page.card(card);
    page.done()
}

impl Page<'_> {
    fn grant(&mut self, grant: &LaunchGrant) {
        self.field("network", grant.network.as_str());
        for (index, dir) in beyond(grant).enumerate() {
            let label = if index == 0 { "may use" } else { "" };
            self.field(label, &format!("{} ({})", safe(&dir.path), dir.access));
        }
    }

    fn card(&mut self, card: &ApprovalCard) {
        let request = &card.request;
        let id = self.bold(request.id.as_str());
        let state = self.state(request.state.as_str());
        self.line(&format!("{id}  {}  {state}, {} of {} votes", requirement(request), votes_for(request), request.quorum));
        self.field("workflow", &format!("{} revision {}", card.workflow.id, request.revision));
        self.field("project", &format!("{} (tenant {})", card.workflow.project, card.workflow.tenant));
        self.field("by", &list(&card.workflow.requesters));
        if let Some(task) = &card.task {
            self.hanging(0, "task     ", &task.for_terminal(20_000));
        }
        if let Some(worker) = &card.worker {
            self.field("worker", &format!("{} ({}), {}", worker.engine, worker.kind, worker.binary));
            self.field("phases", &list(&card.phases));
        }
        for (label, commands) in [("prepare", &card.prepare), ("will run", &card.will_run)] {
            for (index, command) in commands.iter().enumerate() {
                self.field(if index == 0 { label } else { "then" }, &argv(command));
            }
        }
        if let Some(grant) = &card.grant {
            self.grant(grant);
        }
        self.field("on", &format!("{} {}", safe(&card.base.branch), safe(&card.base.commit)));
        self.field("hash", &card.workflow.plan_hash.to_string());
        self.field("flags", &if card.flags.is_empty() { "none".to_owned() } else { list(&card.flags) });
        self.field("rules", &format!("revision {}", card.rules_revision));
        self.risk(&card.risk);
        if !request.reasons.is_empty() {
            self.line("asked because");
            self.reasons(&request.reasons);
        }
        self.field("until", &self.until(request.expires_at));
        match &card.cannot {
            Some(error) => self.field("you", &format!("cannot vote: {} ({})", safe(&error.message), error.code)),
            None => self.field("you", &format!("may vote as {}", list(&card.roles))),
        }
    }
}

/// What its processes get beyond the system's programs and directories of their own.
fn beyond(grant: &LaunchGrant) -> impl Iterator<Item = &DirGrant> {
    grant.dirs.iter().filter(|dir| !matches!(dir.role.as_str(), "system" | "workspace" | "scratch"))
}
