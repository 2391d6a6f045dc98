//! The thread that moves an engine's epoch, so that guest code looks at the time. One for each engine, asleep while no call is in flight.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

/// How often guest code is interrupted to look at the time and to let other tasks of its thread run.
const TICK: Duration = Duration::from_millis(10);

#[derive(Default)]
struct State {
    in_flight: u32,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Owns the thread; it ends with this value.
pub(crate) struct Ticker(Arc<Shared>);

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("orc-guest-tick".into()).spawn(move || tick(&of_thread, &engine))?;
        Ok(Self(shared))
    }

    /// The epoch moves while what this returns is alive.
    pub(crate) fn running(&self) -> Running {
        self.0.state().in_flight += 1;
        self.0.wake.notify_one();
        Running(Arc::clone(&self.0))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.state().stop = true;
        self.0.wake.notify_one();
    }
}

/// A call in flight.
pub(crate) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    loop {
        let idle = |state: &mut State| state.in_flight == 0 && !state.stop;
        let state = shared.wake.wait_while(shared.state(), idle).unwrap_or_else(PoisonError::into_inner);
        if state.stop {
            return;
        }
        drop(state);
        std::thread::sleep(TICK);
        engine.increment_epoch();
    }
}
