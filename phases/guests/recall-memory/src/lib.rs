//! A hook before the attempt: names the items of the plan's memory snapshot that are about what is planned.
//!
//! **Belongs here:** which items, by a simple rule that anybody can follow. **Never:** what an item says: only ids leave this hook, so that an
//! item cannot speak through it. **Never** memory beyond the snapshot that the plan pins.
//!
//! **Pitfalls:** a task is an operator's words, a path the repository's; both are only cut into words here.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use orc_guest::prelude::*;
use orc_guest::text::shown;

/// Bytes of a word that says something.
const SHORTEST: usize = 4;
const LONGEST: usize = 40;

/// Words that stand in every task, or in the form of a plan, and say nothing about it. In order: they are searched.
const COMMON: &[&str] = &[
    "about", "after", "also", "argv", "been", "before", "command", "does", "each", "file", "files", "from", "have", "into", "just", "kind",
    "like", "make", "more", "must", "need", "needs", "only", "other", "over", "please", "same", "should", "some", "such", "task", "than",
    "that", "their", "them", "then", "there", "these", "they", "this", "those", "through", "under", "very", "want", "were", "what", "when",
    "where", "which", "while", "will", "with", "without", "would", "your",
];

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallMemorySettings {
    /// Items that are named.
    max_items: usize,
    /// Words that an item must share with what is planned.
    min_shared: usize,
    /// Kinds of items that are relevant whatever they share.
    always: Vec<MemoryKind>,
}

impl Settings for RecallMemorySettings {
    fn problems(&self) -> Vec<String> {
        let items = (!(1..=50).contains(&self.max_items)).then(|| format!("`max_items` is {}: use 1 to 50", self.max_items));
        let shared = (self.min_shared == 0).then(|| "`min_shared` is 0: every item would be relevant".to_owned());
        items.into_iter().chain(shared).collect()
    }
}

/// An item of a snapshot. Its source is of no matter here.
#[derive(Debug, Deserialize)]
struct Item {
    id: String,
    kind: MemoryKind,
    text: String,
}

/// The hook.
pub struct RecallMemory;

impl Hook for RecallMemory {
    type Settings = RecallMemorySettings;

    fn run(facts: &Facts, settings: &RecallMemorySettings, documents: &dyn Documents) -> Result<Vec<Effect>, Declined> {
        if documents.open("memory").is_none() {
            return Ok(Vec::new());
        }
        let items: Vec<Item> = documents.json("memory")?;
        if let Some(item) = items.iter().find(|item| !is_id(&item.id)) {
            return Err(Declined::from(format!("the memory has an item `{}`, which is no id", shown(&item.id, 80))));
        }
        let planned = planned(facts, documents)?;
        let scored = items.iter().map(|item| (shared(&item.text, &planned), item));
        let mut relevant: Vec<(usize, &Item)> = scored.filter(|(shared, item)| settings.takes(*shared, item.kind)).collect();
        // Stable: items that share as much stay in the order of the snapshot.
        relevant.sort_by_key(|(shared, _)| Reverse(*shared));
        let named: Vec<&str> = relevant.iter().take(settings.max_items).map(|(_, item)| item.id.as_str()).collect();
        Ok(vec![
            Effect::annotate("memory_items", items.len()),
            Effect::annotate("memory_relevant", relevant.len()),
            Effect::annotate("memory_recalled", named.join(" ")),
        ])
    }
}

impl RecallMemorySettings {
    fn takes(&self, shared: usize, kind: MemoryKind) -> bool {
        shared >= self.min_shared || self.always.contains(&kind)
    }
}

/// The words of what is planned, and of the files that changed so far.
fn planned(facts: &Facts, documents: &dyn Documents) -> Result<BTreeSet<String>, Declined> {
    let plan = documents.required("plan")?;
    let intent = plan.pointer("/intent").ok_or_else(|| Declined::from("the plan has no `intent`"))?;
    let action = plan.pointer("/action").unwrap_or_default();
    // JSON is cut into words as it is: what it adds are signs, and the names of its own keys, which are common words.
    let paths = facts.changes.iter().map(|change| change.path.as_str());
    Ok([intent.as_str(), action.as_str()].into_iter().chain(paths).flat_map(words).collect())
}

/// How many different words of what is planned stand in a text.
fn shared(text: &str, planned: &BTreeSet<String>) -> usize {
    words(text).filter(|word| planned.contains(word)).collect::<BTreeSet<_>>().len()
}

/// The words that say something, in small letters. Signs part them, so a path is its parts.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    // Longer ones are no words.
    let said = parts.filter(|part| (SHORTEST..=LONGEST).contains(&part.len()));
    said.map(str::to_lowercase).filter(|word| COMMON.binary_search(&word.as_str()).is_err())
}

/// The form of ORC's ids: what leaves this hook can carry no text.
fn is_id(id: &str) -> bool {
    id.strip_prefix("me_")
        .is_some_and(|rest| (1..=60).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

orc_guest::hook!(RecallMemory);

#[cfg(test)]
mod tests;
