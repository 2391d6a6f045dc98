//! The overview: what waits for whom, what runs, what failed and why.

use orc_domain::api::Overview;

use super::page::Page;
use super::text::safe;
use super::{Render, View};

impl Render for Overview {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.host(self);
        page.counts(self);
        page.requests(&self.waiting);
        if !self.ready.is_empty() {
            page.heading("approved, to be run");
            page.workflow_table(&self.ready);
        }
        page.running(self);
        if !self.failed.is_empty() {
            page.heading("failed lately");
            for failed in &self.failed {
                page.text(0, &format!("{}  {}  {}", failed.workflow.id, failed.workflow.project, failed.workflow.title.for_line(60)));
                page.blocks(&failed.reasons);
            }
        }
        page.freezes(&self.freezes);
        page.rules(&self.rules);
        page.next(&self.next);
        page.done()
    }
}

impl Page<'_> {
    fn host(&mut self, overview: &Overview) {
        let host = &overview.host;
        let owner = match host.generation {
            Some(generation) => format!("generation {generation}, process {}", host.pid),
            None => "read only: no host owns the database".to_owned(),
        };
        self.field("host", &format!("ORC {}, {owner}", safe(&host.version)));
        self.field("trust", &safe(&host.trust));
    }

    fn counts(&mut self, overview: &Overview) {
        let counts: Vec<String> = overview.workflows.iter().map(|(state, count)| format!("{count} {state}")).collect();
        self.field("flows", &if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") });
        if !overview.tenants.is_empty() {
            let tenants: Vec<String> = overview.tenants.iter().map(|(tenant, active)| format!("{tenant} {active}")).collect();
            self.field("active", &tenants.join(", "));
        }
    }

    fn running(&mut self, overview: &Overview) {
        if overview.running.is_empty() {
            return;
        }
        self.heading("running");
        let rows = overview.running.iter().map(|run| {
            vec![
                run.workflow.id.to_string(),
                run.execution.id.to_string(),
                run.execution.state.to_string(),
                run.phase.as_ref().map(ToString::to_string).unwrap_or_default(),
                run.last_sign_of_life.map(|at| self.when(at)).unwrap_or_default(),
            ]
        });
        let rows = rows.collect();
        self.table(&["workflow", "execution", "state", "phase", "last sign of life"], rows);
    }
}
