//! A validator: the output must keep to the schema that comes with the call.
//!
//! **Belongs here:** the part of JSON Schema that the phases' schemas use ([`schema`]) and the walk over an output ([`judge`]). **Never:**
//! what an output means: whether a score is good enough is a gate's business.
//!
//! **Pitfalls:** a keyword that this validator does not know would be a rule that nobody keeps, so a schema with one is refused, whole.
//! Complete libraries bring regular expressions, addresses and a network along, far more than this component; the price is a smaller
//! language, which is the one that agents' CLIs accept too. A schema can refer to itself and an output can be huge: the walk counts its
//! steps.

mod judge;
mod schema;

use orc_guest::prelude::*;
use serde_json::Value;

use judge::Walk;
use schema::Schemas;

/// The validator. It has no settings.
pub struct JsonSchema;

impl Validator for JsonSchema {
    type Settings = NoSettings;

    fn validate(_: &Context, _: &NoSettings, documents: &dyn Documents) -> Result<Vec<Finding>, Declined> {
        let schema: Value = documents.json("schema")?;
        let schemas = Schemas::read(&schema).map_err(|why| Declined::from(format!("the document `schema` is not usable: {why}")))?;
        documents.required("output")?;
        match documents.json::<Value>("output") {
            Ok(output) => Walk::new(&schemas).judge(&output),
            // The output's fault and no guest's: whoever wrote it can mend it.
            Err(unreadable) => Ok(vec![Finding::new("no-json", Severity::High, unreadable.into_text()).fix("answer one JSON value")]),
        }
    }
}

orc_guest::validator!(JsonSchema);

#[cfg(test)]
mod tests;
