//! The engine behind a Unix socket: who is there, is there room, what do they ask, what does the engine answer.
//!
//! **Belongs here:** the socket's file and its mode, the peer's identity as the kernel tells it, bounds on connections, sizes and times, the
//! clean stop.
//!
//! **Never belongs here:** whether a peer may do something (the engine's one authorisation function says), SQL, rules.
//!
//! **Key types:** [`Server`], [`Access`], [`Limits`].
//!
//! **Pitfalls:**
//! - [`Server::bind`] replaces a socket that a dead host left. Only the holder of the ownership lock may call it.
//! - `<db>.d/` is mode 0700, so no other unix user can reach a socket in it. A team's socket therefore stands in a directory of its own
//!   with nothing else inside ([`Access::Everyone`]); the state directory is never opened for its sake.
//! - A process number proves nothing about a peer: its process may be dead and the number another's. A peer is judged by its process,
//!   held by a descriptor (`process`), and turned away where the kernel has none.
//! - A client that goes away does not cancel what it asked for: the engine finishes, the answer is dropped.

mod bind;
mod connection;
mod peer;
mod places;
mod process;
mod serve;
mod watch;

pub use bind::{Access, BindError, Server};
pub use connection::Limits;
pub use peer::unix_user;
pub use process::peers_can_be_held;
pub use watch::watch_root;
