//! Replaces secrets in a stream, wherever its chunks are cut.
//!
//! Held back at the end of a chunk is what may become a secret with the next one. Pitfall: only what is literally there is found; a
//! program that wants to encode a secret can. Redaction guards against accidents, the grant against attacks.

use orc_domain::ports::Secret;

/// What stands where a secret was.
pub(crate) const REPLACEMENT: &[u8] = b"[redacted]";

/// Beginnings of tokens that are recognised without being told, and how many characters of a token must follow.
const SHAPES: &[(&str, usize)] = &[
    ("AIza", 35),
    ("AKIA", 16),
    ("eyJhbGciOi", 40),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("ghu_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("npm_", 36),
    ("sk-ant-", 20),
    ("sk-proj-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
];

/// A stream's redactor.
pub(crate) struct Redactor {
    patterns: Vec<Pattern>,
    /// Which bytes a pattern starts with: most bytes of most streams are decided here.
    starts: [bool; 256],
    held: Vec<u8>,
    /// Inside a recognised token, of which everything is dropped to its end.
    in_token: bool,
    pub(crate) count: u64,
}

struct Pattern {
    text: Vec<u8>,
    /// Characters of a token that must follow.
    token: usize,
}

enum Match {
    No,
    /// It is one if the stream goes on in the right way.
    Undecided,
    /// Of this many bytes; whether a token goes on behind it.
    Yes(usize, bool),
}

impl Redactor {
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let literal = secrets.iter().map(|secret| secret.0.as_bytes()).filter(|text| !text.is_empty());
        let literal = literal.map(|text| Pattern { text: text.to_vec(), token: 0 });
        let shapes = SHAPES.iter().map(|(text, token)| Pattern { text: text.as_bytes().to_vec(), token: *token });
        let patterns: Vec<Pattern> = literal.chain(shapes).collect();
        let mut starts = [false; 256];
        for pattern in &patterns {
            starts[usize::from(pattern.text[0])] = true;
        }
        Self { patterns, starts, held: Vec::new(), in_token: false, count: 0 }
    }

    /// What can be said so far, with this chunk.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.scan(chunk, false)
    }

    /// The rest, at the end of the stream.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.scan(&[], true)
    }

    fn scan(&mut self, chunk: &[u8], at_end: bool) -> Vec<u8> {
        let mut input = std::mem::take(&mut self.held);
        input.extend_from_slice(chunk);
        let mut clean = Vec::with_capacity(input.len());
        let mut from = 0;
        loop {
            if self.in_token {
                let rest = input[from..].iter().take_while(|byte| is_token(**byte)).count();
                from += rest;
                self.in_token = from == input.len();
            }
            let plain = input[from..].iter().take_while(|byte| !self.starts[usize::from(**byte)]).count();
            clean.extend_from_slice(&input[from..from + plain]);
            from += plain;
            if from == input.len() {
                return clean;
            }
            match self.match_at(&input[from..], at_end) {
                Match::No => {
                    clean.push(input[from]);
                    from += 1;
                }
                Match::Undecided => {
                    self.held = input.split_off(from);
                    return clean;
                }
                Match::Yes(length, goes_on) => {
                    clean.extend_from_slice(REPLACEMENT);
                    self.count += 1;
                    self.in_token = goes_on;
                    from += length;
                }
            }
        }
    }

    /// The longest match at the start of `input`; undecided as long as a longer one may come.
    fn match_at(&self, input: &[u8], at_end: bool) -> Match {
        let mut best = Match::No;
        for pattern in &self.patterns {
            match pattern.match_at(input) {
                Match::Undecided if !at_end => return Match::Undecided,
                Match::Yes(length, goes_on) if !matches!(best, Match::Yes(longest, _) if longest >= length) => {
                    best = Match::Yes(length, goes_on);
                }
                Match::No | Match::Undecided | Match::Yes(..) => {}
            }
        }
        best
    }
}

impl Pattern {
    fn match_at(&self, input: &[u8]) -> Match {
        let compared = input.len().min(self.text.len());
        if input[..compared] != self.text[..compared] {
            return Match::No;
        }
        let rest = &input[compared..];
        let token = rest.iter().take(self.token).take_while(|byte| is_token(**byte)).count();
        if compared == self.text.len() && token == self.token {
            Match::Yes(compared + token, self.token > 0)
        } else if token == rest.len() {
            Match::Undecided
        } else {
            Match::No
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redact<'a>(secrets: &[&str], chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, u64) {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret((*secret).to_owned())).collect();
        let mut redactor = Redactor::new(&secrets);
        let mut clean: Vec<u8> = chunks.into_iter().flat_map(|chunk| redactor.push(chunk)).collect();
        clean.extend(redactor.finish());
        (String::from_utf8_lossy(&clean).into_owned(), redactor.count)
    }

    #[test]
    fn secrets_are_replaced_however_they_meet() {
        let github = format!("ghp_{}", "a1".repeat(20));
        for (secrets, text, expected, count) in [
            (&["hunter2"][..], "password hunter2!", "password [redacted]!", 1),
            (&["abc", "abcdef"], "abc abcdef abcde", "[redacted] [redacted] [redacted]de", 3),
            (&["aab"], "aaab", "a[redacted]", 1),
            (&["aa"], "aaa", "[redacted]a", 1),
            (&["line\nbreak"], "a line\nbreak", "a [redacted]", 1),
            (&["", "x"], "axb", "a[redacted]b", 1),
            (&["unfinished"], "ends unfin", "ends unfin", 0),
            (&[], github.as_str(), "[redacted]", 1),
            (&[], "ghp_short and task-list", "ghp_short and task-list", 0),
            (&["hunter2"], "hunter2hunter2", "[redacted][redacted]", 2),
        ] {
            assert_eq!(redact(secrets, [text.as_bytes()]), (expected.to_owned(), count), "{text:?}");
        }
    }

    #[test]
    fn a_token_is_dropped_to_its_end_however_long() {
        let text = format!("key=sk-ant-{} next", "x".repeat(5000));
        assert_eq!(redact(&[], text.as_bytes().chunks(7)), ("key=[redacted] next".to_owned(), 1));
    }

    proptest! {
        #[test]
        fn where_chunks_are_cut_changes_nothing(text in "[ab-]{0,40}(ghp_[a-z]{30,40})?[ab]{0,9}", cuts in prop::collection::vec(1_usize..9, 1..30)) {
            let secrets = ["ab", "abba", "b-a", "aaaa"];
            let whole = redact(&secrets, [text.as_bytes()]);
            let (mut rest, mut chunks) = (text.as_bytes(), Vec::new());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, more) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = more;
            }
            prop_assert_eq!(redact(&secrets, chunks), whole);
        }
    }
}
