//! Policy through its public surface, on the real stock rules.
#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not in their helpers")]

mod case_table;
mod decide;
mod matrix;
mod mutants;
mod robust;
mod stock;
mod support;
mod table;
mod traps;
