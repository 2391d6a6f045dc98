//! Names that are not known.

use std::fmt::Display;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::nearest::suggest;
use orc_yaml::shown;

/// `text` is no `kind` among `known`.
pub(crate) fn unknown<T: Display>(at: &Place, kind: &str, text: &str, known: impl IntoIterator<Item = T>) -> Problem {
    let known: Vec<String> = known.into_iter().map(|name| name.to_string()).collect();
    Problem::new(at, format!("`{}` is no known {kind}", shown(text))).help(suggest(text, &known))
}
