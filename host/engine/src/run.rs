//! The intent `run`: the second half of the promise that what was approved is what runs. Everything is checked again, then approvals are
//! consumed and the execution is created in one transaction.

use std::path::Path;
use std::sync::Arc;

use orc_domain::api::*;
use orc_domain::audit::{EventKind, NewEvent};
use orc_domain::decision::{DecisionInput, EntryPoint, Reason};
use orc_domain::operators::Actor;
use orc_domain::plan::{PlanDifference, PlanDocument};
use orc_domain::states::{ApprovalRequestState, WorkflowEvent, WorkflowState};
use orc_domain::*;
use orc_store::{ExecutionRow, NewExecution, NewPhaseRun, PlanRevisionRow, ReadTx, WriteTx};
use serde_json::json;

use crate::altered::announced;
use crate::authority::Act;
use crate::decide::Answer;
use crate::document::{Decided, Subject, document, drift, resolve};
use crate::engine::{Engine, digest_of};
use crate::facts::{About, Counts, counts, input};
use crate::keys::Keys;
use crate::next;
use crate::plan::{PLAN_EXPIRY, subject_of, supersede};
use crate::rules::ActiveRules;
use crate::views;
use crate::vote::EPOCH;

const TRIES: u32 = 5;
const MAX_KEY: usize = 200;
/// Differences that a message names; `workflow` shows all.
const NAMED: usize = 8;

/// Who starts an execution.
enum Starter {
    /// A person.
    Actor(Actor),
    /// Policy's `autorun`.
    Policy,
}

/// The plan that is to run, as stored.
struct Candidate {
    workflow: WorkflowSummary,
    document: PlanDocument,
    planned_input: DecisionInput,
    existing: Option<ExecutionRow>,
    expires_at: Option<Timestamp>,
}

impl Engine {
    /// The intent `run`.
    pub(crate) async fn run(&self, actor: Actor, request: Run) -> Result<RunAccepted, OrcError> {
        self.start(Starter::Actor(actor), request).await
    }

    /// Runs an approved plan by itself where policy's `autorun` says so. `None`: it does not.
    pub(crate) async fn autorun(&self, id: &WorkflowId) -> Result<Option<RunAccepted>, OrcError> {
        let rules = self.active_rules().await?;
        let wanted = id.clone();
        let newest = self.read(move |tx| {
            let (workflow, row, document) = views::newest_plan(tx, &wanted)?;
            announced(tx, &workflow, &row, &document)?;
            Ok((workflow, document))
        });
        let (workflow, document) = newest.await?;
        let (counted, now) = (self.counted(&document).await?, self.now());
        let mut question = input(&rules, &About::of(&document), &counted, now);
        question.approved_risk = Some(document.risk.class);
        let answer = self.decide(&rules, EntryPoint::Autorun, question).await?;
        let runs = answer.decision.allowed() && !answer.decision.grants.is_empty();
        let by = workflow.id.clone();
        self.write(move |tx| Ok(tx.insert_decision(&answer.stored(Some(&by), tx.now()))?)).await?;
        if !runs {
            return Ok(None);
        }
        let idempotency_key = format!("autorun-{}", document.revision);
        self.start(Starter::Policy, Run { workflow: workflow.id.to_string(), plan_hash: Some(workflow.plan_hash), idempotency_key })
            .await
            .map(Some)
    }

    async fn start(&self, starter: Starter, request: Run) -> Result<RunAccepted, OrcError> {
        check_key(&request.idempotency_key)?;
        self.scan_root().await?;
        self.expire_due().await?;
        let rules = self.active_rules().await?;
        let (wanted, key) = (request.workflow.clone(), request.idempotency_key.clone());
        let candidate = match self.read(move |tx| load(tx, &wanted, &key)).await {
            Ok(candidate) => candidate,
            Err(error) => return Err(self.name_altered(error, &request.workflow).await),
        };
        let actor = match starter {
            Starter::Actor(actor) => {
                self.authorise(&rules, &actor, Act::Steer { requesters: &candidate.document.requesters })?;
                actor
            }
            Starter::Policy => Actor::System,
        };
        if let Some(existing) = &candidate.existing {
            return self.same_again(&candidate, existing, &request).await;
        }
        startable(&candidate, &request, self.now())?;
        self.still_approved(&rules, &candidate).await?;
        let lag = self.unmoved(&rules, &candidate, &actor).await?;
        self.admitted(&rules, candidate, actor, request, lag).await
    }

    /// The same key: the same execution, if it asks for the same plan.
    async fn same_again(&self, candidate: &Candidate, existing: &ExecutionRow, request: &Run) -> Result<RunAccepted, OrcError> {
        let (id, revision) = (candidate.workflow.id.clone(), existing.revision);
        let planned = self.read(move |tx| Ok(tx.plan_revision(&id, revision)?)).await?;
        if let Some(asked) = request.plan_hash
            && asked != planned.plan_hash
        {
            return Err(OrcError::new(
                ErrorCode::IdempotencyConflict,
                format!(
                    "the key `{}` started the plan {} of {}",
                    Untrusted::new(request.idempotency_key.as_str()).for_line(80),
                    planned.plan_hash.short(),
                    candidate.workflow.id
                ),
            )
            .hint("use another key for another plan"));
        }
        let execution = ExecutionView::from(existing.clone());
        Ok(RunAccepted { execution, workflow: candidate.workflow.clone(), created: false, base_lag: 0, warnings: Vec::new() })
    }

    async fn still_approved(&self, rules: &Arc<ActiveRules>, candidate: &Candidate) -> Result<(), OrcError> {
        let (rules, keys, id, revision) =
            (Arc::clone(rules), Arc::clone(&self.keys), candidate.workflow.id.clone(), candidate.workflow.revision);
        self.read(move |tx| approvals_hold(tx, &rules, &keys, &id, revision)).await
    }

    /// Whether the world still is what the plan pins, and how far its branch is ahead. Otherwise the plan is stale from now on.
    async fn unmoved(&self, rules: &Arc<ActiveRules>, candidate: &Candidate, actor: &Actor) -> Result<u64, OrcError> {
        let moved = self.moved(rules, candidate).await?;
        match moved.error {
            Some(error) => Err(self.go_stale(rules, candidate, actor, error, moved.differences).await?),
            None => Ok(moved.lag),
        }
    }

    /// The plan is stale from now on; the error says why and what to do.
    async fn go_stale(
        &self,
        rules: &ActiveRules,
        candidate: &Candidate,
        actor: &Actor,
        error: OrcError,
        differences: Vec<PlanDifference>,
    ) -> Result<OrcError, OrcError> {
        let (id, actor) = (candidate.workflow.id.clone(), actor.clone());
        let why = json!({ "code": error.code, "message": error.message, "differences": differences, "reasons": error.reasons,
            "planned_rules": candidate.document.rules.revision, "active_rules": rules.revision });
        self.write(move |tx| {
            supersede(tx, &id, &Actor::System)?;
            tx.apply_workflow(&id, WorkflowEvent::WentStale, &actor, why)?;
            tx.clear_timer(PLAN_EXPIRY, id.as_str())?;
            Ok(())
        })
        .await?;
        Ok(error.hint(format!("`orcctl replan {}` plans it again and shows what differs", candidate.workflow.id)))
    }

    async fn moved(&self, rules: &Arc<ActiveRules>, candidate: &Candidate) -> Result<Moved, OrcError> {
        let document = &candidate.document;
        let differences = self.pinned_differences(rules, document).await;
        let differences = match differences {
            Ok(differences) => differences,
            // What the plan names does not exist any more: its project, pipeline, phase, flag.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Usage | ErrorKind::Config) => {
                return Ok(Moved::error(OrcError { code: ErrorCode::PlanStale, ..error }));
            }
            Err(error) => return Err(error),
        };
        if !differences.is_empty() {
            let mut error = OrcError::new(
                ErrorCode::PlanStale,
                format!("what the plan pins has changed since it was approved: {}", names(&differences)),
            );
            error.causes = differences.iter().take(NAMED).map(describe).collect();
            return Ok(Moved { error: Some(error), differences, lag: 0 });
        }
        let reach = self.workspaces.reachability(Path::new(&document.project_entry.root), &document.base).await?;
        if !reach.reachable {
            let message = format!(
                "the planned commit {} is not reachable from {} any more",
                short(&document.base.commit),
                Untrusted::new(document.base.branch.as_str()).for_line(80)
            );
            return Ok(Moved::error(OrcError::new(ErrorCode::BaseCommitGone, message)));
        }
        if let Some(stricter) = self.stricter(rules, candidate).await? {
            let message = format!(
                "the rules in force (revision {}) decide more strictly than revision {} did",
                rules.revision, document.rules.revision
            );
            return Ok(Moved::error(OrcError::new(ErrorCode::PlanStale, message).reasons(stricter)));
        }
        Ok(Moved { error: None, differences, lag: reach.lag })
    }

    /// The plan made again from the rules in force, compared with the approved one.
    async fn pinned_differences(&self, rules: &ActiveRules, planned: &PlanDocument) -> Result<Vec<PlanDifference>, OrcError> {
        let subject = Subject::of(planned);
        let resolved = resolve(rules, &subject)?;
        let found = self.found(&resolved, planned.base.clone(), planned.memory_snapshot).await?;
        let decided = Decided { risk: planned.risk.clone(), approvals: planned.approvals.clone() };
        let now = document(rules, &self.machine, &subject, &resolved, &found, decided)?;
        drift(planned, &now)
    }

    /// The question of planning asked again under the rules in force: the same request, the same counts, today's people.
    async fn stricter(&self, rules: &Arc<ActiveRules>, candidate: &Candidate) -> Result<Option<Vec<Reason>>, OrcError> {
        let document = &candidate.document;
        if rules.digest == document.rules.digest {
            return Ok(None);
        }
        let nothing = Counts { tenant_active: 0, planned_last_hour: 0, project_active: 0, freezes: Vec::new() };
        let today = input(rules, &About::of(document), &nothing, self.now());
        let question = DecisionInput {
            requesters: today.requesters,
            operators: today.operators,
            groups: today.groups,
            ..candidate.planned_input.clone()
        };
        let answer = self.decide(rules, EntryPoint::Plan, question).await?;
        let stricter = answer.decision.stricter_than(&document.risk, &document.approvals);
        let id = candidate.workflow.id.clone();
        self.write(move |tx| Ok(tx.insert_decision(&answer.stored(Some(&id), tx.now()))?)).await?;
        Ok(stricter)
    }

    async fn counted(&self, document: &PlanDocument) -> Result<Counts, OrcError> {
        let (tenant, project, workflow, now) = (document.tenant.clone(), document.project.clone(), document.workflow.clone(), self.now());
        self.read(move |tx| counts(tx, &tenant, &project, now, Some(&workflow))).await
    }

    /// Policy's `admit`, then the one transaction.
    async fn admitted(
        &self,
        rules: &Arc<ActiveRules>,
        candidate: Candidate,
        actor: Actor,
        request: Run,
        lag: u64,
    ) -> Result<RunAccepted, OrcError> {
        let candidate = Arc::new(candidate);
        for _ in 0..TRIES {
            let counted = self.counted(&candidate.document).await?;
            let mut question = input(rules, &About::of(&candidate.document), &counted, self.now());
            question.approved_risk = Some(candidate.document.risk.class);
            let answer = self.decide(rules, EntryPoint::Admit, question).await?;
            if let Some(denial) = answer.denial() {
                let id = candidate.workflow.id.clone();
                self.write(move |tx| Ok(tx.insert_decision(&answer.stored(Some(&id), tx.now()))?)).await?;
                return Err(denial);
            }
            // `admit` can tighten without denying: what it asks for beyond the approvals was never given.
            if let Some(reasons) = answer.decision.stricter_than(&candidate.document.risk, &candidate.document.approvals) {
                let id = candidate.workflow.id.clone();
                self.write(move |tx| Ok(tx.insert_decision(&answer.stored(Some(&id), tx.now()))?)).await?;
                let error = OrcError::new(ErrorCode::PlanStale, "`admit` asks for more than was approved").reasons(reasons);
                return Err(self.go_stale(rules, &candidate, &actor, error, Vec::new()).await?);
            }
            let run = NewRun {
                id: ExecutionId::generate(self.ids.as_ref()),
                phase_runs: candidate.document.phases.iter().map(|_| PhaseRunId::generate(self.ids.as_ref())).collect(),
                key: request.idempotency_key.clone(),
                actor: actor.clone(),
                lag,
            };
            if let Some(accepted) = self.create(rules, &candidate, run, answer, counted).await? {
                return Ok(accepted);
            }
        }
        Err(OrcError::new(ErrorCode::DatabaseBusy, "quotas kept changing while the run was admitted").hint("try again with the same key"))
    }

    /// `None`: what policy was told is no longer so, ask again.
    async fn create(
        &self,
        rules: &Arc<ActiveRules>,
        candidate: &Arc<Candidate>,
        run: NewRun,
        answer: Answer,
        counted: Counts,
    ) -> Result<Option<RunAccepted>, OrcError> {
        let (rules, keys, candidate) = (Arc::clone(rules), Arc::clone(&self.keys), Arc::clone(candidate));
        self.write(move |tx| {
            let document = &candidate.document;
            let same_counts = counts(tx, &document.tenant, &document.project, tx.now(), Some(&document.workflow))? == counted;
            let same_rules = tx.active_rules()?.is_some_and(|active| active.revision == rules.revision);
            if !same_counts || !same_rules {
                return Ok(None);
            }
            if let Some(existing) = tx.execution_by_key(&document.workflow, &run.key)? {
                let workflow = tx.workflow(&document.workflow)?;
                return Ok(Some(RunAccepted {
                    execution: existing.into(),
                    workflow,
                    created: false,
                    base_lag: run.lag,
                    warnings: Vec::new(),
                }));
            }
            let state = tx.workflow(&document.workflow)?.state;
            if state != WorkflowState::Approved {
                return Err(OrcError::new(ErrorCode::IdempotencyConflict, format!("{} is {state} meanwhile", document.workflow))
                    .hint(format!("`orcctl status {}` shows under which key it runs", document.workflow)));
            }
            approvals_hold(tx, &rules, &keys, &document.workflow, document.revision)?;
            tx.insert_decision(&answer.stored(Some(&document.workflow), tx.now()))?;
            create_execution(tx, document, &run)?;
            let execution = tx.execution(&run.id)?.into();
            let workflow = tx.workflow(&document.workflow)?;
            Ok(Some(RunAccepted { execution, workflow, created: true, base_lag: run.lag, warnings: answer.decision.warnings.clone() }))
        })
        .await
    }
}

/// Why a plan may not run any more.
struct Moved {
    error: Option<OrcError>,
    differences: Vec<PlanDifference>,
    lag: u64,
}

impl Moved {
    const fn error(error: OrcError) -> Self {
        Self { error: Some(error), differences: Vec::new(), lag: 0 }
    }
}

/// An execution that is to be created.
struct NewRun {
    id: ExecutionId,
    phase_runs: Vec<PhaseRunId>,
    key: String,
    actor: Actor,
    lag: u64,
}

fn load(tx: &ReadTx<'_>, wanted: &str, key: &str) -> Result<Candidate, OrcError> {
    let (workflow, revision, document) = views::newest_plan(tx, &views::find_workflow(tx, wanted)?)?;
    announced(tx, &workflow, &revision, &document)?;
    let decision = tx.decision(&revision.decision)?;
    let existing = tx.execution_by_key(&workflow.id, key)?;
    Ok(Candidate { workflow, document, planned_input: decision.input, existing, expires_at: revision.expires_at })
}

/// Whether state, plan hash and time let it start.
fn startable(candidate: &Candidate, request: &Run, now: Timestamp) -> Result<(), OrcError> {
    let workflow = &candidate.workflow;
    let id = &workflow.id;
    if let Some(asked) = request.plan_hash
        && asked != workflow.plan_hash
    {
        return Err(OrcError::new(ErrorCode::PlanHashMismatch, format!("the newest plan of {id} is {}, not {asked}", workflow.plan_hash))
            .hint(format!("`orcctl status {id}` shows it; look at what differs before running it")));
    }
    match workflow.state {
        WorkflowState::Approved => {}
        WorkflowState::Executing | WorkflowState::Completed => {
            return Err(OrcError::new(
                ErrorCode::IdempotencyConflict,
                format!("this plan of {id} runs or ran under another idempotency key"),
            )
            .hint(format!(
                "`orcctl status {id}` shows its execution; to run it once more, plan it anew:\n{}",
                next::plan_again(&candidate.document)
            )));
        }
        WorkflowState::AwaitingApproval | WorkflowState::Planned => {
            return Err(
                OrcError::new(ErrorCode::NotApproved, format!("{id} waits for approval")).hint(format!("`orcctl status {id}` shows whose"))
            );
        }
        WorkflowState::Expired => {
            return Err(
                OrcError::new(ErrorCode::Expired, format!("the plan of {id} expired")).hint(format!("`orcctl replan {id}` plans it again"))
            );
        }
        WorkflowState::Withdrawn => {
            return Err(OrcError::new(ErrorCode::IllegalTransition, format!("{id} is withdrawn and cannot run"))
                .hint(next::instead_of_replan(workflow.state, &candidate.document)));
        }
        state => {
            return Err(OrcError::new(ErrorCode::IllegalTransition, format!("{id} is {state} and cannot run"))
                .hint(format!("`orcctl replan {id}` plans it again")));
        }
    }
    if candidate.expires_at.is_some_and(|expires_at| now >= expires_at) {
        return Err(
            OrcError::new(ErrorCode::Expired, format!("the plan of {id} expired")).hint(format!("`orcctl replan {id}` plans it again"))
        );
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), OrcError> {
    if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(OrcError::new(ErrorCode::InvalidRequest, format!("an idempotency key has 1 to {MAX_KEY} printable ASCII characters and no blanks")))
}

/// Whether votes that still count reach every quorum: roles, proofs and separation are looked up again, now. And whether each was cast with
/// the token of this very plan, which nobody can make who has the database alone.
fn approvals_hold(tx: &ReadTx<'_>, rules: &ActiveRules, keys: &Keys, id: &WorkflowId, revision: u32) -> Result<(), OrcError> {
    let (row, workflow) = (tx.plan_revision(id, revision)?, tx.workflow(id)?);
    let document = views::document(tx, &row)?;
    announced(tx, &workflow, &row, &document)?;
    let requests = views::requests(tx, rules, &workflow, revision, document.risk.class)?;
    if requests.len() != document.approvals.len() {
        return Err(OrcError::new(ErrorCode::NotApproved, format!("the approval requests of {id} are not those of its plan")));
    }
    for request in &requests {
        let counting = views::counting(request);
        if request.state != ApprovalRequestState::Approved || counting < request.quorum as usize {
            return Err(OrcError::new(
                ErrorCode::NotApproved,
                format!("{counting} of {} votes for {} count now", request.quorum, request.group),
            )
            .hint(format!(
                "a role was withdrawn or a vote is missing: `orcctl status {id}` shows the votes, `orcctl replan {id}` asks again"
            )));
        }
    }
    cast_on_this_plan(tx, keys, &row)
}

fn cast_on_this_plan(tx: &ReadTx<'_>, keys: &Keys, row: &PlanRevisionRow) -> Result<(), OrcError> {
    let requests: Vec<ApprovalRequestId> = tx.requests_of(&row.workflow, row.revision)?.into_iter().map(|request| request.id).collect();
    for vote in tx.votes_of(&requests)?.into_values().flatten().filter(|vote| vote.choice == Choice::Approve) {
        let token = keys.approval_token(&vote.request, &row.plan_hash, &vote.operator, EPOCH);
        if Digest::of(token.as_bytes()) != vote.token_digest {
            return Err(OrcError::new(
                ErrorCode::NotApproved,
                format!(
                    "the vote of {} on {} was not cast on the plan {} of {}",
                    vote.operator,
                    vote.request,
                    row.plan_hash.short(),
                    row.workflow
                ),
            )
            .hint("the database was changed by hand, or the host's key: `orcctl audit verify`, then restore a backup"));
        }
    }
    Ok(())
}

fn create_execution(tx: &mut WriteTx<'_>, document: &PlanDocument, run: &NewRun) -> Result<(), OrcError> {
    let id = &document.workflow;
    let request = json!({ "workflow": id, "revision": document.revision });
    tx.insert_execution(&NewExecution {
        id: run.id.clone(),
        workflow: id.clone(),
        revision: document.revision,
        idempotency_key: run.key.clone(),
        request_digest: digest_of(&request)?,
        created_by: run.actor.clone(),
    })?;
    for (place, (phase_run, phase)) in run.phase_runs.iter().zip(&document.phases).enumerate() {
        tx.insert_phase_run(&NewPhaseRun {
            id: phase_run.clone(),
            execution: run.id.clone(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            phase: phase.phase.clone(),
            attempts: phase.contract.attempts,
        })?;
    }
    let approvals: Vec<ApprovalRequestId> = tx.requests_of(id, document.revision)?.into_iter().map(|request| request.id).collect();
    tx.apply_workflow(id, WorkflowEvent::ExecutionStarted, &run.actor, json!({ "execution": run.id, "revision": document.revision }))?;
    let mut subject = subject_of(document);
    subject.execution = Some(run.id.clone());
    let body =
        json!({ "id": run.id, "revision": document.revision, "idempotency_key": run.key, "consumed": approvals, "base_lag": run.lag });
    tx.append(NewEvent { kind: EventKind::ExecutionCreated, actor: run.actor.clone(), subject, body })?;
    tx.push_outbox("execution_created", Some(id), &json!({ "execution": run.id }))?;
    tx.clear_timer(PLAN_EXPIRY, id.as_str())?;
    Ok(())
}

pub(crate) fn names(differences: &[PlanDifference]) -> String {
    let mut names: Vec<String> =
        differences.iter().take(NAMED).map(|difference| Untrusted::new(difference.pointer.as_str()).for_line(100)).collect();
    if differences.len() > NAMED {
        names.push(format!("and {} more", differences.len() - NAMED));
    }
    names.join(", ")
}

pub(crate) fn describe(difference: &PlanDifference) -> String {
    use serde_json::Value;
    let show = |value: Option<&Value>| match value {
        Some(value) => Untrusted::new(value.to_string()).for_line(60),
        None => "nothing".to_owned(),
    };
    let at = Untrusted::new(difference.pointer.as_str()).for_line(100);
    match (&difference.planned, &difference.now) {
        // Two long lists look alike at their beginnings: the first item that differs tells them apart.
        (Some(Value::Array(planned)), Some(Value::Array(now))) => {
            let first = planned.iter().zip(now).take_while(|(planned, now)| planned == now).count();
            let (was, is) = (show(planned.get(first)), show(now.get(first)));
            format!("{at} was {} items, is {}: item {first} was {was}, is {is}", planned.len(), now.len())
        }
        (planned, now) => format!("{at} was {}, is {}", show(planned.as_ref()), show(now.as_ref())),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
