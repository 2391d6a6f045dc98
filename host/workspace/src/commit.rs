//! Commits that the host makes: a captured tree on a branch of ORC's own repository. The project's `.git` is not written: whoever wants
//! the work fetches it from there.

use std::path::PathBuf;

use orc_domain::{ProjectName, Timestamp};

use crate::checkout::identity;
use crate::git::object_id;
use crate::{Result, WorkspaceError, Workspaces};

/// A commit to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// The captured tree.
    pub tree: String,
    /// The commit that it stands on.
    pub parent: String,
    /// The message, without a worker's words.
    pub message: String,
    /// When it is made; shown as its date.
    pub at: Timestamp,
    /// The branch that names it, without `refs/heads/`.
    pub branch: String,
}

impl Workspaces {
    /// Makes a commit and lets the branch name it. Where the branch moves meanwhile, nothing is changed.
    ///
    /// # Errors
    /// [`WorkspaceError::ObjectGone`] for a tree or parent that is not there, [`WorkspaceError::Branch`] for a name that is none, and what
    /// git and the disk say.
    pub async fn commit(&self, project: &ProjectName, new: &NewCommit) -> Result<String> {
        let own = self.own(project).await?;
        let (tree, parent) = (object_id(&new.tree)?, object_id(&new.parent)?);
        let reference = branch_ref(&new.branch)?;
        let what = "make a commit";
        let date = format!("@{} +0000", new.at.0.div_euclid(1000));
        let mut call = self.on(what, &own).write(&own.dir).args(["commit-tree", "-p", parent, "-m", &new.message, tree]);
        for (name, value) in identity(&date) {
            call = call.env(name, value);
        }
        let answer = call.run().await?;
        let commit = object_id(answer.line(what)?)?.to_owned();
        let before = self.branch(project, &new.branch).await?.unwrap_or_else(|| own.format.null_id());
        let update = ["update-ref", "--no-deref", &reference, &commit, &before];
        self.on("name a commit", &own).write(&own.dir).args(update).run().await?;
        Ok(commit)
    }

    /// The commit that a branch of ORC's own repository names.
    ///
    /// # Errors
    /// As [`Workspaces::commit`].
    pub async fn branch(&self, project: &ProjectName, branch: &str) -> Result<Option<String>> {
        let own = self.own(project).await?;
        let reference = branch_ref(branch)?;
        let what = "look a branch up";
        let answer = self.on(what, &own).brief().args(["rev-parse", "--quiet", "--verify", &reference]).run_or(&[1]).await?;
        if answer.code == 0 { Ok(Some(object_id(answer.line(what)?)?.to_owned())) } else { Ok(None) }
    }

    /// Where ORC's own repository of a project stands: what work is fetched from.
    pub fn repository(&self, project: &ProjectName) -> PathBuf {
        self.own_dir(project)
    }
}

/// Names are made by the host; what could mean another ref is refused all the same (git-check-ref-format(1)).
fn branch_ref(branch: &str) -> Result<String> {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if branch.split('/').all(part) { Ok(format!("refs/heads/{branch}")) } else { Err(WorkspaceError::Branch { branch: branch.into() }) }
}
