//! Everything about a workflow: status, plan document, revisions, executions.

use orc_domain::api::WorkflowDetail;
use orc_domain::plan::{PlanDocument, PlannedIntent};

use super::page::Page;
use super::text::{argv, safe};
use super::{Render, View};

impl Render for WorkflowDetail {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.summary(&self.status.workflow);
        page.risk(&self.status.risk);
        page.plan(&self.plan);
        page.requests(&self.status.approval_requests);
        page.heading("revisions");
        let rows = self.revisions.iter().map(|revision| {
            let (number, hash) = (revision.revision.to_string(), revision.plan_hash.short());
            vec![number, hash, revision.risk.to_string(), revision.decision.to_string(), page.when(revision.created_at)]
        });
        let rows = rows.collect();
        page.table(&["revision", "hash", "risk", "decision", "planned"], rows);
        for execution in &self.executions {
            page.execution(execution, self.status.workflow.revision);
        }
        page.phase_table(&self.status.phases);
        page.freezes(&self.status.freezes);
        page.next(&self.status.next);
        page.done()
    }
}

impl Page<'_> {
    fn plan(&mut self, plan: &PlanDocument) {
        self.heading("plan");
        match &plan.intent {
            PlannedIntent::Command { argv: command } => self.field("runs", &argv(command)),
            PlannedIntent::Task { task } => self.field("task", &task.for_line(400)),
        }
        self.field("on", &format!("{} {}", safe(&plan.base.branch), safe(&plan.base.commit)));
        for (label, commands) in [("prepare", &plan.prepare), ("verify", &plan.verify)] {
            for command in commands {
                self.field(label, &argv(command));
            }
        }
        self.field("pipeline", plan.pipeline.as_str());
        self.field("rules", &format!("revision {}, {}", plan.rules.revision, plan.rules.digest.short()));
        self.field("version", &format!("ORC {}", safe(&plan.orc_version)));
        for (flag, set) in &plan.flags {
            if *set {
                self.field("flag", flag.as_str());
            }
        }
        for (name, value) in &plan.metadata {
            self.field("meta", &format!("{}={}", safe(name), safe(value)));
        }
        let rows = plan.phases.iter().flat_map(|phase| {
            phase.guests.iter().map(|guest| {
                let (guest_name, kind) = (guest.guest.to_string(), guest.kind.to_string());
                vec![phase.phase.to_string(), guest_name, kind, guest.mode.to_string(), guest.module.short()]
            })
        });
        let rows = rows.collect();
        self.table(&["phase", "guest", "kind", "mode", "module"], rows);
    }
}
