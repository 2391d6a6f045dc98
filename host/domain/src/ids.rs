//! The registry of typed ids. Short and easy to say (`wf_k7f3q2mz`), unique in the database; one kind is not another:
//!
//! ```compile_fail
//! use orc_domain::{ExecutionId, WorkflowId};
//! let workflow: WorkflowId = "wf_k7f3q2mz".parse().unwrap();
//! let execution: ExecutionId = workflow;
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ports::IdSource;

/// Letters and digits that are hard to mistake for one another when read aloud: no `0`, `1`, `i`, `l`, `o`.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// Characters behind the prefix of a new id: 31^8 values; the database refuses the one collision in a trillion.
const NEW_LENGTH: usize = 8;

/// Why a text is no id of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind} id: expected `{prefix}_` and letters or digits, as in `{prefix}_k7f3q2mz`")]
pub struct InvalidId {
    /// What the id was to name, as in "workflow".
    pub kind: &'static str,
    /// The prefix of that kind, without the underscore.
    pub prefix: &'static str,
    /// The text as given, made safe to show.
    pub text: String,
}

fn random_suffix(source: &dyn IdSource) -> String {
    let mut out = String::with_capacity(NEW_LENGTH);
    while out.len() < NEW_LENGTH {
        let mut bytes = [0u8; 16];
        source.fill(&mut bytes);
        // Bytes of 248 and above would favour the first letters of the alphabet.
        let letters = bytes.iter().filter(|byte| **byte < 248);
        out.extend(letters.map(|byte| char::from(ALPHABET[usize::from(*byte) % 31])).take(NEW_LENGTH - out.len()));
    }
    out
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The prefix of this kind, without the underscore.
            pub const PREFIX: &'static str = $prefix;
            /// What a person calls the thing that the id names.
            pub const KIND: &'static str = $kind;

            /// A new random id.
            pub fn generate(source: &dyn IdSource) -> Self {
                Self(format!("{}_{}", $prefix, random_suffix(source)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let rest = text.strip_prefix(concat!($prefix, "_"));
                let valid = rest.is_some_and(|rest| {
                    (1..=16).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                });
                if valid {
                    Ok(Self(text.to_owned()))
                } else {
                    let text = crate::untrusted::Untrusted::new(text).for_line(40);
                    Err(InvalidId { kind: $kind, prefix: $prefix, text })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
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

id_type!(
    /// One intent.
    WorkflowId, "wf", "workflow"
);
id_type!(
    /// What is asked of one role group for one plan revision.
    ApprovalRequestId, "ap", "approval request"
);
id_type!(
    /// The one run of a plan revision.
    ExecutionId, "ex", "execution"
);
id_type!(
    /// A phase inside an execution.
    PhaseRunId, "ph", "phase run"
);
id_type!(
    /// One launch of a worker or command.
    WorkerRunId, "wr", "worker run"
);
id_type!(
    /// One call of a guest.
    GuestRunId, "gr", "guest run"
);
id_type!(
    /// A stored answer of policy.
    DecisionId, "de", "decision"
);
id_type!(
    /// Distilled knowledge of a project.
    MemoryItemId, "me", "memory item"
);
id_type!(
    /// Work found but not done.
    BacklogItemId, "bl", "backlog item"
);
id_type!(
    /// A freeze of a project, a tenant or everything.
    FreezeId, "fz", "freeze"
);
id_type!(
    /// An installation: what a database and a root belong to.
    InstallationId, "in", "installation"
);
