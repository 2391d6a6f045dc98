//! What is no word: the tags by which models tell who speaks, and characters that nobody sees.

use orc_guest::text::is_hidden;

/// Tags of chat formats, in small letters, by their second byte: text full of `<` must not cost a look at all of them.
const TAGS: &[(u8, &[&[u8]])] = &[
    (
        b'|',
        &[
            b"<|im_start|>",
            b"<|im_end|>",
            b"<|system|>",
            b"<|user|>",
            b"<|assistant|>",
            b"<|endoftext|>",
            b"<|start_header_id|>",
            b"<|end_header_id|>",
            b"<|eot_id|>",
        ],
    ),
    (b'<', &[b"<<sys>>", b"<</sys>>"]),
    (b'/', &[b"</system>", b"</system-reminder>", b"</assistant>", b"[/inst]"]),
    (b's', &[b"<system>", b"<system-reminder>", b"<start_of_turn>"]),
    (b'a', &[b"<assistant>"]),
    (b'e', &[b"<end_of_turn>"]),
    (b'i', &[b"[inst]"]),
    (b'#', &[b"### system:", b"### instruction:"]),
];

/// Who speaks, at the beginning of a line of a conversation.
const SPEAKERS: &[&[u8]] = &[b"human:", b"assistant:"];

/// Whether a tag begins `text`.
pub(crate) fn begins_tag(text: &[u8]) -> bool {
    let Some(second) = text.get(1).map(u8::to_ascii_lowercase) else { return false };
    let tags = TAGS.iter().find(|(byte, _)| *byte == second).map(|(_, tags)| *tags);
    tags.is_some_and(|tags| tags.iter().any(|tag| begins(text, tag)))
}

/// Whether a line of a conversation begins `text`.
pub(crate) fn begins_speech(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'H' | b'h' | b'A' | b'a')) && SPEAKERS.iter().any(|speaker| begins(text, speaker))
}

fn begins(text: &[u8], wanted: &[u8]) -> bool {
    text.get(..wanted.len()).is_some_and(|head| head.eq_ignore_ascii_case(wanted))
}

/// The character at the beginning of `bytes`, with its length; `None` where there is none that is UTF-8.
pub(crate) fn char_at(bytes: &[u8]) -> Option<(char, usize)> {
    let next = |index: usize| bytes.get(index).filter(|byte| **byte & 0xc0 == 0x80).map(|byte| u32::from(byte & 0x3f));
    let first = u32::from(*bytes.first()?);
    let (code, length) = match first {
        0..=0x7f => (first, 1),
        0xc2..=0xdf => ((first & 0x1f) << 6 | next(1)?, 2),
        0xe0..=0xef => ((first & 0x0f) << 12 | next(1)? << 6 | next(2)?, 3),
        0xf0..=0xf4 => ((first & 0x07) << 18 | next(1)? << 12 | next(2)? << 6 | next(3)?, 4),
        _ => return None,
    };
    Some((char::from_u32(code)?, length))
}

/// Whether `bytes` begin with a letter of kana, of Chinese or of Korean: no other character looks like these, and text in them is made of
/// nothing else.
pub(crate) const fn is_plain_letter(bytes: &[u8]) -> bool {
    matches!(bytes, [0xe3, 0x81..=0x83, 0x80..=0xbf, ..] | [0xe4..=0xec, 0x80..=0xbf, 0x80..=0xbf, ..])
}

/// Whether a character beyond ASCII parts words. By blocks, because a table of all scripts costs more than it finds here.
pub(crate) const fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{2190}'..='\u{2bff}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}')
}

/// The letter of the Latin alphabet that somebody would read, where one of Cyrillic, Greek, Armenian or of full width stands in its place.
/// Written as escapes, because nobody could check them otherwise.
pub(crate) const fn looks_like(c: char) -> Option<u8> {
    Some(match c {
        '\u{0430}' | '\u{ff41}' => b'a',
        '\u{0441}' | '\u{ff43}' => b'c',
        '\u{0501}' | '\u{ff44}' => b'd',
        '\u{0435}' | '\u{ff45}' => b'e',
        '\u{0261}' | '\u{ff47}' => b'g',
        '\u{04bb}' | '\u{ff48}' => b'h',
        '\u{0456}' | '\u{0131}' | '\u{ff49}' => b'i',
        '\u{0458}' => b'j',
        '\u{217c}' | '\u{ff4c}' => b'l',
        '\u{ff4d}' => b'm',
        '\u{0578}' | '\u{ff4e}' => b'n',
        '\u{043e}' | '\u{03bf}' | '\u{ff4f}' => b'o',
        '\u{0440}' | '\u{03c1}' | '\u{ff50}' => b'p',
        '\u{ff52}' => b'r',
        '\u{0455}' | '\u{ff53}' => b's',
        '\u{ff54}' => b't',
        '\u{ff55}' => b'u',
        '\u{03bd}' | '\u{ff56}' => b'v',
        '\u{0443}' | '\u{ff59}' => b'y',
        _ => return None,
    })
}

/// What stands around a character.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    pub(crate) before: Option<char>,
    pub(crate) after: Option<char>,
    /// Whether it is the first of a file or of a text.
    pub(crate) first: bool,
    /// Whether the tags before it belong to a flag.
    pub(crate) in_flag: bool,
}

/// Whether this character, which is no ASCII, hides something. Some that nobody sees are part of how a script or a picture is written.
pub(crate) fn hides(c: char, around: Around) -> bool {
    let script = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_hidden(c));
    match c {
        '\u{feff}' => !around.first,
        // Where a word may be broken.
        '\u{ad}' | '\u{34f}' => false,
        // Joiners and marks of direction, beside letters of scripts that need them; joiners in pictures.
        '\u{200c}' | '\u{200d}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => !(script(around.before) || script(around.after)),
        '\u{e0020}'..='\u{e007f}' => !around.in_flag,
        c => is_hidden(c),
    }
}

/// The black flag that flags of regions are made from, with tags.
pub(crate) const FLAG: char = '\u{1f3f4}';

/// Whether this is one of those tags.
pub(crate) const fn is_flag_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}
