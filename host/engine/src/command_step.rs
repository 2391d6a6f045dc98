//! Commands of a phase: the project's prepare commands, the planned one, and verification on a fresh checkout.

use orc_domain::api::BlockReason;
use orc_domain::output::VerifyOutput;
use orc_domain::plan::PlannedIntent;
use orc_domain::{ErrorCode, OrcError};
use serde_json::Value;

use crate::engine::to_json;
use crate::phase::{Done, Observed, Phase, Room, failed};

impl Phase<'_> {
    /// Prepare commands, then the planned one. `None`: stopped.
    pub(crate) async fn planned_command(&self, room: &Room<'_>, seen: &mut Observed) -> Result<Option<Done>, OrcError> {
        let PlannedIntent::Command { argv } = &self.document.intent else {
            return Err(OrcError::new(ErrorCode::PipelineNotAllowed, "a task has no command for this phase"));
        };
        match self.prepare(room).await? {
            Some(reasons) if reasons.is_empty() => {}
            stopped_or_failed => return Ok(stopped_or_failed.map(|reasons| Done { reasons, output: None })),
        }
        let launched = self.launch(room.attempt, "command", argv, &room.workspace.path, room.scratch).await?;
        let Some(result) = launched else { return Ok(None) };
        let reasons = if result.end.success() { Vec::new() } else { vec![failed("the planned command", &result)] };
        seen.commands.push(result);
        Ok(Some(Done { reasons, output: None }))
    }

    /// The project's prepare commands. `None`: stopped.
    pub(crate) async fn prepare(&self, room: &Room<'_>) -> Result<Option<Vec<BlockReason>>, OrcError> {
        for argv in &self.document.prepare {
            match self.launch(room.attempt, "prepare", argv, &room.workspace.path, room.scratch).await? {
                None => return Ok(None),
                Some(result) if !result.end.success() => return Ok(Some(vec![failed("prepare", &result)])),
                Some(_) => {}
            }
        }
        Ok(Some(Vec::new()))
    }

    /// The project's verify commands, on a fresh checkout of the captured tree. `None`: stopped.
    pub(crate) async fn verification(&self, attempt: u32, tree: &str, seen: &mut Observed) -> Result<Option<Vec<BlockReason>>, OrcError> {
        if self.document.verify.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let name = format!("{}-{attempt}-verify", self.planned.phase);
        let fresh = self.checkout(&name, Some(tree)).await?;
        // A home of its own as well: what the command left in its one would be read by the tools that verify it.
        let scratch = self.engine.workspaces.scratch(&self.execution, &name).await?;
        let prepare = self.document.prepare.iter().map(|argv| ("prepare", argv));
        let verify = self.document.verify.iter().map(|argv| ("verify", argv));
        for (purpose, argv) in prepare.chain(verify) {
            let Some(result) = self.launch(attempt, purpose, argv, &fresh.path, &scratch).await? else { return Ok(None) };
            let reason = (!result.end.success()).then(|| failed(purpose, &result));
            if purpose == "verify" {
                seen.commands.push(result);
            }
            if let Some(reason) = reason {
                return Ok(Some(vec![reason]));
            }
        }
        Ok(Some(Vec::new()))
    }

    /// The structured output of a command, made by the host from what it observed.
    pub(crate) fn observed_output(&self, seen: &Observed) -> Result<Option<Value>, OrcError> {
        let Some((command, verified)) = seen.commands.split_first() else { return Ok(None) };
        let output = VerifyOutput {
            command_result: command.clone(),
            verification_results: verified.to_vec(),
            files_modified: seen.changes.iter().map(|change| change.path.clone()).collect(),
        };
        to_json(&output).map(Some)
    }
}
