//! Any executable that reads a task as JSON and prints an answer: `docs/workers.md`.

use orc_domain::ports::Worker;
use orc_domain::worker::{Answer, AnswerFault, WorkerCall, WorkerEnded, WorkerTask};

use crate::capture;

/// The `command` engine: the task is one JSON document on standard input, the answer is what [`capture`] finds on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandWorker;

impl Worker for CommandWorker {
    fn call(&self, task: &WorkerTask) -> Result<WorkerCall, String> {
        let stdin = serde_json::to_vec(task).map_err(|error| format!("the task has no JSON form: {error}"))?;
        Ok(WorkerCall { args: Vec::new(), stdin })
    }

    fn answer(&self, ended: &WorkerEnded) -> Result<Answer, AnswerFault> {
        capture::of_ended(ended)
    }
}
