//! A database in a directory of its own, and the smallest rows that the schema takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use orc_domain::api::StoredDecision;
use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::decision::*;
use orc_domain::operators::{Actor, Proof};
use orc_domain::plan::*;
use orc_domain::project::{ProjectEntry, ProjectLaunch};
use orc_domain::risk::{CommandFamily, RiskAssessment, RiskClass};
use orc_domain::*;
use orc_store::*;
use serde_json::json;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) fn id<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn alice() -> Actor {
    Actor::Operator { name: id("alice"), proof: Proof::UnixPeer, uid: Some(1000) }
}

pub(crate) struct TestDb {
    dir: tempfile::TempDir,
}

impl TestDb {
    /// A directory without a database.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A new database that nobody owns.
    pub(crate) fn new() -> Self {
        let db = Self::empty();
        create(&db.path(), &id("in_test"), "a root", NOW).unwrap();
        db
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("orc.db")
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn open(&self) -> Store {
        Store::open_owner(Ownership::take(&self.path()).unwrap(), NOW).unwrap()
    }

    /// A connection that knows nothing of ORC's profile: what somebody with the file can do.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

pub(crate) fn event(text: &str) -> NewEvent {
    let subject = Subject { workflow: Some(id("wf_one")), ..Subject::default() };
    NewEvent { kind: EventKind::IntentDenied, actor: alice(), subject, body: json!({ "text": text }) }
}

pub(crate) fn files() -> BTreeMap<String, Digest> {
    BTreeMap::from([("policies/plan.rhai".to_owned(), Digest::of(b"rules"))])
}

pub(crate) fn activate_rules(tx: &mut WriteTx<'_>) {
    tx.put_blob("text/plain", b"rules").unwrap();
    tx.activate_rules(&Digest::of(b"all"), &files(), &Actor::System).unwrap();
}

pub(crate) fn decision(name: &str, workflow: Option<&str>) -> StoredDecision {
    let risk = RiskAssessment { class: RiskClass::Low, reasons: Vec::new() };
    let input = decision_input();
    StoredDecision {
        id: id(name),
        workflow: workflow.map(id),
        rules_revision: 1,
        decision: Decision {
            entry: EntryPoint::Plan,
            input_digest: Digest::of_canonical(&input).unwrap(),
            denials: Vec::new(),
            risk,
            requires: Vec::new(),
            obligations: Vec::new(),
            warnings: Vec::new(),
            grants: Vec::new(),
            cost: EvaluationCost { operations: 7 },
        },
        input,
        at: NOW,
    }
}

fn decision_input() -> DecisionInput {
    DecisionInput {
        schema: 1,
        now_s: 1_700_000_000,
        hour: 22,
        weekday: 2,
        requesters: Vec::new(),
        operators: 3,
        tenant: TenantFacts { name: id("acme"), active: 0, planned_last_hour: 0 },
        project: ProjectFacts { name: id("flowry"), families: Vec::new(), stack: Vec::new(), owners: Vec::new(), active: 0 },
        family: CommandFamily::BuildTest,
        action: id("build"),
        argv: vec!["make".to_owned()],
        flags: BTreeMap::new(),
        metadata: BTreeMap::new(),
        pipeline: id("build_test"),
        phase: None,
        engine: None,
        freezes: Vec::new(),
        groups: BTreeMap::new(),
        diff: None,
        launch: None,
        approved_risk: None,
    }
}

pub(crate) fn plan_of(workflow: &str, revision: u32) -> PlanDocument {
    PlanDocument {
        schema: PLAN_SCHEMA.to_owned(),
        orc_version: "0.1.0".to_owned(),
        workflow: id(workflow),
        revision,
        requesters: vec![id("alice")],
        tenant: id("acme"),
        project: id("flowry"),
        project_entry: project_entry(),
        family: CommandFamily::BuildTest,
        action: id("build"),
        intent: PlannedIntent::Command { argv: vec!["make".to_owned()] },
        flags: BTreeMap::new(),
        metadata: BTreeMap::new(),
        worker: None,
        pipeline: id("build_test"),
        phases: Vec::new(),
        launch_grants: BTreeMap::new(),
        prepare: Vec::new(),
        copied: BTreeMap::new(),
        verify: Vec::new(),
        runbook: None,
        waivers: Vec::new(),
        memory_snapshot: None,
        budgets: Budgets::default(),
        risk: RiskAssessment { class: RiskClass::Moderate, reasons: Vec::new() },
        approvals: Vec::new(),
        base: BaseCommit { branch: "main".to_owned(), commit: "0".repeat(40) },
        rules: RulesPin { revision: 1, digest: Digest::of(b"all") },
    }
}

fn project_entry() -> ProjectEntry {
    ProjectEntry {
        tenant: id("acme"),
        root: "/srv/flowry".to_owned(),
        base: "main".to_owned(),
        stack: Vec::new(),
        owners: Vec::new(),
        engine: None,
        families: BTreeSet::from([CommandFamily::BuildTest]),
        prepare: Vec::new(),
        copy: Vec::new(),
        verify: Vec::new(),
        verification_paths: Vec::new(),
        path_rules: Vec::new(),
        launch: ProjectLaunch::default(),
        runbooks: BTreeMap::new(),
    }
}

/// A planned workflow of `requester`, with plan revision 1 and its decision.
pub(crate) fn insert_workflow(tx: &mut WriteTx<'_>, name: &str, requester: &str) -> Result<(), StoreError> {
    let suffix = name.trim_start_matches("wf_");
    tx.insert_workflow(&NewWorkflow {
        id: id(name),
        tenant: id("acme"),
        project: id("flowry"),
        family: CommandFamily::BuildTest,
        action: id("build"),
        title: Untrusted::new("make\u{1b}[31m"),
        requesters: BTreeSet::from([id(requester)]),
    })?;
    tx.insert_decision(&decision(&format!("de_{suffix}"), Some(name)))?;
    tx.insert_plan_revision(&plan_of(name, 1), &id(&format!("de_{suffix}")), None)?;
    Ok(())
}

pub(crate) fn request(name: &str, workflow: &str, group: &str) -> ApprovalRequestRow {
    ApprovalRequestRow {
        id: id(name),
        workflow: id(workflow),
        revision: 1,
        group: id(group),
        kind: RequirementKind::Approval,
        quorum: 1,
        state: states::ApprovalRequestState::Pending,
        reasons: Vec::new(),
        tree: None,
        created_at: NOW,
        expires_at: NOW.plus_seconds(3600),
    }
}

pub(crate) fn vote(request: &str, operator: &str, choice: api::Choice) -> VoteRow {
    VoteRow {
        request: id(request),
        operator: id(operator),
        role: id("lead"),
        choice,
        proof: Proof::UnixPeer,
        shown_digest: Digest::of(b"card"),
        token_digest: Digest::of(format!("{request} {operator}").as_bytes()),
        at: NOW,
        reason: None,
    }
}

pub(crate) fn execution(name: &str, workflow: &str, key: &str) -> NewExecution {
    NewExecution {
        id: id(name),
        workflow: id(workflow),
        revision: 1,
        idempotency_key: key.to_owned(),
        request_digest: Digest::of(b"run"),
        created_by: alice(),
    }
}

pub(crate) fn phase_run(name: &str, execution: &str, place: u32, phase: &str) -> NewPhaseRun {
    NewPhaseRun { id: id(name), execution: id(execution), place, phase: id(phase), attempts: 2 }
}

pub(crate) fn worker_run(name: &str, phase_run: &str) -> NewWorkerRun {
    let plan = json!({
        "purpose": "command: make", "argv": ["make"], "cwd": "/w",
        "grant": { "dirs": [], "env": {}, "network": "none", "limits": {}, "must": [] }
    });
    NewWorkerRun {
        id: id(name),
        phase_run: id(phase_run),
        attempt: 1,
        purpose: "command".to_owned(),
        plan: serde_json::from_value(plan).unwrap(),
    }
}

/// One row of each of the five machines: `wf_one`, `ap_one`, `ex_one`, `ph_one`, `wr_one`.
pub(crate) fn insert_one_of_each(tx: &mut WriteTx<'_>) {
    activate_rules(tx);
    insert_workflow(tx, "wf_one", "alice").unwrap();
    tx.insert_approval_request(&request("ap_one", "wf_one", "tech_lead")).unwrap();
    tx.insert_execution(&execution("ex_one", "wf_one", "key")).unwrap();
    tx.insert_phase_run(&phase_run("ph_one", "ex_one", 0, "verify")).unwrap();
    tx.insert_worker_run(&worker_run("wr_one", "ph_one")).unwrap();
}
