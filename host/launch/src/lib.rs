//! Processes: the one door to them. Implements `orc_domain::ports::Launcher` by way of the helper `orc-launch`.
//!
//! Here belong: checking a launch plan against the file system (`plan`, `paths`, `program`), starting the helper (`helper`), the
//! conversation with it (`run`), what becomes of its output (`stream`, `redact`, `keep`), and what is left where it was lost (`strays`). Never: what a worker CLI wants to hear
//! (`workers`), who may launch (`policy`), or what a grant of a phase holds (config and engine). The restrictions themselves are in
//! `launch-helper`; `docs/launches.md` says what they hold.
//!
//! Key types: [`HelperLauncher`], [`LauncherOptions`]; [`system_grant`] and [`baseline_env`] are presets that a caller puts into the plan,
//! so that the plan shows them.
//!
//! Pitfalls. Never `pre_exec`, `uid` or `groups` on a command: std would fork, and a fork costs as much as this process is large. A path
//! of the plan is resolved once, here, and goes to the helper with its inode, so that nobody can swap it in between. Dropping the future
//! of a launch closes the lifeline, and the helper kills everything, but nobody reads the proof. A process that launches becomes a sub-reaper,
//! so it must not wait for children that it does not know.

mod helper;
mod keep;
mod launcher;
mod paths;
mod plan;
mod preset;
mod program;
mod redact;
mod run;
mod strays;
mod stream;

pub use helper::find_helper;
pub use launcher::{HelperLauncher, LauncherOptions};
pub use preset::{baseline_env, system_grant};
