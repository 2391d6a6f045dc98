//! Policy: loads the rules of a root, checks them, decides. The only room with Rhai.
//!
//! **Belongs here:** the engine and its limits, the builder `out`, the linter, the floor, the table `policies/data/rules.yaml`, the cases
//! beside the rules.
//!
//! **Never belongs here:** a clock, a file, a network, a database: files come in as bytes, the input as one document, so that a stored
//! decision can be made again exactly.
//!
//! **Key types:** [`Policy`], immutable and shared; [`Words`], the names that rules may use; [`TestReport`].
//!
//! **Pitfalls:** a script error is a denial, never an error of this crate. The floor (`floor.rs`) is what scripts cannot weaken; a promise
//! that must hold whatever a policy author writes belongs there. Rhai compares values of different types with `false` and changes copies
//! in silence: `natives.rs` and `lint.rs` are there because of that, and `tests/policy/traps.rs` holds one test for each such trap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orc_domain::api::Problem;
use orc_domain::decision::{Decision, DecisionInput, EntryPoint, Place};
use orc_domain::{Code, FlagName, GroupName, PhaseName, ProjectName, TenantName};

mod case_table;
mod cases;
mod engine;
mod evaluate;
mod floor;
mod lint;
mod natives;
mod out;
mod problem;
mod program;
mod reader;
mod report;
mod rules;
mod shape;

pub use floor::CODES as FLOOR_CODES;
pub use report::{CaseReport, CodeCoverage, TestReport};
pub use rules::{FlagRule, RULES_FILE};

use case_table::CaseTable;
use cases::Case;
use evaluate::Ground;
use problem::unknown;
use program::Program;

/// The names that the rest of the root defines and that rules may use.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Role groups of `config/operators.yaml`.
    pub groups: BTreeSet<GroupName>,
    /// Tenants of `config/projects.registry.yaml`.
    pub tenants: BTreeSet<TenantName>,
    /// Projects of the same.
    pub projects: BTreeSet<ProjectName>,
    /// Phases of `config/phase-contracts.yaml`.
    pub phases: BTreeSet<PhaseName>,
    /// Kinds of obligation that the engine can meet.
    pub obligations: BTreeSet<Code>,
}

/// The loaded rules of one rules revision.
pub struct Policy {
    program: Program,
    ground: Ground,
    cases: Vec<Case>,
}

impl Policy {
    /// Loads the files under `policies/`; others are not looked at. Paths are relative to the root, with `/`.
    ///
    /// # Errors
    /// Every problem of every file, sorted by place.
    pub fn load(files: &BTreeMap<String, Vec<u8>>, words: &Words) -> Result<Self, Vec<Problem>> {
        let broke_down =
            || vec![Problem::new(&Place::file("policies"), "the rules could not be read").help("the machine is out of memory or threads")];
        engine::on_large_stack(|| load(files, words)).unwrap_or_else(|| Err(broke_down()))
    }

    /// Decides. Whatever goes wrong in a script is a denial (`policy-error` with its place, `policy-limit` with its file).
    ///
    /// Blocks the calling thread: for less than a millisecond with ordinary rules, for about a second with a script that runs into its limits
    /// on large values.
    pub fn decide(&self, entry: EntryPoint, input: &DecisionInput) -> Decision {
        evaluate::decide(&self.program, &self.ground, entry, input)
    }

    /// The known action flags.
    pub fn flags(&self) -> &BTreeMap<FlagName, FlagRule> {
        &self.ground.rules.flags
    }

    /// Runs the cases whose name contains `filter`, or all.
    pub fn run_tests(&self, filter: Option<&str>) -> TestReport {
        let chosen = self.cases.iter().filter(|case| filter.is_none_or(|filter| case.name.contains(filter)));
        let cases: Vec<(EntryPoint, CaseReport)> = chosen.filter_map(|case| Some((case.entry, self.run_case(case)?))).collect();
        // Of some cases it would only say which ones were left out.
        let coverage = if filter.is_none() { self.coverage(&cases) } else { BTreeMap::new() };
        TestReport { cases: cases.into_iter().map(|(_, report)| report).collect(), coverage }
    }

    fn run_case(&self, case: &Case) -> Option<CaseReport> {
        let ground = Ground::new(Arc::clone(&case.rules), Arc::clone(&case.words))?;
        let decision = evaluate::decide(&self.program, &ground, case.entry, &case.input);
        let differences = case.expect.differences(&decision);
        Some(CaseReport { name: case.name.clone(), file: case.file.clone(), about: case.about.clone(), differences, decision })
    }

    fn coverage(&self, cases: &[(EntryPoint, CaseReport)]) -> BTreeMap<Code, CodeCoverage> {
        let given: Vec<(EntryPoint, BTreeSet<String>)> = cases.iter().map(|(entry, case)| (*entry, cases::given(&case.decision))).collect();
        let coverage = |code: &Code| {
            let fired: Vec<EntryPoint> = given.iter().filter(|(_, codes)| codes.contains(code.as_str())).map(|(entry, _)| *entry).collect();
            let silent = given.iter().filter(|(entry, codes)| fired.contains(entry) && !codes.contains(code.as_str())).count();
            CodeCoverage { emitted: self.program.codes.contains(code.as_str()), fired: fired.len(), silent }
        };
        self.ground.rules.codes.keys().map(|code| (code.clone(), coverage(code))).collect()
    }
}

fn load(files: &BTreeMap<String, Vec<u8>>, words: &Words) -> Result<Policy, Vec<Problem>> {
    let ours = files.iter().filter(|(path, _)| path.starts_with("policies/") && !is_dropping(path));
    let files: BTreeMap<&str, &[u8]> = ours.map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let mut problems: Vec<Problem> = files.keys().filter_map(|path| stray(path)).collect();
    let table = match files.get(RULES_FILE).map(|bytes| orc_yaml::parse(RULES_FILE, bytes)) {
        Some(Ok(table)) => table,
        Some(Err(found)) => return Err(with(problems, found)),
        None => {
            let missing = Problem::new(&Place::file(RULES_FILE), "the file is missing").help("`orcctl init` writes one");
            return Err(with(problems, vec![missing]));
        }
    };
    let (rules, found) = rules::read(&table, words);
    problems.extend(found);
    let (program, found) = program::compile(&files, &rules, words);
    problems.extend(found);
    let (rules, words) = (Arc::new(rules), Arc::new(words.clone()));
    let live = CaseTable { node: table, rules: Arc::clone(&rules), words: Arc::clone(&words) };
    let (cases, found) = cases::read_all(&files, live);
    // What is wrong in the table is said once, not again for each case that changes it.
    problems.extend(found);
    problems.sort();
    problems.dedup();
    match Ground::new(rules, words) {
        Some(ground) if problems.is_empty() => Ok(Policy { program, ground, cases }),
        _ => Err(problems),
    }
}

fn with(mut problems: Vec<Problem>, more: Vec<Problem>) -> Vec<Problem> {
    problems.extend(more);
    problems.sort();
    problems
}

/// What editors leave behind.
fn is_dropping(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with('.') || name.ends_with('~')
}

/// A file under `policies/` that nothing reads is probably a misspelt one.
fn stray(path: &str) -> Option<Problem> {
    let name = path.strip_prefix("policies/")?;
    let known = path == RULES_FILE
        || path.ends_with(".md")
        || name.strip_prefix("lib/").is_some_and(|name| name.ends_with(".rhai") && !name.contains('/'))
        || name.starts_with("tests/")
        || EntryPoint::ALL.iter().any(|entry| name.strip_suffix(".rhai") == Some(entry.as_str()));
    let expected = EntryPoint::ALL.iter().map(|entry| format!("{entry}.rhai")).chain(["data/rules.yaml".to_owned()]);
    (!known).then(|| unknown(&Place::file(path), "policy file", name, expected))
}
