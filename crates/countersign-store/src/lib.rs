//! SQL, once, for both databases.
//!
//! [`Store`] is a concrete type over SQLite (one node) or PostgreSQL (several). Every statement is one text in the
//! portable subset, beside the function that runs it; `database` is the narrow waist beneath which the engines
//! differ. Writing goes through one group committer per process; verifiers read the core's snapshot, which the
//! committer and the feed keep current.
//!
//! **Invariants.** What was acknowledged is durable and known to this node's verifiers (SAFETY 3). Changes and audit
//! events are numbered per node without gaps (SAFETY 2, 20). A snapshot that cannot be refreshed ages (SAFETY 4).
//!
//! What it does not do: decide, hash secrets, or open what is sealed.

mod access;
mod artifact;
mod artifact_count;
mod audit_event;
mod audit_start;
mod catch_up;
mod change;
mod closing;
mod commit;
mod committer;
mod config;
mod consent;
mod creation;
mod credential;
mod decision_count;
mod due;
mod ended;
mod find;
mod follow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod heartbeat;
mod identity;
mod incarnation;
mod keep;
mod kept;
mod knowledge;
mod ledger;
mod many;
mod mark;
mod membership;
mod meta;
mod node;
mod owner;
mod page;
mod person;
mod pruning;
mod queue;
mod refusals;
mod report;
mod resource;
mod restoring;
mod signing_key;
mod statements;
mod store;
mod taken_over;
mod tally;
mod tombstones;
mod trouble;
mod upgrades;
mod usage;

pub use artifact::SessionsOf;
pub use audit_event::{AuditCursor, AuditRequest, AuditRow, Chain, NotAnAuditCursor};
pub use config::{History, Limits, Retention, StoreConfig, StoreUrl};
pub use consent::ConsentFilter;
pub use countersign_database::open_error::OpenError;
pub use credential::{CredentialFilter, NotAState, StateFilter};
pub use decision_count::DecisionCount;
pub use due::Claim;
pub use meta::SealedRow;
pub use node::NodeRow;
pub use page::{Cursor, NotACursor, Page, PageRequest};
pub use store::Store;
