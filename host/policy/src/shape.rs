//! What `input` and `data` look like, so that a misspelt path or word is a problem at load and not a rule that never fires.

use std::collections::BTreeMap;
use std::sync::Arc;

use orc_domain::risk::{CommandFamily, RiskClass};
use orc_yaml::Node;

use crate::Words;
use crate::problem::unknown;
use crate::reader::Reader;
use crate::rules::Rules;

/// The form of a value as far as it is known.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Nothing is known.
    Any,
    /// True or false.
    Bool,
    /// A whole number.
    Number,
    /// Any text.
    Text,
    /// Text that is one of these words.
    Word(Arc<[String]>),
    /// A list of these.
    List(Arc<Shape>),
    /// Exactly these entries.
    Record(Arc<BTreeMap<String, Shape>>),
    /// Any entries of this form.
    Table(Arc<Shape>),
    /// The builder.
    Out,
}

impl Shape {
    fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    fn table(entry: Self) -> Self {
        Self::Table(Arc::new(entry))
    }

    fn record<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Record(Arc::new(entries.map(|(name, shape)| (name.to_owned(), shape)).into()))
    }

    /// One of these words.
    pub(crate) fn word<T: std::fmt::Display>(words: impl IntoIterator<Item = T>) -> Self {
        Self::Word(words.into_iter().map(|word| word.to_string()).collect())
    }

    fn known<T: std::fmt::Display>(words: impl IntoIterator<Item = T>, shape: &Self) -> Self {
        Self::Record(Arc::new(words.into_iter().map(|word| (word.to_string(), shape.clone())).collect()))
    }

    /// The form of the entries or items.
    pub(crate) fn element(&self) -> Self {
        match self {
            Self::List(item) | Self::Table(item) => (**item).clone(),
            // Entries that all look the same in the stock document do so by their types.
            Self::Record(entries) => entries.values().next().cloned().unwrap_or(Self::Any),
            _ => Self::Any,
        }
    }

    /// The form of the keys.
    pub(crate) fn keys(&self) -> Self {
        match self {
            Self::Record(entries) => Self::word(entries.keys()),
            _ => Self::Text,
        }
    }

    /// What a person calls it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text | Self::Word(_) => "text",
            Self::List(_) => "a list",
            Self::Record(_) | Self::Table(_) => "a table",
            Self::Out => "`out`",
        }
    }

    /// Whether `==` between the two can ever be answered.
    pub(crate) fn comparable(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Any, _) | (_, Self::Any)) || self.name() == other.name()
    }

    /// Names every key of `node` that this form does not have.
    pub(crate) fn check(&self, node: &Node, reader: &mut Reader) {
        let (entries, items) = (node.entries().unwrap_or_default(), node.items().unwrap_or_default());
        match self {
            Self::Record(known) => {
                for (key, entry) in entries {
                    match known.get(key.text()) {
                        Some(shape) => shape.check(entry, reader),
                        None => reader.problems.push(unknown(&key.at, "key here", key.text(), known.keys())),
                    }
                }
            }
            Self::Table(shape) => entries.iter().for_each(|(_, entry)| shape.check(entry, reader)),
            Self::List(shape) => items.iter().for_each(|item| shape.check(item, reader)),
            _ => {}
        }
    }
}

/// The form of `input`.
pub(crate) fn input(words: &Words, rules: &Rules) -> Shape {
    let class = Shape::word(RiskClass::ALL);
    let family = Shape::word(CommandFamily::ALL);
    let texts = Shape::list(Shape::Text);
    Shape::record([
        ("schema", Shape::Number),
        ("now_s", Shape::Number),
        ("hour", Shape::Number),
        ("weekday", Shape::Number),
        ("requesters", Shape::list(Shape::record([("name", Shape::Text), ("roles", texts.clone())]))),
        ("operators", Shape::Number),
        ("tenant", Shape::record([("name", Shape::Text), ("active", Shape::Number), ("planned_last_hour", Shape::Number)])),
        (
            "project",
            Shape::record([
                ("name", Shape::Text),
                ("families", Shape::list(family.clone())),
                ("stack", texts.clone()),
                ("owners", texts.clone()),
                ("active", Shape::Number),
            ]),
        ),
        ("family", family),
        ("action", Shape::Text),
        ("argv", texts.clone()),
        ("flags", Shape::known(rules.flags.keys(), &Shape::Bool)),
        ("metadata", Shape::table(Shape::Text)),
        ("pipeline", Shape::Text),
        ("phase", Shape::word(&words.phases)),
        ("engine", Shape::Text),
        ("freezes", Shape::list(Shape::record([("scope", Shape::Text), ("reason", Shape::Text)]))),
        ("groups", Shape::known(&words.groups, &Shape::record([("members", Shape::Number), ("eligible", Shape::Number)]))),
        ("diff", Shape::record([("files", Shape::Number), ("added", Shape::Number), ("removed", Shape::Number)])),
        (
            "launch",
            Shape::record([
                ("purpose", Shape::word(["command", "verify", "prepare", "worker", "runbook"])),
                ("argv", texts.clone()),
                ("network", Shape::word(["none", "full"])),
                ("env_names", texts),
            ]),
        ),
        ("approved_risk", class),
    ])
}

/// The form of `data`.
pub(crate) fn data(words: &Words, rules: &Rules) -> Shape {
    let class = Shape::word(RiskClass::ALL);
    let families = Shape::list(Shape::word(CommandFamily::ALL));
    let texts = Shape::list(Shape::Text);
    let per_family = |shape: &Shape| Shape::known(CommandFamily::ALL, shape);
    let patterns = Shape::list(Shape::list(Shape::Any));
    let tenant = Shape::record([("active", Shape::Number), ("planned_per_hour", Shape::Number)]);
    let project = Shape::record([("active", Shape::Number)]);
    let flag = Shape::record([("description", Shape::Text), ("risk", class.clone()), ("derived", Shape::Bool)]);
    let groups = Shape::Table(Arc::new(Shape::Number));
    Shape::record([
        ("families", per_family(&Shape::record([("risk", class.clone()), ("low_needs_approval", Shape::Bool)]))),
        ("flags", Shape::known(rules.flags.keys(), &flag)),
        ("thresholds", Shape::record([("diff_files", Shape::Number), ("diff_lines", Shape::Number), ("risk", class)])),
        ("approvals", Shape::known(RiskClass::ALL, &Shape::record([("groups", groups), ("expires_h", Shape::Number)]))),
        ("sole_operator", Shape::record([("confirmation", Shape::Bool)])),
        (
            "quotas",
            Shape::record([
                ("tenant", tenant.clone()),
                ("project", project.clone()),
                ("tenants", Shape::table(tenant)),
                ("projects", Shape::table(project)),
            ]),
        ),
        (
            "freeze_windows",
            Shape::list(Shape::record([
                ("reason", Shape::Text),
                ("families", families.clone()),
                ("weekdays", Shape::list(Shape::Number)),
                ("from_hour", Shape::Number),
                ("to_hour", Shape::Number),
            ])),
        ),
        (
            "launch",
            Shape::record([
                ("env", texts.clone()),
                ("network_full", Shape::record([("purposes", texts.clone()), ("projects", texts.clone())])),
            ]),
        ),
        ("skip", Shape::list(Shape::record([("phase", Shape::word(&words.phases)), ("actions", texts), ("reason", Shape::Text)]))),
        ("autorun", Shape::record([("enabled", Shape::Bool), ("families", families)])),
        ("codes", Shape::table(Shape::record([("level", Shape::word(["deny", "warn"])), ("remedy", Shape::Any)]))),
        ("commands", per_family(&patterns)),
        ("project_commands", Shape::table(Shape::Table(Arc::new(patterns)))),
    ])
}

/// The optional fields of [`DecisionInput`]: scripts see `()` where one is absent, and ask with `present(..)`.
pub(crate) const OPTIONAL: &[&str] = &["phase", "engine", "diff", "launch", "approved_risk"];

/// The document's version that this room understands.
pub(crate) const INPUT_SCHEMA: u32 = 1;
