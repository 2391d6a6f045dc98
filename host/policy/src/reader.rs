//! Typed values out of located YAML, so that all problems of a file can be named at once.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::untrusted::is_hostile;
use orc_yaml::{Kind, Node, Scalar};

use crate::problem::unknown;

/// `base` with `over` laid on it: mappings are merged key by key, everything else is replaced.
pub(crate) fn overlaid(base: &Node, over: &Node) -> Node {
    let (Kind::Mapping { entries, flow }, Kind::Mapping { entries: top, .. }) = (&base.kind, &over.kind) else { return over.clone() };
    let mut entries = entries.clone();
    for (key, value) in top {
        match entries.iter_mut().find(|(known, _)| known.text() == key.text()) {
            Some((_, below)) => *below = overlaid(below, value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Node { kind: Kind::Mapping { entries, flow: *flow }, ..over.clone() }
}

/// Takes typed values out of nodes and keeps every problem on the way; a value that cannot be taken is the type's default, which never
/// gets out because a file with problems is refused.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    /// `taken`, or that `node` should be `what`.
    fn or_expected<T>(&mut self, taken: Option<T>, node: &Node, what: &str) -> Option<T> {
        if taken.is_none() {
            self.problems.push(node.expected(what));
        }
        taken
    }

    /// The entries of a mapping with any keys.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node) -> &'n [(Node, Node)] {
        self.or_expected(node.entries(), node, "a mapping").unwrap_or_default()
    }

    /// Says so for every key that is not one of `known`, and for each of `required` that is missing.
    pub(crate) fn keys(&mut self, node: &Node, known: &[&str], required: &[&str]) {
        for (key, _) in self.entries(node) {
            if !known.contains(&key.text()) {
                self.problems.push(unknown(&key.at, "key here", key.text(), known));
            }
        }
        for name in required.iter().filter(|name| node.get(name).is_none()) {
            self.problems.push(Problem::new(&node.at, format!("the key `{name}` is missing")).help(format!("add `{name}:`")));
        }
    }

    /// The items of a list; nothing counts as an empty one.
    pub(crate) fn items<'n>(&mut self, node: Option<&'n Node>) -> &'n [Node] {
        node.and_then(|node| self.or_expected(node.items(), node, "a list")).unwrap_or_default()
    }

    /// Text that is not empty and can be shown.
    pub(crate) fn text(&mut self, node: &Node) -> String {
        let Some(Scalar::Text(text)) = node.scalar() else {
            self.problems.push(node.expected("text"));
            return String::new();
        };
        let text = text.trim();
        if text.is_empty() {
            self.problems.push(Problem::new(&node.at, "expected text, found empty text"));
        } else if text.chars().any(|c| c != '\n' && is_hostile(c)) {
            self.problems.push(Problem::new(&node.at, "the text holds control or hidden characters"));
        }
        text.to_owned()
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, node: Option<&Node>, default: bool) -> bool {
        let Some(node) = node else { return default };
        let value = match node.scalar() {
            Some(Scalar::Bool(value)) => Some(value),
            _ => None,
        };
        self.or_expected(value, node, "true or false").unwrap_or(default)
    }

    /// A whole number in a range.
    pub(crate) fn number(&mut self, node: &Node, least: i64, most: i64) -> u64 {
        match node.scalar() {
            Some(Scalar::Integer(value)) if (i128::from(least)..=i128::from(most)).contains(&value) => {
                return u64::try_from(value).unwrap_or(0);
            }
            Some(Scalar::Integer(value)) => {
                self.problems.push(Problem::new(&node.at, format!("{value} is out of range: use {least} to {most}")));
            }
            _ => self.problems.push(node.expected("a whole number")),
        }
        0
    }

    /// A validated name or word.
    pub(crate) fn word<T>(&mut self, node: &Node) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some(Scalar::Text(text)) = node.scalar() else {
            self.problems.push(node.expected("a name"));
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
            self.problems.push(unknown(at, kind, &name.to_string(), known));
        }
    }
}
