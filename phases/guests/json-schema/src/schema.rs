//! Reading a schema. What is not understood in full is refused, with its place.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// A schema with the parts that it refers to.
#[derive(Debug)]
pub(crate) struct Schemas {
    pub(crate) root: Schema,
    definitions: BTreeMap<String, Schema>,
}

/// What one value must keep to. Keywords that say nothing about its type do not count, as in JSON Schema.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// Empty: any.
    pub(crate) types: Vec<Type>,
    /// Of `enum` and of `const`: each list must hold the value.
    pub(crate) allowed: Vec<Vec<Value>>,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) required: Vec<String>,
    /// `additionalProperties: false`.
    pub(crate) closed: bool,
    pub(crate) items: Option<Box<Schema>>,
    /// Empty: not asked for.
    pub(crate) any_of: Vec<Schema>,
    pub(crate) reference: Option<String>,
    pub(crate) minimum: Option<Number>,
    pub(crate) maximum: Option<Number>,
    /// Characters of a text.
    pub(crate) length: Bounds,
    /// Items of an array.
    pub(crate) count: Bounds,
}

/// From and to, both allowed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) min: Option<u64>,
    pub(crate) max: Option<u64>,
}

/// The types of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

const TYPES: [(Type, &str); 7] = [
    (Type::Null, "null"),
    (Type::Boolean, "boolean"),
    (Type::Integer, "integer"),
    (Type::Number, "number"),
    (Type::String, "string"),
    (Type::Array, "array"),
    (Type::Object, "object"),
];

impl Type {
    pub(crate) fn word(self) -> &'static str {
        TYPES.iter().find(|(one, _)| *one == self).map_or("", |(_, word)| word)
    }
}

/// Where the parts stand that a schema may refer to.
const DEFINITIONS: &str = "$defs";

impl Schemas {
    /// Reads a schema; the error says what is not understood and where.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let definitions = match value.get(DEFINITIONS) {
            Some(definitions) => named(definitions, "/$defs")?,
            None => BTreeMap::new(),
        };
        let schemas = Self { root: schema(value, "")?, definitions };
        let all = std::iter::once(&schemas.root).chain(schemas.definitions.values());
        match all.flat_map(Schema::references).find(|name| !schemas.definitions.contains_key(*name)) {
            Some(name) => Err(format!("it refers to `#/$defs/{name}`, which is not there")),
            None => Ok(schemas),
        }
    }

    /// The part of that name; every reference has one.
    pub(crate) fn definition(&self, name: &str) -> Option<&Schema> {
        self.definitions.get(name)
    }
}

impl Schema {
    /// Every name that it refers to, anywhere within it.
    fn references(&self) -> Vec<&str> {
        let within = self.properties.values().chain(self.items.as_deref()).chain(&self.any_of);
        self.reference.as_deref().into_iter().chain(within.flat_map(Self::references)).collect()
    }
}

fn schema(value: &Value, at: &str) -> Result<Schema, String> {
    let Value::Object(keywords) = value else { return Err(wrong(at, "is no object")) };
    let mut schema = Schema::default();
    for (keyword, value) in keywords {
        read_keyword(&mut schema, keyword, value, at)?;
    }
    Ok(schema)
}

fn read_keyword(schema: &mut Schema, keyword: &str, value: &Value, at: &str) -> Result<(), String> {
    let here = format!("{at}/{keyword}");
    match keyword {
        "$schema" | "title" | "description" => {}
        // Read beforehand, and only at the root.
        DEFINITIONS if at.is_empty() => {}
        "type" => schema.types = types(value, &here)?,
        "enum" => schema.allowed.push(scalars(value, &here)?),
        "const" => schema.allowed.push(vec![scalar(value, &here)?]),
        "properties" => schema.properties = named(value, &here)?,
        "required" => schema.required = texts(value, &here)?,
        "additionalProperties" => schema.closed = !value.as_bool().ok_or_else(|| wrong(&here, "is neither true nor false"))?,
        "items" => schema.items = Some(Box::new(self::schema(value, &here)?)),
        "anyOf" => schema.any_of = list(value, &here)?.iter().map(|value| self::schema(value, &here)).collect::<Result<_, _>>()?,
        "$ref" => schema.reference = Some(reference(value, &here)?),
        "minimum" => schema.minimum = Some(number(value, &here)?),
        "maximum" => schema.maximum = Some(number(value, &here)?),
        "minLength" => schema.length.min = Some(count(value, &here)?),
        "maxLength" => schema.length.max = Some(count(value, &here)?),
        "minItems" => schema.count.min = Some(count(value, &here)?),
        "maxItems" => schema.count.max = Some(count(value, &here)?),
        _ => return Err(wrong(&here, "is a keyword that this validator does not know")),
    }
    Ok(())
}

fn wrong(at: &str, why: &str) -> String {
    format!("`#{at}` {why}")
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| wrong(at, "is no object"))
}

/// A list that is not empty: an empty one would allow nothing, or everything.
fn list<'a>(value: &'a Value, at: &str) -> Result<&'a Vec<Value>, String> {
    value.as_array().filter(|list| !list.is_empty()).ok_or_else(|| wrong(at, "is no list, or an empty one"))
}

fn named(value: &Value, at: &str) -> Result<BTreeMap<String, Schema>, String> {
    object(value, at)?.iter().map(|(name, value)| Ok((name.clone(), schema(value, &format!("{at}/{name}"))?))).collect()
}

fn texts(value: &Value, at: &str) -> Result<Vec<String>, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(at, "holds what is no text"));
    value.as_array().ok_or_else(|| wrong(at, "is no list"))?.iter().map(text).collect()
}

fn types(value: &Value, at: &str) -> Result<Vec<Type>, String> {
    let one = |value: &Value| {
        let word = value.as_str().ok_or_else(|| wrong(at, "holds what is no text"))?;
        let found = TYPES.iter().find(|(_, known)| *known == word).map(|(one, _)| *one);
        found.ok_or_else(|| wrong(at, "names a type that JSON does not have"))
    };
    if value.is_string() { Ok(vec![one(value)?]) } else { list(value, at)?.iter().map(one).collect() }
}

fn scalars(value: &Value, at: &str) -> Result<Vec<Value>, String> {
    list(value, at)?.iter().map(|value| scalar(value, at)).collect()
}

fn scalar(value: &Value, at: &str) -> Result<Value, String> {
    match value {
        Value::Array(_) | Value::Object(_) => Err(wrong(at, "holds an array or an object, which this validator does not compare")),
        scalar => Ok(scalar.clone()),
    }
}

fn reference(value: &Value, at: &str) -> Result<String, String> {
    let name = value.as_str().and_then(|text| text.strip_prefix("#/$defs/"));
    let name = name.filter(|name| !name.is_empty() && !name.contains(['/', '~', '%']));
    name.map(str::to_owned).ok_or_else(|| wrong(at, "refers to something else than `#/$defs/NAME`"))
}

fn number(value: &Value, at: &str) -> Result<Number, String> {
    value.as_number().cloned().ok_or_else(|| wrong(at, "is no number"))
}

fn count(value: &Value, at: &str) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| wrong(at, "is no whole number from 0"))
}
