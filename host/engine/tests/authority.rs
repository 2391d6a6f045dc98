//! The authorisation matrix, written by hand: who × role × risk × proof × own plan or not, for every act.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use orc_domain::decision::RequirementKind;
use orc_domain::operators::{Actor, Operator, Operators, Proof, Trust};
use orc_domain::risk::RiskClass;
use orc_domain::{GroupName, OperatorName, RoleName};
use orc_engine::{Act, Peer, VoteCase, authorise, identify};

fn name(text: &str) -> OperatorName {
    text.parse().unwrap()
}

/// alice: developer. bob: tech_lead. carol: security and tech_lead. dave: super_admin, which tech_lead and admin list and security does
/// not. eve: withdrawn tech_lead.
fn operators() -> Operators {
    let operator = |roles: &[&str], withdrawn| Operator {
        roles: roles.iter().map(|role| role.parse().unwrap()).collect(),
        unix_users: BTreeSet::new(),
        telegram_id: None,
        withdrawn,
    };
    let group = |roles: &[&str]| roles.iter().map(|role| role.parse::<RoleName>().unwrap()).collect();
    Operators {
        operators: [
            (name("alice"), operator(&["developer"], false)),
            (name("bob"), operator(&["tech_lead"], false)),
            (name("carol"), operator(&["security", "tech_lead"], false)),
            (name("dave"), operator(&["super_admin"], false)),
            (name("eve"), operator(&["tech_lead"], true)),
        ]
        .into(),
        role_groups: [
            ("operator".parse().unwrap(), group(&["developer", "tech_lead", "security", "super_admin"])),
            ("tech_lead".parse().unwrap(), group(&["tech_lead", "super_admin"])),
            ("security".parse().unwrap(), group(&["security"])),
            ("admin".parse().unwrap(), group(&["super_admin"])),
        ]
        .into(),
    }
}

fn actor(text: &str, proof: Proof) -> Actor {
    Actor::Operator { name: name(text), proof, uid: Some(1000) }
}

fn outcome(act: Act<'_>, who: &str, proof: Proof) -> String {
    let admin: GroupName = "admin".parse().unwrap();
    match authorise(&operators(), &admin, &actor(who, proof), act) {
        Ok(_) => "yes".to_owned(),
        Err(error) => error.code.to_string(),
    }
}

/// Columns: who, role named (or `-`), group asked, risk, proof, requesters, who counts for which group already, expected.
const VOTES: &str = "
    bob    -           tech_lead low      unix_peer   alice      -               yes
    bob    -           tech_lead low      asserted    alice      -               yes
    bob    -           tech_lead moderate asserted    alice      -               yes
    bob    -           tech_lead elevated asserted    alice      -               proof-too-weak
    bob    -           tech_lead high     asserted    alice      -               proof-too-weak
    bob    -           tech_lead elevated unix_peer   alice      -               yes
    bob    -           tech_lead high     unix_peer   alice      -               yes
    bob    -           tech_lead high     telegram    alice      -               yes
    bob    -           tech_lead high     web_session alice      -               yes
    bob    tech_lead   tech_lead moderate unix_peer   alice      -               yes
    bob    security    tech_lead moderate unix_peer   alice      -               role-not-held
    bob    tech_lead   security  elevated unix_peer   alice      -               role-not-in-group
    bob    -           security  elevated unix_peer   alice      -               role-not-held
    bob    -           tech_lead moderate unix_peer   bob        -               self-approval
    bob    -           tech_lead moderate unix_peer   alice,bob  -               self-approval
    bob    tech_lead   tech_lead low      unix_peer   bob        -               self-approval
    dave   -           tech_lead high     unix_peer   dave       -               self-approval
    carol  security    security  elevated unix_peer   alice      -               yes
    carol  -           security  elevated unix_peer   alice      carol:tech_lead already-counted
    carol  tech_lead   tech_lead elevated unix_peer   alice      carol:security  already-counted
    carol  -           tech_lead elevated unix_peer   alice      bob:tech_lead   yes
    dave   -           tech_lead high     unix_peer   alice      -               yes
    dave   super_admin tech_lead high     unix_peer   alice      -               yes
    dave   super_admin security  high     unix_peer   alice      -               role-not-in-group
    dave   -           security  high     unix_peer   alice      -               role-not-held
    alice  -           tech_lead low      unix_peer   bob        -               role-not-held
    alice  -           operator  low      unix_peer   bob        -               yes
    alice  -           operator  low      unix_peer   alice      -               self-approval
    eve    -           tech_lead low      unix_peer   alice      -               operator-withdrawn
    zoe    -           tech_lead low      unix_peer   alice      -               operator-withdrawn
    bob    -           nobody    low      unix_peer   alice      -               role-not-in-group
";

#[test]
fn who_may_vote() {
    for line in VOTES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [who, role, group, risk, proof, requesters, counted, expected] = cells[..] else { panic!("{line}") };
        let role: Option<RoleName> = (role != "-").then(|| role.parse().unwrap());
        let requesters: Vec<OperatorName> = requesters.split(',').map(name).collect();
        let counted: Vec<(OperatorName, GroupName)> =
            counted.split_once(':').map(|(who, group)| (name(who), group.parse().unwrap())).into_iter().collect();
        let group = group.parse().unwrap();
        let case = VoteCase {
            group: &group,
            kind: RequirementKind::Approval,
            requesters: &requesters,
            risk: risk.parse::<RiskClass>().unwrap(),
            role: role.as_ref(),
            counted: &counted,
        };
        assert_eq!(outcome(Act::Vote(case), who, proof.parse().unwrap()), expected, "{line}");
    }
}

/// Columns: act, who, requesters, groups asked, expected.
const ACTS: &str = "
    read       alice bob   -         yes
    read       eve   bob   -         operator-withdrawn
    plan       alice -     -         yes
    plan       eve   -     -         operator-withdrawn
    plan       zoe   -     -         operator-withdrawn
    steer      alice alice -         yes
    steer      bob   alice -         not-permitted
    steer      dave  alice -         yes
    steer      eve   eve   -         operator-withdrawn
    cancel     alice alice tech_lead yes
    cancel     bob   alice tech_lead yes
    cancel     bob   alice security  not-permitted
    cancel     dave  alice security  yes
    cancel     alice bob   security  not-permitted
    administer dave  -     -         yes
    administer bob   -     -         not-permitted
    administer alice -     -         not-permitted
    administer eve   -     -         operator-withdrawn
";

#[test]
fn who_may_do_the_rest() {
    for line in ACTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [act, who, requesters, groups, expected] = cells[..] else { panic!("{line}") };
        let requesters: Vec<OperatorName> = (requesters != "-").then(|| name(requesters)).into_iter().collect();
        let groups: Vec<GroupName> = (groups != "-").then(|| groups.parse().unwrap()).into_iter().collect();
        let act = match act {
            "read" => Act::Read,
            "plan" => Act::Plan,
            "steer" => Act::Steer { requesters: &requesters },
            "cancel" => Act::Cancel { requesters: &requesters, groups: &groups },
            "administer" => Act::Administer,
            other => panic!("{other}"),
        };
        for proof in Proof::ALL {
            assert_eq!(outcome(act, who, *proof), expected, "{line} {proof}");
        }
    }
}

#[test]
fn nobody_but_an_operator_does_anything() {
    let admin: GroupName = "admin".parse().unwrap();
    for actor in [Actor::Unknown { uid: Some(0) }, Actor::System, Actor::Worker { engine: "codex".parse().unwrap() }] {
        for act in [Act::Read, Act::Plan, Act::Administer, Act::Steer { requesters: &[] }] {
            let error = authorise(&operators(), &admin, &actor, act).unwrap_err();
            assert_eq!(error.code.as_str(), "not-an-operator");
        }
    }
}

#[test]
fn only_the_sole_operator_confirms_and_only_up_to_moderate() {
    let mut sole = operators();
    sole.operators.retain(|who, _| who.as_str() == "dave");
    let admin: GroupName = "admin".parse().unwrap();
    let group: GroupName = "tech_lead".parse().unwrap();
    let requesters = [name("dave")];
    let vote = |operators: &Operators, risk, kind| {
        let case = VoteCase { group: &group, kind, requesters: &requesters, risk, role: None, counted: &[] };
        authorise(operators, &admin, &actor("dave", Proof::UnixPeer), Act::Vote(case)).map(|_| ()).map_err(|error| error.code.to_string())
    };
    let refused = |code: &str| Err(code.to_owned());
    assert_eq!(vote(&sole, RiskClass::Low, RequirementKind::Confirmation), Ok(()));
    assert_eq!(vote(&sole, RiskClass::Moderate, RequirementKind::Confirmation), Ok(()));
    assert_eq!(vote(&sole, RiskClass::Elevated, RequirementKind::Confirmation), refused("not-permitted"));
    assert_eq!(vote(&sole, RiskClass::Low, RequirementKind::Approval), refused("self-approval"));
    assert_eq!(vote(&operators(), RiskClass::Low, RequirementKind::Confirmation), refused("not-permitted"));
}

/// Columns: trust, peer's unix user, owns the state, `--user` (or `-`), expected operator:proof or code.
const PEERS: &str = "
    team        ann   no  -     alice:unix_peer
    team        ann   no  alice alice:unix_peer
    team        ann   no  bob   operator-not-bound
    team        ann   yes bob   operator-not-bound
    team        nobody no -     not-an-operator
    team        nobody yes -    not-an-operator
    team        nobody yes alice operator-not-bound
    team        two   no  -     invalid-request
    team        two   no  bob   bob:unix_peer
    team        two   no  carol carol:unix_peer
    team        gone  no  -     not-an-operator
    team        gone  no  eve   operator-withdrawn
    team        ann   no  zoe   not-an-operator
    single_user ann   yes -     alice:unix_peer
    single_user ann   yes bob   bob:asserted
    single_user ann   yes alice alice:unix_peer
    single_user ann   no  bob   operator-not-bound
    single_user root  yes bob   bob:asserted
    single_user root  yes -     invalid-request
    single_user root  no  -     not-an-operator
    single_user root  yes eve   operator-withdrawn
    single_user root  yes zoe   not-an-operator
";

#[test]
fn who_a_peer_is() {
    let mut operators = operators();
    for (who, user) in [("alice", "ann"), ("bob", "two"), ("carol", "two"), ("eve", "gone")] {
        operators.operators.get_mut(who).unwrap().unix_users.insert(user.to_owned());
    }
    for line in PEERS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [trust, user, owns, named, expected] = cells[..] else { panic!("{line}") };
        let peer = Peer { uid: 1000, user: Some(user.to_owned()), owns_state: owns == "yes", pid: None };
        let named = (named != "-").then(|| name(named));
        let got = match identify(&operators, trust.parse::<Trust>().unwrap(), &peer, named.as_ref()) {
            Ok(Actor::Operator { name, proof, uid }) => {
                assert_eq!(uid, Some(1000));
                format!("{name}:{proof}")
            }
            Ok(other) => panic!("{line}: {other:?}"),
            Err(error) => error.code.to_string(),
        };
        assert_eq!(got, expected, "{line}");
    }
}
