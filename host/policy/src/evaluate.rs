//! One decision: the input made visible to the script, the call, the floor, the answer. Nothing in here fails; it denies.

use std::sync::Arc;

use orc_domain::Digest;
use orc_domain::decision::{Decision, DecisionInput, EntryPoint, EvaluationCost, GroupFacts, Place, Reason};
use orc_domain::risk::RiskAssessment;
use rhai::{Array, CallFnOptions, Dynamic, EvalAltResult, Map, Scope};
use serde_json::Value;

use crate::out::{Out, Record};
use crate::program::Program;
use crate::rules::Rules;
use crate::shape::{INPUT_SCHEMA, OPTIONAL};
use crate::{Words, engine, floor};

const SECONDS_PER_HOUR: u64 = 3600;

/// What a decision stands on.
pub(crate) struct Ground {
    pub(crate) rules: Arc<Rules>,
    /// The rules as scripts see them.
    pub(crate) data: Dynamic,
    pub(crate) words: Arc<Words>,
}

impl Ground {
    /// `None` where the rules have no JSON form, which checked ones always have.
    pub(crate) fn new(rules: Arc<Rules>, words: Arc<Words>) -> Option<Self> {
        let data = dynamic(&serde_json::to_value(rules.as_ref()).ok()?)?;
        Some(Self { rules, data, words })
    }
}

/// Decides.
pub(crate) fn decide(program: &Program, ground: &Ground, entry: EntryPoint, input: &DecisionInput) -> Decision {
    let out = Out::new(Arc::clone(&ground.rules), Arc::clone(&ground.words));
    let mut operations = 0;
    let trouble = match visible(input, ground) {
        Some(_) if input.schema != INPUT_SCHEMA => error(format!("the input has form {}, not {INPUT_SCHEMA}", input.schema), None),
        Some(visible) => {
            let run = engine::on_large_stack(|| run(program, ground, entry, visible, &out));
            let (trouble, cost) = run.unwrap_or_else(|| (error("the evaluation broke down".to_owned(), None), 0));
            operations = cost;
            trouble
        }
        None => error("the input holds a number that is too large".to_owned(), None),
    };
    let mut said = out.take();
    said.denials.extend(trouble);
    floor::lay(entry, input, &ground.rules, &mut said);
    answer(entry, input, &ground.rules, said, operations)
}

/// Calls the script; gives the denial that stands for a failure, and the operations.
fn run(program: &Program, ground: &Ground, entry: EntryPoint, input: Dynamic, out: &Out) -> (Option<Reason>, u64) {
    let Some(ast) = program.entries.get(&entry) else {
        return (error(format!("policies/{entry}.rhai is missing"), None), 0);
    };
    let arguments = (input, ground.data.clone(), Dynamic::from(out.clone()));
    let options = CallFnOptions::new().eval_ast(false);
    let result = program.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), ast, entry.as_str(), arguments);
    let operations = engine::operations();
    (result.err().and_then(|failure| failed(&failure, entry)), operations)
}

fn error(message: String, at: Option<Place>) -> Option<Reason> {
    floor::reason(floor::ERROR, message, "mend the rule; until then it denies").map(|reason| Reason { at, ..reason })
}

/// A failed evaluation as a denial, with the place of the innermost function.
fn failed(failure: &EvalAltResult, entry: EntryPoint) -> Option<Reason> {
    let mut file = format!("policies/{entry}.rhai");
    let mut innermost = failure;
    while let EvalAltResult::ErrorInFunctionCall(_, source, inner, _) = innermost {
        if !source.is_empty() {
            file.clone_from(source);
        }
        innermost = inner;
    }
    let position = innermost.position();
    let at = Place { file, line: position.line().unwrap_or(0), column: position.position().unwrap_or(0) };
    let text = match innermost {
        EvalAltResult::ErrorRuntime(message, _) => message.to_string(),
        other => other.to_string(),
    };
    // Rhai appends the place, which `at` says already.
    let message = text.split(" (line ").next().unwrap_or_default();
    let message = orc_domain::Untrusted::new(message).for_line(300);
    let limit = matches!(
        innermost,
        EvalAltResult::ErrorTooManyOperations(_)
            | EvalAltResult::ErrorStackOverflow(_)
            | EvalAltResult::ErrorDataTooLarge(..)
            | EvalAltResult::ErrorTooManyVariables(_)
            | EvalAltResult::ErrorTooManyModules(_)
            | EvalAltResult::ErrorTerminated(..)
    );
    if limit {
        let remedy = "a rule must stay within the limits of docs/policy.md; until then it denies";
        return floor::reason(floor::LIMIT, message, remedy).map(|reason| Reason { at: Some(at), ..reason });
    }
    error(message, Some(at))
}

fn answer(entry: EntryPoint, input: &DecisionInput, rules: &Rules, said: Record, operations: u64) -> Decision {
    let default_expiry = rules.approvals.get(&said.class).map_or(1, |rule| rule.expires_h).saturating_mul(SECONDS_PER_HOUR);
    let mut requires = said.requires;
    for need in requires.iter_mut().filter(|need| need.expires_s == 0) {
        need.expires_s = default_expiry;
    }
    // A `DecisionInput` always has a JSON form; were it not so, its debug form would still name it.
    let input_digest = Digest::of_canonical(input).unwrap_or_else(|_| Digest::of(format!("{input:?}").as_bytes()));
    Decision {
        entry,
        input_digest,
        denials: said.denials,
        risk: RiskAssessment { class: said.class, reasons: said.risk_reasons },
        requires,
        obligations: said.obligations,
        warnings: said.warnings,
        grants: said.grants,
        cost: EvaluationCost { operations },
    }
}

/// The input as scripts see it: absent optional fields are `()`, every known flag and group is there.
fn visible(input: &DecisionInput, ground: &Ground) -> Option<Dynamic> {
    let Ok(Value::Object(mut document)) = serde_json::to_value(input) else { return None };
    for name in OPTIONAL {
        document.entry((*name).to_owned()).or_insert(Value::Null);
    }
    if let Some(Value::Object(flags)) = document.get_mut("flags") {
        for name in ground.rules.flags.keys() {
            flags.entry(name.to_string()).or_insert(Value::Bool(false));
        }
    }
    if let Some(Value::Object(groups)) = document.get_mut("groups") {
        for name in &ground.words.groups {
            let none = serde_json::to_value(GroupFacts { members: 0, eligible: 0 }).ok()?;
            groups.entry(name.to_string()).or_insert(none);
        }
    }
    dynamic(&Value::Object(document))
}

/// A JSON value for scripts. `None` where a number is no 64-bit integer.
fn dynamic(value: &Value) -> Option<Dynamic> {
    Some(match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => Dynamic::from(*value),
        Value::Number(number) => Dynamic::from(number.as_i64()?),
        Value::String(text) => Dynamic::from(text.clone()),
        Value::Array(items) => Dynamic::from_array(items.iter().map(dynamic).collect::<Option<Array>>()?),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(name, entry)| Some((name.as_str().into(), dynamic(entry)?)));
            Dynamic::from_map(entries.collect::<Option<Map>>()?)
        }
    })
}
