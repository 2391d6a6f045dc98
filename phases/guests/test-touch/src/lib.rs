//! A gate after the attempt: where source changes, tests change too.
//!
//! **Belongs here:** which changed file is source and which is a test, and marks of tests that stand in source. **Never:** whether the tests
//! are good or pass (`verification-passed`), or whether one was made to pass.
//!
//! **Pitfalls:** a test that is gone is no test: only added and modified ones count. A path that matches both lists is a test. The diff is
//! read only where paths alone do not decide.

use std::ops::ControlFlow;

use orc_guest::diff::{self, Side};
use orc_guest::prelude::*;
use orc_guest::text::{cut, shown};

/// Files that are named one by one; the rest is counted.
const NAMED: usize = 20;

/// Bytes of a path and of a question that are shown.
const SHOWN: usize = 120;
const QUESTION: usize = 1_000;

/// What is answered where no test was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Fail,
    Ask,
}

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestTouchSettings {
    answer: Answer,
    /// Files that want tests.
    source: Globs,
    /// Files that are tests.
    tests: Globs,
    /// Files that are neither.
    ignore: Globs,
    /// Marks in an added line of source that make it a test.
    inline: Vec<String>,
}

impl Settings for TestTouchSettings {
    fn problems(&self) -> Vec<String> {
        let source = self.source.is_empty().then(|| "`source` is empty: nothing would want a test".to_owned());
        let never = self.tests.is_empty() && self.inline.is_empty();
        let tests = never.then(|| "`tests` and `inline` are empty: no change could pass".to_owned());
        let blank = self.inline.iter().any(|mark| mark.trim().is_empty());
        let inline = blank.then(|| "`inline` holds an empty mark: every line would be a test".to_owned());
        [source, tests, inline].into_iter().flatten().collect()
    }
}

/// What a changed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Source,
    Test,
    Neither,
}

/// The gate.
pub struct TestTouch;

impl Gate for TestTouch {
    type Settings = TestTouchSettings;

    fn evaluate(facts: &Facts, settings: &TestTouchSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        let roles: Vec<(Role, &Change)> = facts.changes.iter().map(|change| (settings.role(&change.path), change)).collect();
        let of = |wanted| roles.iter().filter(move |(role, _)| *role == wanted).map(|(_, change)| *change);
        let source: Vec<&Change> = of(Role::Source).collect();
        if source.is_empty() {
            return Ok(Verdict::not_applicable("no source was changed"));
        }
        let tests = of(Role::Test).filter(|change| change.kind != ChangeKind::Deleted).count();
        let touched = tests > 0 || settings.has_inline(facts, documents)?;
        if !touched && settings.answer == Answer::Ask {
            return Ok(Verdict::Ask(question(&source)));
        }
        let findings = if touched { Vec::new() } else { source.iter().take(NAMED).map(|change| untested(change)).collect() };
        Ok(Report::new(findings).note("source", source.len()).note("tests", tests).into_verdict())
    }
}

impl TestTouchSettings {
    fn role(&self, path: &str) -> Role {
        if self.ignore.matches(path) {
            Role::Neither
        } else if self.tests.matches(path) {
            Role::Test
        } else if self.source.matches(path) {
            Role::Source
        } else {
            Role::Neither
        }
    }

    /// Whether an added line of source holds the mark of a test. A diff that does not show every line is no proof that none does.
    fn has_inline(&self, facts: &Facts, documents: &dyn Documents) -> Result<bool, Declined> {
        if self.inline.is_empty() {
            return Ok(false);
        }
        let document = documents.required("diff")?;
        let (mut file, mut is_source, mut found) = (usize::MAX, false, false);
        let files = diff::visit(&*document, |line| {
            if line.file != file {
                (file, is_source) = (line.file, self.role(line.path) == Role::Source);
            }
            found = is_source && line.side == Side::Added && line.first && self.is_mark(line.text);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if !found {
            diff::all_shown(&facts.changes, &files)?;
        }
        Ok(found)
    }

    /// A mark stands at the beginning of its line: in the middle of one it is quoted, or commented away.
    fn is_mark(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        self.inline.iter().any(|mark| line.starts_with(mark.as_bytes()))
    }
}

fn untested(change: &Change) -> Finding {
    let message = format!("source was {}, and no test was added or changed", change.kind);
    Finding::new("untested-change", Severity::Medium, message).at(&change.path).fix("add a test that fails without the change")
}

fn question(source: &[&Change]) -> String {
    let names: Vec<String> = source.iter().take(NAMED).map(|change| shown(&change.path, SHOWN)).collect();
    cut(&format!("May these {} files of source change without a test? {}", source.len(), names.join(", ")), QUESTION)
}

orc_guest::gate!(TestTouch);

#[cfg(test)]
mod tests;
