//! Answers of commands that need no host.

use orc_domain::Untrusted;
use orc_domain::api::Problem;
use orc_domain::decision::Decision;
use orc_policy::TestReport;

use super::page::Page;
use super::text::safe;
use super::{Render, View};
use crate::commands::config::RootCheck;
use crate::commands::doctor::Diagnosis;
use crate::commands::gate::{CaseResults, Described, GuestRow, GuestRows, Inspected, Locked};
use crate::commands::init::Initialised;
use crate::commands::migrate::{Migrated, Outcome};
use crate::commands::project::{Added, Projects};
use crate::commands::run::Detached;

impl Render for RootCheck {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.field("root", &safe(&self.root));
        if self.problems.is_empty() {
            page.line("nothing is wrong");
            if let Some(digest) = &self.digest {
                page.field("digest", &digest.to_string());
            }
        }
        page.problems(&self.problems);
        page.warnings(&self.warnings);
        page.next(&self.next);
        page.done()
    }
}

impl Render for TestReport {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        for case in &self.cases {
            let word = page.state(if case.passed() { "pass" } else { "fail" });
            page.line(&format!("{word}  {}", safe(&case.name)));
            for difference in &case.differences {
                page.text(6, &safe(difference));
            }
        }
        let passed = self.cases.iter().filter(|case| case.passed()).count();
        page.blank();
        page.line(&format!("{passed} of {} cases passed", self.cases.len()));
        let uncovered: Vec<String> = self.uncovered().map(|(code, _)| code.to_string()).collect();
        if !uncovered.is_empty() {
            page.text(0, &format!("codes that the cases do not show both ways: {}", uncovered.join(", ")));
        }
        page.done()
    }
}

impl Render for Decision {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        let answer = page.state(if self.allowed() { "allowed" } else { "denied" });
        page.field("answer", &format!("{answer} ({})", self.entry));
        page.decided(self);
        page.field("cost", &format!("{} operations", self.cost.operations));
        page.done()
    }
}

impl Render for GuestRows {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.guests.is_empty() {
            page.line("config/guests.lock names no guest");
        }
        let rows = self.guests.iter().map(|guest: &GuestRow| {
            let capabilities = words(&guest.capabilities);
            vec![guest.name.to_string(), guest.kind.to_string(), safe(&guest.version), capabilities, guest.bound.join(", ")]
        });
        page.table(&["guest", "kind", "version", "gets", "bound at"], rows.collect());
        page.done()
    }
}

impl Render for Inspected {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        let it = &self.inspection;
        page.field("file", &safe(&self.file));
        page.field("digest", &it.digest.to_string());
        page.field("size", &format!("{} bytes", it.size));
        page.field("kinds", &words(&it.kinds));
        page.field("needs", &words(&it.capabilities));
        if let Some(guest) = &self.guest {
            page.manifest(guest);
        }
        for import in &it.imports {
            let unknown = if it.unknown_imports.contains(import) { "  (no capability provides it: it cannot be loaded)" } else { "" };
            page.line(&format!("  import {}{unknown}", safe(import)));
        }
        for export in &it.exports {
            page.line(&format!("  export {}", safe(export)));
        }
        if let Some(guest) = &self.guest {
            page.guest_settings(guest);
        }
        page.done()
    }
}

impl Render for CaseResults {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        for case in &self.cases {
            let word = page.state(if case.passed { "pass" } else { "fail" });
            page.line(&format!("{word}  {}  fuel {}", safe(&case.name), case.cost.fuel));
            if !case.passed {
                page.text(6, &format!("expected: {}", safe(&case.expected)));
                page.text(6, &format!("got: {}", safe(&case.got)));
            }
        }
        let passed = self.cases.iter().filter(|case| case.passed).count();
        page.blank();
        page.line(&format!("{passed} of {} cases passed", self.cases.len()));
        page.done()
    }
}

impl Render for Locked {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.changes.is_empty() {
            page.line("every guest is pinned as it is");
        }
        for change in &self.changes {
            page.text(0, &safe(change));
        }
        page.next(&self.next);
        page.done()
    }
}

impl Render for Initialised {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.line(&format!("wrote {} files under {}", self.files.len(), safe(&self.root)));
        page.warnings(&self.warnings);
        page.next(&self.next);
        page.done()
    }
}

/// What became of a database, in a sentence.
pub(crate) fn migrated(outcome: &Outcome, database: &str) -> String {
    let database = safe(database);
    match outcome {
        Outcome::NoneYet => format!("there is none yet at {database}"),
        Outcome::UpToDate { schema } => format!("the database {database} has schema {schema} and is up to date"),
        Outcome::Migrated { from, to, backup } => {
            let backup = backup.as_ref().map(|path| format!("; the copy before it is {}", safe(path))).unwrap_or_default();
            format!("migrated the database {database} from schema {from} to {to}{backup}")
        }
    }
}

impl Render for Migrated {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.text(0, &migrated(&self.outcome, &self.database));
        page.next(&self.next);
        page.done()
    }
}

impl Render for Projects {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.projects.is_empty() {
            page.line("no project is registered");
        }
        let rows = self.projects.iter().map(|(name, entry)| {
            let families: Vec<&str> = entry.families.iter().map(|family| family.as_str()).collect();
            vec![name.to_string(), entry.tenant.to_string(), families.join(", "), safe(&entry.base), safe(&entry.root)]
        });
        page.table(&["project", "tenant", "families", "base", "root"], rows.collect());
        page.done()
    }
}

impl Render for Added {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.line(&format!("project {} is in config/projects.registry.yaml", self.project));
        for tried in &self.tried {
            let took = format!("{}.{} s", tried.duration_ms / 1000, tried.duration_ms % 1000 / 100);
            page.text(2, &format!("{}: {}: {}, {took}", tried.purpose, super::text::argv(&tried.argv), tried.end));
            if let Some(output) = &tried.output {
                page.text(4, &Untrusted::new(output.as_str()).for_terminal(3000));
            }
        }
        match self.tried.last() {
            Some(last) if last.ok => page.line("it is green on the base commit"),
            Some(_) => page.line("it is red before any work: mend it, or its commands, before planning"),
            None => page.line("it was not tried"),
        }
        for command in &self.allowed {
            page.text(2, &format!("may be planned: {}", super::text::argv(command)));
        }
        for note in &self.notes {
            page.text(2, &format!("note: {}", safe(note)));
        }
        page.next(&self.next);
        page.done()
    }
}

impl Render for Detached {
    fn render(&self, view: &View) -> String {
        let mut next = Page::new(view);
        next.next(&self.next);
        let blank = if self.next.is_empty() { "" } else { "\n" };
        format!("{}{blank}{}", self.accepted.render(view), next.done())
    }
}

impl Render for Diagnosis {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        for check in &self.checks {
            let word = page.state(if check.ok { "pass" } else { "fail" });
            page.text(0, &format!("{word}  {}: {}", check.what, safe(&check.found)));
            if let Some(mend) = &check.mend {
                page.text(6, &format!("to mend it: {}", safe(mend)));
            }
        }
        page.done()
    }
}

impl Page<'_> {
    /// What a guest's manifest asks for, and what it gets.
    fn manifest(&mut self, guest: &Described) {
        self.field("version", &safe(&guest.version));
        self.field("asks", &words(&guest.asks));
        if let Some(granted) = &guest.granted {
            self.field("granted", &words(granted));
        }
    }

    /// A guest's settings with their defaults, and what stands over them where it is bound.
    fn guest_settings(&mut self, guest: &Described) {
        self.heading("settings, with their defaults");
        self.values(guest.settings.iter());
        for bound in &guest.bound {
            self.heading(&format!("bound at {}", bound.at));
            match bound.settings.as_object().filter(|own| !own.is_empty()) {
                Some(own) => self.values(own.iter()),
                None => self.line("  with the defaults"),
            }
        }
    }

    fn values<'v>(&mut self, values: impl ExactSizeIterator<Item = (&'v String, &'v serde_json::Value)>) {
        if values.len() == 0 {
            self.line("  none");
        }
        for (key, value) in values {
            self.hanging(2, &format!("{}: ", safe(key)), &safe(&spaced(value)));
        }
    }

    fn warnings(&mut self, warnings: &[Problem]) {
        if !warnings.is_empty() {
            self.heading("worth a look");
            self.problems(warnings);
        }
    }
}

/// A value on one line, a list with blanks to break it at.
fn spaced(value: &serde_json::Value) -> String {
    match value.as_array() {
        Some(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        None => value.to_string(),
    }
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
