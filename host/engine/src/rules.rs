//! Rules revisions: what is in force, what under the root may be next, and how it comes into force. The database is the authority; the
//! directory is only where candidates come from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use orc_config::{Checked, RootError, RootSnapshot};
use orc_domain::api::{Problem, RollbackProposal, RulesActivate, RulesCandidateView, RulesRevisionView, RulesRollback, RulesStatus};
use orc_domain::audit::{EventKind, NewEvent, Subject};
use orc_domain::decision::Place;
use orc_domain::operators::{Actor, Trust};
use orc_domain::ports::Guests;
use orc_domain::{Digest, ErrorCode, OrcError};
use orc_policy::{Policy, Words};
use orc_store::{ReadTx, RulesCandidateRow, RulesRevisionRow, WriteTx};
use serde_json::json;

use crate::altered;
use crate::authority::Act;
use crate::engine::{Engine, blocking};
use crate::next;
use crate::once::Once;

/// Revisions that `rules` shows.
const HISTORY: u32 = 10;
/// How the problem of rolled-back content begins.
pub(crate) const ROLLED_BACK: &str = "this content was rolled back";
/// Agreements to rollbacks that are looked at, newest first: only admins can add one.
const AGREEMENTS: u32 = 1000;

/// The rules revision in force, compiled. Immutable: a reload makes another one.
pub(crate) struct ActiveRules {
    pub(crate) revision: u64,
    pub(crate) digest: Digest,
    pub(crate) checked: Checked,
    pub(crate) policy: Policy,
}

impl ActiveRules {
    /// A file that contracts name, relative to the root.
    pub(crate) fn file(&self, path: &str) -> Option<&[u8]> {
        self.checked.file(path)
    }
}

/// Content under the root that was read and looked at.
pub(crate) struct Candidate {
    digest: Digest,
    ready: Result<Checked, Vec<Problem>>,
}

/// Checks, compiles and tests content. Everything that is wrong comes in one go, as far as one can look.
fn prepare(snapshot: &RootSnapshot) -> Result<(Checked, Policy), Vec<Problem>> {
    let checked = orc_config::check(snapshot)?;
    let policy = compile(&checked)?;
    let failed = failing_cases(&policy);
    if failed.is_empty() { Ok((checked, policy)) } else { Err(failed) }
}

/// Content that fails its own cases never comes into force.
fn failing_cases(policy: &Policy) -> Vec<Problem> {
    let report = policy.run_tests(None);
    let failing = report.cases.into_iter().filter(|case| !case.differences.is_empty());
    let problem = |case: orc_policy::CaseReport| {
        let message = format!("the case {} fails: {}", case.name, case.differences.join("; "));
        Problem::new(&Place::file(case.file), message).help("`orcctl policy test` shows the whole decision")
    };
    failing.map(problem).collect()
}

/// Every guest that a contract binds must load with its settings.
async fn unloadable(guests: &dyn Guests, checked: &Checked) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (phase, contract) in &checked.contracts.phases {
        for (position, binding) in checked.phase_guests(contract) {
            let pin = checked.guests.get(&binding.guest).map(|guest| guest.pin.path.clone()).unwrap_or_default();
            let bytes = checked.file(&pin).unwrap_or_default();
            if let Err(fault) = guests.load(&binding, Arc::from(bytes)).await {
                let message = format!("the {} {} of the phase {phase} does not load as {position}: {fault}", binding.kind, binding.guest);
                problems.push(Problem::new(&Place::file(pin), message).help("`orcctl gate inspect` shows what it is"));
            }
        }
    }
    problems
}

/// Everything for which this content would not come into force: what is wrong in its files, in its rules, with its cases, with its guests.
pub async fn problems(snapshot: &RootSnapshot, guests: &dyn Guests) -> Vec<Problem> {
    let content = snapshot.clone();
    match tokio::task::spawn_blocking(move || prepare(&content)).await {
        Ok(Ok((checked, _))) => unloadable(guests, &checked).await,
        Ok(Err(problems)) => problems,
        Err(error) => vec![Problem::new(&Place::file("the root"), format!("it could not be looked at: {error}"))],
    }
}

/// The rules of a checked root, compiled with the names that the rest of the root defines.
///
/// # Errors
/// Every problem of every rules file.
pub fn compile(checked: &Checked) -> Result<Policy, Vec<Problem>> {
    let words = Words {
        groups: checked.operators.role_groups.keys().cloned().collect(),
        tenants: checked.registry.tenants.keys().cloned().collect(),
        projects: checked.registry.projects.keys().cloned().collect(),
        phases: checked.contracts.phases.keys().cloned().collect(),
        // None yet: an obligation that cannot be met is a denial.
        obligations: BTreeSet::new(),
    };
    Policy::load(&checked.snapshot().files, &words)
}

impl Engine {
    /// The rules in force: from memory where this process has them, else from the database.
    pub(crate) async fn active_rules(&self) -> Result<Arc<ActiveRules>, OrcError> {
        let held = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(rules) = held
            && (self.is_owner() || self.is_newest(rules.revision).await?)
        {
            return Ok(rules);
        }
        self.load_active().await
    }

    /// A reader's owner may have activated another revision meanwhile.
    async fn is_newest(&self, revision: u64) -> Result<bool, OrcError> {
        self.read(move |tx| Ok(tx.active_rules()?.is_some_and(|active| active.revision == revision))).await
    }

    async fn load_active(&self) -> Result<Arc<ActiveRules>, OrcError> {
        let (row, files) = self.read(active_content).await?;
        let rules = blocking(move || restore(row, files)).await?;
        let mut held = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        // Loading is slow: a later revision may have been put here meanwhile.
        match &*held {
            Some(newer) if newer.revision >= rules.revision => Ok(Arc::clone(newer)),
            _ => Ok(Arc::clone(held.insert(Arc::new(rules)))),
        }
    }

    /// Looks at the root: changed content becomes a candidate, and is activated where nothing is wrong and no second person is needed.
    /// Never fails because of what is under the root while a revision is in force: `overview` says what is wrong.
    ///
    /// # Errors
    /// What the store says; and, in a database without any revision, what is wrong with the first root.
    pub async fn scan_root(&self) -> Result<(), OrcError> {
        let Some(root) = self.root.clone() else { return Ok(()) };
        let _one_at_a_time = self.scanning.lock().await;
        let read = blocking(move || Ok(RootSnapshot::read(&root))).await?;
        let active = self.read(|tx| Ok(tx.active_rules()?)).await?;
        match read {
            Ok(snapshot) if active.as_ref().is_some_and(|active| active.digest == snapshot.digest()) => self.forget_candidate().await,
            Ok(snapshot) => self.consider(snapshot, active).await,
            Err(error) => {
                // When it can be read again it is looked at again, even if it is what it was before.
                *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let problem = Problem::new(&Place::file("the root"), error.to_string());
                self.refuse(None, BTreeMap::new(), vec![problem], active.is_none()).await
            }
        }
    }

    async fn consider(&self, snapshot: RootSnapshot, active: Option<RulesRevisionRow>) -> Result<(), OrcError> {
        let digest = snapshot.digest();
        let known = self.candidate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some_and(|known| known.digest == digest) || self.was_rolled_back(digest).await? {
            return Ok(());
        }
        let files = snapshot.files.clone();
        let prepared = blocking(move || Ok(prepare(&snapshot))).await?;
        let ready = match prepared {
            Ok((checked, _)) => match unloadable(self.guests.as_ref(), &checked).await {
                problems if problems.is_empty() => Ok(checked),
                problems => Err(problems),
            },
            Err(problems) => Err(problems),
        };
        match ready {
            Err(problems) => {
                self.remember(Candidate { digest, ready: Err(problems.clone()) });
                self.refuse(Some(digest), files, problems, active.is_none()).await
            }
            Ok(checked) => {
                if let Err(error) = self.belongs_here(&checked) {
                    return self.refuse_foreign(error, digest, files).await;
                }
                let trust = self.trust_in_force(active.as_ref()).await?;
                self.remember(Candidate { digest, ready: Ok(checked) });
                match trust {
                    Trust::SingleUser => self.activate(files, Actor::System, None).await,
                    Trust::Team => self.note_candidate(digest, files).await,
                }
            }
        }
    }

    /// The first content of a database has nobody before it who could agree; later, whom the rules in force trust decides, not what the
    /// candidate would like.
    async fn trust_in_force(&self, active: Option<&RulesRevisionRow>) -> Result<Trust, OrcError> {
        match active {
            None => Ok(Trust::SingleUser),
            Some(_) => Ok(self.active_rules().await?.checked.settings.trust),
        }
    }

    fn belongs_here(&self, checked: &Checked) -> Result<(), OrcError> {
        let (root, database) = (&checked.settings.installation, self.store.installation());
        if root == database {
            return Ok(());
        }
        Err(OrcError::new(ErrorCode::WrongInstallation, format!("the root is of the installation {root}, the database of {database}"))
            .hint(format!(
                "name the root that belongs to this database with --root (it was {}), or another database with --db",
                self.store.root()
            )))
    }

    /// A root of another installation refuses an opening. Under a host that runs, it is content that is not in order.
    async fn refuse_foreign(&self, error: OrcError, digest: Digest, files: BTreeMap<String, Vec<u8>>) -> Result<(), OrcError> {
        if self.rules.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Err(error);
        }
        let problems = vec![foreign(error)];
        self.remember(Candidate { digest, ready: Err(problems.clone()) });
        self.refuse(Some(digest), files, problems, false).await
    }

    /// Whether this content is what a rollback took out of force: it stays out until somebody changes it.
    async fn was_rolled_back(&self, digest: Digest) -> Result<bool, OrcError> {
        let row = self.read(|tx| Ok(tx.rules_candidate()?)).await?;
        Ok(row.is_some_and(|row| row.digest == Some(digest) && is_rolled_back(&row)))
    }

    fn remember(&self, candidate: Candidate) {
        *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(candidate));
    }

    async fn forget_candidate(&self) -> Result<(), OrcError> {
        *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let waits = self.read(|tx| Ok(tx.rules_candidate()?.is_some())).await?;
        if waits { self.write(|tx| Ok(tx.clear_rules_candidate()?)).await } else { Ok(()) }
    }

    async fn refuse(
        &self,
        digest: Option<Digest>,
        files: BTreeMap<String, Vec<u8>>,
        problems: Vec<Problem>,
        first: bool,
    ) -> Result<(), OrcError> {
        let shown = problems.clone();
        let files = digests(&files);
        self.write(move |tx| {
            let before = tx.rules_candidate()?;
            // A root that cannot be read for a moment must not make ORC forget what was rolled back.
            let held_back = digest.is_none() && before.as_ref().is_some_and(is_rolled_back);
            if held_back || before.is_some_and(|before| before.digest == digest && before.problems == problems) {
                return Ok(());
            }
            let body = json!({ "digest": digest, "problems": problems });
            tx.put_rules_candidate(&RulesCandidateRow { digest, files, seen_at: tx.now(), problems, proposed_by: None })?;
            tx.append(event(EventKind::RulesRefused, Actor::System, body))?;
            Ok(())
        })
        .await?;
        if first { Err(invalid(&shown)) } else { Ok(()) }
    }

    async fn note_candidate(&self, digest: Digest, files: BTreeMap<String, Vec<u8>>) -> Result<(), OrcError> {
        let files = digests(&files);
        self.write(move |tx| {
            let before = tx.rules_candidate()?;
            if before.is_some_and(|before| before.digest == Some(digest) && before.problems.is_empty()) {
                return Ok(());
            }
            tx.put_rules_candidate(&RulesCandidateRow {
                digest: Some(digest),
                files,
                seen_at: tx.now(),
                problems: Vec::new(),
                proposed_by: None,
            })?;
            tx.append(event(EventKind::RulesCandidate, Actor::System, json!({ "digest": digest })))?;
            Ok(())
        })
        .await
    }

    /// Puts content into force, in one transaction, and into memory.
    async fn activate(&self, files: BTreeMap<String, Vec<u8>>, actor: Actor, once: Option<Once>) -> Result<(), OrcError> {
        self.write(move |tx| {
            put_into_force(tx, &files, actor)?;
            match once {
                Some(once) => once.keep(tx, &status(tx)?),
                None => Ok(()),
            }
        })
        .await?;
        self.load_active().await?;
        *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// The intent `rules_activate`.
    pub(crate) async fn rules_activate(&self, actor: Actor, once: Once, request: RulesActivate) -> Result<RulesStatus, OrcError> {
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Administer)?;
        self.scan_root().await?;
        let trust = rules.checked.settings.trust;
        let Some((row, digest)) = self.read(move |tx| candidate_for(tx, trust, request.digest)).await? else {
            return self.rules_status().await;
        };
        let second = row.proposed_by.as_ref().is_some_and(|first| *first != permit.operator);
        if trust == Trust::SingleUser || second {
            let files = self.candidate_content(digest)?;
            self.activate(files, actor, Some(once)).await?;
        } else {
            let operator = permit.operator;
            self.write(move |tx| {
                // Somebody may have saved something else since the look above: the word is for this content and no other.
                let Some((row, _)) = candidate_for(tx, trust, Some(digest))? else { return once.keep(tx, &status(tx)?) };
                tx.put_rules_candidate(&RulesCandidateRow { proposed_by: Some(operator), ..row })?;
                tx.append(event(EventKind::RulesProposed, actor, json!({ "digest": digest })))?;
                once.keep(tx, &status(tx)?)
            })
            .await?;
        }
        self.rules_status().await
    }

    fn candidate_content(&self, digest: Digest) -> Result<BTreeMap<String, Vec<u8>>, OrcError> {
        let held = self.candidate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let content = held
            .filter(|held| held.digest == digest)
            .and_then(|held| held.ready.as_ref().ok().map(|checked| checked.snapshot().files.clone()));
        content.ok_or_else(|| {
            OrcError::new(ErrorCode::ConfigInvalid, "the content under the root changed meanwhile")
                .hint("look at it again with `orcctl rules`")
        })
    }

    /// The intent `rules_rollback`: old content under a new number.
    pub(crate) async fn rules_rollback(&self, actor: Actor, once: Once, request: RulesRollback) -> Result<RulesStatus, OrcError> {
        let rules = self.active_rules().await?;
        let permit = self.authorise(&rules, &actor, Act::Administer)?;
        let revision = request.revision;
        let files = self.read(move |tx| content(tx, revision)).await?;
        let snapshot = RootSnapshot::from_files(files.clone());
        blocking(move || prepare(&snapshot).map(|_| ()).map_err(|problems| invalid(&problems))).await?;
        let operator = permit.operator;
        let agreed = self.read(rollbacks).await?;
        let second = agreed.iter().any(|proposal| proposal.revision == revision && proposal.by != operator);
        if rules.checked.settings.trust == Trust::SingleUser || second {
            self.roll_back(revision, files, actor, once).await?;
        } else {
            self.write(move |tx| {
                tx.append(event(EventKind::RulesProposed, actor, json!({ "rollback_to": revision })))?;
                once.keep(tx, &status(tx)?)
            })
            .await?;
        }
        self.rules_status().await
    }

    /// Old content comes into force; what lies under the root now stays out of it until it is changed.
    async fn roll_back(&self, revision: u64, files: BTreeMap<String, Vec<u8>>, actor: Actor, once: Once) -> Result<(), OrcError> {
        // Nobody looks at the root meanwhile: what it has is taken back, and need not be what was in force.
        let _one_at_a_time = self.scanning.lock().await;
        let under_root = match self.root.clone() {
            Some(root) => blocking(move || Ok(RootSnapshot::read(&root).ok())).await?,
            None => None,
        };
        self.write(move |tx| {
            let left = tx.active_rules()?;
            put_into_force(tx, &files, actor)?;
            let (Some(left), Some(under_root)) = (left, under_root.filter(|root| root.files != files)) else {
                return once.keep(tx, &status(tx)?);
            };
            let message = format!("{ROLLED_BACK}: revision {} gave way to the content of revision {revision}", left.revision);
            let problem = Problem::new(&Place::file("the root"), message).help("change it, and it is a candidate again");
            let (digest, files) = (Some(under_root.digest()), digests(&under_root.files));
            let row = RulesCandidateRow { digest, files, seen_at: tx.now(), problems: vec![problem], proposed_by: None };
            tx.put_rules_candidate(&row)?;
            once.keep(tx, &status(tx)?)
        })
        .await?;
        self.load_active().await?;
        *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// The intent `rules`.
    pub(crate) async fn rules_status(&self) -> Result<RulesStatus, OrcError> {
        let mut status = self.read(status).await?;
        // An owner looks at the root by itself, and writes down what it sees.
        if !self.is_owner()
            && let Some(root) = self.root.clone()
        {
            let read = blocking(move || Ok(RootSnapshot::read(&root))).await?;
            status.candidate = self.seen_now(&status, read).await?;
            status.next = next::after_rules(&status);
        }
        Ok(status)
    }

    /// The candidate as the root has it now, where that is not what a host wrote down. Guests are not loaded: the host does that.
    async fn seen_now(&self, status: &RulesStatus, read: Result<RootSnapshot, RootError>) -> Result<Option<RulesCandidateView>, OrcError> {
        let known = status.candidate.clone();
        let snapshot = match read {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let problem = Problem::new(&Place::file("the root"), error.to_string());
                let written = known.filter(|known| known.problems.contains(&problem));
                return Ok(Some(written.unwrap_or_else(|| self.unseen(None, Vec::new(), vec![problem]))));
            }
        };
        let digest = snapshot.digest();
        if digest == status.active.digest {
            return Ok(None);
        }
        if known.as_ref().is_some_and(|known| known.digest == Some(digest)) {
            return Ok(known);
        }
        let active = status.active.revision;
        let before = self.read(move |tx| Ok(tx.rules_revision(active)?.files)).await?;
        let changes = changes(&before, &digests(&snapshot.files));
        let prepared = blocking(move || Ok(prepare(&snapshot))).await?;
        let problems = match prepared {
            Ok((checked, _)) => self.belongs_here(&checked).err().map(foreign).into_iter().collect(),
            Err(problems) => problems,
        };
        Ok(Some(self.unseen(Some(digest), changes, problems)))
    }

    fn unseen(&self, digest: Option<Digest>, changes: Vec<String>, problems: Vec<Problem>) -> RulesCandidateView {
        RulesCandidateView { digest, seen_at: self.now(), changes, problems, proposed_by: None, unseen: true }
    }
}

fn status(tx: &ReadTx<'_>) -> Result<RulesStatus, OrcError> {
    let active = tx.active_rules()?.ok_or_else(none_active)?;
    let candidate = tx.rules_candidate()?.map(|row| candidate_view(row, &active));
    let history = tx.rules_history(HISTORY)?.into_iter().map(revision_view).collect();
    let rollbacks = rollbacks(tx)?;
    let mut status = RulesStatus { active: revision_view(active), candidate, rollbacks, history, next: Vec::new() };
    status.next = next::after_rules(&status);
    Ok(status)
}

/// Content of another installation as a problem of the root.
fn foreign(error: OrcError) -> Problem {
    Problem { help: error.hint, ..Problem::new(&Place::file(orc_config::ORC_FILE), error.message) }
}

/// The candidate that a command means, with its digest; `None` where what it means is in force already. In a team nobody's word counts for
/// content that it does not name: what is under the root may have been changed after somebody looked at it.
fn candidate_for(tx: &ReadTx<'_>, trust: Trust, asked: Option<Digest>) -> Result<Option<(RulesCandidateRow, Digest)>, OrcError> {
    let Some(row) = tx.rules_candidate()? else {
        let active = tx.active_rules()?.map(|active| active.digest);
        return if asked.is_some() && asked != active { Err(no_such_candidate("there is no candidate")) } else { Ok(None) };
    };
    if !row.problems.is_empty() {
        return Err(invalid(&row.problems));
    }
    match (row.digest, asked) {
        (None, _) => Ok(None),
        (Some(digest), None) if trust == Trust::Team => Err(unnamed(digest)),
        (Some(digest), Some(asked)) if asked != digest => Err(no_such_candidate(&format!("the candidate is {digest} now"))),
        (Some(digest), _) => Ok(Some((row, digest))),
    }
}

fn unnamed(digest: Digest) -> OrcError {
    OrcError::new(ErrorCode::InvalidRequest, "in a team an admin names the content that comes into force, by its digest")
        .hint(format!("look at it with `orcctl rules diff`, then `orcctl rules activate --digest {digest}`"))
}

fn no_such_candidate(message: &str) -> OrcError {
    OrcError::new(ErrorCode::CandidateChanged, message).hint("look at what is there now with `orcctl rules diff`")
}

fn is_rolled_back(row: &RulesCandidateRow) -> bool {
    row.problems.iter().any(|problem| problem.message.starts_with(ROLLED_BACK))
}

/// Rollbacks that admins agreed to since rules came into force last, newest first, each admin and revision once. The audit is the only place
/// where that is written.
fn rollbacks(tx: &ReadTx<'_>) -> Result<Vec<RollbackProposal>, OrcError> {
    let events = tx.newest_of(&[EventKind::RulesActivated, EventKind::RulesProposed], AGREEMENTS)?;
    let mut out: Vec<RollbackProposal> = Vec::new();
    for event in events.iter().take_while(|event| event.kind != EventKind::RulesActivated) {
        let (Some(revision), Some(by)) = (event.body["rollback_to"].as_u64(), event.actor.operator()) else { continue };
        if !out.iter().any(|known| known.revision == revision && known.by == *by) {
            out.push(RollbackProposal { revision, by: by.clone(), at: event.at });
        }
    }
    Ok(out)
}

fn put_into_force(tx: &mut WriteTx<'_>, files: &BTreeMap<String, Vec<u8>>, actor: Actor) -> Result<(), OrcError> {
    let before = tx.active_rules()?;
    let mut named = BTreeMap::new();
    for (path, bytes) in files {
        named.insert(path.clone(), tx.put_blob("application/octet-stream", bytes)?);
    }
    let digest = RootSnapshot::from_files(files.clone()).digest();
    let row = tx.activate_rules(&digest, &named, &actor)?;
    let changes = before.map(|before| changes(&before.files, &row.files)).unwrap_or_default();
    let body = json!({ "revision": row.revision, "digest": row.digest, "changes": changes });
    tx.clear_rules_candidate()?;
    tx.append(event(EventKind::RulesActivated, actor, body))?;
    Ok(())
}

fn active_content(tx: &ReadTx<'_>) -> Result<(RulesRevisionRow, BTreeMap<String, Vec<u8>>), OrcError> {
    let row = tx.active_rules()?.ok_or_else(none_active)?;
    altered::in_force(tx, &row)?;
    let files = files(tx, &row)?;
    Ok((row, files))
}

pub(crate) fn content(tx: &ReadTx<'_>, revision: u64) -> Result<BTreeMap<String, Vec<u8>>, OrcError> {
    let row = tx.rules_revision(revision)?;
    altered::once_in_force(tx, &row)?;
    files(tx, &row)
}

/// The files of a revision: those that its digest names, or none.
fn files(tx: &ReadTx<'_>, row: &RulesRevisionRow) -> Result<BTreeMap<String, Vec<u8>>, OrcError> {
    let mut files = BTreeMap::new();
    for (path, digest) in &row.files {
        files.insert(path.clone(), tx.blob(digest)?.bytes);
    }
    if RootSnapshot::from_files(files.clone()).digest() == row.digest {
        return Ok(files);
    }
    Err(OrcError::new(ErrorCode::DatabaseRefused, format!("the stored rules revision {} is not the one that was activated", row.revision))
        .hint("the database was changed by hand: restore a backup, and keep this file for examination"))
}

/// A revision was checked and tested before it was stored; what no longer passes was changed in the database or by an upgrade.
fn restore(row: RulesRevisionRow, files: BTreeMap<String, Vec<u8>>) -> Result<ActiveRules, OrcError> {
    let snapshot = RootSnapshot::from_files(files);
    let checked = orc_config::check(&snapshot).map_err(|problems| invalid(&problems))?;
    let policy = compile(&checked).map_err(|problems| invalid(&problems))?;
    Ok(ActiveRules { revision: row.revision, digest: row.digest, checked, policy })
}

fn none_active() -> OrcError {
    OrcError::new(ErrorCode::NoActiveRules, "no rules revision is in force in this database")
        .hint("name its root with --root and run a command that changes something, as in `orcctl rules activate`")
}

/// All problems as one error.
fn invalid(problems: &[Problem]) -> OrcError {
    OrcError::of_root(problems).hint("`orcctl config check` and `orcctl policy test` show them again")
}

fn digests(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Digest> {
    files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect()
}

fn changes(before: &BTreeMap<String, Digest>, now: &BTreeMap<String, Digest>) -> Vec<String> {
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let change = |path: &String| match (before.get(path), now.get(path)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(_), Some(_)) => Some(format!("~ {path}")),
        (None, _) => Some(format!("+ {path}")),
        (_, None) => Some(format!("- {path}")),
    };
    paths.into_iter().filter_map(change).collect()
}

fn candidate_view(row: RulesCandidateRow, active: &RulesRevisionRow) -> RulesCandidateView {
    let changes = if row.files.is_empty() { Vec::new() } else { changes(&active.files, &row.files) };
    RulesCandidateView {
        digest: row.digest,
        seen_at: row.seen_at,
        changes,
        problems: row.problems,
        proposed_by: row.proposed_by,
        unseen: false,
    }
}

fn revision_view(row: RulesRevisionRow) -> RulesRevisionView {
    let files = row.files.len() as u64;
    RulesRevisionView { revision: row.revision, digest: row.digest, activated_at: row.activated_at, activated_by: row.activated_by, files }
}

fn event(kind: EventKind, actor: Actor, body: serde_json::Value) -> NewEvent {
    NewEvent { kind, actor, subject: Subject::default(), body }
}
