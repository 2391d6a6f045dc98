//! The intents `plan` and `replan`: from a request to a plan that can be approved, in one transaction with everything that belongs to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orc_domain::api::{BacklogItem, BacklogState, Implement, Plan, Planned, Replan};
use orc_domain::audit::{EventKind, NewEvent, Subject as AuditSubject};
use orc_domain::decision::{EntryPoint, Reason, Requirement};
use orc_domain::grant::LaunchGrant;
use orc_domain::operators::Actor;
use orc_domain::plan::{PlanDifference, PlanDocument, PlannedIntent, differences};
use orc_domain::risk::CommandFamily;
use orc_domain::states::{ApprovalRequestEvent, ApprovalRequestState, WorkflowEvent, WorkflowState};
use orc_domain::*;
use orc_store::{ApprovalRequestRow, NewWorkflow, Timer, WriteTx};
use serde_json::json;

use crate::altered::announced;
use crate::authority::Act;
use crate::command;
use crate::decide::Answer;
use crate::document::{Decided, Found, Resolved, Subject, command_grant, document, resolve};
use crate::engine::{Engine, internal, to_json};
use crate::facts::{About, Counts, counts, input};
use crate::knowledge::{backlog_event, find_backlog};
use crate::next;
use crate::once::Once;
use crate::rules::ActiveRules;
use crate::views;

/// How long a plan that needs no approval can be run. Plans that need one expire with the first request of theirs.
const UNASKED_PLAN_S: u64 = 7 * 86_400;
/// The timer of a plan's expiry.
pub(crate) const PLAN_EXPIRY: &str = "plan_expiry";
/// How often planning starts again because counts or rules moved while policy was asked.
const TRIES: u32 = 5;

/// The action of an agent's task.
const IMPLEMENT: &str = "implement";
/// The longest task, in bytes.
const MAX_TASK: usize = 16 * 1024;
const MAX_METADATA: usize = 32;
const MAX_METADATA_VALUE: usize = 1000;

/// What a plan is made of before policy is asked.
struct Draft {
    subject: Subject,
    found: Found,
    /// What is remembered of the project, for a task.
    memory: Option<Vec<u8>>,
    /// The document of the revision before, for a re-plan.
    before: Option<PlanDocument>,
}

/// The plan that a re-plan takes over from.
struct Before {
    document: PlanDocument,
    /// Who was behind it.
    requesters: Vec<OperatorName>,
}

/// What goes into the transaction.
struct Ready {
    document: PlanDocument,
    hash: Digest,
    answer: Answer,
    counts: Counts,
    rules_revision: u64,
    open_plans: u32,
    actor: Actor,
    request_ids: Vec<ApprovalRequestId>,
}

impl Engine {
    /// The intent `plan`.
    pub(crate) async fn plan(&self, actor: Actor, once: Once, request: Plan) -> Result<Planned, OrcError> {
        self.scan_root().await?;
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Plan)?;
        check_metadata(&request.metadata)?;
        let subject = Subject {
            workflow: WorkflowId::generate(self.ids.as_ref()),
            revision: 1,
            requesters: vec![permit.operator],
            project: request.project,
            family: request.family,
            action: request.action,
            intent: PlannedIntent::Command { argv: command::parse(&request.command_text)? },
            engine: None,
            backlog: None,
            declared: request.flags.into_iter().collect(),
            metadata: request.metadata,
            pipeline: request.pipeline,
            no_verify: request.no_verify,
        };
        self.make_plan(actor, once, subject, None).await
    }

    /// The intent `implement`.
    pub(crate) async fn implement(&self, actor: Actor, once: Once, request: Implement) -> Result<Planned, OrcError> {
        self.scan_root().await?;
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Plan)?;
        check_metadata(&request.metadata)?;
        let item = match request.backlog.clone() {
            None => None,
            Some(text) => Some(self.open_item(&request.project, text).await?),
        };
        let task = task_of(request.task, item.as_ref())?;
        let named = request.pipeline.as_ref().and_then(|name| rules.checked.contracts.pipelines.get(name));
        let subject = Subject {
            workflow: WorkflowId::generate(self.ids.as_ref()),
            revision: 1,
            requesters: vec![permit.operator],
            project: request.project,
            family: named.map_or(CommandFamily::AgentImplementation, |pipeline| pipeline.family),
            action: implement_action()?,
            intent: PlannedIntent::Task { task },
            engine: request.engine,
            backlog: item.map(|item| item.id),
            declared: request.flags.into_iter().collect(),
            metadata: request.metadata,
            pipeline: request.pipeline,
            no_verify: request.no_verify,
        };
        self.make_plan(actor, once, subject, None).await
    }

    async fn open_item(&self, project: &ProjectName, text: String) -> Result<BacklogItem, OrcError> {
        let item = self.read(move |tx| Ok(tx.backlog_item(&find_backlog(tx, &text)?)?)).await?;
        if item.project != *project {
            return Err(OrcError::new(ErrorCode::InvalidRequest, format!("{} is an item of the project {}", item.id, item.project)));
        }
        if item.state != BacklogState::Open {
            return Err(OrcError::new(ErrorCode::IllegalTransition, format!("{} is {}, not open", item.id, item.state))
                .hint(format!("`orcctl backlog --set open {}` opens it again", item.id)));
        }
        Ok(item)
    }

    /// The intent `replan`: the same intent again, under the rules in force and from the branch's newest commit.
    pub(crate) async fn replan(&self, actor: Actor, once: Once, request: Replan) -> Result<Planned, OrcError> {
        self.scan_root().await?;
        let rules = self.active_rules().await?;
        let newest = self.read(move |tx| {
            let (summary, row, document) = views::newest_plan(tx, &views::find_workflow(tx, &request.workflow)?)?;
            announced(tx, &summary, &row, &document)?;
            Ok((summary, document))
        });
        let (summary, before) = newest.await?;
        let permit = self.authorise(&rules, &actor, Act::Steer { requesters: &summary.requesters })?;
        // The transition is checked again where it happens; here it saves a repository's worth of work.
        if orc_domain::states::Machine::next(summary.state, WorkflowEvent::Replanned).is_err() {
            let message = format!("{} is {} and cannot be planned again", summary.id, summary.state);
            return Err(OrcError::new(ErrorCode::IllegalTransition, message).hint(next::instead_of_replan(summary.state, &before)));
        }
        let before = Before { document: before, requesters: summary.requesters.clone() };
        let mut requesters = summary.requesters;
        if !requesters.contains(&permit.operator) {
            requesters.push(permit.operator);
            requesters.sort();
        }
        let subject = Subject { revision: summary.revision + 1, requesters, ..Subject::of(&before.document) };
        self.make_plan(actor, once, subject, Some(before)).await
    }

    /// Everything of the plan that does not depend on policy. Slow: asks the repository.
    async fn draft(&self, rules: &Arc<ActiveRules>, subject: Subject, before: Option<PlanDocument>) -> Result<Draft, OrcError> {
        let resolved = resolve(rules, &subject)?;
        let root = std::path::Path::new(&resolved.entry.root);
        let base = self.workspaces.resolve(root, &resolved.entry.base).await?;
        self.check_enforceable(&command_grant(&rules.checked.settings, &self.machine, resolved.entry)).await?;
        let memory = match &subject.intent {
            PlannedIntent::Task { .. } => Some(self.snapshot(&subject.project).await?),
            PlannedIntent::Command { .. } => None,
        };
        let found = self.found(&resolved, base, memory.as_deref().map(Digest::of)).await?;
        Ok(Draft { subject, found, memory, before })
    }

    /// What no launch here could be held to is said before anybody is asked to approve it. The launch decides again.
    async fn check_enforceable(&self, grant: &LaunchGrant) -> Result<(), OrcError> {
        let enforceable = self.launcher.enforceable().await;
        let enforceable =
            enforceable.map_err(|error| OrcError::from_source(ErrorCode::LaunchFailed, "this machine cannot launch anything", &error))?;
        match grant.must.iter().find_map(|protection| enforceable.missing.get_key_value(protection)) {
            None => Ok(()),
            Some((protection, why)) => Err(OrcError::new(ErrorCode::Unenforceable, format!("`{protection}` is demanded of every launch and cannot be enforced here"))
                .cause(why.clone())
                .hint("`orcctl doctor` says what this machine can enforce; what root loses is accepted by name under `launch.accept_root` in config/orc.yaml")),
        }
    }

    /// Everything of a plan is of one rules revision: where another one comes into force meanwhile, all of it is done again.
    async fn make_plan(&self, actor: Actor, once: Once, subject: Subject, before: Option<Before>) -> Result<Planned, OrcError> {
        for _ in 0..TRIES {
            let rules = self.active_rules().await?;
            let act = before.as_ref().map_or(Act::Plan, |before| Act::Steer { requesters: &before.requesters });
            self.authorise(&rules, &actor, act)?;
            let draft = self.draft(&rules, subject.clone(), before.as_ref().map(|before| before.document.clone())).await?;
            let resolved = resolve(&rules, &draft.subject)?;
            let asked = self.ask(&rules, &draft, &resolved).await?;
            let ready = self.ready(&rules, &draft, &resolved, asked, actor.clone())?;
            if let Some(mut planned) = self.record_plan(&rules, &once, &draft, ready).await? {
                if planned.workflow.state == WorkflowState::Approved {
                    self.start_unasked(&mut planned).await;
                }
                return Ok(planned);
            }
        }
        Err(OrcError::new(ErrorCode::DatabaseBusy, "quotas or rules kept changing while the plan was made").hint("try again"))
    }

    /// A plan that nobody has to approve may start by itself, as one may after its last vote. The plan stands whatever comes of it.
    async fn start_unasked(&self, planned: &mut Planned) {
        match self.autorun(&planned.workflow.id).await {
            Ok(Some(accepted)) => {
                planned.workflow = accepted.workflow;
                planned.next = next::for_workflow(&planned.workflow, &planned.approval_requests, Some(&accepted.execution));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(workflow = %planned.workflow.id, %error, "a plan was not run by itself"),
        }
    }

    /// Asks policy; a denial is stored and becomes the error.
    async fn ask(&self, rules: &Arc<ActiveRules>, draft: &Draft, resolved: &Resolved<'_>) -> Result<(Answer, Counts), OrcError> {
        let now = self.now();
        let (tenant, project) = (resolved.entry.tenant.clone(), draft.subject.project.clone());
        let workflow = draft.subject.workflow.clone();
        let counts = self.read(move |tx| counts(tx, &tenant, &project, now, Some(&workflow))).await?;
        let document = input(rules, &About::planned(&draft.subject, resolved), &counts, now);
        let answer = self.decide(rules, EntryPoint::Plan, document).await?;
        let Some(denial) = answer.denial() else { return Ok((answer, counts)) };
        let workflow = draft.before.as_ref().map(|before| before.workflow.clone());
        self.write(move |tx| Ok(tx.insert_decision(&answer.stored(workflow.as_ref(), tx.now()))?)).await?;
        Err(denial)
    }

    fn ready(
        &self,
        rules: &ActiveRules,
        draft: &Draft,
        resolved: &Resolved<'_>,
        asked: (Answer, Counts),
        actor: Actor,
    ) -> Result<Ready, OrcError> {
        let (answer, counts) = asked;
        let decided = Decided { risk: answer.decision.risk.clone(), approvals: answer.decision.requires.clone() };
        let document = document(rules, &self.machine, &draft.subject, resolved, &draft.found, decided)?;
        Ok(Ready {
            hash: document.hash().map_err(|error| internal("the plan document has no JSON form", &error))?,
            request_ids: document.approvals.iter().map(|_| ApprovalRequestId::generate(self.ids.as_ref())).collect(),
            document,
            answer,
            counts,
            rules_revision: rules.revision,
            open_plans: rules.checked.settings.limits.open_plans_per_operator,
            actor,
        })
    }

    /// `None`: what policy was told is no longer so, ask again.
    async fn record_plan(&self, rules: &Arc<ActiveRules>, once: &Once, draft: &Draft, ready: Ready) -> Result<Option<Planned>, OrcError> {
        let before = draft.before.as_ref().map(to_json).transpose()?;
        let (rules, once, memory) = (Arc::clone(rules), once.clone(), draft.memory.clone());
        let backlog = draft.subject.backlog.clone();
        self.write(move |tx| {
            let document = &ready.document;
            if let Some(memory) = &memory {
                tx.put_blob("application/json", memory)?;
            }
            let now_counts = counts(tx, &document.tenant, &document.project, tx.now(), Some(&document.workflow))?;
            let active = tx.active_rules()?.map(|active| active.revision);
            if now_counts != ready.counts || active != Some(ready.rules_revision) {
                return Ok(None);
            }
            write_plan(tx, &ready)?;
            if let Some(item) = &backlog {
                plan_item(tx, item, &ready)?;
            }
            let differs = match &before {
                Some(before) => differences(before, &to_json(document)?),
                None => Vec::new(),
            };
            let planned = planned(tx, &rules, &ready, differs)?;
            once.keep(tx, &planned)?;
            Ok(Some(planned))
        })
        .await
    }
}

fn planned(tx: &WriteTx<'_>, rules: &ActiveRules, ready: &Ready, differences: Vec<PlanDifference>) -> Result<Planned, OrcError> {
    let mut warnings = ready.answer.decision.warnings.clone();
    if tx.rules_candidate()?.is_some()
        && let Ok(code) = "rules-candidate".parse()
    {
        let message = format!("the root has changes that are not in force: this plan is of rules revision {}", ready.rules_revision);
        warnings.push(Reason { code, message, at: None, remedy: Some("`orcctl rules` says why".to_owned()) });
    }
    let status = views::status(tx, rules, &ready.document.workflow)?;
    Ok(Planned {
        risk: ready.document.risk.clone(),
        workflow: status.workflow,
        approval_requests: status.approval_requests,
        warnings,
        decision: ready.answer.id.clone(),
        differences,
        next: status.next,
    })
}

fn write_plan(tx: &mut WriteTx<'_>, ready: &Ready) -> Result<(), OrcError> {
    let document = &ready.document;
    let id = &document.workflow;
    for requester in &document.requesters {
        let others = tx.open_plans_of(requester, id)?;
        if others >= u64::from(ready.open_plans) {
            return Err(OrcError::new(ErrorCode::TooManyOpenPlans, format!("{requester} has {others} open plans, as many as are allowed"))
                .hint("run or withdraw some: `orcctl workflows` lists them"));
        }
    }
    if document.revision == 1 {
        tx.insert_workflow(&NewWorkflow {
            id: id.clone(),
            tenant: document.tenant.clone(),
            project: document.project.clone(),
            family: document.family,
            action: document.action.clone(),
            title: title(&document.intent),
            requesters: document.requesters.iter().cloned().collect(),
        })?;
    } else {
        supersede(tx, id, &ready.actor)?;
        let why = json!({ "revision": document.revision });
        tx.apply_workflow(id, WorkflowEvent::Replanned, &ready.actor, why)?;
        tx.add_requesters(id, &document.requesters.iter().cloned().collect())?;
    }
    tx.insert_decision(&ready.answer.stored(Some(id), tx.now()))?;
    let expires_at = expiry(tx.now(), &document.approvals);
    tx.insert_plan_revision(document, &ready.answer.id, Some(expires_at))?;
    tx.set_timer(&Timer { kind: PLAN_EXPIRY.to_owned(), subject: id.to_string(), due_at: expires_at })?;
    announce(tx, ready)?;
    ask_groups(tx, ready)
}

/// A backlog item is planned by one plan at a time.
fn plan_item(tx: &mut WriteTx<'_>, id: &BacklogItemId, ready: &Ready) -> Result<(), OrcError> {
    if tx.backlog_item(id)?.state != BacklogState::Open {
        return Err(OrcError::new(ErrorCode::IllegalTransition, format!("{id} was planned by somebody else meanwhile")));
    }
    tx.set_backlog_state(id, BacklogState::Planned, Some(&ready.document.workflow))?;
    let item = tx.backlog_item(id)?;
    backlog_event(tx, ready.actor.clone(), &item, BacklogState::Planned)
}

/// The newest revision's open requests ask for nothing any more.
pub(crate) fn supersede(tx: &mut WriteTx<'_>, id: &WorkflowId, actor: &Actor) -> Result<(), OrcError> {
    let revision = tx.workflow(id)?.revision;
    for request in tx.requests_of(id, revision)? {
        if matches!(request.state, ApprovalRequestState::Pending | ApprovalRequestState::Approved) {
            tx.apply_approval_request(&request.id, ApprovalRequestEvent::Superseded, actor, json!({}))?;
        }
    }
    Ok(())
}

fn expiry(now: Timestamp, approvals: &[Requirement]) -> Timestamp {
    let first = approvals.iter().map(|requirement| requirement.expires_s).min();
    now.plus_seconds(first.unwrap_or(UNASKED_PLAN_S))
}

fn announce(tx: &mut WriteTx<'_>, ready: &Ready) -> Result<(), OrcError> {
    let document = &ready.document;
    let body = json!({
        "revision": document.revision,
        "plan_hash": ready.hash,
        "requesters": document.requesters,
        "decision": ready.answer.id,
        "risk": document.risk.class,
        "action": document.action,
        "family": document.family,
        "intent": document.intent,
        "base": document.base,
        "memory": document.memory_snapshot,
        "rules": document.rules,
    });
    tx.append(NewEvent { kind: EventKind::WorkflowPlanned, actor: ready.actor.clone(), subject: subject_of(document), body })?;
    tx.push_outbox("workflow_planned", Some(&document.workflow), &json!({ "plan_hash": ready.hash }))?;
    Ok(())
}

fn ask_groups(tx: &mut WriteTx<'_>, ready: &Ready) -> Result<(), OrcError> {
    let document = &ready.document;
    for (id, requirement) in ready.request_ids.iter().zip(&document.approvals) {
        let row = ApprovalRequestRow {
            id: id.clone(),
            workflow: document.workflow.clone(),
            revision: document.revision,
            group: requirement.group.clone(),
            kind: requirement.kind,
            quorum: requirement.quorum,
            state: ApprovalRequestState::Pending,
            reasons: requirement.reasons.clone(),
            tree: None,
            created_at: tx.now(),
            expires_at: tx.now().plus_seconds(requirement.expires_s),
        };
        tx.insert_approval_request(&row)?;
        let body = json!({ "id": id, "revision": document.revision, "group": requirement.group, "quorum": requirement.quorum,
            "kind": requirement.kind, "expires_at": row.expires_at });
        tx.append(NewEvent { kind: EventKind::ApprovalRequested, actor: Actor::System, subject: subject_of(document), body })?;
        tx.push_outbox("approval_requested", Some(&document.workflow), &json!({ "request": id }))?;
    }
    let event = if document.approvals.is_empty() { WorkflowEvent::ApprovalNotNeeded } else { WorkflowEvent::ApprovalRequested };
    tx.apply_workflow(&document.workflow, event, &Actor::System, json!({ "revision": document.revision }))?;
    Ok(())
}

pub(crate) fn subject_of(document: &PlanDocument) -> AuditSubject {
    AuditSubject {
        tenant: Some(document.tenant.clone()),
        project: Some(document.project.clone()),
        workflow: Some(document.workflow.clone()),
        execution: None,
    }
}

fn title(intent: &PlannedIntent) -> Untrusted {
    match intent {
        PlannedIntent::Command { argv } => Untrusted::new(command::display(argv)),
        PlannedIntent::Task { task } => task.clone(),
    }
}

/// Of an agent's task.
fn implement_action() -> Result<ActionName, OrcError> {
    IMPLEMENT.parse().map_err(|error| internal("the action of a task has no name", &error))
}

/// The words of a backlog item, then the operator's own.
fn task_of(task: Option<Untrusted>, item: Option<&BacklogItem>) -> Result<Untrusted, OrcError> {
    let found = item.map(|item| match &item.path {
        Some(path) => format!("{}\n\n{}\n\nabout {}", item.title.raw(), item.detail.raw(), path.raw()),
        None => format!("{}\n\n{}", item.title.raw(), item.detail.raw()),
    });
    let own = task.map(|task| task.raw().to_owned());
    let task = Untrusted::new(found.into_iter().chain(own).collect::<Vec<_>>().join("\n\n"));
    check_task(&task)?;
    Ok(task)
}

fn check_task(task: &Untrusted) -> Result<(), OrcError> {
    if task.raw().trim().is_empty() {
        return Err(OrcError::new(ErrorCode::InvalidRequest, "the task is empty").hint("say what is to be done, in a sentence or more"));
    }
    if task.raw().len() > MAX_TASK {
        return Err(OrcError::new(ErrorCode::InvalidRequest, format!("the task is longer than {MAX_TASK} bytes"))
            .hint("put what is long into a file of the repository and name it"));
    }
    Ok(())
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), OrcError> {
    let refuse = |why: String| Err(OrcError::new(ErrorCode::InvalidRequest, why));
    if metadata.len() > MAX_METADATA {
        return refuse(format!("{} facts of metadata are more than {MAX_METADATA}", metadata.len()));
    }
    let keys: BTreeSet<char> = ('a'..='z').chain('0'..='9').chain(['_', '-', '.']).collect();
    for (key, value) in metadata {
        if key.is_empty() || key.len() > 64 || !key.chars().all(|c| keys.contains(&c)) {
            return refuse(format!(
                "`{}` is no key of metadata: use 1 to 64 of a-z, 0-9, `_`, `-` and `.`",
                Untrusted::new(key.as_str()).for_line(80)
            ));
        }
        if value.len() > MAX_METADATA_VALUE {
            return refuse(format!("the value of `{key}` is longer than {MAX_METADATA_VALUE} bytes"));
        }
    }
    Ok(())
}
