//! The production clock and entropy: the only places that read the operating system's.

use std::time::SystemTime;

use countersign_core::context::{Clock, Entropy};
use countersign_core::timestamp::{Monotonic, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // By way of the C library, so that a test can give one process another clock (libfaketime).
        #[expect(clippy::disallowed_methods, reason = "this is the production clock")]
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_millis(i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        // Boot time goes on while the machine sleeps: a snapshot does not stay fresh through a suspension (SAFETY 4).
        let reading = clock_gettime(ClockId::Boottime);
        Monotonic(reading.tv_sec.saturating_mul(1_000).saturating_add(reading.tv_nsec / 1_000_000))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the production entropy")]
        let filled = aws_lc_rs::rand::fill(buffer);
        #[expect(
            clippy::expect_used,
            reason = "without randomness nothing may be minted; AWS-LC itself aborts"
        )]
        filled.expect("the operating system gives randomness");
    }
}
