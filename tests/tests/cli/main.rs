//! End-to-end tests through the binary, as a person at a terminal meets it. One binary, a module a theme.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::print_stderr, reason = "tests")]

mod crowd;
mod exits;
mod hosts;
mod journeys;
mod lines;
mod local;
mod rough;
mod slips;
mod toolchains;

/// Tests that may be skipped where the machine lacks something, with what it lacks. Any other skip is a failure.
const MAY_SKIP: [(&str, &str); 6] = [
    ("a_rust_crate_is_registered", "cargo"),
    ("a_node_project_is_registered", "npm"),
    ("a_python_project_is_registered", "python3"),
    ("a_full_disk_leaves_what_was_there", "a tmpfs to mount"),
    ("a_person_at_a_terminal_is_asked", "script"),
    ("a_directory_that_cannot_be_entered_is_no_missing_database", "setpriv"),
];

/// Says that a test is skipped, by name; one that may not be fails.
fn skip(test: &str, lacks: &str) {
    assert!(MAY_SKIP.contains(&(test, lacks)), "{test} may not be skipped for want of {lacks}");
    eprintln!("SKIPPED {test}: this machine lacks {lacks}");
}
