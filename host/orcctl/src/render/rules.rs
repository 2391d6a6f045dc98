//! The rules: what is in force, what is a candidate, and why it is not in force.

use orc_domain::api::{Problem, RulesCandidateView, RulesDiff, RulesSide, RulesStatus};

use super::page::Page;
use super::text::safe;
use super::{Render, View};

impl Render for RulesStatus {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.rules(self);
        if !self.history.is_empty() {
            page.heading("history");
            let rows = self.history.iter().map(|revision| {
                let (number, files) = (revision.revision.to_string(), revision.files.to_string());
                vec![number, revision.digest.short(), page.when(revision.activated_at), revision.activated_by.label(), files]
            });
            let rows = rows.collect();
            page.table(&["revision", "digest", "in force since", "by", "files"], rows);
        }
        page.next(&self.next);
        page.done()
    }
}

impl Render for RulesDiff {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.field("from", &side(&self.from));
        page.field("to", &side(&self.to));
        if self.files.is_empty() {
            page.line("no file differs");
        }
        for file in &self.files {
            page.blank();
            match (&file.diff, &file.omitted) {
                (Some(diff), _) => page.diff(diff),
                (None, why) => page.line(&format!("{}: {}", safe(&file.path), safe(why.as_deref().unwrap_or("no diff")))),
            }
        }
        page.next(&self.next);
        page.done()
    }
}

fn side(side: &RulesSide) -> String {
    match side.revision {
        Some(revision) => format!("revision {revision}, {}", side.digest),
        None => format!("what is under the root now, {}", side.digest),
    }
}

impl Page<'_> {
    /// The revision in force, and the candidate where there is one.
    pub(crate) fn rules(&mut self, rules: &RulesStatus) {
        self.heading("rules");
        let active = &rules.active;
        let by = active.activated_by.label();
        self.field("active", &format!("revision {}, since {} by {by}", active.revision, self.when(active.activated_at)));
        self.field("digest", &active.digest.to_string());
        if let Some(candidate) = &rules.candidate {
            self.candidate(candidate);
        }
        if !rules.rollbacks.is_empty() {
            self.heading("rollback");
        }
        for proposal in &rules.rollbacks {
            let (by, at, to) = (&proposal.by, self.when(proposal.at), proposal.revision);
            self.line(&format!("{by} agreed to roll back to revision {to} ({at}); a second admin must agree"));
        }
    }

    fn candidate(&mut self, candidate: &RulesCandidateView) {
        self.heading("candidate");
        let unseen = if candidate.unseen { ", not looked at by a host yet" } else { "" };
        self.field("seen", &format!("{}{unseen}", self.when(candidate.seen_at)));
        if let Some(digest) = &candidate.digest {
            self.field("digest", &digest.to_string());
        }
        if let Some(operator) = &candidate.proposed_by {
            self.field("proposed", &format!("by {operator}; a second person activates it"));
        }
        for change in &candidate.changes {
            self.line(&format!("  {}", safe(change)));
        }
        if !candidate.problems.is_empty() {
            self.line("it cannot come into force:");
            self.problems(&candidate.problems);
        }
    }

    /// What is wrong in files under the root, each with its place.
    pub(crate) fn problems(&mut self, problems: &[Problem]) {
        for problem in problems {
            self.hanging(2, "- ", &format!("{}: {}", safe(&problem.at.to_string()), safe(&problem.message)));
            if let Some(help) = &problem.help {
                self.hanging(4, "help: ", &safe(help));
            }
        }
    }
}
