//! `cargo xtask`: everything that a fresh machine with git and Rust needs, one word each.
//!
//! **Belongs here:** making the wasm32 target available, building guests, helper and host, running demo and tests.
//! **Never belongs here:** behaviour of ORC. No dependencies: this must build in a second.

#![expect(clippy::print_stderr, reason = "a task runner says what it does")]
#![expect(clippy::disallowed_methods, reason = "a task runner starts cargo and reads its own environment")]

mod guests;
mod run;
mod wasm_target;

use std::process::ExitCode;

use run::{Step, cargo};

const USAGE: &str = "\
cargo xtask TASK

  demo [-- ARGS]   build everything and show ORC at work in a throw-away directory (`orcctl demo`); about a minute after the build
  test [-- ARGS]   build everything and run all tests; ARGS go to the test runner, as in `cargo xtask test -- -E 'test(audit)'`
  build            build guests, launch helper and orcctl
  guests           build the stock guests only
  states           write docs/states.md from the transition functions

Everything is built below target/. Needs git and Rust; the wasm32 target is added by rustup, or built from Debian's packages where rustup
cannot download.
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.skip_while(|arg| arg == "--").collect();
    let done = match task.as_str() {
        "demo" => build().and_then(|()| run::orcctl(&["demo"], &rest)),
        "test" => test(&rest),
        "build" => build(),
        "guests" => guests::build(),
        "states" => cargo("write docs/states.md", &["run", "--quiet", "--package", "orc-domain", "--example", "states"], &[]),
        "" | "help" | "--help" | "-h" => {
            eprint!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(format!("no task `{other}`\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Guests first: the host's tests and the demo take them from beside the binary.
fn build() -> Step {
    guests::build()?;
    cargo(
        "build the launch helper, the sample worker and orcctl",
        &["build", "--locked", "--package", "orc-launch-helper", "--package", "orc-sample-worker", "--package", "orcctl"],
        &[],
    )
}

fn test(args: &[String]) -> Step {
    build()?;
    guests::test()?;
    run::orcctl(&["gate", "test", "--stock", "phases/guests"], &[])?;
    run::orcctl(&["policy", "test", "--stock", "--require-coverage"], &[])?;
    cargo("run the documentation's examples", &["test", "--locked", "--workspace", "--doc", "--quiet"], &[])?;
    // Last, so that the run ends with the runner's own summary.
    if run::has_nextest() {
        cargo("run the tests", &["nextest", "run", "--locked", "--workspace"], args)
    } else {
        eprintln!("xtask: cargo-nextest is not installed; `cargo test` runs the same tests, more slowly");
        cargo("run the tests", &["test", "--locked", "--workspace", "--lib", "--bins", "--tests"], args)
    }
}
