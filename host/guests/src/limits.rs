//! What a store may allocate: linear memories summed, table elements summed, and the memory of having refused.

use orc_domain::verdict::GuestLimits;
use wasmtime::ResourceLimiter;

/// A sum with a cap. What was allowed and then failed stays counted: wasmtime does not say which growth failed.
#[derive(Debug)]
struct Sum {
    now: u64,
    cap: u64,
}

impl Sum {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let sum = self.now.saturating_add((desired as u64).saturating_sub(current as u64));
        let allowed = sum <= self.cap;
        if allowed {
            self.now = sum;
        }
        allowed
    }
}

/// Counts what one call allocates. A guest sees a refusal as `-1` and usually dies of something else: [`Meter::refused`] remembers.
#[derive(Debug)]
pub(crate) struct Meter {
    memory: Sum,
    table: Sum,
    refused: Option<&'static str>,
}

impl Meter {
    pub(crate) fn new(limits: &GuestLimits) -> Self {
        let sum = |cap| Sum { now: 0, cap };
        Self { memory: sum(limits.memory_bytes), table: sum(limits.table_elements), refused: None }
    }

    /// What was refused, `memory` or `table elements`.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    /// The sum of memories, in bytes; memories never shrink.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.now
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = self.memory.grow(current, desired);
        if !allowed {
            self.refused = Some("memory");
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = Some("memory");
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = self.table.grow(current, desired);
        if !allowed {
            self.refused = Some("table elements");
        }
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = Some("table elements");
        Ok(())
    }
}
