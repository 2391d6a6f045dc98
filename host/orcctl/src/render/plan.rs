//! A plan that was made, and a vote that was taken.

use orc_domain::api::{Choice, Planned, Voted};
use orc_domain::decision::RequirementKind;
use orc_domain::plan::PlanDifference;
use serde_json::Value;

use super::page::Page;
use super::text::safe;
use super::{Render, View};

impl Render for Planned {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.summary(&self.workflow);
        page.risk(&self.risk);
        page.field("why", &format!("decision {}", self.decision));
        if !self.warnings.is_empty() {
            page.heading("warnings");
            page.reasons(&self.warnings);
        }
        page.differences("changed since the revision before", &self.differences);
        page.requests(&self.approval_requests);
        if self.approval_requests.is_empty() {
            page.blank();
            page.line("nobody has to approve it");
        }
        page.next(&self.next);
        page.done()
    }
}

impl Render for Voted {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        let said = match (self.request.votes.last().map(|vote| vote.choice), self.request.kind) {
            (Some(Choice::Reject), _) => "rejected",
            (_, RequirementKind::Confirmation) => "confirmed",
            (_, RequirementKind::Approval) => "voted for",
        };
        let state = page.state(self.request.state.as_str());
        page.line(&format!("{} {said}: the request is {state}", self.request.id));
        let state = page.state(self.workflow.state.as_str());
        page.line(&format!("workflow {} is {state}", self.workflow.id));
        page.requests(&self.pending);
        if let Some(execution) = &self.execution {
            page.execution(execution, self.workflow.revision);
        }
        page.next(&self.next);
        page.done()
    }
}

impl Page<'_> {
    /// What differs between two plan documents.
    pub(crate) fn differences(&mut self, title: &str, differences: &[PlanDifference]) {
        if differences.is_empty() {
            return;
        }
        self.heading(title);
        for difference in differences {
            self.text(2, &safe(&difference.pointer));
            for (sign, value) in [("-", &difference.planned), ("+", &difference.now)] {
                if let Some(value) = value {
                    self.text(4, &format!("{sign} {}", short(value)));
                }
            }
        }
    }
}

fn short(value: &Value) -> String {
    orc_domain::Untrusted::new(value.to_string()).for_line(160)
}
