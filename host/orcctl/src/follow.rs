//! Watching an execution to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use orc_domain::api::{BlockReason, ExecutionView, GetPhases, GetStatus, PhaseRunView, Phases, Status};
use orc_domain::states::{ExecutionState, PhaseRunState};
use orc_domain::{ErrorCode, ExecutionId, OrcError};

use crate::context::{Context, Host};
use crate::render::{self, text};
use crate::wiring::Want;

const POLL: Duration = Duration::from_millis(400);
/// Polls that may fail in a row before watching is given up: a host that restarts is back by then.
const PATIENCE: u32 = 25;

/// How watching ended.
pub(crate) enum Watched {
    /// The execution needs nobody any more, or waits for a person.
    Settled(Box<Status>),
    /// The person left.
    Left,
}

/// Watches `execution` until it settles or the person presses Ctrl-C. A host that went away is looked for again: another one,
/// or what it wrote down last.
pub(crate) async fn watch(context: &Context, host: &Host, execution: &ExecutionId) -> Result<Watched, OrcError> {
    let mut told = BTreeMap::new();
    let spinner = context.printer.spinner();
    let mut failures = 0;
    loop {
        let polled = tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Watched::Left),
            polled = look(host, execution) => polled,
        };
        let (phases, status) = match polled {
            Ok(seen) => {
                failures = 0;
                seen
            }
            Err(error) if error.code == ErrorCode::HostUnreachable => {
                failures += 1;
                if failures > PATIENCE {
                    let hint = format!("`{} serve` takes it up again; the same command watches it then", context.view.program);
                    return Err(OrcError::new(ErrorCode::HostUnreachable, "the host went away and none came after it").hint(hint));
                }
                look(&context.host(Want::Read).await?, execution).await?
            }
            Err(error) => return Err(error),
        };
        for line in news(&mut told, &phases.phases) {
            spinner.suspend(|| context.printer.words(&line));
        }
        spinner.set_message(now_running(&phases));
        if phases.execution.as_ref().is_none_or(settled) {
            spinner.finish_and_clear();
            return Ok(Watched::Settled(Box::new(status)));
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Watched::Left),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Phases first: a status that is asked for after them is not older.
async fn look(host: &Host, execution: &ExecutionId) -> Result<(Phases, Status), OrcError> {
    let phases = host.read(GetPhases { workflow: execution.to_string() }).await?;
    Ok((phases, host.read(GetStatus { workflow: execution.to_string() }).await?))
}

/// Whether an execution needs nobody any more, or waits for a person.
pub(crate) fn settled(view: &ExecutionView) -> bool {
    match view.state {
        ExecutionState::Completed | ExecutionState::Failed | ExecutionState::Cancelled => true,
        ExecutionState::Paused | ExecutionState::Interrupted => true,
        ExecutionState::Queued | ExecutionState::Running => false,
    }
}

fn now_running(phases: &Phases) -> String {
    let running = phases.phases.iter().find(|phase| phase.state == PhaseRunState::Running);
    running.map_or_else(|| "waiting for its turn".to_owned(), |phase| format!("{} is running", phase.phase))
}

/// One line for each phase run whose state or attempt is another than told before.
fn news(told: &mut BTreeMap<String, (PhaseRunState, u32)>, phases: &[PhaseRunView]) -> Vec<String> {
    let mut lines = Vec::new();
    for phase in phases {
        let now = (phase.state, phase.attempt);
        let before = told.insert(phase.id.to_string(), now);
        if before == Some(now) || phase.state == PhaseRunState::Pending {
            continue;
        }
        lines.push(match phase.state {
            PhaseRunState::Running => format!("{}: running, attempt {}", phase.phase, render::attempts(phase)),
            state => format!("{}: {state}", phase.phase),
        });
        lines.extend(phase.reasons.iter().map(|reason| format!("  {}", reason_line(reason))));
    }
    lines
}

fn reason_line(reason: &BlockReason) -> String {
    format!("{}: {}", text::safe(&reason.code), reason.message.for_line(200))
}

/// `Ok` only for a completed execution; else the error that says how it ended.
pub(crate) fn verdict(status: &Status) -> Result<(), OrcError> {
    match &status.execution {
        Some(view) => verdict_of(view),
        None => Err(OrcError::new(ErrorCode::Internal, format!("workflow {} has no execution", status.workflow.id))),
    }
}

/// As [`verdict`], of an execution.
pub(crate) fn verdict_of(view: &ExecutionView) -> Result<(), OrcError> {
    let (code, how) = match view.state {
        ExecutionState::Completed => return Ok(()),
        ExecutionState::Cancelled => (ErrorCode::ExecutionCancelled, "was cancelled".to_owned()),
        ExecutionState::Paused => {
            (ErrorCode::ExecutionPaused, view.paused.map_or("is paused".to_owned(), |why| format!("waits for: {why}")))
        }
        ExecutionState::Interrupted => (ErrorCode::ExecutionFailed, "was interrupted".to_owned()),
        ExecutionState::Failed => (ErrorCode::ExecutionFailed, "failed".to_owned()),
        ExecutionState::Queued | ExecutionState::Running => (ErrorCode::ExecutionFailed, "is not over".to_owned()),
    };
    let mut error = OrcError::new(code, format!("execution {} {how}", view.id));
    for reason in view.result.iter().flat_map(|result| &result.reasons) {
        error = error.cause(reason_line(reason));
    }
    Err(error)
}
