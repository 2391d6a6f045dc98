//! YAML read into a tree whose every node knows its place, so that all problems of a file can be named at once.
//!
//! Serde alone stops at the first wrong key; people who edit a table want the whole list.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use orc_domain::Untrusted;
use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::untrusted::is_hostile;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use crate::problem::unknown;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) value: Value,
}

/// What YAML can say here. Fractions cannot be said: policy counts in whole numbers.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key with its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) at: Place,
    pub(crate) name: String,
}

/// Reads a file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Node, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::new(&Place::file(file), "the file is not UTF-8 text"))?;
    // An alias says a thing where a reader does not see it, and a few of them can stand for gigabytes.
    let options = serde_yaml::options! { budget: serde_yaml::budget! { max_aliases: 0, max_anchors: 0 } };
    let raw: Spanned<Raw> = serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let location = error.location();
        let at = location.map_or_else(|| Place::file(file), |at| place(file, at));
        // The first line says what is wrong; the rest is a picture for terminals.
        let message = error.without_snippet().to_string();
        Problem::new(&at, message.lines().next().unwrap_or("this is no YAML").to_owned())
    })?;
    Ok(raw_node(file, raw))
}

fn place(file: &str, at: serde_yaml::Location) -> Place {
    let number = |value: u64| usize::try_from(value).unwrap_or(0);
    Place { file: file.to_owned(), line: number(at.line()), column: number(at.column()) }
}

enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn raw_node(file: &str, raw: Spanned<Raw>) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Int(value) => Value::Int(value),
        Raw::Text(value) => Value::Text(value),
        Raw::List(items) => Value::List(items.into_iter().map(|item| raw_node(file, item)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Raw>)| {
                (Key { at: place(file, key.referenced), name: key.value }, raw_node(file, value))
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { at: place(file, raw.referenced), value }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false, a whole number, text, a list or a table")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        i64::try_from(value).map(Raw::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
        while let Some(entry) = map.next_entry::<Spanned<String>, Spanned<Raw>>()? {
            if entries.iter().any(|(key, _)| key.value == entry.0.value) {
                return Err(A::Error::custom("the same key stands here twice"));
            }
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

impl Node {
    /// The entry of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// This with `over` laid on it: tables are merged key by key, everything else is replaced.
    pub(crate) fn overlaid(&self, over: &Self) -> Self {
        let (Value::Map(base), Value::Map(top)) = (&self.value, &over.value) else { return over.clone() };
        let mut merged = base.clone();
        for (key, node) in top {
            match merged.iter_mut().find(|(known, _)| known.name == key.name) {
                Some((_, below)) => *below = below.overlaid(node),
                None => merged.push((key.clone(), node.clone())),
            }
        }
        Self { at: over.at.clone(), value: Value::Map(merged) }
    }

    /// The same without places.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Text(value) => value.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a table",
        }
    }
}

/// Takes typed values out of nodes and keeps every problem on the way; a value that cannot be taken is the type's default, which never
/// gets out because a file with problems is refused.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    fn expected(&mut self, node: &Node, what: &str) {
        self.problems.push(Problem::new(&node.at, format!("expected {what}, found {}", node.kind())));
    }

    /// The entries of a table with any keys.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                self.expected(node, "a table");
                &[]
            }
        }
    }

    /// Says so for every key that is not one of `known`, and for each of `required` that is missing.
    pub(crate) fn keys(&mut self, node: &Node, known: &[&str], required: &[&str]) {
        for (key, _) in self.entries(node) {
            if !known.contains(&key.name.as_str()) {
                self.problems.push(unknown(&key.at, "key here", &key.name, known));
            }
        }
        for name in required.iter().filter(|name| node.get(name).is_none()) {
            self.problems.push(Problem::new(&node.at, format!("the key `{name}` is missing")).help(format!("add `{name}:`")));
        }
    }

    /// The items of a list; nothing counts as an empty one.
    pub(crate) fn items<'n>(&mut self, node: Option<&'n Node>) -> &'n [Node] {
        match node.map(|node| (node, &node.value)) {
            None | Some((_, Value::Null)) => &[],
            Some((_, Value::List(items))) => items,
            Some((node, _)) => {
                self.expected(node, "a list");
                &[]
            }
        }
    }

    /// Text that is not empty and can be shown.
    pub(crate) fn text(&mut self, node: &Node) -> String {
        match &node.value {
            Value::Text(text) if text.trim().chars().any(|c| c != '\n' && is_hostile(c)) => {
                self.problems.push(Problem::new(&node.at, "the text holds control or hidden characters"));
            }
            Value::Text(text) if !text.trim().is_empty() => return text.trim().to_owned(),
            Value::Text(_) => self.problems.push(Problem::new(&node.at, "expected text, found empty text")),
            _ => self.problems.push(Problem::new(&node.at, format!("expected text, found {}", node.kind())).help("put it in quotes")),
        }
        String::new()
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, node: Option<&Node>, default: bool) -> bool {
        match node.map(|node| (node, &node.value)) {
            None => default,
            Some((_, Value::Bool(value))) => *value,
            Some((node, _)) => {
                self.expected(node, "true or false");
                default
            }
        }
    }

    /// A whole number in a range.
    pub(crate) fn number(&mut self, node: &Node, least: i64, most: i64) -> u64 {
        match node.value {
            Value::Int(value) if (least..=most).contains(&value) => return u64::try_from(value).unwrap_or(0),
            Value::Int(value) => {
                self.problems.push(Problem::new(&node.at, format!("{value} is out of range: use {least} to {most}")));
            }
            _ => self.expected(node, "a whole number"),
        }
        0
    }

    /// A validated name or word.
    pub(crate) fn word<T>(&mut self, node: &Node) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Value::Text(text) = &node.value else {
            self.expected(node, "a name");
            return None;
        };
        self.parsed(&node.at, text)
    }

    /// A validated key.
    pub(crate) fn parsed<T>(&mut self, at: &Place, text: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        text.parse().map_err(|error: T::Err| self.problems.push(Problem::new(at, error.to_string()))).ok()
    }

    /// A list of validated names, each once.
    pub(crate) fn words<T>(&mut self, node: Option<&Node>) -> BTreeSet<T>
    where
        T: FromStr + Ord,
        T::Err: fmt::Display,
    {
        let mut words = BTreeSet::new();
        for item in self.items(node) {
            if let Some(word) = self.word(item)
                && !words.insert(word)
            {
                self.problems.push(Problem::new(&item.at, "this stands here twice"));
            }
        }
        words
    }

    /// Says so where `name` is not one of `known`.
    pub(crate) fn known<T: fmt::Display + Ord>(&mut self, at: &Place, kind: &str, name: &T, known: &BTreeSet<T>) {
        if !known.contains(name) {
            let shown = Untrusted::new(name.to_string()).for_line(80);
            self.problems.push(unknown(at, kind, &shown, known));
        }
    }
}
