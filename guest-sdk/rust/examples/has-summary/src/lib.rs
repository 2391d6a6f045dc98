//! A validator: the output must hold a summary that says something.

use orc_guest::prelude::*;

/// What a binding can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HasSummarySettings {
    /// Where the summary stands in the output, as an RFC 6901 pointer.
    pointer: String,
    /// Characters that it must have.
    min_chars: usize,
}

impl Settings for HasSummarySettings {}

/// The validator.
pub struct HasSummary;

impl Validator for HasSummary {
    type Settings = HasSummarySettings;

    fn validate(_: &Context, settings: &HasSummarySettings, documents: &dyn Documents) -> Result<Vec<Finding>, Declined> {
        let output = documents.required("output")?;
        let summary = output.pointer(&settings.pointer).and_then(|json| serde_json::from_str::<String>(&json).ok());
        let message = match summary {
            None => format!("there is no text at `{}`", settings.pointer),
            Some(text) if text.trim().chars().count() < settings.min_chars => {
                format!("the text at `{}` has fewer than {} characters", settings.pointer, settings.min_chars)
            }
            Some(_) => return Ok(Vec::new()),
        };
        Ok(vec![Finding::new("summary", Severity::Medium, message)])
    }
}

orc_guest::validator!(HasSummary, "examples/has-summary/guest.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use orc_guest::testing::{TestDocument, TestDocuments, facts, settings_of};

    #[test]
    fn a_summary_must_be_there_and_say_something() {
        let settings = settings_of::<HasSummary, _>(serde_json::json!({})).unwrap();
        let table = [
            (r#"{"changes_summary": "adds a health endpoint"}"#, 0),
            (r#"{"changes_summary": "done"}"#, 1),
            (r#"{"changes_summary": 4}"#, 1),
            ("{}", 1),
            ("no json", 1),
        ];
        for (output, findings) in table {
            let documents = TestDocuments::none().with("output", TestDocument::new("application/json", output));
            let found = HasSummary::validate(&facts(Vec::new()).context, &settings, &documents).unwrap();
            assert_eq!(found.len(), findings, "{output}");
        }
        assert!(HasSummary::validate(&facts(Vec::new()).context, &settings, &TestDocuments::none()).is_err());
    }
}
