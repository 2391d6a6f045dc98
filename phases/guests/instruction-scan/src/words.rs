//! The words that attempts to instruct an agent are made of, by what they do in a phrase. A word can be in several classes.

/// A set of classes.
pub(crate) type Class = u32;

/// To leave something behind.
pub(crate) const DROP: Class = 1;
/// That which was said before, or by somebody else.
pub(crate) const PRIOR: Class = 1 << 1;
/// All of something.
pub(crate) const ALL: Class = 1 << 2;
/// What an agent was told.
pub(crate) const ORDERS: Class = 1 << 3;
/// What an agent is held to.
pub(crate) const RULES: Class = 1 << 4;
pub(crate) const NOT: Class = 1 << 5;
pub(crate) const FOLLOW: Class = 1 << 6;
pub(crate) const YOUR: Class = 1 << 7;
pub(crate) const NEW: Class = 1 << 8;
/// What an agent is for.
pub(crate) const ROLE: Class = 1 << 9;
pub(crate) const YOU: Class = 1 << 10;
pub(crate) const ARE: Class = 1 << 11;
pub(crate) const NOW: Class = 1 << 12;
/// An agent, by a name that hardly anything else has.
pub(crate) const AI: Class = 1 << 13;
/// An agent, in a comment that speaks to one.
pub(crate) const AGENT: Class = 1 << 14;
pub(crate) const LANGUAGE: Class = 1 << 15;
pub(crate) const MODEL: Class = 1 << 16;
pub(crate) const FREED: Class = 1 << 17;
/// What a letter begins with.
pub(crate) const HEED: Class = 1 << 18;
pub(crate) const TO: Class = 1 << 19;
pub(crate) const GREET: Class = 1 << 20;
pub(crate) const TELL: Class = 1 << 21;
pub(crate) const PERSON: Class = 1 << 22;
pub(crate) const SHOW: Class = 1 << 23;
pub(crate) const MUST: Class = 1 << 24;
pub(crate) const FROM: Class = 1 << 25;
pub(crate) const ON: Class = 1 << 26;
pub(crate) const AS: Class = 1 << 27;
pub(crate) const AN: Class = 1 << 28;

/// Every word, in small letters.
const WORDS: &[(&[u8], Class)] = &[
    (b"a", AN),
    (b"above", PRIOR),
    (b"agent", AGENT),
    (b"agents", AGENT),
    (b"ai", AI | AGENT),
    (b"ais", AI | AGENT),
    (b"all", ALL | TO),
    (b"always", MUST),
    (b"an", AN),
    (b"any", ALL | TO),
    (b"anyone", PERSON),
    (b"approve", MUST),
    (b"are", ARE),
    (b"as", AS),
    (b"assistant", AGENT),
    (b"assistants", AGENT),
    (b"attention", HEED | GREET),
    (b"bypass", DROP),
    (b"chatbot", AI | AGENT),
    (b"chatbots", AI | AGENT),
    (b"chatgpt", AI | AGENT),
    (b"claude", AI | AGENT),
    (b"codex", AI | AGENT),
    (b"constraints", RULES),
    (b"copilot", AI | AGENT),
    (b"dan", FREED),
    (b"dear", GREET),
    (b"delete", MUST),
    (b"developer", PRIOR | PERSON | FREED),
    (b"directions", RULES),
    (b"directive", ORDERS),
    (b"directives", ORDERS),
    (b"disclose", SHOW),
    (b"disregard", DROP | MUST),
    (b"dont", NOT),
    (b"earlier", PRIOR),
    (b"every", ALL | TO),
    (b"execute", MUST),
    (b"follow", FOLLOW),
    (b"for", TO),
    (b"foregoing", PRIOR),
    (b"forget", DROP),
    (b"former", PRIOR),
    (b"from", FROM),
    (b"gemini", AI | AGENT),
    (b"goal", ROLE),
    (b"gpt", AI | AGENT),
    (b"guardrails", ORDERS),
    (b"guidelines", RULES),
    (b"hello", GREET),
    (b"hey", GREET),
    (b"human", PERSON),
    (b"humans", PERSON),
    (b"ignore", DROP | MUST),
    (b"ignoring", DROP),
    (b"important", HEED),
    (b"inform", TELL),
    (b"informing", TELL),
    (b"initial", PRIOR),
    (b"instruction", ORDERS | HEED),
    (b"instructions", ORDERS | HEED),
    (b"jailbroken", FREED),
    (b"language", LANGUAGE),
    (b"leak", SHOW),
    (b"llm", AI | AGENT),
    (b"llms", AI | AGENT),
    (b"maintainer", PERSON),
    (b"mention", TELL),
    (b"mentioning", TELL),
    (b"message", HEED),
    (b"model", MODEL | AGENT),
    (b"models", MODEL),
    (b"must", MUST),
    (b"neglect", DROP),
    (b"never", NOT | MUST),
    (b"new", NEW),
    (b"not", NOT),
    (b"note", HEED),
    (b"notice", HEED),
    (b"now", NOW),
    (b"obey", FOLLOW),
    (b"on", ON),
    (b"operator", PERSON),
    (b"original", PRIOR),
    (b"output", SHOW | MUST),
    (b"override", DROP),
    (b"please", MUST),
    (b"policies", RULES),
    (b"preceding", PRIOR),
    (b"previous", PRIOR),
    (b"previously", PRIOR),
    (b"print", SHOW),
    (b"prior", PRIOR),
    (b"prompt", ORDERS),
    (b"prompts", ORDERS),
    (b"real", NEW),
    (b"repeat", SHOW),
    (b"respond", MUST),
    (b"reveal", SHOW),
    (b"reviewer", PERSON),
    (b"role", ROLE),
    (b"rules", RULES),
    (b"run", MUST),
    (b"shall", MUST),
    (b"should", MUST),
    (b"show", SHOW),
    (b"system", PRIOR),
    (b"task", ROLE),
    (b"tell", TELL),
    (b"telling", TELL),
    (b"the", TO),
    (b"to", TO),
    (b"true", NEW),
    (b"unrestricted", FREED),
    (b"user", PERSON),
    (b"users", PERSON),
    (b"without", NOT),
    (b"you", YOU),
    (b"your", YOUR | PRIOR),
    (b"youre", YOU | ARE),
];

/// A word as it is read: a hash of its letters. 64 bits keep words apart; whoever finds two that meet gains a finding too many, never one
/// too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spelling(u64);

impl Spelling {
    /// No letter yet.
    pub(crate) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// With one more letter (FNV-1a: one multiplication a letter).
    pub(crate) const fn and(self, letter: u8) -> Self {
        Self((self.0 ^ letter as u64).wrapping_mul(0x0100_0000_01b3))
    }

    const fn place(self) -> usize {
        (self.0 >> 32) as usize % PLACES
    }

    /// The classes of the word; 0 where it is in no phrase.
    #[inline(always)]
    pub(crate) fn class(self) -> Class {
        if TABLE[self.place()].0 == 0 { 0 } else { self.look_up() }
    }

    #[inline(never)]
    fn look_up(self) -> Class {
        let mut place = self.place();
        loop {
            match TABLE[place] {
                (0, _) => return 0,
                (spelling, class) if spelling == self.0 => return class,
                _ => place = (place + 1) % PLACES,
            }
        }
    }
}

/// Four times as many as words: most words that are looked for are not there, and the first look says so.
const PLACES: usize = 512;

static TABLE: [(u64, Class); PLACES] = table();

const fn table() -> [(u64, Class); PLACES] {
    let mut table = [(0, 0); PLACES];
    let mut at = 0;
    while at < WORDS.len() {
        let (word, class) = WORDS[at];
        let spelling = spell(word);
        let mut place = spelling.place();
        while table[place].0 != 0 {
            place = (place + 1) % PLACES;
        }
        table[place] = (spelling.0, class);
        at += 1;
    }
    table
}

const fn spell(word: &[u8]) -> Spelling {
    let mut spelling = Spelling::EMPTY;
    let mut at = 0;
    while at < word.len() {
        spelling = spelling.and(word[at]);
        at += 1;
    }
    spelling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_with_its_classes_and_no_other_is() {
        assert!(WORDS.len() * 4 <= PLACES);
        for (index, (word, class)) in WORDS.iter().enumerate() {
            assert_eq!(spell(word).class(), *class);
            assert!(WORDS[..index].iter().all(|(other, _)| other < word), "{:?} is out of order", std::str::from_utf8(word));
        }
        for word in [&b""[..], b"kilo", b"ignored", b"z", b"\xff", b"\0"] {
            assert_eq!(spell(word).class(), 0);
        }
    }
}
