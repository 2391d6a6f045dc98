//! Settings: one JSON object, read into the guest's own type. What does not fit becomes findings, so that a binding with bad settings
//! is refused when it is loaded and not when it is first needed.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Finding, Severity};

/// A guest's settings. Derive `Deserialize` with `#[serde(deny_unknown_fields)]`; give defaults in `guest.toml`, not here.
pub trait Settings: DeserializeOwned {
    /// What is wrong beyond the form, one sentence each: numbers that contradict, a list that must not be empty.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the guest reads settings from the host at all.
    #[doc(hidden)]
    const READ: bool = true;
}

/// For guests without settings: any key is an error, and the capability `settings` is not needed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Settings for NoSettings {
    const READ: bool = false;
}

/// Reads settings from JSON.
///
/// # Errors
/// The findings that `check-settings` answers.
pub(crate) fn read<S: Settings>(json: &str) -> Result<S, Vec<Finding>> {
    let value: serde_json::Value =
        serde_json::from_str(json).map_err(|error| vec![finding(format!("the settings are no JSON: {error}"))])?;
    if !value.is_object() {
        return Err(vec![finding("the settings are no JSON object")]);
    }
    let settings: S = serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        vec![finding(if path == "." { error.to_string() } else { format!("`{path}`: {error}") })]
    })?;
    let problems = settings.problems();
    if problems.is_empty() { Ok(settings) } else { Err(problems.into_iter().map(finding).collect()) }
}

fn finding(message: impl Into<String>) -> Finding {
    Finding::new("settings", Severity::High, message)
}
