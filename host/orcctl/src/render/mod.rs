//! Answers into text for a terminal: pure functions, one file a subject. Everything that came from outside goes through [`text`].

pub(crate) mod error;
pub(crate) mod text;

mod approvals;
mod audit;
mod explain;
mod knowledge;
mod lists;
mod local;
mod overview;
mod page;
mod phases;
mod plan;
mod rules;
mod status;
mod story;
#[cfg(test)]
mod tests;
mod when;
mod work;
mod workflow;

use jiff::tz::TimeZone;

pub(crate) use approvals::card;
pub(crate) use audit::{WholeAudit, event_line};
pub(crate) use local::migrated;
pub(crate) use phases::attempts;
pub(crate) use story::Story;

/// How text is to look.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Whether to use colour.
    pub(crate) color: bool,
    /// The operator's zone.
    pub(crate) zone: TimeZone,
    /// Columns.
    pub(crate) width: u16,
    /// What next steps begin with: `orcctl` and the options that say which installation.
    pub(crate) program: String,
}

/// An answer that can be shown.
pub(crate) trait Render {
    /// The answer as text, next steps last.
    fn render(&self, view: &View) -> String;
}
