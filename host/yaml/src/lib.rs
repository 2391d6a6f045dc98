//! YAML as a tree in which every value knows its place. A small part of YAML on purpose: one document, text keys, no anchors, aliases,
//! tags or merge keys, so that what a person reads in a file is what ORC reads.
//!
//! **Belongs here:** the parser with its limits, the tree, what a value means and what a person calls it.
//!
//! **Never belongs here:** which keys a file has and what its values may be: rooms that own a file say so. Opening files: bytes come in.
//!
//! **Key types:** [`Node`], with its [`Kind`] and, for single values, its [`Scalar`].
//!
//! **Pitfalls:** a file is untrusted, and so is its text: what goes into a message goes through [`shown`]. Nothing counts as an empty list
//! and as an empty mapping ([`Node::items`], [`Node::entries`]): a key with nothing behind it is how people leave a section empty.

mod node;
mod parse;

pub use node::{Kind, Node, Scalar, shown};
pub use parse::{parse, parse_past_duplicates};
