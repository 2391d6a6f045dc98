//! The intents `cancel`, `freeze` and `unfreeze`: an operator's hand on what runs.

use orc_domain::api::*;
use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::operators::Actor;
use orc_domain::states::ExecutionState;
use orc_domain::*;
use orc_store::ReadTx;
use serde_json::json;

use crate::authority::{Act, authorise};
use crate::engine::Engine;
use crate::execute::over;
use crate::next;
use crate::once::Once;
use crate::plan::subject_of;
use crate::rules::ActiveRules;
use crate::views;

const MAX_REASON: usize = 1000;

impl Engine {
    /// The intent `cancel`: durable at once; what runs is killed by whoever drives it, and nothing of it is left when it is `cancelled`.
    pub(crate) async fn cancel(&self, actor: Actor, once: Once, request: Cancel) -> Result<Status, OrcError> {
        check_reason(request.reason.as_ref())?;
        let rules = self.active_rules().await?;
        let driven: Vec<ExecutionId> = self.driven().keys().cloned().collect();
        let (status, id, over_now) = self
            .write(move |tx| {
                let workflow = tx.workflow(&views::find_workflow(tx, &request.id)?)?;
                let groups = views::groups(tx, &workflow)?;
                let act = Act::Cancel { requesters: &workflow.requesters, groups: &groups };
                authorise(&rules.checked.operators, &rules.checked.settings.admin_group, &actor, act)?;
                let execution = live(tx, &workflow)?;
                let first = tx.request_cancel(&execution, &actor, request.reason.as_ref())?;
                if first {
                    let plan = tx.plan_revision(&workflow.id, workflow.revision)?;
                    let mut subject = subject_of(&views::document(tx, &plan)?);
                    subject.execution = Some(execution.clone());
                    let body = json!({ "id": execution, "reason": request.reason });
                    tx.append(NewEvent { kind: EventKind::CancelRequested, actor: actor.clone(), subject, body })?;
                }
                // Where nobody drives it nothing of it runs, so it is over now. One that has begun since is stopped below.
                let idle = matches!(tx.execution(&execution)?.state, ExecutionState::Queued | ExecutionState::Interrupted);
                let over_now = idle && !driven.contains(&execution);
                if over_now {
                    over(tx, &execution, ExecutionState::Cancelled, &actor)?;
                }
                let status = views::status(tx, &rules, &workflow.id)?;
                once.keep(tx, &status)?;
                Ok((status, execution, over_now))
            })
            .await?;
        if let Some(stop) = self.driven().get(&id) {
            stop.cancel();
        }
        if over_now {
            self.remove_directories(&id).await;
        }
        Ok(status)
    }

    /// The intent `freeze`.
    pub(crate) async fn freeze(&self, actor: Actor, once: Once, request: Freeze) -> Result<Freezes, OrcError> {
        check_reason(Some(&request.reason))?;
        if request.reason.raw().trim().is_empty() {
            return Err(OrcError::new(ErrorCode::InvalidRequest, "a freeze needs a reason: every answer shows it").hint("`--reason TEXT`"));
        }
        let rules = self.active_rules().await?;
        self.authorise(&rules, &actor, Act::Administer)?;
        known(&rules, &request.scope)?;
        let id = FreezeId::generate(self.ids.as_ref());
        self.write(move |tx| {
            let standing = tx.freezes()?.into_iter().find(|freeze| freeze.scope == request.scope);
            if standing.is_none() {
                let body = json!({ "id": id, "scope": request.scope, "reason": request.reason });
                let freeze = FreezeView { id, scope: request.scope.clone(), reason: request.reason, by: actor.clone(), since: tx.now() };
                tx.insert_freeze(&freeze)?;
                tx.append(NewEvent { kind: EventKind::Frozen, actor, subject: subject(&request.scope), body })?;
            }
            let answer = freezes(tx)?;
            once.keep(tx, &answer)?;
            Ok(answer)
        })
        .await
    }

    /// The intent `unfreeze`.
    pub(crate) async fn unfreeze(&self, actor: Actor, once: Once, request: Unfreeze) -> Result<Freezes, OrcError> {
        let rules = self.active_rules().await?;
        self.authorise(&rules, &actor, Act::Administer)?;
        self.write(move |tx| {
            if !tx.lift_freeze(&request.scope, &actor)? {
                return Err(OrcError::new(ErrorCode::NotFound, format!("no freeze of {} is in force", request.scope))
                    .hint("`orcctl overview` lists freezes"));
            }
            let body = json!({ "scope": request.scope });
            tx.append(NewEvent { kind: EventKind::Unfrozen, actor, subject: subject(&request.scope), body })?;
            let answer = freezes(tx)?;
            once.keep(tx, &answer)?;
            Ok(answer)
        })
        .await
    }
}

fn live(tx: &ReadTx<'_>, workflow: &WorkflowSummary) -> Result<ExecutionId, OrcError> {
    let newest = tx.newest_execution_of(&workflow.id)?;
    match newest {
        Some(row) if !orc_domain::states::Machine::is_terminal(row.state) => Ok(row.id),
        _ => Err(OrcError::new(ErrorCode::IllegalTransition, format!("{} is {}: nothing of it runs", workflow.id, workflow.state))
            .hint(next::instead_of_cancel(workflow))),
    }
}

fn known(rules: &ActiveRules, scope: &FreezeScope) -> Result<(), OrcError> {
    let registry = &rules.checked.registry;
    let exists = match scope {
        FreezeScope::All => true,
        FreezeScope::Tenant { tenant } => registry.tenants.contains_key(tenant),
        FreezeScope::Project { project } => registry.projects.contains_key(project),
    };
    if exists { Ok(()) } else { Err(OrcError::new(ErrorCode::NotFound, format!("{scope} is not in the registry"))) }
}

fn subject(scope: &FreezeScope) -> Subject {
    match scope {
        FreezeScope::All => Subject::default(),
        FreezeScope::Tenant { tenant } => Subject { tenant: Some(tenant.clone()), ..Subject::default() },
        FreezeScope::Project { project } => Subject { project: Some(project.clone()), ..Subject::default() },
    }
}

fn freezes(tx: &ReadTx<'_>) -> Result<Freezes, OrcError> {
    let freezes = tx.freezes()?;
    Ok(Freezes { next: next::after_freezes(&freezes), freezes })
}

pub(crate) fn check_reason(reason: Option<&Untrusted>) -> Result<(), OrcError> {
    match reason {
        Some(reason) if reason.raw().len() > MAX_REASON => {
            Err(OrcError::new(ErrorCode::InvalidRequest, format!("the reason is longer than {MAX_REASON} bytes")))
        }
        _ => Ok(()),
    }
}
