//! JSON as strictly as an answer needs it: where objects stand in a text, and a value that can be read in one way only.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep an answer may nest. Far beyond any output schema, far below any stack.
const MAX_DEPTH: usize = 64;

/// The white space of JSON, and no other.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The objects of a text that stand in no other object or array, from its beginning on.
///
/// One pass: what a broken value used up is not looked at again, so no text can make this slow.
pub(crate) struct TopLevel<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the text ended inside a value.
    pub(crate) broken_off: bool,
}

impl<'a> TopLevel<'a> {
    pub(crate) const fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0, broken_off: false }
    }
}

impl Iterator for TopLevel<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while let Some(offset) = self.text[self.at..].iter().position(|byte| matches!(byte, b'{' | b'[')) {
            let start = self.at + offset;
            match Scan::new(self.text, start).run() {
                Scanned::Complete(end) => {
                    self.at = end;
                    if self.text[start] == b'{' {
                        return Some(start..end);
                    }
                }
                Scanned::BrokenAt(place) => self.at = place.max(start + 1),
                Scanned::BrokenOff => {
                    self.at = self.text.len();
                    self.broken_off = true;
                }
            }
        }
        None
    }
}

enum Scanned {
    /// A value ended before this place.
    Complete(usize),
    /// Here stands what JSON does not allow.
    BrokenAt(usize),
    /// The text ended first.
    BrokenOff,
}

#[derive(Clone, Copy)]
enum Expect {
    Value,
    FirstItem,
    FirstKey,
    Key,
    Colon,
    Separator,
}

/// Walks one object or array without recursion and without building it.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// The closing bracket of each open value.
    open: Vec<u8>,
    expect: Expect,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8], start: usize) -> Self {
        Self { text, at: start, open: Vec::new(), expect: Expect::Value }
    }

    fn run(mut self) -> Scanned {
        loop {
            while self.text.get(self.at).is_some_and(|byte| is_space(*byte)) {
                self.at += 1;
            }
            let Some(byte) = self.text.get(self.at) else { return Scanned::BrokenOff };
            if let Err(stop) = self.step(*byte) {
                return stop;
            }
            if self.open.is_empty() {
                return Scanned::Complete(self.at);
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), Scanned> {
        match (self.expect, byte) {
            (Expect::FirstItem | Expect::Separator, b']') | (Expect::FirstKey | Expect::Separator, b'}') => self.close(byte),
            (Expect::Value | Expect::FirstItem, _) => self.value(byte),
            (Expect::FirstKey | Expect::Key, b'"') => self.string(Expect::Colon),
            (Expect::Colon, b':') => self.pass(Expect::Value),
            (Expect::Separator, b',') => {
                let next = if self.open.last() == Some(&b'}') { Expect::Key } else { Expect::Value };
                self.pass(next)
            }
            _ => Err(Scanned::BrokenAt(self.at)),
        }
    }

    fn value(&mut self, byte: u8) -> Result<(), Scanned> {
        match byte {
            b'{' => self.open(b'}', Expect::FirstKey),
            b'[' => self.open(b']', Expect::FirstItem),
            b'"' => self.string(Expect::Separator),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                // Whether it is a number or a word that JSON has is for the reader that makes the value.
                let token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                self.at += self.text[self.at..].iter().take_while(|byte| token(byte)).count();
                self.expect = Expect::Separator;
                Ok(())
            }
            _ => Err(Scanned::BrokenAt(self.at)),
        }
    }

    fn pass(&mut self, next: Expect) -> Result<(), Scanned> {
        self.at += 1;
        self.expect = next;
        Ok(())
    }

    fn open(&mut self, closing: u8, next: Expect) -> Result<(), Scanned> {
        self.open.push(closing);
        self.pass(next)
    }

    fn close(&mut self, closing: u8) -> Result<(), Scanned> {
        if self.open.pop() != Some(closing) {
            return Err(Scanned::BrokenAt(self.at));
        }
        self.pass(Expect::Separator)
    }

    fn string(&mut self, next: Expect) -> Result<(), Scanned> {
        let mut at = self.at + 1;
        loop {
            match self.text.get(at) {
                None => return Err(Scanned::BrokenOff),
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                // A line break ends no string of JSON, so a stray quotation mark in prose reaches no further than its line.
                Some(0..=0x1f) => return Err(Scanned::BrokenAt(at)),
                Some(_) => at += 1,
            }
        }
        self.at = at;
        self.pass(next)
    }
}

/// Reads exactly one value, refusing what could be read in two ways (a key twice) and what nests too deep.
pub(crate) fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("it nests deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut out = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if out.contains_key(&key) {
                return Err(A::Error::custom(format_args!("it has the key `{key}` twice")));
            }
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}
