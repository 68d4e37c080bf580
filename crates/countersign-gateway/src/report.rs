//! What the gateway tells of its decisions, to whom it may concern.
//!
//! **Invariant.** Telling never waits: what cannot be taken at once is dropped, counted and reported as a gap.

use std::sync::Arc;

use countersign_core::audit::AuditEvent;
use countersign_core::id::{CredentialId, EventId};
use countersign_core::imported_set::Upgrade;
use countersign_core::principal::Counted;
use countersign_core::timestamp::Timestamp;
use thiserror::Error;
use tokio::sync::mpsc;

/// How often a caller was permitted on a route within a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitCount {
    /// Who: a credential that is kept, or a client, never one of its tokens; `None`: nobody in particular.
    pub counted: Option<Counted>,
    /// The route's name.
    pub route: Arc<str>,
    /// How often.
    pub count: u64,
}

/// Something to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// What was permitted within the minute that begins at `minute`.
    Permits {
        /// The minute's first instant.
        minute: Timestamp,
        /// The counts.
        counts: Vec<PermitCount>,
    },
    /// A refusal, or a gap in what was reported.
    Audit {
        /// The event's id, which the caller was told.
        id: EventId,
        /// The line.
        event: Box<AuditEvent>,
    },
    /// An imported key was presented for the first time.
    Upgrade(Upgrade),
    /// A credential was used; reported at most once a minute.
    Use {
        /// Which one.
        credential: CredentialId,
        /// When.
        at: Timestamp,
    },
}

/// The report could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the report could not be taken at once")]
pub struct Dropped;

/// Takes reports.
pub trait DecisionSink: Send + Sync {
    /// Takes a report without waiting.
    ///
    /// # Errors
    ///
    /// [`Dropped`] if it cannot be taken at once.
    fn report(&self, report: Report) -> Result<(), Dropped>;
}

/// A bounded queue of reports, to be read elsewhere.
#[derive(Debug, Clone)]
pub struct Queue(mpsc::Sender<Report>);

/// Makes a queue of `capacity` reports.
#[must_use]
pub fn queue(capacity: usize) -> (Queue, mpsc::Receiver<Report>) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (Queue(sender), receiver)
}

impl DecisionSink for Queue {
    fn report(&self, report: Report) -> Result<(), Dropped> {
        self.0.try_send(report).map_err(|_| Dropped)
    }
}
