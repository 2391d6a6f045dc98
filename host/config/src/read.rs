//! From a tree to a domain type, all errors in one go. The domain's `Deserialize` is the one place that says which keys exist, but serde
//! stops at the first thing wrong. So the first thing is noted, a stand-in takes its place, and the type is read again, until nothing is
//! wrong any more. A value with stand-ins in it is never used as configuration: it only lets the checks behind go on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::nearest::{did_you_mean, suggest};
use orc_yaml::{Kind, Node, Scalar, shown};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

/// Problems noted in one document; a file with more is another kind of file.
const MAX_PROBLEMS: usize = 100;

/// Between them every validated text of the configuration accepts one of these: names the first, digests the second, the id the third.
const STAND_IN_TEXTS: [&str; 3] = ["x", "sha256:0000000000000000000000000000000000000000000000000000000000000000", "in_x"];

/// A place that holds no usable value: a node, or a field that a node does not have.
pub(crate) type Hole = (usize, Option<&'static str>);

/// What was read, and what was wrong with it.
pub(crate) struct Reading<T> {
    /// The value, with stand-ins where something was wrong; `None` where even that failed.
    pub(crate) value: Option<T>,
    pub(crate) problems: Vec<Problem>,
    /// Nodes whose value, or one of whose fields, is a stand-in.
    pub(crate) repaired: BTreeSet<Hole>,
}

/// Reads a value of type `T`.
pub(crate) fn read<T: DeserializeOwned>(root: &Node) -> Reading<T> {
    let session = Session::default();
    let value = loop {
        match T::deserialize(session.reader(root)) {
            Ok(value) => break Some(value),
            Err(fault) => {
                if !session.mend(fault) {
                    break None;
                }
            }
        }
    };
    let repaired = session.holes.into_inner().into_keys().collect();
    Reading { value, problems: session.problems.into_inner(), repaired }
}

#[derive(Default)]
struct Session {
    problems: RefCell<Vec<Problem>>,
    /// Each hole with the stand-in text that is tried for it.
    holes: RefCell<BTreeMap<Hole, usize>>,
    /// Unknown keys that were noted in an earlier round.
    unknown: RefCell<BTreeSet<usize>>,
}

impl Session {
    fn reader<'a>(&'a self, node: &'a Node) -> Reader<'a> {
        let hole = (node.id, None);
        let source = if self.holes.borrow().contains_key(&hole) { Source::StandIn(hole) } else { Source::Node(node) };
        Reader { source, session: self }
    }

    /// Notes what was wrong and puts a stand-in there. `false` where that does not help.
    fn mend(&self, fault: Fault) -> bool {
        let (hole, at) = match (fault.origin, fault.missing) {
            (Some(Origin::Node { id, at }), missing) => ((id, missing), at),
            (Some(Origin::StandIn(hole)), _) => return self.try_next_text(hole),
            (None, _) => return false,
        };
        self.holes.borrow_mut().insert(hole, 0);
        let mut problems = self.problems.borrow_mut();
        problems.push(Problem { at, message: fault.message, help: fault.help });
        problems.len() < MAX_PROBLEMS
    }

    fn try_next_text(&self, hole: Hole) -> bool {
        let mut holes = self.holes.borrow_mut();
        let Some(tried) = holes.get_mut(&hole) else { return false };
        *tried += 1;
        *tried < STAND_IN_TEXTS.len()
    }

    fn stand_in_text(&self, hole: Hole) -> &'static str {
        let tried = self.holes.borrow().get(&hole).copied().unwrap_or_default();
        STAND_IN_TEXTS[tried.min(STAND_IN_TEXTS.len() - 1)]
    }

    fn note_unknown(&self, key: &Node, fields: &'static [&'static str]) {
        if self.unknown.borrow_mut().insert(key.id) {
            let problem = Problem::new(&key.at, format!("unknown key `{}`", shown(key.text())));
            self.problems.borrow_mut().push(problem.help(suggest(key.text(), fields.iter().copied())));
        }
    }
}

#[derive(Debug, Clone)]
enum Origin {
    Node { id: usize, at: Place },
    StandIn(Hole),
}

/// What serde says when a value does not fit, with the place that it fits least.
#[derive(Debug)]
struct Fault {
    origin: Option<Origin>,
    missing: Option<&'static str>,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new(message: String) -> Self {
        Self { origin: None, missing: None, message, help: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("`{field}` is missing")) }
    }
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Node(&'a Node),
    StandIn(Hole),
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    source: Source<'a>,
    session: &'a Session,
}

impl<'a> Reader<'a> {
    fn stand_in(self, hole: Hole) -> Self {
        Self { source: Source::StandIn(hole), ..self }
    }

    /// Says where a fault of this value comes from, unless a value inside it said so already.
    fn located<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|mut fault| {
            fault.origin.get_or_insert_with(|| match self.source {
                Source::Node(node) => Origin::Node { id: node.id, at: node.at.clone() },
                Source::StandIn(hole) => Origin::StandIn(hole),
            });
            fault
        })
    }

    fn expected<T>(self, what: &str, node: &Node) -> Result<T, Fault> {
        let Problem { message, help, .. } = node.expected(what);
        self.located(Err(Fault { help, ..Fault::new(message) }))
    }

    fn integer(self, lowest: i128, highest: i128) -> Result<i128, Fault> {
        let Source::Node(node) = self.source else { return Ok(1) };
        match node.scalar() {
            Some(Scalar::Integer(number)) if (lowest..=highest).contains(&number) => Ok(number),
            Some(Scalar::Integer(_)) => self.expected(&format!("a whole number from {lowest} to {highest}"), node),
            _ => self.expected("a whole number", node),
        }
    }

    fn text(self) -> Result<&'a str, Fault> {
        match self.source {
            Source::StandIn(hole) => Ok(self.session.stand_in_text(hole)),
            Source::Node(node) => match node.scalar() {
                Some(Scalar::Text(text)) => Ok(text),
                _ => self.expected("text", node),
            },
        }
    }

    fn items(self) -> Result<&'a [Node], Fault> {
        match self.source {
            Source::StandIn(_) => Ok(&[]),
            Source::Node(node) => node.items().map_or_else(|| self.expected("a list", node), Ok),
        }
    }

    fn entries(self) -> Result<&'a [(Node, Node)], Fault> {
        match self.source {
            Source::StandIn(_) => Ok(&[]),
            Source::Node(node) => node.entries().map_or_else(|| self.expected("a mapping", node), Ok),
        }
    }

    /// The fields of a struct: those of the file that the type knows, and stand-ins for missing ones.
    fn fields(self, known: &'static [&'static str]) -> Result<Vec<(Key<'a>, Self)>, Fault> {
        let mut fields = Vec::new();
        for (key, value) in self.entries()? {
            match known.iter().find(|field| **field == key.text()) {
                Some(field) => fields.push((Key::Field(field), self.session.reader(value))),
                None => self.session.note_unknown(key, known),
            }
        }
        match self.source {
            Source::StandIn(hole) => fields.extend(known.iter().map(|field| (Key::Field(field), self.stand_in(hole)))),
            Source::Node(node) => {
                let holes = self.session.holes.borrow();
                let missing = known.iter().map(|field| (node.id, Some(*field))).filter(|hole| holes.contains_key(hole));
                fields.extend(missing.filter_map(|hole| Some((Key::Field(hole.1?), self.stand_in(hole)))));
            }
        }
        Ok(fields)
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let number = self.integer(<$type>::MIN.into(), <$type>::MAX.into())?;
            self.located(<$type>::try_from(number).map_err(de::Error::custom).and_then(|number| visitor.$visit(number)))
        })+
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    integers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Source::Node(node) = self.source else { return visitor.visit_unit() };
        match node.scalar() {
            None if matches!(node.kind, Kind::List(_)) => self.deserialize_seq(visitor),
            None => self.deserialize_map(visitor),
            Some(Scalar::Nothing) => self.located(visitor.visit_unit()),
            Some(Scalar::Bool(value)) => self.located(visitor.visit_bool(value)),
            Some(Scalar::Integer(_)) if node.text().starts_with('-') => self.deserialize_i64(visitor),
            Some(Scalar::Integer(_)) => self.deserialize_u64(visitor),
            Some(Scalar::Float(value)) => self.located(visitor.visit_f64(value)),
            Some(Scalar::Text(text)) => self.located(visitor.visit_str(text)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.source {
            Source::StandIn(_) => visitor.visit_bool(false),
            Source::Node(node) => match node.scalar() {
                Some(Scalar::Bool(value)) => self.located(visitor.visit_bool(value)),
                _ => self.expected("`true` or `false`", node),
            },
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = self.text()?;
        self.located(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.source {
            Source::StandIn(_) => visitor.visit_none(),
            Source::Node(node) if node.scalar() == Some(Scalar::Nothing) => visitor.visit_none(),
            Source::Node(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.located(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items = Items { items: self.items()?.iter(), session: self.session };
        self.located(visitor.visit_seq(items))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let entries = self.entries()?.iter().map(|(key, value)| (Key::Node(self.session.reader(key)), self.session.reader(value)));
        self.located(visitor.visit_map(Entries { entries, value: None }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let entries = self.fields(fields)?.into_iter();
        self.located(visitor.visit_map(Entries { entries, value: None }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let word = match self.source {
            Source::StandIn(_) => variants.first().copied().unwrap_or_default(),
            Source::Node(_) => self.text()?,
        };
        let known = variants.contains(&word);
        let fault = || {
            let message = format!("`{}` is not one of {}", shown(word), variants.join(", "));
            Fault { help: did_you_mean(word, variants.iter().copied()), ..Fault::new(message) }
        };
        let result = if known { visitor.visit_enum(word.into_deserializer()) } else { Err(fault()) };
        self.located(result)
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The items of a list. A type that refuses what it was given after the reader handed it over (a name, a digest) has its place here.
struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    session: &'a Session,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let reader = self.session.reader(item);
        reader.located(seed.deserialize(reader)).map(Some)
    }
}

/// A key: of a struct, which the type names, or of a mapping, which the file names.
enum Key<'a> {
    Field(&'static str),
    Node(Reader<'a>),
}

struct Entries<'a, I> {
    entries: I,
    value: Option<Reader<'a>>,
}

impl<'de, 'a, I: Iterator<Item = (Key<'a>, Reader<'a>)>> de::MapAccess<'de> for Entries<'a, I> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        match key {
            Key::Field(name) => seed.deserialize(name.into_deserializer()).map(Some),
            Key::Node(reader) => reader.located(seed.deserialize(KeyReader(reader))).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().ok_or_else(|| Fault::new("a value without a key".to_owned()))?;
        value.located(seed.deserialize(value))
    }
}

/// Keys are text however they look: `8080: ...` needs no quotes.
struct KeyReader<'a>(Reader<'a>);

impl<'de> de::Deserializer<'de> for KeyReader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = match self.0.source {
            Source::Node(node) => node.text(),
            Source::StandIn(hole) => self.0.session.stand_in_text(hole),
        };
        self.0.located(visitor.visit_str(text))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}
