//! The floor: what holds whatever a script says, in Rust. It only ever adds denials, raises risk and takes grants away.

use orc_domain::decision::{DecisionInput, EntryPoint, Reason, Requirement, RequirementKind};
use orc_domain::risk::{CommandFamily, RiskClass};
use orc_domain::{Code, GroupName};

use crate::out::Record;
use crate::rules::Rules;

pub(crate) const ERROR: &str = "policy-error";
pub(crate) const LIMIT: &str = "policy-limit";
const FAMILY_NOT_ALLOWED: &str = "family-not-allowed";
const FREEZE_ON: &str = "freeze-on";
const COMMAND_MISSING: &str = "command-missing";
const UNKNOWN_FLAG: &str = "unknown-flag";
const FAMILY_RISK: &str = "floor-family-risk";
const FLAG_RISK: &str = "floor-flag-risk";
const APPROVAL_MISSING: &str = "floor-approval-missing";
const GROUP_UNSATISFIABLE: &str = "group-unsatisfiable";
const PERSONS_MISSING: &str = "persons-missing";
const CONFIRMATION_NOT_ALLOWED: &str = "confirmation-not-allowed";
const AUTORUN_NOT_LOW: &str = "autorun-not-low";
const PHASE_MISSING: &str = "phase-missing";

/// Codes that ORC gives by itself. No table may declare them, so no table changes their level.
pub const CODES: &[&str] = &[
    ERROR,
    LIMIT,
    FAMILY_NOT_ALLOWED,
    FREEZE_ON,
    COMMAND_MISSING,
    UNKNOWN_FLAG,
    FAMILY_RISK,
    FLAG_RISK,
    APPROVAL_MISSING,
    GROUP_UNSATISFIABLE,
    PERSONS_MISSING,
    CONFIRMATION_NOT_ALLOWED,
    AUTORUN_NOT_LOW,
    PHASE_MISSING,
];

/// A reason that ORC itself gives.
pub(crate) fn reason(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Option<Reason> {
    // Every code above is well formed (a test says so), so this is always `Some`.
    let code: Code = code.parse().ok()?;
    Some(Reason { code, message: message.into(), at: None, remedy: Some(remedy.into()) })
}

/// Lays the floor under what a script said.
pub(crate) fn lay(entry: EntryPoint, input: &DecisionInput, rules: &Rules, said: &mut Record) {
    let mut floor = Floor { input, rules, said };
    floor.input_in_order();
    match entry {
        EntryPoint::Plan => {
            floor.freeze();
            floor.risk();
            floor.approvals();
        }
        EntryPoint::Admit => {
            floor.freeze();
            floor.risk();
        }
        EntryPoint::Autorun => floor.autorun(),
        EntryPoint::Skip => floor.skip(),
        EntryPoint::Launch => {}
    }
    if matches!(entry, EntryPoint::Plan | EntryPoint::Admit | EntryPoint::Launch) || !said.denials.is_empty() {
        // Only `skip` and `autorun` can be granted, and never against a denial.
        said.grants.clear();
    }
}

struct Floor<'a> {
    input: &'a DecisionInput,
    rules: &'a Rules,
    said: &'a mut Record,
}

impl Floor<'_> {
    fn deny(&mut self, code: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.said.denials.extend(reason(code, message, remedy));
    }

    fn input_in_order(&mut self) {
        let input = self.input;
        if !input.project.families.contains(&input.family) {
            let message = format!("project {} does not allow the family {}", input.project.name, input.family);
            self.deny(FAMILY_NOT_ALLOWED, message, "add the family to the project in config/projects.registry.yaml");
        }
        if input.family == CommandFamily::BuildTest && input.argv.is_empty() {
            self.deny(COMMAND_MISSING, "a build_test plan without a command", "name the command with --command-text");
        }
        for flag in input.flags.keys().filter(|flag| !self.rules.flags.contains_key(*flag)) {
            self.said.denials.extend(reason(
                UNKNOWN_FLAG,
                format!("the flag {flag} is not known to the rules"),
                "use a flag of the table `flags` in policies/data/rules.yaml, or add it there",
            ));
        }
    }

    fn freeze(&mut self) {
        for freeze in &self.input.freezes {
            let said = orc_domain::Untrusted::new(freeze.reason.as_str()).for_line(200);
            let message = format!("frozen ({}): {said}", freeze.scope);
            self.said.denials.extend(reason(FREEZE_ON, message, "wait until an admin lifts the freeze"));
        }
    }

    /// Risk is at least the family's and at least that of each flag that is set.
    fn risk(&mut self) {
        let family = self.rules.families.get(&self.input.family).map_or(RiskClass::High, |rule| rule.risk);
        self.raise(family, FAMILY_RISK, format!("the family {} is of {family} risk", self.input.family));
        let rules = self.rules;
        let set = self.input.flags.iter().filter(|(_, set)| **set).filter_map(|(flag, _)| rules.flags.get_key_value(flag));
        for (flag, rule) in set {
            self.raise(rule.risk, FLAG_RISK, format!("the flag {flag} is of {} risk", rule.risk));
        }
    }

    fn raise(&mut self, class: RiskClass, code: &'static str, message: String) {
        if class > self.said.class {
            self.said.class = class;
            self.said.risk_reasons.extend(reason(code, message, "policies/data/rules.yaml says so, and the script forgot it"));
        }
    }

    fn approvals(&mut self) {
        if self.said.class >= RiskClass::Moderate && self.said.requires.is_empty() {
            let message = format!("a plan of {} risk needs an approval, and no rule asked for one", self.said.class);
            self.deny(APPROVAL_MISSING, message, "mend policies/plan.rhai: it asks with out.require(..)");
        }
        for need in self.said.requires.clone() {
            match need.kind {
                RequirementKind::Approval => self.satisfiable(&need),
                RequirementKind::Confirmation => self.confirmation(&need.group),
            }
        }
        self.enough_persons();
    }

    fn satisfiable(&mut self, need: &Requirement) {
        let eligible = self.input.groups.get(&need.group).map_or(0, |group| group.eligible);
        if eligible < need.quorum {
            let message = format!("group {} must give {} and has {eligible} who did not request this", need.group, need.quorum);
            let remedy = format!("give an operator a role of {} in config/operators.yaml, or let somebody else request it", need.group);
            self.deny(GROUP_UNSATISFIABLE, message, remedy);
        }
    }

    /// One person counts for one group, so the groups together need as many persons as their quorums.
    fn enough_persons(&mut self) {
        let approvals = self.said.requires.iter().filter(|need| need.kind == RequirementKind::Approval);
        let needed: u64 = approvals.map(|need| u64::from(need.quorum)).sum();
        let requesters = u64::try_from(self.input.requesters.len()).unwrap_or(u64::MAX);
        let others = u64::from(self.input.operators).saturating_sub(requesters);
        if needed > others {
            let message = format!("the groups need {needed} different persons beside the requesters, and there are {others}");
            self.deny(PERSONS_MISSING, message, "add operators to config/operators.yaml: one person counts for one group");
        }
    }

    fn confirmation(&mut self, group: &GroupName) {
        if self.input.operators != 1 || self.said.class > RiskClass::Moderate {
            let message = format!("a confirmation for {group} at {} risk with {} operators", self.said.class, self.input.operators);
            self.deny(CONFIRMATION_NOT_ALLOWED, message, "a confirmation is for a sole operator, up to moderate risk: ask for an approval");
        }
    }

    fn autorun(&mut self) {
        let approved = self.input.approved_risk.unwrap_or(RiskClass::High);
        if !self.said.grants.is_empty() && approved.max(self.said.class) > RiskClass::Low {
            let message = format!("only low risk runs by itself; this is {}", approved.max(self.said.class));
            self.deny(AUTORUN_NOT_LOW, message, "run it with `orcctl run`");
        }
    }

    fn skip(&mut self) {
        if self.input.phase.is_none() {
            self.deny(PHASE_MISSING, "no phase was named to skip", "this is a mistake of the host: report it");
        }
    }
}
