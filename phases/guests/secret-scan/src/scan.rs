//! The walk over a line: words, closer looks at long ones, and the few shapes that are no single word.

use orc_guest::Severity;

use crate::assignment::is_assigned_secret;
use crate::placeholder::{contains, is_placeholder, says_so};
use crate::shapes::{ALNUM, CLASS, SHAPES, Shape, URL, WEB_TOKEN_BEGINS, begins_token, run, shapes_of};

/// What was found, without the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) rule: &'static str,
    pub(crate) what: &'static str,
    pub(crate) severity: Severity,
}

const PRIVATE_KEY: Hit = Hit { rule: "private-key", what: "a private key", severity: Severity::Critical };
const WEB_TOKEN: Hit = Hit { rule: "json-web-token", what: "a JSON web token", severity: Severity::High };
const TELEGRAM: Hit = Hit { rule: "telegram-bot-token", what: "a Telegram bot token", severity: Severity::Critical };
const AZURE: Hit = Hit { rule: "azure-client-secret", what: "an Azure client secret", severity: Severity::Critical };
const URL_PASSWORD: Hit = Hit { rule: "url-password", what: "a password in an address", severity: Severity::High };
const ASSIGNED: Hit = Hit { rule: "assigned-secret", what: "a random value under a secret's name", severity: Severity::High };

const OTHERS: &[Hit] = &[PRIVATE_KEY, WEB_TOKEN, TELEGRAM, AZURE, URL_PASSWORD, ASSIGNED];

/// No word that tells is shorter.
const KEY_BEGINS: &[u8] = b"-----BEGIN";

/// Longer heads and bodies are not looked for: a word made of beginnings would cost its length squared.
const WEB_TOKEN_PART: usize = 2_000;

/// Names of all rules, each once.
pub(crate) fn rules() -> impl Iterator<Item = &'static str> {
    let shapes = SHAPES.iter().enumerate().filter(|(at, shape)| SHAPES[..*at].iter().all(|earlier| earlier.rule != shape.rule));
    OTHERS.iter().map(|hit| hit.rule).chain(shapes.map(|(_, shape)| shape.rule))
}

/// Calls `found` for everything in an added line (or a piece of one) that looks like a secret.
///
/// Tokens begin where a run of letters and digits begins; what is assigned is a whole word.
pub(crate) fn line(text: &[u8], mut found: impl FnMut(&Hit)) {
    let (mut at, mut word) = (0, 0);
    let mut known = false;
    while let Some(byte) = text.get(at) {
        let class = CLASS[usize::from(*byte)];
        if class & ALNUM != 0 {
            if begins_token(&text[at..])
                && let Some(hit) = token_at(&text[at..])
            {
                found(&hit);
                known = true;
            }
            at += run(&text[at..], ALNUM);
        } else if class != 0 {
            at += 1;
        } else {
            if at - word >= KEY_BEGINS.len() && !known {
                whole_word(text, word, at).iter().for_each(&mut found);
            }
            at += match byte {
                b':' | b'\\' | b'%' => mark(&text[at..], &mut found),
                _ => 1,
            };
            (word, known) = (at, false);
        }
    }
    if at - word >= KEY_BEGINS.len() && !known {
        whole_word(text, word, at).iter().for_each(found);
    }
}

/// How many bytes part two words here: an escape (`\n`, `%3D`) is more than one, and its letter belongs to no word.
fn mark(text: &[u8], found: &mut impl FnMut(&Hit)) -> usize {
    match text {
        [b'\\', b'n' | b'r' | b't', ..] => 2,
        [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
        [b':', b'/', b'/', rest @ ..] => {
            if has_password(rest) {
                found(&URL_PASSWORD);
            }
            1
        }
        _ => 1,
    }
}

/// A closer look at the word `from..to`.
fn whole_word(text: &[u8], from: usize, to: usize) -> Option<Hit> {
    if text[from..to].starts_with(KEY_BEGINS) {
        return begins_private_key(&text[to..]).then_some(PRIVATE_KEY);
    }
    behind_a_mark(text, from, &text[from..to]).or_else(|| is_assigned_secret(text, from, to).then_some(ASSIGNED))
}

/// A token that begins here, at the beginning of a run of letters and digits.
fn token_at(text: &[u8]) -> Option<Hit> {
    if is_web_token(text) {
        return Some(WEB_TOKEN);
    }
    let shape = shapes_of(text[0]).iter().find(|shape| has_shape(text, shape))?;
    Some(Hit { rule: shape.rule, what: shape.what, severity: shape.severity })
}

fn has_shape(text: &[u8], shape: &Shape) -> bool {
    let begins = text.len() > shape.prefix.len() && text.iter().zip(shape.prefix).all(|(byte, wanted)| byte == wanted);
    if !begins {
        return false;
    }
    let rest = &text[shape.prefix.len()..];
    let length = run(&rest[..rest.len().min(shape.max + 1)], shape.alphabet);
    let ends = rest.get(length).is_none_or(|byte| CLASS[usize::from(*byte)] & ALNUM == 0);
    ends && (shape.min..=shape.max).contains(&length) && !is_placeholder(&rest[..length])
}

/// Three parts of base64, of which the first two are JSON objects.
fn is_web_token(word: &[u8]) -> bool {
    let Some(signature) = after_object(word).and_then(after_object) else { return false };
    let signature = &signature[..run(&signature[..signature.len().min(WEB_TOKEN_PART)], ALNUM | URL)];
    signature.len() >= 20 && !is_placeholder(signature)
}

/// What follows a part that is a JSON object, and its dot.
fn after_object(word: &[u8]) -> Option<&[u8]> {
    if !word.starts_with(WEB_TOKEN_BEGINS) {
        return None;
    }
    let length = run(&word[..word.len().min(WEB_TOKEN_PART)], ALNUM | URL);
    word[length..].strip_prefix(b".").filter(|_| length >= 16)
}

/// Tokens whose telling part ends in a character that is in no word: `123456789:AA...` and `abc8Q~...`.
fn behind_a_mark(text: &[u8], from: usize, word: &[u8]) -> Option<Hit> {
    let before = &text[..from];
    if word.len() == 35
        && word.starts_with(b"AA")
        && let Some(id) = before.strip_suffix(b":")
    {
        let digits = id.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        return ((8..=10).contains(&digits) && !is_placeholder(word)).then_some(TELEGRAM);
    }
    let azure = (31..=34).contains(&word.len()) && matches!(before, [.., b'0'..=b'9', b'Q', b'~']);
    (azure && !is_placeholder(word)).then_some(AZURE)
}

/// What follows `-----BEGIN`: a kind of private key, and then not only a stand-in for one.
fn begins_private_key(rest: &[u8]) -> bool {
    let head = &rest[..rest.len().min(64)];
    let body = &rest[..rest.len().min(160)];
    contains(head, b"PRIVATE KEY") && ![&b"..."[..], b"<", b"EXAMPLE", b"${", b"REDACTED"].iter().any(|sign| contains(body, sign))
}

/// Passwords that everybody gives to a database on his own machine.
const CUSTOMARY: &[&[u8]] = &[b"password", b"postgres", b"mysecretpassword"];

/// Whether `user:password@host` follows, with a password that is one.
fn has_password(rest: &[u8]) -> bool {
    let end = rest.iter().take(300).position(|byte| b"/?#\"'`<> \t\\".contains(byte)).unwrap_or(rest.len().min(300));
    let Some(split) = rest[..end].iter().rposition(|byte| *byte == b'@') else { return false };
    let (account, host) = (&rest[..split], &rest[split + 1..end]);
    let Some(colon) = account.iter().position(|byte| *byte == b':') else { return false };
    let (user, password) = (&account[..colon], &account[colon + 1..]);
    let variable = password.iter().any(|byte| b"${}%*[]()".contains(byte));
    let local = [&b"localhost"[..], b"127.", b"[::1]", b"example"].iter().any(|name| host.starts_with(name)) || contains(host, b".example");
    password.len() >= 8 && !variable && !local && user != password && !CUSTOMARY.contains(&password) && !says_so(password)
}
