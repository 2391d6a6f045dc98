//! The phases' structured outputs: what each phase emits, so that nobody has to parse prose. The JSON Schemas under `phases/` say the same.

use serde::{Deserialize, Serialize};

use crate::grant::LaunchEnd;
use crate::names::PhaseName;
use crate::states::PhaseRunState;
use crate::untrusted::Untrusted;
use crate::verdict::Severity;

/// A phase result, as stored and shown: `{"phase_id", "status", "output"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseResult {
    /// The phase.
    pub phase_id: PhaseName,
    /// Its state.
    pub status: PhaseRunState,
    /// What it emitted; absent where it emitted nothing.
    pub output: Option<serde_json::Value>,
}

/// What the plan phase emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanOutput {
    /// What will be done, and what not.
    pub scope_summary: Untrusted,
    /// Files that it expects to change.
    pub affected_files: Vec<Untrusted>,
    /// What could go wrong.
    pub risk_assessment: Untrusted,
    /// Steps.
    pub task_breakdown: Vec<Untrusted>,
}

/// What the architect phase emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectOutput {
    /// Decisions, each with why.
    pub design_decisions: Vec<Untrusted>,
    /// How it keeps to the project's patterns.
    pub pattern_compliance: Untrusted,
    /// Where it does not.
    pub architecture_violations: Vec<Untrusted>,
}

/// What the develop phase emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevelopOutput {
    /// What was changed.
    pub changes_summary: Untrusted,
    /// Files that the worker says it changed.
    pub files_modified: Vec<Untrusted>,
    /// Commands that it says it ran.
    pub verification_results: Vec<Untrusted>,
}

/// What the review phase emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewOutput {
    /// What it found.
    pub security_findings: Vec<SecurityFinding>,
    /// 0 to 100.
    pub quality_score: u8,
    /// `compliant`, `conditional` or `non_compliant`.
    pub compliance_status: Untrusted,
}

/// A finding of the review phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityFinding {
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub summary: Untrusted,
    /// Where. Written as `null` where there is none: the schema requires every property.
    #[serde(default)]
    pub path: Option<Untrusted>,
}

/// What the deploy phase emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployOutput {
    /// What was done.
    pub deployment_steps: Vec<CommandResult>,
    /// How it is undone.
    pub rollback_plan: Vec<Vec<String>>,
    /// Whether it is well.
    pub health_check_results: Vec<CommandResult>,
}

/// What the verify phase of `build_test` emits: made by the host from what it observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyOutput {
    /// The planned command.
    pub command_result: CommandResult,
    /// The project's verify commands, in order; cut after the first that failed. Empty with `--no-verify`.
    pub verification_results: Vec<CommandResult>,
    /// Files that the commands changed in the throw-away checkout, ignored ones left out.
    pub files_modified: Vec<Untrusted>,
}

/// How one command went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandResult {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// How it ended.
    pub end: LaunchEnd,
    /// Wall time.
    pub duration_ms: u64,
    /// The end of its standard output, redacted.
    pub stdout_tail: Untrusted,
    /// The end of its standard error, redacted.
    pub stderr_tail: Untrusted,
}
