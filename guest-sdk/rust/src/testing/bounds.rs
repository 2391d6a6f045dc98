//! What the host refuses about a hook's answer (`host/guests/src/effects.rs`), so that a native case finds it too.

use crate::Effect;
use crate::effects::{BACKLOG_ITEMS, DETAIL, MEMORY_ITEMS, MEMORY_TEXT, PATH, TITLE};

/// Why the host would make a fault of class `run.output` of this answer.
pub(super) fn problem(effects: &[Effect]) -> Option<String> {
    let count = |word: &str| effects.iter().filter(|effect| effect.word() == word).count();
    too_many(count("remember"), MEMORY_ITEMS, "memory items")
        .or_else(|| too_many(count("backlog"), BACKLOG_ITEMS, "backlog items"))
        .or_else(|| effects.iter().find_map(of_effect))
}

fn too_many(count: usize, max: usize, what: &str) -> Option<String> {
    (count > max).then(|| format!("it wants {count} {what}; one call may want {max}"))
}

fn of_effect(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Annotate(attribute) if !is_name(&attribute.name) => {
            Some(format!("an annotation's name is malformed: `{}`", attribute.name))
        }
        Effect::Annotate(_) | Effect::Notify(_) => None,
        Effect::Remember(memory) => said(&memory.text, MEMORY_TEXT, "a memory item's text").or_else(|| of_path(memory.path.as_deref())),
        Effect::Backlog(item) if item.title.contains(['\n', '\r']) => Some("a backlog item's title has more than one line".to_owned()),
        Effect::Backlog(item) => said(&item.title, TITLE, "a backlog item's title")
            .or_else(|| bounded(&item.detail, DETAIL, "a backlog item's detail"))
            .or_else(|| of_path(item.path.as_deref())),
    }
}

fn of_path(path: Option<&str>) -> Option<String> {
    path.and_then(|path| said(path, PATH, "an item's path"))
}

fn said(text: &str, max: usize, what: &str) -> Option<String> {
    if text.trim().is_empty() { Some(format!("{what} is empty")) } else { bounded(text, max, what) }
}

fn bounded(text: &str, max: usize, what: &str) -> Option<String> {
    (text.len() > max).then(|| format!("{what} has {} bytes; it may have {max}", text.len()))
}

/// The form of the host's codes.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= 64 && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BacklogItem, BacklogKind, Memory, MemoryKind, Severity};

    /// The host's own test has the same table.
    #[test]
    fn what_the_host_refuses_is_refused() {
        let memory = |text: &str| Effect::Remember(Memory { kind: MemoryKind::Pitfall, text: text.to_owned(), path: None });
        let item = |title: &str, detail: &str, path: Option<&str>| {
            Effect::Backlog(BacklogItem {
                kind: BacklogKind::Debt,
                severity: Severity::Low,
                title: title.to_owned(),
                detail: detail.to_owned(),
                path: path.map(str::to_owned),
            })
        };
        let long_path = "p".repeat(PATH + 1);
        let table = [
            ("no text", vec![memory(" \n")], "a memory item's text is empty"),
            ("a long text", vec![memory(&"x".repeat(MEMORY_TEXT + 1))], "has 2001 bytes; it may have 2000"),
            ("no title", vec![item("", "d", None)], "title is empty"),
            ("a long title", vec![item(&"t".repeat(TITLE + 1), "", None)], "may have 200"),
            ("a title of two lines", vec![item("a\nb", "", None)], "more than one line"),
            ("a long detail", vec![item("t", &"d".repeat(DETAIL + 1), None)], "may have 8000"),
            ("an empty path", vec![item("t", "", Some(""))], "path is empty"),
            ("a long path", vec![item("t", "", Some(&long_path))], "may have 4096"),
            ("many memory items", vec![memory("m"); MEMORY_ITEMS + 1], "it wants 51 memory items; one call may want 50"),
            ("many backlog items", vec![item("t", "", None); BACKLOG_ITEMS + 1], "it wants 101 backlog items; one call may want 100"),
            ("a name with a space", vec![Effect::annotate("a b", 1)], "name is malformed"),
        ];
        for (name, effects, says) in table {
            let problem = problem(&effects).unwrap_or_else(|| panic!("{name} was taken"));
            assert!(problem.contains(says), "{name}: {problem}");
        }
        let good = [memory("m"), item("t", "", Some("a")), Effect::annotate("a_b-c.1", 1), Effect::Notify(String::new())];
        assert_eq!(problem(&good), None);
    }
}
