//! `orcctl freeze`

use clap::Args;
use orc_domain::api::{Freeze, FreezeScope};
use orc_domain::{OrcError, ProjectName, TenantName};

use super::KeyArg;
use crate::context::Context;

/// Stop new plans and runs
///
/// What is under way pauses before its next phase.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orcctl freeze --all --reason \"incident 42\"\n  orcctl freeze --project cps --reason \"release week\""
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    scope: ScopeArg,
    /// Why; every refusal shows it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    key: KeyArg,
}

/// What a freeze covers.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ScopeArg {
    /// Everything
    #[arg(long)]
    all: bool,
    /// A tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantName>,
    /// A project
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
}

impl ScopeArg {
    pub(crate) fn into_scope(self) -> FreezeScope {
        match (self.tenant, self.project) {
            (Some(tenant), _) => FreezeScope::Tenant { tenant },
            (None, Some(project)) => FreezeScope::Project { project },
            // The group lets exactly one through.
            (None, None) => FreezeScope::All,
        }
    }
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let request = Freeze { scope: arguments.scope.into_scope(), reason: arguments.reason.into() };
    context.change(arguments.key.idempotency_key, request).await
}
