//! Unified diffs as `git diff` writes them, read as a stream: every line of every hunk with its file and number.
//!
//! The reader goes by the counts in the hunk headers, so a line of a file that looks like a header stays a line. What does not add up
//! is an error: a diff that was cut off must not look harmless. One that was cut between two hunks or in the header of a file adds up;
//! [`all_shown`] compares it with what the host counted.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::{Change, Declined, Document, Lines, Piece};

/// What a line of a hunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In the new file only.
    Added,
    /// In the old file only.
    Removed,
    /// In both.
    Context,
}

/// A line of a hunk, or a piece of a very long one (see [`Piece`]).
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its file: the new name, or the old one where the file is gone.
    pub path: &'a str,
    /// The file's place in the diff, from 0.
    pub file: usize,
    /// What it is.
    pub side: Side,
    /// Its number, from 1: in the old file if removed, else in the new one.
    pub number: u32,
    /// Its bytes without the sign and the line feed. They need not be UTF-8.
    pub text: &'a [u8],
    /// Whether the line begins here.
    pub first: bool,
}

/// A file of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The new name, or the old one where the file is gone.
    pub path: String,
    /// Whether git says that it is binary: none of its lines are in the diff.
    pub binary: bool,
    /// How many added lines were read. A file whose name alone was read has none.
    pub added: u64,
}

/// Why a document is no diff that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffError {
    /// The line of the document, from 1.
    pub line: u64,
    what: &'static str,
}

impl fmt::Display for DiffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the diff: {}", self.line, self.what)
    }
}

impl std::error::Error for DiffError {}

impl From<DiffError> for Declined {
    fn from(error: DiffError) -> Self {
        Self::from(error.to_string())
    }
}

/// Calls `each` for every line of every hunk until it breaks; answers the files seen, with and without hunks.
///
/// # Errors
/// [`DiffError`] where the document is no unified diff, is a merge's, or ends within a hunk or a line.
pub fn visit(document: &dyn Document, mut each: impl FnMut(&Line<'_>) -> ControlFlow<()>) -> Result<Vec<File>, DiffError> {
    let ends = document.size().checked_sub(1).is_none_or(|last| document.read(last, 1) == b"\n");
    let mut lines = Lines::new(document);
    let mut reader = Reader::default();
    while let Some(piece) = lines.next_piece() {
        reader.line += u64::from(piece.first);
        let broke = if reader.in_hunk(&piece) { reader.hunk_line(&piece, &mut each)? } else { reader.header_line(&piece)? };
        if broke.is_break() {
            return Ok(reader.files);
        }
    }
    if reader.old_left > 0 || reader.new_left > 0 {
        return Err(reader.error("it ends within a hunk"));
    }
    if !ends {
        return Err(reader.error("it ends within a line"));
    }
    Ok(reader.files)
}

/// Whether the files that [`visit`] answered hold every added line that the host counted. Ask this before saying that a diff holds nothing
/// of some kind. Lines of binary files are in no diff and are not asked for.
///
/// # Errors
/// [`Declined`], naming the first file with lines that were not shown.
pub fn all_shown(changes: &[Change], files: &[File]) -> Result<(), Declined> {
    let mut missing: BTreeMap<&str, u64> = BTreeMap::new();
    for change in changes.iter().filter(|change| !change.binary && change.added > 0) {
        let lines = missing.entry(&change.path).or_default();
        *lines = lines.saturating_add(change.added);
    }
    // More may be shown than was counted: a file that became a link is shown as one file gone and another one made.
    for file in files {
        if let Some(lines) = missing.get_mut(file.path.as_str()) {
            *lines = lines.saturating_sub(file.added);
        }
    }
    match missing.into_iter().find(|(_, lines)| *lines > 0) {
        Some((path, lines)) => Err(Declined::from(format!("`{path}` has {lines} added lines that are not in the document `diff`"))),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Reader {
    files: Vec<File>,
    line: u64,
    /// Lines of the hunk that are still to come.
    old_left: u32,
    new_left: u32,
    old_number: u32,
    new_number: u32,
    /// Side and number of the line whose pieces come.
    current: Option<(Side, u32)>,
    /// Whether this file has had a hunk.
    hunks: bool,
}

impl Reader {
    /// A piece belongs to a hunk where lines are still to come, or where it goes on with the last line of one.
    fn in_hunk(&self, piece: &Piece<'_>) -> bool {
        if piece.first { self.old_left > 0 || self.new_left > 0 } else { self.current.is_some() }
    }

    fn hunk_line(&mut self, piece: &Piece<'_>, each: &mut impl FnMut(&Line<'_>) -> ControlFlow<()>) -> Result<ControlFlow<()>, DiffError> {
        let mut text = piece.bytes;
        if piece.first {
            let side = match text.split_first() {
                Some((b'+', rest)) => (Side::Added, rest),
                Some((b'-', rest)) => (Side::Removed, rest),
                Some((b' ', rest)) => (Side::Context, rest),
                Some((b'\\', _)) => return Ok(ControlFlow::Continue(())),
                _ => return Err(self.error("a line of a hunk begins with none of `+`, `-` and space")),
            };
            text = side.1;
            self.current = Some((side.0, self.count(side.0)?));
        }
        let file_number = self.files.len().wrapping_sub(1);
        let (Some((side, number)), Some(file)) = (self.current, self.files.last_mut()) else {
            return Err(self.error("a hunk stands before the first file"));
        };
        file.added += u64::from(piece.first && side == Side::Added);
        let line = Line { path: &file.path, file: file_number, side, number, text, first: piece.first };
        let flow = each(&line);
        if piece.last {
            self.current = None;
        }
        Ok(flow)
    }

    /// Takes a line off the counts and answers its number.
    fn count(&mut self, side: Side) -> Result<u32, DiffError> {
        let (old, new) = (u32::from(side != Side::Added), u32::from(side != Side::Removed));
        let (Some(old_left), Some(new_left)) = (self.old_left.checked_sub(old), self.new_left.checked_sub(new)) else {
            return Err(self.error("a hunk has more lines than its header says"));
        };
        let number = if side == Side::Removed { self.old_number } else { self.new_number };
        (self.old_left, self.new_left) = (old_left, new_left);
        self.old_number = self.old_number.wrapping_add(old);
        self.new_number = self.new_number.wrapping_add(new);
        Ok(number)
    }

    fn header_line(&mut self, piece: &Piece<'_>) -> Result<ControlFlow<()>, DiffError> {
        let bytes = piece.bytes;
        if !piece.first || !piece.last {
            return Err(self.error("a header is too long"));
        }
        if let Some(names) = bytes.strip_prefix(b"diff --git ") {
            self.hunks = false;
            self.files.push(File { path: name_from_both(names).unwrap_or_default(), binary: false, added: 0 });
        } else if let Some(range) = bytes.strip_prefix(b"@@ ") {
            self.start_hunk(range)?;
        } else if self.hunks {
            if !bytes.starts_with(b"\\") {
                return Err(self.error("neither a hunk nor a file begins here"));
            }
        } else {
            self.file_header(bytes)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn file_header(&mut self, bytes: &[u8]) -> Result<(), DiffError> {
        let Some(file) = self.files.last_mut() else {
            return if bytes.is_empty() {
                Ok(())
            } else {
                Err(self.error("no file begins here: this is no diff of git, or one of a merge"))
            };
        };
        if let Some(name) = bytes.strip_prefix(b"--- ").or_else(|| bytes.strip_prefix(b"+++ ")) {
            if name != b"/dev/null" {
                file.path = without_prefix(&unquoted(name.strip_suffix(b"\t").unwrap_or(name)));
            }
        } else if let Some(name) = bytes.strip_prefix(b"rename to ").or_else(|| bytes.strip_prefix(b"copy to ")) {
            file.path = text_of(&unquoted(name));
        } else if bytes.starts_with(b"Binary files ") || bytes == b"GIT binary patch" {
            file.binary = true;
        }
        Ok(())
    }

    fn start_hunk(&mut self, range: &[u8]) -> Result<(), DiffError> {
        let Some((old, new)) = hunk_ranges(range) else { return Err(self.error("a hunk's header is malformed")) };
        if self.files.last().is_none_or(|file| file.path.is_empty()) {
            return Err(self.error("a hunk stands before the name of its file"));
        }
        (self.old_number, self.old_left) = old;
        (self.new_number, self.new_left) = new;
        self.hunks = true;
        Ok(())
    }

    const fn error(&self, what: &'static str) -> DiffError {
        DiffError { line: self.line, what }
    }
}

/// First number and count of both sides, of `-1,2 +3,4 @@ ...`.
fn hunk_ranges(range: &[u8]) -> Option<((u32, u32), (u32, u32))> {
    let mut words = range.split(|byte| *byte == b' ');
    let old = hunk_range(words.next()?.strip_prefix(b"-")?)?;
    let new = hunk_range(words.next()?.strip_prefix(b"+")?)?;
    (words.next()? == b"@@").then_some((old, new))
}

fn hunk_range(range: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(range).ok()?;
    let (from, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((from.parse().ok()?, count.parse().ok()?))
}

/// The name in `a/NAME b/NAME`, where both are the same; it is all there is for files without hunks.
fn name_from_both(names: &[u8]) -> Option<String> {
    if names.starts_with(b"\"") {
        let half = (names.len().checked_sub(1)?) / 2;
        return Some(without_prefix(&unquoted(names.get(half + 1..)?)));
    }
    let half = names.len().checked_sub(1)? / 2;
    let (left, right) = (names.get(..half)?, names.get(half + 1..)?);
    (left.get(2..)? == right.get(2..)?).then(|| without_prefix(right))
}

fn without_prefix(name: &[u8]) -> String {
    text_of(name.strip_prefix(b"b/").or_else(|| name.strip_prefix(b"a/")).unwrap_or(name))
}

/// A name as git writes it: in quotes with C's escapes where it has unusual bytes.
fn unquoted(name: &[u8]) -> Vec<u8> {
    let Some(inner) = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")) else { return name.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'\\' { escaped(&mut bytes) } else { byte });
    }
    out
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> u8 {
    match bytes.next().unwrap_or(b'\\') {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        first @ b'0'..=b'7' => {
            let mut value = first - b'0';
            for digit in bytes.take(2) {
                value = value.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0'));
            }
            value
        }
        other => other,
    }
}

/// The name as the host shows it in changes: bytes that are no UTF-8 as `\xNN`.
fn text_of(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
