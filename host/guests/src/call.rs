//! One call: a place, a fresh store and instance, the limits, the end, the cost.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use orc_domain::ports::{GuestCost, GuestRun};
use orc_domain::verdict::{FaultClass, GuestFault, GuestLimits};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::document::Documents;
use crate::fault::{Stage, classify, deadline, fault, wall};
use crate::imports::CallState;
use crate::ticker::Ticker;

/// How long a call waits for a place.
const QUEUE: Duration = Duration::from_secs(1);

/// Handles that a guest may hold at a time: each is host memory that no other limit counts.
const MAX_HANDLES: usize = 1000;

/// A future that may borrow for `'a`.
pub(crate) type Calling<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// What a call is made with beside its typed parameters.
pub(crate) struct Inputs {
    pub(crate) limits: GuestLimits,
    /// The settings as one JSON object.
    pub(crate) settings: Arc<str>,
    pub(crate) documents: Documents,
}

/// Makes calls, so many at a time.
pub(crate) struct Caller {
    engine: Engine,
    places: Semaphore,
    ticker: Ticker,
}

impl Caller {
    /// # Errors
    /// When the ticker's thread cannot be started.
    pub(crate) fn new(engine: Engine, places: u32) -> std::io::Result<Self> {
        let ticker = Ticker::start(engine.clone())?;
        Ok(Self { engine, places: Semaphore::new(places as usize), ticker })
    }

    /// Makes a fresh instance and lets `call` call one of its exports; `convert` judges the answer.
    pub(crate) async fn run<A, T>(
        &self,
        module: &InstancePre<CallState>,
        inputs: Inputs,
        call: impl for<'a> FnOnce(&'a mut Store<CallState>, Instance) -> Calling<'a, A> + Send,
        convert: impl FnOnce(A) -> Result<T, GuestFault> + Send,
    ) -> GuestRun<T>
    where
        A: Send,
    {
        // Declared before the store, so that it is given back after the store's slots in the pool are.
        let _place = match self.place().await {
            Ok(place) => place,
            Err(busy) => return GuestRun { outcome: Err(busy), cost: GuestCost::default() },
        };
        let limits = inputs.limits;
        let started = Instant::now();
        let mut store = match self.store(inputs, started) {
            Ok(store) => store,
            Err(error) => return GuestRun { outcome: Err(host(&error)), cost: GuestCost::default() },
        };
        let _running = self.ticker.running();
        let ended = timeout(Duration::from_millis(limits.wall_ms), enter(&mut store, module, call)).await;
        let outcome = match ended {
            Ok(Ok(answer)) => convert(answer),
            Ok(Err((stage, error))) => Err(classify(&error, stage, &store.data().meter, &limits)),
            Err(_) if store.data().waiting => Err(wall(&limits)),
            Err(_) => Err(deadline(&limits)),
        };
        GuestRun { outcome, cost: cost(store, &limits, started) }
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, GuestFault> {
        match timeout(QUEUE, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => {
                let message = format!("all places for guests were taken for {} ms; try again", QUEUE.as_millis());
                Err(fault(FaultClass::RunBusy, message))
            }
        }
    }

    /// The one place where a store is made: none exists without its limits.
    fn store(&self, inputs: Inputs, started: Instant) -> wasmtime::Result<Store<CallState>> {
        let Inputs { limits, settings, documents } = inputs;
        let mut store = Store::new(&self.engine, CallState::new(&limits, settings, documents));
        store.limiter(|state| &mut state.meter);
        store.set_fuel(limits.fuel)?;
        store.set_hostcall_fuel(usize::try_from(limits.output_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(MAX_HANDLES);
        let wall = Duration::from_millis(limits.wall_ms);
        // At every tick the guest gives way to other tasks of its thread, or ends.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if started.elapsed() >= wall {
                return Ok(UpdateDeadline::Interrupt);
            }
            // tokio's own yield lets its timers run too; wasmtime's plain one would only queue this task again.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Ok(store)
    }
}

async fn enter<A>(
    store: &mut Store<CallState>,
    module: &InstancePre<CallState>,
    call: impl for<'a> FnOnce(&'a mut Store<CallState>, Instance) -> Calling<'a, A> + Send,
) -> Result<A, (Stage, wasmtime::Error)> {
    let instance = module.instantiate_async(&mut *store).await.map_err(|error| (Stage::Instantiate, error))?;
    call(store, instance).await.map_err(|error| (Stage::Call, error))
}

fn host(error: &wasmtime::Error) -> GuestFault {
    fault(FaultClass::RunHost, format!("the call could not be prepared: {}", error.root_cause()))
}

fn cost(store: Store<CallState>, limits: &GuestLimits, started: Instant) -> GuestCost {
    let fuel = limits.fuel - store.get_fuel().unwrap_or(0).min(limits.fuel);
    let state = store.into_data();
    GuestCost {
        fuel,
        memory_bytes: state.meter.memory_bytes(),
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        log: state.log.lines,
        log_dropped: state.log.dropped,
    }
}
