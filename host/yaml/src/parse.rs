//! From bytes to the tree, within limits.

use std::collections::BTreeMap;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use serde_yaml::granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, StructureStyle};

use crate::node::{Kind, Node, shown};

/// Deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 32;
/// Longest file, in bytes: a person wrote it.
const MAX_BYTES: usize = 1024 * 1024;
/// Most values, keys among them.
const MAX_NODES: usize = 250_000;

/// Reads the one document of a file, which messages call `file`.
///
/// # Errors
/// Every key that stands twice, or the first thing that is worse.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Node, Vec<Problem>> {
    match parse_past_duplicates(file, bytes) {
        Ok((root, duplicates)) if duplicates.is_empty() => Ok(root),
        Ok((_, duplicates)) => Err(duplicates),
        Err(problem) => Err(vec![problem]),
    }
}

/// As [`parse`], but keys that stand twice are noted beside the tree, which keeps the first: for who has more to say about the file.
///
/// # Errors
/// The first thing that is worse.
pub fn parse_past_duplicates(file: &str, bytes: &[u8]) -> Result<(Node, Vec<Problem>), Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::new(&Place::file(file), format!("the file has {} bytes, more than {MAX_BYTES}", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::new(&Place { line, ..Place::file(file) }, "the file is not UTF-8")
    })?;
    let mut builder = Builder { file, parser: Parser::new_from_str(text), ids: 0, duplicates: Vec::new() };
    let root = builder.document()?;
    Ok((root, builder.duplicates))
}

struct Builder<'i> {
    file: &'i str,
    parser: Parser<'i, StrInput<'i>>,
    ids: usize,
    duplicates: Vec<Problem>,
}

impl<'i> Builder<'i> {
    fn place(&self, marker: &Marker) -> Place {
        Place { file: self.file.to_owned(), line: marker.line(), column: marker.col() + 1 }
    }

    fn event(&mut self) -> Result<(Event<'i>, Span), Problem> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => {
                    let message = format!("not valid YAML: {}", shown(&error.info().to_string()));
                    return Err(Problem::new(&self.place(error.marker()), message));
                }
                None => return Err(Problem::new(&Place::file(self.file), "not valid YAML: it ends in the middle")),
            }
        }
    }

    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, span) = self.event()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Problem::new(&self.place(&span.start), "a second document: this file holds one").help("remove the `---`"));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.event()?;
                    root = Some(self.node(event, &span, 0)?);
                }
                _ => return Err(Problem::new(&self.place(&span.start), "not valid YAML: a value outside the document")),
            }
        }
        Ok(root.unwrap_or_else(|| {
            self.leaf(Place { file: self.file.to_owned(), line: 1, column: 1 }, 1, Kind::Scalar { text: String::new(), plain: true })
        }))
    }

    fn leaf(&mut self, at: Place, last_line: usize, kind: Kind) -> Node {
        self.ids += 1;
        Node { id: self.ids, at, last_line, kind }
    }

    fn node(&mut self, event: Event<'i>, span: &Span, depth: usize) -> Result<Node, Problem> {
        let at = self.place(&span.start);
        if depth > MAX_DEPTH {
            return Err(Problem::new(&at, format!("nested deeper than {MAX_DEPTH}")));
        }
        if self.ids >= MAX_NODES {
            return Err(Problem::new(&at, format!("the file holds more than {MAX_NODES} values")));
        }
        match event {
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                Err(Problem::new(&at, "anchors (`&name`) and tags (`!name`) are not used here").help("write the value out"))
            }
            Event::Alias(_) => Err(Problem::new(&at, "aliases (`*name`) are not used here").help("write the value out")),
            Event::Scalar(text, style, ..) => {
                let kind = Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Ok(self.leaf(at, last_line(span), kind))
            }
            Event::SequenceStart(style, ..) => self.list(at, style, depth),
            Event::MappingStart(style, ..) => self.mapping(at, style, depth),
            _ => Err(Problem::new(&at, "not valid YAML: a value was expected")),
        }
    }

    fn list(&mut self, at: Place, style: StructureStyle, depth: usize) -> Result<Node, Problem> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::SequenceEnd {
                let last = end_of(style, &span, items.last().map(|item| item.last_line), &at);
                return Ok(self.leaf(at, last, Kind::List(items)));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn mapping(&mut self, at: Place, style: StructureStyle, depth: usize) -> Result<Node, Problem> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut firsts = BTreeMap::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::MappingEnd {
                let last = end_of(style, &span, entries.last().map(|(key, value)| value.last_line.max(key.last_line)), &at);
                return Ok(self.leaf(at, last, Kind::Mapping { entries, flow: style == StructureStyle::Flow }));
            }
            let key = self.node(event, &span, depth + 1)?;
            if key.scalar().is_none() {
                return Err(Problem::new(&key.at, format!("a key is text, not {}", key.found())));
            }
            let (event, span) = self.event()?;
            let value = self.node(event, &span, depth + 1)?;
            if let Some(first) = firsts.get(key.text()) {
                let message = format!("`{}` stands twice", shown(key.text()));
                self.duplicates.push(Problem::new(&key.at, message).help(format!("it stands first in line {first}: keep one")));
            } else {
                firsts.insert(key.text().to_owned(), key.at.line);
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
fn end_of(style: StructureStyle, end: &Span, last: Option<usize>, at: &Place) -> usize {
    match style {
        StructureStyle::Flow => end.end.line(),
        StructureStyle::Block => last.unwrap_or(at.line),
    }
}
