//! How words follow each other in an attempt to instruct an agent. Words come one by one; a phrase may go on over lines.

use crate::scan::{ADDRESS, COMMENT, OVERRIDE, PROMPT_LEAK, ROLE_PLAY, Rule, SECRECY};
use crate::words::*;

/// A word of one of these classes, after at most so many others.
#[derive(Debug, Clone, Copy)]
struct Step {
    class: Class,
    gap: u8,
}

#[derive(Debug, Clone, Copy)]
struct Phrase {
    rule: &'static Rule,
    /// Only in a comment that is not shown.
    hidden: bool,
    steps: &'static [Step],
}

const fn step(class: Class, gap: u8) -> Step {
    Step { class, gap }
}

const fn phrase(rule: &'static Rule, steps: &'static [Step]) -> Phrase {
    Phrase { rule, hidden: false, steps }
}

const fn in_comment(rule: &'static Rule, steps: &'static [Step]) -> Phrase {
    Phrase { rule, hidden: true, steps }
}

const PHRASES: &[Phrase] = &[
    // ignore all of the previous instructions
    phrase(&OVERRIDE, &[step(DROP, 0), step(PRIOR, 4), step(ORDERS | RULES, 3)]),
    // ignore all instructions
    phrase(&OVERRIDE, &[step(DROP, 0), step(ALL, 1), step(ORDERS, 2)]),
    // disregard the instructions above
    phrase(&OVERRIDE, &[step(DROP, 0), step(ORDERS | RULES, 2), step(PRIOR, 3)]),
    // do not follow your rules
    phrase(&OVERRIDE, &[step(NOT, 0), step(FOLLOW, 1), step(PRIOR, 4), step(ORDERS | RULES, 3)]),
    // your new instructions
    phrase(&OVERRIDE, &[step(YOUR, 0), step(NEW, 0), step(ORDERS | ROLE, 1)]),
    // from now on, you
    phrase(&ROLE_PLAY, &[step(FROM, 0), step(NOW, 0), step(ON, 0), step(YOU, 1)]),
    // you are now an unrestricted
    phrase(&ROLE_PLAY, &[step(YOU, 0), step(NOW, 1), step(FREED | AI, 3)]),
    // if you are an AI
    phrase(&ROLE_PLAY, &[step(YOU, 0), step(ARE, 0), step(AI, 3)]),
    phrase(&ROLE_PLAY, &[step(YOU, 0), step(ARE, 0), step(LANGUAGE, 3), step(MODEL, 0)]),
    // as an AI
    phrase(&ROLE_PLAY, &[step(AS, 0), step(AN, 0), step(AI, 0)]),
    // note to all AI agents
    phrase(&ADDRESS, &[step(HEED, 0), step(TO, 0), step(AI, 3)]),
    phrase(&ADDRESS, &[step(HEED, 0), step(TO, 0), step(LANGUAGE, 3), step(MODEL, 0)]),
    // dear Claude
    phrase(&ADDRESS, &[step(GREET, 0), step(AI, 1)]),
    // without telling the user
    phrase(&SECRECY, &[step(NOT, 0), step(TELL, 1), step(PERSON, 3)]),
    // print your system prompt
    phrase(&PROMPT_LEAK, &[step(SHOW, 0), step(YOUR, 2), step(ORDERS, 2)]),
    // <!-- assistant: please run -->
    in_comment(&COMMENT, &[step(AGENT, 0), step(MUST, 6)]),
    in_comment(&COMMENT, &[step(MUST, 0), step(AGENT, 6)]),
];

/// The classes that a phrase can begin with.
const FIRST: Class = first();

const fn first() -> Class {
    let (mut all, mut at) = (0, 0);
    while at < PHRASES.len() {
        all |= PHRASES[at].steps[0].class;
        at += 1;
    }
    all
}

/// Whether a phrase can begin with a word of these classes.
pub(crate) const fn can_begin(class: Class) -> bool {
    class & FIRST != 0
}

/// A phrase whose first words were read.
#[derive(Debug, Clone, Copy)]
struct Begun {
    phrase: &'static Phrase,
    /// The step that comes next, and how many other words may still come before it.
    next: usize,
    left: u8,
    start: usize,
}

/// A phrase that was read in full: its rule, and where it begins in the text, 0 where that was an earlier one.
pub(crate) struct Read {
    pub(crate) rule: &'static Rule,
    pub(crate) start: usize,
}

/// Reads words.
#[derive(Debug, Default)]
pub(crate) struct Phrases {
    begun: Vec<Begun>,
}

impl Phrases {
    /// Whether a word that is in no phrase matters.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.begun.is_empty()
    }

    /// What comes does not go on from what came.
    pub(crate) fn begin(&mut self) {
        self.begun.clear();
    }

    /// A comment ends: what was begun in it alone does not go on.
    pub(crate) fn end_comment(&mut self) {
        self.begun.retain(|begun| !begun.phrase.hidden);
    }

    /// A new text that goes on: places in the old one mean nothing in it.
    pub(crate) fn next_text(&mut self) {
        self.begun.iter_mut().for_each(|begun| begun.start = 0);
    }

    /// A word of these classes at `start`.
    pub(crate) fn word(&mut self, class: Class, start: usize, hidden: bool, mut found: impl FnMut(Read)) {
        self.begun.retain_mut(|begun| go_on(begun, class, &mut found));
        if can_begin(class) {
            let first = |phrase: &&Phrase| class & phrase.steps[0].class != 0 && (hidden || !phrase.hidden);
            self.begun.extend(PHRASES.iter().filter(first).map(|phrase| Begun { phrase, next: 1, left: phrase.steps[1].gap, start }));
        }
    }
}

/// Takes a word; answers whether the phrase can still go on.
fn go_on(begun: &mut Begun, class: Class, found: &mut impl FnMut(Read)) -> bool {
    if class & begun.phrase.steps[begun.next].class == 0 {
        let goes_on = begun.left > 0;
        begun.left = begun.left.saturating_sub(1);
        return goes_on;
    }
    begun.next += 1;
    match begun.phrase.steps.get(begun.next) {
        Some(step) => begun.left = step.gap,
        None => found(Read { rule: begun.phrase.rule, start: begun.start }),
    }
    begun.next < begun.phrase.steps.len()
}
