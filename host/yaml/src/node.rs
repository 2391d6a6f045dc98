//! The tree.

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::untrusted::Untrusted;

/// A value of a document.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique within the document that it was read from.
    pub id: usize,
    /// Where it starts.
    pub at: Place,
    /// The last line that belongs to it, from 1.
    pub last_line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a value is. Keys of a mapping are scalars, in the order of the file, without duplicates.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A single value.
    Scalar {
        /// As written, without quotes.
        text: String,
        /// Whether it stands without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Mapping {
        /// Keys and values.
        entries: Vec<(Node, Node)>,
        /// Whether it is written in braces.
        flow: bool,
    },
}

/// What a scalar means: YAML 1.2's core schema, so `no` is text and `0o7` is no number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing, `~` or `null`.
    Nothing,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Everything else, and everything in quotes.
    Text(&'a str),
}

impl Node {
    /// The scalar's meaning; `None` for lists and mappings.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => Some(resolve(text)),
            Kind::Scalar { text, plain: false } => Some(Scalar::Text(text)),
            Kind::List(_) | Kind::Mapping { .. } => None,
        }
    }

    /// A scalar as written: what a key is called. Empty for lists and mappings.
    pub fn text(&self) -> &str {
        match &self.kind {
            Kind::Scalar { text, .. } => text,
            Kind::List(_) | Kind::Mapping { .. } => "",
        }
    }

    /// The items of a list; `None` where it is none.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => (self.scalar() == Some(Scalar::Nothing)).then_some(&[]),
        }
    }

    /// The keys of a mapping with their values; `None` where it is none.
    pub fn entries(&self) -> Option<&[(Self, Self)]> {
        match &self.kind {
            Kind::Mapping { entries, .. } => Some(entries),
            _ => (self.scalar() == Some(Scalar::Nothing)).then_some(&[]),
        }
    }

    /// The entry of a mapping with this key.
    pub fn entry(&self, key: &str) -> Option<&(Self, Self)> {
        self.entries()?.iter().find(|(name, _)| name.text() == key)
    }

    /// The value of a mapping's key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// That it should be `what`, as in "a list".
    pub fn expected(&self, what: &str) -> Problem {
        let problem = Problem::new(&self.at, format!("expected {what}, found {}", self.found()));
        match self.scalar() {
            Some(Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Float(_)) if what == "text" => problem.help("put it in quotes"),
            _ => problem,
        }
    }

    /// What a person would call it, safe to show.
    pub fn found(&self) -> String {
        let text = shown(self.text());
        match (self.scalar(), &self.kind) {
            (None, Kind::List(_)) => "a list".to_owned(),
            (None, _) => "a mapping".to_owned(),
            (Some(Scalar::Nothing), _) => "nothing".to_owned(),
            (Some(Scalar::Integer(_) | Scalar::Float(_)), _) => format!("the number `{text}`"),
            (Some(Scalar::Bool(_)), _) => format!("`{text}`"),
            (Some(Scalar::Text(_)), _) => format!("the text `{text}`"),
        }
    }

    /// What it says, without places. A number that JSON has not is text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::{Number, Value};
        match (&self.kind, self.scalar()) {
            (Kind::List(items), _) => items.iter().map(Self::to_json).collect(),
            (Kind::Mapping { entries, .. }, _) => entries.iter().map(|(key, value)| (key.text().to_owned(), value.to_json())).collect(),
            (_, Some(Scalar::Bool(value))) => value.into(),
            (_, Some(Scalar::Integer(number))) => Number::from_i128(number).map_or_else(|| self.text().into(), Value::Number),
            (_, Some(Scalar::Float(number))) => number.into(),
            (_, Some(Scalar::Text(text))) => text.into(),
            (_, Some(Scalar::Nothing) | None) => Value::Null,
        }
    }
}

/// Text of a file, safe to show in a message.
pub fn shown(text: &str) -> String {
    Untrusted::new(text).for_line(60)
}

fn resolve(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Nothing,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Scalar::Text(text);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = text.parse()
    {
        return Scalar::Integer(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Scalar::Float(number),
        _ => Scalar::Text(text),
    }
}
