//! The engine: a method per intent over plain requests and answers, the phase loop, read models. The single state authority.
//!
//! **Belongs here:** what has to happen in which order and in which transaction; identifying ([`identify`]) and authorising ([`authorise`])
//! who acts; building the plan document and comparing it with the world; driving executions; putting read models together.
//!
//! **Never belongs here:** printing, the environment, a clock or randomness of its own, SQL, Rhai, wasmtime, a process, a rule about risk or
//! approval (policy says those), words for one channel only.
//!
//! **Key types:** [`Engine`], opened on [`EngineParts`]; [`Peer`], who the kernel says is at the other end; [`Permit`], which only
//! [`authorise`] makes.
//!
//! **Pitfalls:** policy is asked outside of transactions, with counts that are read again inside; if they differ, ask again. Everything that a
//! vote or a run rests on is read again in the transaction that acts on it. A closure given to `write` must not call the store.

mod altered;
mod authority;
mod command;
mod command_step;
mod commit_step;
mod control;
mod decide;
mod dispatch;
mod document;
mod drive;
mod engine;
mod execute;
mod facts;
mod found;
mod guest_step;
mod identity;
mod keys;
mod knowledge;
mod launch_step;
mod next;
mod once;
mod phase;
mod plan;
mod read;
mod rise_step;
mod rules;
mod rules_diff;
mod run;
mod strangers;
mod views;
mod vote;
mod why;
mod work;
mod worker_step;

pub use authority::{Act, Permit, VoteCase, authorise};
pub use command::parse as parse_command;
pub use document::{Inherited, Machine, command_grant, placed};
pub use engine::{Engine, EngineParts};
pub use identity::{Peer, identify};
pub use keys::{KeyError, Keys};
pub use rules::{compile, problems};
