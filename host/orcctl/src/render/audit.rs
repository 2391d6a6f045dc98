//! The audit, its proof, and events as lines.

use orc_domain::api::{Audit, AuditProof};
use orc_domain::audit::{Event, Subject};
use serde::Serialize;

use super::page::Page;
use super::story::{Story, is_detail};
use super::text::{safe, wrap};
use super::{Render, View, when};

/// Columns that what an event says is set in by.
const INDENT: usize = 7;

impl Render for Audit {
    fn render(&self, view: &View) -> String {
        told(self, view, |event| !is_detail(event))
    }
}

/// The audit with every single step.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct WholeAudit(pub(crate) Audit);

impl Render for WholeAudit {
    fn render(&self, view: &View) -> String {
        told(&self.0, view, |_| true)
    }
}

fn told(audit: &Audit, view: &View, shown: impl Fn(&Event) -> bool) -> String {
    let mut page = Page::new(view);
    if audit.left_out > 0 {
        page.line(&format!("… {} earlier events are left out; `--limit` shows more", audit.left_out));
    }
    let mut story = Story::default();
    // Some events say by whose name others go only later.
    audit.events.iter().for_each(|event| story.learn(event));
    let events: Vec<&Event> = audit.events.iter().filter(|event| shown(event)).collect();
    for event in &events {
        page.line(&event_line(event, &story, view));
    }
    page.blank();
    let details = audit.events.len() - events.len();
    if details > 0 {
        page.line(&format!("… {details} events of single steps are not shown; `--all` shows them"));
    }
    page.field("head", &format!("event {}", audit.head_seq));
    page.field("hash", &audit.head_hash.to_string());
    page.done()
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

/// An event: place, time, what, who, about what; under it, in words, what happened.
pub(crate) fn event_line(event: &Event, story: &Story, view: &View) -> String {
    let at = when::when(event.at, &view.zone);
    let head = format!("{:>5}  {at}  {:<20}  {}  {}", event.seq, event.kind.as_str(), event.actor.label(), about(&event.subject));
    let width = usize::from(view.width).saturating_sub(INDENT);
    let words = wrap(&story.tell(event, view), width);
    let words: String = words.iter().map(|line| format!("\n{:INDENT$}{}", "", line.trim_end())).collect();
    format!("{}{words}", head.trim_end())
}

/// The workflow, or what else it is about.
fn about(subject: &Subject) -> String {
    let workflow = subject.workflow.as_ref().map(ToString::to_string);
    let project = subject.project.as_ref().map(ToString::to_string);
    workflow.or(project).or_else(|| subject.tenant.as_ref().map(ToString::to_string)).unwrap_or_default()
}
