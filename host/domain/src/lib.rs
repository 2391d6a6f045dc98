//! The words of ORC as types: ids, names, states and their transitions, plan, decision, verdict, grant, contracts, intents, ports.
//!
//! **Belongs here:** plain data that more than one room speaks about, its validation, its canonical form and hash, the transition
//! functions, the name that was probably meant ([`nearest`]), and the ports (traits) behind which the rooms with side effects stand.
//!
//! **Never belongs here:** I/O, a runtime, a clock, randomness, SQL, Rhai, wasmtime, a process. Nothing in this crate can fail for a
//! reason outside its arguments.
//!
//! **Key types:** [`plan::PlanDocument`] and its [`plan::PlanHash`]; the five machines of [`states`]; [`decision::Decision`];
//! [`verdict::Verdict`] beside [`verdict::GuestFault`]; [`grant::LaunchGrant`]; [`error::OrcError`]; the intents in [`api`].
//!
//! **Pitfalls:** every type that is part of a plan document is part of the plan hash. Adding a field changes the hash of new plans,
//! which makes open ones stale: give it a default and say so in the changelog.

pub mod api;
pub mod audit;
pub mod canonical;
pub mod contract;
pub mod decision;
pub mod error;
pub mod grant;
pub mod ids;
pub mod names;
pub mod nearest;
pub mod operators;
pub mod output;
pub mod plan;
pub mod ports;
pub mod project;
pub mod risk;
pub mod settings;
pub mod states;
pub mod time;
pub mod untrusted;
pub mod verdict;
pub mod wire;
pub mod worker;

pub use canonical::{Digest, canonical_json};
pub use error::{ErrorCode, ErrorKind, OrcError};
pub use ids::*;
pub use names::*;
pub use time::Timestamp;
pub use untrusted::Untrusted;
