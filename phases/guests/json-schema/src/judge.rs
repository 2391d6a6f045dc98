//! The walk over an output: every value against its schema, each misfit with its JSON pointer.

use std::cmp::Ordering;

use orc_guest::text::cut;
use orc_guest::{Declined, Finding, Severity};
use serde_json::{Map, Number, Value};

use crate::schema::{Bounds, Schema, Schemas, Type};

/// Findings of one answer: whoever mends fifty will be told of the others.
const NAMED: usize = 50;

/// Schemas applied to values, all together. The largest honest output needs a small part of it.
const STEPS: u32 = 1_000_000;

/// How deep a walk goes: deeper than any JSON that can be read, unless a schema refers to itself without end.
const DEPTH: u32 = 400;

/// Bytes of a place or a value that are shown: keys are a worker's words.
const SHOWN: usize = 200;

/// A walk. The place is kept as one text that grows and shrinks.
pub(crate) struct Walk<'a> {
    schemas: &'a Schemas,
    place: String,
    findings: Vec<Finding>,
    steps: u32,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(schemas: &'a Schemas) -> Self {
        Self { schemas, place: String::new(), findings: Vec::new(), steps: 0 }
    }

    /// What does not fit, in the order of the output.
    pub(crate) fn judge(mut self, output: &Value) -> Result<Vec<Finding>, Declined> {
        self.value(&self.schemas.root, output, 0)?;
        Ok(self.findings)
    }

    fn value(&mut self, schema: &'a Schema, value: &Value, depth: u32) -> Result<(), Declined> {
        self.steps += 1;
        if self.steps > STEPS || depth > DEPTH {
            return Err(Declined::from("the output, or the schema, is too large or too deep to judge"));
        }
        if self.findings.len() >= NAMED {
            return Ok(());
        }
        self.kind(schema, value);
        self.allowed(schema, value);
        match value {
            Value::Object(members) => self.object(schema, members, depth)?,
            Value::Array(items) => self.array(schema, items, depth)?,
            Value::String(text) => self.bounds("length", schema.length, || text.chars().count() as u64, "characters"),
            Value::Number(number) => self.number(schema, number),
            Value::Null | Value::Bool(_) => {}
        }
        if let Some(definition) = schema.reference.as_deref().and_then(|name| self.schemas.definition(name)) {
            self.value(definition, value, depth + 1)?;
        }
        self.any_of(schema, value, depth)
    }

    fn kind(&mut self, schema: &Schema, value: &Value) {
        if schema.types.is_empty() || schema.types.iter().any(|one| is(*one, value)) {
            return;
        }
        let words: Vec<&str> = schema.types.iter().map(|one| one.word()).collect();
        self.find("type", format!("is of type {}; it must be {}", type_of(value), words.join(" or ")));
    }

    fn allowed(&mut self, schema: &Schema, value: &Value) {
        for list in &schema.allowed {
            if !list.iter().any(|one| same(one, value)) {
                let words: Vec<String> = list.iter().map(Value::to_string).collect();
                self.find("enum", format!("is none of the values that it may have: {}", cut(&words.join(", "), SHOWN)));
            }
        }
    }

    fn object(&mut self, schema: &'a Schema, members: &Map<String, Value>, depth: u32) -> Result<(), Declined> {
        for name in schema.required.iter().filter(|name| !members.contains_key(name.as_str())) {
            self.find("required", format!("has no `{}`, which it must have", cut(name, SHOWN)));
        }
        for (name, value) in members {
            match schema.properties.get(name) {
                Some(schema) => self.within(name, schema, value, depth)?,
                None if schema.closed => self.find("additional", format!("has `{}`, which it may not have", cut(name, SHOWN))),
                None => {}
            }
        }
        Ok(())
    }

    fn array(&mut self, schema: &'a Schema, items: &[Value], depth: u32) -> Result<(), Declined> {
        self.bounds("count", schema.count, || items.len() as u64, "items");
        let Some(schema) = &schema.items else { return Ok(()) };
        for (index, item) in items.iter().enumerate() {
            self.within(&index.to_string(), schema, item, depth)?;
        }
        Ok(())
    }

    fn within(&mut self, part: &str, schema: &'a Schema, value: &Value, depth: u32) -> Result<(), Declined> {
        let length = self.place.len();
        self.place.push('/');
        self.place.push_str(&part.replace('~', "~0").replace('/', "~1"));
        let judged = self.value(schema, value, depth + 1);
        self.place.truncate(length);
        judged
    }

    fn number(&mut self, schema: &Schema, number: &Number) {
        if let Some(minimum) = schema.minimum.as_ref().filter(|minimum| compare(number, minimum) == Some(Ordering::Less)) {
            self.find("minimum", format!("is {number}; it must be {minimum} or more"));
        }
        if let Some(maximum) = schema.maximum.as_ref().filter(|maximum| compare(number, maximum) == Some(Ordering::Greater)) {
            self.find("maximum", format!("is {number}; it must be {maximum} or less"));
        }
    }

    fn bounds(&mut self, rule: &str, bounds: Bounds, count: impl Fn() -> u64, what: &str) {
        if let Some(min) = bounds.min.filter(|min| count() < *min) {
            self.find(rule, format!("has {} {what}; it must have at least {min}", count()));
        }
        if let Some(max) = bounds.max.filter(|max| count() > *max) {
            self.find(rule, format!("has {} {what}; it may have at most {max}", count()));
        }
    }

    /// One finding where none fits: which of the forms was meant is not known.
    fn any_of(&mut self, schema: &'a Schema, value: &Value, depth: u32) -> Result<(), Declined> {
        let before = self.findings.len();
        for form in &schema.any_of {
            self.value(form, value, depth + 1)?;
            let fits = self.findings.len() == before;
            self.findings.truncate(before);
            if fits {
                return Ok(());
            }
        }
        if !schema.any_of.is_empty() {
            self.find("any-of", format!("fits none of the {} forms that it may have", schema.any_of.len()));
        }
        Ok(())
    }

    fn find(&mut self, rule: &str, what: String) {
        if self.findings.len() >= NAMED {
            return;
        }
        let finding = if self.place.is_empty() {
            Finding::new(rule, Severity::High, format!("the output {what}"))
        } else {
            Finding::new(rule, Severity::High, format!("it {what}")).at(cut(&self.place, SHOWN))
        };
        self.findings.push(finding);
    }
}

fn is(one: Type, value: &Value) -> bool {
    match one {
        Type::Integer => is_whole(value),
        Type::Number => value.is_number(),
        Type::Null => value.is_null(),
        Type::Boolean => value.is_boolean(),
        Type::String => value.is_string(),
        Type::Array => value.is_array(),
        Type::Object => value.is_object(),
    }
}

/// As in JSON Schema, 1.0 is a whole number.
fn is_whole(value: &Value) -> bool {
    value.as_number().is_some_and(|number| number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(_) if is_whole(value) => Type::Integer,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    }
    .word()
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right) == Some(Ordering::Equal),
        (left, right) => left == right,
    }
}

/// Whole numbers are compared exactly: beyond 2^53 a float would call neighbours equal.
fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
