//! Worker adapters: what to say to a CLI, and how to read its answer.
//!
//! **Belongs here:** an adapter per CLI, one file each, behind `orc_domain::ports::Worker`; the rules by which an answer is found in what
//! a worker printed ([`capture`]); the prompt of a phase ([`prompt`]).
//!
//! **Never belongs here:** I/O, a runtime, a process (`launch`), a directory or a diff (`workspace`), the comparison of an answer with its
//! schema and what becomes of a worker without one (`engine`). Everything here is a function of its arguments.
//!
//! **Key types:** [`CommandWorker`]; [`capture::in_text`] and [`capture::of_ended`], which later adapters share;
//! [`prompt::build`].
//!
//! **Pitfalls:** what a worker prints was written by somebody who may want to be believed. An adapter never goes by how an object looks,
//! only by where it stands; where two could be meant there is no answer. In a prompt,
//! text that somebody else wrote stands in a block of `prompt/text.rs` or not at all.

pub mod capture;
mod command;
mod json;
pub mod prompt;

pub use command::CommandWorker;
