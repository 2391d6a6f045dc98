//! The three kinds of guest as traits of plain Rust: everything that a guest may know comes as an argument, so that the same code runs
//! in a test without a host.

use crate::{Context, Declined, Documents, Effect, Facts, Finding, Manifest, Settings, Verdict};

/// What a guest is, by its `guest.toml`. Implemented by [`gate!`](crate::gate), [`hook!`](crate::hook) and
/// [`validator!`](crate::validator).
pub trait Described {
    /// The manifest, read when the guest is compiled.
    const MANIFEST: Manifest;
}

/// May block a phase.
pub trait Gate {
    /// Its settings; [`NoSettings`](crate::NoSettings) where it has none.
    type Settings: Settings;

    /// Judges what the host observed.
    ///
    /// # Errors
    /// [`Declined`] where it cannot judge. That blocks, as a fault.
    fn evaluate(facts: &Facts, settings: &Self::Settings, documents: &dyn Documents) -> Result<Verdict, Declined>;
}

/// May not block; says what it wants done.
pub trait Hook {
    /// Its settings; [`NoSettings`](crate::NoSettings) where it has none.
    type Settings: Settings;

    /// Effects as data: the host does them if they are granted.
    ///
    /// # Errors
    /// [`Declined`] where it cannot work. That is recorded.
    fn run(facts: &Facts, settings: &Self::Settings, documents: &dyn Documents) -> Result<Vec<Effect>, Declined>;
}

/// Judges an output, changes nothing.
pub trait Validator {
    /// Its settings; [`NoSettings`](crate::NoSettings) where it has none.
    type Settings: Settings;

    /// Judges the document `output`. No findings: it is good.
    ///
    /// # Errors
    /// [`Declined`] where it cannot judge. That blocks, as a fault.
    fn validate(context: &Context, settings: &Self::Settings, documents: &dyn Documents) -> Result<Vec<Finding>, Declined>;
}
