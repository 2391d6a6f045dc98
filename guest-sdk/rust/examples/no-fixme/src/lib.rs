//! A gate: no added line may hold a word that marks unfinished work.

use std::ops::ControlFlow;

use orc_guest::diff::{self, Side};
use orc_guest::prelude::*;

/// What a binding can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFixmeSettings {
    /// The word.
    word: String,
}

impl Settings for NoFixmeSettings {
    fn problems(&self) -> Vec<String> {
        if self.word.is_empty() { vec!["`word` is empty: every line would hold it".to_owned()] } else { Vec::new() }
    }
}

/// The gate.
pub struct NoFixme;

impl Gate for NoFixme {
    type Settings = NoFixmeSettings;

    fn evaluate(_: &Facts, settings: &NoFixmeSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        let diff = documents.required("diff")?;
        let mut findings = Vec::new();
        diff::visit(&*diff, |line| {
            if line.side == Side::Added && String::from_utf8_lossy(line.text).contains(&settings.word) {
                let message = format!("the line says `{}`", settings.word);
                let fix = "finish it, or note it in the backlog";
                findings.push(Finding::new("unfinished", Severity::Medium, message).at(line.path).line(line.number).fix(fix));
            }
            ControlFlow::Continue(())
        })?;
        Ok(Report::new(findings).into_verdict())
    }
}

orc_guest::gate!(NoFixme, "examples/no-fixme/guest.toml");

#[cfg(test)]
mod tests {
    use super::NoFixme;

    #[test]
    fn cases() {
        orc_guest::testing::run_gate_cases::<NoFixme>(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/no-fixme"));
    }
}
