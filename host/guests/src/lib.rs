//! Runs guests: gates, hooks and validators as WebAssembly components, each call in a fresh instance that can do nothing but what its
//! binding grants.
//!
//! **Belongs here:** everything that touches wasmtime: the engine's settings, loading, linking by capability, limits, the compile cache,
//! the conversion between WIT's types and the domain's, the cases that a guest's author writes.
//!
//! **Never belongs here:** what a verdict means for a phase, which guests are pinned, who may grant what, WASI.
//!
//! **Key types:** [`WasmGuests`] implements the port [`orc_domain::ports::Guests`]; [`Inspection`] says what a component is without
//! running it; [`cases`] runs a guest's own tests through the same host with the same limits.
//!
//! **How a call ends.** A [`orc_domain::verdict::Verdict`] is an answer; everything else is a
//! [`orc_domain::verdict::GuestFault`] whose class comes from the type of what happened, never from a message:
//!
//! | what happened | class |
//! |---|---|
//! | fuel used up, by instructions or by bytes moved through host calls | `run.fuel` |
//! | still computing at the end of its wall time | `run.deadline` |
//! | a host call still under way at that end | `run.wall` |
//! | memory or table refused, and then it did not answer | `run.memory` |
//! | stack overflow / any other trap | `run.stack` / `run.trap` |
//! | an answer, or data for a host call, that is malformed or above `output_bytes`; effects beyond their bounds | `run.output` |
//! | it answered that it cannot judge | `run.declined` |
//! | its typed input is above `input_bytes`, it was not loaded, or ORC's side broke | `run.host` |
//! | no place became free within a second | `run.busy` |
//!
//! **Pitfalls:** the engine's settings are part of the compile cache's key, so every engine must come from `engine::build`. Epochs
//! stop only guest code; what a host function does is bounded by its own caps and by fuel for every byte that it moves. A refused
//! `memory.grow` is only known to the limiter: Rust guests turn it into `unreachable`.

pub mod cases;

mod bindings;
mod cache;
mod call;
mod convert;
mod document;
mod effects;
mod engine;
mod fault;
mod host;
mod imports;
mod inspect;
mod limits;
mod load;
mod ticker;

pub use cache::CacheError;
pub use host::{GuestsError, GuestsOptions, WasmGuests};
pub use inspect::Inspection;
