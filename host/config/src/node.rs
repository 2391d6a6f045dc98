//! YAML as a tree in which every value knows its place. A small part of YAML on purpose: one document, text keys, no anchors, aliases,
//! tags or merge keys, so that what a person reads in a file is what ORC reads.

use orc_domain::untrusted::Untrusted;
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle};

/// Deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 32;
/// Longest file, in bytes: a person wrote it.
const MAX_BYTES: usize = 1024 * 1024;

/// A place in a file; line and column from 1, 0 where the whole file is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Something wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wrong {
    pub(crate) at: Mark,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(at: Mark, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A value of a document.
#[derive(Debug)]
pub(crate) struct Node {
    /// Unique within the document.
    pub(crate) id: usize,
    pub(crate) at: Mark,
    /// The last line that belongs to it, from 1.
    pub(crate) last_line: usize,
    pub(crate) kind: Kind,
}

/// What a value is. Keys of a mapping are scalars, in the order of the file, without duplicates.
#[derive(Debug)]
pub(crate) enum Kind {
    Scalar { text: String, plain: bool },
    List(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, flow: bool },
}

/// What a scalar means: YAML 1.2's core schema, so `no` is text and `0o7` is no number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    Nothing,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl Node {
    /// The scalar's meaning; `None` for lists and mappings.
    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => Some(resolve(text)),
            Kind::Scalar { text, plain: false } => Some(Scalar::Text(text)),
            Kind::List(_) | Kind::Mapping { .. } => None,
        }
    }

    /// The text of a scalar as written.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Mapping { .. } => None,
        }
    }

    /// The entry of a mapping with this key.
    pub(crate) fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries.iter().find(|(name, _)| name.text() == Some(key)),
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }

    /// What a person would call it, safe to show.
    pub(crate) fn found(&self) -> String {
        match (self.scalar(), self.text()) {
            (None, _) if matches!(self.kind, Kind::List(_)) => "a list".to_owned(),
            (None, _) => "a mapping".to_owned(),
            (Some(Scalar::Nothing), _) => "nothing".to_owned(),
            (Some(Scalar::Integer(_) | Scalar::Float(_)), text) => format!("the number `{}`", shown(text.unwrap_or_default())),
            (Some(Scalar::Bool(_)), text) => format!("`{}`", shown(text.unwrap_or_default())),
            (Some(Scalar::Text(text)), _) => format!("the text `{}`", shown(text)),
        }
    }
}

/// Text of a file, safe to show in a message.
pub(crate) fn shown(text: &str) -> String {
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

/// Reads the one document of a file. Keys that stand twice are noted beside the tree, which keeps the first; anything worse ends the
/// reading.
pub(crate) fn parse(bytes: &[u8]) -> Result<(Node, Vec<Wrong>), Wrong> {
    if bytes.len() > MAX_BYTES {
        return Err(Wrong::new(Mark::default(), format!("the file has {} bytes, more than {MAX_BYTES}", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Wrong::new(Mark { line, column: 0 }, "the file is not UTF-8")
    })?;
    let mut builder = Builder { parser: Parser::new_from_str(text), ids: 0, duplicates: Vec::new() };
    let root = builder.document()?;
    Ok((root, builder.duplicates))
}

struct Builder<'i> {
    parser: Parser<'i, StrInput<'i>>,
    ids: usize,
    duplicates: Vec<Wrong>,
}

fn mark(span: &Span) -> Mark {
    Mark { line: span.start.line(), column: span.start.col() + 1 }
}

fn syntax(error: &ScanError) -> Wrong {
    let at = Mark { line: error.marker().line(), column: error.marker().col() + 1 };
    Wrong::new(at, format!("not valid YAML: {}", shown(&error.info().to_string())))
}

impl<'i> Builder<'i> {
    fn event(&mut self) -> Result<(Event<'i>, Span), Wrong> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => return Err(syntax(&error)),
                None => return Err(Wrong::new(Mark::default(), "not valid YAML: it ends in the middle")),
            }
        }
    }

    fn document(&mut self) -> Result<Node, Wrong> {
        let mut root = None;
        loop {
            let (event, span) = self.event()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Wrong::new(mark(&span), "a second document: this file holds one").help("remove the `---`"));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.event()?;
                    root = Some(self.node(event, &span, 0)?);
                }
                _ => return Err(Wrong::new(mark(&span), "not valid YAML: a value outside the document")),
            }
        }
        Ok(root.unwrap_or_else(|| self.leaf(Mark { line: 1, column: 1 }, 1, Kind::Scalar { text: String::new(), plain: true })))
    }

    fn leaf(&mut self, at: Mark, last_line: usize, kind: Kind) -> Node {
        self.ids += 1;
        Node { id: self.ids, at, last_line, kind }
    }

    fn node(&mut self, event: Event<'i>, span: &Span, depth: usize) -> Result<Node, Wrong> {
        let at = mark(span);
        if depth > MAX_DEPTH {
            return Err(Wrong::new(at, format!("nested deeper than {MAX_DEPTH}")));
        }
        match event {
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                Err(Wrong::new(at, "anchors (`&name`) and tags (`!name`) are not used here").help("write the value out"))
            }
            Event::Alias(_) => Err(Wrong::new(at, "aliases (`*name`) are not used here").help("write the value out")),
            Event::Scalar(text, style, ..) => {
                let kind = Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Ok(self.leaf(at, last_line(span), kind))
            }
            Event::SequenceStart(style, ..) => self.list(at, style, depth),
            Event::MappingStart(style, ..) => self.mapping(at, style, depth),
            _ => Err(Wrong::new(at, "not valid YAML: a value was expected")),
        }
    }

    fn list(&mut self, at: Mark, style: StructureStyle, depth: usize) -> Result<Node, Wrong> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::SequenceEnd {
                let last = end_of(style, &span, items.last().map(|item| item.last_line), at);
                return Ok(self.leaf(at, last, Kind::List(items)));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn mapping(&mut self, at: Mark, style: StructureStyle, depth: usize) -> Result<Node, Wrong> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut firsts = std::collections::BTreeMap::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::MappingEnd {
                let last = end_of(style, &span, entries.last().map(|(key, value)| value.last_line.max(key.last_line)), at);
                return Ok(self.leaf(at, last, Kind::Mapping { entries, flow: style == StructureStyle::Flow }));
            }
            let key = self.node(event, &span, depth + 1)?;
            let Some(name) = key.text().map(str::to_owned) else {
                return Err(Wrong::new(key.at, format!("a key is text, not {}", key.found())));
            };
            let (event, span) = self.event()?;
            let value = self.node(event, &span, depth + 1)?;
            if let Some(first) = firsts.get(&name) {
                let message = format!("`{}` stands twice", shown(&name));
                self.duplicates.push(Wrong::new(key.at, message).help(format!("it stands first in line {first}: keep one")));
            } else {
                firsts.insert(name, key.at.line);
                entries.push((key, value));
            }
        }
    }
}

/// The last line of a scalar: block scalars end at the start of the line that follows.
fn last_line(span: &Span) -> usize {
    if span.end.col() == 0 && span.end.line() > span.start.line() { span.end.line() - 1 } else { span.end.line() }
}

/// The last line of a collection: a flow one has a bracket there, a block one ends with its last value.
fn end_of(style: StructureStyle, end: &Span, last: Option<usize>, at: Mark) -> usize {
    match style {
        StructureStyle::Flow => end.end.line(),
        StructureStyle::Block => last.unwrap_or(at.line),
    }
}
