//! The floor and the builder: what holds whatever a script says.

use orc_domain::Digest;
use orc_domain::decision::*;
use orc_domain::risk::{CommandFamily, RiskClass};

use crate::support::*;

fn plan(body: &str, asked: &DecisionInput) -> Decision {
    load(&plan_body(body)).decide(EntryPoint::Plan, asked)
}

#[test]
fn a_script_that_says_nothing_allows_only_what_the_floor_allows() {
    let decision = plan("", &input());
    assert!(decision.allowed());
    assert!(decision.requires.is_empty() && decision.risk.class == RiskClass::Low);

    let mut agent = input();
    agent.family = CommandFamily::AgentImplementation;
    let decision = plan("", &agent);
    assert_eq!(codes(&decision.denials), ["floor-approval-missing"]);
    assert_eq!(decision.risk.class, RiskClass::Moderate);
    assert_eq!(codes(&decision.risk.reasons), ["floor-family-risk"]);

    let mut flagged = input();
    flagged.flags.insert("production".parse().unwrap(), true);
    let decision = plan("", &flagged);
    assert_eq!((decision.risk.class, codes(&decision.denials)), (RiskClass::High, vec!["floor-approval-missing"]));
}

#[test]
fn the_floor_denies() {
    let freeze = || FreezeFacts { scope: "all".to_owned(), reason: "incident\u{1b}[2J".to_owned() };
    type Change = fn(&mut DecisionInput);
    let table: &[(Change, &str)] = &[
        (|asked| asked.project.families = vec![CommandFamily::ReadOnly], "family-not-allowed"),
        (|asked| asked.argv.clear(), "command-missing"),
        (|asked| asked.flags.extend([("prodction".parse().unwrap(), false)]), "unknown-flag"),
        (|asked| asked.schema = 2, "policy-error"),
        (|asked| asked.tenant.active = u64::MAX, "policy-error"),
    ];
    for (change, code) in table {
        let mut asked = input();
        change(&mut asked);
        assert_eq!(codes(&plan("", &asked).denials), [*code]);
    }
    let mut frozen = input();
    frozen.freezes.push(freeze());
    let policy = load(&scripts(&[]));
    for entry in [EntryPoint::Plan, EntryPoint::Admit] {
        let decision = policy.decide(entry, &frozen);
        assert_eq!(codes(&decision.denials), ["freeze-on"]);
        assert!(!decision.denials[0].message.contains('\u{1b}'));
    }
}

#[test]
fn approvals_that_nobody_can_give_are_a_denial_that_names_the_group() {
    let ask = "out.require(\"security\", 2, \"risk-approval\", \"x\");";
    let mut asked = input();
    asked.groups.insert("security".parse().unwrap(), GroupFacts { members: 2, eligible: 1 });
    let decision = plan(ask, &asked);
    assert_eq!(codes(&decision.denials), ["group-unsatisfiable"]);
    assert!(decision.denials[0].message.contains("security"));
    assert!(decision.denials[0].remedy.as_ref().unwrap().contains("operators.yaml"));
    asked.groups.remove("security");
    assert_eq!(codes(&plan(ask, &asked).denials), ["group-unsatisfiable"]);
    asked.groups.insert("security".parse().unwrap(), GroupFacts { members: 2, eligible: 2 });
    assert!(plan(ask, &asked).allowed());
    asked.operators = 2;
    assert_eq!(codes(&plan(ask, &asked).denials), ["persons-missing"]);
}

#[test]
fn a_confirmation_is_for_a_sole_operator_up_to_moderate() {
    let confirm = "out.confirm(\"operator\", \"sole-operator\", \"x\");";
    let risky = "out.risk(\"elevated\", \"flag-risk\", \"x\"); out.confirm(\"operator\", \"sole-operator\", \"x\");";
    let moderate = "out.risk(\"moderate\", \"flag-risk\", \"x\"); out.confirm(\"operator\", \"sole-operator\", \"x\");";
    let mut alone = input();
    alone.operators = 1;
    assert!(plan(confirm, &alone).allowed());
    assert!(plan(moderate, &alone).allowed());
    assert_eq!(codes(&plan(risky, &alone).denials), ["confirmation-not-allowed"]);
    assert_eq!(codes(&plan(confirm, &input()).denials), ["confirmation-not-allowed"]);
    assert_eq!(plan(confirm, &alone).requires[0].kind, RequirementKind::Confirmation);
}

#[test]
fn only_low_risk_runs_by_itself_and_only_skip_and_autorun_are_granted() {
    let grant = |entry: &str| format!("fn {entry}(input, data, out) {{ out.grant(\"autorun-rule\", \"x\"); }}");
    let entries = EntryPoint::ALL.iter().map(|entry| (format!("policies/{entry}.rhai"), grant(entry.as_str()))).collect::<Vec<_>>();
    let entries: Vec<(&str, &str)> = entries.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let policy = load(&scripts(&entries));
    let mut asked = input();
    asked.phase = Some("verify".parse().unwrap());
    for (risk, granted) in [(None, 0), (Some(RiskClass::Low), 1), (Some(RiskClass::Moderate), 0), (Some(RiskClass::High), 0)] {
        asked.approved_risk = risk;
        let decision = policy.decide(EntryPoint::Autorun, &asked);
        assert_eq!((decision.grants.len(), decision.allowed()), (granted, granted == 1), "{risk:?}");
    }
    assert_eq!(policy.decide(EntryPoint::Skip, &asked).grants.len(), 1);
    for entry in [EntryPoint::Plan, EntryPoint::Admit, EntryPoint::Launch] {
        assert!(policy.decide(entry, &asked).grants.is_empty());
    }
    asked.phase = None;
    assert_eq!(codes(&policy.decide(EntryPoint::Skip, &asked).denials), ["phase-missing"]);
}

#[test]
fn risk_rises_and_requirements_merge() {
    let body = "out.risk(\"elevated\", \"flag-risk\", \"first\"); out.risk(\"moderate\", \"flag-risk\", \"second\"); out.risk(\"low\", \"flag-risk\", \"third\");
        out.require(\"security\", 1, \"risk-approval\", \"one\", 48); out.require(\"security\", 2, \"risk-approval\", \"two\", 2);
        out.require(\"security\", 1, \"risk-approval\", \"three\"); out.require(\"tech_lead\", 1, \"risk-approval\", \"four\");
        out.oblige(\"budget.wall_s\", \"60\"); out.warn(\"diff-size\", \"careful\");";
    let decision = plan(body, &input());
    assert!(decision.allowed(), "{:?}", decision.denials);
    assert_eq!(decision.risk.class, RiskClass::Elevated);
    assert_eq!(decision.risk.reasons.len(), 2);
    let security = &decision.requires[0];
    assert_eq!((security.quorum, security.expires_s, security.reasons.len()), (2, 2 * 3600, 3));
    assert_eq!(decision.requires[1].expires_s, 24 * 3600, "the table's expiry for elevated risk");
    assert_eq!(decision.obligations[0].value, "60");
    assert_eq!(codes(&decision.warnings), ["diff-size"]);
    let at = decision.risk.reasons[0].at.as_ref().unwrap();
    assert_eq!((at.file.as_str(), at.line, at.column), ("policies/plan.rhai", 2, 5));
}

#[test]
fn a_code_of_level_warn_warns() {
    let mut files = plan_body("out.deny(\"skip-rule\", \"x\");");
    assert_eq!(codes(&load(&files).decide(EntryPoint::Plan, &input()).denials), ["skip-rule"]);
    edit(&mut files, "policies/data/rules.yaml", "skip-rule: {}", "skip-rule: { level: warn }");
    let decision = load(&files).decide(EntryPoint::Plan, &input());
    assert!(decision.allowed());
    assert_eq!(codes(&decision.warnings), ["skip-rule"]);
}

#[test]
fn messages_from_outside_are_made_safe_and_short() {
    let mut asked = input();
    asked.argv = vec!["cargo".to_owned(), "\u{1b}]0;x\u{7}\u{202e}".to_owned(), "y".repeat(5000)];
    let decision = load(&stock()).decide(EntryPoint::Plan, &asked);
    let message = &decision.denials[0].message;
    assert!(message.chars().count() <= 501 && !message.chars().any(orc_domain::untrusted::is_hostile), "{message}");
}

#[test]
fn the_same_input_gives_the_same_decision_in_every_thread() {
    let policy = load(&stock());
    let asked = input();
    let first = policy.decide(EntryPoint::Plan, &asked);
    assert_eq!(first.input_digest, Digest::of_canonical(&asked).unwrap());
    assert!((10..2_000).contains(&first.cost.operations), "{}", first.cost.operations);
    std::thread::scope(|scope| {
        let answers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..20).map(|_| policy.decide(EntryPoint::Plan, &asked)).collect::<Vec<_>>())).collect();
        for decision in answers.into_iter().flat_map(|answer| answer.join().unwrap()) {
            assert_eq!(decision, first);
        }
    });
}

#[test]
fn a_stored_input_decides_the_same() {
    let policy = load(&stock());
    let stored = serde_json::to_string(&input()).unwrap();
    let replayed: DecisionInput = serde_json::from_str(&stored).unwrap();
    assert_eq!(policy.decide(EntryPoint::Plan, &replayed), policy.decide(EntryPoint::Plan, &input()));
}

#[test]
fn every_floor_code_is_a_code() {
    for code in orc_policy::FLOOR_CODES {
        assert!(code.parse::<orc_domain::Code>().is_ok(), "{code}");
    }
}
