//! What looks like a secret and is only a stand-in for one.

/// Words that nobody's random token holds by chance.
const TELLING: &[&[u8]] = &[
    b"example",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"dummy",
    b"redacted",
    b"sample",
    b"notreal",
    b"not-real",
    b"not_real",
    b"insert",
    b"your",
    b"foobar",
    b"deadbeef",
    b"replace",
];

/// Values from the issuers' own manuals, by their ends.
const MANUALS: &[&[u8]] = &[b"SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"];

/// The longest run of one character, or of neighbours as in `1234567`, that chance may give.
const RUN: usize = 6;

/// Fewer different characters than this are no secret.
const DIFFERENT: usize = 8;

/// Whether this token is a stand-in.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    different(value) < DIFFERENT || says_so(value)
}

/// Whether a value, of whatever length, says itself that it is no secret.
pub(crate) fn says_so(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    has_run(&lower) || TELLING.iter().any(|word| contains(&lower, word)) || MANUALS.iter().any(|end| value.ends_with(end))
}

fn different(value: &[u8]) -> usize {
    let mut seen = [false; 256];
    value.iter().filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true)).count()
}

fn has_run(value: &[u8]) -> bool {
    let (mut same, mut rising) = (1, 1);
    value.windows(2).any(|pair| {
        same = if pair[0] == pair[1] { same + 1 } else { 1 };
        rising = if pair[0].checked_add(1) == Some(pair[1]) { rising + 1 } else { 1 };
        same > RUN || rising > RUN
    })
}

/// Whether `part` is in `text`.
pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window[0] == part[0] && window == part)
}
