//! The intents `approve`, `reject`, `withdraw` and `approvals`: who says yes or no to exactly which plan, once, with which proof.

use std::sync::Arc;

use orc_domain::api::*;
use orc_domain::audit::{EventKind, NewEvent};
use orc_domain::decision::RequirementKind;
use orc_domain::operators::Actor;
use orc_domain::plan::{PlanDocument, PlannedIntent};
use orc_domain::states::{ApprovalRequestEvent, ApprovalRequestState, WorkflowEvent, WorkflowState};
use orc_domain::*;
use orc_store::{ApprovalRequestRow, ReadTx, VoteRow, WriteTx};
use serde_json::json;

use crate::altered::announced;
use crate::authority::{Act, Permit, VoteCase, authorise};
use crate::control::check_reason;
use crate::document::WORKER;
use crate::engine::{Engine, digest_of};
use crate::knowledge::settle_backlog;
use crate::next;
use crate::once::Once;
use crate::plan::{PLAN_EXPIRY, subject_of, supersede};
use crate::rules::ActiveRules;
use crate::views;

/// The key epoch of tokens. A restored database raises it, which voids all tokens made before.
pub(crate) const EPOCH: u64 = 1;

/// A vote as it was asked for.
struct Ballot {
    request: String,
    token: String,
    role: Option<RoleName>,
    choice: Choice,
    reason: Option<Untrusted>,
}

/// A request with what a judgement of it needs.
struct Case {
    request: ApprovalRequestRow,
    workflow: WorkflowSummary,
    document: PlanDocument,
    counted: Vec<(OperatorName, GroupName)>,
    voted: bool,
}

impl Case {
    fn load(tx: &ReadTx<'_>, request: ApprovalRequestRow, voter: &OperatorName) -> Result<Self, OrcError> {
        let workflow = tx.workflow(&request.workflow)?;
        let plan = tx.plan_revision(&request.workflow, request.revision)?;
        let document = views::document(tx, &plan)?;
        let all = tx.requests_of(&request.workflow, request.revision)?;
        let ids: Vec<ApprovalRequestId> = all.iter().map(|request| request.id.clone()).collect();
        let votes = tx.votes_of(&ids)?;
        let counted = views::counted(&all, &votes);
        let voted = votes.get(&request.id).is_some_and(|votes| votes.iter().any(|vote| vote.operator == *voter));
        Ok(Self { request, workflow, document, counted, voted })
    }

    /// As [`Case::load`], for somebody who acts on it: of a plan that the audit knows.
    fn load_announced(tx: &ReadTx<'_>, request: ApprovalRequestRow, voter: &OperatorName) -> Result<Self, OrcError> {
        let case = Self::load(tx, request, voter)?;
        let plan = tx.plan_revision(&case.request.workflow, case.request.revision)?;
        announced(tx, &case.workflow, &plan, &case.document)?;
        Ok(case)
    }

    fn view(&self, tx: &ReadTx<'_>, rules: &ActiveRules) -> Result<ApprovalRequestView, OrcError> {
        let all = views::requests(tx, rules, &self.workflow, self.request.revision, self.document.risk.class)?;
        all.into_iter()
            .find(|view| view.id == self.request.id)
            .ok_or_else(|| views::nothing(ApprovalRequestId::KIND, self.request.id.as_str()))
    }

    fn judge(&self, rules: &ActiveRules, actor: &Actor, role: Option<&RoleName>) -> Result<Permit, OrcError> {
        let case = VoteCase {
            group: &self.request.group,
            kind: self.request.kind,
            requesters: &self.document.requesters,
            risk: self.document.risk.class,
            role,
            counted: &self.counted,
        };
        authorise(&rules.checked.operators, &rules.checked.settings.admin_group, actor, Act::Vote(case))
    }

    /// Whether the request still takes votes.
    fn open(&self, now: Timestamp) -> Result<(), OrcError> {
        let id = &self.request.id;
        let late = self.request.state == ApprovalRequestState::Pending && now >= self.request.expires_at;
        if late || self.request.state == ApprovalRequestState::Expired {
            return Err(OrcError::new(ErrorCode::Expired, format!("the approval request {id} expired"))
                .hint(format!("`orcctl replan {}` asks again", self.workflow.id)));
        }
        let votable = matches!(self.request.state, ApprovalRequestState::Pending) && self.workflow.state == WorkflowState::AwaitingApproval;
        if votable {
            return Ok(());
        }
        Err(OrcError::new(
            ErrorCode::IllegalTransition,
            format!("the approval request {id} is {} and its workflow {}: it takes no vote", self.request.state, self.workflow.state),
        )
        .hint(format!("`orcctl status {}` shows what it waits for", self.workflow.id)))
    }
}

impl Engine {
    /// The intent `approve`.
    pub(crate) async fn approve(&self, actor: Actor, once: Once, request: Approve) -> Result<Voted, OrcError> {
        let Approve { request, token, role } = request;
        self.vote(actor, once, Ballot { request, token, role, choice: Choice::Approve, reason: None }).await
    }

    /// The intent `reject`.
    pub(crate) async fn reject(&self, actor: Actor, once: Once, request: Reject) -> Result<Voted, OrcError> {
        let Reject { request, token, role, reason } = request;
        self.vote(actor, once, Ballot { request, token, role, choice: Choice::Reject, reason }).await
    }

    async fn vote(&self, actor: Actor, once: Once, ballot: Ballot) -> Result<Voted, OrcError> {
        check_reason(ballot.reason.as_ref())?;
        self.expire_due().await?;
        let rules = self.active_rules().await?;
        let voter = actor.operator().cloned().ok_or_else(|| OrcError::new(ErrorCode::NotAnOperator, "only an operator votes"))?;
        let (wanted, by) = (ballot.request.clone(), voter.clone());
        let case = self.read(move |tx| Case::load_announced(tx, views::find_request(tx, &wanted)?, &by)).await?;
        // Who may not vote is told so, whatever the token: nobody could give a better one.
        votable(&rules, &actor, &case, &voter, &ballot, self.now())?;
        self.check_token(&case, &voter, &ballot.token)?;
        let id = case.request.id.clone();
        let mut voted = self
            .write(move |tx| {
                // Everything that the vote rests on is read again here, where nobody else writes.
                let case = Case::load_announced(tx, tx.approval_request(&id)?, &voter)?;
                cast(tx, &rules, &actor, &case, &ballot)?;
                settle(tx, &rules, &case)?;
                let voted = answer(tx, &rules, &case)?;
                once.keep(tx, &voted)?;
                Ok(voted)
            })
            .await?;
        if voted.workflow.state == WorkflowState::Approved {
            self.run_by_itself(&mut voted).await;
        }
        Ok(voted)
    }

    /// The vote stands whatever comes of this: a run that is not admitted stays approved and can be asked for.
    async fn run_by_itself(&self, voted: &mut Voted) {
        match self.autorun(&voted.workflow.id).await {
            Ok(Some(accepted)) => {
                voted.workflow = accepted.workflow;
                voted.execution = Some(accepted.execution);
                voted.next = next::for_workflow(&voted.workflow, &[], voted.execution.as_ref());
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(workflow = %voted.workflow.id, %error, "an approved plan was not run by itself"),
        }
    }

    fn check_token(&self, case: &Case, voter: &OperatorName, token: &str) -> Result<(), OrcError> {
        let hash = case_hash(case)?;
        if self.keys.is_approval_token(token, &case.request.id, &hash, voter, EPOCH) {
            return Ok(());
        }
        Err(OrcError::new(
            ErrorCode::TokenInvalid,
            format!("this is not the token of {voter} for the approval request {} and its plan", case.request.id),
        )
        .hint("`orcctl approvals` shows your own token; it is void when the plan changes"))
    }

    /// The intent `withdraw`.
    pub(crate) async fn withdraw(&self, actor: Actor, once: Once, request: Withdraw) -> Result<Status, OrcError> {
        check_reason(request.reason.as_ref())?;
        let rules = self.active_rules().await?;
        self.write(move |tx| {
            let id = views::find_workflow(tx, &request.workflow)?;
            let workflow = tx.workflow(&id)?;
            let (operators, admins) = (&rules.checked.operators, &rules.checked.settings.admin_group);
            authorise(operators, admins, &actor, Act::Steer { requesters: &workflow.requesters })?;
            if orc_domain::states::Machine::next(workflow.state, WorkflowEvent::Withdrawn).is_err() {
                let message = format!("{id} is {} and cannot be withdrawn", workflow.state);
                return Err(OrcError::new(ErrorCode::IllegalTransition, message).hint(next::instead_of_withdraw(&workflow)));
            }
            supersede(tx, &id, &actor)?;
            tx.apply_workflow(&id, WorkflowEvent::Withdrawn, &actor, json!({ "reason": request.reason }))?;
            settle_backlog(tx, &id, false)?;
            tx.clear_timer(PLAN_EXPIRY, id.as_str())?;
            let status = views::status(tx, &rules, &id)?;
            once.keep(tx, &status)?;
            Ok(status)
        })
        .await
    }

    /// The intent `approvals`: cards of what waits, each with the caller's own token where the caller may vote.
    pub(crate) async fn approvals(&self, actor: Actor, request: GetApprovals) -> Result<Approvals, OrcError> {
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Read)?;
        let (operator, now) = (permit.operator, self.now());
        let (rules_then, voter) = (Arc::clone(&rules), operator.clone());
        let cases = self.read(move |tx| cases(tx, &rules_then, request.of.as_deref(), &voter)).await?;
        let cards =
            cases.into_iter().map(|(case, view)| self.card(&rules, &actor, &operator, case, view, now)).collect::<Result<Vec<_>, _>>()?;
        let next = cards.iter().filter(|card| card.token.is_some()).map(|card| NextStep {
            command: format!("orcctl approve {}", card.request.id),
            why: format!("say yes to exactly this plan, for {}", card.request.group),
        });
        Ok(Approvals { operator, next: next.collect(), cards })
    }

    fn card(
        &self,
        rules: &ActiveRules,
        actor: &Actor,
        operator: &OperatorName,
        case: Case,
        view: ApprovalRequestView,
        now: Timestamp,
    ) -> Result<ApprovalCard, OrcError> {
        let judged = case.open(now).and_then(|()| already(&case, operator)).and_then(|()| case.judge(rules, actor, None));
        let hash = case_hash(&case)?;
        let (token, cannot) = match judged {
            Ok(_) if !self.keys.are_kept() => (None, Some(no_key())),
            Ok(_) => (Some(self.keys.approval_token(&case.request.id, &hash, operator, EPOCH)), None),
            Err(error) => (None, Some(error)),
        };
        let held = rules.checked.operators.active(operator).map(|operator| &operator.roles);
        let counting = rules.checked.operators.role_groups.get(&case.request.group);
        let roles = held.zip(counting).map(|(held, counting)| held.intersection(counting).cloned().collect()).unwrap_or_default();
        Ok(ApprovalCard { token, cannot, roles, ..card_of(&case, view) })
    }
}

fn no_key() -> OrcError {
    OrcError::new(ErrorCode::NotPermitted, "the key that tokens are made with is not here")
        .hint("ask a running host, or run this as the user that owns the database")
}

/// The card as everybody sees it: no token, nothing about the viewer. Its digest is recorded with the vote.
fn card_of(case: &Case, request: ApprovalRequestView) -> ApprovalCard {
    let document = &case.document;
    let (command, task) = match &document.intent {
        PlannedIntent::Command { argv } => (Some(argv.clone()), None),
        PlannedIntent::Task { task } => (document.worker.as_ref().map(|worker| worker.command.clone()), Some(task.clone())),
    };
    let mut will_run: Vec<Vec<String>> = command.into_iter().collect();
    will_run.extend(document.verify.iter().cloned());
    ApprovalCard {
        request,
        workflow: case.workflow.clone(),
        task,
        worker: document.worker.clone(),
        phases: document.phases.iter().map(|planned| planned.phase.clone()).collect(),
        will_run,
        prepare: document.prepare.clone(),
        // A worker's grant for writing is the widest that any of its phases gets.
        grant: document.launch_grants.get("command").or_else(|| document.launch_grants.get(WORKER)).cloned(),
        base: document.base.clone(),
        risk: document.risk.clone(),
        flags: document.flags.iter().filter(|(_, set)| **set).map(|(flag, _)| flag.clone()).collect(),
        rules_revision: document.rules.revision,
        token: None,
        roles: Vec::new(),
        cannot: None,
    }
}

fn case_hash(case: &Case) -> Result<Digest, OrcError> {
    digest_of(&case.document)
}

fn already(case: &Case, operator: &OperatorName) -> Result<(), OrcError> {
    if case.voted {
        return Err(OrcError::new(ErrorCode::TokenUsed, format!("{operator} has voted on the approval request {}", case.request.id))
            .hint(format!("`orcctl status {}` shows the votes", case.workflow.id)));
    }
    Ok(())
}

fn cases(
    tx: &ReadTx<'_>,
    rules: &ActiveRules,
    of: Option<&str>,
    voter: &OperatorName,
) -> Result<Vec<(Case, ApprovalRequestView)>, OrcError> {
    let rows = match of {
        None => tx.pending_requests()?,
        Some(text) => views::requests_named(tx, text)?,
    };
    let mut out = Vec::new();
    for row in rows {
        let case = Case::load(tx, row, voter)?;
        let view = case.view(tx, rules)?;
        out.push((case, view));
    }
    Ok(out)
}

/// Whether this person may vote on this request now.
fn votable(
    rules: &ActiveRules,
    actor: &Actor,
    case: &Case,
    voter: &OperatorName,
    ballot: &Ballot,
    now: Timestamp,
) -> Result<Permit, OrcError> {
    already(case, voter)?;
    case.open(now)?;
    case.judge(rules, actor, ballot.role.as_ref())
}

/// Writes the vote down and lets it count.
fn cast(tx: &mut WriteTx<'_>, rules: &ActiveRules, actor: &Actor, case: &Case, ballot: &Ballot) -> Result<(), OrcError> {
    let voter = actor.operator().cloned().ok_or_else(|| OrcError::new(ErrorCode::NotAnOperator, "only an operator votes"))?;
    let permit = votable(rules, actor, case, &voter, ballot, tx.now())?;
    let role = permit.role.ok_or_else(|| OrcError::new(ErrorCode::Internal, "a vote was permitted without a role"))?;
    let shown = digest_of(&card_of(case, case.view(tx, rules)?))?;
    tx.insert_vote(&VoteRow {
        request: case.request.id.clone(),
        operator: permit.operator.clone(),
        role: role.clone(),
        choice: ballot.choice,
        proof: permit.proof,
        shown_digest: shown,
        token_digest: Digest::of(ballot.token.as_bytes()),
        at: tx.now(),
        reason: ballot.reason.clone(),
    })?;
    let kind = match (ballot.choice, case.request.kind) {
        (Choice::Reject, _) => EventKind::VoteRejected,
        (Choice::Approve, RequirementKind::Approval) => EventKind::VoteApproved,
        (Choice::Approve, RequirementKind::Confirmation) => EventKind::VoteConfirmed,
    };
    let body = json!({ "request": case.request.id, "group": case.request.group, "role": role, "proof": permit.proof,
        "plan_hash": case.workflow.plan_hash, "shown": shown, "reason": ballot.reason });
    tx.append(NewEvent { kind, actor: actor.clone(), subject: subject_of(&case.document), body })?;
    if ballot.choice == Choice::Reject {
        reject(tx, case, actor)?;
    }
    Ok(())
}

/// One no is a no.
fn reject(tx: &mut WriteTx<'_>, case: &Case, actor: &Actor) -> Result<(), OrcError> {
    tx.apply_approval_request(&case.request.id, ApprovalRequestEvent::Rejected, actor, json!({}))?;
    supersede(tx, &case.workflow.id, &Actor::System)?;
    tx.apply_workflow(&case.workflow.id, WorkflowEvent::Rejected, actor, json!({ "request": case.request.id }))?;
    settle_backlog(tx, &case.workflow.id, false)?;
    tx.clear_timer(PLAN_EXPIRY, case.workflow.id.as_str())?;
    tx.push_outbox("workflow_rejected", Some(&case.workflow.id), &json!({ "request": case.request.id }))?;
    Ok(())
}

/// Flips the request where its quorum is reached, and the workflow where every request is.
fn settle(tx: &mut WriteTx<'_>, rules: &ActiveRules, case: &Case) -> Result<(), OrcError> {
    let view = case.view(tx, rules)?;
    let yes = views::counting(&view);
    if view.state != ApprovalRequestState::Pending || yes < view.quorum as usize {
        return Ok(());
    }
    tx.apply_approval_request(&case.request.id, ApprovalRequestEvent::Approved, &Actor::System, json!({ "votes": yes }))?;
    let all = tx.requests_of(&case.workflow.id, case.request.revision)?;
    if !all.iter().all(|request| request.state == ApprovalRequestState::Approved) {
        return Ok(());
    }
    tx.apply_workflow(&case.workflow.id, WorkflowEvent::Approved, &Actor::System, json!({ "revision": case.request.revision }))?;
    tx.push_outbox("workflow_approved", Some(&case.workflow.id), &json!({ "plan_hash": case.workflow.plan_hash }))?;
    Ok(())
}

fn answer(tx: &WriteTx<'_>, rules: &ActiveRules, case: &Case) -> Result<Voted, OrcError> {
    let status = views::status(tx, rules, &case.workflow.id)?;
    let request = status.approval_requests.iter().find(|view| view.id == case.request.id).cloned();
    let request = request.ok_or_else(|| views::nothing(ApprovalRequestId::KIND, case.request.id.as_str()))?;
    let pending = status.approval_requests.iter().filter(|view| view.state == ApprovalRequestState::Pending).cloned().collect();
    Ok(Voted { request, workflow: status.workflow, pending, execution: status.execution, next: status.next })
}
