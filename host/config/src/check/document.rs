//! One YAML file of the root: its value, and where in the file each part of it stands.

use std::collections::BTreeSet;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_yaml::{Kind, Node};
use serde::de::DeserializeOwned;

use super::Report;
use crate::read::{Hole, read};
use crate::root::RootSnapshot;

/// A file that could be read, perhaps with stand-ins where something was wrong.
pub(crate) struct Document<T> {
    pub(crate) value: T,
    pub(crate) root: Node,
    repaired: BTreeSet<Hole>,
    sound: bool,
}

impl<T: DeserializeOwned> Document<T> {
    /// Reads a file of the root. `None` where not even stand-ins make it a `T`; what is wrong is in the report either way.
    pub(crate) fn open(snapshot: &RootSnapshot, file: &str, report: &mut Report) -> Option<Self> {
        let Some(bytes) = snapshot.file(file) else {
            report.file(file, "the file is missing", "`orcctl init` writes a root with every file in it".to_owned());
            return None;
        };
        let (problems, document) = Self::parse(file, bytes);
        report.problems.extend(problems);
        document
    }

    /// Reads a file's bytes.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> (Vec<Problem>, Option<Self>) {
        let (root, mut problems) = match orc_yaml::parse_past_duplicates(file, bytes) {
            Ok(parsed) => parsed,
            Err(problem) => return (vec![problem], None),
        };
        let reading = read::<T>(&root);
        problems.extend(reading.problems);
        let (repaired, sound) = (reading.repaired, problems.is_empty());
        let document = reading.value.map(|value| Self { value, root, repaired, sound });
        (problems, document)
    }
}

impl<T> Document<T> {
    /// The value, where nothing is wrong with the file's form. What other files say about a file that is not sound is judged once it is:
    /// each slip of the pen would come with a tail of problems that it made.
    pub(crate) fn sound(&self) -> Option<&T> {
        self.sound.then_some(&self.value)
    }

    /// Whether the value at `path` is in the file: not a default, not a stand-in.
    pub(crate) fn says(&self, path: &str) -> bool {
        let mut node = Some(&self.root);
        for step in path.split('/') {
            node = node.and_then(|node| child(node, step)).map(|(_, value)| value);
        }
        node.is_some()
    }

    /// A problem with the value at `path` (`projects/flowry/owners/0`), or with the nearest value around it that the file has. Silent
    /// where a stand-in is there: what was wrong there is noted already.
    pub(crate) fn wrong(&self, report: &mut Report, path: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        if let Some(at) = self.place(path) {
            report.problems.push(Problem { at, message: message.into(), help: help.into() });
        }
    }

    /// As [`Document::wrong`], for what is allowed and probably not meant.
    pub(crate) fn warn(&self, report: &mut Report, path: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        if let Some(at) = self.place(path) {
            report.warnings.push(Problem { at, message: message.into(), help: help.into() });
        }
    }

    fn place(&self, path: &str) -> Option<Place> {
        let mut node = &self.root;
        let whole = Place::file(&self.root.at.file);
        let mut at = &whole;
        for step in path.split('/') {
            if self.stood_in(node, step) {
                return None;
            }
            let Some((place, value)) = child(node, step) else { break };
            (node, at) = (value, place);
        }
        (!self.repaired.contains(&(node.id, None))).then(|| at.clone())
    }

    fn stood_in(&self, node: &Node, step: &str) -> bool {
        let key = node.entry(step).map(|(key, _)| key.id);
        let field = |hole: &Hole| hole.0 == node.id && hole.1.is_none_or(|field| field == step);
        self.repaired.iter().any(|hole| field(hole) || (hole.1.is_none() && Some(hole.0) == key))
    }
}

/// The part of a value that a step names, and where a person would look for it: a single value at itself, a mapping or list at its key.
fn child<'a>(node: &'a Node, step: &str) -> Option<(&'a Place, &'a Node)> {
    match &node.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => step.parse().ok().and_then(|index: usize| items.get(index)).map(|item| (&item.at, item)),
        Kind::Mapping { .. } => node.entry(step).map(|(key, value)| (if value.text().is_empty() { &key.at } else { &value.at }, value)),
    }
}
