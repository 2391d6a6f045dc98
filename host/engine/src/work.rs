//! The intent `diff`: what an execution changed, and where the work can be fetched from.

use orc_domain::api::{GetDiff, NextStep, WorkBranch, WorkDiff, WorkflowSummary};
use orc_domain::plan::PlanDocument;
use orc_domain::states::WorkflowState;
use orc_domain::{OrcError, Untrusted};
use orc_store::{PhaseRunRow, ReadTx};

use crate::command::display;
use crate::commit_step::branch;
use crate::engine::Engine;
use crate::views;

/// The largest patch of an answer, in bytes.
const MAX_PATCH: usize = 4 << 20;

/// What the database knows of the work.
struct Work {
    workflow: WorkflowSummary,
    document: PlanDocument,
    rows: Vec<PhaseRunRow>,
}

impl Engine {
    /// The intent `diff`.
    pub(crate) async fn diff(&self, request: GetDiff) -> Result<WorkDiff, OrcError> {
        let Work { workflow, document, rows } = self.read(move |tx| work(tx, &request.workflow)).await?;
        let tree = rows.iter().rev().find_map(|row| row.tree.clone());
        let commit = rows.iter().rev().find_map(|row| row.commit.clone());
        let (changes, patch, cut) = match &tree {
            None => (Vec::new(), Vec::new(), false),
            Some(tree) => {
                let (project, base) = (&document.project, &document.base.commit);
                let diff = self.workspaces.diff(project, base, tree, MAX_PATCH).await?;
                (self.workspaces.changes(project, base, tree).await?, diff.bytes, diff.truncated)
            }
        };
        let repository = self.workspaces.repository(&document.project).display().to_string();
        let branch = commit.map(|commit| WorkBranch { repository, branch: branch(&workflow.id), commit });
        Ok(WorkDiff {
            next: next(&workflow, &document, branch.as_ref()),
            workflow,
            base: document.base,
            tree,
            branch,
            changes,
            patch: Untrusted::new(String::from_utf8_lossy(&patch).into_owned()),
            cut,
        })
    }
}

fn work(tx: &ReadTx<'_>, wanted: &str) -> Result<Work, OrcError> {
    let (workflow, _, document) = views::newest_plan(tx, &views::find_workflow(tx, wanted)?)?;
    let rows = match tx.newest_execution_of(&workflow.id)? {
        Some(execution) if execution.revision == workflow.revision => tx.phase_runs_of(&execution.id)?,
        _ => Vec::new(),
    };
    Ok(Work { workflow, document, rows })
}

/// The merge is a person's, in the project's own checkout.
fn next(workflow: &WorkflowSummary, document: &PlanDocument, work: Option<&WorkBranch>) -> Vec<NextStep> {
    let Some(work) = work.filter(|_| workflow.state == WorkflowState::Completed) else {
        return vec![NextStep { command: format!("orcctl phases {}", workflow.id), why: "see how far it is".to_owned() }];
    };
    let git = |args: &[&str]| {
        let words =
            ["git", "-C", document.project_entry.root.as_str()].iter().chain(args).map(|word| (*word).to_owned()).collect::<Vec<_>>();
        display(&words)
    };
    let fetch = git(&["fetch", &work.repository, &format!("{0}:{0}", work.branch)]);
    vec![
        NextStep { command: fetch, why: "bring the branch into the project".to_owned() },
        NextStep { command: git(&["merge", "--no-ff", &work.branch]), why: "merge it into what is checked out there".to_owned() },
    ]
}
