//! What several tests need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orc_config::RootSnapshot;
use orc_config::init::{InitOptions, StockGuest, Team};
use orc_domain::api::Problem;

/// The sample folder.
pub(crate) fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// The root that has one of everything, as files.
pub(crate) fn full() -> BTreeMap<String, Vec<u8>> {
    RootSnapshot::read(&samples().join("valid/full")).unwrap().files
}

/// Problems as `orcctl config check` could print them.
pub(crate) fn render(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("{}: {}\n", problem.at, problem.message));
        if let Some(help) = &problem.help {
            text.push_str(&format!("    help: {help}\n"));
        }
    }
    text
}

/// Stand-ins of the stock guests that contracts bind: init and check look at names, kinds and digests, never into a component.
pub(crate) fn gates() -> Vec<StockGuest> {
    let gates = [
        "workspace-clean",
        "protected-paths",
        "diff-budget",
        "secret-scan",
        "verification-passed",
        "outputs-match-diff",
        "instruction-scan",
        "test-touch",
        "dependency-guard",
        "review-threshold",
    ];
    let hooks = ["recall-memory", "distill-memory", "extract-backlog", "summarize-for-operator"];
    let gates = gates.into_iter().map(|name| gate(name, "[\"settings\"]"));
    gates.chain(hooks.into_iter().map(|name| guest("hook", name, "[\"settings\"]"))).collect()
}

pub(crate) fn gate(name: &str, capabilities: &str) -> StockGuest {
    guest("gate", name, capabilities)
}

fn guest(kind: &str, name: &str, capabilities: &str) -> StockGuest {
    let manifest = format!(
        "name = \"{name}\"\nversion = \"1.0.0\"\nkind = \"{kind}\"\nsummary = \"A {kind}.\"\nworld = \"orc:guest/{kind}@1.0.0\"\n\
         capabilities = {capabilities}\n\n[settings]\nbinary_files = \"forbid\"\nlimit = 3\nwords = [\"a\"]\n"
    );
    StockGuest { manifest: manifest.into_bytes(), component: format!("component of {name}").into_bytes() }
}

pub(crate) fn options(team: Team) -> InitOptions {
    InitOptions {
        team,
        installation: "in_k7f3q2mz".parse().unwrap(),
        operator: "alice".parse().unwrap(),
        unix_user: "alice".to_owned(),
        guests: gates(),
    }
}
