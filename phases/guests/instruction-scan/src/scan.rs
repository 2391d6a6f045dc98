//! The walk over a text: every byte once, words to [`Phrases`], and a closer look where a tag can begin or a character is no ASCII.

use orc_guest::Severity;
use orc_guest::text::is_hidden;

use crate::marks::{Around, FLAG, begins_speech, begins_tag, char_at, hides, is_flag_tag, is_plain_letter, is_punctuation, looks_like};
use crate::phrases::{Phrases, can_begin};
use crate::words::{Class, Spelling};

/// What is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) severity: Severity,
    /// After "the line": what it does.
    pub(crate) what: &'static str,
}

const fn rule(name: &'static str, severity: Severity, what: &'static str) -> Rule {
    Rule { name, severity, what }
}

pub(crate) static OVERRIDE: Rule = rule("override", Severity::High, "tells an agent to leave its orders behind");
pub(crate) static ROLE_PLAY: Rule = rule("role-play", Severity::Medium, "tells an agent what it is");
pub(crate) static ADDRESS: Rule = rule("address", Severity::Medium, "speaks to an agent");
pub(crate) static SECRECY: Rule = rule("secrecy", Severity::Medium, "asks to keep something from a person");
pub(crate) static PROMPT_LEAK: Rule = rule("prompt-leak", Severity::Medium, "asks an agent for its orders");
pub(crate) static COMMENT: Rule = rule("addressed-comment", Severity::High, "speaks to an agent in a comment that is not shown");
pub(crate) static ROLE_TAG: Rule = rule("role-tag", Severity::High, "holds a tag by which models tell who speaks");
pub(crate) static HIDDEN_TEXT: Rule = rule("hidden-text", Severity::High, "holds a character that nobody sees");
pub(crate) static AGENT_FILE: Rule = rule("agent-file", Severity::Medium, "is followed by agents");

/// All of them.
pub(crate) static RULES: [&Rule; 9] =
    [&OVERRIDE, &ROLE_PLAY, &ADDRESS, &SECRECY, &PROMPT_LEAK, &COMMENT, &ROLE_TAG, &HIDDEN_TEXT, &AGENT_FILE];

/// Bytes of the text that go with a hit; what is shown of them is cut again.
const AROUND: usize = 64;

/// Something that was found.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) rule: &'static Rule,
    pub(crate) excerpt: String,
}

/// A walk. It goes on from one line to the next.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    phrases: Phrases,
    /// Whether a comment of HTML is open.
    comment: bool,
}

/// A word that is being read. It is passed by value, so that the walk keeps it out of memory.
#[derive(Debug, Clone, Copy)]
struct Word {
    spelling: Spelling,
    start: usize,
    /// Whether it has a letter.
    begun: bool,
}

impl Word {
    const NONE: Self = Self { spelling: Spelling::EMPTY, start: 0, begun: false };

    const fn and(self, letter: u8, at: usize) -> Self {
        let start = if self.begun { self.start } else { at };
        Self { spelling: self.spelling.and(letter), start, begun: true }
    }

    /// With all letters that `text` begins with, and how many these are: most of a text is letters, and this loop is most of the walk.
    #[inline(always)]
    fn and_all(self, text: &[u8], at: usize) -> (Self, usize) {
        let start = if self.begun { self.start } else { at };
        let (mut spelling, mut count) = (self.spelling, 0);
        for byte in text {
            let letter = KIND[usize::from(*byte)];
            if letter <= MARK {
                break;
            }
            spelling = spelling.and(letter);
            count += 1;
        }
        (Self { spelling, start, begun: true }, count)
    }
}

/// What a byte is: one of the four below, or a letter (or digit), given as a small one.
static KIND: [u8; 256] = kinds();
const PARTS: u8 = 0;
const PASSED_OVER: u8 = 1;
const NO_ASCII: u8 = 2;
/// Parts words, and may be the beginning of more. Letters are greater.
const MARK: u8 = 3;

const fn kinds() -> [u8; 256] {
    let mut table = [PARTS; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
            b'\'' => PASSED_OVER,
            b'<' | b'-' | b'[' | b'#' | b'\n' | 0x1b | 0x08 => MARK,
            0x80.. => NO_ASCII,
            _ => PARTS,
        };
        byte += 1;
    }
    table
}

/// For a letter of another alphabet: a word with one is none of the list.
const NO_LETTER: u8 = 0;

/// The one of printed text.
const APOSTROPHE: char = '\u{2019}';

impl Scan {
    /// What comes does not go on from what came.
    pub(crate) fn begin(&mut self) {
        self.phrases.begin();
        self.comment = false;
    }

    /// Looks at a text, or at the next line of one; `first` where a file or a text begins here.
    pub(crate) fn text(&mut self, text: &[u8], first: bool, mut found: impl FnMut(Hit)) {
        self.phrases.next_text();
        if begins_speech(text) {
            found(hit(&ROLE_TAG, text, 0));
        }
        let (mut word, mut at) = (Word::NONE, 0);
        while let Some(byte) = text.get(at) {
            let kind = KIND[usize::from(*byte)];
            if kind > MARK {
                let taken;
                (word, taken) = word.and_all(&text[at..], at);
                at += taken;
                continue;
            }
            if kind == PARTS {
                if word.begun {
                    self.end_word(word, text, &mut found);
                    word = Word::NONE;
                }
            } else if kind == MARK {
                self.end_word(word, text, &mut found);
                word = Word::NONE;
                self.mark(text, at, &mut found);
            } else if kind == NO_ASCII {
                let length;
                (word, length) = self.beyond_ascii(text, at, first, word, &mut found);
                at += length - 1;
            }
            at += 1;
        }
        self.end_word(word, text, &mut found);
    }

    #[inline(always)]
    fn end_word(&mut self, word: Word, text: &[u8], found: &mut impl FnMut(Hit)) {
        let class = word.spelling.class();
        if self.phrases.is_under_way() || can_begin(class) {
            self.read(class, word, text, found);
        }
    }

    #[inline(never)]
    fn read(&mut self, class: Class, word: Word, text: &[u8], found: &mut impl FnMut(Hit)) {
        if word.begun {
            self.phrases.word(class, word.start, self.comment, |read| found(hit(read.rule, text, read.start)));
        }
    }

    /// A byte that parts words: a tag can begin here, a comment begin or end.
    fn mark(&mut self, text: &[u8], at: usize, found: &mut impl FnMut(Hit)) {
        let rest = &text[at..];
        match rest[0] {
            b'<' if rest.starts_with(b"<!--") => self.comment = true,
            b'-' if rest.starts_with(b"-->") => {
                self.comment = false;
                self.phrases.end_comment();
            }
            b'<' | b'[' | b'#' if begins_tag(rest) => found(hit(&ROLE_TAG, text, at)),
            b'\n' if begins_speech(&rest[1..]) => found(hit(&ROLE_TAG, text, at + 1)),
            0x1b | 0x08 => found(hit(&HIDDEN_TEXT, text, at)),
            _ => {}
        }
    }

    /// A character that is no ASCII, or a byte that is no character; answers the word that goes on and how many bytes were taken.
    fn beyond_ascii(&mut self, text: &[u8], at: usize, first: bool, word: Word, found: &mut impl FnMut(Hit)) -> (Word, usize) {
        if is_plain_letter(&text[at..]) {
            return (word.and(NO_LETTER, at), 3);
        }
        let Some((c, length)) = char_at(&text[at..]) else {
            self.end_word(word, text, found);
            return (Word::NONE, 1);
        };
        if let Some(letter) = looks_like(c) {
            return (word.and(letter, at), length);
        }
        if c == APOSTROPHE || is_hidden(c) {
            // The word goes on: a reader would not see that it was parted.
            if c != APOSTROPHE && hides(c, around(text, at, length, first)) {
                found(hit(&HIDDEN_TEXT, text, at));
            }
            return (word, length);
        }
        if is_punctuation(c) {
            self.end_word(word, text, found);
            return (Word::NONE, length);
        }
        (word.and(NO_LETTER, at), length)
    }
}

fn around(text: &[u8], at: usize, length: usize, first: bool) -> Around {
    let mut before = chars_before(text, at);
    let last = before.next();
    let in_flag = last.into_iter().chain(before.take(8)).find(|c| !is_flag_tag(*c)) == Some(FLAG);
    Around { before: last, after: char_at(&text[at + length..]).map(|(c, _)| c), first: first && at == 0, in_flag }
}

/// The characters before `at`, the nearest first.
fn chars_before(text: &[u8], mut at: usize) -> impl Iterator<Item = char> {
    std::iter::from_fn(move || {
        let from = (1..=at.min(4)).map(|length| at - length).find(|from| text[*from] & 0xc0 != 0x80)?;
        let (c, _) = char_at(&text[from..at])?;
        at = from;
        Some(c)
    })
}

fn hit(rule: &'static Rule, text: &[u8], start: usize) -> Hit {
    let from = start.min(text.len());
    let end = (from + AROUND).min(text.len());
    Hit { rule, excerpt: String::from_utf8_lossy(&text[from..end]).into_owned() }
}
