//! From an intent to its proof.

use orc_domain::api::*;
use orc_domain::states::*;
use orc_tests::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_from_intent_to_proof() {
    let mut world = World::new().await;
    let planned = world.plan("./build.sh").await.unwrap();
    let id = planned.workflow.id.clone();
    assert_eq!(planned.workflow.state, WorkflowState::AwaitingApproval);
    assert_eq!(planned.approval_requests.len(), 1);
    assert_eq!(planned.approval_requests[0].group.as_str(), "operator");

    let voted = world.approve("bob", &id).await.unwrap();
    assert_eq!(voted.workflow.state, WorkflowState::Approved);
    assert!(voted.pending.is_empty());

    world.drive();
    let accepted = world.run(&id, "k1").await.unwrap();
    assert!(accepted.created);
    let status = world.settled(&id).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:#?}", status.execution);

    let execution = status.execution.unwrap();
    let result = execution.result.unwrap();
    assert_eq!(result.state, ExecutionState::Completed);
    assert_eq!(result.usage.launches, 2);
    let output = result.phases[0].output.as_ref().unwrap();
    assert_eq!(output["command_result"]["argv"][0], "./build.sh");
    assert_eq!(output["verification_results"][0]["argv"][0], "./check.sh");
    let outcomes: Vec<(String, String)> =
        status.phases[0].guests.iter().map(|guest| (guest.guest.to_string(), guest.outcome.clone())).collect();
    let expected = [
        ("workspace-clean", "pass"),
        ("verification-passed", "pass"),
        ("diff-budget", "pass"),
        ("protected-paths", "pass"),
        ("secret-scan", "pass"),
    ];
    assert_eq!(outcomes, expected.map(|(guest, outcome)| (guest.to_owned(), outcome.to_owned())));
    for run in &status.phases[0].worker_runs {
        let report = run.report.as_ref().unwrap();
        assert!(report.proved_dead, "{report:#?}");
        assert!(report.active.contains(&orc_domain::grant::Protection::Files));
        assert_eq!(run.state, WorkerRunState::Exited);
    }
    let proof = world.ask("alice", VerifyAudit {}).await.unwrap();
    assert!(proof.broken.is_none(), "{proof:#?}");
    let history = world.history(&id).await;
    for kind in ["workflow_planned", "approval_requested", "vote_approved", "execution_created", "guest_answered", "worker_run_changed"] {
        assert!(history.iter().any(|event| event == kind), "{kind} in {history:?}");
    }
    let explained = world.ask("alice", Explain { id: id.to_string() }).await.unwrap();
    assert!(explained.decisions.iter().any(|stored| stored.decision.entry.as_str() == "plan"));
    assert!(!world.db().with_extension("db.d").join("worktrees").join(execution.id.as_str()).exists());
}
