//! Problems in files: where, what, and the nearest valid name.

use std::fmt::Display;

use orc_domain::Untrusted;
use orc_domain::api::Problem;
use orc_domain::decision::Place;

/// `text` is no `kind` among `known`.
pub(crate) fn unknown<T: Display>(at: &Place, kind: &str, text: &str, known: impl IntoIterator<Item = T>) -> Problem {
    let known: Vec<String> = known.into_iter().map(|name| name.to_string()).collect();
    let shown = Untrusted::new(text).for_line(60);
    Problem::new(at, format!("`{shown}` is no known {kind}")).help(suggest(text, &known))
}

/// The nearest name, or all of them where none is near.
pub(crate) fn suggest(text: &str, known: &[String]) -> String {
    if known.is_empty() {
        return "there is none".to_owned();
    }
    match nearest(text, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("use one of {}", known.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

fn nearest<'a>(text: &str, known: &'a [String]) -> Option<&'a String> {
    let text: String = text.chars().take(100).collect();
    let scored = known.iter().map(|name| (strsim::damerau_levenshtein(&text, name), name));
    let (distance, name) = scored.min()?;
    (distance <= 1 + text.chars().count().min(name.len()) / 3).then_some(name)
}
