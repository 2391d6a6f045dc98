//! `orcctl events`

use std::time::Duration;

use clap::Args;
use orc_domain::api::GetEvents;
use orc_domain::{OrcError, WorkflowId};

use crate::cli::Format;
use crate::context::Context;
use crate::render::{Story, event_line};
use crate::wiring::Want;

const POLL: Duration = Duration::from_millis(500);

/// Show events after a place, and follow them
///
/// With `--format json`, one event a line.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl events --after 120\n  orcctl --format json events --follow")]
pub(crate) struct Arguments {
    /// After this place; 0 is the beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// Only of this workflow, by its whole id
    #[arg(long, value_name = "ID")]
    workflow_id: Option<WorkflowId>,
    /// Go on until Ctrl-C
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let host = context.host(Want::Read).await?;
    let (mut after, mut story) = (arguments.after, Story::default());
    loop {
        let answer = host.read(GetEvents { after, workflow: arguments.workflow_id.clone(), limit: 0 }).await?;
        for event in &answer.events {
            story.learn(event);
            match context.globals.format {
                Format::Text => context.printer.data(&event_line(event, &story, &context.view))?,
                Format::Json => context.printer.json_line(event)?,
            }
        }
        let more = answer.next_after > after;
        after = answer.next_after;
        if context.printer.closed() || !(more || arguments.follow) {
            return Ok(());
        }
        if !more {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(()),
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}
