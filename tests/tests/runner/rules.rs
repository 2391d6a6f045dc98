//! The rules under a running engine: what is saved becomes a candidate, what is in order and agreed to comes into force, nothing else does.

use std::fs;
use std::path::Path;

use orc_config::RootSnapshot;
use orc_config::lock::relock;
use orc_domain::api::*;
use orc_domain::states::WorkflowState;
use orc_domain::*;
use orc_tests::{World, edit, own, peer, plan, replace};

use crate::evidence::{newest_event, refused};

const RULES: &str = "policies/data/rules.yaml";
const CONTRACTS: &str = "config/phase-contracts.yaml";
const ORC: &str = "config/orc.yaml";
const LOCK: &str = "config/guests.lock";
const CASE: &str = "policies/tests/plan/build-needs-an-operator.yaml";
const LAST_COMMAND: &str = "argv: [./work.sh] }\n";
const DEPLOY_TOO: &str = "argv: [./work.sh] }\n  - { project: demo, family: build_test, argv: [./deploy.sh] }\n";

async fn single_user() -> World {
    World::with(|root| edit(root, ORC, "trust: team", "trust: single_user")).await
}

async fn rules(world: &World) -> RulesStatus {
    world.engine.scan_root().await.unwrap();
    world.ask("alice", GetOverview {}).await.unwrap().rules
}

/// Whether `./deploy.sh` can be planned: it is on no list at first.
async fn deploys(world: &World) -> bool {
    match world.plan("./deploy.sh").await {
        Ok(planned) => {
            world.ask("alice", Withdraw { workflow: planned.workflow.id.to_string(), reason: None }).await.unwrap();
            true
        }
        Err(error) => {
            assert_eq!(error.code, ErrorCode::PolicyDenied, "{error:#?}");
            false
        }
    }
}

async fn propose(world: &World, who: &str, digest: Option<Digest>) -> Result<RulesStatus, OrcError> {
    world.ask(who, RulesActivate { digest }).await
}

/// Puts the folders of a root back as they were.
fn restore(root: &Path, content: &RootSnapshot) {
    for folder in ["config", "policies", "phases"] {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
    }
    for (path, bytes) in &content.files {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_rules_decide_the_next_plan_without_a_restart() {
    let mut world = World::new().await;
    world.drive();
    let before = world.plan("./build.sh").await.unwrap();
    assert_eq!(before.approval_requests[0].quorum, 1);
    assert!(!deploys(&world).await);

    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    world.edit(RULES, "low:      { expires_h: 24, groups: { operator: 1 } }", "low:      { expires_h: 24, groups: { operator: 2 } }");
    // Saved is not in force.
    assert!(!deploys(&world).await);
    let candidate = rules(&world).await.candidate.unwrap();
    assert_eq!((candidate.changes, candidate.problems), (vec![format!("~ {RULES}")], vec![]));

    let status = world.activate().await;
    assert_eq!(status.active.revision, 2);
    assert!(deploys(&world).await);
    assert_eq!(world.plan("./build.sh").await.unwrap().approval_requests[0].quorum, 2);
    let kinds: Vec<String> = {
        let audit = world.ask("adam", GetAudit { workflow: None, limit: 0 }).await.unwrap();
        let rules = audit.events.into_iter().map(|event| event.kind.to_string()).filter(|kind| kind.starts_with("rules_"));
        rules.collect()
    };
    assert_eq!(kinds, ["rules_activated", "rules_candidate", "rules_proposed", "rules_activated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_s_rules_come_into_force_by_themselves() {
    let mut world = single_user().await;
    world.drive();
    assert!(!deploys(&world).await);
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    assert!(deploys(&world).await);
    let status = rules(&world).await;
    assert_eq!((status.active.revision, status.candidate), (2, None));
    assert_eq!(status.active.activated_by, operators::Actor::System);
    world.edit(RULES, DEPLOY_TOO, LAST_COMMAND);
    assert!(!deploys(&world).await);
    assert_eq!(rules(&world).await.active.revision, 3);
}

type Deed = Box<dyn Fn(&World)>;

fn edited(file: &'static str, from: &'static str, to: &'static str) -> Deed {
    Box::new(move |world| world.edit(file, from, to))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_order_never_comes_into_force() {
    let component = "phases/guests/workspace-clean.wasm";
    // What was done, how, the file that the problem stands in, whether it has a line, and what the message has.
    let table: Vec<(&str, Deed, &str, bool, &str)> = vec![
        ("no YAML", edited(RULES, "version: 1\n", "version: [1\n"), RULES, true, ""),
        ("an unknown key of the rules", edited(RULES, "sole_operator:\n", "soul_operator:\n"), RULES, true, "soul_operator"),
        ("an unknown key of the settings", edited(ORC, "admin_group: admin", "admin_gruop: admin"), ORC, true, "admin_gruop"),
        ("a group that does not exist", edited(RULES, "groups: { operator: 1 }", "groups: { operatr: 1 }"), RULES, true, "operatr"),
        (
            "no Rhai",
            edited("policies/plan.rhai", "command::allowed(input, data, out);", "command::allowed(input, data, out"),
            "policies/plan.rhai",
            true,
            "",
        ),
        (
            "an unknown function",
            edited("policies/plan.rhai", "command::allowed(", "command::alowed("),
            "policies/plan.rhai",
            true,
            "alowed",
        ),
        ("a case that fails", edited(CASE, "groups: { operator: 1 }", "groups: { operator: 2 }"), CASE, false, "fails"),
        (
            "rules that their cases do not let pass",
            edited("policies/lib/limits.rhai", "input.project.active >= ", "input.project.active > "),
            "policies/tests/plan/project-quota-full.yaml",
            false,
            "fails",
        ),
        (
            "two gates that took each other's component",
            Box::new(|world| {
                let [a, b] = ["diff-budget", "workspace-clean"].map(|name| world.root().join(format!("phases/guests/{name}.wasm")));
                let (first, second) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
                fs::write(a, second).unwrap();
                fs::write(b, first).unwrap();
                let lock = relock(&RootSnapshot::read(&world.root()).unwrap(), None).unwrap();
                replace(&world.root().join(LOCK), &lock.text);
            }),
            component,
            false,
            "calls itself `diff-budget",
        ),
        (
            "a guest that does not exist",
            edited(CONTRACTS, "- guest: workspace-clean", "- guest: workspace-claen"),
            CONTRACTS,
            true,
            "workspace-claen",
        ),
        (
            "a setting that the guest has not",
            edited(CONTRACTS, "mode: advisory\n", "mode: advisory\n        settings: {max_flies: 1}\n"),
            CONTRACTS,
            true,
            "max_flies",
        ),
        (
            "a setting that the guest refuses",
            edited(CONTRACTS, "mode: advisory\n", "mode: advisory\n        settings: {max_files: -1}\n"),
            "phases/guests/diff-budget.wasm",
            false,
            "diff-budget",
        ),
        (
            "another digest in the lock",
            Box::new(|world| {
                let lock = fs::read_to_string(world.root().join(LOCK)).unwrap();
                let at = lock.find("module: sha256:").unwrap() + "module: sha256:".len();
                let other = if lock[at..].starts_with('0') { "1" } else { "0" };
                replace(&world.root().join(LOCK), &format!("{}{other}{}", &lock[..at], &lock[at + 1..]));
            }),
            LOCK,
            true,
            "is not the pinned module",
        ),
        (
            "a changed component",
            Box::new(move |world| {
                let file = world.root().join(component);
                let bytes = [fs::read(&file).unwrap().as_slice(), &[0, 2, 1, b'x']].concat();
                fs::write(file, bytes).unwrap();
            }),
            LOCK,
            true,
            "is not the pinned module",
        ),
        (
            "a component that is none",
            Box::new(move |world| {
                fs::write(world.root().join(component), b"nonsense").unwrap();
                let lock = relock(&RootSnapshot::read(&world.root()).unwrap(), None).unwrap();
                replace(&world.root().join(LOCK), &lock.text);
            }),
            component,
            false,
            "does not load",
        ),
        ("a component that is gone", Box::new(move |world| fs::remove_file(world.root().join(component)).unwrap()), LOCK, true, component),
        (
            "a schema that is gone",
            Box::new(|world| fs::remove_file(world.root().join("phases/schemas/verify.json")).unwrap()),
            CONTRACTS,
            true,
            "verify.json",
        ),
        (
            "operators that are gone",
            Box::new(|world| fs::remove_file(world.root().join("config/operators.yaml")).unwrap()),
            "config/operators.yaml",
            false,
            "",
        ),
        ("an empty file", Box::new(|world| fs::write(world.root().join(RULES), "").unwrap()), RULES, false, ""),
        ("a file that is no text", Box::new(|world| fs::write(world.root().join(ORC), [0xff, 0xfe, 0]).unwrap()), ORC, false, ""),
        (
            "a symbolic link",
            Box::new(|world| std::os::unix::fs::symlink("/etc/passwd", world.root().join("config/link.yaml")).unwrap()),
            "the root",
            false,
            "symbolic link",
        ),
    ];
    let mut world = World::new().await;
    world.drive();
    let good = RootSnapshot::read(&world.root()).unwrap();
    for (what, deed, file, located, text) in table {
        println!("{what}");
        deed(&world);
        let status = rules(&world).await;
        assert_eq!(status.active.revision, 1, "{what}");
        let problems = status.candidate.unwrap_or_else(|| panic!("{what}: no candidate")).problems;
        let problem = problems.iter().find(|problem| problem.at.file == file && problem.message.contains(text));
        let problem = problem.unwrap_or_else(|| panic!("{what}: {problems:#?}"));
        assert!(!located || (problem.at.line > 0 && problem.at.column > 0), "{what}: {problem:#?}");
        assert_eq!(newest_event(&world).await.kind.as_str(), "rules_refused", "{what}");
        // The old ones decide as before, and nobody can put these into force.
        assert!(!deploys(&world).await, "{what}");
        world.plan("./build.sh").await.unwrap();
        let error = refused(&world, Some("adam"), ("intent_denied", "config-invalid"), propose(&world, "adam", None)).await;
        assert!(error.causes.iter().any(|cause| cause.starts_with(&problem.at.to_string())), "{what}: {error:#?}");
        restore(&world.root(), &good);
        assert_eq!(rules(&world).await.candidate, None, "{what}");
        for waiting in world
            .ask("alice", ListWorkflows { state: Some(WorkflowState::AwaitingApproval), ..ListWorkflows::default() })
            .await
            .unwrap()
            .workflows
        {
            world.ask("alice", Withdraw { workflow: waiting.id.to_string(), reason: None }).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mended_rules_come_into_force() {
    for world in [World::new().await, single_user().await] {
        world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
        world.edit(RULES, "version: 1\n", "version: [1\n");
        assert!(!deploys(&world).await);
        assert!(!rules(&world).await.candidate.unwrap().problems.is_empty());
        world.edit(RULES, "version: [1\n", "version: 1\n");
        let trust = world.ask("alice", GetOverview {}).await.unwrap().host.trust;
        if trust == "team" {
            assert_eq!(rules(&world).await.candidate.unwrap().problems, []);
            world.activate().await;
        }
        assert!(deploys(&world).await, "{trust}");
        assert_eq!(rules(&world).await.active.revision, 2, "{trust}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_saved_file_never_decides() {
    let world = single_user().await;
    let file = world.root().join(RULES);
    let whole = fs::read_to_string(&file).unwrap().replace(LAST_COMMAND, DEPLOY_TOO);
    // In place, as no editor should: cut in the middle of a word, of a line, of a list, at nothing.
    let cuts = [
        whole.find("approvals:").unwrap() + 4,
        whole.find("{ tech_lead: 1, security").unwrap() + 9,
        whole.find("    - [npm, test]").unwrap() + 8,
        0,
    ];
    for cut in cuts {
        fs::write(&file, &whole[..cut]).unwrap();
        let status = rules(&world).await;
        assert_eq!(status.active.revision, 1, "cut at {cut}");
        assert!(!status.candidate.unwrap().problems.is_empty(), "cut at {cut}");
        assert!(!deploys(&world).await, "cut at {cut}");
    }
    fs::write(&file, &whole).unwrap();
    assert!(deploys(&world).await);
    assert_eq!(rules(&world).await.active.revision, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_s_rules_need_two_admins() {
    let world = World::new().await;
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    for who in ["alice", "bob", "dave"] {
        refused(&world, Some(who), ("intent_denied", "not-permitted"), propose(&world, who, None)).await;
    }
    let digest = rules(&world).await.candidate.unwrap().digest;
    let other = Some(Digest::of(b"something else"));
    refused(&world, Some("adam"), ("intent_denied", "candidate-changed"), propose(&world, "adam", other)).await;
    refused(&world, Some("adam"), ("intent_denied", "invalid-request"), propose(&world, "adam", None)).await;
    for _ in 0..2 {
        let status = propose(&world, "adam", digest).await.unwrap();
        assert_eq!(status.active.revision, 1);
        assert_eq!(status.candidate.unwrap().proposed_by.unwrap().as_str(), "adam");
        assert!(!deploys(&world).await);
    }
    // A proposal outlives its host.
    let world = world.reopen().await;
    assert_eq!(rules(&world).await.candidate.unwrap().proposed_by.unwrap().as_str(), "adam");
    let status = propose(&world, "anna", digest).await.unwrap();
    assert_eq!((status.active.revision, status.active.digest, status.candidate), (2, digest.unwrap(), None));
    assert_eq!(status.active.activated_by.operator().unwrap().as_str(), "anna");
    assert!(deploys(&world).await);
    // With nothing to activate, nothing happens, but nobody is told so who means something else.
    for in_force in [None, digest] {
        assert_eq!(propose(&world, "adam", in_force).await.unwrap().active.revision, 2);
    }
    refused(&world, Some("adam"), ("intent_denied", "candidate-changed"), propose(&world, "adam", other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_activates_what_another_has_not_seen() {
    let world = World::new().await;
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    let seen = rules(&world).await.candidate.unwrap().digest;
    propose(&world, "adam", seen).await.unwrap();
    world.edit(RULES, "planned_per_hour: 60", "planned_per_hour: 61");
    let error = refused(&world, Some("anna"), ("intent_denied", "candidate-changed"), propose(&world, "anna", seen)).await;
    assert!(!error.message.contains(&seen.unwrap().to_string()));
    // Who names nothing agrees to nothing, neither to what adam proposed nor to what is there now.
    let error = refused(&world, Some("anna"), ("intent_denied", "invalid-request"), propose(&world, "anna", None)).await;
    let now = rules(&world).await.candidate.unwrap();
    assert_eq!(now.proposed_by, None, "what adam agreed to is not there any more");
    let hint = error.hint.unwrap();
    assert!(hint.contains("orcctl rules diff") && hint.contains(&format!("--digest {}", now.digest.unwrap())), "{hint}");
    let status = propose(&world, "anna", now.digest).await.unwrap();
    assert_eq!(status.active.revision, 1);
    let candidate = status.candidate.unwrap();
    assert_eq!(candidate.proposed_by.unwrap().as_str(), "anna");
    assert!(!deploys(&world).await);
    assert_eq!(propose(&world, "adam", candidate.digest).await.unwrap().active.revision, 2);
    assert!(deploys(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_cannot_trust_itself() {
    let world = World::new().await;
    world.edit(ORC, "trust: team", "trust: single_user");
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    assert!(!deploys(&world).await);
    let digest = rules(&world).await.candidate.unwrap().digest;
    assert_eq!(propose(&world, "adam", digest).await.unwrap().active.revision, 1);
    let world = world.reopen().await;
    assert!(!deploys(&world).await);
    let owner = orc_engine::Peer { owns_state: true, ..peer(Some("root")) };
    let asserted = world.ask_from(owner.clone(), Some("anna"), None, RulesActivate { digest }).await.unwrap_err();
    assert_eq!(asserted.code, ErrorCode::OperatorNotBound);
    assert_eq!(propose(&world, "anna", digest).await.unwrap().active.revision, 2);
    assert!(deploys(&world).await);
    // Now it is one person's: the owner may name anybody, and what is saved is in force. Even that it is a team's again.
    world.ask_from(owner.clone(), Some("anna"), None, WhoAmI {}).await.unwrap();
    world.edit(ORC, "trust: single_user", "trust: team");
    assert_eq!(rules(&world).await.active.revision, 3);
    world.edit(RULES, DEPLOY_TOO, LAST_COMMAND);
    assert!(deploys(&world).await);
    assert_eq!(world.ask_from(owner, Some("anna"), None, WhoAmI {}).await.unwrap_err().code, ErrorCode::OperatorNotBound);
}

/// Who agrees to a candidate or to a rollback sees what is in the files, not only which files.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_inside_the_files_is_shown_before_it_is_agreed_to() {
    let world = World::new().await;
    let ask = |from, to| world.ask("anna", GetRulesDiff { from, to });
    assert_eq!(ask(None, None).await.unwrap().files, []);
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    world.edit(CASE, "about: a build", "about: any build");
    let status = rules(&world).await;
    assert_eq!(status.next[0].command, "orcctl rules diff");
    let candidate = status.candidate.unwrap().digest.unwrap();
    let shown = ask(None, None).await.unwrap();
    assert_eq!((shown.from.revision, shown.to.revision, shown.to.digest), (Some(1), None, candidate));
    assert_eq!(
        shown.next.iter().map(|step| step.command.clone()).collect::<Vec<_>>(),
        [format!("orcctl rules activate --digest {candidate}")]
    );
    assert_eq!(shown.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), [RULES, CASE]);
    let inside = shown.files[0].diff.as_ref().unwrap().raw();
    let changed: Vec<&str> = inside.lines().skip(2).filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(changed, ["+  - { project: demo, family: build_test, argv: [./deploy.sh] }"], "{inside}");

    world.activate().await;
    let back = ask(None, Some(1)).await.unwrap();
    assert_eq!((back.from.revision, back.to.revision), (Some(2), Some(1)));
    assert_eq!(back.next[0].command, "orcctl rules rollback 1");
    assert!(back.files[0].diff.as_ref().unwrap().raw().contains("\n-  - { project: demo, family: build_test, argv: [./deploy.sh] }\n"));
    assert_eq!(ask(Some(1), Some(2)).await.unwrap().files[0].diff, shown.files[0].diff);
    assert_eq!(ask(Some(1), Some(9)).await.unwrap_err().code, ErrorCode::NotFound);
    // Content that is not in order can be looked at as well, and not agreed to.
    world.edit(RULES, "version: 1", "versoin: 1");
    rules(&world).await;
    let broken = ask(None, None).await.unwrap();
    assert!(broken.files[0].diff.is_some() && broken.next.iter().all(|step| !step.command.contains("activate")), "{broken:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_stays_back() {
    let world = single_user().await;
    let first = rules(&world).await.active;
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    let second = rules(&world).await.active;
    assert_eq!(second.revision, 2);
    refused(&world, Some("bob"), ("intent_denied", "not-permitted"), world.ask("bob", RulesRollback { revision: 1 })).await;
    for revision in [0, 3] {
        refused(&world, Some("adam"), ("intent_denied", "not-found"), world.ask("adam", RulesRollback { revision })).await;
    }
    let status = world.ask("adam", RulesRollback { revision: 1 }).await.unwrap();
    assert_eq!((status.active.revision, status.active.digest), (3, first.digest));
    assert_eq!(status.rollbacks, []);
    assert_eq!(status.history.iter().map(|row| row.revision).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(status.history[1], second);
    // The root still has what was taken back, and no look at it brings it back, nor a second rollback, another host or an admin's word.
    stays_back(&world, &second).await;
    // Nor a root that cannot be read for a moment.
    let (config, aside) = (world.root().join("config"), world.dir.path().join("aside"));
    std::fs::rename(&config, &aside).unwrap();
    world.engine.scan_root().await.unwrap();
    std::fs::rename(&aside, &config).unwrap();
    stays_back(&world, &second).await;
    world.ask("adam", RulesRollback { revision: 1 }).await.unwrap();
    stays_back(&world, &second).await;
    let world = world.reopen().await;
    stays_back(&world, &second).await;
    refused(&world, Some("adam"), ("intent_denied", "config-invalid"), propose(&world, "adam", Some(second.digest))).await;
    // Somebody wants it after all; or saves something else.
    let status = world.ask("adam", RulesRollback { revision: 2 }).await.unwrap();
    assert_eq!((status.active.digest, status.candidate), (second.digest, None));
    assert!(deploys(&world).await);
    world.ask("adam", RulesRollback { revision: 1 }).await.unwrap();
    assert!(!deploys(&world).await);
    world.edit(RULES, "planned_per_hour: 60", "planned_per_hour: 61");
    assert!(deploys(&world).await);
}

async fn stays_back(world: &World, taken: &RulesRevisionView) {
    assert!(!deploys(world).await);
    let candidate = rules(world).await.candidate.unwrap();
    assert_eq!(candidate.digest, Some(taken.digest));
    assert!(candidate.problems[0].message.contains("rolled back"), "{candidate:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_rolls_back_as_it_activates() {
    let world = World::new().await;
    let first = rules(&world).await.active;
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    let second = world.activate().await.active;
    let rollback = |who: &'static str| world.ask(who, RulesRollback { revision: 1 });
    for _ in 0..2 {
        let proposed = rollback("adam").await.unwrap();
        assert_eq!(proposed.active, second);
        // Who agreed to what is in the answer and on every page of the rules, with what a second admin may do, however often one agrees.
        for status in [proposed, rules(&world).await] {
            let agreed: Vec<(u64, &str)> = status.rollbacks.iter().map(|one| (one.revision, one.by.as_str())).collect();
            assert_eq!(agreed, [(1, "adam")]);
            let next: Vec<&str> = status.next.iter().map(|step| step.command.as_str()).collect();
            assert_eq!(next, ["orcctl rules diff --to 1", "orcctl rules rollback 1"]);
        }
        assert!(deploys(&world).await);
    }
    refused(&world, Some("bob"), ("intent_denied", "not-permitted"), rollback("bob")).await;
    let status = rollback("anna").await.unwrap();
    assert_eq!((status.active.revision, status.active.digest), (3, first.digest));
    stays_back(&world, &second).await;
    // What was agreed to is used up: another time, it takes two again.
    restore_one(&world, DEPLOY_TOO, LAST_COMMAND).await;
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    world.edit(RULES, "planned_per_hour: 60", "planned_per_hour: 61");
    let third = world.activate().await.active;
    assert_eq!(rollback("anna").await.unwrap().active, third);
    assert!(deploys(&world).await);
    // And to one revision is not to another.
    assert_eq!(world.ask("adam", RulesRollback { revision: 2 }).await.unwrap().active, third);
    assert_eq!(rollback("adam").await.unwrap().active.digest, first.digest);
}

/// The root is what is in force again.
async fn restore_one(world: &World, from: &str, to: &str) {
    world.edit(RULES, from, to);
    assert_eq!(rules(world).await.candidate, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_of_another_installation_is_refused() {
    for world in [World::new().await, single_user().await] {
        let good = RootSnapshot::read(&world.root()).unwrap();
        let ours = world.ask("alice", GetOverview {}).await.unwrap().host.installation;
        let foreign = InstallationId::generate(world.ids.as_ref());
        world.edit(ORC, ours.as_str(), foreign.as_str());
        world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
        // A host that runs goes on with what it has, and says so.
        assert!(!deploys(&world).await);
        let status = rules(&world).await;
        let problem = &status.candidate.unwrap().problems[0];
        assert_eq!((status.active.revision, problem.at.file.as_str()), (1, ORC));
        assert!(problem.message.contains(ours.as_str()) && problem.message.contains(foreign.as_str()), "{problem:#?}");
        assert_eq!(propose(&world, "adam", None).await.unwrap_err().code, ErrorCode::ConfigInvalid);
        restore(&world.root(), &good);
        assert_eq!(rules(&world).await.candidate, None);
        // One that starts does not.
        world.edit(ORC, ours.as_str(), foreign.as_str());
        let closed = world.close().await;
        let error = own(closed.dir.path(), &closed.clock, &closed.ids).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::WrongInstallation, "{error:#?}");
        assert!(error.message.contains(ours.as_str()) && error.message.contains(foreign.as_str()), "{error:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_gone_keeps_the_last_good_rules() {
    let mut world = World::new().await;
    world.drive();
    world.edit(RULES, LAST_COMMAND, DEPLOY_TOO);
    let digest = rules(&world).await.candidate.unwrap().digest;
    let away = world.dir.path().join("away");
    type Deed = fn(&Path);
    let states: [(&str, Deed); 4] = [
        ("missing", |_| {}),
        ("empty", |root| fs::create_dir(root).unwrap()),
        ("an empty config", |root| fs::create_dir_all(root.join("config")).unwrap()),
        ("a file", |root| fs::write(root, "").unwrap()),
    ];
    for (what, deed) in states {
        println!("{what}");
        fs::rename(world.root(), &away).unwrap();
        deed(&world.root());
        let status = rules(&world).await;
        assert_eq!(status.active.revision, 1, "{what}");
        assert!(!status.candidate.unwrap().problems.is_empty(), "{what}");
        assert!(!deploys(&world).await, "{what}");
        let planned = world.plan("./build.sh").await.unwrap();
        world.ask("alice", Withdraw { workflow: planned.workflow.id.to_string(), reason: None }).await.unwrap();
        assert_eq!(propose(&world, "adam", None).await.unwrap_err().code, ErrorCode::ConfigInvalid, "{what}");
        if world.root().is_dir() {
            fs::remove_dir_all(world.root()).unwrap();
        } else if world.root().exists() {
            fs::remove_file(world.root()).unwrap();
        }
        fs::rename(&away, world.root()).unwrap();
        let candidate = rules(&world).await.candidate.unwrap();
        assert_eq!((candidate.digest, candidate.problems), (digest, vec![]), "{what}");
    }
    fs::rename(world.root(), &away).unwrap();
    let world = world.reopen().await;
    assert!(!deploys(&world).await);
    assert_eq!(world.ask("alice", plan("./build.sh")).await.unwrap().workflow.state, WorkflowState::AwaitingApproval);
    fs::rename(&away, world.root()).unwrap();
    world.activate().await;
    assert!(deploys(&world).await);
}
