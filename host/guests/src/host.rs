//! The port [`Guests`] on wasmtime: which modules and bindings are ready, and the three kinds of call.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use orc_domain::Digest;
use orc_domain::ports::{GuestCost, GuestInput, GuestRun, Guests};
use orc_domain::verdict::{Capability, Effect, FaultClass, Finding, GuestBinding, GuestFault, GuestKind, Verdict};
use tokio::sync::OnceCell;
use wasmtime::component::Instance;
use wasmtime::{Engine, Store};

use crate::bindings::input;
use crate::cache::{Cache, CacheError};
use crate::call::{Caller, Calling, Inputs};
use crate::document::Documents;
use crate::fault::{fault, quoted};
use crate::imports::CallState;
use crate::inspect::{self, Inspection};
use crate::load::Module;
use crate::{convert, effects};

/// How guests are run.
#[derive(Debug, Clone)]
pub struct GuestsOptions {
    /// Where compiled code is kept; `None` compiles at every start. Made with mode 0700 where it is missing.
    pub cache_dir: Option<PathBuf>,
    /// The key that authenticates compiled code: secret, of this installation, derived for nothing else.
    pub cache_key: [u8; 32],
    /// Calls at the same time, 1 to 1024; more wait for up to a second.
    pub concurrent_calls: u32,
}

/// Why guests cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum GuestsError {
    /// The number of concurrent calls is out of range.
    #[error("{calls} concurrent guest calls are out of range: 1 to 1024")]
    ConcurrentCalls {
        /// What was asked for.
        calls: u32,
    },
    /// wasmtime refuses this machine or the settings.
    #[error("the WebAssembly engine cannot be built: {why}")]
    Engine {
        /// What it says.
        why: String,
    },
    /// The compile cache is not usable.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The thread that interrupts guests did not start.
    #[error("the thread that interrupts guests cannot be started")]
    Ticker(#[source] std::io::Error),
}

/// What a loaded module is kept under: what it was linked with is as much a part of it as its bytes.
type ModuleKey = (Digest, BTreeSet<Capability>);

/// A place for a module that is loaded once, however many ask for it.
type Slot = Arc<OnceCell<Arc<Module>>>;

/// Runs guests. Cheap to share behind an `Arc`; needs a tokio runtime with time.
pub struct WasmGuests {
    engine: Engine,
    cache: Option<Arc<Cache>>,
    caller: Caller,
    modules: Mutex<HashMap<ModuleKey, Slot>>,
    /// Digests of the bindings that were loaded: whole bindings, because `check-settings` judged exactly these settings.
    ready: RwLock<HashSet<Digest>>,
    facts: BTreeMap<String, String>,
}

impl WasmGuests {
    /// Builds the engine and opens the compile cache.
    ///
    /// # Errors
    /// When the engine cannot be built, or the cache's directory is not this user's alone.
    pub fn new(options: GuestsOptions) -> Result<Self, GuestsError> {
        let calls = options.concurrent_calls;
        if !(1..=1024).contains(&calls) {
            return Err(GuestsError::ConcurrentCalls { calls });
        }
        let built = crate::engine::build(calls).map_err(|error| GuestsError::Engine { why: format!("{error:#}") })?;
        let engine = built.engine;
        let cache = options.cache_dir.map(|dir| Cache::open(&dir, &engine, options.cache_key)).transpose()?.map(Arc::new);
        let caller = Caller::new(engine.clone(), calls).map_err(GuestsError::Ticker)?;
        let facts = BTreeMap::from([("guest_allocator".into(), built.allocator)]);
        Ok(Self { engine, cache, caller, modules: Mutex::default(), ready: RwLock::default(), facts })
    }

    /// Facts for `doctor`: how instances are allocated.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }

    /// What a component is, without running any of it. Compiles it: takes seconds for a large one.
    ///
    /// # Errors
    /// `load.invalid` where it is no component.
    pub fn inspect(&self, component: &[u8]) -> Result<Inspection, GuestFault> {
        inspect::inspect(&self.engine, component)
    }

    /// What the guest finds in a binding's settings, after everything else about the binding was found in order.
    pub(crate) async fn check_settings(&self, binding: &GuestBinding, component: Arc<[u8]>) -> GuestRun<Vec<Finding>> {
        let module = match self.check(binding, component).await {
            Ok(module) => module,
            Err(fault) => return failed(fault),
        };
        let settings = settings(binding);
        let checked = self.call(
            binding,
            module,
            Documents::default(),
            |store, instance, module| {
                Box::pin(async move { module.meta(&mut *store, &instance)?.call_check_settings(store, &settings).await })
            },
            |found| Ok(convert::findings(found)),
        );
        let GuestRun { outcome, cost } = checked.await;
        GuestRun { outcome: outcome.map_err(|fault| during("check-settings", fault)), cost }
    }

    /// The module of a binding that is what the binding says, in types and in its own words.
    async fn check(&self, binding: &GuestBinding, component: Arc<[u8]>) -> Result<Arc<Module>, GuestFault> {
        let module = self.module(binding, component).await?;
        let kind = binding.kind;
        let described = self
            .call(
                binding,
                Arc::clone(&module),
                Documents::default(),
                |store, instance, module| {
                    Box::pin(async move {
                        module.check_kind(store, &instance, kind)?;
                        module.meta(&mut *store, &instance)?.call_describe(store).await
                    })
                },
                Ok,
            )
            .await
            .outcome
            .map_err(|fault| during("describe", fault))?;
        if described.name == binding.guest.as_str() && described.version == binding.version {
            return Ok(module);
        }
        let described = quoted(format!("{} {}", described.name, described.version));
        let expected = quoted(format!("{} {}", binding.guest, binding.version));
        Err(fault(FaultClass::LoadWorld, format!("it calls itself `{described}`; its manifest says `{expected}`")))
    }

    /// The module of a binding, loaded at the first call.
    async fn module(&self, binding: &GuestBinding, component: Arc<[u8]>) -> Result<Arc<Module>, GuestFault> {
        let slot = Arc::clone(self.modules().entry(key(binding)).or_default());
        slot.get_or_try_init(|| self.load_module(binding, component)).await.cloned()
    }

    async fn load_module(&self, binding: &GuestBinding, component: Arc<[u8]>) -> Result<Arc<Module>, GuestFault> {
        let (engine, cache, (digest, capabilities)) = (self.engine.clone(), self.cache.clone(), key(binding));
        let load = move || Module::load(&engine, cache.as_deref(), digest, &capabilities, &component).map(Arc::new);
        match tokio::task::spawn_blocking(load).await {
            Ok(loaded) => loaded,
            Err(_) => Err(fault(FaultClass::LoadInvalid, "the compiler broke down on it")),
        }
    }

    /// The module of a binding that was loaded, as the kind that it is.
    fn loaded(&self, binding: &GuestBinding, kind: GuestKind) -> Result<Arc<Module>, GuestFault> {
        if binding.kind != kind {
            return Err(fault(FaultClass::RunHost, format!("`{}` is a {}, called as a {kind}", binding.guest, binding.kind)));
        }
        let module = self.is_ready(&identity(binding)?).then(|| self.modules().get(&key(binding)).and_then(|slot| slot.get()).cloned());
        module
            .flatten()
            .ok_or_else(|| fault(FaultClass::RunHost, format!("`{}` was called before this binding of it was loaded", binding.guest)))
    }

    async fn call<A: Send, T>(
        &self,
        binding: &GuestBinding,
        module: Arc<Module>,
        documents: Documents,
        call: impl for<'a> FnOnce(&'a mut Store<CallState>, Instance, Arc<Module>) -> Calling<'a, A> + Send,
        convert: impl FnOnce(A) -> Result<T, GuestFault> + Send,
    ) -> GuestRun<T> {
        let inputs = Inputs { limits: binding.limits, settings: settings(binding), documents };
        let of_call = Arc::clone(&module);
        self.caller.run(&module.pre, inputs, move |store, instance| call(store, instance, of_call), convert).await
    }

    fn is_ready(&self, identity: &Digest) -> bool {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).contains(identity)
    }

    fn modules(&self) -> MutexGuard<'_, HashMap<ModuleKey, Slot>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Guests for WasmGuests {
    async fn load(&self, binding: &GuestBinding, component: Arc<[u8]>) -> Result<(), GuestFault> {
        let identity = identity(binding)?;
        if self.is_ready(&identity) {
            return Ok(());
        }
        if !binding.settings.is_object() {
            return Err(fault(FaultClass::LoadSettings, "its settings are no JSON object"));
        }
        let found = self.check_settings(binding, component).await.outcome?;
        if let Some(first) = found.first() {
            return Err(rejected(first, found.len()));
        }
        self.ready.write().unwrap_or_else(PoisonError::into_inner).insert(identity);
        Ok(())
    }

    async fn gate(&self, binding: &GuestBinding, input: GuestInput) -> GuestRun<Verdict> {
        let (module, facts) = match self.loaded(binding, GuestKind::Gate).and_then(|module| Ok((module, facts(binding, &input)?))) {
            Ok(ready) => ready,
            Err(fault) => return failed(fault),
        };
        self.call(
            binding,
            module,
            Documents::new(input.documents),
            |store, instance, module| Box::pin(async move { module.gating(&mut *store, &instance)?.call_evaluate(store, &facts).await }),
            convert::verdict,
        )
        .await
    }

    async fn hook(&self, binding: &GuestBinding, input: GuestInput) -> GuestRun<Vec<Effect>> {
        let (module, facts) = match self.loaded(binding, GuestKind::Hook).and_then(|module| Ok((module, facts(binding, &input)?))) {
            Ok(ready) => ready,
            Err(fault) => return failed(fault),
        };
        self.call(
            binding,
            module,
            Documents::new(input.documents),
            |store, instance, module| Box::pin(async move { module.hooking(&mut *store, &instance)?.call_run(store, &facts).await }),
            effects::effects,
        )
        .await
    }

    async fn validate(&self, binding: &GuestBinding, input: GuestInput) -> GuestRun<Vec<Finding>> {
        let module = match self.loaded(binding, GuestKind::Validator) {
            Ok(module) => module,
            Err(fault) => return failed(fault),
        };
        let context = convert::context(&input.context);
        self.call(
            binding,
            module,
            Documents::new(input.documents),
            |store, instance, module| {
                Box::pin(async move { module.validating(&mut *store, &instance)?.call_validate(store, &context).await })
            },
            convert::validation,
        )
        .await
    }
}

/// Says in which of a load's own calls the guest broke down: nobody sees these calls.
fn during(call: &str, fault: GuestFault) -> GuestFault {
    let ran = fault.class.as_str().starts_with("run.");
    if ran { GuestFault { message: format!("in `{call}`: {}", fault.message), ..fault } } else { fault }
}

fn failed<T>(fault: GuestFault) -> GuestRun<T> {
    GuestRun { outcome: Err(fault), cost: GuestCost::default() }
}

fn key(binding: &GuestBinding) -> ModuleKey {
    (binding.module, binding.capabilities.clone())
}

fn settings(binding: &GuestBinding) -> Arc<str> {
    binding.settings.to_string().into()
}

fn identity(binding: &GuestBinding) -> Result<Digest, GuestFault> {
    Digest::of_canonical(binding).map_err(|error| fault(FaultClass::LoadSettings, format!("the settings have no canonical form: {error}")))
}

/// The facts of a call. They are refused above `input_bytes`, and as ORC's fault: the guest never saw them.
fn facts(binding: &GuestBinding, input: &GuestInput) -> Result<input::Facts, GuestFault> {
    let (facts, size) = convert::facts(input);
    if size as u64 <= binding.limits.input_bytes {
        return Ok(facts);
    }
    let message =
        format!("the facts of this call take {size} bytes; a guest is given {}: make a smaller change", binding.limits.input_bytes);
    Err(fault(FaultClass::RunHost, message))
}

fn rejected(first: &Finding, count: usize) -> GuestFault {
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let message = format!("it refuses its settings: {}: {}{more}", first.rule.for_line(80), first.message.for_line(300));
    fault(FaultClass::LoadSettings, message)
}
