//! New projects: what a repository is made of, an entry for it, and the entry put into the files that a person may have edited.

mod detect;
mod edit;
mod propose;
mod toolchain;

pub use detect::{Detected, NO_TESTS, detect};
pub use edit::{EditError, append_allowed_command, append_project};
pub use propose::propose;
pub use toolchain::{Toolchain, toolchain};
