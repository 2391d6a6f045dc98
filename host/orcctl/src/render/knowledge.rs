//! Memory and backlog: lists, and single items.

use orc_domain::api::{Backlog, BacklogItem, Memory, MemoryItem};

use super::page::Page;
use super::text::safe;
use super::{Render, View};

impl Render for Memory {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.items.is_empty() {
            page.line("nothing is remembered");
        }
        for item in &self.items {
            page.memory_item(item);
        }
        page.next(&self.next);
        page.done()
    }
}

impl Render for MemoryItem {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.memory_item(self);
        page.done()
    }
}

impl Render for Backlog {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        if self.items.is_empty() {
            page.line("nothing is left to do");
        }
        for item in &self.items {
            page.backlog_item(item);
        }
        page.next(&self.next);
        page.done()
    }
}

impl Render for BacklogItem {
    fn render(&self, view: &View) -> String {
        let mut page = Page::new(view);
        page.backlog_item(self);
        page.done()
    }
}

impl Page<'_> {
    fn memory_item(&mut self, item: &MemoryItem) {
        let about = item.path.as_ref().map(|path| format!(", about {}", safe(path.raw()))).unwrap_or_default();
        let id = self.bold(item.id.as_str());
        self.line(&format!("{id}  {}  {}{about}, {}", item.state, item.kind, self.when(item.created_at)));
        self.hanging(2, "", &item.text.for_line(1000));
    }

    fn backlog_item(&mut self, item: &BacklogItem) {
        let about = item.path.as_ref().map(|path| format!(", about {}", safe(path.raw()))).unwrap_or_default();
        let planned = item.workflow.as_ref().map(|workflow| format!(", planned as {workflow}")).unwrap_or_default();
        let id = self.bold(item.id.as_str());
        self.line(&format!("{id}  {}  {} {}{about}, {}{planned}", item.state, item.severity, item.kind, self.when(item.created_at)));
        self.hanging(2, "", &item.title.for_line(200));
        if item.detail != item.title {
            self.hanging(4, "", &item.detail.for_line(1000));
        }
    }
}
