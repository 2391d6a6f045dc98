//! What was approved is what runs: everything that a plan pins, changed in turn.

use std::fs;

use orc_config::RootSnapshot;
use orc_config::lock::relock;
use orc_domain::api::*;
use orc_domain::states::WorkflowState;
use orc_domain::*;
use orc_tests::{World, edit, git, plan, replace};
use serde_json::Value;

use crate::evidence::newest_event;

const CONTRACTS: &str = "config/phase-contracts.yaml";
const REGISTRY: &str = "config/projects.registry.yaml";
const RULES: &str = "policies/data/rules.yaml";
const SCHEMA: &str = "phases/schemas/verify.json";
const LOCK: &str = "config/guests.lock";

pub(crate) async fn document(world: &World, workflow: &WorkflowId) -> Value {
    serde_json::to_value(world.ask("alice", GetWorkflow { workflow: workflow.to_string() }).await.unwrap().plan).unwrap()
}

/// A world whose plan has something in as many of its fields as a command's plan can have.
pub(crate) async fn rich() -> World {
    World::with(|root| {
        let more = "    verify: [[./check.sh]]\n    stack: [shell]\n    prepare: [[./check.sh]]\n    copy: [local.env]\n    \
            verification_paths: [\"tests/**\"]\n    path_rules: [{paths: [\"auth/**\"], flag: security_sensitive}]\n    \
            launch: {env: {CI: \"1\"}, limits: {memory_mib: 512}}\n";
        edit(root, REGISTRY, "    verify: [[./check.sh]]\n", more);
        fs::write(root.with_file_name("project").join("local.env"), "PORT=1\n").unwrap();
        fs::write(root.with_file_name("project/.git/info/exclude"), "local.env\n").unwrap();
    })
    .await
}

/// A workflow with a flag and a fact, approved.
pub(crate) async fn approved(world: &World) -> WorkflowId {
    let request = Plan {
        flags: vec!["large_change".parse().unwrap()],
        metadata: [("ticket".to_owned(), "ORC-1".to_owned())].into(),
        ..plan("./build.sh")
    };
    let id = world.ask("alice", request).await.unwrap().workflow.id;
    assert_eq!(world.approve("bob", &id).await.unwrap().workflow.state, WorkflowState::Approved);
    id
}

/// A change under the root, and where the plan has it.
struct Change {
    what: &'static str,
    deed: Box<dyn Fn(&World)>,
    pointers: &'static [&'static str],
}

fn change(what: &'static str, pointers: &'static [&'static str], deed: impl Fn(&World) + 'static) -> Change {
    Change { what, deed: Box::new(deed), pointers }
}

fn replaced(what: &'static str, file: &'static str, from: &'static str, to: &'static str, pointers: &'static [&'static str]) -> Change {
    change(what, pointers, move |world| world.edit(file, from, to))
}

/// Each change comes after an approval. The run is refused and names it, the workflow is stale; planned again, it shows the same.
async fn each_makes_stale(world: &World, changes: Vec<Change>) {
    let id = approved(world).await;
    for (n, change) in changes.iter().enumerate() {
        let what = change.what;
        (change.deed)(world);
        if rules_moved(world).await {
            world.activate().await;
        }
        let error = world.run(&id, &format!("k{n}")).await.expect_err(what);
        assert_eq!(error.code, ErrorCode::PlanStale, "{what}: {error:#?}");
        let status = world.status(&id).await;
        assert_eq!((status.workflow.state, status.execution), (WorkflowState::Stale, None), "{what}");
        for pointer in change.pointers {
            assert!(error.message.contains(pointer), "{what}: {}", error.message);
            assert!(error.causes.iter().any(|cause| cause.starts_with(pointer) && cause.contains(" was ")), "{what}: {:?}", error.causes);
        }
        let event = newest_event(world).await;
        assert_eq!((event.kind.as_str(), event.body["code"].as_str()), ("run_denied", Some("plan-stale")), "{what}");
        // Asked again, it is stale still.
        assert_eq!(world.run(&id, "again").await.unwrap_err().code, ErrorCode::IllegalTransition, "{what}");
        let again = world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap();
        for pointer in change.pointers {
            assert!(again.differences.iter().any(|difference| difference.pointer.starts_with(pointer)), "{what}: {:#?}", again.differences);
        }
        assert_eq!(world.approve("bob", &id).await.unwrap().workflow.state, WorkflowState::Approved, "{what}");
    }
    assert!(world.run(&id, "last").await.unwrap().created);
}

async fn rules_moved(world: &World) -> bool {
    world.engine.scan_root().await.unwrap();
    world.ask("adam", GetRules {}).await.unwrap().candidate.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_contract_makes_the_plan_stale() {
    let gate = "      - guest: protected-paths\n      - guest: secret-scan\n";
    let changes = vec![
        replaced("time", CONTRACTS, "timeout_s: 1800", "timeout_s: 1801", &["/phases/0/contract/timeout_s"]),
        replaced("attempts", CONTRACTS, "attempts: 1", "attempts: 2", &["/phases/0/contract/attempts"]),
        replaced("restartable", CONTRACTS, "restartable: true", "restartable: false", &["/phases/0/contract/restartable"]),
        replaced("skippable", CONTRACTS, "skippable: false", "skippable: true", &["/phases/0/contract/skippable"]),
        replaced(
            "limits",
            CONTRACTS,
            "    skippable: true\n",
            "    skippable: true\n    limits: {memory_mib: 100}\n",
            &["/phases/0/contract/limits/memory_mib"],
        ),
        change("schema path", &["/phases/0/contract/schema"], |world| {
            fs::copy(world.root().join(SCHEMA), world.root().join("phases/schemas/other.json")).unwrap();
            world.edit(CONTRACTS, "phases/schemas/verify.json", "phases/schemas/other.json");
        }),
        replaced(
            "a gate's mode",
            CONTRACTS,
            "mode: advisory",
            "mode: blocking",
            &["/phases/0/contract/post_gates/1/mode", "/phases/0/guests/2/mode"],
        ),
        replaced(
            "a gate's settings",
            CONTRACTS,
            "mode: blocking\n",
            "mode: blocking\n        settings: {max_files: 9}\n",
            &["/phases/0/contract/post_gates/1/settings/max_files", "/phases/0/guests/2/settings/max_files"],
        ),
        replaced(
            "gates in another order",
            CONTRACTS,
            gate,
            "      - guest: secret-scan\n      - guest: protected-paths\n",
            &["/phases/0/contract/post_gates/2/guest", "/phases/0/guests/3/guest"],
        ),
        replaced("a gate less", CONTRACTS, "      - guest: secret-scan\n", "", &["/phases/0/contract/post_gates", "/phases/0/guests"]),
        replaced(
            "a gate more",
            CONTRACTS,
            "      - guest: workspace-clean\n",
            "      - guest: workspace-clean\n      - guest: secret-scan\n",
            &["/phases/0/contract/pre_gates", "/phases/0/guests"],
        ),
        replaced(
            "no gate",
            CONTRACTS,
            "    pre_gates:\n      - guest: workspace-clean\n      - guest: secret-scan\n",
            "",
            &["/phases/0/contract/pre_gates"],
        ),
        change("a phase more", &["/phases"], |world| {
            world.edit(CONTRACTS, "phases: [verify]", "phases: [verify, twice]");
            let contract = "phases:\n  twice: {kind: command, workspace: throw_away, schema: phases/schemas/verify.json, timeout_s: 5}\n";
            world.edit(CONTRACTS, "\nphases:\n", &format!("\n{contract}"));
        }),
        replaced("phases in another order", CONTRACTS, "[verify, twice]", "[twice, verify]", &["/phases/0/phase"]),
        replaced("a phase less", CONTRACTS, "[twice, verify]", "[verify]", &["/phases"]),
    ];
    let world = rich().await;
    each_makes_stale(&world, changes).await;
    // A schema that no contract names any more moves nothing.
    let id = approved(&world).await;
    world.edit(SCHEMA, "\"title\": \"verify\"", "\"title\": \"verifx\"");
    world.activate().await;
    assert!(world.run(&id, "k1").await.unwrap().created);
}

/// A component with a section more that says nothing: other bytes, the same program.
fn with_a_section(component: &[u8]) -> Vec<u8> {
    [component, &[0, 5, 4, b'm', b'o', b'r', b'e']].concat()
}

fn relocked(world: &World) {
    let lock = relock(&RootSnapshot::read(&world.root()).unwrap(), None).unwrap();
    assert_ne!(lock.changes, Vec::<String>::new());
    replace(&world.root().join(LOCK), &lock.text);
}

fn manifest(what: &'static str, guest: &'static str, from: &'static str, to: &'static str, pointers: &'static [&'static str]) -> Change {
    change(what, pointers, move |world| {
        world.edit(&format!("phases/guests/{guest}.toml"), from, to);
        relocked(world);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schema_or_guest_makes_the_plan_stale() {
    let world = rich().await;
    let changes = vec![
        replaced("one byte of the schema", SCHEMA, "What the verify phase", "what the verify phase", &["/phases/0/schema"]),
        change("a component", &["/phases/0/guests/0/module"], |world| {
            let file = world.root().join("phases/guests/workspace-clean.wasm");
            let bytes = with_a_section(&fs::read(&file).unwrap());
            fs::write(file, bytes).unwrap();
            relocked(world);
        }),
        manifest("a manifest", "secret-scan", "No added line", "Not one added line", &["/phases/0/guests/4/manifest"]),
        manifest("default settings", "diff-budget", "max_files = 50", "max_files = 51", &["/phases/0/guests/2/settings/max_files"]),
        manifest("what a guest asks for", "diff-budget", "[\"settings\"]", "[\"settings\", \"log\"]", &["/phases/0/guests/2/manifest"]),
        change("what a guest is granted", &["/phases/0/guests/2/capabilities"], |world| {
            let lock = fs::read_to_string(world.root().join(LOCK)).unwrap();
            let (head, tail) = lock.split_at(lock.find("  diff-budget:").unwrap());
            replace(&world.root().join(LOCK), &format!("{head}{}", tail.replacen("grant: [settings]", "grant: [log, settings]", 1)));
        }),
    ];
    each_makes_stale(&world, changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_project_entry_makes_the_plan_stale() {
    let env = "env: {CI: \"1\"}";
    let changes = vec![
        replaced("verify", REGISTRY, "verify: [[./check.sh]]", "verify: [[./check.sh, again]]", &["/project_entry/verify", "/verify"]),
        replaced("no verify", REGISTRY, "verify: [[./check.sh, again]]", "verify: []", &["/project_entry/verify", "/verify"]),
        replaced(
            "prepare",
            REGISTRY,
            "prepare: [[./check.sh]]",
            "prepare: [[./build.sh]]",
            &["/project_entry/prepare/0/0", "/prepare/0/0"],
        ),
        change("a copied file's content", &["/copied/local.env"], |world| {
            fs::write(world.project().join("local.env"), "PORT=2\n").unwrap()
        }),
        change("a copied file more", &["/project_entry/copy", "/copied/other.env"], |world| {
            fs::write(world.project().join("other.env"), "").unwrap();
            fs::write(world.project().join(".git/info/exclude"), "*.env\n").unwrap();
            world.edit(REGISTRY, "copy: [local.env]", "copy: [local.env, other.env]");
        }),
        replaced("a copied file less", REGISTRY, "[local.env, other.env]", "[other.env]", &["/project_entry/copy", "/copied/local.env"]),
        replaced(
            "a variable's value",
            REGISTRY,
            env,
            "env: {CI: \"2\"}",
            &["/project_entry/launch/env/CI", "/launch_grants/command/env/CI", "/launch_grants/verify/env/CI"],
        ),
        replaced(
            "a variable more",
            REGISTRY,
            "env: {CI: \"2\"}",
            "env: {CI: \"2\", NO_COLOR: \"1\"}",
            &["/launch_grants/command/env/NO_COLOR"],
        ),
        replaced(
            "a limit",
            REGISTRY,
            "memory_mib: 512",
            "memory_mib: 513",
            &["/project_entry/launch/limits/memory_mib", "/launch_grants/prepare/limits/memory_mib"],
        ),
        replaced(
            "a directory to read",
            REGISTRY,
            "launch: {",
            "launch: {read: [/opt], ",
            &["/project_entry/launch/read", "/launch_grants/command/dirs"],
        ),
        replaced("a directory to write", REGISTRY, "launch: {", "launch: {write: [/srv], ", &["/project_entry/launch/write"]),
        replaced(
            "the network",
            REGISTRY,
            "launch: {",
            "launch: {network: full, ",
            &["/project_entry/launch/network", "/launch_grants/command/network"],
        ),
        replaced("verification paths", REGISTRY, "\"tests/**\"", "\"checks/**\"", &["/project_entry/verification_paths/0"]),
        replaced("a path rule's paths", REGISTRY, "auth/**", "login/**", &["/project_entry/path_rules/0/paths/0"]),
        replaced("a path rule's flag", REGISTRY, "flag: security_sensitive", "flag: production", &["/project_entry/path_rules/0/flag"]),
        replaced("the stack", REGISTRY, "stack: [shell]", "stack: [rust]", &["/project_entry/stack/0"]),
        replaced("owners", REGISTRY, "owners: [alice]", "owners: [alice, bob]", &["/project_entry/owners"]),
        replaced("families", REGISTRY, "families: [build_test]", "families: [build_test, read_only]", &["/project_entry/families"]),
        replaced("the engine", REGISTRY, "    stack: [rust]\n", "    stack: [rust]\n    engine: codex\n", &["/project_entry/engine"]),
        replaced(
            "a runbook",
            REGISTRY,
            "    engine: codex\n",
            "    runbooks: {ship: {steps: [[./ship.sh]]}}\n",
            &["/project_entry/runbooks/ship"],
        ),
        change("the branch", &["/project_entry/base"], |world| {
            git(&world.project(), &["branch", "next"]);
            world.edit(REGISTRY, "    owners:", "    base: next\n    owners:");
        }),
        change("the tenant", &["/project_entry/tenant", "/tenant"], |world| {
            world.edit(REGISTRY, "tenants:\n", "tenants:\n  acme: {title: Acme}\n");
            world.edit(REGISTRY, "    tenant: default\n    root", "    tenant: acme\n    root");
        }),
        change("the directory", &["/project_entry/root"], |world| {
            let moved = world.project().with_file_name("moved");
            git(world.dir.path(), &["clone", "-q", "-b", "next", "project", "moved"]);
            fs::write(moved.join("other.env"), "").unwrap();
            fs::write(moved.join(".git/info/exclude"), "*.env\n").unwrap();
            world.edit(REGISTRY, &world.project().display().to_string(), &moved.display().to_string());
        }),
    ];
    each_makes_stale(&rich().await, changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_launch_settings_make_the_plan_stale() {
    let changes = vec![
        replaced(
            "an inherited variable",
            "config/orc.yaml",
            "  env: []",
            "  env: [ORC_TEST_INHERITED]",
            &[
                "/launch_grants/command/env/ORC_TEST_INHERITED",
                "/launch_grants/prepare/env/ORC_TEST_INHERITED",
                "/launch_grants/verify/env/ORC_TEST_INHERITED",
            ],
        ),
        replaced("a toolchain", "config/orc.yaml", "toolchains: []", "toolchains: [/opt]", &["/launch_grants/command/dirs"]),
    ];
    let world = rich().await;
    each_makes_stale(&world, changes).await;
    if rustix::process::geteuid().is_root() {
        let id = approved(&world).await;
        world.edit("config/orc.yaml", "accept_root: [processes]", "accept_root: []");
        world.activate().await;
        let error = world.run(&id, "k1").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PlanStale, "{error:#?}");
        assert!(error.message.contains("/launch_grants/command/must"), "{}", error.message);
        // What is demanded now cannot be had here, so there is no plan of it either.
        let again = world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap_err();
        assert_eq!(again.code, ErrorCode::Unenforceable, "{again:#?}");
    }
}

/// What a plan names and no longer exists: there is no pointer to it, so the message says what is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_names_and_is_gone_makes_it_stale() {
    type Edit = (&'static str, &'static str, &'static str);
    let table: [(&str, &[Edit], &str); 4] = [
        ("the project", &[(REGISTRY, "  demo:\n", "  other:\n"), (RULES, "project: demo", "project: other")], "demo"),
        (
            "the pipeline",
            &[
                (CONTRACTS, "pipelines:\n", "pipelines:\n  b: {family: build_test, phases: [verify]}\n"),
                (CONTRACTS, "  build_test:\n    family: build_test", "  c:\n    family: build_test"),
            ],
            "build_test",
        ),
        ("the family", &[(REGISTRY, "families: [build_test]", "families: [read_only]")], "build_test"),
        ("the flag", &[(RULES, "  large_change: ", "  huge_change: ")], "large_change"),
    ];
    for (what, edits, named) in table {
        println!("{what}");
        let world = rich().await;
        let id = approved(&world).await;
        for (file, from, to) in edits {
            world.edit(file, from, to);
        }
        world.activate().await;
        let error = world.run(&id, "k1").await.expect_err(what);
        assert_eq!(error.code, ErrorCode::PlanStale, "{what}: {error:#?}");
        assert!(error.message.contains(named), "{what}: {}", error.message);
        assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Stale, "{what}");
        let again = world.ask("alice", Replan { workflow: id.to_string() }).await.unwrap_err();
        assert_ne!(again.code, ErrorCode::PlanStale, "{what}: {again:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_file_that_is_gone_makes_the_plan_stale() {
    let world = rich().await;
    let id = approved(&world).await;
    fs::remove_file(world.project().join("local.env")).unwrap();
    let error = world.run(&id, "k1").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PlanStale, "{error:#?}");
    let told = format!("{} {:?}", error.message, error.causes);
    assert!(told.contains("local.env"), "{told}");
    assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_drift() {
    let world = World::with(|root| {
        let second = root.with_file_name("second").display().to_string();
        edit(
            root,
            REGISTRY,
            "projects:\n",
            &format!("projects:\n  second:\n    tenant: default\n    root: {second}\n    families: [build_test]\n"),
        );
    })
    .await;
    let table: [(&str, &str, &str, &str); 8] = [
        ("a comment in the contracts", CONTRACTS, "pipelines:\n", "# Hello.\npipelines:\n"),
        ("a comment in the registry", REGISTRY, "tenants:\n", "# Hello.\ntenants:\n"),
        ("a comment in the rules", RULES, "version: 1\n", "version: 1 # Hello.\n"),
        ("another project's entry", REGISTRY, "  second:\n    tenant: default\n", "  second:\n    tenant: default\n    stack: [rust]\n"),
        ("a command more", RULES, "    - [npm, test]\n", "    - [npm, test]\n    - [deno, test]\n"),
        ("a larger quota", RULES, "project:  { active: 5 }", "project:  { active: 50 }"),
        ("a lower risk of another flag", RULES, "public_interface:     { risk: moderate", "public_interface:     { risk: low"),
        ("a longer time to vote", RULES, "moderate: { expires_h: 24", "moderate: { expires_h: 48"),
    ];
    for (what, file, from, to) in table {
        println!("{what}");
        let id = approved(&world).await;
        world.edit(file, from, to);
        world.activate().await;
        let planned = world.ask("alice", GetWorkflow { workflow: id.to_string() }).await.unwrap().plan.rules;
        let accepted = world.run(&id, "k1").await.unwrap_or_else(|error| panic!("{what}: {error:#?}"));
        assert_eq!((accepted.created, accepted.base_lag), (true, 0), "{what}");
        // Both revisions are on record: the one that was planned under, and the one that admitted.
        let decisions = world.ask("alice", Explain { id: id.to_string() }).await.unwrap().decisions;
        let admitted = decisions.iter().find(|stored| stored.decision.entry.as_str() == "admit").unwrap();
        assert_eq!(admitted.rules_revision, planned.revision + 1, "{what}");
        world.ask("alice", Cancel { id: id.to_string(), reason: None }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_ask_for_less_are_no_drift() {
    let world = World::with(|root| edit(root, RULES, "{ tech_lead: 1", "{ tech_lead: 2")).await;
    let low = world.approved("./build.sh").await.workflow.id;
    let flagged = Plan { flags: vec!["security_sensitive".parse().unwrap()], ..plan("./build.sh") };
    let elevated = world.ask("alice", flagged).await.unwrap().workflow.id;
    for who in ["bob", "erin", "carol"] {
        if who == "erin" {
            world.edit("config/operators.yaml", "operators:\n", "operators:\n  erin: {roles: [tech_lead], unix_users: [erin]}\n");
            world.activate().await;
        }
        let cards = world.ask(who, GetApprovals { of: Some(elevated.to_string()) }).await.unwrap().cards;
        let card = cards.into_iter().rfind(|card| card.token.is_some()).unwrap();
        let vote = Approve { request: card.request.id.to_string(), token: card.token.unwrap(), role: None };
        world.ask(who, vote).await.unwrap();
    }
    assert_eq!(world.status(&elevated).await.workflow.state, WorkflowState::Approved);
    world.edit(RULES, "{ tech_lead: 2", "{ tech_lead: 1");
    world.edit(RULES, "build_test:           { risk: low }", "build_test:           { risk: low, low_needs_approval: false }");
    world.activate().await;
    for id in [low, elevated] {
        assert!(world.run(&id, "k1").await.unwrap().created);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_moved_on_is_no_drift_and_the_planned_commit_runs() {
    let mut world = World::new().await;
    let id = world.approved("./build.sh").await.workflow.id;
    let planned = git(&world.project(), &["rev-parse", "HEAD"]);
    world.commit("build.sh", "#!/bin/sh\nexit 1\n");
    world.commit("src/more.txt", "more\n");
    world.drive();
    let accepted = world.run(&id, "k1").await.unwrap();
    assert_eq!((accepted.created, accepted.base_lag), (true, 2));
    let status = world.settled(&id).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:#?}", status.execution);
    assert_eq!(world.ask("alice", GetWorkflow { workflow: id.to_string() }).await.unwrap().plan.base.commit, planned);
    assert!(world.history(&id).await.contains(&"execution_created".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_commit_that_is_gone_stops_the_run() {
    type Deed = fn(&World);
    let table: [(&str, Deed); 3] = [
        ("amended", |world| drop(git(&world.project(), &["commit", "-q", "--amend", "-m", "Another start"]))),
        ("reset", |world| {
            git(&world.project(), &["checkout", "-q", "--orphan", "fresh"]);
            git(&world.project(), &["commit", "-qm", "Fresh"]);
            git(&world.project(), &["branch", "-f", "main", "fresh"]);
        }),
        ("the branch was removed", |world| {
            git(&world.project(), &["checkout", "-qb", "trunk"]);
            git(&world.project(), &["branch", "-D", "main"]);
        }),
    ];
    for (what, deed) in table {
        println!("{what}");
        let world = World::new().await;
        let id = world.approved("./build.sh").await.workflow.id;
        deed(&world);
        let error = world.run(&id, "k1").await.expect_err(what);
        assert_eq!(error.code, ErrorCode::BaseCommitGone, "{what}: {error:#?}");
        assert!(error.message.contains("main"), "{what}: {}", error.message);
        assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Stale, "{what}");
        let event = newest_event(&world).await;
        assert_eq!(event.body["code"].as_str(), Some("base-commit-gone"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stricter_rules_make_the_plan_stale_and_say_which() {
    let table = [
        ("two persons", RULES, "{ tech_lead: 1", "{ tech_lead: 2", "risk-approval", "approvals"),
        ("a group more", RULES, "{ tech_lead: 1", "{ operator: 1, tech_lead: 1", "risk-approval", "approvals"),
        (
            "a flag of higher risk",
            RULES,
            "large_change:         { risk: moderate",
            "large_change:         { risk: elevated",
            "flag-risk",
            "assess",
        ),
        (
            "a family of higher risk",
            RULES,
            "build_test:           { risk: low }",
            "build_test:           { risk: elevated }",
            "family-risk",
            "assess",
        ),
        (
            "a command off the list",
            RULES,
            "  - { project: demo, family: build_test, argv: [./build.sh] }\n",
            "",
            "command-not-allowed",
            "command",
        ),
    ];
    let world = World::new().await;
    for (what, file, from, to, code, script) in table {
        println!("{what}");
        let kept = fs::read_to_string(world.root().join(file)).unwrap();
        let id = approved(&world).await;
        world.edit(file, from, to);
        world.activate().await;
        let error = world.run(&id, "k1").await.expect_err(what);
        assert_eq!(error.code, ErrorCode::PlanStale, "{what}: {error:#?}");
        let reason = error.reasons.iter().find(|reason| reason.code.as_str() == code).unwrap_or_else(|| panic!("{what}: {error:#?}"));
        let at = reason.at.clone().unwrap();
        assert_eq!(at.file, format!("policies/lib/{script}.rhai"), "{what}");
        assert!(at.line > 0 && at.column > 0, "{what}: {at}");
        assert_eq!(world.status(&id).await.workflow.state, WorkflowState::Stale, "{what}");
        world.ask("alice", Withdraw { workflow: id.to_string(), reason: None }).await.unwrap();
        replace(&world.root().join(file), &kept);
        world.activate().await;
    }
}
