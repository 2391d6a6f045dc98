//! Large inputs. They stay with the host; a guest opens one by name and reads it piece by piece, so that its memory and fuel do not
//! depend on how much a worker wrote.

use serde::de::DeserializeOwned;

use crate::Declined;
use crate::bindings::base::orc::guest::documents as host;

/// The documents of a call: `diff`, `output`, `plan`, `schema`, `memory`, where there is one. Needs the capability `documents`.
pub trait Documents {
    /// Their names.
    fn names(&self) -> Vec<String>;

    /// Opens one; `None` where this call has no such document.
    fn open(&self, name: &str) -> Option<Box<dyn Document>>;
}

impl dyn Documents + '_ {
    /// Reads a whole JSON document, [`LARGEST_JSON`] bytes at most.
    ///
    /// # Errors
    /// [`Declined`] where there is none, it is too large, or it does not have this form; names the place.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Declined> {
        parse(name, &self.whole(name)?)
    }

    /// Reads a whole JSON document that must be an object, as outputs are. A derived `Deserialize` would also take an array of the fields'
    /// values.
    ///
    /// # Errors
    /// As [`json`](#method.json).
    pub fn object<T: DeserializeOwned>(&self, name: &str) -> Result<T, Declined> {
        let bytes = self.whole(name)?;
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Declined::from(format!("the document `{name}` is no JSON object")));
        }
        parse(name, &bytes)
    }

    fn whole(&self, name: &str) -> Result<Vec<u8>, Declined> {
        let document = self.required(name)?;
        whole(&*document).ok_or_else(|| Declined::from(format!("the document `{name}` has more than {LARGEST_JSON} bytes")))
    }

    /// Opens one that the guest cannot judge without.
    ///
    /// # Errors
    /// [`Declined`], naming it.
    pub fn required(&self, name: &str) -> Result<Box<dyn Document>, Declined> {
        self.open(name).ok_or_else(|| Declined::from(format!("this call has no document `{name}`, which is needed to judge")))
    }
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Declined> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| misfit(name, &error))?;
    reader.end().map_err(|error| Declined::from(format!("the document `{name}` is no single JSON value: {error}")))?;
    Ok(value)
}

fn misfit(name: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Declined {
    let (path, error) = (error.path().to_string(), error.inner());
    Declined::from(if path == "." {
        format!("the document `{name}` does not have the form to judge: {error}")
    } else {
        format!("the document `{name}` does not have the form to judge, at `{path}`: {error}")
    })
}

/// All bytes of a document that is not too large.
fn whole(document: &dyn Document) -> Option<Vec<u8>> {
    let size = document.size();
    if size > LARGEST_JSON {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?);
    loop {
        let piece = document.read(bytes.len() as u64, PIECE);
        if piece.is_empty() {
            return Some(bytes);
        }
        bytes.extend_from_slice(&piece);
    }
}

/// The largest document that [`json`](trait.Documents.html#method.json) reads, in bytes: parsing costs fuel for each of them.
pub const LARGEST_JSON: u64 = 1024 * 1024;

/// Bytes that one read asks for.
const PIECE: u32 = 64 * 1024;

/// One document.
pub trait Document {
    /// As in `text/x-diff`.
    fn media_type(&self) -> String;

    /// In bytes.
    fn size(&self) -> u64;

    /// At most `len` bytes from `offset`; empty at the end.
    fn read(&self, offset: u64, len: u32) -> Vec<u8>;

    /// The part of a JSON document at an RFC 6901 pointer, as JSON; `None` where there is nothing or the document is no JSON.
    fn pointer(&self, pointer: &str) -> Option<String>;
}

/// The documents that the host holds.
pub(crate) struct HostDocuments;

impl Documents for HostDocuments {
    fn names(&self) -> Vec<String> {
        host::names()
    }

    fn open(&self, name: &str) -> Option<Box<dyn Document>> {
        host::open(name).map(|document| Box::new(document) as Box<dyn Document>)
    }
}

impl Document for host::Document {
    fn media_type(&self) -> String {
        Self::media_type(self)
    }

    fn size(&self) -> u64 {
        Self::size(self)
    }

    fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        Self::read(self, offset, len)
    }

    fn pointer(&self, pointer: &str) -> Option<String> {
        Self::pointer(self, pointer)
    }
}

/// The lines of a document, read 64 KiB at a time. A line of more than [`Lines::LONGEST`] bytes comes in pieces.
pub struct Lines<'a> {
    document: &'a dyn Document,
    offset: u64,
    chunk: Vec<u8>,
    /// How much of `chunk` was given out.
    at: usize,
    /// The beginning of a line that did not end in its chunk.
    carry: Vec<u8>,
    /// Whether `carry` begins in the middle of a line.
    continued: bool,
    /// Whether `carry` was given out and is to be cut before the next piece.
    given: bool,
}

/// A line, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes, without the line feed. They need not be UTF-8.
    pub bytes: &'a [u8],
    /// Whether the line begins here. A later piece repeats the last [`Lines::OVERLAP`] bytes of the one before it.
    pub first: bool,
    /// Whether the line ends here.
    pub last: bool,
}

impl<'a> Lines<'a> {
    /// Bytes that are given out at once.
    pub const LONGEST: usize = 32 * 1024;
    /// Bytes that two pieces of a line share, so that nothing shorter is ever cut in two.
    pub const OVERLAP: usize = 1024;

    /// From the beginning of `document`.
    pub fn new(document: &'a dyn Document) -> Self {
        Self { document, offset: 0, chunk: Vec::new(), at: 0, carry: Vec::new(), continued: false, given: false }
    }

    /// The next line or piece; `None` at the end.
    pub fn next_piece(&mut self) -> Option<Piece<'_>> {
        self.forget_given();
        loop {
            if self.at == self.chunk.len() && !self.refill() {
                return self.rest();
            }
            let room = Self::LONGEST - self.carry.len();
            let from = self.at;
            let visible = &self.chunk[from..self.chunk.len().min(from + room)];
            let Some(length) = memchr::memchr(b'\n', visible) else {
                self.carry.extend_from_slice(visible);
                self.at += visible.len();
                if self.carry.len() == Self::LONGEST {
                    return Some(self.give(false));
                }
                continue;
            };
            self.at += length + 1;
            if self.carry.is_empty() {
                return Some(Piece { bytes: &self.chunk[from..from + length], first: true, last: true });
            }
            self.carry.extend_from_slice(&self.chunk[from..from + length]);
            return Some(self.give(true));
        }
    }

    fn refill(&mut self) -> bool {
        self.chunk = self.document.read(self.offset, PIECE);
        self.at = 0;
        self.offset += self.chunk.len() as u64;
        !self.chunk.is_empty()
    }

    fn give(&mut self, last: bool) -> Piece<'_> {
        let first = !self.continued;
        self.continued = !last;
        self.given = true;
        Piece { bytes: &self.carry, first, last }
    }

    fn forget_given(&mut self) {
        if self.given {
            let keep = if self.continued { Self::OVERLAP } else { 0 };
            self.carry.drain(..self.carry.len() - keep);
            self.given = false;
        }
    }

    /// What stands after the last line feed.
    fn rest(&mut self) -> Option<Piece<'_>> {
        if self.carry.is_empty() { None } else { Some(self.give(true)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestDocument, TestDocuments};

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    struct Fields {
        a: u8,
    }

    #[test]
    fn json_has_the_form_or_is_no_answer() {
        let read = |text: &str| (&TestDocuments::output(text) as &dyn Documents).json::<std::collections::BTreeMap<String, u8>>("output");
        assert_eq!(read("{\"a\": 1} \n").unwrap()["a"], 1);
        let large = format!("{{\"a\": 1{}}}", " ".repeat(1024 * 1024));
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        let table = [
            ("", "EOF"),
            ("{} {}", "no single JSON value"),
            ("[]", "does not have the form to judge: invalid type"),
            ("{\"a\": \"b\"}", "at `a`: invalid type"),
            ("{\"a\": 300}", "at `a`: invalid value"),
            ("prose", "expected value"),
            (&large, "more than 1048576 bytes"),
            (&deep, "at `a`"),
        ];
        for (text, why) in table {
            let declined = read(text).unwrap_err().to_string();
            assert!(declined.contains(why), "{declined}");
        }
        let object = |text: &str| (&TestDocuments::output(text) as &dyn Documents).object::<Fields>("output");
        assert_eq!(object(" {\"a\": 1}").unwrap(), Fields { a: 1 });
        for text in ["[1]", "", "1", "{\"a\": 1}{"] {
            assert!(object(text).is_err(), "{text}");
        }
        let none = (&TestDocuments::none() as &dyn Documents).json::<u8>("output").unwrap_err();
        assert!(none.to_string().contains("no document `output`"), "{none}");
    }

    fn pieces(text: &[u8]) -> Vec<(Vec<u8>, bool, bool)> {
        let document = TestDocument::new("text/plain", text);
        let mut lines = Lines::new(&document);
        std::iter::from_fn(|| lines.next_piece().map(|piece| (piece.bytes.to_vec(), piece.first, piece.last))).collect()
    }

    #[test]
    fn lines_come_one_by_one_whatever_the_chunks() {
        assert_eq!(pieces(b""), []);
        assert_eq!(pieces(b"a\n\nb"), [(b"a".to_vec(), true, true), (vec![], true, true), (b"b".to_vec(), true, true)]);
        let many: Vec<String> = (0..40_000).map(|number| format!("line {number}")).collect();
        let text = many.join("\n") + "\n";
        let read: Vec<String> = pieces(text.as_bytes()).into_iter().map(|(bytes, ..)| String::from_utf8(bytes).unwrap()).collect();
        assert_eq!(read, many);
    }

    #[test]
    fn a_long_line_comes_in_pieces_that_overlap() {
        let long: Vec<u8> = (0..200_000u32).map(|number| b'a' + (number % 23) as u8).collect();
        let mut text = long.clone();
        text.extend_from_slice(b"\nshort\n");
        let pieces = pieces(&text);
        let (short, parts) = pieces.split_last().unwrap();
        assert_eq!(*short, (b"short".to_vec(), true, true));
        let mut whole = parts[0].0.clone();
        for (bytes, first, _) in &parts[1..] {
            assert!(!first && bytes.len() <= Lines::LONGEST);
            assert!(whole.ends_with(&bytes[..Lines::OVERLAP]));
            whole.extend_from_slice(&bytes[Lines::OVERLAP..]);
        }
        assert!(parts[0].1 && parts.last().unwrap().2);
        assert!(parts[..parts.len() - 1].iter().all(|(_, _, last)| !last));
        assert_eq!(whole, long);
    }

    #[test]
    fn a_line_that_ends_with_the_document_after_a_full_piece_has_an_end() {
        let pieces = pieces(&vec![b'x'; Lines::LONGEST]);
        assert_eq!(pieces.len(), 2);
        assert!(!pieces[0].2 && pieces[1].2 && !pieces[1].1);
    }
}
