//! The connections that are kept to an upstream.
//!
//! **Invariants.** A connection is reused only when it is open and neither idle for longer nor older than its limits, and
//! leads to an address that the upstream still has; one whose answer was not read to its end is never put back. A pool
//! belongs to one worker, so its lock is never waited for.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_edge::metrics::Metrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::address::{Address, ConnectError};
use crate::connection::Connection;
use crate::upstream::{Upstream, UpstreamLimits};

/// The connections that one worker keeps to one upstream.
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) limits: UpstreamLimits,
    pub(crate) metrics: Arc<Metrics>,
    /// The exchanges that may be in flight, from this pool and its sisters.
    pub(crate) exchanges: usize,
    /// Places for connections to all upstreams together.
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Makes an empty one; `callers`: the connections that callers may have; `places`: for connections to all upstreams.
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        limits: UpstreamLimits,
        callers: usize,
        places: Arc<Semaphore>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let exchanges = limits.exchanges.unwrap_or_else(|| (callers / 2).max(1));
        Self { upstream, limits, metrics, exchanges, places, idle: Mutex::new(Vec::new()) }
    }

    /// Takes the connection to `address` that was used last.
    pub(crate) fn take(&self, address: &Arc<Address>) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.discard(&mut idle);
        // Not ready but open: its request is still being sent though its answer was read. It may become ready.
        let last = idle.iter().rposition(|one| {
            Arc::ptr_eq(&one.connection.address, address) && one.connection.sender.is_ready()
        })?;
        Some(idle.remove(last).connection)
    }

    /// Puts a connection back whose answer was read to its end.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.limits.idle_connections && !connection.sender.is_closed() {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes what was idle for too long.
    pub(crate) fn sweep(&self) {
        self.discard(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        self.upstream.observe(&self.metrics);
    }

    fn discard(&self, idle: &mut Vec<Idle>) {
        let (now, limits) = (Instant::now(), &self.limits);
        idle.retain(|one| {
            !one.connection.sender.is_closed()
                && now - one.since < limits.idle
                && now - one.connection.since < limits.life
        });
    }

    /// Opens a new connection; an address that cannot be reached rests for a while.
    pub(crate) async fn connect(&self, address: &Arc<Address>) -> Result<Connection, ConnectError> {
        let place = self.place().ok_or(ConnectError::Exhausted)?;
        let opened = match timeout(self.limits.connect, Box::pin(Connection::open(address))).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(ConnectError::TimedOut),
        };
        let opened = opened.inspect_err(|_| {
            address.rest();
            self.upstream.observe(&self.metrics);
        })?;
        Ok(opened.holding(place))
    }

    /// Takes a place for a connection, that of an idle one if there is no other.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        let take = || Arc::clone(&self.places).try_acquire_owned().ok();
        take().or_else(|| {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            drop(idle);
            take()
        })
    }
}
