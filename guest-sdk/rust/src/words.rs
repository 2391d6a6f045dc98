//! The words of the contract's enumerations, the same in settings, cases, outputs and on screens.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};

use crate::{BacklogKind, MemoryKind, Severity};

macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::ALL.iter().copied().find(|one| one.word() == text).ok_or_else(|| Error::unknown_variant(&text, &[$($word),+]))
            }
        }
    };
}

words!(Severity: Info = "info", Low = "low", Medium = "medium", High = "high", Critical = "critical");
words!(MemoryKind: Fact = "fact", Decision = "decision", Convention = "convention", Pitfall = "pitfall");
words!(BacklogKind: Bug = "bug", Security = "security", Debt = "debt", Test = "test", Docs = "docs", FollowUp = "follow_up");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_and_severities_have_an_order() {
        for severity in Severity::ALL {
            assert_eq!(serde_json::from_str::<Severity>(&format!("\"{severity}\"")).unwrap(), *severity);
        }
        assert!(Severity::ALL.is_sorted());
        assert_eq!(serde_json::from_str::<BacklogKind>("\"follow_up\"").unwrap(), BacklogKind::FollowUp);
        for text in ["\"Low\"", "\"\"", "3", "null", "\"follow-up\""] {
            assert!(serde_json::from_str::<Severity>(text).is_err(), "{text}");
        }
    }
}
