//! Names that are not known.

use std::fmt::Display;

use orc_domain::Untrusted;
use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::nearest::suggest;

/// `text` is no `kind` among `known`.
pub(crate) fn unknown<T: Display>(at: &Place, kind: &str, text: &str, known: impl IntoIterator<Item = T>) -> Problem {
    let known: Vec<String> = known.into_iter().map(|name| name.to_string()).collect();
    let shown = Untrusted::new(text).for_line(60);
    Problem::new(at, format!("`{shown}` is no known {kind}")).help(suggest(text, &known))
}
