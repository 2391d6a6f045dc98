//! The Rhai engine as policy gets it: raw, strict, bounded, deaf and blind. Also the thread that everything of Rhai runs on.

use std::cell::Cell;

use rhai::{Engine, OptimizationLevel};

use crate::{natives, out};

/// Operations of one decision; a stock decision takes fewer than 2,000. The only clock that policy has,
/// so that it is the same on every machine.
pub(crate) const OPERATIONS: u64 = 200_000;
const CALL_LEVELS: usize = 16;
/// Depths of expressions, outside and inside of functions. Rhai's defaults differ between debug and release builds.
const EXPRESSION_DEPTHS: (usize, usize) = (64, 48);
const STRING: usize = 64 * 1024;
const ARRAY: usize = 4096;
const MAP: usize = 1024;
const VARIABLES: usize = 128;
const FUNCTIONS: usize = 256;
/// Rhai recurses on the native stack: with 256 KiB, 64 levels abort the process.
const STACK: usize = 8 * 1024 * 1024;

/// Words of Rhai that policy does without: each hides a change, a fault, a wait or a place. `switch` goes because a misspelt case falls
/// through in silence.
const FORBIDDEN: &[&str] = &[
    "eval",
    "import",
    "export",
    "print",
    "debug",
    "try",
    "catch",
    "throw",
    "while",
    "loop",
    "do",
    "until",
    "switch",
    "this",
    "Fn",
    "call",
    "curry",
    "is_shared",
    "is_def_var",
    "is_def_fn",
    "type_of",
    "sleep",
    "timestamp",
    "private",
    "**",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "?.",
    "?[",
    "??",
    "..",
    "..=",
];

thread_local! {
    /// Operations of the evaluation on this thread. Each evaluation has a thread of its own, so it starts at 0.
    static DONE: Cell<u64> = const { Cell::new(0) };
}

/// Operations of the evaluation on this thread.
pub(crate) fn operations() -> u64 {
    DONE.get()
}

/// A new engine with the functions of [`natives`] and [`out`].
pub(crate) fn new() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_strict_variables(true);
    engine.set_allow_shadowing(false);
    engine.set_allow_anonymous_fn(false);
    engine.set_fail_on_invalid_map_property(true);
    engine.set_fast_operators(false);
    engine.set_max_operations(OPERATIONS);
    engine.set_max_call_levels(CALL_LEVELS);
    engine.set_max_expr_depths(EXPRESSION_DEPTHS.0, EXPRESSION_DEPTHS.1);
    engine.set_max_string_size(STRING);
    engine.set_max_array_size(ARRAY);
    engine.set_max_map_size(MAP);
    engine.set_max_variables(VARIABLES);
    engine.set_max_functions(FUNCTIONS);
    engine.set_max_modules(0);
    engine.on_progress(|count| {
        DONE.set(count);
        None
    });
    for word in FORBIDDEN {
        engine.disable_symbol(*word);
    }
    natives::register(&mut engine);
    out::register(&mut engine);
    engine
}

/// Runs `work` where Rhai may recurse. `None` where the thread could not be started or panicked.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
