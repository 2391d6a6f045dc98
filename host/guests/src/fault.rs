//! From what wasmtime reports to a fault class. By type: a message is only ever shown, and made safe first, because parts of it are
//! the guest's own words.

use orc_domain::Untrusted;
use orc_domain::verdict::{FaultClass, GuestFault, GuestLimits};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::limits::Meter;

/// The most characters of somebody else's words in a fault's message.
const QUOTED: usize = 400;

/// A fault of this class.
pub(crate) fn fault(class: FaultClass, message: impl Into<String>) -> GuestFault {
    GuestFault { class, message: message.into() }
}

/// Words of a guest, or of wasmtime about a guest, for one line.
pub(crate) fn quoted(text: impl Into<String>) -> String {
    Untrusted::new(text).for_line(QUOTED)
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The fresh instance was being made: its start functions run in here.
    Instantiate,
    /// An exported function was being called.
    Call,
}

/// The fault behind an error of wasmtime.
pub(crate) fn classify(error: &wasmtime::Error, stage: Stage, meter: &Meter, limits: &GuestLimits) -> GuestFault {
    if let Some(ours) = error.downcast_ref::<GuestFault>() {
        return ours.clone();
    }
    if let Some(what) = meter.refused() {
        return refused(what, limits);
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, limits);
    }
    if let Some(full) = error.downcast_ref::<PoolConcurrencyLimitError>() {
        return fault(FaultClass::RunBusy, format!("all places for guests are taken ({full}); try again"));
    }
    let why = quoted(error.root_cause().to_string());
    match stage {
        Stage::Instantiate => fault(FaultClass::RunHost, format!("no instance could be made: {why}")),
        Stage::Call => fault(
            FaultClass::RunOutput,
            format!("its answer, or data for a host call, was malformed or above {} bytes: {why}", limits.output_bytes),
        ),
    }
}

fn refused(what: &str, limits: &GuestLimits) -> GuestFault {
    let cap = if what == "memory" { format!("{} bytes", limits.memory_bytes) } else { format!("{} elements", limits.table_elements) };
    fault(FaultClass::RunMemory, format!("it asked for more {what} than it may have ({cap} for all together)"))
}

fn trapped(trap: Trap, limits: &GuestLimits) -> GuestFault {
    match trap {
        Trap::OutOfFuel => fault(FaultClass::RunFuel, format!("it used more than its {} units of fuel", limits.fuel)),
        Trap::Interrupt => deadline(limits),
        Trap::StackOverflow => fault(FaultClass::RunStack, "its call stack overflowed"),
        Trap::StringOutOfBounds | Trap::ListOutOfBounds | Trap::InvalidDiscriminant | Trap::UnalignedPointer | Trap::InvalidChar => {
            fault(FaultClass::RunOutput, format!("it passed a malformed value: {trap}"))
        }
        other => fault(FaultClass::RunTrap, format!("it trapped: {other}")),
    }
}

/// It was still computing at the end of its time.
pub(crate) fn deadline(limits: &GuestLimits) -> GuestFault {
    fault(FaultClass::RunDeadline, format!("it was still computing after {} ms", limits.wall_ms))
}

/// A host call was still under way at the end of its time.
pub(crate) fn wall(limits: &GuestLimits) -> GuestFault {
    fault(FaultClass::RunWall, format!("a host call was still under way after {} ms", limits.wall_ms))
}
