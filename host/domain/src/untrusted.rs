//! Text from outside: worker output, task text, repository names, chat. It has no `Display`; a channel shows it only through its escaper.

use serde::{Deserialize, Serialize};

/// Text that somebody outside ORC wrote. It keeps every byte it was given; only what is shown is made safe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Takes text from outside.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The raw text, for hashing, matching and storing. Never for a screen.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// For one line of a terminal: no control, escape or bidirectional characters, line breaks as `⏎`, at most `max` characters.
    pub fn for_line(&self, max: usize) -> String {
        let shown = self.0.chars().map(|c| match c {
            '\n' | '\r' => '⏎',
            '\t' => ' ',
            c if is_hostile(c) => '\u{fffd}',
            c => c,
        });
        shorten(shown, max)
    }

    /// For several lines of a terminal: as [`Untrusted::for_line`], but line breaks and tabs stay.
    pub fn for_terminal(&self, max: usize) -> String {
        let shown = self.0.chars().filter(|c| *c != '\r').map(|c| match c {
            '\n' | '\t' => c,
            c if is_hostile(c) => '\u{fffd}',
            c => c,
        });
        shorten(shown, max)
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

fn shorten(chars: impl Iterator<Item = char>, max: usize) -> String {
    let mut out = String::new();
    for (count, c) in chars.enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

/// Characters that can move a cursor, hide text or reorder it: C0 and C1 controls, bidirectional controls (Unicode TR9),
/// zero-width characters, line and paragraph separators, tags and noncharacters.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
