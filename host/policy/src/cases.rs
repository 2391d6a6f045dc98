//! Cases beside the rules: `policies/tests/<entry>/<name>.yaml`, one file one case. Written and read by people who change the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orc_domain::api::Problem;
use orc_domain::decision::{Decision, DecisionInput, EntryPoint, GroupFacts, Place, Reason, RequirementKind};
use orc_domain::risk::RiskClass;
use orc_domain::{Code, GroupName};
use orc_yaml::Node;

use crate::case_table::{CaseTable, STOCK_TABLE, Tables};
use crate::problem::unknown;
use crate::reader::{Reader, overlaid};
use crate::rules::Rules;
use crate::shape;
use crate::{Words, floor};

const TESTS: &str = "policies/tests/";
/// What every case starts from.
pub(crate) const DEFAULT_INPUT: &str = "policies/tests/default-input.yaml";

/// A case, ready to be run.
pub(crate) struct Case {
    /// Its file without `policies/tests/` and `.yaml`: `plan/append-denied`.
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) entry: EntryPoint,
    pub(crate) about: String,
    pub(crate) input: DecisionInput,
    /// The table that it is decided on.
    pub(crate) rules: Arc<Rules>,
    pub(crate) words: Arc<Words>,
    pub(crate) expect: Expectation,
}

/// What a case expects. Denials, warnings and grants are always compared; the rest only where it is said.
#[derive(Debug, Default)]
pub(crate) struct Expectation {
    denied: BTreeSet<Code>,
    warned: BTreeSet<Code>,
    granted: BTreeSet<Code>,
    risk: Option<RiskClass>,
    risk_codes: Option<BTreeSet<Code>>,
    groups: Option<BTreeMap<GroupName, u64>>,
    confirm: Option<BTreeSet<GroupName>>,
    expires_h: Option<u64>,
    obligations: Option<BTreeMap<String, String>>,
}

/// Reads every case of `files`; those that do not say otherwise are decided on `live`.
pub(crate) fn read_all(files: &BTreeMap<&str, &[u8]>, live: CaseTable) -> (Vec<Case>, Vec<Problem>) {
    let mut problems = Vec::new();
    let tables = Tables::new(files, live, &mut problems);
    let base = match default_input(files) {
        Ok(base) => base,
        Err(found) => {
            problems.extend(found);
            return (Vec::new(), problems);
        }
    };
    let mut cases = Vec::new();
    let is_case = |file: &str| file.starts_with(TESTS) && file != DEFAULT_INPUT && file != STOCK_TABLE;
    for (file, bytes) in files.iter().filter(|(file, _)| is_case(file)) {
        match case(file, bytes, &base, &tables) {
            Ok(case) => cases.push(case),
            Err(found) => problems.extend(found),
        }
    }
    (cases, problems)
}

fn default_input(files: &BTreeMap<&str, &[u8]>) -> Result<Node, Vec<Problem>> {
    let missing = || {
        let help = "every case says only how it differs from this input";
        vec![Problem::new(&Place::file(DEFAULT_INPUT), "the file is missing").help(help)]
    };
    orc_yaml::parse(DEFAULT_INPUT, files.get(DEFAULT_INPUT).ok_or_else(missing)?)
}

fn case(file: &str, bytes: &[u8], base: &Node, tables: &Tables) -> Result<Case, Vec<Problem>> {
    let Some((folder, name)) = file.strip_prefix(TESTS).and_then(|rest| rest.strip_suffix(".yaml")).and_then(|rest| rest.split_once('/'))
    else {
        let help = "a case is policies/tests/<entry>/<name>.yaml";
        return Err(vec![Problem::new(&Place::file(file), "this file is no case").help(help)]);
    };
    let entry: EntryPoint = folder.parse().map_err(|_| vec![unknown(&Place::file(file), "entry point", folder, EntryPoint::ALL)])?;
    let node = orc_yaml::parse(file, bytes)?;
    let table = tables.named(node.get("table"))?;
    let mut reader = Reader::default();
    reader.keys(&node, &["about", "table", "input", "rules", "expect"], &["about", "expect"]);
    let about = node.get("about").map(|text| reader.text(text)).unwrap_or_default();
    let rules = table.rules_with(node.get("rules"), &mut reader);
    let input = input(&node, base, &rules, &table.words, &mut reader);
    let expect = node.get("expect").map(|expect| expectation(expect, &rules, &table.words, &mut reader));
    match input {
        Some(input) if reader.problems.is_empty() => Ok(Case {
            name: format!("{folder}/{name}"),
            file: file.to_owned(),
            entry,
            about,
            input,
            rules,
            words: Arc::clone(&table.words),
            expect: expect.unwrap_or_default(),
        }),
        _ => Err(reader.problems),
    }
}

/// The default input with what the case changes. Groups that neither names have members enough.
fn input(case: &Node, base: &Node, rules: &Rules, words: &Words, reader: &mut Reader) -> Option<DecisionInput> {
    let shape = shape::input(words, rules);
    let over = case.get("input");
    let merged = over.map_or_else(|| base.clone(), |over| overlaid(base, over));
    let before = reader.problems.len();
    shape.check(&merged, reader);
    if reader.problems.len() > before {
        return None;
    }
    match serde_json::from_value::<DecisionInput>(merged.to_json()) {
        Ok(mut input) => {
            for group in &words.groups {
                input.groups.entry(group.clone()).or_insert(GroupFacts { members: 9, eligible: 9 });
            }
            Some(input)
        }
        Err(error) => {
            let at = over.map_or(&merged.at, |over| &over.at);
            reader.problems.push(Problem::new(at, format!("with the default input this is no input: {error}")));
            None
        }
    }
}

fn expectation(node: &Node, rules: &Rules, words: &Words, reader: &mut Reader) -> Expectation {
    const KEYS: &[&str] =
        &["allowed", "denied", "warned", "granted", "risk", "risk_codes", "groups", "confirm", "expires_h", "obligations"];
    reader.keys(node, KEYS, &[]);
    let mut known: BTreeSet<Code> = rules.codes.keys().cloned().collect();
    known.extend(floor::CODES.iter().filter_map(|code| code.parse().ok()));
    let codes = |reader: &mut Reader, key: &str| -> Option<BTreeSet<Code>> {
        let list = node.get(key)?;
        for item in reader.items(Some(list)) {
            if let Some(code) = reader.word::<Code>(item) {
                reader.known(&item.at, "reason code", &code, &known);
            }
        }
        let mut again = Reader::default();
        Some(again.words(Some(list)))
    };
    let denied = codes(reader, "denied").unwrap_or_default();
    if let Some(allowed) = node.get("allowed")
        && reader.boolean(Some(allowed), denied.is_empty()) != denied.is_empty()
    {
        reader.problems.push(Problem::new(&allowed.at, "`allowed` and `denied` contradict each other").help("leave one out"));
    }
    Expectation {
        warned: codes(reader, "warned").unwrap_or_default(),
        granted: codes(reader, "granted").unwrap_or_default(),
        risk_codes: codes(reader, "risk_codes"),
        risk: node.get("risk").and_then(|risk| reader.word(risk)),
        groups: node.get("groups").map(|groups| counted_groups(groups, words, reader)),
        confirm: node.get("confirm").map(|groups| reader.words(Some(groups))),
        expires_h: node.get("expires_h").map(|hours| reader.number(hours, 1, i64::MAX)),
        obligations: node.get("obligations").map(|table| {
            let entries = reader.entries(table).iter();
            entries.map(|(key, value)| (key.text().to_owned(), value.to_json().as_str().unwrap_or_default().to_owned())).collect()
        }),
        denied,
    }
}

fn counted_groups(node: &Node, words: &Words, reader: &mut Reader) -> BTreeMap<GroupName, u64> {
    let mut groups = BTreeMap::new();
    for (key, quorum) in reader.entries(node) {
        if let Some(group) = reader.parsed::<GroupName>(&key.at, key.text()) {
            reader.known(&key.at, "role group", &group, &words.groups);
            groups.insert(group, reader.number(quorum, 1, 100));
        }
    }
    groups
}

/// Reason codes that a decision gave, for coverage.
pub(crate) fn given(decision: &Decision) -> BTreeSet<String> {
    let asked = decision.requires.iter().flat_map(|need| &need.reasons);
    let reasons = decision.denials.iter().chain(&decision.warnings).chain(&decision.grants).chain(&decision.risk.reasons).chain(asked);
    reasons.map(|reason| reason.code.to_string()).collect()
}

impl Expectation {
    /// How `decision` differs, a sentence each.
    pub(crate) fn differences(&self, decision: &Decision) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: String, found: String| {
            if expected != found {
                differences.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        compare("denied", codes(&self.denied), reasons(&decision.denials));
        compare("warned", codes(&self.warned), reasons(&decision.warnings));
        compare("granted", codes(&self.granted), reasons(&decision.grants));
        if let Some(risk) = self.risk {
            compare("risk", risk.to_string(), decision.risk.class.to_string());
        }
        if let Some(expected) = &self.risk_codes {
            compare("risk codes", codes(expected), reasons(&decision.risk.reasons));
        }
        let of_kind = |kind| decision.requires.iter().filter(move |need| need.kind == kind);
        if let Some(expected) = &self.groups {
            let found = of_kind(RequirementKind::Approval).map(|need| (need.group.clone(), u64::from(need.quorum))).collect();
            compare("groups", table(expected), table(&found));
        }
        if let Some(expected) = &self.confirm {
            let found: BTreeSet<GroupName> = of_kind(RequirementKind::Confirmation).map(|need| need.group.clone()).collect();
            compare("confirmations", codes(expected), codes(&found));
        }
        if let Some(hours) = self.expires_h {
            let found: BTreeSet<u64> = decision.requires.iter().map(|need| need.expires_s / 3600).collect();
            compare("expires after hours", codes(&BTreeSet::from([hours])), codes(&found));
        }
        if let Some(expected) = &self.obligations {
            let found = decision.obligations.iter().map(|one| (one.kind.to_string(), one.value.clone())).collect();
            compare("obligations", table(expected), table(&found));
        }
        differences
    }
}

fn codes<T: std::fmt::Display>(codes: &BTreeSet<T>) -> String {
    format!("[{}]", codes.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}

fn reasons(reasons: &[Reason]) -> String {
    codes(&reasons.iter().map(|reason| reason.code.as_str()).collect())
}

fn table<K: std::fmt::Display + Ord, V: std::fmt::Display>(entries: &BTreeMap<K, V>) -> String {
    format!("{{{}}}", entries.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", "))
}
