//! One workflow from plan to result, through everything that the engine reads on the way.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::api::*;
use orc_domain::operators::Actor;
use orc_domain::states::*;
use orc_domain::*;
use orc_store::*;
use serde_json::json;

use crate::support::*;
use crate::transitions::result;

fn on_store(work: impl FnOnce(&Store) -> Result<(), StoreError>) {
    let db = TestDb::new();
    work(&db.open()).unwrap();
}

fn filled(store: &Store) -> Result<(), StoreError> {
    store.write(NOW, |tx| {
        insert_one_of_each(tx);
        Ok(())
    })
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    on_store(|store| {
        filled(store)?;
        store.read(|tx| {
            let workflow = tx.workflow(&id("wf_one"))?;
            let hash = plan_of("wf_one", 1).hash().unwrap();
            assert_eq!((workflow.revision, workflow.state, workflow.plan_hash), (1, WorkflowState::Planned, hash));
            assert_eq!((workflow.risk, workflow.requesters.as_slice()), (risk::RiskClass::Moderate, &[id("alice")][..]));
            assert_eq!(workflow.title.raw(), "make\u{1b}[31m");
            assert_eq!(tx.plan_document(&hash)?, plan_of("wf_one", 1));
            assert_eq!(tx.decisions_of(&id("wf_one"))?, [decision("de_one", Some("wf_one"))]);
            assert_eq!(tx.decision(&id("de_one"))?, decision("de_one", Some("wf_one")));
            assert_eq!(tx.requests_of(&id("wf_one"), 1)?, [request("ap_one", "wf_one", "tech_lead")]);
            assert_eq!(tx.pending_requests()?.len(), 1);
            assert!(matches!(tx.workflow(&id("wf_none")), Err(StoreError::NotFound { .. })));
            Ok(())
        })
    });
}

#[test]
fn a_replan_is_a_new_revision_with_its_requesters_added() {
    on_store(|store| {
        filled(store)?;
        store.write(NOW.plus_seconds(5), |tx| {
            tx.apply_workflow(&id("wf_one"), WorkflowEvent::ApprovalRequested, &alice(), json!({}))?;
            tx.apply_workflow(&id("wf_one"), WorkflowEvent::Replanned, &alice(), json!({}))?;
            tx.insert_decision(&decision("de_two", Some("wf_one")))?;
            tx.insert_plan_revision(&plan_of("wf_one", 2), &id("de_two"), Some(NOW))?;
            tx.add_requesters(&id("wf_one"), &BTreeSet::from([id("alice"), id("bob")]))
        })?;
        store.read(|tx| {
            let workflow = tx.workflow(&id("wf_one"))?;
            assert_eq!((workflow.revision, workflow.plan_hash), (2, plan_of("wf_one", 2).hash().unwrap()));
            assert_eq!(workflow.requesters, [id("alice"), id("bob")]);
            assert_eq!((workflow.created_at, workflow.updated_at), (NOW, NOW.plus_seconds(5)));
            let revisions = tx.plan_revisions_of(&id("wf_one"))?;
            assert_eq!(revisions.iter().map(|row| (row.revision, row.expires_at)).collect::<Vec<_>>(), [(1, None), (2, Some(NOW))]);
            assert_eq!(tx.plan_revision(&id("wf_one"), 2)?, revisions[1]);
            assert_eq!(tx.requests_of(&id("wf_one"), 2)?, []);
            Ok(())
        })
    });
}

#[test]
fn votes_are_read_by_request() {
    on_store(|store| {
        filled(store)?;
        let yes = vote("ap_one", "bob", Choice::Approve);
        store.write(NOW, |tx| tx.insert_vote(&yes))?;
        store.read(|tx| {
            let votes = tx.votes_of(&[id("ap_one"), id("ap_none")])?;
            assert_eq!(votes, BTreeMap::from([(id("ap_one"), vec![yes.clone()])]));
            Ok(())
        })
    });
}

#[test]
fn an_execution_keeps_times_generation_and_the_first_cancel() {
    on_store(|store| {
        filled(store)?;
        let one = id("ex_one");
        store.write(Timestamp(10), |tx| tx.apply_execution(&one, ExecutionEvent::Started, &Actor::System, json!({})))?;
        store.write(Timestamp(20), |tx| tx.pause_execution(&one, PausedReason::Freeze, &Actor::System, json!(null)))?;
        let paused = store.read(|tx| tx.execution(&one))?;
        assert_eq!((paused.state, paused.paused), (ExecutionState::Paused, Some(PausedReason::Freeze)));
        store.write(Timestamp(30), |tx| tx.apply_execution(&one, ExecutionEvent::Resumed, &Actor::System, json!({})))?;
        let why = Untrusted::new("enough");
        assert!(store.write(Timestamp(40), |tx| tx.request_cancel(&one, &alice(), Some(&why)))?);
        assert!(!store.write(Timestamp(50), |tx| tx.request_cancel(&one, &Actor::System, None))?);
        store.read(|tx| {
            assert_eq!(tx.live_executions()?.len(), 1);
            assert_eq!(tx.executions_in(ExecutionState::Running)?.len(), 1);
            assert_eq!(tx.executions_in(ExecutionState::Queued)?.len(), 0);
            Ok::<_, StoreError>(())
        })?;
        store.write(Timestamp(60), |tx| tx.end_execution(&one, &result(ExecutionState::Cancelled), &alice(), json!({})))?;
        assert!(!store.write(Timestamp(70), |tx| tx.request_cancel(&one, &alice(), None))?, "too late");
        store.read(|tx| {
            let row = tx.execution_by_key(&id("wf_one"), "key")?.unwrap();
            assert_eq!((row.started_at, row.ended_at), (Some(Timestamp(10)), Some(Timestamp(60))));
            assert_eq!((row.cancel_requested_at, row.cancel_requested_by.clone()), (Some(Timestamp(40)), Some(alice())));
            assert_eq!((row.cancel_reason.clone(), row.generation, row.paused), (Some(why), 1, None));
            assert_eq!(tx.newest_execution_of(&id("wf_one"))?, Some(row.clone()));
            assert_eq!(tx.executions_of(&id("wf_one"))?, std::slice::from_ref(&row));
            assert_eq!(tx.live_executions()?, []);
            let view = ExecutionView::from(row);
            assert!(view.cancel_requested && view.result == Some(result(ExecutionState::Cancelled)));
            Ok(())
        })
    });
}

#[test]
fn phases_with_their_guests_and_launches() {
    on_store(|store| {
        filled(store)?;
        let (phase, worker) = (id("ph_one"), id("wr_one"));
        let guest = guest_result("gr_one", "fail");
        let reasons = [BlockReason { code: "command-failed".to_owned(), message: "no".into(), fix: None }];
        store.write(Timestamp(10), |tx| {
            tx.apply_phase_run(&phase, PhaseRunEvent::Started, &Actor::System, json!({}))?;
            tx.apply_phase_run(&phase, PhaseRunEvent::AttemptStarted, &Actor::System, json!({}))?;
            tx.set_phase_tree(&phase, Some("tree"))?;
            tx.set_phase_output(&phase, Some(&json!({ "a": [1, 2.5] })))?;
            tx.set_phase_reasons(&phase, &reasons)?;
            tx.insert_guest_result(&phase, &guest)?;
            tx.insert_phase_run(&phase_run("ph_two", "ex_one", 1, "review"))?;
            tx.apply_worker_run(&worker, WorkerRunEvent::Launching, &Actor::System, json!({}))?;
            tx.set_worker_pid(&worker, 4711)?;
            tx.set_worker_refused(&worker, "not here")?;
            tx.touch_worker_run(&worker)
        })?;
        store.read(|tx| {
            let phases = tx.phase_runs_of(&id("ex_one"))?;
            assert_eq!(phases.iter().map(|row| row.phase.as_str()).collect::<Vec<_>>(), ["verify", "review"]);
            let first = &phases[0];
            assert_eq!((first.state, first.attempt, first.attempts, first.started_at), (PhaseRunState::Running, 2, 2, Some(Timestamp(10))));
            assert_eq!((first.tree.as_deref(), &first.output), (Some("tree"), &Some(json!({ "a": [1, 2.5] }))));
            assert_eq!(first.reasons, reasons);
            assert_eq!(tx.current_phases(&[id("ex_one")])?, BTreeMap::from([(id("ex_one"), id("verify"))]));
            let ids: Vec<PhaseRunId> = phases.iter().map(|row| row.id.clone()).collect();
            assert_eq!(tx.guest_results_of(&ids)?, BTreeMap::from([(id("ph_one"), vec![guest.clone()])]));
            let runs = tx.worker_runs_of(&ids)?;
            let run = &runs[&id::<PhaseRunId>("ph_one")][0];
            assert_eq!((run.project.as_str(), run.workflow.as_str(), run.state), ("flowry", "wf_one", WorkerRunState::Launching));
            assert_eq!((run.refused.as_deref(), run.last_output_at), (Some("not here"), Some(Timestamp(10))));
            assert_eq!(tx.worker_runs(Some(&id("flowry")), 5)?, std::slice::from_ref(run));
            assert_eq!(tx.worker_runs(Some(&id("other")), 5)?, []);
            assert_eq!(tx.last_signs_of_life(&[id("ex_one")])?, BTreeMap::from([(id("ex_one"), Timestamp(10))]));
            Ok(())
        })
    });
}

fn guest_result(name: &str, outcome: &str) -> GuestResultView {
    GuestResultView {
        id: id(name),
        attempt: 1,
        position: contract::BindingPosition::PostGate,
        guest: id("diff-budget"),
        module: Digest::of(b"module"),
        mode: verdict::BindingMode::Blocking,
        outcome: outcome.to_owned(),
        verdict: Some(verdict::Verdict::Fail { report: verdict::Report::default() }),
        fault: None,
        detail: None,
        cost: ports::GuestCost::default(),
        at: NOW,
    }
}

#[test]
fn a_fault_is_never_stored_as_a_verdict() {
    on_store(|store| {
        filled(store)?;
        let fault = verdict::GuestFault { class: verdict::FaultClass::RunTrap, message: "trapped".to_owned() };
        let cases = [
            GuestResultView { fault: Some(fault.clone()), ..guest_result("gr_one", "pass") },
            GuestResultView { fault: Some(fault.clone()), ..guest_result("gr_one", "fault") },
            GuestResultView { verdict: None, ..guest_result("gr_one", "fault") },
            GuestResultView { verdict: None, ..guest_result("gr_one", "pass") },
            guest_result("gr_one", "maybe"),
        ];
        for case in cases {
            let outcome = store.write(NOW, |tx| tx.insert_guest_result(&id("ph_one"), &case));
            assert!(matches!(outcome, Err(StoreError::Constraint { .. })), "{case:?}");
        }
        let right = GuestResultView { verdict: None, fault: Some(fault), ..guest_result("gr_one", "fault") };
        store.write(NOW, |tx| tx.insert_guest_result(&id("ph_one"), &right))
    });
}

#[test]
fn a_new_owner_finds_what_the_old_one_left_running() {
    let db = TestDb::new();
    let old = db.open();
    filled(&old).unwrap();
    old.write(NOW, |tx| {
        tx.apply_worker_run(&id("wr_one"), WorkerRunEvent::Launching, &Actor::System, json!({}))?;
        tx.set_worker_pid(&id("wr_one"), 4711)
    })
    .unwrap();
    drop(old);

    let new = db.open();
    new.write(NOW, |tx| {
        tx.insert_worker_run(&worker_run("wr_two", "ph_one"))?;
        let left = tx.left_over_worker_runs(tx.generation())?;
        assert_eq!(left.iter().map(|run| (run.id.as_str(), run.pid, run.generation)).collect::<Vec<_>>(), [("wr_one", Some(4711), 1)]);
        assert_eq!(left[0].execution, id("ex_one"));
        tx.apply_worker_run(&id("wr_one"), WorkerRunEvent::Lost, &Actor::System, json!({}))?;
        assert_eq!(tx.left_over_worker_runs(tx.generation())?, []);
        tx.apply_execution(&id("ex_one"), ExecutionEvent::Started, &Actor::System, json!({}))?;
        assert_eq!(tx.execution(&id("ex_one"))?.generation, 2, "whoever writes its state owns it");
        Ok::<_, StoreError>(())
    })
    .unwrap();
}

#[test]
fn counts_that_quotas_and_overview_are_made_of() {
    on_store(|store| {
        store.write(NOW, |tx| {
            activate_rules(tx);
            for name in ["wf_a", "wf_b", "wf_c"] {
                insert_workflow(tx, name, "alice")?;
            }
            insert_workflow(tx, "wf_d", "bob")?;
            tx.apply_workflow(&id("wf_a"), WorkflowEvent::ApprovalRequested, &alice(), json!({}))?;
            tx.apply_workflow(&id("wf_b"), WorkflowEvent::ApprovalNotNeeded, &alice(), json!({}))?;
            tx.apply_workflow(&id("wf_c"), WorkflowEvent::Withdrawn, &alice(), json!({}))?;
            tx.apply_workflow(&id("wf_d"), WorkflowEvent::ApprovalNotNeeded, &alice(), json!({}))?;
            tx.apply_workflow(&id("wf_d"), WorkflowEvent::ExecutionStarted, &alice(), json!({}))?;
            Ok::<_, StoreError>(())
        })?;
        store.read(|tx| {
            let (acme, flowry) = (id("acme"), id("flowry"));
            let states = [WorkflowState::AwaitingApproval, WorkflowState::Approved, WorkflowState::Withdrawn, WorkflowState::Executing];
            assert_eq!(tx.workflow_counts()?, states.into_iter().map(|state| (state, 1)).collect());
            assert_eq!(tx.active_by_tenant()?, BTreeMap::from([(id("acme"), 2)]));
            assert_eq!(tx.active_of_tenant(&acme, None)?, 2);
            assert_eq!(tx.active_of_tenant(&acme, Some(&id("wf_a")))?, 1);
            assert_eq!(tx.active_of_project(&flowry, Some(&id("wf_b")))?, 2);
            assert_eq!(tx.active_of_project(&id("other"), None)?, 0);
            assert_eq!(tx.planned_since(&acme, NOW)?, 4);
            assert_eq!(tx.planned_since(&acme, NOW.plus_seconds(1))?, 0);
            let open = |operator, except| tx.open_plans_of(&id(operator), &id(except));
            assert_eq!((open("alice", "wf_none")?, open("alice", "wf_a")?, open("bob", "wf_none")?), (2, 1, 0));
            listed(tx)
        })
    });
}

fn listed(tx: &ReadTx<'_>) -> Result<(), StoreError> {
    let names = |filter: WorkflowFilter| -> Result<Vec<String>, StoreError> {
        Ok(tx.list_workflows(&filter)?.into_iter().map(|workflow| workflow.id.to_string()).collect())
    };
    assert_eq!(names(WorkflowFilter::default())?, ["wf_d", "wf_c", "wf_b", "wf_a"], "newest first");
    assert_eq!(names(WorkflowFilter { limit: 1, ..WorkflowFilter::default() })?, ["wf_d"]);
    assert_eq!(names(WorkflowFilter { project: Some(id("other")), ..WorkflowFilter::default() })?, [""; 0]);
    let states = vec![WorkflowState::Approved, WorkflowState::Withdrawn];
    assert_eq!(names(WorkflowFilter { states, ..WorkflowFilter::default() })?, ["wf_c", "wf_b"]);
    assert_eq!(tx.workflows_by_id(&[id("wf_a"), id("wf_x")])?.len(), 1);
    Ok(())
}

#[test]
fn prefixes_mean_what_a_person_would_expect() {
    on_store(|store| {
        store.write(NOW, |tx| {
            activate_rules(tx);
            for name in ["wf_abc", "wf_abcd", "wf_xyz"] {
                insert_workflow(tx, name, "alice")?;
            }
            tx.insert_approval_request(&request("ap_abx", "wf_abc", "tech_lead"))
        })?;
        let cases: [(&str, &[&str]); 13] = [
            ("wf_ab", &["wf_abc", "wf_abcd"]),
            ("wf_abc", &["wf_abc"]),
            ("wf_abcd", &["wf_abcd"]),
            ("abx", &["ap_abx"]),
            ("ab", &["wf_abc", "wf_abcd", "ap_abx", "de_abc", "de_abcd"]),
            ("abc", &["wf_abc", "de_abc"]),
            ("wf_x", &["wf_xyz"]),
            ("ex_abc", &[]),
            ("", &[]),
            ("wf_", &[]),
            ("_abc", &[]),
            ("wf_%", &[]),
            ("wf_a' OR 1=1 --", &[]),
        ];
        store.read(|tx| {
            for (prefix, expected) in cases {
                let found = tx.find(prefix)?;
                assert_eq!(found.iter().map(Found::as_str).collect::<Vec<_>>(), expected, "{prefix}");
            }
            Ok(())
        })
    });
}

#[test]
fn freezes_are_put_on_once_cover_what_they_say_and_leave_history() {
    on_store(|store| {
        let freeze = |name: &str, scope: FreezeScope| FreezeView { id: id(name), scope, reason: "why".into(), by: alice(), since: NOW };
        let tenant = FreezeScope::Tenant { tenant: id("acme") };
        let project = FreezeScope::Project { project: id("flowry") };
        store.write(NOW, |tx| {
            tx.insert_freeze(&freeze("fz_a", tenant.clone()))?;
            tx.insert_freeze(&freeze("fz_b", project.clone()))
        })?;
        let twice = store.write(NOW, |tx| tx.insert_freeze(&freeze("fz_c", tenant.clone())));
        assert!(matches!(twice, Err(StoreError::Constraint { .. })));
        store.read(|tx| {
            assert_eq!(tx.freezes()?, [freeze("fz_a", tenant.clone()), freeze("fz_b", project.clone())]);
            assert_eq!(tx.freezes_of(&id("acme"), &id("other"))?.len(), 1);
            assert_eq!(tx.freezes_of(&id("other"), &id("flowry"))?.len(), 1);
            assert_eq!(tx.freezes_of(&id("flowry"), &id("acme"))?.len(), 0, "a tenant is no project");
            Ok::<_, StoreError>(())
        })?;
        assert!(store.write(NOW, |tx| tx.lift_freeze(&tenant, &alice()))?);
        assert!(!store.write(NOW, |tx| tx.lift_freeze(&tenant, &alice()))?);
        assert!(!store.write(NOW, |tx| tx.lift_freeze(&FreezeScope::All, &alice()))?, "all is not each");
        store.write(NOW, |tx| tx.insert_freeze(&freeze("fz_d", tenant.clone())))?;
        store.write(NOW, |tx| tx.insert_freeze(&freeze("fz_e", FreezeScope::All)))?;
        assert_eq!(store.read(|tx| tx.freezes_of(&id("other"), &id("other")))?.len(), 1);
        Ok(())
    });
}

#[test]
fn rules_are_numbered_and_come_into_force_whole() {
    on_store(|store| {
        assert_eq!(store.read(|tx| tx.active_rules())?, None);
        let absent = store.write(NOW, |tx| tx.activate_rules(&Digest::of(b"all"), &files(), &alice()));
        assert!(matches!(absent, Err(StoreError::NotFound { kind: "blob", .. })), "{absent:?}");
        let problem = Problem {
            at: decision::Place { file: "policies/plan.rhai".to_owned(), line: 3, column: 1 },
            message: "no".to_owned(),
            help: None,
        };
        let candidate =
            RulesCandidateRow { digest: None, files: BTreeMap::new(), seen_at: NOW, problems: vec![problem], proposed_by: None };
        store.write(NOW, |tx| tx.put_rules_candidate(&candidate))?;
        assert_eq!(store.read(|tx| tx.rules_candidate())?, Some(candidate.clone()));
        let proposed = RulesCandidateRow { digest: Some(Digest::of(b"x")), proposed_by: Some(id("bob")), ..candidate };
        assert!(store.write(NOW, |tx| tx.put_rules_candidate(&proposed)).is_err(), "what has problems is not proposed");
        let sound = RulesCandidateRow { problems: Vec::new(), ..proposed };
        store.write(NOW, |tx| tx.put_rules_candidate(&sound))?;

        for revision in 1..=3 {
            let row = store.write(NOW, |tx| {
                tx.put_blob("text/plain", b"rules")?;
                tx.activate_rules(&Digest::of(b"all"), &files(), &alice())
            })?;
            assert_eq!(row.revision, revision);
            assert_eq!(store.read(|tx| tx.active_rules())?, Some(row.clone()));
            assert_eq!(store.read(|tx| tx.rules_revision(revision))?, row);
        }
        store.read(|tx| {
            assert_eq!(tx.rules_candidate()?, None, "what came into force is no candidate");
            assert_eq!(tx.rules_history(2)?.iter().map(|row| row.revision).collect::<Vec<_>>(), [3, 2]);
            Ok(())
        })
    });
}

#[test]
fn answers_timers_and_messages() {
    on_store(|store| {
        let (alice, key) = (id("alice"), Digest::of(b"request"));
        store.write(NOW, |tx| tx.put_answer(&alice, "plan", "k", &key, &json!({ "a": 1 })))?;
        assert!(store.write(NOW, |tx| tx.put_answer(&alice, "plan", "k", &key, &json!({}))).is_err());
        let row = store.read(|tx| tx.answer(&alice, "plan", "k"))?.unwrap();
        assert_eq!((row.request_digest, row.answer, row.at), (key, json!({ "a": 1 }), NOW));
        assert_eq!(store.read(|tx| tx.answer(&id("bob"), "plan", "k"))?, None);
        assert_eq!(store.read(|tx| tx.answer(&alice, "run", "k"))?, None);

        let timer = |subject: &str, at| Timer { kind: "expiry".to_owned(), subject: subject.to_owned(), due_at: Timestamp(at) };
        store.write(NOW, |tx| {
            for timer in [timer("b", 20), timer("a", 10), timer("c", 30), timer("b", 5)] {
                tx.set_timer(&timer)?;
            }
            Ok::<_, StoreError>(())
        })?;
        assert_eq!(store.read(|tx| tx.due_timers(Timestamp(10), 9))?, [timer("b", 5), timer("a", 10)]);
        store.write(NOW, |tx| tx.clear_timer("expiry", "b"))?;
        assert_eq!(store.read(|tx| tx.due_timers(Timestamp(99), 9))?, [timer("a", 10), timer("c", 30)]);

        let first = store.write(NOW, |tx| tx.push_outbox("planned", None, &json!({ "n": 1 })))?;
        let second = store.write(NOW, |tx| tx.push_outbox("planned", None, &json!({ "n": 2 })))?;
        let messages = store.read(|tx| tx.outbox(first, 9))?;
        assert_eq!(messages.iter().map(|row| (row.seq, &row.payload)).collect::<Vec<_>>(), [(second, &json!({ "n": 2 }))]);
        Ok(())
    });
}
