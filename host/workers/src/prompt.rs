//! What a phase tells its worker, in words: one builder for every phase and every CLI.
//!
//! Two kinds of text meet in a prompt: that which instructs (the contract's prompt, these rules, the operator's task) and that which is
//! only quoted (the repository, earlier outputs, memory, reasons). Quoted text stands between lines that carry a number derived from all of
//! the prompt's content, so that no text can hold the line that would end its own quotation.

mod fit;
mod text;

use orc_domain::api::BlockReason;
use orc_domain::names::{PhaseName, ProjectName};
use orc_domain::plan::PlannedIntent;
use orc_domain::untrusted::Untrusted;
use orc_domain::worker::{Repair, WorkerAccess};
use serde::Serialize;
use serde_json::Value;

use text::Shown;

/// The size that every CLI takes: one of them ends at a mebibyte.
pub const MAX_PROMPT: usize = 900_000;

/// What a prompt is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptParts {
    /// The contract's prompt: written by those who write the rules, so it instructs.
    pub contract: String,
    /// The task, in the operator's words, or the planned command.
    pub work: PlannedIntent,
    /// The project.
    pub project: ProjectName,
    /// The branch that work starts from.
    pub branch: Untrusted,
    /// The commit that it starts from.
    pub commit: String,
    /// What the worker may do with its workspace.
    pub access: WorkerAccess,
    /// What earlier phases emitted, the oldest first.
    pub earlier: Vec<EarlierOutput>,
    /// Why the attempt before was blocked.
    pub reasons: Vec<BlockReason>,
    /// What is remembered of the project, the oldest first.
    pub memory: Vec<MemoryItem>,
    /// The diff that is to be judged.
    pub diff: Option<Untrusted>,
    /// Why the answer is asked for again, where only that is asked.
    pub repair: Option<Repair>,
    /// The JSON Schema of the answer.
    pub schema: Value,
}

/// What a phase before this one emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierOutput {
    /// The phase.
    pub phase: PhaseName,
    /// Its output.
    pub output: Value,
}

/// An accepted item of the plan's memory snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryItem {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// What is remembered.
    pub text: Untrusted,
    /// Where it comes from.
    pub source: Untrusted,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// It.
    pub text: String,
    /// What was left out so that it fits, in the order of cutting.
    pub cut: Vec<Cut>,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// What kind of thing.
    pub part: CutPart,
    /// Which: a memory item's id, a phase, a reason's code; empty for the diff.
    pub name: String,
    /// How many bytes of it.
    pub bytes: usize,
}

/// What may be left out of a prompt, in the order of cutting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutPart {
    /// Memory items, the oldest first.
    Memory,
    /// The middle of the diff; both ends stay.
    Diff,
    /// Earlier outputs, that of the oldest phase first.
    Earlier,
    /// Reasons beyond the first ten, the last first.
    Reasons,
}

/// Why there is no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// What may not be cut is too large.
    #[error(
        "the prompt needs {needed} bytes after everything that may be left out was, and {max} are allowed: shorten the task or the contract's prompt"
    )]
    TooLarge {
        /// What is left after every cut.
        needed: usize,
        /// What is allowed.
        max: usize,
    },
}

/// Builds the prompt, at most `max_bytes` long. What is left out for that is named; the task, the contract's prompt and the schema never are.
///
/// # Errors
/// When it does not fit even so.
pub fn build(parts: &PromptParts, max_bytes: usize) -> Result<Prompt, PromptError> {
    let shown = Shown::of(parts);
    let keep = fit::fit(&shown, max_bytes)?;
    Ok(Prompt { text: shown.render(&keep), cut: fit::cuts(&shown, &keep) })
}
