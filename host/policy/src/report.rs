//! What `policy test` found.

use std::collections::BTreeMap;

use orc_domain::Code;
use orc_domain::decision::Decision;
use serde::Serialize;

/// What the cases said.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// Each case that the filter let through, by name.
    pub cases: Vec<CaseReport>,
    /// Each reason code of the table `codes`, in all cases; empty where a filter left some out.
    pub coverage: BTreeMap<Code, CodeCoverage>,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// As in `plan/appended-argument`.
    pub name: String,
    /// Its file, relative to the root.
    pub file: String,
    /// What it is about, in the author's words.
    pub about: String,
    /// How the decision differs from what was expected, a sentence each; empty where the case passed.
    pub differences: Vec<String>,
    /// What was decided.
    pub decision: Decision,
}

/// How well the cases know a reason code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CodeCoverage {
    /// Whether a script can give it at all.
    pub emitted: bool,
    /// Cases in which it was given.
    pub fired: usize,
    /// Cases of the same entry points in which it was not given.
    pub silent: usize,
}

impl CodeCoverage {
    /// Whether one case shows the code and another its absence.
    pub const fn covered(&self) -> bool {
        self.fired > 0 && self.silent > 0
    }
}

impl CaseReport {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl TestReport {
    /// Whether there was a case and each one passed. No case is no proof.
    pub fn ok(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(CaseReport::passed)
    }

    /// Codes without a case that gives them, or without one that does not. With a filter, none is named.
    pub fn uncovered(&self) -> impl Iterator<Item = (&Code, &CodeCoverage)> {
        self.coverage.iter().filter(|(_, coverage)| !coverage.covered())
    }
}
