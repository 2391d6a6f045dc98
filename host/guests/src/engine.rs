//! The one place where a wasmtime engine is configured. Its settings decide what compiled code means, so there is no second one.

use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The largest component that is looked at, in bytes. A Python guest has 18 MiB.
pub(crate) const MAX_COMPONENT: usize = 32 * MIB;

/// The largest linear memory that the pool holds, whatever a binding's limits say.
const MAX_MEMORY: usize = 256 * MIB;

/// The largest table that the pool holds.
const MAX_TABLE: usize = 100_000;

/// Memories and tables that one component may have. JavaScript guests have three memories.
const PER_COMPONENT: u32 = 8;

/// An engine and how its instances are allocated, in words for `doctor`.
pub(crate) struct Built {
    pub(crate) engine: Engine,
    pub(crate) allocator: String,
}

/// The engine: pooled for `calls` calls at a time or, where the pool cannot be reserved, on demand.
pub(crate) fn build(calls: u32) -> wasmtime::Result<Built> {
    let mut config = config();
    config.allocation_strategy(pool(calls));
    match Engine::new(&config) {
        Ok(engine) => Ok(Built { engine, allocator: format!("pooled, {calls} places") }),
        Err(refused) => {
            let why = refused.root_cause().to_string();
            tracing::warn!(%why, "guest memory cannot be pooled; every call maps its own");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            // What refused the pool is most likely a bound on address space: 4 GiB for each memory would not fit either.
            config.memory_reservation(64 * MIB as u64);
            config.memory_guard_size(64 * KIB as u64);
            Ok(Built { engine: Engine::new(&config)?, allocator: format!("on demand, slower: the pool was refused ({why})") })
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.epoch_interruption(true);
    // The same module and input must give the same answer on every machine.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.wasm_memory64(false);
    config.concurrency_support(false);
    config
}

fn pool(calls: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls);
    pool.total_stacks(calls);
    pool.total_core_instances(calls.saturating_mul(8));
    pool.total_memories(calls.saturating_mul(4));
    pool.total_tables(calls.saturating_mul(4));
    pool.max_core_instances_per_component(4 * PER_COMPONENT);
    pool.max_memories_per_component(PER_COMPONENT);
    pool.max_memories_per_module(PER_COMPONENT);
    pool.max_tables_per_component(PER_COMPONENT);
    pool.max_tables_per_module(PER_COMPONENT);
    pool.max_memory_size(MAX_MEMORY);
    pool.table_elements(MAX_TABLE);
    // With the page map scan (Linux 6.7), keeping pages halves the price of a fresh instance; without it they are cleared by hand.
    pool.linear_memory_keep_resident(2 * MIB);
    pool.table_keep_resident(64 * KIB);
    pool.async_stack_keep_resident(64 * KIB);
    pool.pagemap_scan(Enabled::Auto);
    pool
}

/// What compiled code depends on besides the component: wasmtime's version, target and settings.
pub(crate) fn compatibility(engine: &Engine) -> [u8; 32] {
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// SHA-256 behind the interface in which wasmtime offers its compatibility key: 64 bits would be too few for a directory name
/// that code is executed from.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}
