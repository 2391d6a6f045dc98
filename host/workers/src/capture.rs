//! The capture rules: which object in what a worker printed is its answer. `docs/workers.md` states them for authors.
//!
//! 1. The text is one JSON object and nothing else.
//! 2. Else it has exactly one fenced block of `json`, the block is one object, and no other object begins a line outside it.
//! 3. Else it ends with one object that begins a line, and no other object stands before it.
//!
//! A worker's text can quote anything, also text that was written to be taken for an answer: a tool's output, a file of the project. So
//! an object is taken for where it stands, and where two could be meant none is taken.

use std::ops::Range;

use orc_domain::grant::LaunchEnd;
use orc_domain::worker::{Answer, AnswerFault, AnswerFaultKind, CaptureRule, WorkerEnded};

use crate::json::{self, TopLevel, is_space};

/// The largest object that is read, in bytes. A phase's output is told to people and to the next phase: it is never that large.
pub const MAX_OBJECT: usize = 1 << 20;

/// How much of a worker's standard output is to be kept for finding its answer, in bytes.
pub const MAX_STDOUT: usize = 8 << 20;

/// How much of what a worker printed a fault keeps, in bytes.
const HEAD: usize = 4096;

/// The answer of a worker whose program prints it on standard output. A worker that ended badly gave none, whatever it printed.
///
/// # Errors
/// Why there is none.
pub fn of_ended(ended: &WorkerEnded) -> Result<Answer, AnswerFault> {
    let said = |kind, message: String| Err(fault(&ended.stdout, kind, &message));
    match ended.end {
        LaunchEnd::OutputLimit => said(AnswerFaultKind::TooLarge, "the worker printed more than it may".to_owned()),
        _ if !ended.end.success() => said(AnswerFaultKind::Failed, format!("the worker did not end well: {}", ended.end)),
        _ if ended.cut => said(AnswerFaultKind::TooLarge, "the worker printed more than is kept".to_owned()),
        _ => in_text(&ended.stdout),
    }
}

/// The answer in a text, by the rules of this module.
///
/// # Errors
/// Why there is none.
pub fn in_text(text: &[u8]) -> Result<Answer, AnswerFault> {
    find(text).map_err(|Refusal(kind, message)| fault(text, kind, &message))
}

struct Refusal(AnswerFaultKind, String);

fn refuse<T>(kind: AnswerFaultKind, message: &str) -> Result<T, Refusal> {
    Err(Refusal(kind, message.to_owned()))
}

fn find(text: &[u8]) -> Result<Answer, Refusal> {
    if let Err(error) = std::str::from_utf8(text) {
        let message = format!("the worker printed what is no UTF-8, at byte {}", error.valid_up_to());
        return Err(Refusal(AnswerFaultKind::NotUtf8, message));
    }
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    let text = &text[..end];
    if text.is_empty() {
        return refuse(AnswerFaultKind::Empty, "the worker printed nothing");
    }
    let (rule, object) = match whole(text) {
        Some(object) => (CaptureRule::Whole, object),
        None => match fenced(text)? {
            Some(object) => (CaptureRule::Fenced, object),
            None => (CaptureRule::Trailing, trailing(text)?),
        },
    };
    read(rule, &text[object])
}

fn whole(text: &[u8]) -> Option<Range<usize>> {
    let object = TopLevel::of(text).next()?;
    (blank(&text[..object.start]) && blank(&text[object.end..])).then_some(object)
}

fn fenced(text: &[u8]) -> Result<Option<Range<usize>>, Refusal> {
    let mut blocks = json_blocks(text);
    let Some(block) = blocks.next() else { return Ok(None) };
    if blocks.next().is_some() {
        return refuse(AnswerFaultKind::SeveralObjects, "the worker printed several fenced blocks of JSON");
    }
    let Some(object) = whole(&text[block.clone()]) else { return Ok(None) };
    let rival = TopLevel::of(text).any(|other| !block.contains(&other.start) && begins_line(text, other.start));
    if rival {
        return refuse(AnswerFaultKind::SeveralObjects, "the worker printed an object in a fenced block and another outside it");
    }
    Ok(Some(block.start + object.start..block.start + object.end))
}

fn trailing(text: &[u8]) -> Result<Range<usize>, Refusal> {
    let mut objects = TopLevel::of(text);
    let first = objects.next();
    let more = first.is_some() && objects.next().is_some();
    match first {
        _ if more => refuse(AnswerFaultKind::SeveralObjects, "the worker printed several objects, and which one is meant cannot be known"),
        _ if objects.broken_off => refuse(AnswerFaultKind::NoObject, "the worker's JSON breaks off before it ends"),
        None => refuse(AnswerFaultKind::NoObject, "the worker printed no JSON object"),
        Some(object) if object.end != text.len() => {
            refuse(AnswerFaultKind::NoObject, "the worker printed an object, but text stands behind it: an answer ends the text")
        }
        Some(object) if !begins_line(text, object.start) => {
            refuse(AnswerFaultKind::NoObject, "the worker printed an object in the middle of a line: an answer begins a line")
        }
        Some(object) => Ok(object),
    }
}

fn read(rule: CaptureRule, object: &[u8]) -> Result<Answer, Refusal> {
    if object.len() > MAX_OBJECT {
        return Err(Refusal(AnswerFaultKind::TooLarge, format!("the worker's object is larger than {MAX_OBJECT} bytes")));
    }
    match json::read(object) {
        Ok(output) => Ok(Answer { rule, output }),
        Err(error) => Err(Refusal(AnswerFaultKind::NoObject, format!("the worker's object cannot be read: {error}"))),
    }
}

fn blank(text: &[u8]) -> bool {
    text.iter().all(|byte| is_space(*byte))
}

fn begins_line(text: &[u8], at: usize) -> bool {
    let line = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    blank(&text[line..at])
}

/// The contents of the closed fenced blocks whose info string is `json`. A fence inside another block is that block's text.
fn json_blocks(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut open: Option<Fence> = None;
    lines(text).filter_map(move |line| {
        let fence = Fence::of(&text[line.clone()], line.end);
        match (&open, fence) {
            (None, fence) => open = fence,
            (Some(opening), Some(closing)) if closing.closes(opening) => {
                let block = opening.json.then_some(opening.content..line.start);
                open = None;
                return block;
            }
            _ => {}
        }
        None
    })
}

/// Lines with their line breaks.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len();
        start..at
    })
}

/// A line that opens or closes a block, as CommonMark says.
struct Fence {
    mark: u8,
    length: usize,
    bare: bool,
    json: bool,
    /// Where the block's content begins.
    content: usize,
}

impl Fence {
    fn of(line: &[u8], content: usize) -> Option<Self> {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let line = &line[indent..];
        let mark = *line.first().filter(|byte| matches!(byte, b'`' | b'~'))?;
        let length = line.iter().take_while(|byte| **byte == mark).count();
        let info = line[length..].trim_ascii();
        let fence = indent <= 3 && length >= 3 && !(mark == b'`' && info.contains(&b'`'));
        let json = mark == b'`' && info.eq_ignore_ascii_case(b"json");
        fence.then_some(Self { mark, length, bare: info.is_empty(), json, content })
    }

    const fn closes(&self, opening: &Self) -> bool {
        self.bare && self.mark == opening.mark && self.length >= opening.length
    }
}

fn fault(text: &[u8], kind: AnswerFaultKind, message: &str) -> AnswerFault {
    let head = &text[..text.len().min(HEAD)];
    // A character that the cut went through is no character of the worker's.
    let head = match std::str::from_utf8(head) {
        Err(error) if error.error_len().is_none() && head.len() < text.len() => &head[..error.valid_up_to()],
        _ => head,
    };
    AnswerFault { kind, message: message.into(), head: String::from_utf8_lossy(head).into_owned().into() }
}
