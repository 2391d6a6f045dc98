//! What a guest author needs: a trait to implement, a macro that makes a component of it, and the inputs as plain Rust.
//!
//! **Belongs here:** the bindings to `guest-sdk/wit/v1`, a small API over them, readers for documents and diffs, path patterns, and a
//! harness that runs a guest's cases natively ([`testing`]).
//!
//! **Never belongs here:** a rule of a particular gate, anything of the host (not even its types), WASI, a clock, randomness.
//!
//! **Key types:** [`Gate`], [`Hook`], [`Validator`] with [`gate!`], [`hook!`], [`validator!`]; [`Settings`]; [`Facts`], [`Verdict`],
//! [`Finding`], [`Effect`]; [`Documents`]; [`diff::visit`]; [`glob::Globs`].
//!
//! **Pitfalls:** a component imports exactly what its code reaches: calling [`log`] or opening a document makes it need that capability
//! in `guest.toml`. The three macros must not be used twice in one crate. A panic is a trap, so a fault, so "blocked": answer
//! [`Declined`] with a reason where you cannot judge.

mod answer;
mod bindings;
pub mod component;
pub mod diff;
mod documents;
pub mod effects;
pub mod glob;
mod kinds;
pub mod log;
mod manifest;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod text;
mod words;

pub use answer::Declined;
pub use bindings::base::orc::guest::input::Facts;
pub use bindings::base::orc::guest::types::{
    Attribute, BacklogItem, BacklogKind, Change, ChangeKind, Command, Context, Effect, End, Finding, Memory, MemoryKind, Report, Severity,
    Verdict,
};
pub use documents::{Document, Documents, LARGEST_JSON, Lines, Piece};
pub use kinds::{Described, Gate, Hook, Validator};
pub use manifest::Manifest;
pub use settings::{NoSettings, Settings};

/// What nearly every guest uses.
pub mod prelude {
    pub use crate::glob::Globs;
    pub use crate::{
        BacklogItem, BacklogKind, Change, ChangeKind, Command, Context, Declined, Document, Documents, Effect, End, Facts, Finding, Gate,
        Hook, Memory, MemoryKind, NoSettings, Report, Settings, Severity, Validator, Verdict,
    };
    pub use serde::Deserialize;
}
