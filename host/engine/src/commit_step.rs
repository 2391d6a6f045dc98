//! The commit that the host makes of a phase's tree, once its gates have passed.

use std::collections::BTreeMap;

use orc_domain::api::Choice;
use orc_domain::plan::{PlanDocument, PlannedIntent};
use orc_domain::*;
use orc_store::{ReadTx, VoteRow};
use orc_workspace::NewCommit;

use crate::engine::internal;
use crate::phase::Phase;

/// Characters of the task's first line that the commit's subject shows.
const SUBJECT: usize = 72;

/// The branch of a workflow in ORC's own repository of the project.
pub(crate) fn branch(workflow: &WorkflowId) -> String {
    format!("orc/{workflow}")
}

impl Phase<'_> {
    /// Commits a tree on the workflow's branch, on top of the planned commit.
    pub(crate) async fn commit(&self, tree: &str) -> Result<String, OrcError> {
        let (workflow, revision) = (self.document.workflow.clone(), self.document.revision);
        let votes = self.engine.read(move |tx| approvals(tx, &workflow, revision)).await?;
        let new = NewCommit {
            tree: tree.to_owned(),
            parent: self.document.base.commit.clone(),
            message: message(self.document, &votes)?,
            at: self.engine.now(),
            branch: branch(&self.document.workflow),
        };
        Ok(self.engine.workspaces.commit(&self.document.project, &new).await?)
    }
}

fn approvals(tx: &ReadTx<'_>, workflow: &WorkflowId, revision: u32) -> Result<Vec<VoteRow>, OrcError> {
    let requests: Vec<ApprovalRequestId> = tx.requests_of(workflow, revision)?.into_iter().map(|request| request.id).collect();
    let votes: BTreeMap<_, Vec<VoteRow>> = tx.votes_of(&requests)?;
    Ok(votes.into_values().flatten().filter(|vote| vote.choice == Choice::Approve).collect())
}

/// What was asked, in the operator's words, and how it came about. No word of a worker: one could look like a trailer.
fn message(document: &PlanDocument, votes: &[VoteRow]) -> Result<String, OrcError> {
    let subject = match &document.intent {
        PlannedIntent::Task { task } => Untrusted::new(task.raw().trim().lines().next().unwrap_or_default()).for_line(SUBJECT),
        PlannedIntent::Command { argv } => Untrusted::new(crate::command::display(argv)).for_line(SUBJECT),
    };
    let hash = document.hash().map_err(|error| internal("the plan has no JSON form", &error))?;
    let mut message = format!("{subject}\n\nORC-Workflow: {}\nORC-Plan: {hash}\n", document.workflow);
    if let Some(worker) = &document.worker {
        message.push_str(&format!("ORC-Worker: {} {}\n", worker.engine, worker.binary));
    }
    for requester in &document.requesters {
        message.push_str(&format!("ORC-Requested-By: {requester}\n"));
    }
    for vote in votes {
        message.push_str(&format!("ORC-Approved-By: {} as {} ({})\n", vote.operator, vote.role, vote.proof));
    }
    Ok(message)
}
