//! Validated names. A name is parsed once, at the edge; an invalid one cannot exist behind it, and one kind of name is not another:
//!
//! ```compile_fail
//! use orc_domain::{PhaseName, ProjectName};
//! let project: ProjectName = "flowry".parse().unwrap();
//! let phase: PhaseName = project;
//! ```

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// Why a text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: {rule}")]
pub struct InvalidName {
    /// What the name was to be, as in "project name".
    pub kind: &'static str,
    /// The text as given, made safe to show.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

const LOWER: &str = "use 1 to 64 of a-z, 0-9, `-` and `_`, starting with a letter or digit";
const MIXED: &str = "use 1 to 64 of A-Z, a-z, 0-9, `.`, `-` and `_`, starting with a letter or digit";

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

fn mixed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn well_formed(text: &str, allowed: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    (1..=MAX_NAME).contains(&bytes.len()) && bytes[0].is_ascii_alphanumeric() && bytes.iter().all(|byte| allowed(*byte))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $allowed:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What a person calls this kind of name.
            pub const KIND: &'static str = $kind;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if well_formed(text, $allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    let text = crate::untrusted::Untrusted::new(text).for_line(80);
                    Err(InvalidName { kind: $kind, text, rule: $rule })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// A registered target.
    ProjectName, "project name", lower, LOWER
);
name_type!(
    /// The owner of projects and of a quota.
    TenantName, "tenant name", lower, LOWER
);
name_type!(
    /// A person with roles. Upper case is allowed: people choose their own names.
    OperatorName, "operator name", mixed, MIXED
);
name_type!(
    /// What an operator may be; groups are made of roles.
    RoleName, "role name", lower, LOWER
);
name_type!(
    /// A group of roles that is asked for approval.
    GroupName, "role group", lower, LOWER
);
name_type!(
    /// A boolean that risk is computed from.
    FlagName, "action flag", lower, LOWER
);
name_type!(
    /// What the operator wants done, as in `build`.
    ActionName, "action", lower, LOWER
);
name_type!(
    /// One step of a pipeline.
    PhaseName, "phase name", lower, LOWER
);
name_type!(
    /// Ordered phases.
    PipelineName, "pipeline name", lower, LOWER
);
name_type!(
    /// A WASM module that ORC runs.
    GuestName, "guest name", lower, LOWER
);
name_type!(
    /// A worker engine, as in `codex`.
    EngineName, "worker engine", lower, LOWER
);
name_type!(
    /// A deploy runbook of a project.
    RunbookName, "runbook name", lower, LOWER
);
name_type!(
    /// A stable machine-readable code of a decision, finding or refusal.
    Code, "code", mixed, MIXED
);
