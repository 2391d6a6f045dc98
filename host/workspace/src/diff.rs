//! What changed between two trees. No attribute counts: whoever writes `.gitattributes` could hide a file from the reader.

use std::collections::BTreeMap;

use orc_domain::ProjectName;
use orc_domain::ports::{Change, ChangeKind};

use crate::git::{Call, batches, object_id};
use crate::repository::OwnRepository;
use crate::{Diff, Result, WorkspaceError, Workspaces, shown};

const WHAT: &str = "compare trees";

/// Files larger than this are compared as binary ones: a text comparison holds them in memory several times.
const TEXT_BOUND: &str = "core.bigFileThreshold=32m";

/// One line of `--raw`.
struct Raw {
    mode: String,
    id: String,
    kind: ChangeKind,
}

/// One line of `--numstat`.
#[derive(Clone, Copy, Default)]
struct Lines {
    added: u64,
    removed: u64,
    binary: bool,
}

impl Workspaces {
    /// The files that differ between a commit (or tree) and a captured tree, sorted by path. A renamed file is a deleted and an added one.
    ///
    /// # Errors
    /// [`WorkspaceError::ObjectGone`] where one of the two is no id; what git says otherwise.
    pub async fn changes(&self, project: &ProjectName, from: &str, tree: &str) -> Result<Vec<Change>> {
        let own = self.own(project).await?;
        let answer = self.compare(&own, from, tree)?.args(["--raw", "--numstat", "-z", "--abbrev=64", from, tree, "--"]).run().await?;
        let found = parse(&answer.stdout).ok_or(WorkspaceError::Answer { what: WHAT })?;
        let ids = found.values().filter(|(raw, _)| is_blob(raw)).map(|(raw, _)| raw.id.clone()).collect();
        let sizes = self.sizes(&own, ids).await?;
        let change = |(path, (raw, lines)): (Vec<u8>, (Raw, Lines))| Change {
            path: shown(&path),
            kind: raw.kind,
            added: lines.added,
            removed: lines.removed,
            binary: lines.binary,
            size: sizes.get(&raw.id).copied().unwrap_or_default(),
            mode: if raw.kind == ChangeKind::Deleted { String::new() } else { raw.mode },
        };
        Ok(found.into_iter().map(change).collect())
    }

    /// The same as a patch of at most `max_bytes`, in git's own form without colours, renames or text conversion.
    ///
    /// # Errors
    /// As [`Workspaces::changes`].
    pub async fn diff(&self, project: &ProjectName, from: &str, tree: &str, max_bytes: usize) -> Result<Diff> {
        let own = self.own(project).await?;
        let args = ["--patch", "--full-index", "--no-color", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/", from, tree, "--"];
        let (bytes, truncated) = self.compare(&own, from, tree)?.args(args).run_cut(max_bytes).await?;
        Ok(Diff { bytes, truncated })
    }

    fn compare(&self, own: &OwnRepository, from: &str, tree: &str) -> Result<Call<'_>> {
        object_id(from)?;
        object_id(tree)?;
        let args = ["-c", TEXT_BOUND, "diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv"];
        Ok(self.on(WHAT, own).args(args))
    }

    async fn sizes(&self, own: &OwnRepository, ids: Vec<String>) -> Result<BTreeMap<String, u64>> {
        let size = |line: &str| {
            let (id, size) = line.split_once(' ')?;
            Some((id.to_owned(), size.parse().ok()?))
        };
        let mut sizes = BTreeMap::new();
        for stdin in batches(ids.iter().map(|id| [id.as_bytes(), b"\n"].concat())) {
            let args = ["cat-file", "--batch-check=%(objectname) %(objectsize)"];
            let answer = self.on("measure files", own).args(args).stdin(stdin).run().await?;
            let found: Option<Vec<_>> = String::from_utf8_lossy(&answer.stdout).lines().map(size).collect();
            sizes.extend(found.ok_or(WorkspaceError::Answer { what: "measure files" })?);
        }
        Ok(sizes)
    }
}

fn is_blob(raw: &Raw) -> bool {
    raw.kind != ChangeKind::Deleted && raw.mode != "160000"
}

/// The answer of `--raw --numstat -z`: raw records, each two tokens, then one token a file with its lines.
fn parse(answer: &[u8]) -> Option<BTreeMap<Vec<u8>, (Raw, Lines)>> {
    let mut found = BTreeMap::new();
    let mut tokens = answer.split(|byte| *byte == 0).filter(|token| !token.is_empty());
    while let Some(token) = tokens.next() {
        if token.first() == Some(&b':') {
            found.insert(tokens.next()?.to_owned(), (parse_raw(token)?, Lines::default()));
        } else {
            let mut parts = token.splitn(3, |byte| *byte == b'\t');
            let (added, removed, path) = (parts.next()?, parts.next()?, parts.next()?);
            found.get_mut(path)?.1 = parse_lines(added, removed)?;
        }
    }
    Some(found)
}

fn parse_raw(token: &[u8]) -> Option<Raw> {
    let mut fields = std::str::from_utf8(token).ok()?.split(' ');
    let (_old_mode, mode, _old_id, id, status) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let kind = match status {
        "A" => ChangeKind::Added,
        "D" => ChangeKind::Deleted,
        "M" | "T" => ChangeKind::Modified,
        _ => return None,
    };
    Some(Raw { mode: mode.to_owned(), id: id.to_owned(), kind })
}

fn parse_lines(added: &[u8], removed: &[u8]) -> Option<Lines> {
    if added == b"-" {
        return Some(Lines { binary: true, ..Lines::default() });
    }
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    Some(Lines { added: number(added)?, removed: number(removed)?, binary: false })
}
