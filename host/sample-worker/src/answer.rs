//! The answers, a phase each.

use std::path::Path;

use orc_domain::output::{ArchitectOutput, DevelopOutput, PlanOutput};
use orc_domain::untrusted::Untrusted;
use orc_domain::worker::{WorkerAccess, WorkerTask};

use crate::patch::{self, FilePatch, Kind};
use crate::{review, task, workspace};

/// What every summary begins with.
pub(crate) const SAMPLE: &str = "Sample worker, no agent:";

/// The answer, as JSON in one line.
pub(crate) fn answer(task: &WorkerTask) -> Result<String, String> {
    let json = match task.phase.as_str() {
        "plan" => to_json(&plan(&named(task)?)),
        "architect" => to_json(&architect(&named(task)?)),
        "develop" => to_json(&develop(task)?),
        "review" => to_json(&review::review(task.diff.as_ref().map(Untrusted::raw))),
        other => return Err(format!("the sample worker has no phase `{other}`: it knows plan, architect, develop and review")),
    };
    json.map_err(|error| format!("cannot answer: {error}"))
}

fn to_json(output: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(output)
}

/// The patch that a task names.
struct Named {
    path: String,
    files: Vec<FilePatch>,
}

impl Named {
    fn words(&self) -> String {
        let (added, removed) = self.size();
        format!("`{}`: {}, {added} lines added, {removed} removed", self.path, count(self.files.len(), "file"))
    }

    fn size(&self) -> (usize, usize) {
        self.files.iter().map(FilePatch::counts).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    fn paths(&self) -> Vec<Untrusted> {
        self.files.iter().map(|file| file.path.as_str().into()).collect()
    }
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn named(task: &WorkerTask) -> Result<Option<Named>, String> {
    let Some(path) = task::patch_path(task) else { return Ok(None) };
    let text = workspace::read(Path::new(&task.workspace), path)?;
    Ok(Some(Named { path: path.to_owned(), files: patch::parse(&text)? }))
}

fn said(words: &str) -> Untrusted {
    format!("{SAMPLE} {words}").into()
}

fn plan(named: &Option<Named>) -> PlanOutput {
    let Some(named) = named else {
        return PlanOutput {
            scope_summary: said("the task names no patch (`apply: path`), so nothing would be changed."),
            affected_files: vec![],
            risk_assessment: said("nothing changes, so nothing is risked."),
            task_breakdown: vec![],
        };
    };
    let step = |file: &FilePatch| {
        let verb = match file.kind {
            Kind::Create { .. } => "create",
            Kind::Modify => "change",
            Kind::Delete => "delete",
        };
        let (added, removed) = file.counts();
        said(&format!("{verb} `{}` (+{added} -{removed})", file.path))
    };
    PlanOutput {
        scope_summary: said(&format!("applies the patch {}. It understands neither the task nor the patch.", named.words())),
        affected_files: named.paths(),
        risk_assessment: said("what the patch does was not looked at; its size is in the summary."),
        task_breakdown: named.files.iter().map(step).collect(),
    }
}

fn architect(named: &Option<Named>) -> ArchitectOutput {
    let decision = match named {
        Some(named) => said(&format!("the design is that of the patch {}; none was thought of here.", named.words())),
        None => said("the task names no patch (`apply: path`), so there is nothing to design."),
    };
    ArchitectOutput {
        design_decisions: vec![decision],
        pattern_compliance: said("the project's patterns were not looked at."),
        architecture_violations: vec![],
    }
}

fn develop(task: &WorkerTask) -> Result<DevelopOutput, String> {
    let named = named(task)?;
    // Where only the answer is asked for again, the files are as they were left.
    if let Some(named) = named.as_ref().filter(|_| task.repair.is_none()) {
        if task.access != WorkerAccess::Write {
            return Err("the workspace may only be read: a patch cannot be applied".to_owned());
        }
        workspace::apply(Path::new(&task.workspace), &named.files)?;
    }
    Ok(DevelopOutput {
        changes_summary: match &named {
            Some(named) => said(&format!("applied the patch {}.", named.words())),
            None => said("the task names no patch (`apply: path`), so nothing was changed."),
        },
        files_modified: named.map(|named| named.paths()).unwrap_or_default(),
        verification_results: vec![],
    })
}
