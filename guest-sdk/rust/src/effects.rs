//! Building what a hook wants kept: memory and backlog items. The host refuses an answer with an item beyond these bounds, so texts are
//! cut to them here.

use crate::text::{cut, one_line};
use crate::{Attribute, BacklogItem, BacklogKind, Effect, Memory, MemoryKind, Severity};

/// Memory items of one call.
pub const MEMORY_ITEMS: usize = 50;

/// Backlog items of one call.
pub const BACKLOG_ITEMS: usize = 100;

/// Bytes of a memory item's text.
pub const MEMORY_TEXT: usize = 2_000;

/// Bytes of a backlog item's title.
pub const TITLE: usize = 200;

/// Bytes of a backlog item's detail.
pub const DETAIL: usize = 8_000;

/// Bytes of a path.
pub const PATH: usize = 4_096;

impl Memory {
    /// An item with this text, cut where it is too long. The host refuses one that says nothing.
    pub fn new(kind: MemoryKind, text: &str) -> Self {
        Self { kind, text: cut(text.trim(), MEMORY_TEXT), path: None }
    }

    /// About this file. A path that is none (empty, or longer than any) is left out: a cut path is another path.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = good(path);
        self
    }
}

impl BacklogItem {
    /// An item with this title, as one line, cut where it is too long. The host refuses one that says nothing.
    pub fn new(kind: BacklogKind, severity: Severity, title: &str) -> Self {
        Self { kind, severity, title: one_line(title, TITLE), detail: String::new(), path: None }
    }

    /// In full, cut where it is too long.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = cut(detail.trim(), DETAIL);
        self
    }

    /// About this file. A path that is none (empty, or longer than any) is left out: a cut path is another path.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = good(path);
        self
    }
}

impl Effect {
    /// Keeps a fact with the phase run. Names are in snake or kebab case.
    pub fn annotate(name: impl Into<String>, value: impl ToString) -> Self {
        Self::Annotate(Attribute { name: name.into(), value: value.to_string() })
    }

    /// The word that cases and screens use: `annotate`, `notify`, `remember`, `backlog`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Annotate(_) => "annotate",
            Self::Notify(_) => "notify",
            Self::Remember(_) => "remember",
            Self::Backlog(_) => "backlog",
        }
    }
}

fn good(path: &str) -> Option<String> {
    (!path.trim().is_empty() && path.len() <= PATH).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_to_the_bounds() {
        let long = "é".repeat(10_000);
        let memory = Memory::new(MemoryKind::Fact, &format!("  {long}")).at(&long);
        assert!(memory.text.len() <= MEMORY_TEXT && memory.text.ends_with('…') && memory.path.is_none(), "{memory:?}");
        let item = BacklogItem::new(BacklogKind::Bug, Severity::Low, &format!("a\n{long}")).detail(&long).at(" ");
        assert!(item.title.starts_with("a é") && item.title.len() <= TITLE, "{item:?}");
        assert!(item.detail.len() <= DETAIL && item.path.is_none());
        let item = BacklogItem::new(BacklogKind::Bug, Severity::Low, "t").at("src/a.rs");
        assert_eq!(item.path.as_deref(), Some("src/a.rs"));
    }
}
