//! The stock rules as files, the words of an ordinary installation, and an ordinary input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orc_domain::api::Problem;
use orc_domain::decision::*;
use orc_domain::risk::CommandFamily;
use orc_policy::{Policy, Words};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Every file under `policies/` of this repository.
pub(crate) fn stock() -> Files {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Files::new();
    let mut open = vec![root.join("policies")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

/// The stock rules without cases, and with an empty script for every entry point but those given.
pub(crate) fn scripts(given: &[(&str, &str)]) -> Files {
    let mut files = stock();
    files.retain(|path, _| path.starts_with("policies/data/") || path.ends_with("default-input.yaml"));
    for entry in EntryPoint::ALL {
        files.insert(format!("policies/{entry}.rhai"), format!("fn {entry}(input, data, out) {{ }}").into_bytes());
    }
    files.extend(given.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    files
}

/// A `plan` with this body and nothing else.
pub(crate) fn plan_body(body: &str) -> Files {
    scripts(&[("policies/plan.rhai", &format!("fn plan(input, data, out) {{\n{body}\n}}"))])
}

pub(crate) fn words() -> Words {
    fn set<T: std::str::FromStr<Err: std::fmt::Debug> + Ord>(names: &[&str]) -> std::collections::BTreeSet<T> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }
    Words {
        groups: set(&["operator", "tech_lead", "security", "release_manager"]),
        tenants: set(&["default"]),
        projects: set(&["sample"]),
        phases: set(&["plan", "architect", "develop", "review", "deploy", "verify"]),
        obligations: set(&["budget.wall_s"]),
    }
}

pub(crate) fn load(files: &Files) -> Policy {
    match Policy::load(files, &words()) {
        Ok(policy) => policy,
        Err(problems) => panic!("{}", shown(&problems)),
    }
}

/// The problems of files that must have some, one a line.
pub(crate) fn refused(files: &Files) -> String {
    match Policy::load(files, &words()) {
        Ok(_) => panic!("the files were accepted"),
        Err(problems) => shown(&problems),
    }
}

pub(crate) fn shown(problems: &[Problem]) -> String {
    let line = |problem: &Problem| format!("{}: {} [{}]\n", problem.at, problem.message, problem.help.as_deref().unwrap_or(""));
    problems.iter().map(line).collect()
}

/// Changes one text in one file; it must stand there exactly once.
pub(crate) fn edit(files: &mut Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{path} holds {from:?} not exactly once");
    files.insert(path.to_owned(), text.replace(from, to).into_bytes());
}

/// `cargo test` of an ordinary project with an ordinary team.
pub(crate) fn input() -> DecisionInput {
    let group = |name: &str| (name.parse().unwrap(), GroupFacts { members: 5, eligible: 4 });
    DecisionInput {
        schema: 1,
        now_s: 1_767_175_200,
        hour: 10,
        weekday: 3,
        requesters: vec![PersonFacts { name: "ada".parse().unwrap(), roles: vec![] }],
        operators: 12,
        tenant: TenantFacts { name: "default".parse().unwrap(), active: 0, planned_last_hour: 0 },
        project: ProjectFacts {
            name: "sample".parse().unwrap(),
            families: CommandFamily::ALL.to_vec(),
            stack: vec!["rust".to_owned()],
            owners: vec![],
            active: 0,
        },
        family: CommandFamily::BuildTest,
        action: "test".parse().unwrap(),
        argv: vec!["cargo".to_owned(), "test".to_owned()],
        flags: BTreeMap::new(),
        metadata: BTreeMap::new(),
        pipeline: "build_test".parse().unwrap(),
        phase: None,
        engine: None,
        freezes: vec![],
        groups: ["operator", "tech_lead", "security", "release_manager"].map(group).into(),
        diff: None,
        launch: None,
        approved_risk: None,
    }
}

pub(crate) fn codes(reasons: &[Reason]) -> Vec<&str> {
    reasons.iter().map(|reason| reason.code.as_str()).collect()
}
