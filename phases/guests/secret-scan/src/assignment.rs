//! Secrets without a shape: a random value that is assigned to a telling name. The value is judged first, because that is cheap and
//! nearly always says no; then the text before it must end with a name and an operator.

use crate::placeholder::{contains, is_placeholder};
use crate::shapes::{ALNUM, CLASS, DIGIT, DOT, HEX, LOWER, UPPER, URL};

/// Lengths of a value.
const SHORTEST: usize = 20;
const LONGEST: usize = 200;

/// How much of the text before a value is looked at.
const NAME: usize = 80;

/// Parts of names that tell, in lower case and without `_`, `-`, space and dot.
const TELLING: &[&[u8]] = &[
    b"secret",
    b"token",
    b"password",
    b"passwd",
    b"passphrase",
    b"pwd",
    b"apikey",
    b"accesskey",
    b"accountkey",
    b"privatekey",
    b"signingkey",
    b"encryptionkey",
    b"authkey",
    b"credential",
    b"authorization",
];

/// Parts of names that say: this one is public, or only the trace of a secret.
const HARMLESS: &[&[u8]] = &[
    b"public",
    b"hash",
    b"checksum",
    b"digest",
    b"integrity",
    b"fingerprint",
    b"tokenizer",
    b"tokenid",
    b"keyid",
    b"sha1",
    b"sha256",
    b"sha512",
    b"commit",
    b"etag",
    b"nonce",
];

/// Words between a name and its value in headers.
const SCHEMES: &[&[u8]] = &[b"bearer", b"basic", b"token"];

/// Whether the word `from..to` of `text` is a secret that is being assigned. The cheap questions come first.
pub(crate) fn is_assigned_secret(text: &[u8], from: usize, to: usize) -> bool {
    let value = trim_end(&text[from..to], |byte| byte == b'.');
    if !(SHORTEST..=LONGEST).contains(&value.len()) || text.get(to) == Some(&b'(') {
        return false;
    }
    let Some(name) = assigned_name(&text[from.saturating_sub(NAME)..from]) else { return false };
    is_telling(&squeezed(name)) && looks_random(value) && !is_placeholder(value)
}

/// Random text changes its kind of character often and uses many. Names and paths in code do not, whatever their case.
fn looks_random(value: &[u8]) -> bool {
    let tally = Tally::of(value);
    let (digits, upper, lower) = (tally.kinds[DIGIT as usize], tally.kinds[UPPER as usize], tally.kinds[LOWER as usize]);
    let length = value.len() as u32;
    if digits < 2 || digits * 10 < length || tally.classes & DOT != 0 {
        return false;
    }
    if tally.hexadecimal {
        return length >= 32 && tally.different >= 10;
    }
    let often = if upper > 0 && lower > 0 { tally.changes * 10 >= length * 4 } else { tally.changes * 4 >= length };
    often && upper + lower >= 6 && tally.different >= (length / 2).min(20)
}

/// What a value is made of, counted in one pass.
struct Tally {
    /// How many of each kind: at `DIGIT`, `UPPER`, `LOWER`, and at 0 others.
    kinds: [u32; 8],
    /// The sum of all classes.
    classes: u8,
    /// Nothing but hexadecimal digits in lower case and `-`.
    hexadecimal: bool,
    /// Neighbours of different kinds.
    changes: u32,
    /// Different characters.
    different: u32,
}

impl Tally {
    fn of(value: &[u8]) -> Self {
        let mut tally = Self { kinds: [0; 8], classes: 0, hexadecimal: true, changes: 0, different: 0 };
        let mut seen = [0u64; 2];
        let mut last = value.first().map_or(0, |byte| kind(*byte));
        for byte in value {
            let (class, now) = (CLASS[usize::from(*byte)], kind(*byte));
            tally.kinds[usize::from(now & 7)] += 1;
            tally.classes |= class;
            tally.hexadecimal &= class & (HEX | URL) != 0;
            tally.changes += u32::from(now != last);
            seen[usize::from(byte >> 6 & 1)] |= 1 << (byte & 63);
            last = now;
        }
        tally.different = seen[0].count_ones() + seen[1].count_ones();
        tally
    }
}

/// Digit, upper case, lower case or another.
fn kind(byte: u8) -> u8 {
    CLASS[usize::from(byte)] & ALNUM
}

/// The name that a value is assigned to, with what stands around it, if the text before the value ends like an assignment.
fn assigned_name(before: &[u8]) -> Option<&[u8]> {
    let assignment = without_scheme(trimmed(before));
    let name = trim_end(assignment, |byte| matches!(byte, b'=' | b':' | b'>' | b'~' | b'?'));
    let operator = &assignment[name.len()..];
    if !operator.iter().any(|byte| matches!(byte, b'=' | b':')) {
        return None;
    }
    // An `&` that follows a space begins a type (`&str`), any other a further part of a query.
    let cuts = |at: usize| match name[at] {
        b'&' => at > 0 && name[at - 1] != b' ',
        byte => matches!(byte, b',' | b';' | b'{' | b'(' | b'?'),
    };
    let start = (0..name.len()).rev().find(|at| cuts(*at)).map_or(0, |at| at + 1);
    Some(&name[start..])
}

/// Letters and digits of a name, in lower case.
fn squeezed(name: &[u8]) -> Vec<u8> {
    name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
}

/// Without the quotes and spaces that stand before a value.
fn trimmed(before: &[u8]) -> &[u8] {
    trim_end(before, |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\'))
}

/// Without the word that headers have before a value.
fn without_scheme(before: &[u8]) -> &[u8] {
    // Their last letters, for nearly every word ends otherwise.
    if !matches!(before.last(), Some(b'r' | b'R' | b'c' | b'C' | b'n' | b'N')) {
        return before;
    }
    let rest = trim_end(before, |byte| byte.is_ascii_alphabetic());
    let is_scheme = !rest.is_empty() && SCHEMES.iter().any(|scheme| before[rest.len()..].eq_ignore_ascii_case(scheme));
    if is_scheme { trimmed(rest) } else { before }
}

fn trim_end(text: &[u8], is_cut: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_cut(*byte)).map_or(0, |at| at + 1);
    &text[..end]
}

fn is_telling(name: &[u8]) -> bool {
    TELLING.iter().any(|part| contains(name, part)) && !HARMLESS.iter().any(|part| contains(name, part))
}
