//! Every "no" of planning, voting and running: its code, nothing half-written, and the event that tells of the attempt.

use std::collections::BTreeMap;

use orc_domain::api::*;
use orc_domain::risk::CommandFamily;
use orc_domain::states::*;
use orc_domain::*;
use orc_tests::{World, edit, peer, plan};
use serde_json::json;

use crate::evidence::{newest_event, refused, rows};

const PLAN: &str = "plan_denied";
const VOTE: &str = "vote_denied";
const RUN: &str = "run_denied";
const OTHER: &str = "intent_denied";

fn run(workflow: &WorkflowId, key: &str) -> Run {
    Run { workflow: workflow.to_string(), plan_hash: None, idempotency_key: key.to_owned() }
}

fn withdraw(workflow: &WorkflowId) -> Withdraw {
    Withdraw { workflow: workflow.to_string(), reason: None }
}

fn freeze(scope: &FreezeScope) -> Freeze {
    Freeze { scope: scope.clone(), reason: "the cellar is under water".into() }
}

fn approve(card: &ApprovalCard, token: &str) -> Approve {
    Approve { request: card.request.id.to_string(), token: token.to_owned(), role: None }
}

fn flagged(command: &str, flag: &str) -> Plan {
    Plan { flags: vec![flag.parse().unwrap()], ..plan(command) }
}

async fn workflows(world: &World) -> usize {
    world.ask("alice", ListWorkflows::default()).await.unwrap().workflows.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned() {
    let other_family = "pipelines:\n  look:\n    family: read_only\n    phases: [verify]\n";
    let world = World::with(|root| edit(root, "config/phase-contracts.yaml", "pipelines:\n", other_family)).await;
    let good = || plan("./build.sh");
    let facts =
        |count: usize, key: &str, bytes: usize| (0..count).map(|n| (format!("{key}{n}"), "x".repeat(bytes))).collect::<BTreeMap<_, _>>();
    let table: Vec<(&str, Plan, &str)> = vec![
        ("an unregistered project", Plan { project: "nowhere".parse().unwrap(), ..good() }, "project-not-registered"),
        ("a family that the project does not allow", Plan { family: CommandFamily::ReadOnly, ..good() }, "family-not-allowed"),
        ("a pipeline of another family", Plan { pipeline: Some("look".parse().unwrap()), ..good() }, "pipeline-not-allowed"),
        ("a pipeline that does not exist", Plan { pipeline: Some("nothing".parse().unwrap()), ..good() }, "pipeline-not-allowed"),
        ("an unknown flag", flagged("./build.sh", "harmless"), "unknown-flag"),
        ("a command off the list", plan("./deploy.sh"), "policy-denied"),
        ("an argument appended to an allowed command", plan("./build.sh --force"), "policy-denied"),
        ("an empty argument appended", plan("./build.sh ''"), "policy-denied"),
        ("an allowed command in other letters", plan("./BUILD.sh"), "policy-denied"),
        ("the same file by another path", plan("././build.sh"), "policy-denied"),
        ("two words quoted into one", plan("'cargo test'"), "policy-denied"),
        ("a second command", plan("./build.sh; ./deploy.sh"), "invalid-command"),
        ("a second command on success", plan("./build.sh && ./deploy.sh"), "invalid-command"),
        ("a pipe", plan("./build.sh | sh"), "invalid-command"),
        ("a redirection", plan("./build.sh > /etc/passwd"), "invalid-command"),
        ("a variable", plan("./build.sh $HOME"), "invalid-command"),
        ("a substitution", plan("./build.sh `id`"), "invalid-command"),
        ("a line break", plan("./build.sh\n./deploy.sh"), "invalid-command"),
        ("a pattern", plan("./build.sh *"), "invalid-command"),
        ("a variable set before", plan("PATH=/tmp ./build.sh"), "invalid-command"),
        ("an open quote", plan("./build.sh 'x"), "invalid-command"),
        ("an escape sequence", plan("./build.sh \u{1b}[2J"), "invalid-command"),
        ("no command", plan(""), "invalid-command"),
        ("a program without a name", plan("'' x"), "invalid-command"),
        ("a command of 9 KiB", plan(&format!("./build.sh {}", "x".repeat(9 * 1024))), "invalid-command"),
        ("33 facts", Plan { metadata: facts(33, "k", 1), ..good() }, "invalid-request"),
        ("a fact of 1001 bytes", Plan { metadata: facts(1, "k", 1001), ..good() }, "invalid-request"),
        ("a fact's name with a blank", Plan { metadata: facts(1, "a b", 1), ..good() }, "invalid-request"),
        ("a fact's name in capitals", Plan { metadata: facts(1, "Ticket", 1), ..good() }, "invalid-request"),
        ("a fact's name of 65 bytes", Plan { metadata: facts(1, &"k".repeat(64), 1), ..good() }, "invalid-request"),
        ("a fact without a name", Plan { metadata: [(String::new(), String::new())].into(), ..good() }, "invalid-request"),
    ];
    for (what, request, code) in table {
        println!("{what}");
        let error = refused(&world, Some("alice"), (PLAN, code), world.ask("alice", request)).await;
        assert_eq!(workflows(&world).await, 0, "{what}");
        if code == "policy-denied" {
            explained(&world, &error, "command-not-allowed", "policies/lib/command.rhai").await;
        }
    }
    // At the limits, it is planned.
    let most = Plan { metadata: facts(32, &"k".repeat(62), 1000), ..good() };
    assert_eq!(world.ask("alice", most).await.unwrap().workflow.state, WorkflowState::AwaitingApproval);
}

/// The refusal names code and rule with line and column, and the decision it points to says the same.
/// Months later, from the audit alone: what was asked for, and the decision that refused it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_plan_is_traced_from_the_audit_to_its_decision() {
    let world = World::new().await;
    world.ask("alice", plan("./deploy.sh now")).await.unwrap_err();
    let body = newest_event(&world).await.body;
    assert_eq!([&body["project"], &body["family"], &body["command"]], ["demo", "build_test", "./deploy.sh now"]);
    let decision = body["decision"].as_str().unwrap().to_owned();
    let explained = world.ask("bob", Explain { id: decision.clone() }).await.unwrap();
    assert_eq!((explained.decisions.len(), explained.decisions[0].id.as_str()), (1, decision.as_str()));
    // What is refused before policy is asked has no decision; what was asked for is there.
    let unknown_flag = flagged("./build.sh", "no_such_flag");
    let other_family = Plan { family: CommandFamily::ReadOnly, ..plan("ls") };
    let long = Plan { command_text: format!("./build.sh {}", "x".repeat(20_000)), ..plan("") };
    for (asked, family, command) in
        [(unknown_flag, "build_test", "./build.sh"), (other_family, "read_only", "ls"), (long, "build_test", "./b")]
    {
        world.ask("alice", asked).await.unwrap_err();
        let body = newest_event(&world).await.body;
        assert_eq!([&body["project"], &body["family"]], ["demo", family]);
        let kept = body["command"].as_str().unwrap();
        assert!(kept.starts_with(command) && kept.len() <= 1000, "{kept}");
    }
    let lost = world.ask("alice", Explain { id: "de_zzzzzzzz".to_owned() }).await.unwrap_err();
    assert!(lost.hint.unwrap().contains("orcctl audit"));
}

async fn explained(world: &World, error: &OrcError, code: &str, file: &str) {
    let reason = &error.reasons[0];
    let at = reason.at.clone().unwrap();
    assert_eq!((reason.code.as_str(), at.file.as_str()), (code, file), "{error:#?}");
    assert!(at.line > 0 && at.column > 0, "{at}");
    assert!(reason.remedy.is_some());
    let hint = error.hint.clone().unwrap();
    let id = hint.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find(|word| word.starts_with("de_")).unwrap().to_owned();
    let explanation = world.ask("alice", Explain { id }).await.unwrap();
    assert_eq!(explanation.decisions[0].decision.denials, error.reasons);
}

/// A world whose tenant `acme` has these quotas, and the project too.
async fn with_quotas(active: u32, hourly: u32, project: u32) -> World {
    World::with(|root| {
        edit(root, "config/projects.registry.yaml", "tenants:\n", "tenants:\n  acme:\n    title: Acme\n");
        edit(root, "config/projects.registry.yaml", "    tenant: default\n    root", "    tenant: acme\n    root");
        let tenants = format!("tenants: {{ acme: {{ active: {active}, planned_per_hour: {hourly} }} }}");
        edit(root, "policies/data/rules.yaml", "tenants:  {}", &tenants);
        edit(root, "policies/data/rules.yaml", "projects: {}", &format!("projects: {{ demo: {{ active: {project} }} }}"));
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_that_are_full() {
    for (tenant, project, code) in [(1, 9, "tenant-quota"), (9, 1, "project-quota")] {
        let world = with_quotas(tenant, 60, project).await;
        let ready = world.approved("./build.sh").await.workflow.id;
        let waiting = world.plan("./build.sh").await.unwrap().workflow.id;
        let error = refused(&world, Some("alice"), (PLAN, "policy-denied"), world.plan("./check.sh")).await;
        explained(&world, &error, code, "policies/lib/limits.rhai").await;
        // What is approved does not count, so it is asked again when it is to run.
        let error = refused(&world, Some("alice"), (RUN, "policy-denied"), world.run(&ready, "k1")).await;
        explained(&world, &error, code, "policies/lib/limits.rhai").await;
        world.ask("alice", withdraw(&waiting)).await.unwrap();
        assert!(world.run(&ready, "k1").await.unwrap().created);
        let error = refused(&world, Some("alice"), (PLAN, "policy-denied"), world.plan("./check.sh")).await;
        assert_eq!(error.reasons[0].code.as_str(), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_s_plans_and_an_operator_s_open_ones() {
    let world = with_quotas(20, 2, 20).await;
    for _ in 0..2 {
        let planned = world.plan("./build.sh").await.unwrap();
        world.ask("alice", withdraw(&planned.workflow.id)).await.unwrap();
    }
    let error = refused(&world, Some("alice"), (PLAN, "policy-denied"), world.plan("./build.sh")).await;
    explained(&world, &error, "tenant-rate", "policies/lib/limits.rhai").await;
    world.clock.advance_s(3600);
    // A plan made again is a plan.
    let id = world.plan("./build.sh").await.unwrap().workflow.id;
    let again = || world.ask("alice", Replan { workflow: id.to_string() });
    again().await.unwrap();
    let error = refused(&world, Some("alice"), (PLAN, "policy-denied"), again()).await;
    explained(&world, &error, "tenant-rate", "policies/lib/limits.rhai").await;
    world.clock.advance_s(3600);
    again().await.unwrap();

    let world = World::with(|root| edit(root, "config/orc.yaml", "open_plans_per_operator: 100", "open_plans_per_operator: 1")).await;
    let open = world.approved("./build.sh").await.workflow.id;
    refused(&world, Some("alice"), (PLAN, "too-many-open-plans"), world.plan("./build.sh")).await;
    // Another operator has plans of his own, and planning the same one again opens none.
    world.ask("bob", plan("./build.sh")).await.unwrap();
    world.ask("alice", Replan { workflow: open.to_string() }).await.unwrap();
    world.ask("alice", withdraw(&open)).await.unwrap();
    let second = world.plan("./build.sh").await.unwrap().workflow.id;
    // Planning again what is closed opens it, and is one more.
    let card = world.card("bob", &second).await.unwrap();
    let no = Reject { request: card.request.id.to_string(), token: card.token.unwrap(), role: None, reason: None };
    world.ask("bob", no).await.unwrap();
    let third = world.plan("./build.sh").await.unwrap().workflow.id;
    let replan = || world.ask("alice", Replan { workflow: second.to_string() });
    refused(&world, Some("alice"), (PLAN, "too-many-open-plans"), replan()).await;
    world.ask("alice", withdraw(&third)).await.unwrap();
    replan().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stops_plans_and_runs_until_it_is_lifted() {
    let world = World::with(|root| {
        let side = root.with_file_name("side").display().to_string();
        edit(root, "config/projects.registry.yaml", "tenants:\n", "tenants:\n  acme:\n    title: Acme\n");
        let entry = format!("projects:\n  side:\n    tenant: acme\n    root: {side}\n    families: [build_test]\n");
        edit(root, "config/projects.registry.yaml", "projects:\n", &entry);
    })
    .await;
    let tenant = |name: &str| FreezeScope::Tenant { tenant: name.parse().unwrap() };
    let project = |name: &str| FreezeScope::Project { project: name.parse().unwrap() };
    let ready = world.approved("./build.sh").await.workflow.id;
    for scope in [FreezeScope::All, tenant("default"), project("demo")] {
        world.ask("adam", freeze(&scope)).await.unwrap();
        let planned = refused(&world, Some("alice"), (PLAN, "freeze-on"), world.plan("./build.sh")).await;
        let replanned = world.ask("alice", Replan { workflow: ready.to_string() });
        refused(&world, Some("alice"), (PLAN, "freeze-on"), replanned).await;
        let ran = refused(&world, Some("alice"), (RUN, "freeze-on"), world.run(&ready, "k1")).await;
        for error in [planned, ran] {
            assert!(error.message.contains(&scope.to_string()) && error.message.contains("under water"), "{error:#?}");
        }
        assert_eq!(world.status(&ready).await.freezes.len(), 1);
        // A second freeze of the same adds none.
        let frozen = world.ask("anna", freeze(&scope)).await.unwrap();
        assert_eq!(frozen.freezes.len(), 1);
        refused(&world, Some("bob"), (OTHER, "not-permitted"), world.ask("bob", Unfreeze { scope: scope.clone() })).await;
        world.ask("anna", Unfreeze { scope: scope.clone() }).await.unwrap();
        refused(&world, Some("anna"), (OTHER, "not-found"), world.ask("anna", Unfreeze { scope })).await;
        let planned = world.plan("./build.sh").await.unwrap();
        world.ask("alice", withdraw(&planned.workflow.id)).await.unwrap();
    }
    for scope in [tenant("acme"), project("side")] {
        world.ask("adam", freeze(&scope)).await.unwrap();
    }
    assert!(world.status(&ready).await.freezes.is_empty());
    assert!(world.run(&ready, "k1").await.unwrap().created);

    refused(&world, Some("bob"), (OTHER, "not-permitted"), world.ask("bob", freeze(&FreezeScope::All))).await;
    for scope in [tenant("nobody"), project("nowhere")] {
        refused(&world, Some("adam"), (OTHER, "not-found"), world.ask("adam", freeze(&scope))).await;
    }
    for reason in [String::new(), "  \n".to_owned(), "x".repeat(1001)] {
        let request = Freeze { scope: FreezeScope::All, reason: reason.into() };
        refused(&world, Some("adam"), (OTHER, "invalid-request"), world.ask("adam", request)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_the_voter_s_for_this_plan() {
    let world = World::new().await;
    let id = world.plan("./build.sh").await.unwrap().workflow.id;
    let elsewhere = world.plan("./check.sh").await.unwrap().workflow.id;
    let card = world.card("bob", &id).await.unwrap();
    let own = card.token.clone().unwrap();
    let carols = world.card("carol", &id).await.unwrap().token.unwrap();
    let others = world.card("bob", &elsewhere).await.unwrap().token.unwrap();
    let first_flipped = format!("{}{}", if own.starts_with('0') { '1' } else { '0' }, &own[1..]);
    let table = [
        ("none", ""),
        ("a guess", "00000000000000000000000000000000"),
        ("one digit off", &first_flipped),
        ("a piece", &own[..16]),
        ("with a blank", &format!("{own} ")),
        ("in capitals", &own.to_uppercase()),
        ("another person's", &carols),
        ("of another workflow", &others),
        ("of another script", "١٢٣"),
    ];
    for (what, token) in table {
        println!("{what}");
        refused(&world, Some("bob"), (VOTE, "token-invalid"), world.ask("bob", approve(&card, token))).await;
        let reject = Reject { request: card.request.id.to_string(), token: token.to_owned(), role: None, reason: None };
        refused(&world, Some("bob"), (VOTE, "token-invalid"), world.ask("bob", reject)).await;
    }
    refused(&world, Some("carol"), (VOTE, "token-invalid"), world.ask("carol", approve(&card, &own))).await;

    // A new plan revision voids what was there for the old one, on the old request and on the new.
    world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap();
    let again = world.card("bob", &id).await.unwrap();
    assert_ne!(again.request.id, card.request.id);
    refused(&world, Some("bob"), (VOTE, "illegal-transition"), world.ask("bob", approve(&card, &own))).await;
    refused(&world, Some("bob"), (VOTE, "token-invalid"), world.ask("bob", approve(&again, &own))).await;
    let token = again.token.clone().unwrap();
    refused(&world, Some("bob"), (VOTE, "illegal-transition"), world.ask("bob", approve(&card, &token))).await;

    // A token works once.
    world.ask("bob", approve(&again, &token)).await.unwrap();
    refused(&world, Some("bob"), (VOTE, "token-used"), world.ask("bob", approve(&again, &token))).await;
    let reject = Reject { request: again.request.id.to_string(), token, role: None, reason: None };
    refused(&world, Some("bob"), (VOTE, "token-used"), world.ask("bob", reject)).await;
    refused(&world, Some("carol"), (VOTE, "illegal-transition"), world.ask("carol", approve(&again, &carols))).await;

    // And only in its time.
    let late = world.card("bob", &elsewhere).await.unwrap();
    world.clock.advance_s(24 * 3600);
    world.ask("alice", GetOverview {}).await.unwrap();
    let attempt = world.ask("bob", approve(&late, &others)).await.unwrap_err();
    assert_eq!(attempt.code, ErrorCode::Expired, "{attempt:#?}");
    refused(&world, Some("bob"), (VOTE, "expired"), world.ask("bob", approve(&late, &others))).await;
    assert_eq!(world.status(&elsewhere).await.workflow.state, WorkflowState::Expired);
    let missing = Approve { request: "ap_nothing".to_owned(), token: others, role: None };
    refused(&world, Some("bob"), (VOTE, "not-found"), world.ask("bob", missing)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_vote_is_told_why() {
    let world = World::new().await;
    let id = world.plan("./build.sh").await.unwrap().workflow.id;
    let card = world.card("bob", &id).await.unwrap();
    let token = card.token.clone().unwrap();
    let under = |role: &str| Approve { role: Some(role.parse().unwrap()), ..approve(&card, &token) };
    refused(&world, Some("alice"), (VOTE, "self-approval"), world.ask("alice", approve(&card, &token))).await;
    refused(&world, Some("bob"), (VOTE, "role-not-held"), world.ask("bob", under("security"))).await;
    refused(&world, Some("bob"), (VOTE, "role-not-held"), world.ask("bob", under("emperor"))).await;
    refused(&world, Some("bob"), (VOTE, "role-not-in-group"), world.ask("bob", under("tech_lead"))).await;
    refused(&world, None, (VOTE, "not-an-operator"), world.ask("gone", approve(&card, &token))).await;
    let own = world.card("alice", &id).await.unwrap();
    assert_eq!((own.token, own.cannot.unwrap().code), (None, ErrorCode::SelfApproval));

    // Whoever plans it again is behind it as well, for good.
    world.ask("adam", Replan { workflow: id.to_string() }).await.unwrap();
    let card = world.card("bob", &id).await.unwrap();
    for who in ["alice", "adam"] {
        refused(&world, Some(who), (VOTE, "self-approval"), world.ask(who, approve(&card, &token))).await;
    }
    assert_eq!(
        world.status(&id).await.approval_requests[0].eligible.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["anna", "bob", "carol", "dave"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_counts_for_one_group() {
    let world = World::new().await;
    let planned = world.ask("alice", flagged("./build.sh", "security_sensitive")).await.unwrap();
    let id = planned.workflow.id;
    let cards = world.ask("carol", GetApprovals { of: Some(id.to_string()) }).await.unwrap().cards;
    let of = |group: &str| cards.iter().find(|card| card.request.group.as_str() == group).unwrap();
    let (lead, security) = (of("tech_lead"), of("security"));
    let tokens = [lead, security].map(|card| card.token.clone().unwrap());
    refused(&world, Some("dave"), (VOTE, "role-not-held"), world.ask("dave", approve(lead, &tokens[0]))).await;

    let voted = world.ask("carol", approve(lead, &tokens[0])).await.unwrap();
    assert_eq!(voted.workflow.state, WorkflowState::AwaitingApproval);
    refused(&world, Some("carol"), (VOTE, "already-counted"), world.ask("carol", approve(security, &tokens[1]))).await;
    let card = world.ask("carol", GetApprovals { of: Some(security.request.id.to_string()) }).await.unwrap().cards.remove(0);
    assert_eq!((card.token, card.cannot.unwrap().code), (None, ErrorCode::AlreadyCounted));
    refused(&world, Some("alice"), (RUN, "not-approved"), world.run(&id, "k1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_counts_only_as_long_as_its_voter_holds_the_role() {
    let world = World::new().await;
    let id = world.approved("./build.sh").await.workflow.id;
    let bob = "bob: {roles: [operator, tech_lead], unix_users: [bob]}";
    let table = [
        ("the role is taken", bob, "bob: {roles: [tech_lead], unix_users: [bob]}"),
        ("every role is taken", bob, "bob: {roles: [], unix_users: [bob]}"),
        ("the operator is withdrawn", bob, "bob: {roles: [operator, tech_lead], unix_users: [bob], withdrawn: true}"),
        ("the operator is removed", &format!("  {bob}\n"), ""),
        ("the group counts another role", "  operator: [operator]\n", "  operator: [release_manager]\n"),
    ];
    for (what, from, to) in table {
        println!("{what}");
        let kept = std::fs::read_to_string(world.root().join("config/operators.yaml")).unwrap();
        world.edit("config/operators.yaml", from, to);
        world.activate().await;
        refused(&world, Some("alice"), (RUN, "not-approved"), world.run(&id, "k1")).await;
        let status = world.status(&id).await;
        assert!(!status.approval_requests[0].votes[0].counts, "{what}");
        let next: Vec<&str> = status.next.iter().map(|step| step.command.as_str()).collect();
        assert_eq!(next, [format!("orcctl status {id}"), format!("orcctl replan {id}")], "{what}");
        orc_tests::replace(&world.root().join("config/operators.yaml"), &kept);
        world.activate().await;
    }
    assert!(world.run(&id, "k1").await.unwrap().created);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_proved_to_be_somebody_acts() {
    let world = World::new().await;
    let id = world.plan("./build.sh").await.unwrap().workflow.id;
    let card = world.card("bob", &id).await.unwrap();
    let token = card.token.clone().unwrap();
    let table = [
        ("somebody else's unix user", Some("alice"), Some("bob"), "operator-not-bound"),
        ("root", Some("root"), Some("bob"), "operator-not-bound"),
        ("a user id without a name", None, Some("bob"), "operator-not-bound"),
        ("a stranger", Some("mallory"), None, "not-an-operator"),
        ("a user id without a name, as nobody", None, None, "not-an-operator"),
        ("a withdrawn operator", Some("gone"), None, "not-an-operator"),
        ("a withdrawn operator by name", Some("gone"), Some("gone"), "operator-withdrawn"),
        ("an operator who does not exist", Some("bob"), Some("zoe"), "not-an-operator"),
    ];
    for (what, user, named, code) in table {
        println!("{what}");
        let ask = |kind| (kind, code);
        refused(&world, None, ask(PLAN), world.ask_from(peer(user), named, None, plan("./build.sh"))).await;
        refused(&world, None, ask(VOTE), world.ask_from(peer(user), named, None, approve(&card, &token))).await;
        refused(&world, None, ask(RUN), world.ask_from(peer(user), named, None, run(&id, "k1"))).await;
        refused(&world, None, ask(OTHER), world.ask_from(peer(user), named, None, freeze(&FreezeScope::All))).await;
        refused(&world, None, ask(OTHER), world.ask_from(peer(user), named, None, GetOverview {})).await;
        let event = newest_event(&world).await;
        assert_eq!(event.body["named"].as_str(), named, "{event:#?}");
        assert_eq!(serde_json::to_value(&event.actor).unwrap(), json!({ "kind": "unknown", "uid": 1000 }));
    }
    // Owning the state proves nothing where several people work.
    let owner = orc_engine::Peer { owns_state: true, ..peer(Some("root")) };
    refused(&world, None, (VOTE, "operator-not-bound"), world.ask_from(owner, Some("bob"), None, approve(&card, &token))).await;
    world.ask_from(peer(Some("bob")), Some("bob"), None, approve(&card, &token)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run() {
    let world = World::new().await;
    let waiting = world.plan("./build.sh").await.unwrap().workflow;
    let rejected = world.plan("./build.sh").await.unwrap().workflow.id;
    let card = world.card("bob", &rejected).await.unwrap();
    let no = Reject { request: card.request.id.to_string(), token: card.token.unwrap(), role: None, reason: Some("not today".into()) };
    assert_eq!(world.ask("bob", no).await.unwrap().workflow.state, WorkflowState::Rejected);
    let withdrawn = world.approved("./build.sh").await.workflow.id;
    world.ask("alice", withdraw(&withdrawn)).await.unwrap();
    let ready = world.approved("./build.sh").await.workflow;
    let with_hash = |id: &WorkflowId, hash: Digest| Run { plan_hash: Some(hash), ..run(id, "k1") };
    let table: Vec<(&str, &str, Run, &str)> = vec![
        ("a plan that waits for approval", "alice", run(&waiting.id, "k1"), "not-approved"),
        ("a rejected plan", "alice", run(&rejected, "k1"), "illegal-transition"),
        ("a withdrawn plan", "alice", run(&withdrawn, "k1"), "illegal-transition"),
        ("the hash of another plan", "alice", with_hash(&ready.id, waiting.plan_hash), "plan-hash-mismatch"),
        ("nothing", "alice", run(&"wf_nothing".parse().unwrap(), "k1"), "not-found"),
        ("a key without characters", "alice", run(&ready.id, ""), "invalid-request"),
        ("a key with a blank", "alice", run(&ready.id, "k 1"), "invalid-request"),
        ("a key with an umlaut", "alice", run(&ready.id, "kä"), "invalid-request"),
        ("a key of 201 characters", "alice", run(&ready.id, &"k".repeat(201)), "invalid-request"),
        ("by an approver", "bob", run(&ready.id, "k1"), "not-permitted"),
        ("by somebody else", "dave", run(&ready.id, "k1"), "not-permitted"),
    ];
    for (what, who, request, code) in table {
        println!("{what}");
        refused(&world, Some(who), (RUN, code), world.ask(who, request)).await;
    }

    // A plan revision that is not the newest any more.
    let stale = ready.plan_hash;
    world.ask("alice", Replan { workflow: ready.id.to_string() }).await.unwrap();
    world.approve("bob", &ready.id).await.unwrap();
    refused(&world, Some("alice"), (RUN, "plan-hash-mismatch"), world.ask("alice", with_hash(&ready.id, stale))).await;

    // One key, one execution.
    let newest = world.status(&ready.id).await.plan_hash;
    let first = world.ask("alice", with_hash(&ready.id, newest)).await.unwrap();
    assert!(first.created);
    let (before, same) = (rows(&world), world.run(&ready.id, "k1").await.unwrap());
    assert_eq!((same.created, &same.execution.id), (false, &first.execution.id));
    assert_eq!(rows(&world), before);
    refused(&world, Some("alice"), (RUN, "idempotency-conflict"), world.run(&ready.id, "k2")).await;
    refused(&world, Some("alice"), (RUN, "idempotency-conflict"), world.ask("alice", with_hash(&ready.id, stale))).await;
    // The key belongs to the workflow: whoever may run it gets the same execution by it, and nobody else anything.
    assert_eq!(world.ask("adam", run(&ready.id, "k1")).await.unwrap().execution.id, first.execution.id);
    refused(&world, Some("bob"), (RUN, "not-permitted"), world.ask("bob", run(&ready.id, "k1"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hint_leads_to_another_refusal() {
    let mut world = World::new().await;
    let done = world.completed("./build.sh").await.workflow.id;
    let withdrawn = world.plan("./build.sh").await.unwrap().workflow.id;
    world.ask("alice", withdraw(&withdrawn)).await.unwrap();
    let again = "orcctl plan --project demo --action build --family build_test --command-text './build.sh'";
    for id in [&done, &withdrawn] {
        let refused = [
            world.run(id, "k9").await.unwrap_err(),
            world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap_err(),
            world.ask("alice", Cancel { id: id.to_string(), reason: None }).await.unwrap_err(),
            world.ask("alice", withdraw(id)).await.unwrap_err(),
        ];
        for error in &refused {
            let hint = error.hint.clone().unwrap_or_default();
            assert!(!hint.is_empty() && !hint.contains("replan") && !hint.contains("withdraw "), "{error:#?}");
            assert!(error.message.contains(id.as_str()), "{error:#?}");
        }
        for error in &refused[..2] {
            assert!(error.hint.as_deref().unwrap().contains(again), "{error:#?}");
        }
    }
    // What would be pasted is the same request, whatever a shell makes of its characters.
    let odd = Plan { no_verify: true, ..plan("./build.sh 'it is $HOME' \"it's\"") };
    world.edit(
        "policies/data/rules.yaml",
        "argv: [./work.sh] }\n",
        "argv: [./work.sh] }\n  - { project: demo, family: build_test, argv: [./build.sh, 'it is $HOME', \"it's\"] }\n",
    );
    world.activate().await;
    let odd = world.ask("alice", odd).await.unwrap().workflow.id;
    world.ask("alice", withdraw(&odd)).await.unwrap();
    let hint = world.ask("alice", Replan { workflow: odd.to_string() }).await.unwrap_err().hint.unwrap();
    let pasted = hint.lines().last().unwrap();
    let script = format!("orcctl() {{ for word in \"$@\"; do echo \"<$word>\"; done; }}\n{pasted}\n");
    let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("<--no-verify>"), "{said}");
    let text = said.lines().skip_while(|line| *line != "<--command-text>").nth(1).unwrap();
    assert_eq!(orc_engine::parse_command(&text[1..text.len() - 1]).unwrap(), ["./build.sh", "it is $HOME", "it's"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_runs_only_in_its_time() {
    let world = World::new().await;
    let approved = world.approved("./build.sh").await.workflow.id;
    world.clock.advance_s(24 * 3600);
    assert_eq!(world.run(&approved, "k1").await.unwrap_err().code, ErrorCode::Expired);
    assert_eq!(world.status(&approved).await.workflow.state, WorkflowState::Expired);
    refused(&world, Some("alice"), (RUN, "expired"), world.run(&approved, "k1")).await;
    world.ask("alice", Replan { workflow: approved.to_string() }).await.unwrap();
    world.approve("bob", &approved).await.unwrap();
    assert!(world.run(&approved, "k1").await.unwrap().created);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_requesters_and_admins_take_a_plan_back() {
    let world = World::new().await;
    let id = world.approved("./build.sh").await.workflow.id;
    for who in ["bob", "carol", "dave"] {
        refused(&world, Some(who), (OTHER, "not-permitted"), world.ask(who, withdraw(&id))).await;
        refused(&world, Some(who), (PLAN, "not-permitted"), world.ask(who, Replan { workflow: id.to_string() })).await;
    }
    let long = || Some(Untrusted::new("x".repeat(1001)));
    let request = Withdraw { reason: long(), ..withdraw(&id) };
    refused(&world, Some("alice"), (OTHER, "invalid-request"), world.ask("alice", request)).await;
    let other = world.plan("./build.sh").await.unwrap().workflow.id;
    let card = world.card("bob", &other).await.unwrap();
    let request = Reject { request: card.request.id.to_string(), token: card.token.unwrap(), role: None, reason: long() };
    refused(&world, Some("bob"), (VOTE, "invalid-request"), world.ask("bob", request)).await;
    refused(&world, Some("alice"), (OTHER, "illegal-transition"), world.ask("alice", Cancel { id: id.to_string(), reason: None })).await;

    assert_eq!(world.ask("adam", withdraw(&id)).await.unwrap().workflow.state, WorkflowState::Withdrawn);
    refused(&world, Some("alice"), (OTHER, "illegal-transition"), world.ask("alice", withdraw(&id))).await;
    refused(&world, Some("alice"), (OTHER, "not-found"), world.ask("alice", withdraw(&"wf_nothing".parse().unwrap()))).await;
}

/// The same key with the same request is answered as before and does nothing; with another request it is a conflict; another person's
/// same key is another key.
async fn once<I>(world: &World, who: &str, kind: &str, request: I, other: I)
where
    I: Intent + Clone,
    I::Answer: PartialEq + std::fmt::Debug,
{
    let first = world.ask_once(who, Some("key-1"), request.clone()).await.unwrap();
    let before = (rows(world), newest_event(world).await.seq);
    assert_eq!(world.ask_once(who, Some("key-1"), request).await.unwrap(), first);
    assert_eq!((rows(world), newest_event(world).await.seq), before, "{} happened twice", I::NAME);
    refused(world, Some(who), (kind, "idempotency-conflict"), world.ask_once(who, Some("key-1"), other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request() {
    let world = World::new().await;
    once(&world, "alice", PLAN, plan("./build.sh"), plan("./check.sh")).await;
    let id = world.ask_once("alice", Some("key-1"), plan("./build.sh")).await.unwrap().workflow.id;
    assert_eq!(workflows(&world).await, 1);
    assert_ne!(world.ask_once("dave", Some("key-1"), plan("./build.sh")).await.unwrap().workflow.id, id);

    let card = world.card("bob", &id).await.unwrap();
    let yes = approve(&card, card.token.as_deref().unwrap());
    once(&world, "bob", VOTE, yes.clone(), Approve { token: "0".repeat(32), ..yes }).await;
    let all = FreezeScope::All;
    once(&world, "adam", OTHER, freeze(&all), Freeze { reason: "another".into(), ..freeze(&all) }).await;
    once(&world, "adam", OTHER, Unfreeze { scope: all }, Unfreeze { scope: FreezeScope::Project { project: "demo".parse().unwrap() } })
        .await;
    once(&world, "alice", PLAN, Replan { workflow: id.to_string() }, Replan { workflow: "wf_other".to_owned() }).await;
    once(&world, "alice", OTHER, withdraw(&id), Withdraw { reason: Some("why".into()), ..withdraw(&id) }).await;
    for key in ["", "with blank", "ümlaut", &"k".repeat(201)] {
        refused(&world, Some("alice"), (PLAN, "invalid-request"), world.ask_once("alice", Some(key), plan("./build.sh"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_many_times_at_once_plans_once() {
    let world = std::sync::Arc::new(World::new().await);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let world = std::sync::Arc::clone(&world);
        asked.spawn(async move { world.ask_once("alice", Some("key-1"), plan("./build.sh")).await.unwrap() });
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(workflows(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asked_for_many_times_at_once_is_one() {
    let world = std::sync::Arc::new(World::new().await);
    let id = world.approved("./build.sh").await.workflow.id;
    for (key, created) in [("k1", 1), ("k1", 0)] {
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (world, id) = (std::sync::Arc::clone(&world), id.clone());
            asked.spawn(async move { world.run(&id, key).await.unwrap() });
        }
        let answers = asked.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.created).count(), created);
        assert!(answers.iter().all(|answer| answer.execution.id == answers[0].execution.id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_no_form() {
    let world = World::new().await;
    let good = serde_json::to_value(plan("./build.sh")).unwrap();
    let with = |field: &str, value: serde_json::Value| {
        let mut request = good.clone();
        request[field] = value;
        request
    };
    let table = [
        ("plan", json!(null), PLAN),
        ("plan", json!([]), PLAN),
        ("plan", json!("./build.sh"), PLAN),
        ("plan", json!({}), PLAN),
        ("plan", with("surprise", json!(1)), PLAN),
        ("plan", with("project", json!("../demo")), PLAN),
        ("plan", with("project", json!("Demo")), PLAN),
        ("plan", with("project", json!(7)), PLAN),
        ("plan", with("action", json!("x".repeat(65))), PLAN),
        ("plan", with("family", json!("everything")), PLAN),
        ("plan", with("flags", json!(["no spaces"])), PLAN),
        ("plan", with("metadata", json!({ "k": 1 })), PLAN),
        ("approve", json!({ "request": 1, "token": "x" }), VOTE),
        ("reject", json!({ "request": "ap_x" }), VOTE),
        ("run", json!({ "workflow": "wf_x" }), RUN),
        ("run", json!({ "workflow": "wf_x", "idempotency_key": "k", "plan_hash": "abc" }), RUN),
        ("cancel", json!({ "id": {} }), OTHER),
        ("freeze", json!({ "scope": { "scope": "moon" }, "reason": "x" }), OTHER),
        ("rules_activate", json!({ "digest": "sha256:short" }), OTHER),
        ("rules_rollback", json!({ "revision": -1 }), OTHER),
    ];
    for (intent, request, kind) in table {
        println!("{intent} {request}");
        let envelope = Envelope { intent: intent.to_owned(), user: None, idempotency_key: None, request };
        refused(&world, Some("adam"), (kind, "invalid-request"), world.engine.handle(&peer(Some("adam")), envelope)).await;
    }
    for intent in ["", "Plan", "plans", "drop_tables", "plan\0", "\u{1b}[2J"] {
        let envelope = Envelope { intent: intent.to_owned(), user: None, idempotency_key: None, request: good.clone() };
        let before = rows(&world);
        let error = world.engine.handle(&peer(Some("adam")), envelope).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(!error.message.chars().any(char::is_control), "{error:?}");
        assert_eq!(rows(&world), before);
    }
    // Reading what does not exist, or with a wrong form, is no event: nothing was attempted.
    let last = newest_event(&world).await.seq;
    for (intent, request, code) in [
        ("status", json!({ "workflow": "wf_nothing" }), ErrorCode::NotFound),
        ("status", json!({ "workflow": "" }), ErrorCode::NotFound),
        ("status", json!({}), ErrorCode::InvalidRequest),
        ("explain", json!({ "id": "%" }), ErrorCode::NotFound),
        ("events", json!({ "after": -1 }), ErrorCode::InvalidRequest),
        ("workflows", json!({ "state": "lost" }), ErrorCode::InvalidRequest),
    ] {
        let envelope = Envelope { intent: intent.to_owned(), user: None, idempotency_key: None, request };
        let error = world.engine.handle(&peer(Some("alice")), envelope).await.unwrap_err();
        assert_eq!(error.code, code, "{intent}: {error:#?}");
    }
    assert_eq!(newest_event(&world).await.seq, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_at_the_door_is_recorded_and_cannot_fill_the_audit() {
    let world = World::new().await;
    let error = OrcError::new(ErrorCode::NotPermitted, "the peer was launched by this host");
    for _ in 0..300 {
        world.engine.turned_away(Some(1000), &error).await;
    }
    let event = newest_event(&world).await;
    assert_eq!((event.kind.as_str(), event.actor.clone()), ("intent_denied", operators::Actor::Unknown { uid: Some(1000) }));
    assert_eq!((event.body["intent"].as_str(), event.body["message"].as_str()), (Some("connect"), Some(error.message.as_str())));
    let audit = world.ask("alice", GetAudit { workflow: None, limit: 0 }).await.unwrap();
    assert_eq!(audit.events.iter().filter(|event| event.body["intent"] == "connect").count(), 100);
    // The state's owner has the same unix user: what he is refused is recorded all the same.
    let stranger = peer(None);
    world.ask_from(stranger, None, None, WhoAmI {}).await.unwrap_err();
    assert_eq!(newest_event(&world).await.body["intent"], "whoami");
    world.clock.advance_s(60);
    world.engine.turned_away(Some(1000), &error).await;
    assert_eq!(newest_event(&world).await.body["passed_over"], 200);
}
