//! Answers made by hand, hostile text included, and what a terminal gets to see of them.

use insta::assert_snapshot;
use jiff::tz::TimeZone;
use orc_domain::api::*;
use orc_domain::untrusted::is_hostile;
use orc_domain::{ErrorCode, OrcError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Render, View, WholeAudit, card, error};

/// Moves the cursor, clears the screen, sets a title, reverses the reading direction, hides characters, breaks lines.
const HOSTILE: &str = "ok\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil\u{200b}\r\nsecond";

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn view() -> View {
    View { color: false, zone: TimeZone::fixed(jiff::tz::offset(1)), width: 80, program: "orcctl --db /tmp/orc.db".to_owned() }
}

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an answer of this form")
}

fn reason() -> Value {
    json!({"code": "touches-ci", "message": "the command touches what CI runs, which is what verification stands on",
        "at": {"file": "policies/plan.rhai", "line": 12, "column": 5}, "remedy": "leave `--flag touches_ci` out where it does not"})
}

fn summary(state: &str, title: &str) -> Value {
    json!({"id": "wf_k7f3q2mz", "revision": 2, "state": state, "tenant": "acme", "project": "flowry", "family": "build_test",
        "action": "build", "title": title, "risk": "moderate", "plan_hash": DIGEST, "requesters": ["alice"],
        "created_at": 1_763_625_600_000_i64, "planned_at": 1_763_629_200_000_i64, "updated_at": 1_763_629_260_000_i64})
}

fn request(votes: Value) -> Value {
    json!({"id": "ap_m3v8n5cd", "workflow": "wf_k7f3q2mz", "revision": 2, "group": "tech_lead", "kind": "approval", "quorum": 2,
        "state": "pending", "expires_at": 1_763_715_600_000_i64, "reasons": [reason()], "votes": votes, "eligible": ["carol"]})
}

fn execution(state: &str, reasons: Value) -> Value {
    json!({"id": "ex_p4d7s9wx", "workflow": "wf_k7f3q2mz", "revision": 2, "idempotency_key": HOSTILE, "state": state,
        "cancel_requested": false, "created_at": 1_763_629_260_000_i64, "started_at": 1_763_629_261_000_i64,
        "ended_at": 1_763_629_264_500_i64,
        "result": {"state": state, "phases": [], "commit": null, "usage": {"launch_ms": 2750, "launches": 2, "attempts": 1}, "reasons": reasons}})
}

fn next() -> Value {
    json!([{"command": "orcctl approve ap_m3v8n5cd", "why": "say yes as tech_lead"},
        {"command": "orcctl explain wf_k7f3q2mz", "why": "see which rules asked for the approvals, with their places, and what would change it"}])
}

fn status() -> Status {
    let votes = json!([{"operator": "bob", "role": "lead", "choice": "approve", "proof": "asserted", "at": 1_763_629_230_000_i64, "counts": true},
        {"operator": "dan", "role": "lead", "choice": "reject", "proof": "unix_peer", "at": 1_763_629_231_000_i64, "reason": HOSTILE, "counts": false}]);
    let blocked = json!([{"code": "command-failed", "message": HOSTILE, "fix": HOSTILE}]);
    let phase = json!({"id": "ph_c2x5z8vb", "phase": "verify", "state": "blocked", "attempt": 1, "attempts": 2,
        "started_at": 1_763_629_261_000_i64, "ended_at": 1_763_629_264_000_i64, "reasons": [], "guests": [], "worker_runs": []});
    from(json!({"workflow": summary("failed", HOSTILE), "plan_hash": DIGEST, "risk": {"class": "moderate", "reasons": [reason()]},
        "approval_requests": [request(votes)], "execution": execution("failed", blocked), "phases": [phase],
        "freezes": [{"id": "fz_a2b3c4d5", "scope": {"scope": "project", "project": "flowry"}, "reason": HOSTILE,
            "by": {"kind": "system"}, "since": 1_763_629_200_000_i64}], "next": next()}))
}

#[test]
fn status_tells_the_story() {
    assert_snapshot!(status().render(&view()), @r#"
    wf_k7f3q2mz  failed
    project  flowry (tenant acme)
    what     build_test build
    command  ok�[2J�]0;owned��31m�evil�⏎⏎second
    by       alice, planned 2025-11-20 10:00:00
    plan     revision 2
    hash     sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    risk     moderate
      - touches-ci: the command touches what CI runs, which is what verification
        stands on (policies/plan.rhai:12:5)
        to change it: leave `--flag touches_ci` out where it does not

    approvals
     request      of         votes  state    may vote  until
     ap_m3v8n5cd  tech_lead  1/2    pending  carol     2025-11-21 10:00 +01
      - ap_m3v8n5cd: approved by bob as lead (2025-11-20 10:00:30, asserted)
      - ap_m3v8n5cd: rejected by dan as lead (2025-11-20 10:00:31)
        why: ok�[2J�]0;owned��31m�evil�⏎⏎second

    execution
    ex_p4d7s9wx  failed
    key      ok�[2J�]0;owned��31m�evil�⏎⏎second
    began    2025-11-20 10:01:01
    ended    2025-11-20 10:01:04
    used     2.7 s in commands, launches: 2, attempts: 1
      - command-failed: ok�[2J�]0;owned��31m�evil�⏎⏎second
        to mend it: ok�[2J�]0;owned��31m�evil�⏎⏎second

    phases
     phase   state    attempt  took   guests
     verify  blocked  1 of 2   3.0 s

    freezes
      - project:flowry since 2025-11-20 10:00:00 by system:
        ok�[2J�]0;owned��31m�evil�⏎⏎second

    next
      orcctl --db /tmp/orc.db approve ap_m3v8n5cd  # say yes as tech_lead
      # see which rules asked for the approvals, with their places, and what would
      # change it
      orcctl --db /tmp/orc.db explain wf_k7f3q2mz
    "#);
}

/// However the rules count the role of who said it: a no is no vote for, and is never called by the name of a yes.
#[test]
fn a_no_is_shown_as_a_no() {
    for kind in ["approval", "confirmation"] {
        let votes = json!([{"operator": "hpa", "role": "operator", "choice": "reject", "proof": "unix_peer", "at": 1_763_629_231_000_i64,
            "reason": "wrong branch", "counts": true}]);
        let mut request = request(votes);
        request["kind"] = json!(kind);
        request["quorum"] = json!(1);
        request["state"] = json!("rejected");
        let rejected = Status { approval_requests: vec![from(request)], execution: None, ..status() };
        let page = rejected.render(&view());
        assert!(page.contains("0/1    rejected"), "{page}");
        assert!(page.contains("- ap_m3v8n5cd: rejected by hpa as operator (2025-11-20 10:00:31)\n    why: wrong branch\n"), "{page}");
        assert!(!page.contains("confirmation by") && !page.contains("confirmed by"), "{page}");
    }
}

/// What ran under an earlier plan stays to be seen, and says so.
#[test]
fn an_execution_of_an_earlier_plan_says_of_which() {
    let mut earlier = status();
    if let Some(execution) = &mut earlier.execution {
        execution.revision = 1;
    }
    assert!(earlier.render(&view()).contains("ex_p4d7s9wx  failed\nplan     revision 1 (the newest is 2)\n"));
}

/// Starting again after an interruption is not one of the attempts that a contract allows.
#[test]
fn an_attempt_after_an_interruption_is_not_one_too_many() {
    let mut again = status();
    again.phases[0].attempt = 3;
    let page = again.render(&view());
    assert!(page.contains("3, again after an interruption") && !page.contains("3 of 2"), "{page}");
}

#[test]
fn rules_say_who_agreed_to_what_and_what_no_host_has_seen() {
    let active =
        json!({"revision": 3, "digest": DIGEST, "activated_at": 1_763_629_200_000_i64, "activated_by": {"kind": "system"}, "files": 9});
    let candidate =
        json!({"digest": DIGEST, "seen_at": 1_763_629_200_000_i64, "changes": ["~ config/orc.yaml"], "problems": [], "unseen": true});
    let status: RulesStatus = from(json!({"active": active, "candidate": candidate, "history": [], "next": [],
        "rollbacks": [{"revision": 2, "by": "adam", "at": 1_763_629_200_000_i64}]}));
    let page = status.render(&view());
    assert!(page.contains("seen     2025-11-20 10:00:00, not looked at by a host yet\n"), "{page}");
    assert!(page.contains("adam agreed to roll back to revision 2 (2025-11-20 10:00:00); a second admin"), "{page}");
}

#[test]
fn a_plan_says_risk_reasons_and_who_is_needed() {
    let planned: Planned = from(json!({"workflow": summary("awaiting_approval", "pnpm build"),
        "risk": {"class": "moderate", "reasons": [reason()]}, "approval_requests": [request(json!([]))], "warnings": [],
        "decision": "de_h6j9k2ab", "next": next(),
        "differences": [{"pointer": "/phases/0/contract/timeout_s", "planned": 600, "now": HOSTILE}]}));
    assert_snapshot!(planned.render(&view()), @r#"
    wf_k7f3q2mz  awaiting_approval
    project  flowry (tenant acme)
    what     build_test build
    command  pnpm build
    by       alice, planned 2025-11-20 10:00:00
    plan     revision 2
    hash     sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    risk     moderate
      - touches-ci: the command touches what CI runs, which is what verification
        stands on (policies/plan.rhai:12:5)
        to change it: leave `--flag touches_ci` out where it does not
    why      decision de_h6j9k2ab

    changed since the revision before
      /phases/0/contract/timeout_s
        - 600
        + "ok\u001b[2J\u001b]0;owned\u0007�31m�evil�\r\nsecond"

    approvals
     request      of         votes  state    may vote  until
     ap_m3v8n5cd  tech_lead  0/2    pending  carol     2025-11-21 10:00 +01

    next
      orcctl --db /tmp/orc.db approve ap_m3v8n5cd  # say yes as tech_lead
      # see which rules asked for the approvals, with their places, and what would
      # change it
      orcctl --db /tmp/orc.db explain wf_k7f3q2mz
    "#);
}

fn hostile_card() -> ApprovalCard {
    from(json!({"request": request(json!([])), "workflow": summary("awaiting_approval", "x"),
        "will_run": [["pnpm", "build", "--out dir"], ["sh", "-c", HOSTILE]], "prepare": [["pnpm", "install"]],
        "base": {"branch": "main\u{202e}", "commit": "0123456789012345678901234567890123456789"},
        "risk": {"class": "moderate", "reasons": [reason()]}, "flags": ["touches_ci"], "rules_revision": 4,
        "token": "secret-token", "roles": ["lead"]}))
}

#[test]
fn a_card_shows_exactly_what_will_run_and_no_token() {
    let text = card(&hostile_card(), &view());
    assert!(!text.contains("secret-token"));
    assert_snapshot!(text, @r#"
    ap_m3v8n5cd  tech_lead  pending, 0 of 2 votes
    workflow wf_k7f3q2mz revision 2
    project  flowry (tenant acme)
    by       alice
    prepare  pnpm install
    will run pnpm build '--out dir'
    then     sh -c 'ok�[2J�]0;owned��31m�evil�⏎⏎second'
    on       main� 0123456789012345678901234567890123456789
    hash     sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    flags    touches_ci
    rules    revision 4
    risk     moderate
      - touches-ci: the command touches what CI runs, which is what verification
        stands on (policies/plan.rhai:12:5)
        to change it: leave `--flag touches_ci` out where it does not
    asked because
      - touches-ci: the command touches what CI runs, which is what verification
        stands on (policies/plan.rhai:12:5)
        to change it: leave `--flag touches_ci` out where it does not
    until    2025-11-21 10:00 +01
    you      may vote as lead
    "#);
}

#[test]
fn approvals_show_the_callers_token() {
    let approvals = Approvals { operator: "carol".parse().expect("a name"), cards: vec![hostile_card()], next: Vec::new() };
    assert!(approvals.render(&view()).contains("token    secret-token\n"));
}

#[test]
fn an_error_says_what_where_and_what_to_do() {
    let denied = OrcError::new(ErrorCode::PolicyDenied, format!("policy denies `cargo publish` on flowry {HOSTILE}"))
        .cause("the first cause")
        .reasons(vec![from(reason())])
        .hint("`orcctl explain de_h6j9k2ab` shows the whole decision");
    assert_snapshot!(error::render(&denied, &view()), @r#"
    error[policy-denied]: policy denies `cargo publish` on flowry
                          ok�[2J�]0;owned��31m�evil�
                          second
      caused by: the first cause
      reason: touches-ci: the command touches what CI runs, which is what
              verification stands on
        at policies/plan.rhai:12:5
        remedy: leave `--flag touches_ci` out where it does not
    hint: `orcctl explain de_h6j9k2ab` shows the whole decision
    "#);
}

#[test]
fn a_command_of_a_hint_is_not_broken() {
    let command = "orcctl plan --project flowry --action build --family build_test --command-text 'npm run build' --flag touches_ci";
    let again = OrcError::new(ErrorCode::IdempotencyConflict, "it ran").hint(format!("plan it anew:\n{command}"));
    assert_eq!(error::render(&again, &view()), format!("error[idempotency-conflict]: it ran\nhint: plan it anew:\n      {command}\n"));
}

/// An event of `kind` by `actor` about a workflow.
fn event(seq: u64, kind: &str, actor: Value, body: Value) -> Value {
    json!({"seq": seq, "at": 1_763_629_200_123_i64, "kind": kind, "actor": actor, "subject": {"project": "flowry", "workflow": "wf_k7f3q2mz"},
        "body": body, "prev": DIGEST, "hash": DIGEST})
}

fn system(seq: u64, kind: &str, body: Value) -> Value {
    event(seq, kind, json!({"kind": "system"}), body)
}

fn alice(seq: u64, kind: &str, body: Value) -> Value {
    event(seq, kind, json!({"kind": "operator", "name": "alice", "proof": "asserted"}), body)
}

fn audit() -> Value {
    let vote = json!({"request": "ap_m3v8n5cd", "group": "tech_lead", "role": "lead", "proof": "asserted", "plan_hash": DIGEST});
    let mut no = vote.clone();
    no["reason"] = json!("wrong branch");
    let launch = json!({"id": "wr_saddr78e", "event": "launching", "from": "intended", "to": "launching", "purpose": "command",
        "argv": ["npm", "run", "build it"]});
    let events = json!([
        system(1, "ownership_taken", json!({"generation": 3, "pid": 77})),
        system(2, "rules_activated", json!({"revision": 2, "digest": DIGEST, "changes": ["~ a", "+ b", "- c", "~ d", "~ e"]})),
        alice(3, "rules_proposed", json!({"rollback_to": 1})),
        system(
            4,
            "rules_refused",
            json!({"digest": DIGEST, "problems": [{"at": {"file": "config/orc.yaml", "line": 3, "column": 1},
            "message": "unknown key"}]})
        ),
        alice(
            5,
            "plan_denied",
            json!({"intent": "plan", "named": "alice", "code": "policy-denied", "message": "not on the list",
            "project": "flowry", "family": "build_test", "command": "npm publish", "decision": "de_h6j9k2ab", "passed_over": 0})
        ),
        alice(
            6,
            "workflow_planned",
            json!({"revision": 1, "plan_hash": DIGEST, "decision": "de_h6j9k2ac", "risk": "low", "action": "build",
            "family": "build_test", "intent": {"kind": "command", "argv": ["npm", "run", "build it"]},
            "base": {"branch": "main", "commit": "0123456789012345678901234567890123456789"}, "rules": {"revision": 2, "digest": DIGEST}})
        ),
        system(
            7,
            "approval_requested",
            json!({"id": "ap_m3v8n5cd", "revision": 1, "group": "tech_lead", "quorum": 1, "kind": "approval",
            "expires_at": 1_763_715_600_000_i64})
        ),
        alice(8, "vote_approved", vote),
        alice(9, "vote_rejected", no),
        system(10, "workflow_changed", json!({"id": "wf_k7f3q2mz", "event": "approved", "from": "awaiting_approval", "to": "approved"})),
        alice(11, "execution_created", json!({"id": "ex_p4d7s9wx", "revision": 1, "idempotency_key": "k1", "consumed": [], "base_lag": 2})),
        system(12, "phase_run_changed", json!({"id": "ph_c2x5z8vb", "event": "started", "from": "pending", "to": "running"})),
        system(13, "phase_step", json!({"phase_run": "ph_c2x5z8vb", "phase": "verify", "attempt": 1, "step": "checkout", "detail": {}})),
        system(14, "worker_run_changed", launch),
        system(15, "worker_run_changed", json!({"id": "wr_saddr78e", "event": "running", "from": "launching", "to": "running"})),
        system(
            16,
            "worker_run_changed",
            json!({"id": "wr_saddr78e", "event": "exited", "from": "running", "to": "exited",
            "end": {"kind": "exited", "code": 1}, "duration_ms": 2750, "proved_dead": true})
        ),
        system(
            17,
            "guest_answered",
            json!({"id": "gr_a2b3c4d5", "phase_run": "ph_c2x5z8vb", "attempt": 1, "position": "post_gate",
            "guest": "secret-scan", "mode": "blocking", "outcome": "fail", "fault": null})
        ),
        system(
            18,
            "phase_run_changed",
            json!({"id": "ph_c2x5z8vb", "event": "blocked", "from": "running", "to": "blocked",
            "reasons": [{"code": "command-failed", "message": "the planned command: `npm run build` ended with exit code 1"}]})
        ),
        alice(19, "cancel_requested", json!({"id": "ex_p4d7s9wx", "reason": "wrong branch"})),
        alice(20, "frozen", json!({"id": "fz_a2b3c4d5", "scope": {"scope": "project", "project": "flowry"}, "reason": "release week"})),
    ]);
    json!({"events": events, "left_out": 0, "head_seq": 20, "head_hash": DIGEST})
}

#[test]
fn the_audit_tells_the_story() {
    let audit: Audit = from(audit());
    assert_snapshot!(audit.render(&view()), @r#"
        2  2025-11-20 10:00:00  rules_activated       system  wf_k7f3q2mz
           revision 2 (aaaaaaaaaaaa) is in force: ~ a; + b; - c; and 2 more
        3  2025-11-20 10:00:00  rules_proposed        alice (asserted)  wf_k7f3q2mz
           agreed to roll back to revision 1; another admin must agree too
        4  2025-11-20 10:00:00  rules_refused         system  wf_k7f3q2mz
           content aaaaaaaaaaaa cannot come into force: config/orc.yaml:3: unknown
           key
        5  2025-11-20 10:00:00  plan_denied           alice (asserted)  wf_k7f3q2mz
           plan on flowry of build_test for `npm publish` in the name of alice
           refused: policy-denied: not on the list (decision de_h6j9k2ab)
        6  2025-11-20 10:00:00  workflow_planned      alice (asserted)  wf_k7f3q2mz
           revision 1: npm run 'build it' (build_test build) on main 012345678901,
           risk low, rules revision 2, decision de_h6j9k2ac, plan aaaaaaaaaaaa
        7  2025-11-20 10:00:00  approval_requested    system  wf_k7f3q2mz
           ap_m3v8n5cd asks 1 of tech_lead (approval) until 2025-11-21 10:00 +01
        8  2025-11-20 10:00:00  vote_approved         alice (asserted)  wf_k7f3q2mz
           says yes to ap_m3v8n5cd for tech_lead as lead (asserted), plan
           aaaaaaaaaaaa
        9  2025-11-20 10:00:00  vote_rejected         alice (asserted)  wf_k7f3q2mz
           says no to ap_m3v8n5cd for tech_lead as lead (asserted), plan
           aaaaaaaaaaaa: wrong branch
       10  2025-11-20 10:00:00  workflow_changed      system  wf_k7f3q2mz
           wf_k7f3q2mz: awaiting_approval to approved
       11  2025-11-20 10:00:00  execution_created     alice (asserted)  wf_k7f3q2mz
           ex_p4d7s9wx runs revision 1 under the key k1; its branch is 2 commits
           ahead
       12  2025-11-20 10:00:00  phase_run_changed     system  wf_k7f3q2mz
           verify: pending to running
       14  2025-11-20 10:00:00  worker_run_changed    system  wf_k7f3q2mz
           wr_saddr78e: launch for command (npm run 'build it')
       16  2025-11-20 10:00:00  worker_run_changed    system  wf_k7f3q2mz
           wr_saddr78e (npm run 'build it'): exit code 1 after 2.7 s
       17  2025-11-20 10:00:00  guest_answered        system  wf_k7f3q2mz
           secret-scan says fail in verify (post_gate, blocking, attempt 1)
       18  2025-11-20 10:00:00  phase_run_changed     system  wf_k7f3q2mz
           verify: running to blocked: command-failed: the planned command: `npm run
           build` ended with exit code 1
       19  2025-11-20 10:00:00  cancel_requested      alice (asserted)  wf_k7f3q2mz
           cancel ex_p4d7s9wx: wrong branch
       20  2025-11-20 10:00:00  frozen                alice (asserted)  wf_k7f3q2mz
           project flowry: release week

    … 3 events of single steps are not shown; `--all` shows them
    head     event 20
    hash     sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    "#);
    let whole = WholeAudit(audit).render(&view());
    assert!(whole.contains("verify: checkout, attempt 1") && whole.contains("generation 3, process 77"), "{whole}");
}

/// Every text of every event may have come from outside.
#[test]
fn hostile_events_are_harmless() {
    fn poison(value: &mut Value) {
        match value {
            Value::String(text) if !["exited"].contains(&text.as_str()) => *text = HOSTILE.to_owned(),
            Value::Array(items) => items.iter_mut().for_each(poison),
            Value::Object(fields) => fields.values_mut().for_each(poison),
            _ => {}
        }
    }
    let mut audit = audit();
    for event in audit["events"].as_array_mut().expect("events") {
        poison(&mut event["body"]);
    }
    let page = WholeAudit(from(audit)).render(&view());
    let obeyed: Vec<char> = page.chars().filter(|c| *c != '\n' && is_hostile(*c)).collect();
    assert!(obeyed.is_empty() && page.lines().all(|line| !line.starts_with("second")), "{obeyed:?} in\n{page}");
}

fn phases() -> Phases {
    let cost = json!({"fuel": 1, "memory_bytes": 1, "duration_us": 1234, "log": [], "log_dropped": 0});
    let finding = json!({"rule": HOSTILE, "message": HOSTILE, "severity": "high", "path": HOSTILE, "line": 3, "fix": HOSTILE});
    let guest = json!({"id": "gr_a2b3c4d5", "attempt": 1, "position": "post_gate", "guest": "secret-scan", "module": DIGEST, "mode": "blocking",
        "outcome": "fail", "verdict": {"verdict": "fail", "report": {"findings": [finding], "annotations": {}}}, "cost": cost, "at": 0});
    let faulty = json!({"id": "gr_a2b3c4d6", "attempt": 1, "position": "pre_gate", "guest": "mine", "module": DIGEST, "mode": "advisory",
        "outcome": "fault", "fault": {"class": "run.fuel", "message": HOSTILE}, "cost": cost, "at": 0});
    let stream =
        |text: &str, tail: &str| json!({"bytes": text.len() + tail.len(), "dropped": 0, "redactions": 0, "head": text, "tail": tail});
    let many: String = (1..=23).map(|line| format!("line {line}\n")).collect();
    let launch = |id: &str, code: i32, out: Value, err: Value| {
        let grant = json!({"dirs": [], "env": {}, "network": "none", "limits": {}, "must": []});
        json!({"id": id, "project": "flowry", "workflow": "wf_k7f3q2mz", "phase_run": "ph_c2x5z8vb", "attempt": 1, "purpose": "command",
            "state": "exited", "plan": {"purpose": "command: x", "argv": ["npm", "run", "build it"], "cwd": "/w", "grant": grant},
            "report": {"end": {"kind": "exited", "code": code}, "duration_ms": 121, "program": "/usr/bin/npm", "program_digest": DIGEST,
                "pid": 7, "active": [], "missing": {}, "proved_dead": true, "left_over": 0, "cpu_ms": 1, "max_rss_kib": 1,
                "stdout": out, "stderr": err}, "created_at": 0})
    };
    let good = launch("wr_saddr78e", 0, stream("fine\n", ""), stream("", ""));
    let bad = launch("wr_pj8bf6mu", 3, stream(&many, ""), stream("", &format!("10 %\r20 %\r\nno such module\n{HOSTILE}")));
    let phase = json!({"id": "ph_c2x5z8vb", "phase": "verify", "state": "blocked", "attempt": 1, "attempts": 2, "tree": HOSTILE,
        "started_at": 1_763_629_261_000_i64, "output": {"command_result": {"output_tail": HOSTILE}}, "reasons": [{"code": HOSTILE, "message": HOSTILE}],
        "guests": [guest, faulty], "worker_runs": [good, bad]});
    from(json!({"workflow": summary("failed", "x"), "execution": execution("failed", json!([])), "phases": [phase], "next": []}))
}

#[test]
fn phases_show_gates_findings_and_faults() {
    assert_snapshot!(phases().render(&view()), @r#"
    wf_k7f3q2mz  failed

    execution
    ex_p4d7s9wx  failed
    key      ok�[2J�]0;owned��31m�evil�⏎⏎second
    began    2025-11-20 10:01:01
    ended    2025-11-20 10:01:04
    used     2.7 s in commands, launches: 2, attempts: 1

    phase verify
    ph_c2x5z8vb  blocked, attempt 1 of 2
    began    2025-11-20 10:01:01
    tree     ok�[2J�]0;owned��31m�evil�⏎⏎second
      - ok�[2J�]0;owned��31m�evil�⏎⏎second: ok�[2J�]0;owned��31m�evil�⏎⏎second
     launch       for      command             end          took
     wr_saddr78e  command  npm run 'build it'  exit code 0  121 ms
     wr_pj8bf6mu  command  npm run 'build it'  exit code 3  121 ms
    standard output of wr_pj8bf6mu (npm run 'build it', exit code 3)
      … what came before is left out; `--format json` shows more
      line 4
      line 5
      line 6
      line 7
      line 8
      line 9
      line 10
      line 11
      line 12
      line 13
      line 14
      line 15
      line 16
      line 17
      line 18
      line 19
      line 20
      line 21
      line 22
      line 23
    standard error of wr_pj8bf6mu (npm run 'build it', exit code 3)
      … what came before is left out; `--format json` shows more
      20 %
      no such module
      ok�[2J�]0;owned��31m�evil�
      second
     guest        at         mode      answer  took
     secret-scan  post_gate  blocking  fail    1.2 ms
     mine         pre_gate   advisory  fault   1.2 ms
      - secret-scan: high ok�[2J�]0;owned��31m�evil�⏎⏎second:
        ok�[2J�]0;owned��31m�evil�⏎⏎second (ok�[2J�]0;owned��31m�evil�⏎⏎second:3);
        to mend it: ok�[2J�]0;owned��31m�evil�⏎⏎second
      - mine: no usable answer: ok�[2J�]0;owned��31m�evil�⏎⏎second (run.fuel)
    output
      {
        "command_result": {
          "output_tail": "ok\u001b[2J\u001b]0;owned\u0007�31m�evil�\r\nsecond"
        }
      }
    "#);
}

#[test]
fn what_differs_in_the_rules() {
    let diff =
        format!("--- policies/plan.rhai\n+++ policies/plan.rhai\n@@ -1 +1 @@\n-// {HOSTILE}\n+\tplan(); // {}\n", "long ".repeat(30));
    let differs: RulesDiff = from(json!({"from": {"revision": 3, "digest": DIGEST}, "to": {"digest": DIGEST}, "next": next(), "files": [
        {"path": "policies/plan.rhai", "before": DIGEST, "after": DIGEST, "diff": diff},
        {"path": "phases/guests/x.wasm\n\u{1b}[2J", "after": DIGEST, "omitted": "binary: nothing before, 10 bytes now"}]}));
    assert_snapshot!(differs.render(&view()), @r#"
    from     revision 3,
             sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    to       what is under the root now,
             sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

    --- policies/plan.rhai
    +++ policies/plan.rhai
    @@ -1 +1 @@
    -// ok�[2J�]0;owned��31m�evil�
    second
    +	plan(); // long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long 

    phases/guests/x.wasm⏎�[2J: binary: nothing before, 10 bytes now

    next
      orcctl --db /tmp/orc.db approve ap_m3v8n5cd  # say yes as tech_lead
      # see which rules asked for the approvals, with their places, and what would
      # change it
      orcctl --db /tmp/orc.db explain wf_k7f3q2mz
    "#);
}

/// The one property that all pages have: nothing that came from outside can move a cursor, reorder text or start a line of its own colour.
#[test]
fn no_page_lets_hostile_text_through() {
    let pages = [status().render(&view()), phases().render(&view()), card(&hostile_card(), &view())];
    for page in pages {
        let obeyed: Vec<char> = page.chars().filter(|c| *c != '\n' && is_hostile(*c)).collect();
        assert!(obeyed.is_empty(), "{obeyed:?} in\n{page}");
        assert!(page.lines().all(|line| !line.starts_with("second")), "a line break from outside in\n{page}");
    }
}

#[test]
fn colour_adds_nothing_that_words_do_not_say() {
    let colourful = View { color: true, ..view() };
    let painted = status().render(&colourful);
    assert!(painted.contains("\u{1b}[31mfailed\u{1b}[0m"));
    let mut plain = String::new();
    let mut rest = painted.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = rest[at..].split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&plain), words(&status().render(&view())));
}

#[test]
fn pages_fit_eighty_columns() {
    for page in [status().render(&view()), phases().render(&view())] {
        let wide: Vec<&str> = page.lines().filter(|line| line.chars().count() > 80 && line.contains(' ')).collect();
        // A next step is one line to paste, however long; it is the only exception.
        let wide: Vec<&&str> = wide.iter().filter(|line| !line.trim_start().starts_with("orcctl")).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
}
