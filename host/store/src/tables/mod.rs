//! One file per table family: the row as a type, what the engine reads, what it writes. States are written in `transition.rs` alone.

pub(crate) mod approval_request;
pub(crate) mod blob;
mod decision;
pub(crate) mod execution;
pub(crate) mod find;
mod freeze;
mod guest_result;
pub(crate) mod idempotency;
mod knowledge;
pub(crate) mod outbox;
pub(crate) mod phase_run;
pub(crate) mod plan_revision;
pub(crate) mod rules;
pub(crate) mod timer;
pub(crate) mod vote;
pub(crate) mod worker_run;
pub(crate) mod workflow;
