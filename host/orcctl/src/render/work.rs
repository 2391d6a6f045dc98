//! The work of an execution: what changed, where it is, the patch.

use orc_domain::api::WorkDiff;
use orc_domain::ports::Change;

use super::page::Page;
use super::text::{count, safe};
use super::{Render, View};

impl Render for WorkDiff {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.summary(&self.workflow);
        page.field("base", &format!("{} of {}", safe(&self.base.commit), safe(&self.base.branch)));
        match &self.branch {
            Some(work) => {
                page.field("commit", &safe(&work.commit));
                page.field("branch", &format!("{} in {}", safe(&work.branch), safe(&work.repository)));
            }
            None => page.line("nothing was committed"),
        }
        if !self.changes.is_empty() {
            page.heading(&count(self.changes.len() as u64, "file"));
            page.table(&["file", "change", "lines"], self.changes.iter().map(change_row).collect());
            page.heading("patch");
            page.diff(&self.patch);
        }
        if self.cut {
            page.line("the patch is cut here; fetch the branch to see all of it");
        }
        page.next(&self.next);
        page.done()
    }
}

fn change_row(change: &Change) -> Vec<String> {
    let lines = if change.binary { "binary".to_owned() } else { format!("+{} -{}", change.added, change.removed) };
    vec![safe(change.path.raw()), change.kind.to_string(), lines]
}
