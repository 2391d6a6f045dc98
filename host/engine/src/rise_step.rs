//! Flags rise with the work: what git says changed is asked about again, and work that asks for more than was approved goes no further.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use orc_domain::api::BlockReason;
use orc_domain::contract::WorkspaceKind;
use orc_domain::decision::{DiffFacts, EntryPoint};
use orc_domain::plan::PlanDocument;
use orc_domain::ports::Change;
use orc_domain::*;
use serde_json::json;

use crate::engine::internal;
use crate::phase::Phase;

/// The flag of a change under `verification_paths`.
const VERIFICATION_CHANGED: &str = "verification_changed";
/// The flag of a change to what the project depends on.
const DEPENDENCY_CHANGE: &str = "dependency_change";
/// Files that say what a project depends on, in any directory.
const DEPENDENCIES: &str = "{Cargo.toml,Cargo.lock,package.json,package-lock.json,npm-shrinkwrap.json,yarn.lock,pnpm-lock.yaml,\
                            pyproject.toml,poetry.lock,uv.lock,Pipfile,Pipfile.lock,setup.py,setup.cfg,requirements*.txt,go.mod,go.sum,\
                            Gemfile,Gemfile.lock,pom.xml,build.gradle,build.gradle.kts,composer.json,composer.lock}";

impl Phase<'_> {
    /// Why work that is kept asks for more than was approved; empty where it does not.
    pub(crate) async fn risen(&self, attempt: u32, changes: &[Change]) -> Result<Vec<BlockReason>, OrcError> {
        if self.planned.contract.workspace != WorkspaceKind::Worktree {
            return Ok(Vec::new());
        }
        let known = self.engine.active_rules().await?;
        let flags = flags(self.document, changes, |flag| known.policy.flags().contains_key(flag))?;
        let diff = DiffFacts {
            files: changes.len() as u64,
            added: changes.iter().map(|change| change.added).sum(),
            removed: changes.iter().map(|change| change.removed).sum(),
        };
        self.step(attempt, "flags", json!({ "flags": flags, "diff": diff })).await?;
        let asked = flags.clone();
        let decision = self
            .ask(EntryPoint::Admit, |question| {
                question.flags = asked;
                question.diff = Some(diff);
            })
            .await?;
        let Some(more) = decision.stricter_than(&self.document.risk, &self.document.approvals) else { return Ok(Vec::new()) };
        Ok(riskier(self.document, &flags, more))
    }
}

fn riskier(document: &PlanDocument, flags: &BTreeMap<FlagName, bool>, more: Vec<decision::Reason>) -> Vec<BlockReason> {
    let missing: Vec<String> =
        flags.keys().filter(|flag| !document.flags.contains_key(*flag)).map(|flag| format!("--flag {flag}")).collect();
    let fix = match missing.is_empty() {
        true => "let it do less, or plan a task that says so".to_owned(),
        false => format!("let it do less, or plan it with {}: then who must approve that is asked first", missing.join(" ")),
    };
    // What made the plan risky was known when it was approved.
    let new = more.into_iter().filter(|reason| !document.risk.reasons.contains(reason));
    let told = new.map(|reason| BlockReason {
        code: reason.code.to_string(),
        message: Untrusted::new(format!("the work asks for more than was approved: {}", reason.message)),
        fix: Some(Untrusted::new(fix.as_str())),
    });
    let told: Vec<BlockReason> = told.collect();
    if !told.is_empty() {
        return told;
    }
    let message = Untrusted::new("the work asks for more than was approved");
    vec![BlockReason { code: "riskier-than-approved".to_owned(), message, fix: Some(Untrusted::new(fix)) }]
}

/// The plan's flags and those of what changed. They only rise; one that the rules do not know means nothing to them.
fn flags(document: &PlanDocument, changes: &[Change], known: impl Fn(&FlagName) -> bool) -> Result<BTreeMap<FlagName, bool>, OrcError> {
    let entry = &document.project_entry;
    let named = |name: &str| name.parse::<FlagName>().map_err(|error| internal("a derived flag has no name", &error));
    let mut rules: Vec<(GlobSet, FlagName)> = Vec::new();
    for rule in &entry.path_rules {
        rules.push((globs(&rule.paths)?, rule.flag.clone()));
    }
    rules.push((globs(&entry.verification_paths)?, named(VERIFICATION_CHANGED)?));
    rules.push((globs(&[DEPENDENCIES.to_owned(), format!("**/{DEPENDENCIES}")])?, named(DEPENDENCY_CHANGE)?));
    let mut flags = document.flags.clone();
    for (globs, flag) in rules {
        if known(&flag) && changes.iter().any(|change| globs.is_match(change.path.raw())) {
            flags.insert(flag, true);
        }
    }
    Ok(flags)
}

fn globs(patterns: &[String]) -> Result<GlobSet, OrcError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|error| internal("a checked glob is none", &error))?);
    }
    set.build().map_err(|error| internal("checked globs do not fit together", &error))
}
