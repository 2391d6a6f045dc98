//! `orcctl run`

use clap::Args;
use orc_domain::api::{GetStatus, NextStep, Run, RunAccepted};
use orc_domain::plan::PlanHash;
use orc_domain::{ErrorCode, OrcError};
use serde::Serialize;

use super::WorkflowArg;
use crate::context::{Context, Host};
use crate::follow::{Watched, settled, verdict, verdict_of, watch};
use crate::render::text;
use crate::wiring::Want;

/// Run an approved plan and watch it
///
/// Exits with 0 only when the execution completed; with `--detach`, also while it goes on. Ctrl-C stops watching.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orcctl run wf_x4b9t6ha
  orcctl run --workflow-id wf_x4b9t6ha --plan-hash sha256:… --idempotency-key manual-1")]
pub(crate) struct Arguments {
    #[command(flatten)]
    workflow: WorkflowArg,
    /// The plan hash that is to run; another one is refused [default: the newest revision's]
    #[arg(long, value_name = "HASH")]
    plan_hash: Option<PlanHash>,
    /// One key, one execution [default: made of the plan hash, so that a repeated command starts nothing anew]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Do not watch: say that it was started and leave
    #[arg(long)]
    detach: bool,
}

/// An execution that nobody watches.
#[derive(Debug, Serialize)]
pub(crate) struct Detached {
    #[serde(flatten)]
    pub(crate) accepted: RunAccepted,
    pub(crate) next: Vec<NextStep>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let detach = arguments.detach;
    let (accepted, host) = start(context, arguments).await?;
    let done = match detach {
        true => leave(context, &host, accepted).await,
        false => follow(context, &host, &accepted).await,
    };
    host.close().await;
    done
}

async fn start(context: &Context, arguments: Arguments) -> Result<(RunAccepted, Host), OrcError> {
    let reading = context.host(Want::Read).await?;
    if arguments.detach && !reading.client.host_outlives_caller() {
        return Err(crate::failure::usage("without a host there is nobody to go on with a detached execution")
            .hint(format!("start `{} serve` first, or leave `--detach` out", context.view.program)));
    }
    let status = reading.read(GetStatus { workflow: arguments.workflow.into_id() }).await?;
    // What the person saw when typing is the newest revision; a re-plan in between is refused by the hash.
    let plan_hash = arguments.plan_hash.unwrap_or(status.plan_hash);
    let key = arguments.idempotency_key.unwrap_or_else(|| format!("cli-{}", plan_hash.short()));
    let request = Run { workflow: status.workflow.id.to_string(), plan_hash: Some(plan_hash), idempotency_key: key.clone() };
    // The execution's own key makes the intent idempotent, whatever the workflow: both keys say the same thing.
    let written = context.write(Want::Drive, Some(format!("run-{}-{key}", status.workflow.id)), request).await;
    written.map_err(|error| match error.code {
        ErrorCode::HostUnreachable => {
            error.hint(format!("repeat the command with `--idempotency-key {key}`: the same key, the same execution"))
        }
        _ => error,
    })
}

/// Says that it was started, and leaves. Under a key that was used before it may be over: then it ends as it ended.
async fn leave(context: &Context, host: &Host, accepted: RunAccepted) -> Result<(), OrcError> {
    let status = host.read(GetStatus { workflow: accepted.workflow.id.to_string() }).await;
    // It was accepted, whatever becomes of a look at it.
    let next = status.map(|status| status.next).unwrap_or_default();
    let detached = Detached { accepted, next };
    context.answer(&detached)?;
    match &detached.accepted.execution {
        view if settled(view) => verdict_of(view),
        _ => Ok(()),
    }
}

async fn follow(context: &Context, host: &Host, accepted: &RunAccepted) -> Result<(), OrcError> {
    if !accepted.created {
        context.printer.words(&format!("execution {} was started before under this key", accepted.execution.id));
    }
    if accepted.base_lag > 0 {
        context.printer.words(&format!("the branch is {} ahead; the planned commit runs", text::count(accepted.base_lag, "commit")));
    }
    let workflow = accepted.workflow.id.as_str();
    match watch(context, host, &accepted.execution.id).await? {
        Watched::Settled(status) => {
            context.answer(status.as_ref())?;
            verdict(&status)
        }
        Watched::Left => Err(left(context, host, workflow)),
    }
}

/// The person pressed Ctrl-C. That the execution completed is not known, so this is no success.
fn left(context: &Context, host: &Host, workflow: &str) -> OrcError {
    let program = &context.view.program;
    if host.client.host_outlives_caller() {
        OrcError::new(ErrorCode::ExecutionPaused, format!("stopped watching; the execution of {workflow} goes on"))
            .hint(format!("`{program} status {workflow}` shows it, `{program} cancel {workflow}` stops it"))
    } else {
        OrcError::new(
            ErrorCode::ExecutionPaused,
            format!("stopped; this command was the host, so the execution of {workflow} stops with it"),
        )
        .hint(format!("`{program} serve` takes it up again, `{program} cancel {workflow}` gives it up"))
    }
}
