//! A hook's answer, from WIT's types to the domain's. What would be kept for good is bounded here: a hook that asks for too much has no
//! usable answer, because keeping a part of it would say something that it did not say.

use orc_domain::Untrusted;
use orc_domain::verdict::{BacklogKind, Effect, FaultClass, GuestFault, MemoryKind};

use crate::bindings::types;
use crate::convert::{attribute_name, judged, severity};
use crate::fault::fault;

/// Memory items of one call.
const MEMORY_ITEMS: usize = 50;

/// Backlog items of one call.
const BACKLOG_ITEMS: usize = 100;

/// Bytes of a memory item's text.
const TEXT: usize = 2_000;

/// Bytes of a backlog item's title.
const TITLE: usize = 200;

/// Bytes of a backlog item's detail.
const DETAIL: usize = 8_000;

/// Bytes of a path: no system has longer ones.
const PATH: usize = 4_096;

/// A hook's answer.
pub(crate) fn effects(answer: Result<Vec<types::Effect>, String>) -> Result<Vec<Effect>, GuestFault> {
    let answer = judged(answer)?;
    let count = |counted: fn(&types::Effect) -> bool| answer.iter().filter(|effect| counted(effect)).count();
    at_most(count(|effect| matches!(effect, types::Effect::Remember(_))), MEMORY_ITEMS, "memory items")?;
    at_most(count(|effect| matches!(effect, types::Effect::Backlog(_))), BACKLOG_ITEMS, "backlog items")?;
    answer.into_iter().map(effect).collect()
}

fn effect(effect: types::Effect) -> Result<Effect, GuestFault> {
    match effect {
        types::Effect::Annotate(attribute) => {
            Ok(Effect::Annotate { name: attribute_name(&attribute.name)?, value: attribute.value.into() })
        }
        types::Effect::Notify(message) => Ok(Effect::Notify { message: message.into() }),
        types::Effect::Remember(memory) => remember(memory),
        types::Effect::Backlog(item) => backlog(item),
    }
}

fn remember(memory: types::Memory) -> Result<Effect, GuestFault> {
    let kind = match memory.kind {
        types::MemoryKind::Fact => MemoryKind::Fact,
        types::MemoryKind::Decision => MemoryKind::Decision,
        types::MemoryKind::Convention => MemoryKind::Convention,
        types::MemoryKind::Pitfall => MemoryKind::Pitfall,
    };
    Ok(Effect::Remember { kind, text: said(memory.text, TEXT, "a memory item's text")?, path: path(memory.path)? })
}

fn backlog(item: types::BacklogItem) -> Result<Effect, GuestFault> {
    let kind = match item.kind {
        types::BacklogKind::Bug => BacklogKind::Bug,
        types::BacklogKind::Security => BacklogKind::Security,
        types::BacklogKind::Debt => BacklogKind::Debt,
        types::BacklogKind::Test => BacklogKind::Test,
        types::BacklogKind::Docs => BacklogKind::Docs,
        types::BacklogKind::FollowUp => BacklogKind::FollowUp,
    };
    let title = said(item.title, TITLE, "a backlog item's title")?;
    if title.raw().contains(['\n', '\r']) {
        return Err(fault(FaultClass::RunOutput, "a backlog item's title has more than one line"));
    }
    let detail = bounded(item.detail, DETAIL, "a backlog item's detail")?;
    Ok(Effect::Backlog { kind, severity: severity(item.severity), title, detail, path: path(item.path)? })
}

fn path(path: Option<String>) -> Result<Option<Untrusted>, GuestFault> {
    path.map(|path| said(path, PATH, "an item's path")).transpose()
}

/// A text that has to say something.
fn said(text: String, max: usize, what: &str) -> Result<Untrusted, GuestFault> {
    if text.trim().is_empty() {
        return Err(fault(FaultClass::RunOutput, format!("{what} is empty")));
    }
    bounded(text, max, what)
}

fn bounded(text: String, max: usize, what: &str) -> Result<Untrusted, GuestFault> {
    if text.len() <= max {
        return Ok(text.into());
    }
    Err(fault(FaultClass::RunOutput, format!("{what} has {} bytes; it may have {max}", text.len())))
}

fn at_most(count: usize, max: usize, what: &str) -> Result<(), GuestFault> {
    if count <= max {
        return Ok(());
    }
    Err(fault(FaultClass::RunOutput, format!("it wants {count} {what}; one call may want {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(text: &str) -> types::Effect {
        types::Effect::Remember(types::Memory { kind: types::MemoryKind::Pitfall, text: text.into(), path: Some("src/a.rs".into()) })
    }

    fn item(title: &str, detail: &str, path: Option<&str>) -> types::Effect {
        types::Effect::Backlog(types::BacklogItem {
            kind: types::BacklogKind::FollowUp,
            severity: types::Severity::Medium,
            title: title.into(),
            detail: detail.into(),
            path: path.map(str::to_owned),
        })
    }

    #[test]
    fn what_is_in_bounds_is_taken_as_it_is() {
        let taken = effects(Ok(vec![memory(&"é".repeat(TEXT / 2)), item(&"t".repeat(TITLE), &"d".repeat(DETAIL), None)])).unwrap();
        let remembered = Effect::Remember { kind: MemoryKind::Pitfall, text: "é".repeat(TEXT / 2).into(), path: Some("src/a.rs".into()) };
        let kept = Effect::Backlog {
            kind: BacklogKind::FollowUp,
            severity: orc_domain::verdict::Severity::Medium,
            title: "t".repeat(TITLE).into(),
            detail: "d".repeat(DETAIL).into(),
            path: None,
        };
        assert_eq!(taken, [remembered, kept]);
        assert_eq!(effects(Ok(vec![memory("m"); MEMORY_ITEMS])).unwrap().len(), MEMORY_ITEMS);
        assert_eq!(effects(Ok(vec![item("t", "", None); BACKLOG_ITEMS])).unwrap().len(), BACKLOG_ITEMS);
    }

    #[test]
    fn what_is_absurd_is_no_usable_answer() {
        let long_path = "p".repeat(PATH + 1);
        let table = [
            ("no text", vec![memory(" \n")], "a memory item's text is empty"),
            ("a long text", vec![memory(&"x".repeat(TEXT + 1))], "has 2001 bytes; it may have 2000"),
            ("no title", vec![item("", "d", None)], "title is empty"),
            ("a long title", vec![item(&"t".repeat(TITLE + 1), "", None)], "may have 200"),
            ("a title of two lines", vec![item("a\nb", "", None)], "more than one line"),
            ("a long detail", vec![item("t", &"d".repeat(DETAIL + 1), None)], "may have 8000"),
            ("an empty path", vec![item("t", "", Some(""))], "path is empty"),
            ("a long path", vec![item("t", "", Some(&long_path))], "may have 4096"),
            ("many memory items", vec![memory("m"); MEMORY_ITEMS + 1], "it wants 51 memory items; one call may want 50"),
            ("many backlog items", vec![item("t", "", None); BACKLOG_ITEMS + 1], "it wants 101 backlog items; one call may want 100"),
        ];
        for (name, answer, says) in table {
            let fault = effects(Ok(answer)).unwrap_err();
            assert!(fault.class == FaultClass::RunOutput && fault.message.contains(says), "{name}: {fault}");
        }
    }
}
