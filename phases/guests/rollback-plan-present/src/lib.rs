//! A gate around a deploy: it must say how it is undone.
//!
//! **Belongs here:** that there is a rollback plan with commands in it. **Never:** whether they would work; nothing is run here.
//!
//! **Pitfalls:** before the attempt the plan's runbook counts, after it the output, because that says what was really prepared. A plan of
//! nothing but `true` and `echo` is none.

use orc_guest::prelude::*;
use orc_guest::text::shown;
use serde::de::DeserializeOwned;

/// Bytes of a command that are shown.
const SHOWN: usize = 120;

/// What a binding can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackPlanPresentSettings {
    /// Commands that it must have at least.
    min_commands: usize,
    /// Programs that undo nothing, by the name of their file.
    placeholders: Vec<String>,
}

impl Settings for RollbackPlanPresentSettings {
    fn problems(&self) -> Vec<String> {
        if self.min_commands == 0 { vec!["`min_commands` is 0: no plan would do".to_owned()] } else { Vec::new() }
    }
}

/// A deploy's output, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Output {
    rollback_plan: Vec<Vec<String>>,
}

/// A plan's runbook, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Runbook {
    #[serde(default)]
    rollback: Vec<Vec<String>>,
}

/// The gate.
pub struct RollbackPlanPresent;

impl Gate for RollbackPlanPresent {
    type Settings = RollbackPlanPresentSettings;

    fn evaluate(_: &Facts, settings: &RollbackPlanPresentSettings, documents: &dyn Documents) -> Result<Verdict, Declined> {
        if documents.open("output").is_some() {
            let output: Output = documents.object("output")?;
            return Ok(settings.judge(&output.rollback_plan, "the output's `rollback_plan`"));
        }
        match part::<Option<Runbook>>(&*documents.required("plan")?, "/runbook")?.flatten() {
            Some(runbook) => Ok(settings.judge(&runbook.rollback, "the runbook's `rollback`")),
            None => {
                let nothing = Finding::new("no-runbook", Severity::High, "the plan has no runbook, so nothing says how it is undone");
                Ok(Verdict::Fail(Report::new(vec![nothing.fix("give the project a runbook with `rollback`, and plan again")])))
            }
        }
    }
}

impl RollbackPlanPresentSettings {
    fn judge(&self, commands: &[Vec<String>], what: &str) -> Verdict {
        let undoing = commands.iter().filter(|argv| self.undoes(argv)).count();
        let mut findings = Vec::new();
        if undoing < self.min_commands {
            let message = match commands.first() {
                None => format!("{what} is empty"),
                Some(first) => format!(
                    "{what} has {} commands, {undoing} of them undo anything, {} are needed; the first is `{}`",
                    commands.len(),
                    self.min_commands,
                    shown(&first.join(" "), SHOWN)
                ),
            };
            findings.push(Finding::new("no-rollback-plan", Severity::High, message).fix("say which commands undo the deploy"));
        }
        Report::new(findings).note("commands", commands.len()).note("undoing", undoing).into_verdict()
    }

    fn undoes(&self, argv: &[String]) -> bool {
        let program = argv.first().map(|program| program.rsplit('/').next().unwrap_or(program).trim());
        program.is_some_and(|program| !program.is_empty() && !self.placeholders.iter().any(|placeholder| placeholder == program))
    }
}

/// A part of a large JSON document; `None` where there is nothing at the pointer.
fn part<T: DeserializeOwned>(document: &dyn Document, pointer: &str) -> Result<Option<T>, Declined> {
    let Some(json) = document.pointer(pointer) else { return Ok(None) };
    let read = serde_json::from_str(&json);
    read.map(Some).map_err(|error| Declined::from(format!("the plan does not have the form to judge, at `{pointer}`: {error}")))
}

orc_guest::gate!(RollbackPlanPresent);

#[cfg(test)]
mod tests;
