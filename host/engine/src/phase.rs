//! A phase, step by step: admit → skip? → pre-hooks → pre-gates → attempt → output → validator → tree → verification on a fresh checkout →
//! post-gates → post-hooks → persisted. Gates decide on what the host observed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orc_domain::api::BlockReason;
use orc_domain::audit::{EventKind, NewEvent};
use orc_domain::contract::{BindingPosition, PhaseKind, WorkspaceKind};
use orc_domain::decision::{DecisionInput, EntryPoint};
use orc_domain::operators::Actor;
use orc_domain::output::CommandResult;
use orc_domain::plan::{PlanDocument, PlannedPhase};
use orc_domain::ports::Change;
use orc_domain::states::{ExecutionEvent, PausedReason, PhaseRunEvent, PhaseRunState};
use orc_domain::*;
use orc_store::PhaseRunRow;
use orc_workspace::Workspace;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, blocking};
use crate::facts::{About, counts, input};
use crate::plan::subject_of;

/// How often a phase that waits for a freeze to end looks again, beside being woken by every write.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The largest diff that guests are given.
const MAX_DIFF: usize = 32 * 1024 * 1024;
/// Characters of a command's output that its result keeps.
pub(crate) const OUTPUT_TAIL: usize = 4000;

/// How a phase ended.
pub(crate) enum PhaseEnd {
    Completed,
    Skipped,
    /// Blocked or failed: its reasons are stored.
    Failed,
    /// Cancelled, or this process stops. Nothing of it is left.
    Stopped,
}

/// How an attempt ended.
enum Attempt {
    Passed(Outcome),
    Blocked(Outcome, Vec<BlockReason>),
    Stopped,
}

/// Where an attempt works.
pub(crate) struct Room<'a> {
    pub(crate) attempt: u32,
    pub(crate) workspace: &'a Workspace,
    pub(crate) scratch: &'a Path,
    /// The tree that it begins with.
    pub(crate) begun: &'a str,
}

/// What came of the work itself: why it did not end well, and what it says of itself.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) reasons: Vec<BlockReason>,
    pub(crate) output: Option<Value>,
}

/// What an attempt left.
#[derive(Default)]
struct Outcome {
    tree: Option<String>,
    commit: Option<String>,
    output: Option<Value>,
}

/// What guests of an attempt are shown.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) changes: Vec<Change>,
    pub(crate) commands: Vec<CommandResult>,
    pub(crate) diff: Vec<u8>,
    pub(crate) output: Option<Value>,
    /// The schema of the output, as pinned.
    pub(crate) schema: Vec<u8>,
    /// The plan's memory snapshot, as JSON.
    pub(crate) memory: Vec<u8>,
}

/// A phase of an execution.
pub(crate) struct Phase<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) execution: ExecutionId,
    pub(crate) document: &'a Arc<PlanDocument>,
    pub(crate) planned: &'a PlannedPhase,
    pub(crate) run: PhaseRunId,
    pub(crate) stop: &'a CancellationToken,
}

impl Phase<'_> {
    /// Runs the phase from where its row stands.
    pub(crate) async fn run(&self, row: PhaseRunRow) -> Result<PhaseEnd, OrcError> {
        if !self.admitted().await? {
            return Ok(PhaseEnd::Stopped);
        }
        if row.state == PhaseRunState::Pending && self.skipped().await? {
            return Ok(PhaseEnd::Skipped);
        }
        let mut attempt = self.begin(&row).await?;
        let mut before = row.reasons.clone();
        loop {
            match self.attempt(attempt, &before).await? {
                Attempt::Passed(mut outcome) => {
                    if let Some(tree) = outcome.tree.as_ref().filter(|_| self.planned.contract.workspace == WorkspaceKind::Worktree) {
                        outcome.commit = Some(self.commit(tree).await?);
                    }
                    self.persist(outcome, Vec::new(), PhaseRunEvent::Completed).await?;
                    return Ok(PhaseEnd::Completed);
                }
                Attempt::Blocked(_, reasons) if attempt < row.attempts => {
                    self.step(attempt, "attempt_blocked", json!({ "reasons": reasons })).await?;
                    attempt = self.again(&reasons).await?;
                    before = reasons;
                }
                Attempt::Blocked(outcome, reasons) => {
                    self.persist(outcome, reasons, PhaseRunEvent::Blocked).await?;
                    return Ok(PhaseEnd::Failed);
                }
                Attempt::Stopped => return Ok(PhaseEnd::Stopped),
            }
        }
    }

    /// An error of the work is the phase's reason, not the host's end.
    pub(crate) async fn give_up(&self, error: OrcError) -> Result<PhaseEnd, OrcError> {
        if self.stop.is_cancelled() {
            return Ok(PhaseEnd::Stopped);
        }
        let mut reasons = vec![BlockReason {
            code: error.code.to_string(),
            message: Untrusted::new(error.message.as_str()),
            fix: error.hint.map(Untrusted::from),
        }];
        let causes =
            error.causes.into_iter().map(|cause| BlockReason { code: error.code.to_string(), message: Untrusted::from(cause), fix: None });
        reasons.extend(causes);
        let rules = error.reasons.into_iter().map(|reason| BlockReason {
            code: reason.code.to_string(),
            message: Untrusted::from(reason.message),
            fix: reason.remedy.map(Untrusted::from),
        });
        reasons.extend(rules);
        self.persist(Outcome::default(), reasons, PhaseRunEvent::Failed).await?;
        Ok(PhaseEnd::Failed)
    }

    /// Waits while a freeze covers the project. Returns whether to go on.
    async fn wait_for_freezes(&self) -> Result<bool, OrcError> {
        let mut paused = false;
        loop {
            if self.stop.is_cancelled() {
                return Ok(false);
            }
            let woken = self.engine.changed.notified();
            let (tenant, project) = (self.document.tenant.clone(), self.document.project.clone());
            let frozen = self.engine.read(move |tx| Ok(tx.freezes_of(&tenant, &project)?.first().map(|freeze| freeze.id.clone()))).await?;
            match frozen {
                Some(freeze) if !paused => {
                    self.pause(freeze).await?;
                    paused = true;
                }
                None if paused => {
                    let id = self.execution.clone();
                    self.engine.write(move |tx| Ok(tx.apply_execution(&id, ExecutionEvent::Resumed, &Actor::System, json!({}))?)).await?;
                    return Ok(true);
                }
                None => return Ok(true),
                Some(_) => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = woken => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn pause(&self, freeze: FreezeId) -> Result<(), OrcError> {
        let id = self.execution.clone();
        self.engine
            .write(move |tx| {
                tx.pause_execution(&id, PausedReason::Freeze, &Actor::System, json!({ "freeze": freeze }))?;
                Ok(())
            })
            .await
    }

    /// What policy is told about this phase, under the rules in force now.
    async fn question(&self, rules: &crate::rules::ActiveRules) -> Result<DecisionInput, OrcError> {
        let document = self.document;
        let (tenant, project, workflow, now) =
            (document.tenant.clone(), document.project.clone(), document.workflow.clone(), self.engine.now());
        let counted = self.engine.read(move |tx| counts(tx, &tenant, &project, now, Some(&workflow))).await?;
        let mut question = input(rules, &About::of(document), &counted, now);
        question.phase = Some(self.planned.phase.clone());
        question.approved_risk = Some(document.risk.class);
        Ok(question)
    }

    /// Asks policy about this phase; stored, and an error where it denies.
    pub(crate) async fn ask(
        &self,
        entry: EntryPoint,
        more: impl FnOnce(&mut DecisionInput),
    ) -> Result<orc_domain::decision::Decision, OrcError> {
        let rules = self.engine.active_rules().await?;
        let mut question = self.question(&rules).await?;
        more(&mut question);
        let answer = self.engine.decide(&rules, entry, question).await?;
        let (denial, decision) = (answer.denial(), answer.decision.clone());
        let workflow = self.document.workflow.clone();
        self.engine.write(move |tx| Ok(tx.insert_decision(&answer.stored(Some(&workflow), tx.now()))?)).await?;
        denial.map_or(Ok(decision), Err)
    }

    /// Policy's `admit` once no freeze covers the project any more; one that comes in between is waited for again. `false`: stopped.
    async fn admitted(&self) -> Result<bool, OrcError> {
        loop {
            if !self.wait_for_freezes().await? {
                return Ok(false);
            }
            match self.ask(EntryPoint::Admit, |_| {}).await {
                Ok(decision) => match decision.stricter_than(&self.document.risk, &self.document.approvals) {
                    None => return Ok(true),
                    Some(reasons) => {
                        let message = "`admit` asks for more than was approved";
                        return Err(OrcError::new(ErrorCode::PlanStale, message).reasons(reasons).hint("plan it again"));
                    }
                },
                Err(error) if error.code == ErrorCode::FreezeOn => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn skipped(&self) -> Result<bool, OrcError> {
        if !self.planned.contract.skippable {
            return Ok(false);
        }
        let decision = self.ask(EntryPoint::Skip, |_| {}).await?;
        if decision.grants.is_empty() {
            return Ok(false);
        }
        let run = self.run.clone();
        let why = json!({ "reasons": decision.grants });
        self.engine.write(move |tx| Ok(tx.apply_phase_run(&run, PhaseRunEvent::Skipped, &Actor::System, why)?)).await?;
        Ok(true)
    }

    /// The first attempt, or a further one after an interruption. Returns its number.
    async fn begin(&self, row: &PhaseRunRow) -> Result<u32, OrcError> {
        let (run, state) = (self.run.clone(), row.state);
        self.engine
            .write(move |tx| {
                match state {
                    PhaseRunState::Pending => tx.apply_phase_run(&run, PhaseRunEvent::Started, &Actor::System, json!({}))?,
                    _ => {
                        tx.apply_phase_run(&run, PhaseRunEvent::Resumed, &Actor::System, json!({}))?;
                        tx.apply_phase_run(&run, PhaseRunEvent::AttemptStarted, &Actor::System, json!({}))?
                    }
                };
                Ok(tx.phase_run(&run)?.attempt)
            })
            .await
    }

    async fn again(&self, reasons: &[BlockReason]) -> Result<u32, OrcError> {
        let (run, reasons) = (self.run.clone(), reasons.to_vec());
        self.engine
            .write(move |tx| {
                // Kept, so that a new owner knows them as well.
                tx.set_phase_reasons(&run, &reasons)?;
                tx.apply_phase_run(&run, PhaseRunEvent::AttemptStarted, &Actor::System, json!({ "after": reasons }))?;
                Ok(tx.phase_run(&run)?.attempt)
            })
            .await
    }

    /// One numbered try, in directories of its own that are gone when the execution is left.
    async fn attempt(&self, attempt: u32, before: &[BlockReason]) -> Result<Attempt, OrcError> {
        let scratch = self.engine.workspaces.scratch(&self.execution, &format!("{}-{attempt}", self.planned.phase)).await?;
        self.try_it(attempt, before, &scratch).await
    }

    async fn try_it(&self, attempt: u32, before: &[BlockReason], scratch: &Path) -> Result<Attempt, OrcError> {
        let start = self.start().await?;
        self.step(attempt, "checkout", json!({ "commit": self.document.base.commit, "tree": start })).await?;
        let workspace = self.checkout(&format!("{}-{attempt}", self.planned.phase), start.as_deref()).await?;
        let mut seen = Observed { schema: self.pinned(self.planned.schema).await?, memory: self.memory().await?, ..Observed::default() };
        let begun = self.engine.workspaces.capture(&workspace).await?.tree;
        seen.changes = self.changes(start.as_deref().unwrap_or(&self.document.base.commit), &begun).await?;
        self.step(attempt, "pre_hooks", json!({})).await?;
        self.hooks(attempt, BindingPosition::PreHook, &seen).await?;
        self.step(attempt, "pre_gates", json!({})).await?;
        let reasons = self.gates(attempt, BindingPosition::PreGate, &seen).await?;
        if !reasons.is_empty() {
            return Ok(Attempt::Blocked(Outcome::default(), reasons));
        }
        self.step(attempt, "attempt", json!({})).await?;
        let room = Room { attempt, workspace: &workspace, scratch, begun: &begun };
        let done = match self.planned.contract.kind {
            PhaseKind::Command => self.planned_command(&room, &mut seen).await?,
            PhaseKind::Worker => self.work(&room, before).await?,
            PhaseKind::Runbook => return Err(OrcError::new(ErrorCode::PipelineNotAllowed, "this version of ORC runs no runbooks")),
        };
        let Some(done) = done else { return Ok(Attempt::Stopped) };
        self.look(&room, done, seen).await
    }

    /// What the attempt left, as the host observes it: the tree, the differences, verification on a fresh checkout of that tree.
    async fn look(&self, room: &Room<'_>, done: Done, mut seen: Observed) -> Result<Attempt, OrcError> {
        let Room { attempt, workspace, .. } = *room;
        let Done { mut reasons, output } = done;
        self.step(attempt, "capture", json!({})).await?;
        let captured = self.engine.workspaces.capture(workspace).await?;
        reasons.extend(captured.refused.iter().map(refused));
        seen.changes = self.changes(&self.document.base.commit, &captured.tree).await?;
        reasons.extend(self.diff(&captured.tree, &mut seen).await?);
        reasons.extend(self.expected(room, &captured.tree, &seen));
        let writes = self.planned.contract.workspace != WorkspaceKind::ReadOnly;
        if writes && reasons.is_empty() {
            self.step(attempt, "verification", json!({ "tree": captured.tree })).await?;
            let Some(more) = self.verification(attempt, &captured.tree, &mut seen).await? else { return Ok(Attempt::Stopped) };
            reasons.extend(more);
        }
        if reasons.is_empty() {
            reasons.extend(self.risen(attempt, &seen.changes).await?);
        }
        let output = match self.planned.contract.kind {
            PhaseKind::Worker => output,
            _ => self.observed_output(&seen)?,
        };
        let outcome = Outcome { tree: Some(captured.tree), commit: None, output };
        seen.output.clone_from(&outcome.output);
        self.judge(attempt, outcome, seen, reasons).await
    }

    /// Whether the tree is one that the contract's workspace may leave: a reader leaves it as it was, a worktree has work in it.
    fn expected(&self, room: &Room<'_>, tree: &str, seen: &Observed) -> Option<BlockReason> {
        let reason = |code: &str, message: &str| BlockReason { code: code.to_owned(), message: Untrusted::new(message), fix: None };
        match self.planned.contract.workspace {
            WorkspaceKind::ReadOnly if tree != room.begun => Some(reason("workspace-changed", "a phase that only reads left changes")),
            WorkspaceKind::Worktree if seen.changes.is_empty() => Some(reason("nothing-changed", "nothing was changed")),
            _ => None,
        }
    }

    /// Content that the plan pins.
    pub(crate) async fn pinned(&self, digest: Digest) -> Result<Vec<u8>, OrcError> {
        self.engine.read(move |tx| Ok(tx.blob(&digest)?.bytes)).await
    }

    /// The memory snapshot that the plan pins, as JSON; without one, nothing is remembered.
    pub(crate) async fn memory(&self) -> Result<Vec<u8>, OrcError> {
        match self.document.memory_snapshot {
            Some(digest) => self.pinned(digest).await,
            None => Ok(b"[]".to_vec()),
        }
    }

    /// The tree that the last finished phase with a worktree left: what this phase begins with. `None`: the planned commit.
    async fn start(&self) -> Result<Option<String>, OrcError> {
        let (execution, run) = (self.execution.clone(), self.run.clone());
        let rows = self.engine.read(move |tx| Ok(tx.phase_runs_of(&execution)?)).await?;
        let before = rows.into_iter().zip(&self.document.phases).take_while(|(row, _)| row.id != run);
        let left = before.filter(|(_, planned)| planned.contract.workspace == WorkspaceKind::Worktree);
        Ok(left.filter_map(|(row, _)| row.tree).last())
    }

    /// Schema, validator, post-gates and post-hooks. Gates are asked even where a command failed: their findings are what helps.
    async fn judge(&self, attempt: u32, outcome: Outcome, seen: Observed, mut reasons: Vec<BlockReason>) -> Result<Attempt, OrcError> {
        if let Some(output) = &outcome.output {
            self.step(attempt, "validation", json!({})).await?;
            reasons.extend(self.matches_schema(output).await?);
            reasons.extend(self.validate(attempt, &seen).await?);
        }
        self.step(attempt, "post_gates", json!({})).await?;
        let blocked = self.gates(attempt, BindingPosition::PostGate, &seen).await?;
        reasons.extend(blocked);
        if !reasons.is_empty() {
            return Ok(Attempt::Blocked(outcome, reasons));
        }
        self.step(attempt, "post_hooks", json!({})).await?;
        self.hooks(attempt, BindingPosition::PostHook, &seen).await?;
        Ok(Attempt::Passed(outcome))
    }

    /// The diff for the guests. One that is too large to be whole blocks: what a gate cannot see, it cannot pass.
    async fn diff(&self, tree: &str, seen: &mut Observed) -> Result<Option<BlockReason>, OrcError> {
        let diff = self.engine.workspaces.diff(&self.document.project, &self.document.base.commit, tree, MAX_DIFF).await?;
        seen.diff = diff.bytes;
        let message = format!("the changes are larger than the {} MiB that gates are shown", MAX_DIFF >> 20);
        Ok(diff.truncated.then(|| BlockReason { code: "diff-too-large".to_owned(), message: Untrusted::new(message), fix: None }))
    }

    async fn changes(&self, from: &str, tree: &str) -> Result<Vec<Change>, OrcError> {
        Ok(self.engine.workspaces.changes(&self.document.project, from, tree).await?)
    }

    /// A checkout of the planned commit, or of a tree that was captured since, with the project's copied files, which must be those of the
    /// plan.
    pub(crate) async fn checkout(&self, name: &str, tree: Option<&str>) -> Result<Workspace, OrcError> {
        let (project, commit) = (&self.document.project, &self.document.base.commit);
        let root = Path::new(&self.document.project_entry.root);
        let workspace = match tree {
            None => self.engine.workspaces.checkout(project, root, commit, name, &self.execution).await?,
            Some(tree) => self.engine.workspaces.checkout_tree(project, commit, tree, name, &self.execution).await?,
        };
        self.copy(&workspace).await?;
        Ok(workspace)
    }

    async fn copy(&self, workspace: &Workspace) -> Result<(), OrcError> {
        let entry = &self.document.project_entry;
        let copied = self.engine.workspaces.copy_files(workspace, Path::new(&entry.root), &entry.copy).await?;
        match self.document.copied.iter().find(|(path, digest)| copied.get(*path) != Some(*digest)) {
            None => Ok(()),
            Some((path, _)) => Err(OrcError::new(
                ErrorCode::PlanStale,
                format!("the copied file `{}` changed since it was planned", Untrusted::new(path.as_str()).for_line(120)),
            )),
        }
    }

    /// The output against its schema, as pinned.
    pub(crate) async fn matches_schema(&self, output: &Value) -> Result<Vec<BlockReason>, OrcError> {
        let output = output.clone();
        let bytes = self.pinned(self.planned.schema).await?;
        let schema: Value =
            serde_json::from_slice(&bytes).map_err(|error| crate::engine::internal("a pinned schema is no JSON", &error))?;
        blocking(move || {
            let validator = jsonschema::validator_for(&schema)
                .map_err(|error| OrcError::new(ErrorCode::ConfigInvalid, "a pinned schema is no JSON Schema").cause(error.to_string()))?;
            let errors = validator.iter_errors(&output).take(20);
            Ok(errors
                .map(|error| BlockReason {
                    code: ErrorCode::OutputInvalid.to_string(),
                    message: Untrusted::new(format!("{}: {error}", error.instance_path())),
                    fix: None,
                })
                .collect())
        })
        .await
    }

    /// Writes down how the phase ended, in one transaction.
    async fn persist(&self, outcome: Outcome, reasons: Vec<BlockReason>, event: PhaseRunEvent) -> Result<(), OrcError> {
        let run = self.run.clone();
        self.engine
            .write(move |tx| {
                if outcome.tree.is_some() {
                    tx.set_phase_tree(&run, outcome.tree.as_deref())?;
                }
                if let Some(commit) = &outcome.commit {
                    tx.set_phase_commit(&run, commit)?;
                }
                if outcome.output.is_some() {
                    tx.set_phase_output(&run, outcome.output.as_ref())?;
                }
                tx.set_phase_reasons(&run, &reasons)?;
                tx.apply_phase_run(
                    &run,
                    event,
                    &Actor::System,
                    json!({ "reasons": reasons, "tree": outcome.tree, "commit": outcome.commit }),
                )?;
                Ok(())
            })
            .await
    }

    /// Records that a step is reached: what `run` shows as progress and what a person reads after a crash.
    pub(crate) async fn step(&self, attempt: u32, step: &'static str, detail: Value) -> Result<(), OrcError> {
        let mut subject = subject_of(self.document);
        subject.execution = Some(self.execution.clone());
        let body = json!({ "phase_run": self.run, "phase": self.planned.phase, "attempt": attempt, "step": step, "detail": detail });
        let event = NewEvent { kind: EventKind::PhaseStep, actor: Actor::System, subject, body };
        self.engine.write(move |tx| Ok(tx.append(event).map(|_| ())?)).await
    }
}

/// Makes a directory, and those above it, for this user alone.
pub(crate) fn private_dir(dir: &Path) -> Result<(), OrcError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| OrcError::from_source(ErrorCode::StorageFailed, format!("{} cannot be made", dir.display()), &error))
}

pub(crate) fn failed(what: &str, result: &CommandResult) -> BlockReason {
    let command = Untrusted::new(crate::command::display(&result.argv)).for_line(200);
    let message = Untrusted::new(format!("{what}: `{command}` ended with {}", result.end));
    BlockReason { code: ErrorCode::CommandFailed.to_string(), message, fix: None }
}

fn refused(refused: &orc_workspace::Refused) -> BlockReason {
    let message = Untrusted::new(format!("{} left by the command: {}", refused.path.raw(), refused.why));
    BlockReason { code: "collection-refused".to_owned(), message, fix: None }
}
