//! The tables that cases are decided on: the one in force, so that authors can test their numbers, and for `table: stock` one whose
//! numbers stand beside the cases, so that the stock scripts stay tested whatever the table in force says.

use std::collections::BTreeMap;
use std::sync::Arc;

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_yaml::{Kind, Node, Scalar};

use crate::Words;
use crate::reader::{Reader, overlaid};
use crate::rules::{Rules, read};

/// The sections that replace those of the table for cases with `table: stock`.
pub(crate) const STOCK_TABLE: &str = "policies/tests/stock-table.yaml";

/// Sections where what only the table in force names stays: the scripts of this installation may name it, and a stock case cannot.
const OPEN: &[&str] = &["flags", "codes"];

/// A table that cases are decided on.
pub(crate) struct CaseTable {
    pub(crate) node: Node,
    pub(crate) rules: Arc<Rules>,
    pub(crate) words: Arc<Words>,
}

impl CaseTable {
    /// The rules of this table with `over`, a case's own, laid on it.
    pub(crate) fn rules_with(&self, over: Option<&Node>, reader: &mut Reader) -> Arc<Rules> {
        let Some(over) = over else { return Arc::clone(&self.rules) };
        let (rules, problems) = read(&overlaid(&self.node, over), &self.words);
        reader.problems.extend(problems);
        Arc::new(rules)
    }
}

/// The tables that a case can name.
pub(crate) struct Tables {
    live: CaseTable,
    /// Or why there is none, which matters only to a case that names it.
    stock: Result<CaseTable, Vec<Problem>>,
}

impl Tables {
    /// Reads the stock table. What is wrong in it goes to `problems`; that it is missing is for the case that needs it to say.
    pub(crate) fn new(files: &BTreeMap<&str, &[u8]>, live: CaseTable, problems: &mut Vec<Problem>) -> Self {
        let Some(bytes) = files.get(STOCK_TABLE) else {
            let help = "cases with `table: stock` are decided on it: bring it back from the stock rules, or remove those cases";
            return Self { live, stock: Err(vec![Problem::new(&Place::file(STOCK_TABLE), "the file is missing").help(help)]) };
        };
        let stock = orc_yaml::parse(STOCK_TABLE, bytes).map(|sections| stock(&sections, &live, problems));
        problems.extend(stock.as_ref().err().into_iter().flatten().cloned());
        Self { live, stock }
    }

    /// The table that the value of a case's key `table` names.
    pub(crate) fn named(&self, name: Option<&Node>) -> Result<&CaseTable, Vec<Problem>> {
        match name.map(|name| (name, name.scalar())) {
            None => Ok(&self.live),
            Some((_, Some(Scalar::Text("stock")))) => self.stock.as_ref().map_err(Clone::clone),
            Some((name, _)) => {
                let help = "leave the key out to test policies/data/rules.yaml";
                Err(vec![Problem::new(&name.at, "a case names no table but `stock`").help(help)])
            }
        }
    }
}

fn stock(sections: &Node, live: &CaseTable, problems: &mut Vec<Problem>) -> CaseTable {
    let mut reader = Reader::default();
    let node = with_sections(&live.node, reader.entries(sections));
    let words = with_named(&live.words, sections);
    let (rules, found) = read(&node, &words);
    problems.extend(reader.problems.into_iter().chain(found));
    CaseTable { node, rules: Arc::new(rules), words: Arc::new(words) }
}

/// `table` with each of `sections` in the place of its own.
fn with_sections(table: &Node, sections: &[(Node, Node)]) -> Node {
    // That a table is none is said where it is read.
    let Kind::Mapping { entries: own, flow } = &table.kind else { return table.clone() };
    let mut entries = sections.to_vec();
    for (section, own) in own {
        match entries.iter_mut().find(|(key, _)| key.text() == section.text()) {
            Some((_, stock)) if OPEN.contains(&section.text()) => keep_unnamed(stock, own),
            Some(_) => {}
            None => entries.push((section.clone(), own.clone())),
        }
    }
    Node { kind: Kind::Mapping { entries, flow: *flow }, ..table.clone() }
}

/// Adds the entries of `own` that `stock` does not name.
fn keep_unnamed(stock: &mut Node, own: &Node) {
    let (Kind::Mapping { entries: known, .. }, Kind::Mapping { entries: own, .. }) = (&mut stock.kind, &own.kind) else { return };
    for (key, entry) in own {
        if known.iter().all(|(name, _)| name.text() != key.text()) {
            known.push((key.clone(), entry.clone()));
        }
    }
}

/// `words` with the role groups and phases that `sections` name: an installation without one of them keeps the stock cases.
fn with_named(words: &Words, sections: &Node) -> Words {
    let mut words = words.clone();
    // A name that is none is said by the reading of the table.
    let mut unheard = Reader::default();
    for (_, class) in sections.get("approvals").map(|classes| unheard.entries(classes)).unwrap_or_default() {
        let groups = class.get("groups").map(|groups| unheard.entries(groups)).unwrap_or_default();
        words.groups.extend(groups.iter().filter_map(|(key, _)| key.text().parse().ok()));
    }
    for rule in unheard.items(sections.get("skip")) {
        words.phases.extend(rule.get("phase").and_then(|phase| unheard.word(phase)));
    }
    words
}
