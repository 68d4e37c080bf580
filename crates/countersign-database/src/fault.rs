//! What can go wrong at a database, sorted by what follows from it.

use std::sync::{Arc, OnceLock};

use countersign_core::ledger::Unavailable;
use thiserror::Error;
use tokio::sync::Notify;

/// A failure of an engine, as far as the committer and the readers care.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The connection is gone, or in an unknown state; whether a commit under way happened is not known.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The store holds what cannot be read.
    #[error("{0}")]
    Corrupt(String),
    /// The database could not do it now: full, read-only, out of time.
    #[error("{0}")]
    Failed(String),
    /// The database is no longer where it was opened: this process must not go on.
    #[error("{0}")]
    Gone(String),
    /// A unique value was there already.
    #[error("a unique value was there already")]
    Lost,
    /// The transaction lost against others and may be run again.
    #[error("the transaction was overtaken: {0}")]
    Overtaken(String),
    /// The statement violates a constraint whatever the races.
    #[error("refused by the database: {0}")]
    Refused(String),
}

impl From<Fault> for Unavailable {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Corrupt(what) => Self::Corrupt(what),
            Fault::Lost | Fault::Overtaken(_) => Self::Contended,
            Fault::Broken(_) | Fault::Failed(_) | Fault::Gone(_) | Fault::Refused(_) => {
                Self::Store(fault.to_string())
            }
        }
    }
}

/// Something after which this process must not go on writing. Shared; set once.
#[derive(Debug, Clone, Default)]
pub struct Fatal(Arc<FatalCell>);

#[derive(Debug, Default)]
struct FatalCell {
    reason: OnceLock<String>,
    raised: Notify,
}

impl Fatal {
    /// Says so; the first reason stands.
    pub fn raise(&self, reason: String) {
        tracing::error!(%reason, "the store cannot go on");
        let _first_reason_stands = self.0.reason.set(reason);
        self.0.raised.notify_waiters();
    }

    /// Returns the reason, if there is one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(String::as_str)
    }

    /// Waits for a reason.
    pub async fn wait(&self) -> &str {
        loop {
            let raised = self.0.raised.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            raised.await;
        }
    }
}
