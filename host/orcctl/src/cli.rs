//! The command line: global options and the list of subcommands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use orc_domain::{OperatorName, OrcError};

use crate::commands;
use crate::context::Context;

/// Governed work of coding agents: plan, approve, run, prove
///
/// Nothing runs that was not planned; what was approved is what runs; every decision is kept and can be explained.
#[derive(Debug, Parser)]
#[command(name = "orcctl", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  orcctl init --team solo                                write a commented configuration
  orcctl project add ~/src/flowry                        register a git repository
  orcctl plan --project flowry --action build --family build_test --command-text \"pnpm build\"
  orcctl approve ap_k7f3q2mz                             see the card, say yes
  orcctl run wf_x4b9t6ha                                 run it and watch
  orcctl explain wf_x4b9t6ha                             which rule said what, and why

Exit codes: docs/exit-codes.md")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every subcommand takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The database [default: orc/orc.db in the user's state directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// The root: config/, policies/ and phases/ [default: $ORC_ROOT, else orc in the user's configuration directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Act as this operator, who must be bound to your unix user
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) user: Option<OperatorName>,
    /// How the answer is written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Whether to use colour; nothing depends on it
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a program: the whole answer as one JSON document.
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($module:ident)),+ $(,)?) => {
        /// The subcommands.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($(#[$doc])* $variant(commands::$module::Arguments)),+
        }

        impl Command {
            /// Runs it.
            pub(crate) async fn run(self, context: &Context) -> Result<(), OrcError> {
                match self {
                    $(Self::$variant(arguments) => commands::$module::run(context, arguments).await),+
                }
            }
        }
    };
}

commands! {
    /// Plan a command: what exactly would run, how risky it is and who must approve
    Plan(plan),
    /// Plan a task for a worker: what it is told, how risky it is and who must approve
    Implement(implement),
    /// Show what waits for your vote, with your tokens
    Approvals(approvals),
    /// Say yes to an approval request
    Approve(approve),
    /// Say no to an approval request
    Reject(reject),
    /// Take a workflow back
    Withdraw(withdraw),
    /// Plan a workflow again under the active rules
    Replan(replan),
    /// Run an approved plan and watch it
    Run(run),
    /// Stop an execution
    Cancel(cancel),
    /// Show what waits, runs and failed
    Overview(overview),
    /// Show where a workflow stands
    Status(status),
    /// Show the phases of a workflow's newest execution
    Phases(phases),
    /// Show what a workflow's newest execution changed, and how to merge it
    Diff(diff),
    /// Show everything about a workflow, its plan included
    Workflow(workflow),
    /// What is left to do in a project, as phases found it
    Backlog(backlog),
    /// What is remembered of a project: list it, accept what hooks proposed, retire it
    Memory(memory),
    /// List workflows
    Workflows(workflows),
    /// Show why: the rules that allowed, denied, raised or required
    Explain(explain),
    /// Show the audit, or verify its chain
    Audit(audit),
    /// Show events after a place, and follow them
    Events(events),
    /// List what was launched
    Workers(workers),
    /// Stop new plans and runs
    Freeze(freeze),
    /// Lift a freeze
    Unfreeze(unfreeze),
    /// Show the rules revisions, activate the candidate, roll back
    Rules(rules),
    /// Show who you are to the host
    Whoami(whoami),
    /// Write a commented root: configuration, rules, contracts, stock guests
    Init(init),
    /// Register projects and list them
    Project(project),
    /// Check the root
    Config(config),
    /// Check, test and try the rules under the root
    Policy(policy),
    /// List, inspect, test and pin guests
    Gate(gate),
    /// Own the database, drive executions and serve the socket until SIGTERM
    Serve(serve),
    /// Bring the database to this version's schema, with a backup first
    Migrate(migrate),
    /// Show ORC at work in a throw-away directory
    Demo(demo),
    /// Say what this machine can enforce, who owns the database and what is not in order
    Doctor(doctor),
    /// Write shell completions
    Completions(completions),
    /// Write the manual page
    Man(man),
}
