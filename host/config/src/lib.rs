//! Reads the root (`config/`, `policies/`, `phases/`) into checked domain types, and writes new roots and entries.
//!
//! **Belongs here:** the snapshot of a root and its digest ([`RootSnapshot`]); every check of the four YAML files and `guests.lock` with
//! file, line, column and nearest valid name ([`check`]); what a phase's guests really get ([`Checked::phase_guests`]); the stock content
//! ([`stock`]), new roots ([`init`]), new project entries ([`project`]), new pins ([`lock`]).
//!
//! **Never belongs here:** what the rules say (`policies/` is carried along and digested, the policy room compiles it), comparing
//! numbers of config with anything (policy does), running a command, the clock, the environment.
//!
//! **How a file is read:** `orc-yaml` parses it into a tree in which every value knows its place; `read` makes the domain type of it and
//! notes everything wrong in one go; the files of `check/` look at what the types alone cannot say, one file of the root each.
//!
//! **Pitfalls:** which keys exist is said by the domain's types alone: a new field there is a new key here. A check that looks at a value
//! names it by its path in the file (`projects/flowry/owners/0`), which is how it gets its line and column. `check` looks at the file
//! system in one place only, to see through symbolic links in project roots; everything else comes from the snapshot.

mod check;
pub mod init;
pub mod lock;
pub mod project;
mod read;
mod root;
pub mod stock;

pub use check::{Checked, LockedGuest, check};
pub use root::{RootError, RootSnapshot};

/// What this installation is.
pub const ORC_FILE: &str = "config/orc.yaml";
/// Tenants and projects.
pub const REGISTRY_FILE: &str = "config/projects.registry.yaml";
/// Pipelines and phases.
pub const CONTRACTS_FILE: &str = "config/phase-contracts.yaml";
/// Persons, roles, role groups.
pub const OPERATORS_FILE: &str = "config/operators.yaml";
/// Guests, pinned by digest.
pub const LOCK_FILE: &str = "config/guests.lock";
/// The table of rules that most people edit.
pub const RULES_FILE: &str = "policies/data/rules.yaml";
