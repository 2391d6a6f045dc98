//! The engine itself: what it stands on, how it reads and writes, and how an envelope reaches its intent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use orc_domain::api::Envelope;
use orc_domain::operators::Actor;
use orc_domain::ports::{Clock, Guests, IdSource, Launcher};
use orc_domain::settings::Settings;
use orc_domain::{Digest, ErrorCode, ExecutionId, OrcError, Timestamp};
use orc_store::{ReadTx, Store, WriteTx};
use orc_workspace::Workspaces;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::authority::{Act, Permit, authorise};
use crate::document::Machine;
use crate::identity::{Peer, identify};
use crate::keys::Keys;
use crate::rules::{ActiveRules, Candidate};
use crate::strangers::Strangers;

/// What an engine stands on. Wired once, by the binary or a test.
pub struct EngineParts {
    /// The database, owned or only read.
    pub store: Store,
    /// The root whose changes become candidates; where the database is only read, what is compared with the rules in force. `None` where
    /// nobody named one.
    pub root: Option<PathBuf>,
    /// The host's keys.
    pub keys: Keys,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn IdSource>,
    /// Guests.
    pub guests: Arc<dyn Guests>,
    /// Processes.
    pub launcher: Arc<dyn Launcher>,
    /// Checkouts and trees.
    pub workspaces: Workspaces,
    /// What this machine gives every launch.
    pub machine: Machine,
}

/// The one engine: a method per intent, the phase loop, read models.
pub struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) guests: Arc<dyn Guests>,
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) workspaces: Workspaces,
    pub(crate) machine: Machine,
    pub(crate) rules: RwLock<Option<Arc<ActiveRules>>>,
    /// The last candidate that was looked at: the same content is not checked twice.
    pub(crate) candidate: Mutex<Option<Arc<Candidate>>>,
    /// One look at the root at a time.
    pub(crate) scanning: tokio::sync::Mutex<()>,
    /// Executions that this process drives, each with its way to be stopped.
    pub(crate) driven: Mutex<HashMap<ExecutionId, CancellationToken>>,
    /// Something was written that a driver may wait for.
    pub(crate) changed: Notify,
    /// Who was refused lately without being an operator.
    pub(crate) strangers: Strangers,
    pub(crate) turned_away: Strangers,
}

impl Engine {
    /// An engine on these parts. With an owned database it recovers what an earlier owner left, and looks at the root.
    ///
    /// # Errors
    /// `wrong-installation`, `no-active-rules`, `config-invalid` where the first root of a database is not in order, what the store says.
    pub async fn open(parts: EngineParts) -> Result<Self, OrcError> {
        let EngineParts { store, root, keys, clock, ids, guests, launcher, workspaces, machine } = parts;
        let engine = Self {
            store: Arc::new(store),
            root,
            keys: Arc::new(keys),
            clock,
            ids,
            guests,
            launcher,
            workspaces,
            machine,
            rules: RwLock::default(),
            candidate: Mutex::default(),
            scanning: tokio::sync::Mutex::default(),
            driven: Mutex::default(),
            changed: Notify::new(),
            strangers: Strangers::default(),
            turned_away: Strangers::default(),
        };
        if engine.is_owner() {
            engine.scan_root().await?;
            engine.recover().await?;
            engine.tidy_up().await?;
            engine.expire_due().await?;
        }
        engine.active_rules().await?;
        Ok(engine)
    }

    /// Whether this process owns the database.
    pub fn is_owner(&self) -> bool {
        self.store.generation().is_some()
    }

    /// The settings in force.
    ///
    /// # Errors
    /// `no-active-rules`, what the store says.
    pub async fn settings(&self) -> Result<Settings, OrcError> {
        Ok(self.active_rules().await?.checked.settings.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads in one snapshot, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTx<'_>) -> Result<T, OrcError> + Send + 'static,
    ) -> Result<T, OrcError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.read(work)).await
    }

    /// Writes in one transaction, on a thread that may block, and wakes who waits for a change.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, OrcError> + Send + 'static,
    ) -> Result<T, OrcError> {
        let (store, now) = (Arc::clone(&self.store), self.now());
        let done = blocking(move || store.write(now, work)).await;
        // A write that failed changed nothing: waking whoever tries again at once would make a full disk a busy loop.
        if done.is_ok() {
            self.changed.notify_waiters();
        }
        done
    }

    /// Who acts, under the active rules.
    pub(crate) async fn actor(&self, peer: &Peer, envelope: &Envelope) -> Result<Actor, OrcError> {
        let rules = self.active_rules().await?;
        identify(&rules.checked.operators, rules.checked.settings.trust, peer, envelope.user.as_ref())
    }

    pub(crate) fn authorise(&self, rules: &ActiveRules, actor: &Actor, act: Act<'_>) -> Result<Permit, OrcError> {
        authorise(&rules.checked.operators, &rules.checked.settings.admin_group, actor, act)
    }

    pub(crate) fn driven(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, CancellationToken>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, OrcError> + Send + 'static) -> Result<T, OrcError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(OrcError::from_source(ErrorCode::Internal, "a task of the engine stopped", &error)),
    }
}

/// The digest of anything that has a JSON form.
pub(crate) fn digest_of<T: serde::Serialize>(value: &T) -> Result<Digest, OrcError> {
    Digest::of_canonical(value).map_err(|error| internal("a value has no JSON form", &error))
}

/// As JSON.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, OrcError> {
    serde_json::to_value(value).map_err(|error| internal("a value has no JSON form", &error))
}

pub(crate) fn internal(what: &str, source: &(dyn std::error::Error + 'static)) -> OrcError {
    OrcError::from_source(ErrorCode::Internal, what, source)
}
