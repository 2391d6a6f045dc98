//! The door: an envelope comes in with the peer that the kernel names, an answer or an error goes out, and a refused write leaves a trace.

use orc_domain::api::*;
use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::operators::Actor;
use orc_domain::{Digest, ErrorCode, ErrorKind, OrcError, Untrusted};
use serde_json::{Value, json};

use crate::authority::Act;
use crate::engine::{Engine, digest_of, to_json};
use crate::identity::Peer;
use crate::once::Once;
use crate::views;

const MAX_KEY: usize = 200;
/// Characters of what was asked for that a refused attempt keeps: a record of it, not a place to write to.
const WORDS_KEPT: usize = 1000;

impl Engine {
    /// Answers an envelope: the one entry point of server and in-process client. Attempts that were refused are in the audit.
    ///
    /// # Errors
    /// Whatever the intent refuses; `invalid-request` for an unknown intent or a request of another form.
    pub async fn handle(&self, peer: &Peer, envelope: Envelope) -> Result<Value, OrcError> {
        let Some((intent, writes)) = INTENTS.iter().find(|(name, _)| *name == envelope.intent).copied() else {
            let name = Untrusted::new(envelope.intent.as_str()).for_line(40);
            return Err(OrcError::new(ErrorCode::InvalidRequest, format!("there is no intent `{name}`"))
                .hint("client and host may be of different versions"));
        };
        let actor = self.actor(peer, &envelope).await;
        if writes && !self.is_owner() {
            return Err(OrcError::new(ErrorCode::DatabaseBusy, "this process only reads the database")
                .hint("a command that changes something takes ownership first"));
        }
        let unknown = Actor::Unknown { uid: Some(peer.uid) };
        let done = match &actor {
            Ok(actor) => self.answer(actor.clone(), intent, &envelope).await,
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = &done
            && (writes || actor.is_err())
        {
            self.trace(actor.unwrap_or(unknown), intent, &envelope, error).await;
        }
        done
    }

    async fn answer(&self, actor: Actor, intent: &'static str, envelope: &Envelope) -> Result<Value, OrcError> {
        let rules = self.active_rules().await?;
        self.authorise(&rules, &actor, Act::Read)?;
        let once = self.once(&actor, intent, envelope)?;
        let (look, kept) = (once.clone(), once.clone());
        if let Some(before) = self.read(move |tx| look.before(tx)).await? {
            return Ok(before);
        }
        let done = self.dispatch(actor, once, &envelope.intent, envelope.request.clone()).await;
        match done {
            // Two calls with one key at the same moment: the other one's answer is ours as well.
            Err(error) => self.read(move |tx| kept.before(tx)).await?.ok_or(error),
            done => done,
        }
    }

    fn once(&self, actor: &Actor, intent: &'static str, envelope: &Envelope) -> Result<Once, OrcError> {
        let key = envelope.idempotency_key.as_deref();
        if key.is_some_and(|key| key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(OrcError::new(
                ErrorCode::InvalidRequest,
                format!("an idempotency key has 1 to {MAX_KEY} printable ASCII characters and no blanks"),
            ));
        }
        // The digest of the request is compared, so that a key cannot answer another request.
        let digest: Digest = digest_of(&envelope.request)?;
        Ok(Once::new(actor.operator(), intent, key, digest))
    }

    async fn dispatch(&self, actor: Actor, once: Once, intent: &str, request: Value) -> Result<Value, OrcError> {
        match intent {
            Plan::NAME => to_json(&self.plan(actor, once, parse(request)?).await?),
            Implement::NAME => to_json(&self.implement(actor, once, parse(request)?).await?),
            Replan::NAME => to_json(&self.replan(actor, once, parse(request)?).await?),
            Approve::NAME => to_json(&self.approve(actor, once, parse(request)?).await?),
            Reject::NAME => to_json(&self.reject(actor, once, parse(request)?).await?),
            Withdraw::NAME => to_json(&self.withdraw(actor, once, parse(request)?).await?),
            Run::NAME => to_json(&self.run(actor, parse(request)?).await?),
            Cancel::NAME => to_json(&self.cancel(actor, once, parse(request)?).await?),
            Freeze::NAME => to_json(&self.freeze(actor, once, parse(request)?).await?),
            Unfreeze::NAME => to_json(&self.unfreeze(actor, once, parse(request)?).await?),
            RulesActivate::NAME => to_json(&self.rules_activate(actor, once, parse(request)?).await?),
            RulesRollback::NAME => to_json(&self.rules_rollback(actor, once, parse(request)?).await?),
            SetMemory::NAME => to_json(&self.set_memory(actor, once, parse(request)?).await?),
            SetBacklog::NAME => to_json(&self.set_backlog(actor, once, parse(request)?).await?),
            GetStatus::NAME => to_json(&self.status(parse(request)?).await?),
            GetPhases::NAME => to_json(&self.phase_status(parse(request)?).await?),
            GetDiff::NAME => to_json(&self.diff(parse(request)?).await?),
            GetAudit::NAME => to_json(&self.audit(parse(request)?).await?),
            VerifyAudit::NAME => to_json(&self.audit_verify().await?),
            GetOverview::NAME => to_json(&self.overview().await?),
            GetWorkflow::NAME => to_json(&self.workflow(parse(request)?).await?),
            ListWorkflows::NAME => to_json(&self.workflows(parse(request)?).await?),
            GetWorkers::NAME => to_json(&self.workers(parse(request)?).await?),
            GetApprovals::NAME => to_json(&self.approvals(actor, parse(request)?).await?),
            Explain::NAME => to_json(&self.explain(parse(request)?).await?),
            GetEvents::NAME => to_json(&self.events(parse(request)?).await?),
            GetRules::NAME => to_json(&self.rules_status().await?),
            GetRulesDiff::NAME => to_json(&self.rules_diff(parse(request)?).await?),
            GetMemory::NAME => to_json(&self.memory(parse(request)?).await?),
            GetBacklog::NAME => to_json(&self.backlog(parse(request)?).await?),
            WhoAmI::NAME => to_json(&self.whoami(actor).await?),
            other => Err(OrcError::new(ErrorCode::Internal, format!("the intent `{other}` has no method"))),
        }
    }

    /// Records that a peer was turned away before it could ask anything, as a process that ORC launched is. As often as of a stranger, and
    /// apart from them: a launched process has the unix user of whoever owns the state.
    pub async fn turned_away(&self, uid: Option<u32>, error: &OrcError) {
        let Some(passed_over) = self.turned_away.record(uid, self.now()) else { return };
        let body = json!({ "intent": "connect", "code": error.code, "message": error.message, "passed_over": passed_over });
        let (actor, subject) = (Actor::Unknown { uid }, Subject::default());
        let written = self.write(move |tx| Ok(tx.append(NewEvent { kind: EventKind::IntentDenied, actor, subject, body })?)).await;
        if let Err(error) = written {
            tracing::error!(%error, "a peer that was turned away could not be recorded");
        }
    }

    /// A refused attempt is an event. What is broken on our side is not an attempt, and a full disk cannot take one.
    async fn trace(&self, actor: Actor, intent: &'static str, envelope: &Envelope, error: &OrcError) {
        if !self.is_owner() || matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable) {
            return;
        }
        let passed_over = match &actor {
            Actor::Unknown { uid } => match self.strangers.record(*uid, self.now()) {
                Some(passed_over) => passed_over,
                None => return,
            },
            _ => 0,
        };
        let kind = match intent {
            Plan::NAME | Implement::NAME | Replan::NAME => EventKind::PlanDenied,
            Approve::NAME | Reject::NAME => EventKind::VoteDenied,
            Run::NAME => EventKind::RunDenied,
            _ => EventKind::IntentDenied,
        };
        let field = |name: &str| envelope.request.get(name).and_then(Value::as_str).map(str::to_owned);
        let (project, workflow, request) = (field("project"), field("workflow").or_else(|| field("id")), field("request"));
        let asked = [("project", "project"), ("family", "family"), ("action", "action"), ("command", "command_text")];
        let asked = asked.map(|(name, of)| (name, field(of).map(|text| text.chars().take(WORDS_KEPT).collect::<String>())));
        let mut body = json!({ "intent": intent, "named": envelope.user, "code": error.code, "message": error.message,
            "reasons": error.reasons, "passed_over": passed_over });
        for (name, said) in asked.into_iter().chain([("decision", error.decision.as_ref().map(ToString::to_string))]) {
            if let Some(said) = said {
                body[name] = Value::from(said);
            }
        }
        let written = self
            .write(move |tx| {
                let request = request.and_then(|text| views::find_request(tx, &text).ok()).map(|request| request.workflow);
                let workflow = workflow.and_then(|text| views::find_workflow(tx, &text).ok()).or(request);
                let subject = Subject { tenant: None, project: project.and_then(|name| name.parse().ok()), workflow, execution: None };
                tx.append(NewEvent { kind, actor, subject, body })?;
                Ok(())
            })
            .await;
        if let Err(error) = written {
            tracing::error!(%error, intent, "a refused attempt could not be recorded");
        }
    }
}

fn parse<I: Intent>(request: Value) -> Result<I, OrcError> {
    serde_json::from_value(request).map_err(|error| {
        OrcError::from_source(ErrorCode::InvalidRequest, format!("this is no request of the intent `{}`", I::NAME), &error)
    })
}
