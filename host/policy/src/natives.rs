//! Everything that a script can call beside the builder, and nothing else: pure functions of their arguments.
//!
//! Rhai's own packages are not loaded. They bring `sleep`, clocks, callbacks and functions that change a copy of what they were given;
//! and their comparisons of different types answer `false`, which in a rule means *allow*.

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map, Position};

use orc_domain::risk::RiskClass;

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// Functions with the numbers of arguments that they take, the receiver of a method call included. The linter refuses every other call.
pub(crate) const FUNCTIONS: &[(&str, &[usize])] = &[
    ("==", &[2]),
    ("!=", &[2]),
    ("<", &[2]),
    ("<=", &[2]),
    (">", &[2]),
    (">=", &[2]),
    ("+", &[2]),
    ("-", &[1, 2]),
    ("*", &[2]),
    ("/", &[2]),
    ("%", &[2]),
    ("!", &[1]),
    ("argv_matches", &[2]),
    ("at_least", &[2]),
    ("contains", &[2]),
    ("ends_with", &[2]),
    ("is_empty", &[1]),
    ("join", &[2]),
    ("keys", &[1]),
    ("len", &[1]),
    ("max", &[2]),
    ("min", &[2]),
    ("present", &[1]),
    ("starts_with", &[2]),
];

/// Registers [`FUNCTIONS`].
pub(crate) fn register(engine: &mut Engine) {
    operators(engine);
    engine.register_iterator::<Array>();
    engine.register_fn("argv_matches", argv_matches);
    engine.register_fn("at_least", at_least);
    engine.register_fn("present", |value: Dynamic| !value.is_unit());
    engine.register_fn("contains", contains);
    engine.register_fn("contains", |map: Map, key: ImmutableString| map.contains_key(key.as_str()));
    engine.register_fn("contains", |text: ImmutableString, part: ImmutableString| text.contains(part.as_str()));
    engine.register_fn("starts_with", |text: ImmutableString, part: ImmutableString| text.starts_with(part.as_str()));
    engine.register_fn("ends_with", |text: ImmutableString, part: ImmutableString| text.ends_with(part.as_str()));
    engine.register_fn("keys", |map: Map| map.keys().map(|key| Dynamic::from(ImmutableString::from(key.as_str()))).collect::<Array>());
    engine.register_fn("len", |list: Array| count(list.len()));
    engine.register_fn("len", |map: Map| count(map.len()));
    engine.register_fn("len", |text: ImmutableString| count(text.chars().count()));
    engine.register_fn("is_empty", |list: Array| list.is_empty());
    engine.register_fn("is_empty", |map: Map| map.is_empty());
    engine.register_fn("is_empty", |text: ImmutableString| text.is_empty());
    engine.register_fn("join", join);
    engine.register_fn("max", |a: i64, b: i64| a.max(b));
    engine.register_fn("min", |a: i64, b: i64| a.min(b));
}

/// Comparisons that refuse to compare what cannot be compared. They win over Rhai's own only because fast operators are off.
fn operators(engine: &mut Engine) {
    engine.register_fn("==", |a: Dynamic, b: Dynamic| same(&a, &b));
    engine.register_fn("!=", |a: Dynamic, b: Dynamic| same(&a, &b).map(|equal| !equal));
    engine.register_fn("<", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(|(a, b)| a < b));
    engine.register_fn("<=", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(|(a, b)| a <= b));
    engine.register_fn(">", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(|(a, b)| a > b));
    engine.register_fn(">=", |a: Dynamic, b: Dynamic| ordered(&a, &b).map(|(a, b)| a >= b));
    engine.register_fn("!", |value: bool| !value);
    engine.register_fn("-", |value: i64| value.checked_neg().ok_or_else(|| refuse("the number is too large")));
}

/// An error whose place the engine fills in.
pub(crate) fn refuse(message: impl Into<String>) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(message.into()), Position::NONE))
}

/// Equality of values of one type; different types are an error, nothing (`()`) included.
fn same(a: &Dynamic, b: &Dynamic) -> Answer<bool> {
    if a.type_id() != b.type_id() {
        return Err(unlike(a, b));
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return Ok(*a == *b);
    }
    let lists = a.as_array_ref().ok().zip(b.as_array_ref().ok());
    let Some((a_list, b_list)) = lists else { return Err(unlike(a, b)) };
    if a_list.len() != b_list.len() {
        return Ok(false);
    }
    for (a, b) in a_list.iter().zip(b_list.iter()) {
        if !same(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn ordered(a: &Dynamic, b: &Dynamic) -> Answer<(i64, i64)> {
    match (a.as_int(), b.as_int()) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        _ if a.is_string() && b.is_string() => Err(refuse("texts have no order here: compare risk classes with at_least(a, b)")),
        _ => Err(unlike(a, b)),
    }
}

fn unlike(a: &Dynamic, b: &Dynamic) -> Box<EvalAltResult> {
    let (a, b) = (kind(a), kind(b));
    refuse(format!("{a} and {b} cannot be compared; ask for an optional field with present(..) first"))
}

fn kind(value: &Dynamic) -> &'static str {
    match value {
        value if value.is_unit() => "nothing",
        value if value.is_int() => "a number",
        value if value.is_bool() => "true or false",
        value if value.is_string() => "text",
        value if value.is_array() => "a list",
        value if value.is_map() => "a table",
        _ => "something else",
    }
}

fn contains(list: Array, item: Dynamic) -> Answer<bool> {
    for known in &list {
        if same(known, &item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `class` is at least as risky as `bar`.
fn at_least(class: ImmutableString, bar: ImmutableString) -> Answer<bool> {
    Ok(risk(&class)? >= risk(&bar)?)
}

/// A risk class from its word.
pub(crate) fn risk(word: &str) -> Answer<RiskClass> {
    word.parse().map_err(|error: orc_domain::risk::UnknownWord| refuse(error.to_string()))
}

/// Whether the whole of `argv` is what `pattern` allows: as many words, each equal to the word or one of the alternatives at its place.
fn argv_matches(pattern: Array, argv: Array) -> Answer<bool> {
    if pattern.is_empty() || pattern.len() != argv.len() {
        return Ok(false);
    }
    for (allowed, word) in pattern.iter().zip(&argv) {
        if !word_matches(allowed, word)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn word_matches(allowed: &Dynamic, word: &Dynamic) -> Answer<bool> {
    let Ok(map) = allowed.as_map_ref() else { return same(allowed, word) };
    let one_of = map.get("one_of").and_then(|list| list.as_array_ref().ok());
    contains(one_of.ok_or_else(|| refuse("this is no allowed command"))?.to_vec(), word.clone())
}

fn join(list: Array, separator: ImmutableString) -> Answer<String> {
    let texts: Result<Vec<String>, _> = list.into_iter().map(Dynamic::into_string).collect();
    texts.map(|texts| texts.join(separator.as_str())).map_err(|kind| refuse(format!("join(..) takes a list of texts, found {kind}")))
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
