//! What every decision of a node reads, and whom it tells.

use std::pin::Pin;
use std::sync::Arc;

use countersign_core::context::{Clock, Policy};
use countersign_core::ledger::Unavailable;
use countersign_core::snapshot::Snapshot;
use countersign_edge::metrics::Metrics;

use crate::report::DecisionSink;

/// What feeds the snapshot.
pub trait Refresh: Send + Sync {
    /// Brings the snapshot up to everything that was committed before the call: within its own patience, and for all
    /// who wait together.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the store does not answer.
    fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>>;
}

/// What every decision of a node reads.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) feed: Arc<dyn Refresh>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) sink: Arc<dyn DecisionSink>,
}
