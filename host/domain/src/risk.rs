//! Risk classes, action flags and command families: the words that policy speaks in.

use serde::{Deserialize, Serialize};

use crate::decision::Reason;

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, the same in config, columns, policy and screens.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::risk::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::risk::UnknownWord {
                        kind: $kind,
                        text: $crate::untrusted::Untrusted::new(text).for_line(40),
                        valid: &[$($text),+],
                    }),
                }
            }
        }
    };
}
pub(crate) use word_enum;

/// A word that is not one of a fixed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: use one of {}", valid.join(", "))]
pub struct UnknownWord {
    /// What the word was to name.
    pub kind: &'static str,
    /// The word as given, made safe to show.
    pub text: String,
    /// The words that are.
    pub valid: &'static [&'static str],
}

word_enum! {
    /// How risky a plan is. Ordered: a later class is riskier.
    RiskClass, "risk class" {
        /// Reads, or builds what was built before.
        Low = "low",
        /// Needs a technical lead.
        Moderate = "moderate",
        /// Needs security as well.
        Elevated = "elevated",
        /// Needs a release manager as well.
        High = "high",
    }
}

word_enum! {
    /// The command families of the seeds.
    CommandFamily, "command family" {
        /// Looks, changes nothing.
        ReadOnly = "read_only",
        /// Builds or tests in a throw-away checkout.
        BuildTest = "build_test",
        /// Lets an agent change the project.
        AgentImplementation = "agent_implementation",
        /// Deploys by the project's runbook.
        DeploymentRunbook = "deployment_runbook",
    }
}

/// Risk with what raised it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskAssessment {
    /// The class.
    pub class: RiskClass,
    /// Each rule that raised it, in the order of evaluation.
    pub reasons: Vec<Reason>,
}
