//! A gate after the attempt: every command that the host ran must have ended well.
//!
//! **Belongs here:** how commands ended, as the host observed it. **Never:** what a worker says about its tests.
//!
//! **Pitfalls:** no command at all is no proof. It passes only where there was something to pass.

use orc_guest::prelude::*;

/// The gate. It has no settings.
pub struct VerificationPassed;

impl Gate for VerificationPassed {
    type Settings = NoSettings;

    fn evaluate(facts: &Facts, _: &NoSettings, _: &dyn Documents) -> Result<Verdict, Declined> {
        if !facts.verification_expected {
            return Ok(Verdict::not_applicable("verification was not asked for (`--no-verify`)"));
        }
        if facts.commands.is_empty() {
            let nothing = Finding::new("nothing-ran", Severity::High, "verification was asked for, but no command was run");
            return Ok(Verdict::Fail(Report::new(vec![nothing.fix("give the project verify commands, or plan with `--no-verify`")])));
        }
        let failed: Vec<&Command> = facts.commands.iter().filter(|command| !command.end.success()).collect();
        let report = Report::new(failed.iter().map(|command| finding(command)).collect());
        Ok(report.note("commands", facts.commands.len()).note("failed", failed.len()).into_verdict())
    }
}

fn finding(command: &Command) -> Finding {
    let (seconds, tenths) = (command.duration_ms / 1_000, command.duration_ms % 1_000 / 100);
    let message = format!("`{}`: {} after {seconds}.{tenths} s", command.line(), command.end);
    Finding::new("command-failed", Severity::High, message).fix("read the command's output, mend the cause and try again")
}

orc_guest::gate!(VerificationPassed);

#[cfg(test)]
mod tests;
