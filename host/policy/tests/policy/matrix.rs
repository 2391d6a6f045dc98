//! Who must approve what: written by hand, not computed from the table that it checks.

use orc_domain::decision::{EntryPoint, RequirementKind};
use orc_domain::risk::{CommandFamily, RiskClass};

use crate::support::*;

#[test]
fn family_and_flags_give_risk_and_groups() {
    use CommandFamily::*;
    use RiskClass::*;
    const NOBODY: &[&str] = &[];
    const OPERATOR: &[&str] = &["operator"];
    const LEAD: &[&str] = &["tech_lead"];
    const SECURITY: &[&str] = &["security", "tech_lead"];
    const ALL: &[&str] = &["release_manager", "security", "tech_lead"];
    #[rustfmt::skip]
    let table: &[(CommandFamily, &[&str], RiskClass, &[&str])] = &[
        (ReadOnly,            &[],                                           Low,      NOBODY),
        (ReadOnly,            &["large_change"],                             Moderate, LEAD),
        (ReadOnly,            &["security_sensitive"],                       Elevated, SECURITY),
        (ReadOnly,            &["production"],                               High,     ALL),
        (BuildTest,           &[],                                           Low,      OPERATOR),
        (BuildTest,           &["no_verify"],                                Moderate, LEAD),
        (BuildTest,           &["verification_changed"],                     Elevated, SECURITY),
        (BuildTest,           &["verification_changed", "no_verify"],        Elevated, SECURITY),
        (BuildTest,           &["data_migration"],                           High,     ALL),
        (AgentImplementation, &[],                                           Moderate, LEAD),
        (AgentImplementation, &["dependency_change", "public_interface"],    Moderate, LEAD),
        (AgentImplementation, &["security_sensitive"],                       Elevated, SECURITY),
        (AgentImplementation, &["deploy"],                                   High,     ALL),
        (DeploymentRunbook,   &[],                                           High,     ALL),
        (DeploymentRunbook,   &["large_change"],                             High,     ALL),
    ];
    let policy = load(&stock());
    for (family, flags, risk, groups) in table {
        let mut asked = input();
        asked.family = *family;
        if *family != BuildTest {
            asked.argv.clear();
        }
        asked.flags = flags.iter().map(|flag| (flag.parse().unwrap(), true)).collect();
        let decision = policy.decide(EntryPoint::Plan, &asked);
        assert!(decision.allowed(), "{family} {flags:?}: {:?}", decision.denials);
        assert_eq!(decision.risk.class, *risk, "{family} {flags:?}");
        let mut found: Vec<&str> = decision.requires.iter().map(|need| need.group.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, *groups, "{family} {flags:?}");
        assert!(decision.requires.iter().all(|need| need.quorum == 1 && need.kind == RequirementKind::Approval));
    }
}
