//! The store: one SQLite file that holds every decision and every structured result. The only room with SQL.
//!
//! **Belongs here:** opening and refusing databases, migrations, the lock of the one owner, transactions, the audit chain, and one file per
//! table family with what the engine reads and writes.
//!
//! **Never belongs here:** a decision. Who may, whether a quorum is reached, what comes next: the engine and policy say so. The clock and
//! ids come as arguments. No call of this crate is async: the engine blocks on threads of its own.
//!
//! **Key types:** [`Ownership`] is the right to write, held as a file lock; [`Store`] opens with it, or read-only without. [`ReadTx`] is one
//! consistent snapshot with every reading function; [`WriteTx`] is that and every writing one, in one `BEGIN IMMEDIATE` transaction that
//! first checks its generation. States change through `apply_*` alone: the domain's transition function, the row and the audit event
//! in one step. [`StoreError`] becomes an [`orc_domain::OrcError`] with code and hint.
//!
//! **Pitfalls:** a closure given to [`Store::write`] holds the one write connection: evaluate policy, start processes and read files before
//! it, never in it, and never call the store again from inside. Rows are read as the domain's types; text that does not parse is
//! [`StoreError::Damaged`], never a default. A migration that has landed is never edited (a test pins each digest): add another.

mod audit;
mod connection;
mod error;
mod migrate;
mod place;
mod record;
mod schema;
mod store;
mod tables;
mod transition;

pub use audit::{AuditHead, AuditTail};
pub use error::StoreError;
pub use migrate::{MigrationReport, examine, migrate};
pub use place::{Ownership, state_dir};
pub use schema::SCHEMA_VERSION;
pub use store::{ReadTx, Store, WriteTx, create};
pub use tables::approval_request::ApprovalRequestRow;
pub use tables::blob::Blob;
pub use tables::execution::{ExecutionRow, NewExecution};
pub use tables::find::Found;
pub use tables::idempotency::IdempotencyRow;
pub use tables::outbox::OutboxRow;
pub use tables::phase_run::{NewPhaseRun, PhaseRunRow};
pub use tables::plan_revision::PlanRevisionRow;
pub use tables::rules::{RulesCandidateRow, RulesRevisionRow};
pub use tables::timer::Timer;
pub use tables::vote::VoteRow;
pub use tables::worker_run::{LeftOverWorkerRun, NewWorkerRun};
pub use tables::workflow::{NewWorkflow, WorkflowFilter};
