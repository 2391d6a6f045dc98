//! Which untracked paths are left out of a capture: those that the planned commit's `.gitignore` files say, or the present ones.
//!
//! Git answers, but from a *shadow*: a directory that holds nothing but `.gitignore` files which this process put there. So git opens no
//! file of a worker to find out, and the planned commit's rules count though the worker may have changed the files.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::Path;

use crate::beneath::{self, Content};
use crate::capture::Tracked;
use crate::git::{batches, records};
use crate::repository::{OwnRepository, private_dir};
use crate::walk::{Entry, RelPath, Walk};
use crate::{Result, Workspace, WorkspaceError, Workspaces, blocking};

/// The largest `.gitignore` that counts; git itself stops at 100 MB.
const RULES_BYTES: u64 = 1 << 20;

/// `.gitignore` files by path.
type Rules = BTreeMap<RelPath, Vec<u8>>;

impl Workspaces {
    /// Those of `candidates` that are ignored. `scratch` is an empty directory of ORC's own.
    pub(crate) async fn ignored(
        &self,
        own: &OwnRepository,
        workspace: &Workspace,
        walk: &Walk,
        scratch: &Path,
        candidates: &[RelPath],
    ) -> Result<BTreeSet<RelPath>> {
        if candidates.is_empty() {
            return Ok(BTreeSet::new());
        }
        let planned = self.planned_rules(own, &workspace.rules).await?;
        let present = present_rules(workspace, walk).await?;
        let mut ignored = self.ask(own, planned.clone(), &scratch.join("planned"), candidates).await?;
        if present != planned {
            ignored.extend(self.ask(own, present, &scratch.join("present"), candidates).await?);
        }
        Ok(ignored)
    }

    async fn planned_rules(&self, own: &OwnRepository, commit: &str) -> Result<Rules> {
        let tracked = self.tracked(own, commit).await?;
        let files: Vec<_> = tracked.iter().filter(|(path, file)| file.is_file() && is_rules(path)).collect();
        if files.is_empty() {
            return Ok(Rules::new());
        }
        let what = "read ignore rules";
        let stdin = files.iter().flat_map(|(_, file)| [file.id.as_bytes(), b"\n"].concat()).collect();
        let answer = self.on(what, own).args(["cat-file", "--batch"]).stdin(stdin).run().await?;
        let contents = batch(&answer.stdout, &files).ok_or(WorkspaceError::Answer { what })?;
        Ok(files.into_iter().map(|(path, _)| path.clone()).zip(contents).collect())
    }

    async fn ask(&self, own: &OwnRepository, rules: Rules, shadow: &Path, candidates: &[RelPath]) -> Result<BTreeSet<RelPath>> {
        if rules.is_empty() {
            return Ok(BTreeSet::new());
        }
        let dir = shadow.to_owned();
        blocking(move || cast(&dir, &rules)).await?;
        let mut ignored = BTreeSet::new();
        // With `./` in front no name is read as an option or as pathspec magic.
        for stdin in batches(candidates.iter().map(|path| [b"./", path.as_slice(), b"\0"].concat())) {
            let call = self.on("apply ignore rules", own).work_tree(shadow).stdin(stdin);
            let answer = call.args(["check-ignore", "--no-index", "-z", "--stdin"]).run_or(&[1]).await?;
            ignored.extend(records(&answer.stdout).filter_map(|path| path.strip_prefix(b"./")).map(<[u8]>::to_vec));
        }
        Ok(ignored)
    }
}

fn is_rules(path: &[u8]) -> bool {
    path == b".gitignore" || path.ends_with(b"/.gitignore")
}

/// The answers of `cat-file --batch`: a line with the size, the bytes, a line end.
fn batch(mut answer: &[u8], files: &[(&RelPath, &Tracked)]) -> Option<Vec<Vec<u8>>> {
    let mut contents = Vec::with_capacity(files.len());
    for (_, file) in files {
        let end = answer.iter().position(|byte| *byte == b'\n')?;
        let size = usize::try_from(file.bytes).ok()?;
        contents.push(answer.get(end + 1..end + 1 + size)?.to_owned());
        answer = answer.get(end + 2 + size..)?;
    }
    Some(contents)
}

/// The workspace's present rules; files that git would not read (links, pipes) or that are too large do not count.
async fn present_rules(workspace: &Workspace, walk: &Walk) -> Result<Rules> {
    let files = walk.entries.iter().filter(|(path, entry)| matches!(entry, Entry::File(_)) && is_rules(path));
    let paths: Vec<RelPath> = files.map(|(path, _)| path.clone()).collect();
    let root = workspace.path.clone();
    blocking(move || {
        let io = |source| WorkspaceError::Io { deed: "read ignore rules of", path: root.clone(), source };
        let handle = beneath::open_root(&root).map_err(io)?;
        let mut rules = Rules::new();
        for path in paths {
            if let Ok(file) = beneath::open_file(handle.as_fd(), &path)
                && let Content::Bytes(bytes, _) = beneath::read_regular(file, RULES_BYTES).map_err(io)?
            {
                rules.insert(path, bytes);
            }
        }
        Ok(rules)
    })
    .await
}

fn cast(shadow: &Path, rules: &Rules) -> Result<()> {
    let io = |source| WorkspaceError::Io { deed: "write ignore rules to", path: shadow.to_owned(), source };
    private_dir(shadow)?;
    let handle = beneath::open_root(shadow).map_err(io)?;
    rules.iter().try_for_each(|(path, bytes)| beneath::create(handle.as_fd(), path, bytes, false)).map_err(io)
}
