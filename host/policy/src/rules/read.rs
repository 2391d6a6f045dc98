//! The table from its file: every key and value checked, every problem named with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use orc_domain::Code;
use orc_domain::api::Problem;
use orc_domain::risk::{CommandFamily, RiskClass};
use orc_yaml::{Kind, Node, Scalar};

use super::*;
use crate::Words;
use crate::floor;
use crate::problem::unknown;
use crate::reader::Reader;

const SECTIONS: &[&str] = &[
    "version",
    "families",
    "flags",
    "thresholds",
    "approvals",
    "sole_operator",
    "quotas",
    "freeze_windows",
    "launch",
    "skip",
    "autorun",
    "codes",
    "commands",
    "project_commands",
];
const REQUIRED: &[&str] = &["version", "families", "flags", "thresholds", "approvals", "quotas", "launch", "codes", "commands"];

/// Seconds of a year in hours: the longest time that a request may stay open.
const LONGEST_EXPIRY_H: i64 = 24 * 365;
const LARGEST_COUNT: i64 = 1_000_000;

/// Reads the table. The value is whole only where no problem was found.
pub(crate) fn read(node: &Node, words: &Words) -> (Rules, Vec<Problem>) {
    let mut reader = Reader::default();
    reader.keys(node, SECTIONS, REQUIRED);
    if let Some(version) = node.get("version") {
        reader.number(version, 1, 1);
    }
    let mut file = File { reader, words };
    let rules = Rules {
        families: file.families(node.get("families")),
        flags: file.flags(node.get("flags")),
        thresholds: file.thresholds(node.get("thresholds")),
        approvals: file.approvals(node.get("approvals")),
        sole_operator: file.sole_operator(node.get("sole_operator")),
        quotas: file.quotas(node.get("quotas")),
        freeze_windows: file.freeze_windows(node.get("freeze_windows")),
        launch: file.launch(node.get("launch")),
        skip: file.skip(node.get("skip")),
        autorun: file.autorun(node.get("autorun")),
        codes: file.codes(node.get("codes")),
        commands: file.commands(node.get("commands")),
        project_commands: file.project_commands(node.get("project_commands")),
    };
    (rules, file.reader.problems)
}

struct File<'w> {
    reader: Reader,
    words: &'w Words,
}

impl File<'_> {
    fn families(&mut self, node: Option<&Node>) -> BTreeMap<CommandFamily, FamilyRule> {
        let families = self.one_each(node, CommandFamily::ALL, |file, node| {
            file.reader.keys(node, &["risk", "low_needs_approval"], &["risk"]);
            let risk = node.get("risk").and_then(|risk| file.reader.word(risk)).unwrap_or(RiskClass::High);
            FamilyRule { risk, low_needs_approval: file.reader.boolean(node.get("low_needs_approval"), true) }
        });
        families.into_iter().collect()
    }

    /// A table with exactly one entry for each of `all`.
    fn one_each<K, V>(&mut self, node: Option<&Node>, all: &[K], mut value: impl FnMut(&mut Self, &Node) -> V) -> Vec<(K, V)>
    where
        K: FromStr + PartialEq + Copy + std::fmt::Display,
        K::Err: std::fmt::Display,
    {
        let Some(node) = node else { return Vec::new() };
        let mut found = Vec::new();
        for (key, entry) in self.reader.entries(node) {
            if let Some(name) = self.reader.parsed::<K>(&key.at, key.text()) {
                let taken = value(self, entry);
                found.push((name, taken));
            }
        }
        for missing in all.iter().filter(|name| found.iter().all(|(known, _)| known != *name)) {
            self.reader.problems.push(Problem::new(&node.at, format!("`{missing}` is missing: say what holds for each")));
        }
        found
    }

    fn flags(&mut self, node: Option<&Node>) -> BTreeMap<FlagName, FlagRule> {
        let Some(node) = node else { return BTreeMap::new() };
        let mut flags = BTreeMap::new();
        for (key, entry) in self.reader.entries(node) {
            let name = self.reader.parsed::<FlagName>(&key.at, key.text());
            self.reader.keys(entry, &["description", "risk", "derived"], &["description", "risk"]);
            let description = entry.get("description").map(|text| self.reader.text(text)).unwrap_or_default();
            let risk = entry.get("risk").and_then(|risk| self.reader.word(risk)).unwrap_or(RiskClass::High);
            let derived = self.reader.boolean(entry.get("derived"), false);
            flags.extend(name.map(|name| (name, FlagRule { description, risk, derived })));
        }
        flags
    }

    fn thresholds(&mut self, node: Option<&Node>) -> Thresholds {
        let mut rule = Thresholds { diff_files: 0, diff_lines: 0, risk: RiskClass::High };
        if let Some(node) = node {
            self.reader.keys(node, &["diff_files", "diff_lines", "risk"], &["diff_files", "diff_lines", "risk"]);
            rule.diff_files = self.count(node.get("diff_files"));
            rule.diff_lines = self.count(node.get("diff_lines"));
            rule.risk = node.get("risk").and_then(|risk| self.reader.word(risk)).unwrap_or(rule.risk);
        }
        rule
    }

    fn count(&mut self, node: Option<&Node>) -> u64 {
        node.map_or(0, |node| self.reader.number(node, 0, LARGEST_COUNT))
    }

    fn approvals(&mut self, node: Option<&Node>) -> BTreeMap<RiskClass, ApprovalRule> {
        let approvals: BTreeMap<_, _> = self.one_each(node, RiskClass::ALL, Self::approval).into_iter().collect();
        let Some(node) = node else { return approvals };
        for (class, rule) in approvals.iter().filter(|(class, _)| **class >= RiskClass::Moderate) {
            if rule.groups.is_empty() {
                let at = node.get(class.as_str()).map_or(&node.at, |entry| &entry.at);
                let help = "name a group: the floor of ORC denies such a plan anyway";
                self.reader.problems.push(Problem::new(at, format!("`{class}` risk needs at least one group")).help(help));
            }
        }
        self.rising(node, &approvals);
        approvals
    }

    /// From moderate upwards a riskier class asks at least what the class below it asks.
    fn rising(&mut self, node: &Node, approvals: &BTreeMap<RiskClass, ApprovalRule>) {
        let classes: Vec<_> = approvals.iter().filter(|(class, _)| **class >= RiskClass::Moderate).collect();
        for pair in classes.windows(2) {
            let [(below, less), (class, more)] = pair else { continue };
            for (group, quorum) in less.groups.iter().filter(|(group, quorum)| more.groups.get(*group) < Some(*quorum)) {
                let at = node.get(class.as_str()).map_or(&node.at, |entry| &entry.at);
                let message = format!("`{class}` asks less than `{below}`: {quorum} of group `{group}` are missing");
                self.reader.problems.push(Problem::new(at, message).help(format!("add `{group}: {quorum}`")));
            }
        }
    }

    fn approval(&mut self, node: &Node) -> ApprovalRule {
        self.reader.keys(node, &["groups", "expires_h"], &["groups", "expires_h"]);
        let mut groups = BTreeMap::new();
        for (key, quorum) in node.get("groups").map(|groups| self.reader.entries(groups)).unwrap_or_default() {
            if let Some(group) = self.reader.parsed::<GroupName>(&key.at, key.text()) {
                self.reader.known(&key.at, "role group", &group, &self.words.groups);
                let quorum = self.reader.number(quorum, 1, 100);
                groups.insert(group, u32::try_from(quorum).unwrap_or(1));
            }
        }
        let expires_h = node.get("expires_h").map_or(0, |hours| self.reader.number(hours, 1, LONGEST_EXPIRY_H));
        ApprovalRule { groups, expires_h }
    }

    fn sole_operator(&mut self, node: Option<&Node>) -> SoleOperator {
        if let Some(node) = node {
            self.reader.keys(node, &["confirmation"], &[]);
        }
        SoleOperator { confirmation: self.reader.boolean(node.and_then(|node| node.get("confirmation")), false) }
    }

    fn quotas(&mut self, node: Option<&Node>) -> Quotas {
        let mut quotas = Quotas {
            tenant: TenantQuota::default(),
            project: ProjectQuota::default(),
            tenants: BTreeMap::new(),
            projects: BTreeMap::new(),
        };
        let Some(node) = node else { return quotas };
        self.reader.keys(node, &["tenant", "project", "tenants", "projects"], &["tenant", "project"]);
        quotas.tenant = node.get("tenant").map(|node| self.tenant_quota(node)).unwrap_or_default();
        quotas.project = node.get("project").map(|node| self.project_quota(node)).unwrap_or_default();
        for (key, entry) in node.get("tenants").map(|node| self.reader.entries(node)).unwrap_or_default() {
            if let Some(name) = self.reader.parsed(&key.at, key.text()) {
                self.reader.known(&key.at, "tenant", &name, &self.words.tenants);
                quotas.tenants.insert(name, self.tenant_quota(entry));
            }
        }
        for (key, entry) in node.get("projects").map(|node| self.reader.entries(node)).unwrap_or_default() {
            if let Some(name) = self.reader.parsed(&key.at, key.text()) {
                self.reader.known(&key.at, "project", &name, &self.words.projects);
                quotas.projects.insert(name, self.project_quota(entry));
            }
        }
        quotas
    }

    fn tenant_quota(&mut self, node: &Node) -> TenantQuota {
        self.reader.keys(node, &["active", "planned_per_hour"], &["active", "planned_per_hour"]);
        TenantQuota { active: self.count(node.get("active")), planned_per_hour: self.count(node.get("planned_per_hour")) }
    }

    fn project_quota(&mut self, node: &Node) -> ProjectQuota {
        self.reader.keys(node, &["active"], &["active"]);
        ProjectQuota { active: self.count(node.get("active")) }
    }

    fn freeze_windows(&mut self, node: Option<&Node>) -> Vec<FreezeWindow> {
        self.reader.items(node).iter().map(|node| self.freeze_window(node)).collect()
    }

    fn freeze_window(&mut self, node: &Node) -> FreezeWindow {
        const KEYS: &[&str] = &["reason", "families", "weekdays", "from_hour", "to_hour"];
        self.reader.keys(node, KEYS, KEYS);
        let window = FreezeWindow {
            reason: node.get("reason").map(|text| self.reader.text(text)).unwrap_or_default(),
            families: self.reader.words(node.get("families")),
            weekdays: self.reader.words::<Weekday>(node.get("weekdays")).into_iter().map(|day| day as u32).collect(),
            from_hour: node.get("from_hour").map_or(0, |hour| self.reader.number(hour, 0, 23)),
            to_hour: node.get("to_hour").map_or(24, |hour| self.reader.number(hour, 1, 24)),
        };
        if window.from_hour >= window.to_hour {
            let help = "a window over midnight is two: one to hour 24, one from hour 0";
            self.reader.problems.push(Problem::new(&node.at, "the window ends before it starts").help(help));
        }
        window
    }

    fn launch(&mut self, node: Option<&Node>) -> LaunchRule {
        const PURPOSES: &[&str] = &["command", "verify", "prepare", "worker", "runbook"];
        let mut rule = LaunchRule { env: BTreeSet::new(), network_full: NetworkFull::default() };
        let Some(node) = node else { return rule };
        self.reader.keys(node, &["env", "network_full"], &["env"]);
        rule.env = self.reader.words::<EnvName>(node.get("env")).into_iter().map(|name| name.0).collect();
        let Some(network) = node.get("network_full") else { return rule };
        self.reader.keys(network, &["purposes", "projects"], &[]);
        for item in self.reader.items(network.get("purposes")) {
            let purpose = self.reader.text(item);
            if PURPOSES.contains(&purpose.as_str()) {
                rule.network_full.purposes.insert(purpose);
            } else {
                self.reader.problems.push(unknown(&item.at, "launch purpose", &purpose, PURPOSES));
            }
        }
        rule.network_full.projects = self.projects(network.get("projects"));
        rule
    }

    fn projects(&mut self, node: Option<&Node>) -> BTreeSet<ProjectName> {
        for item in self.reader.items(node) {
            if let Some(name) = self.reader.word(item) {
                self.reader.known(&item.at, "project", &name, &self.words.projects);
            }
        }
        // The second reading would name each broken name again.
        let mut names = Reader::default();
        names.words(node)
    }

    fn skip(&mut self, node: Option<&Node>) -> Vec<SkipRule> {
        let mut rules = Vec::new();
        for item in self.reader.items(node) {
            self.reader.keys(item, &["phase", "actions", "reason"], &["phase", "actions", "reason"]);
            let actions = self.reader.words(item.get("actions"));
            let reason = item.get("reason").map(|text| self.reader.text(text)).unwrap_or_default();
            let Some(node) = item.get("phase") else { continue };
            if let Some(phase) = self.reader.word(node) {
                self.reader.known(&node.at, "phase", &phase, &self.words.phases);
                rules.push(SkipRule { phase, actions, reason });
            }
        }
        rules
    }

    fn autorun(&mut self, node: Option<&Node>) -> Autorun {
        let Some(node) = node else { return Autorun::default() };
        self.reader.keys(node, &["enabled", "families"], &["enabled"]);
        Autorun { enabled: self.reader.boolean(node.get("enabled"), false), families: self.reader.words(node.get("families")) }
    }

    fn codes(&mut self, node: Option<&Node>) -> BTreeMap<Code, CodeRule> {
        let mut codes = BTreeMap::new();
        let Some(node) = node else { return codes };
        for (key, entry) in self.reader.entries(node) {
            self.reader.keys(entry, &["level", "remedy"], &[]);
            if floor::CODES.contains(&key.text()) {
                let help = "choose another name: this one is given by ORC itself and no table changes it";
                self.reader.problems.push(Problem::new(&key.at, format!("the code `{}` is reserved", key.text())).help(help));
            }
            let level = entry.get("level").and_then(|level| self.reader.word(level)).unwrap_or(Level::Deny);
            let remedy = entry.get("remedy").map(|text| self.reader.text(text));
            codes.extend(self.reader.parsed::<Code>(&key.at, key.text()).map(|code| (code, CodeRule { level, remedy })));
        }
        codes
    }

    fn commands(&mut self, node: Option<&Node>) -> BTreeMap<CommandFamily, Vec<Pattern>> {
        // Every family has an entry, so that scripts can ask without a second question.
        let mut commands: BTreeMap<_, Vec<Pattern>> = CommandFamily::ALL.iter().map(|family| (*family, Vec::new())).collect();
        for (key, lists) in node.map(|node| self.reader.entries(node)).unwrap_or_default() {
            let family = self.reader.parsed::<CommandFamily>(&key.at, key.text());
            let patterns = self.reader.items(Some(lists)).iter().map(|list| self.pattern(list)).collect();
            commands.extend(family.map(|family| (family, patterns)));
        }
        commands
    }

    fn project_commands(&mut self, node: Option<&Node>) -> BTreeMap<ProjectName, BTreeMap<CommandFamily, Vec<Pattern>>> {
        let mut commands: BTreeMap<_, BTreeMap<_, Vec<Pattern>>> = BTreeMap::new();
        for item in self.reader.items(node) {
            self.reader.keys(item, &["project", "family", "argv"], &["project", "family", "argv"]);
            let project = item.get("project").and_then(|node| {
                let name = self.reader.word::<ProjectName>(node)?;
                self.reader.known(&node.at, "project", &name, &self.words.projects);
                Some(name)
            });
            let family = item.get("family").and_then(|node| self.reader.word::<CommandFamily>(node));
            let pattern = item.get("argv").map(|argv| self.pattern(argv)).unwrap_or_default();
            if let Some((project, family)) = project.zip(family) {
                commands.entry(project).or_default().entry(family).or_default().push(pattern);
            }
        }
        commands
    }

    fn pattern(&mut self, node: &Node) -> Pattern {
        let words = self.reader.items(Some(node));
        if words.is_empty() {
            self.reader.problems.push(Problem::new(&node.at, "an allowed command is a list with at least the program"));
        }
        words.iter().enumerate().filter_map(|(index, word)| self.pattern_word(index, word)).collect()
    }

    fn pattern_word(&mut self, index: usize, node: &Node) -> Option<PatternWord> {
        if index > 0 && matches!(node.kind, Kind::Mapping { .. }) {
            self.reader.keys(node, &["one_of"], &["one_of"]);
            let items = self.reader.items(node.get("one_of"));
            if items.is_empty() {
                self.reader.problems.push(Problem::new(&node.at, "`one_of` needs at least one word"));
            }
            return Some(PatternWord::OneOf { one_of: items.iter().filter_map(|item| self.exact(item)).collect() });
        }
        self.exact(node).map(PatternWord::Word)
    }

    /// One word of a command, as it is: no pattern character has a meaning.
    fn exact(&mut self, node: &Node) -> Option<String> {
        match node.scalar() {
            Some(Scalar::Text(text)) if !text.is_empty() && !text.chars().any(orc_domain::untrusted::is_hostile) => Some(text.to_owned()),
            Some(Scalar::Text(_)) => {
                let message = "a word of a command is neither empty nor does it hold control characters";
                self.reader.problems.push(Problem::new(&node.at, message));
                None
            }
            _ => {
                let problem = Problem::new(&node.at, "expected one word of a command");
                self.reader.problems.push(problem.help("put numbers and `true` in quotes"));
                None
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weekday {
    Mon = 1,
    Tue = 2,
    Wed = 3,
    Thu = 4,
    Fri = 5,
    Sat = 6,
    Sun = 7,
}

impl FromStr for Weekday {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "mon" => Self::Mon,
            "tue" => Self::Tue,
            "wed" => Self::Wed,
            "thu" => Self::Thu,
            "fri" => Self::Fri,
            "sat" => Self::Sat,
            "sun" => Self::Sun,
            _ => return Err(format!("`{text}` is no weekday: use mon, tue, wed, thu, fri, sat or sun")),
        })
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "deny" => Ok(Self::Deny),
            "warn" => Ok(Self::Warn),
            _ => Err(format!("`{text}` is no level: use deny or warn")),
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct EnvName(String);

impl FromStr for EnvName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if valid { Ok(Self(text.to_owned())) } else { Err(format!("`{text}` is no name of an environment variable")) }
    }
}
