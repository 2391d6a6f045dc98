//! The sample worker: a program behind the command worker's protocol (`docs/workers.md`), for trying ORC and for its tests.
//!
//! It is no agent. It applies a patch that the task names, describes that patch, and reviews a diff by a few simple rules; every
//! summary of it says so.
//!
//! **Belongs here:** the protocol from a worker's side, a strict patch applier, rules for the review.
//!
//! **Never belongs here:** anything of ORC but the words of `orc-domain`; a process, a network, the environment. It is launched like any
//! other worker and gets no more.
//!
//! **Pitfalls:** its workspace was written by others: no path is followed through a link, and no patch is applied in part.

mod answer;
mod patch;
mod review;
mod task;
mod workspace;

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use orc_domain::worker::{TASK_SCHEMA, WorkerTask};

/// The largest task that is read, in bytes.
const MAX_TASK: u64 = 64 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Where nobody listens any more there is nobody to tell.
            let _ = writeln!(io::stderr(), "orc-sample-worker: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let answer = answer::answer(&read_task()?)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{answer}").and_then(|()| stdout.flush()).map_err(|error| format!("cannot answer: {error}"))
}

fn read_task() -> Result<WorkerTask, String> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_TASK).read_to_end(&mut bytes).map_err(|error| format!("cannot read the task: {error}"))?;
    let task: WorkerTask = serde_json::from_slice(&bytes).map_err(|error| format!("standard input is no task: {error}"))?;
    if task.schema != TASK_SCHEMA {
        return Err(format!("the task is not of the form {TASK_SCHEMA}"));
    }
    Ok(task)
}
