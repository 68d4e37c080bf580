//! Reports: what may be late or lost under stated bounds, so that no request waits for it.
//!
//! Uses of credentials are at most [`FLUSH`] behind; what a crash takes is that much. Audit lines and counts are
//! queued at once; when the queue is full they are dropped, and the next line that gets through says how many
//! (SAFETY 20).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock;
use countersign_core::id::CredentialId;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;

use crate::closing::Closing;
use crate::credential;
use crate::decision_count::{self, DecisionCount};
use crate::queue::Queue;
use crate::refusals::Refusals;

/// How often uses are written.
const FLUSH: Duration = Duration::from_secs(5);
/// The most uses that wait; beyond it the newest are lost.
const WAITING_USES: usize = 100_000;
/// Uses that are written in one batch.
const USES_AT_ONCE: usize = 500;

/// Takes reports.
#[derive(Clone)]
pub(crate) struct Reports {
    uses: Arc<Mutex<HashMap<CredentialId, Timestamp>>>,
    dropped: Arc<AtomicU64>,
    refusals: Arc<Refusals>,
    queue: Queue,
    clock: Arc<dyn Clock>,
}

impl Reports {
    pub(crate) fn new(queue: Queue, clock: Arc<dyn Clock>) -> Self {
        Self { uses: Arc::default(), dropped: Arc::default(), refusals: Arc::default(), queue, clock }
    }

    pub(crate) fn note_use(&self, credential: CredentialId, at: Timestamp) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < WAITING_USES || uses.contains_key(&credential) {
            let newest = uses.entry(credential).or_insert(at);
            *newest = at.max(*newest);
        }
    }

    pub(crate) fn count(&self, rows: &[DecisionCount]) {
        let steps = rows.iter().map(decision_count::count).collect();
        if let Err(error) = self.queue.offer(steps, Vec::new()) {
            tracing::warn!(%error, rows = rows.len(), "counts of decisions were dropped");
        }
    }

    pub(crate) fn refusal(&self, event: AuditEvent) {
        self.tell(self.refusals.admit(self.clock.now(), event));
    }

    fn tell(&self, events: Vec<AuditEvent>) {
        if !events.is_empty() {
            self.audit(events);
        }
    }

    pub(crate) fn audit(&self, mut events: Vec<AuditEvent>) {
        let own = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let dropped = self.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            let line = AuditEvent::granted(self.clock.now(), "audit.dropped", Actor::SYSTEM);
            events.insert(0, line.detail("count", dropped.to_string()));
        }
        if let Err(error) = self.queue.offer(Vec::new(), events) {
            self.dropped.fetch_add(dropped.saturating_add(own), Ordering::AcqRel);
            tracing::warn!(%error, events = own, "audit lines of decisions were dropped");
        }
    }

    /// Writes the uses that wait, and how many refusals were not told. What cannot be written waits on.
    pub(crate) async fn flush(&self) -> Result<(), Unavailable> {
        self.tell(self.refusals.gaps(self.clock.now()));
        let uses = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        // In the order of ids, so that two nodes that note the same credentials do not lock crosswise.
        let mut uses: Vec<_> = uses.into_iter().collect();
        uses.sort_unstable();
        for some in uses.chunks(USES_AT_ONCE) {
            let steps = some.iter().map(|(id, at)| credential::note_use(*id, *at)).collect();
            if let Err(error) = self.queue.submit(steps, Vec::new()).await {
                for (id, at) in &uses {
                    self.note_use(*id, *at);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Flushes until `closing` says so.
    pub(crate) async fn run(self, mut closing: Closing) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(FLUSH) => {}
                () = closing.wait() => return,
            }
            let _logged_by_the_feed = self.flush().await;
        }
    }
}
