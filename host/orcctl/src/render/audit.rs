//! The audit, its proof, and events as lines.

use orc_domain::api::{Audit, AuditProof};
use orc_domain::audit::{Event, Subject};

use super::page::Page;
use super::text::safe;
use super::{Render, View, when};

/// Characters of an event's facts in a line; JSON holds all.
const FACTS: usize = 160;

impl Render for Audit {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.left_out > 0 {
            page.line(&format!("… {} earlier events are left out; `--limit` shows more", self.left_out));
        }
        for event in &self.events {
            page.line(&event_line(event, view));
        }
        page.blank();
        page.field("head", &format!("event {}", self.head_seq));
        page.field("hash", &self.head_hash.to_string());
        page.done()
    }
}

impl Render for AuditProof {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        match &self.broken {
            None => page.line(&format!("the chain of {} events holds", self.events)),
            Some(broken) => page.line(&format!("the chain is broken at event {}: {}", broken.seq, safe(&broken.why))),
        }
        page.field("head", &self.head.to_string());
        page.text(0, &safe(&self.statement));
        page.done()
    }
}

/// An event in a line: place, time, what, who, about what, facts.
pub(crate) fn event_line(event: &Event, view: &View) -> String {
    let at = when::when(event.at, &view.zone);
    let facts = orc_domain::Untrusted::new(event.body.to_string()).for_line(FACTS);
    let head = format!("{:>5}  {at}  {:<20}  {}", event.seq, event.kind.as_str(), event.actor.label());
    format!("{head}  {}\n       {facts}", about(&event.subject)).trim_end().to_owned()
}

fn about(subject: &Subject) -> String {
    let workflow = subject.workflow.as_ref().map(ToString::to_string);
    let execution = subject.execution.as_ref().map(ToString::to_string);
    let project = subject.project.as_ref().map(ToString::to_string);
    [workflow, execution, project].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
