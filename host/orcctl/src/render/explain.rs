//! Why: the stored decisions in words.

use orc_domain::api::{Explanation, StoredDecision};
use orc_domain::decision::{Decision, EntryPoint};

use super::page::Page;
use super::text::{argv, list, safe};
use super::{Render, View};

impl Render for Explanation {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if let Some(workflow) = &self.workflow {
            page.summary(workflow);
        }
        let newest_plan = self.decisions.iter().rposition(|stored| stored.decision.entry == EntryPoint::Plan);
        let (told, passed): (Vec<_>, Vec<_>) = self.decisions.iter().enumerate().partition(|(place, stored)| {
            let decision = &stored.decision;
            Some(*place) == newest_plan
                || self.decisions.len() == 1
                || !decision.allowed()
                || !decision.warnings.is_empty()
                || !decision.grants.is_empty()
        });
        for (_, stored) in told {
            page.decision(stored);
        }
        page.passed(passed.into_iter().map(|(_, stored)| stored));
        if !self.reasons.is_empty() {
            page.heading("why it does not go on");
            page.blocks(&self.reasons);
        }
        page.next_from("explain", &self.next);
        page.done()
    }
}

impl Page<'_> {
    /// Decisions that only let things pass: a line each, to be asked about by id.
    fn passed<'a>(&mut self, decisions: impl Iterator<Item = &'a StoredDecision>) {
        for (count, stored) in decisions.enumerate() {
            if count == 0 {
                self.heading("let pass as well");
            }
            let entry = stored.decision.entry.to_string();
            let about =
                stored.input.launch.as_ref().map(|launch| format!("  {} {}", launch.purpose, argv(&launch.argv))).unwrap_or_default();
            self.line(&format!("{}  {entry:<7}  rules {}  {}{about}", stored.id, stored.rules_revision, self.when(stored.at)));
        }
    }

    fn decision(&mut self, stored: &StoredDecision) {
        let decision = &stored.decision;
        self.heading(&format!("decision {}", stored.id));
        let answer = self.state(if decision.allowed() { "allowed" } else { "denied" });
        self.field(
            "answer",
            &format!("{answer} ({} under rules revision {}, {})", decision.entry, stored.rules_revision, self.when(stored.at)),
        );
        let input = &stored.input;
        self.field("about", &format!("{} {} on {}", input.family, input.action, input.project.name));
        if !input.argv.is_empty() {
            self.field("command", &argv(&input.argv));
        }
        let set: Vec<_> = input.flags.iter().filter(|(_, set)| **set).map(|(flag, _)| flag).collect();
        if !set.is_empty() {
            self.field("flags", &list(set));
        }
        self.field("digest", &decision.input_digest.to_string());
        self.decided(decision);
    }

    pub(crate) fn decided(&mut self, decision: &Decision) {
        if !decision.denials.is_empty() {
            self.line("denied because");
            self.reasons(&decision.denials);
        }
        self.risk(&decision.risk);
        for need in &decision.requires {
            self.line(&format!("needs {} of {} ({})", need.quorum, need.group, need.kind));
            self.reasons(&need.reasons);
        }
        for obligation in &decision.obligations {
            let place = obligation.at.as_ref().map(|at| format!(" ({})", safe(&at.to_string()))).unwrap_or_default();
            self.text(2, &format!("must hold: {} = {}{place}", obligation.kind, safe(&obligation.value)));
        }
        for (title, reasons) in [("granted because", &decision.grants), ("warnings", &decision.warnings)] {
            if !reasons.is_empty() {
                self.line(title);
                self.reasons(reasons);
            }
        }
    }
}
