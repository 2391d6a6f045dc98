//! Memory and backlog: what hooks propose is kept, what persons decide about it is written down, and what plans and prompts get of it.

use orc_domain::api::*;
use orc_domain::audit::{EventKind, NewEvent, Subject as AuditSubject};
use orc_domain::operators::Actor;
use orc_domain::verdict::Effect;
use orc_domain::*;
use orc_store::{Found, ReadTx, WriteTx};
use orc_workers::prompt::MemoryItem as Remembered;
use serde_json::json;

use crate::authority::Act;
use crate::engine::{Engine, internal};
use crate::once::Once;
use crate::views;

/// What a hook proposed, with the ids that it gets where it is new.
pub(crate) enum Proposed {
    Memory(MemoryItem),
    Backlog(BacklogItem),
    Notice(Untrusted),
}

impl Engine {
    /// What of a hook's effects is to be applied. An annotation is kept with the guest's answer.
    pub(crate) fn proposed(&self, project: &ProjectName, source: &PhaseRunId, effects: &[Effect]) -> Vec<Proposed> {
        let now = self.now();
        let one = |effect: &Effect| match effect.clone() {
            Effect::Annotate { .. } => None,
            Effect::Notify { message } => Some(Proposed::Notice(message)),
            Effect::Remember { kind, text, path } => Some(Proposed::Memory(MemoryItem {
                id: MemoryItemId::generate(self.ids.as_ref()),
                project: project.clone(),
                state: MemoryState::Proposed,
                kind,
                text,
                path,
                source: source.clone(),
                created_at: now,
                updated_at: now,
            })),
            Effect::Backlog { kind, severity, title, detail, path } => Some(Proposed::Backlog(BacklogItem {
                id: BacklogItemId::generate(self.ids.as_ref()),
                project: project.clone(),
                state: BacklogState::Open,
                kind,
                severity,
                title,
                detail,
                path,
                source: source.clone(),
                workflow: None,
                created_at: now,
                updated_at: now,
            })),
        };
        effects.iter().filter_map(one).collect()
    }

    /// The intent `memory`.
    pub(crate) async fn memory(&self, request: GetMemory) -> Result<Memory, OrcError> {
        self.known_project(&request.project).await?;
        let items = self.read(move |tx| Ok(tx.memory_of(&request.project, request.state)?)).await?;
        let waiting = items.iter().find(|item| item.state == MemoryState::Proposed);
        let next = waiting.map(|item| NextStep {
            command: format!("orcctl memory accept {}", item.id),
            why: "let plans made from now on recall it".to_owned(),
        });
        Ok(Memory { next: next.into_iter().collect(), items })
    }

    /// The intent `memory_set`.
    pub(crate) async fn set_memory(&self, actor: Actor, once: Once, request: SetMemory) -> Result<MemoryItem, OrcError> {
        if request.state == MemoryState::Proposed {
            return Err(OrcError::new(ErrorCode::InvalidRequest, "only a hook proposes").hint("accept or retire it"));
        }
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Plan)?;
        let alone = rules.checked.operators.all_active().count() == 1;
        self.write(move |tx| {
            let id = find_memory(tx, &request.item)?;
            let item = tx.memory_item(&id)?;
            let learnt_in = tx.execution(&tx.phase_run(&item.source)?.execution)?.workflow;
            let requesters = tx.workflow(&learnt_in)?.requesters;
            // Whoever wrote the task may have had a worker say anything.
            if request.state == MemoryState::Accepted && requesters.contains(&permit.operator) && !alone {
                return Err(OrcError::new(
                    ErrorCode::SelfApproval,
                    format!("{id} was learnt in {learnt_in}, which {} asked for", permit.operator),
                )
                .hint("another operator accepts it"));
            }
            tx.set_memory_state(&id, request.state)?;
            let subject = AuditSubject { project: Some(item.project.clone()), workflow: Some(learnt_in), ..AuditSubject::default() };
            let body = json!({ "item": id, "state": request.state, "kind": item.kind, "text": item.text });
            tx.append(NewEvent { kind: EventKind::MemoryChanged, actor, subject, body })?;
            let answer = tx.memory_item(&id)?;
            once.keep(tx, &answer)?;
            Ok(answer)
        })
        .await
    }

    /// The intent `backlog`.
    pub(crate) async fn backlog(&self, request: GetBacklog) -> Result<Backlog, OrcError> {
        self.known_project(&request.project).await?;
        let GetBacklog { project, kind, state } = request;
        let of = project.clone();
        let items = self.read(move |tx| Ok(tx.backlog_of(&of, kind, state)?)).await?;
        let open = items.iter().find(|item| item.state == BacklogState::Open);
        let next = open.map(|item| NextStep {
            command: format!("orcctl implement --project {project} --backlog-id {}", item.id),
            why: "plan it".to_owned(),
        });
        Ok(Backlog { next: next.into_iter().collect(), items })
    }

    /// The intent `backlog_set`.
    pub(crate) async fn set_backlog(&self, actor: Actor, once: Once, request: SetBacklog) -> Result<BacklogItem, OrcError> {
        if request.state == BacklogState::Planned {
            return Err(
                OrcError::new(ErrorCode::InvalidRequest, "an item is planned by planning it").hint("`orcctl implement --backlog-id ID`")
            );
        }
        let rules = self.active_rules().await?;
        self.authorise(&rules, &actor, Act::Plan)?;
        self.write(move |tx| {
            let id = find_backlog(tx, &request.item)?;
            let item = tx.backlog_item(&id)?;
            tx.set_backlog_state(&id, request.state, None)?;
            backlog_event(tx, actor, &item, request.state)?;
            let answer = tx.backlog_item(&id)?;
            once.keep(tx, &answer)?;
            Ok(answer)
        })
        .await
    }

    async fn known_project(&self, project: &ProjectName) -> Result<(), OrcError> {
        crate::document::project(&*self.active_rules().await?, project).map(|_| ())
    }

    /// The snapshot of a project's accepted items, as plans pin it: JSON, oldest first.
    pub(crate) async fn snapshot(&self, project: &ProjectName) -> Result<Vec<u8>, OrcError> {
        let project = project.clone();
        let items = self.read(move |tx| Ok(tx.memory_of(&project, Some(MemoryState::Accepted))?)).await?;
        let told =
            |item: &MemoryItem| json!({ "id": item.id, "kind": item.kind, "text": item.text, "path": item.path, "source": item.source });
        let told: Vec<serde_json::Value> = items.iter().map(told).collect();
        canonical_json(&told).map_err(|error| internal("the memory has no JSON form", &error))
    }
}

/// Keeps what hooks proposed, in the transaction that records their answer.
pub(crate) fn keep(tx: &mut WriteTx<'_>, subject: &AuditSubject, proposed: Vec<Proposed>) -> Result<(), OrcError> {
    for one in proposed {
        match one {
            Proposed::Memory(item) => {
                let says = says(&json!([item.kind, item.text, item.path]))?;
                if tx.insert_memory(&item, &says)? {
                    let body = json!({ "item": item.id, "state": item.state, "kind": item.kind, "text": item.text });
                    tx.append(NewEvent { kind: EventKind::MemoryChanged, actor: Actor::System, subject: subject.clone(), body })?;
                }
            }
            Proposed::Backlog(item) => {
                let says = says(&json!([item.kind, item.title, item.path]))?;
                if tx.insert_backlog(&item, &says)? {
                    let state = item.state;
                    backlog_event(tx, Actor::System, &item, state)?;
                }
            }
            Proposed::Notice(message) => {
                tx.push_outbox("notice", subject.workflow.as_ref(), &json!({ "message": message }))?;
            }
        }
    }
    Ok(())
}

/// What an item says, whoever says it: digests of equal items are equal.
fn says(what: &serde_json::Value) -> Result<Digest, OrcError> {
    Digest::of_canonical(what).map_err(|error| internal("an item has no JSON form", &error))
}

/// Writes down where a backlog item stands now.
pub(crate) fn backlog_event(tx: &mut WriteTx<'_>, actor: Actor, item: &BacklogItem, state: BacklogState) -> Result<(), OrcError> {
    let subject = AuditSubject { project: Some(item.project.clone()), workflow: item.workflow.clone(), ..AuditSubject::default() };
    let body = json!({ "item": item.id, "state": state, "kind": item.kind, "severity": item.severity, "title": item.title });
    tx.append(NewEvent { kind: EventKind::BacklogChanged, actor, subject, body })?;
    Ok(())
}

/// What was planned from the backlog is done where its workflow completed, and open again where it did not.
pub(crate) fn settle_backlog(tx: &mut WriteTx<'_>, workflow: &WorkflowId, completed: bool) -> Result<(), OrcError> {
    let state = if completed { BacklogState::Done } else { BacklogState::Open };
    for item in tx.backlog_planned_as(workflow)? {
        tx.set_backlog_state(&item.id, state, None)?;
        backlog_event(tx, Actor::System, &item, state)?;
    }
    Ok(())
}

fn find_memory(tx: &ReadTx<'_>, text: &str) -> Result<MemoryItemId, OrcError> {
    views::find(tx, text, MemoryItemId::KIND, |found| if let Found::Memory(id) = found { Some(id.clone()) } else { None })
}

pub(crate) fn find_backlog(tx: &ReadTx<'_>, text: &str) -> Result<BacklogItemId, OrcError> {
    views::find(tx, text, BacklogItemId::KIND, |found| if let Found::Backlog(id) = found { Some(id.clone()) } else { None })
}

/// The items of a pinned snapshot, for a prompt.
///
/// # Errors
/// Where it is not what a plan pins.
pub(crate) fn recalled(snapshot: &[u8]) -> Result<Vec<Remembered>, OrcError> {
    #[derive(serde::Deserialize)]
    struct Item {
        id: String,
        kind: String,
        text: Untrusted,
        source: Untrusted,
    }
    let items: Vec<Item> = serde_json::from_slice(snapshot).map_err(|error| internal("a memory snapshot has another form", &error))?;
    Ok(items.into_iter().map(|Item { id, kind, text, source }| Remembered { id, kind, text, source }).collect())
}
