//! The one error of ORC's surface: code, kind, message, hint. Rooms have small `thiserror` enums of their own inside; what leaves the
//! engine is this, and the same object renders to terminal, JSON and chat.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::Problem;
use crate::decision::Reason;
use crate::ids::DecisionId;
use crate::risk::word_enum;

word_enum! {
    /// What sort of "no" it is; decides the exit code.
    ErrorKind, "error kind" {
        /// A bug or a broken machine.
        Internal = "internal",
        /// The request itself is wrong.
        Usage = "usage",
        /// What it names does not exist.
        NotFound = "not_found",
        /// Policy, authorisation or a freeze says no.
        Denied = "denied",
        /// It does not fit the present state.
        Conflict = "conflict",
        /// The root's content is not in order.
        Config = "config",
        /// The work did not reach its end: a gate, a failed command.
        Failed = "failed",
        /// Not now: busy, locked, no space, the other end is gone.
        Unavailable = "unavailable",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
        /// A demanded restriction cannot be enforced.
        Unenforceable = "unenforceable",
    }
}

impl ErrorKind {
    /// The exit code of `orcctl`; 0 is success. Documented in `docs/exit-codes.md`, never renumbered.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Config => 6,
            Self::Failed => 7,
            Self::Unavailable => 8,
            Self::Cancelled => 9,
            Self::Unenforceable => 10,
        }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal : $kind:ident),+ $(,)?) => {
        word_enum! {
            /// The registry of error codes. A code is an interface: never renamed.
            ErrorCode, "error code" { $($(#[$doc])* $variant = $text),+ }
        }

        impl ErrorCode {
            /// The kind of this code.
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind),+ }
            }
        }
    };
}

error_codes! {
    /// A bug.
    Internal = "internal": Internal,
    /// The request has no valid form.
    InvalidRequest = "invalid-request": Usage,
    /// A command line that only a shell would understand, or that cannot be split into words.
    InvalidCommand = "invalid-command": Usage,
    /// The id or prefix names nothing.
    NotFound = "not-found": NotFound,
    /// The prefix names several things.
    AmbiguousId = "ambiguous-id": Usage,
    /// The project is not in the registry.
    ProjectNotRegistered = "project-not-registered": NotFound,
    /// The registry does not allow this family for this project.
    FamilyNotAllowed = "family-not-allowed": Denied,
    /// The pipeline does not exist or serves another family.
    PipelineNotAllowed = "pipeline-not-allowed": Usage,
    /// The action flag is not known to the rules.
    UnknownFlag = "unknown-flag": Usage,
    /// Policy denied it.
    PolicyDenied = "policy-denied": Denied,
    /// Too many open plans of this operator.
    TooManyOpenPlans = "too-many-open-plans": Denied,
    /// A freeze covers it.
    FreezeOn = "freeze-on": Denied,
    /// This version of ORC has no worker for it.
    WorkerUnavailable = "worker-unavailable": Unavailable,
    /// The peer could not be proved to be an operator.
    NotAnOperator = "not-an-operator": Denied,
    /// The named operator is not bound to the peer.
    OperatorNotBound = "operator-not-bound": Denied,
    /// The operator is withdrawn.
    OperatorWithdrawn = "operator-withdrawn": Denied,
    /// The operator does not hold the role.
    RoleNotHeld = "role-not-held": Denied,
    /// The role does not count for the group.
    RoleNotInGroup = "role-not-in-group": Denied,
    /// A requester voted on an own plan.
    SelfApproval = "self-approval": Denied,
    /// One person for two groups.
    AlreadyCounted = "already-counted": Denied,
    /// An asserted vote on a plan that is too risky for it.
    ProofTooWeak = "proof-too-weak": Denied,
    /// The token is not the one of this request, plan, operator and epoch.
    TokenInvalid = "token-invalid": Denied,
    /// The token was used before.
    TokenUsed = "token-used": Conflict,
    /// Only a requester or an admin may do it.
    NotPermitted = "not-permitted": Denied,
    /// The request's time is over.
    Expired = "expired": Conflict,
    /// The state does not allow it.
    IllegalTransition = "illegal-transition": Conflict,
    /// The plan hash is not the one of the newest revision.
    PlanHashMismatch = "plan-hash-mismatch": Conflict,
    /// What the plan pins has changed, or policy decides more strictly.
    PlanStale = "plan-stale": Conflict,
    /// Votes are missing or no longer count.
    NotApproved = "not-approved": Denied,
    /// The same idempotency key came with another request, or the plan runs under another key.
    IdempotencyConflict = "idempotency-conflict": Conflict,
    /// The planned commit is not reachable from its branch any more.
    BaseCommitGone = "base-commit-gone": Conflict,
    /// The root's content is not in order.
    ConfigInvalid = "config-invalid": Config,
    /// The candidate fails its own tests.
    RulesTestsFailed = "rules-tests-failed": Config,
    /// The candidate of the rules is not the content that was looked at.
    CandidateChanged = "candidate-changed": Conflict,
    /// No rules revision is active.
    NoActiveRules = "no-active-rules": Config,
    /// The database belongs to another root, or the root to another database.
    WrongInstallation = "wrong-installation": Config,
    /// The database is newer, foreign or corrupt.
    DatabaseRefused = "database-refused": Config,
    /// The database's schema is older than this version.
    DatabaseOutdated = "database-outdated": Config,
    /// Another process owns the database and cannot be reached.
    DatabaseBusy = "database-busy": Unavailable,
    /// The disk is full or the file cannot be written.
    StorageFailed = "storage-failed": Unavailable,
    /// Ownership went to another process.
    OwnershipLost = "ownership-lost": Unavailable,
    /// The host cannot be reached or went away in the middle.
    HostUnreachable = "host-unreachable": Unavailable,
    /// A guest gave no usable answer outside a phase.
    GuestFault = "guest-fault": Failed,
    /// A command did not end well.
    CommandFailed = "command-failed": Failed,
    /// A phase's output did not match its schema or validator.
    OutputInvalid = "output-invalid": Failed,
    /// The execution failed.
    ExecutionFailed = "execution-failed": Failed,
    /// The execution waits for what its paused reason names.
    ExecutionPaused = "execution-paused": Unavailable,
    /// A person pressed Ctrl-C before anything was changed.
    Interrupted = "interrupted": Unavailable,
    /// A person was asked and did not say yes.
    Declined = "declined": Cancelled,
    /// The execution was cancelled.
    ExecutionCancelled = "execution-cancelled": Cancelled,
    /// A workspace could not be made, captured or compared.
    WorkspaceFailed = "workspace-failed": Failed,
    /// A demanded restriction cannot be enforced here.
    Unenforceable = "unenforceable": Unenforceable,
    /// A process could not be launched.
    LaunchFailed = "launch-failed": Failed,
    /// The audit does not prove itself.
    AuditBroken = "audit-broken": Failed,
}

/// What every intent answers when it does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrcError {
    /// Which error.
    pub code: ErrorCode,
    /// What happened and where: one sentence, no full stop after an id.
    pub message: String,
    /// The chain of causes, outermost first; none is repeated in `message`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The rules that said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The stored decision, where policy refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Boxed: an error is passed by value everywhere.
    pub decision: Option<Box<DecisionId>>,
}

impl OrcError {
    /// An error with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), reasons: Vec::new(), hint: None, decision: None }
    }

    /// An error whose causes are the chain of `source`.
    pub fn from_source(code: ErrorCode, message: impl Into<String>, source: &(dyn std::error::Error + 'static)) -> Self {
        let mut error = Self::new(code, message);
        let mut next = Some(source);
        while let Some(cause) = next {
            error.causes.push(cause.to_string());
            next = cause.source();
        }
        error
    }

    /// The problems of a root: each a cause with its place.
    pub fn of_root(problems: &[Problem]) -> Self {
        let message = match problems.len() {
            1 => "1 problem under the root".to_owned(),
            count => format!("{count} problems under the root"),
        };
        problems.iter().fold(Self::new(ErrorCode::ConfigInvalid, message), |error, problem| {
            let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            error.cause(format!("{}: {}{help}", problem.at, problem.message))
        })
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the rules that said so.
    #[must_use]
    pub fn reasons(mut self, reasons: Vec<Reason>) -> Self {
        self.reasons = reasons;
        self
    }

    /// With a cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        self.code.kind()
    }
}

impl fmt::Display for OrcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OrcError {}

impl From<crate::states::IllegalTransition> for OrcError {
    fn from(error: crate::states::IllegalTransition) -> Self {
        Self::new(ErrorCode::IllegalTransition, error.to_string())
    }
}
