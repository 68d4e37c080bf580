//! A clock that stands still until it is told to move.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::timestamp::{Monotonic, Timestamp};

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct FixedClock {
    now: AtomicI64,
    monotonic: AtomicI64,
}

impl FixedClock {
    /// Stands at `now`; its monotonic half at one million milliseconds.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.millis()), monotonic: AtomicI64::new(1_000_000) }
    }

    /// Moves both halves on.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap();
        self.now.fetch_add(millis, Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_800_000_000_000))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::SeqCst))
    }
}
