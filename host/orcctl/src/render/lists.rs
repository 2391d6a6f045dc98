//! Lists: workflows, launches, and who the caller is.

use orc_domain::api::{Identity, Workers, WorkflowSummary, Workflows};
use orc_domain::operators::Actor;

use super::page::Page;
use super::phases::launch_row;
use super::text::list;
use super::{Render, View};

impl Render for Workflows {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.workflows.is_empty() {
            page.line("no workflow");
        }
        page.workflow_table(&self.workflows);
        page.done()
    }
}

impl Render for Workers {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.worker_runs.is_empty() {
            page.line("nothing was launched");
        }
        let rows = self.worker_runs.iter().map(|run| {
            let mut row = launch_row(run);
            row.insert(1, run.workflow.to_string());
            row.insert(2, run.project.to_string());
            row
        });
        page.table(&["launch", "workflow", "project", "for", "command", "end", "took"], rows.collect());
        page.done()
    }
}

impl Render for Identity {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.line(&self.actor.label());
        if let Actor::Operator { proof, uid, .. } = &self.actor {
            let uid = uid.map(|uid| format!(", uid {uid}")).unwrap_or_default();
            page.field("proof", &format!("{proof}{uid}"));
        }
        page.field("roles", &none_or(&self.roles));
        page.field("groups", &none_or(&self.groups));
        page.done()
    }
}

fn none_or<T: ToString>(items: &[T]) -> String {
    if items.is_empty() { "none".to_owned() } else { list(items.iter().map(ToString::to_string)) }
}

impl Page<'_> {
    /// Workflows in a line each.
    pub(crate) fn workflow_table(&mut self, workflows: &[WorkflowSummary]) {
        let rows = workflows.iter().map(|workflow| {
            vec![
                workflow.id.to_string(),
                workflow.state.to_string(),
                workflow.risk.to_string(),
                workflow.project.to_string(),
                workflow.title.for_line(60),
                self.when(workflow.updated_at),
            ]
        });
        let rows = rows.collect();
        self.table(&["workflow", "state", "risk", "project", "command", "changed"], rows);
    }
}
