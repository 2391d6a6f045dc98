//! The capture: what a worker left becomes a tree, through an index that nobody else has.
//!
//! The walk says what is there; the sieve decides, by path, what git may look at; git hashes just that. Nothing of the worktree's own
//! index is trusted: every tracked file is hashed again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::copy::copied;
use crate::git::{batches, object_id, records};
use crate::remove::remove_tree;
use crate::repository::{OwnRepository, private_dir};
use crate::walk::{Entry, FileFacts, RelPath, Walk, walk};
use crate::{CapturedTree, Refusal, Refused, Result, Workspace, WorkspaceError, Workspaces, blocking, shown};

const GITLINK: &str = "160000";

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracked {
    mode: String,
    pub(crate) id: String,
    /// 0 for a submodule.
    pub(crate) bytes: u64,
}

impl Tracked {
    pub(crate) fn is_file(&self) -> bool {
        self.mode.starts_with("100")
    }
}

/// The files of a commit by path.
pub(crate) type Listing = BTreeMap<RelPath, Tracked>;

/// What the sieve lets through.
#[derive(Debug, Default)]
struct Sieved {
    /// New, for git to hash; later changed ones too.
    add: Vec<RelPath>,
    /// Gone, or refused.
    remove: Vec<RelPath>,
    /// In order only if they are still what the commit has.
    unless_same: BTreeMap<RelPath, Refusal>,
    refused: BTreeMap<RelPath, Refusal>,
}

impl Workspaces {
    /// Collects what is in a workspace as a tree. Call it when every process that could write there is proved dead, and one at a time.
    ///
    /// # Errors
    /// When the workspace cannot be read or holds too much; what is merely refused is in the answer.
    pub async fn capture(&self, workspace: &Workspace) -> Result<CapturedTree> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let own = self.own(&workspace.project).await?;
        object_id(&workspace.base)?;
        let scratch = workspace.git_dir.join(format!("orc-capture-{}", COUNTER.fetch_add(1, Ordering::Relaxed)));
        let dir = scratch.clone();
        blocking(move || fresh_dir(dir)).await?;
        let captured = self.capture_with(&own, workspace, &scratch).await;
        let cleaned = blocking({
            let dir = scratch.clone();
            move || remove_tree(&dir).map_err(|source| WorkspaceError::Io { deed: "remove", path: dir, source })
        });
        cleaned.await?;
        captured
    }

    async fn capture_with(&self, own: &OwnRepository, workspace: &Workspace, scratch: &std::path::Path) -> Result<CapturedTree> {
        let base = self.tracked(own, &workspace.base).await?;
        let (root, bound, git_dir) = (workspace.path.clone(), self.limits.entries, workspace.git_dir.clone());
        let (walk, copied) = blocking(move || Ok((walk(&root, bound)?, copied(&git_dir)?))).await?;
        let untracked = untracked(&base, &walk, &copied);
        let asked: Vec<RelPath> = untracked.iter().map(|path| question(path, &walk)).collect();
        let ignored = self.ignored(own, workspace, &walk, scratch, &asked).await?;
        let mut sieved = sieve(&base, &walk, &untracked, &ignored, self.limits.file_bytes);
        let tree = self.write_tree(own, workspace, &scratch.join("index"), &base, &mut sieved).await?;
        let refused = sieved.refused.into_iter().map(|(path, why)| Refused { path: shown(&path), why }).collect();
        Ok(CapturedTree { tree, refused })
    }

    async fn write_tree(
        &self,
        own: &OwnRepository,
        workspace: &Workspace,
        index: &std::path::Path,
        base: &Listing,
        sieved: &mut Sieved,
    ) -> Result<String> {
        let call = |what| self.on(what, own).write(&own.dir).index(index);
        call("make a private index").args(["read-tree", &workspace.base]).run().await?;
        self.drop_from_index(own, index, &sieved.remove).await?;
        let changed = self.changed(own, workspace, index).await?;
        let late = sieved.refuse_changed(&changed);
        self.drop_from_index(own, index, &late).await?;
        sieved.add.extend(changed.into_iter().filter(|path| !sieved.refused.contains_key(path)));
        for stdin in batches(sieved.add.iter().map(|path| [path, &b"\0"[..]].concat())) {
            let add = call("hash files").work_tree(&workspace.path);
            add.args(["update-index", "--add", "--replace", "-z", "--stdin"]).stdin(stdin).run().await?;
        }
        let listed = call("list the index").args(["ls-files", "--stage", "-z"]).run().await?;
        let now = index_listing(&listed.stdout).ok_or(WorkspaceError::Answer { what: "list the index" })?;
        sieved.refuse_not_taken(base, &now);
        let what = "write the tree";
        let answer = call(what).args(["write-tree"]).run().await?;
        Ok(object_id(answer.line(what)?)?.to_owned())
    }

    /// The files of a fresh index that are not as the index says: by content, because a fresh index knows no times. Nothing is stored
    /// for those that are, so that git touches no object of the project. Submodules are not looked at, what lies there least of all.
    async fn changed(&self, own: &OwnRepository, workspace: &Workspace, index: &std::path::Path) -> Result<Vec<RelPath>> {
        let call = |what| self.on(what, own).write(&own.dir).index(index).work_tree(&workspace.path);
        call("compare files").args(["update-index", "-q", "--ignore-submodules", "--refresh"]).run_or(&[1]).await?;
        let answer = call("list changed files").args(["diff-files", "--name-only", "--ignore-submodules=all", "-z"]).run().await?;
        Ok(records(&answer.stdout).map(<[u8]>::to_vec).collect())
    }

    async fn drop_from_index(&self, own: &OwnRepository, index: &std::path::Path, paths: &[RelPath]) -> Result<()> {
        let line = format!("0 {}\t", own.format.null_id());
        for stdin in batches(paths.iter().map(|path| [line.as_bytes(), path, b"\0"].concat())) {
            let call = self.on("remove files from the index", own).write(&own.dir).index(index);
            call.args(["update-index", "-z", "--index-info"]).stdin(stdin).run().await?;
        }
        Ok(())
    }

    /// The files of a commit.
    pub(crate) async fn tracked(&self, own: &OwnRepository, commit: &str) -> Result<Listing> {
        let what = "list a commit";
        let answer = self.on(what, own).args(["ls-tree", "-r", "-l", "-z", "--full-tree", object_id(commit)?]).run().await?;
        records(&answer.stdout).map(|record| tree_record(record).ok_or(WorkspaceError::Answer { what })).collect()
    }
}

fn fresh_dir(dir: PathBuf) -> Result<()> {
    remove_tree(&dir).map_err(|source| WorkspaceError::Io { deed: "remove", path: dir.clone(), source })?;
    private_dir(&dir)
}

/// `<mode> <type> <id> <size>\t<path>`.
pub(crate) fn tree_record(record: &[u8]) -> Option<(RelPath, Tracked)> {
    let (facts, path) = split_tab(record)?;
    let mut facts = facts.split_ascii_whitespace();
    let (mode, _type, id, size) = (facts.next()?, facts.next()?, facts.next()?, facts.next()?);
    Some((path, Tracked { mode: mode.to_owned(), id: id.to_owned(), bytes: size.parse().unwrap_or_default() }))
}

/// `<mode> <id> <stage>\t<path>`, as mode and id by path.
fn index_listing(answer: &[u8]) -> Option<BTreeMap<RelPath, (String, String)>> {
    let entry = |record| {
        let (facts, path) = split_tab(record)?;
        let mut facts = facts.split_ascii_whitespace();
        Some((path, (facts.next()?.to_owned(), facts.next()?.to_owned())))
    };
    records(answer).map(entry).collect()
}

fn split_tab(record: &[u8]) -> Option<(&str, RelPath)> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    Some((std::str::from_utf8(&record[..tab]).ok()?, record[tab + 1..].to_owned()))
}

/// Whether one of the directories above `path` is in the set; returns the first.
fn above(path: &[u8], is_in: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let cuts = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
    cuts.into_iter().find(|dir| is_in(dir))
}

/// What is there and not in the commit. A repository inside, named by its directory, stands for all that is in it.
fn untracked(base: &Listing, walk: &Walk, copied: &[RelPath]) -> Vec<RelPath> {
    let repository = |dir: &[u8]| walk.nested.contains(dir) || base.get(dir).is_some_and(|tracked| tracked.mode == GITLINK);
    let mut found: BTreeSet<RelPath> = walk.nested.iter().map(|dir| outermost(dir, &repository)).collect();
    for path in walk.entries.keys().filter(|path| !base.contains_key(*path) && !copied.contains(path)) {
        match above(path, repository) {
            Some(dir) => found.insert(dir.to_owned()),
            None => found.insert(path.clone()),
        };
    }
    found.into_iter().collect()
}

fn outermost(dir: &[u8], repository: &impl Fn(&[u8]) -> bool) -> RelPath {
    above(dir, repository).unwrap_or(dir).to_owned()
}

/// What to ask the ignore rules about a path. Of a directory a file in it: a rule for directories matches nothing that is not there.
fn question(path: &[u8], walk: &Walk) -> RelPath {
    if walk.entries.contains_key(path) { path.to_owned() } else { [path, b"/HEAD"].concat() }
}

fn sieve(base: &Listing, walk: &Walk, untracked: &[RelPath], ignored: &BTreeSet<RelPath>, file_bytes: u64) -> Sieved {
    let mut out = Sieved::default();
    for path in untracked.iter().filter(|path| !ignored.contains(&question(path, walk))) {
        match walk.entries.get(path) {
            // A directory stands for a repository.
            None => drop(out.refused.insert(path.clone(), Refusal::NestedRepository)),
            Some(entry) => match new_refusal(entry, file_bytes) {
                Some(why) => drop(out.refused.insert(path.clone(), why)),
                None => out.add.push(path.clone()),
            },
        }
    }
    for (path, tracked) in base {
        out.tracked(path, tracked, walk, file_bytes);
    }
    out
}

impl Sieved {
    fn tracked(&mut self, path: &RelPath, tracked: &Tracked, walk: &Walk, file_bytes: u64) {
        let Some(entry) = walk.entries.get(path) else {
            // The checkout of a submodule is an empty directory.
            if tracked.mode != GITLINK || !walk.dirs.contains(path) {
                self.remove.push(path.clone());
            }
            return;
        };
        match tracked_refusal(entry, tracked, file_bytes) {
            Verdict::Take => {}
            Verdict::TakeIfSame(why) => drop(self.unless_same.insert(path.clone(), why)),
            Verdict::Refuse(why) => {
                self.remove.push(path.clone());
                self.refused.insert(path.clone(), why);
            }
        }
    }

    /// Refuses what had to be the same and is not; returns it.
    fn refuse_changed(&mut self, changed: &[RelPath]) -> Vec<RelPath> {
        let late: Vec<_> = changed.iter().filter_map(|path| self.unless_same.get_key_value(path)).collect();
        self.refused.extend(late.iter().map(|(path, why)| ((*path).clone(), **why)));
        late.into_iter().map(|(path, _)| path.clone()).collect()
    }

    /// Refuses what git did not take into the index: it passes over names that could hurt where the tree is checked out.
    fn refuse_not_taken(&mut self, base: &Listing, now: &BTreeMap<RelPath, (String, String)>) {
        let taken = |path: &RelPath| match (base.get(path), now.get(path)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(tracked), Some((mode, id))) => tracked.mode != *mode || tracked.id != *id,
        };
        let passed_over = self.add.iter().filter(|path| !taken(path));
        self.refused.extend(passed_over.map(|path| (path.clone(), Refusal::InvalidName)));
    }
}

enum Verdict {
    Take,
    TakeIfSame(Refusal),
    Refuse(Refusal),
}

fn new_refusal(entry: &Entry, file_bytes: u64) -> Option<Refusal> {
    match entry {
        Entry::Bad(why) => Some(*why),
        Entry::Link { inside } => (!inside).then_some(Refusal::LinkOutside),
        Entry::File(facts) => {
            bad_file(facts).or(facts.hard_linked.then_some(Refusal::HardLink)).or((facts.bytes > file_bytes).then_some(Refusal::TooLarge))
        }
    }
}

/// What the commit already has may stay as it is: nobody can tell who made it so.
fn tracked_refusal(entry: &Entry, tracked: &Tracked, file_bytes: u64) -> Verdict {
    match entry {
        Entry::Bad(why) => Verdict::Refuse(*why),
        Entry::Link { inside: true } => Verdict::Take,
        Entry::Link { inside: false } => Verdict::TakeIfSame(Refusal::LinkOutside),
        Entry::File(facts) => match bad_file(facts) {
            Some(why) => Verdict::Refuse(why),
            // Of another size it is another file; of the same size hashing it costs no more than the commit already did.
            None if facts.bytes > file_bytes && facts.bytes != tracked.bytes => Verdict::Refuse(Refusal::TooLarge),
            None if facts.hard_linked => Verdict::TakeIfSame(Refusal::HardLink),
            None if facts.bytes > file_bytes => Verdict::TakeIfSame(Refusal::TooLarge),
            None => Verdict::Take,
        },
    }
}

fn bad_file(facts: &FileFacts) -> Option<Refusal> {
    if facts.set_id {
        return Some(Refusal::SetId);
    }
    (!facts.readable).then_some(Refusal::Unreadable)
}
