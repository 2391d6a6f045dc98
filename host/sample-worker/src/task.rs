//! Which patch a task names.

use orc_domain::worker::WorkerTask;

/// The path behind `apply:` in the operator's words; on a later attempt that has reasons, that behind the last `apply-N:` up to it.
pub(crate) fn patch_path(task: &WorkerTask) -> Option<&str> {
    let words = task.task.as_ref()?.raw();
    let later = if task.reasons.is_empty() { 1 } else { task.attempt };
    (2..=later.min(9)).rev().find_map(|attempt| behind(words, &format!("apply-{attempt}:"))).or_else(|| behind(words, "apply:"))
}

/// The word behind `label`.
fn behind<'a>(words: &'a str, label: &str) -> Option<&'a str> {
    let mut words = words.split_whitespace();
    words.find(|word| *word == label)?;
    words.next()
}
