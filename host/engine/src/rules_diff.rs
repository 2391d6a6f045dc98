//! What differs inside the files of two contents of the root: whoever agrees to a candidate or a rollback sees what he agrees to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orc_config::RootSnapshot;
use orc_domain::api::{GetRulesDiff, RulesDiff, RulesFileDiff, RulesSide};
use orc_domain::{Digest, ErrorCode, OrcError, Untrusted};
use similar::TextDiff;

use crate::engine::{Engine, blocking};
use crate::next;
use crate::rules::content;

/// The largest diff of one file, in bytes.
const FILE: usize = 256 << 10;
/// All diffs of an answer together, in bytes.
const ALL: usize = 1 << 20;
/// How long a diff may look for the shortest form; after that it takes a longer one, which is as true.
const EFFORT: Duration = Duration::from_millis(500);

type Files = BTreeMap<String, Vec<u8>>;

impl Engine {
    /// The intent `rules_diff`.
    pub(crate) async fn rules_diff(&self, request: GetRulesDiff) -> Result<RulesDiff, OrcError> {
        let in_force = self.active_rules().await?.revision;
        let (from, before) = self.stored_side(request.from.unwrap_or(in_force)).await?;
        let (to, after) = match request.to {
            Some(revision) => self.stored_side(revision).await?,
            None => self.root_side().await?,
        };
        let files = blocking(move || Ok(compare(&before, &after))).await?;
        let status = self.rules_status().await?;
        Ok(RulesDiff { next: next::after_rules_diff(&to, &status), from, to, files })
    }

    async fn stored_side(&self, revision: u64) -> Result<(RulesSide, Files), OrcError> {
        let files = self.read(move |tx| content(tx, revision)).await?;
        let snapshot = RootSnapshot::from_files(files);
        Ok((RulesSide { revision: Some(revision), digest: snapshot.digest() }, snapshot.files))
    }

    async fn root_side(&self) -> Result<(RulesSide, Files), OrcError> {
        let Some(root) = self.root.clone() else {
            return Err(OrcError::new(ErrorCode::InvalidRequest, "this process has no root to look at")
                .hint("name it with --root, or compare two revisions with `orcctl rules diff --from 3 --to 4`"));
        };
        let read = blocking(move || Ok(RootSnapshot::read(&root))).await?;
        let snapshot = read.map_err(|error| OrcError::from_source(ErrorCode::ConfigInvalid, "the root cannot be read", &error))?;
        Ok((RulesSide { revision: None, digest: snapshot.digest() }, snapshot.files))
    }
}

fn compare(before: &Files, after: &Files) -> Vec<RulesFileDiff> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    let mut room = ALL;
    differing
        .map(|path| {
            let (old, new) = (before.get(path).map(Vec::as_slice), after.get(path).map(Vec::as_slice));
            let shown = unified(path, old, new).and_then(|text| if text.len() > room { Err(too_large(&text)) } else { Ok(text) });
            room -= shown.as_ref().map_or(0, String::len);
            let (diff, omitted) = match shown {
                Ok(text) => (Some(Untrusted::new(text)), None),
                Err(why) => (None, Some(why)),
            };
            RulesFileDiff { path: path.clone(), before: old.map(Digest::of), after: new.map(Digest::of), diff, omitted }
        })
        .collect()
}

/// A unified diff, or why there is none.
fn unified(path: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<String, String> {
    let text = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) if bytes.contains(&0) => Err(binary(old, new)),
        Some(bytes) => String::from_utf8(bytes.to_vec()).map_err(|_| binary(old, new)),
        None => Ok(String::new()),
    };
    let (before, after) = (text(old)?, text(new)?);
    let name = |side: Option<&[u8]>| if side.is_some() { path } else { "/dev/null" };
    let diff = TextDiff::configure().timeout(EFFORT).diff_lines(&before, &after);
    let shown = diff.unified_diff().context_radius(3).header(name(old), name(new)).to_string();
    if shown.len() > FILE { Err(too_large(&shown)) } else { Ok(shown) }
}

fn binary(old: Option<&[u8]>, new: Option<&[u8]>) -> String {
    let size = |side: Option<&[u8]>| side.map_or_else(|| "nothing".to_owned(), |bytes| format!("{} bytes", bytes.len()));
    format!("binary: {} before, {} now", size(old), size(new))
}

fn too_large(diff: &str) -> String {
    format!("the diff of {} bytes is too large to show here: compare the files themselves", diff.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &[u8])]) -> Files {
        files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect()
    }

    #[test]
    fn every_file_that_differs_is_shown_or_says_why_not() {
        let lines = |word: &str| (0..30_000).map(|line| format!("{word} {line}\n")).collect::<String>();
        let (many, more) = (lines("old"), lines("new"));
        let before =
            files(&[("changed", b"a\nb\nc\n"), ("gone", b"x\n"), ("large", many.as_bytes()), ("module.wasm", b"\0asm1"), ("same", b"s\n")]);
        let after = files(&[
            ("changed", b"a\nB\nc\n"),
            ("large", more.as_bytes()),
            ("latin1", b"caf\xe9"),
            ("module.wasm", b"\0asm22"),
            ("new", b"n"),
            ("same", b"s\n"),
        ]);
        let compared = compare(&before, &after);
        let shown: Vec<(&str, String)> = compared
            .iter()
            .map(|file| {
                let text = file.diff.as_ref().map(|diff| diff.raw().to_owned());
                (file.path.as_str(), text.or_else(|| file.omitted.clone()).unwrap())
            })
            .collect();
        let large = shown.iter().find(|(path, _)| *path == "large").unwrap().1.clone();
        assert!(large.ends_with("too large to show here: compare the files themselves"), "{large}");
        assert_eq!(
            shown,
            [
                ("changed", "--- changed\n+++ changed\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n".to_owned()),
                ("gone", "--- gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n".to_owned()),
                ("large", large),
                ("latin1", "binary: nothing before, 4 bytes now".to_owned()),
                ("module.wasm", "binary: 5 bytes before, 6 bytes now".to_owned()),
                ("new", "--- /dev/null\n+++ new\n@@ -0,0 +1 @@\n+n\n\\ No newline at end of file\n".to_owned()),
            ]
        );
    }

    #[test]
    fn an_answer_is_bounded_and_names_every_file_all_the_same() {
        let text = "line\n".repeat(50_000);
        let after: Files = (0..10).map(|number| (format!("f{number}"), text.clone().into_bytes())).collect();
        let compared = compare(&Files::new(), &after);
        let shown: usize = compared.iter().filter_map(|file| file.diff.as_ref()).map(|diff| diff.raw().len()).sum();
        assert!(shown <= ALL, "{shown}");
        assert_eq!(compared.len(), 10);
        assert!(compared.iter().all(|file| file.diff.is_some() != file.omitted.is_some()));
    }
}
