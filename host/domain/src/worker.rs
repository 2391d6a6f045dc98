//! What a worker is told and what it answers, whichever CLI it is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::BlockReason;
use crate::grant::LaunchEnd;
use crate::ids::{ExecutionId, WorkflowId};
use crate::names::{PhaseName, ProjectName};
use crate::risk::word_enum;
use crate::untrusted::Untrusted;

/// The version of the task's form.
pub const TASK_SCHEMA: &str = "orc.task/1";

word_enum! {
    /// What a worker may do with its workspace.
    WorkerAccess, "worker access" {
        /// Read it.
        Read = "read",
        /// Change files in it.
        Write = "write",
    }
}

/// One attempt's task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerTask {
    /// [`TASK_SCHEMA`].
    pub schema: String,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The execution.
    pub execution: ExecutionId,
    /// The project.
    pub project: ProjectName,
    /// The phase.
    pub phase: PhaseName,
    /// The attempt, from 1.
    pub attempt: u32,
    /// What it may do with its workspace.
    pub access: WorkerAccess,
    /// Its workspace: an absolute path, and its working directory.
    pub workspace: String,
    /// What the operator asked for, in his own words; absent where the plan has a command. It is in the prompt too: this is for programs,
    /// which would otherwise have to find it between other people's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Untrusted>,
    /// Everything that it is told, in words, the schema included.
    pub prompt: String,
    /// The diff that is to be judged, as git says it and whole; absent where the phase judges none, or where it is too large to pass on.
    /// The prompt quotes it too, but escaped, and without its middle where it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Untrusted>,
    /// The JSON Schema of its answer.
    pub output_schema: Value,
    /// Why the attempt before was blocked; empty for the first.
    pub reasons: Vec<BlockReason>,
    /// What was wrong with its answer, where only the answer is asked for again: files are as they were left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

/// Why an answer is asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// The beginning of what it answered.
    pub answer: Untrusted,
    /// What is wrong with it, a sentence each.
    pub problems: Vec<Untrusted>,
}

/// How a worker's program is called for a task: beside what configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerCall {
    /// Arguments after the configured ones.
    pub args: Vec<String>,
    /// Standard input, closed behind it.
    pub stdin: Vec<u8>,
}

/// How a worker's program ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerEnded {
    /// How.
    pub end: LaunchEnd,
    /// Its standard output, whole unless `cut`.
    pub stdout: Vec<u8>,
    /// Whether it printed more than was kept.
    pub cut: bool,
}

word_enum! {
    /// The rule by which an answer was found in what a worker printed.
    CaptureRule, "capture rule" {
        /// It printed one JSON object and nothing else.
        Whole = "whole",
        /// One fenced block of JSON in its text.
        Fenced = "fenced",
        /// One object, at the end of its text.
        Trailing = "trailing",
    }
}

/// An object that may be the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// How it was found.
    pub rule: CaptureRule,
    /// It. A JSON object.
    pub output: Value,
}

word_enum! {
    /// Why there is no answer.
    AnswerFaultKind, "answer fault" {
        /// It ended badly.
        Failed = "failed",
        /// It printed nothing.
        Empty = "empty",
        /// It printed no object that can be taken: prose, JSON that breaks off, a key twice, nesting too deep.
        NoObject = "no_object",
        /// It printed several, and which one is meant cannot be known.
        SeveralObjects = "several_objects",
        /// It printed more than is kept, or an object larger than is read.
        TooLarge = "too_large",
        /// It printed what is no UTF-8.
        NotUtf8 = "not_utf8",
    }
}

/// No answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFault {
    /// What kind.
    pub kind: AnswerFaultKind,
    /// One sentence.
    pub message: Untrusted,
    /// The beginning of what it printed, for the person and for a repair.
    pub head: Untrusted,
}
