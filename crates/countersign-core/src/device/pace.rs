//! How often devices poll (RFC 8628 §3.2, §3.5).
//!
//! Kept by each node in memory: that a device polls too often is told to slow it down, and decides about nothing. What would
//! be written for each poll would be written for nothing.
//!
//! **Invariant.** Memory is bounded: whoever is beyond `MOST` devices is told to slow down.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use crate::timestamp::Monotonic;

/// How long a device waits between two polls: RFC 8628 §3.2, "if no value is provided, clients MUST use 5 as the default".
pub const INTERVAL: Duration = Duration::from_secs(5);

/// By how much longer it waits each time that it did not (RFC 8628 §3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The longest that it is told to wait; a bound, not a clause: a code lives for some minutes.
const SLOWEST: Duration = Duration::from_secs(60);

/// How much earlier a poll may come: networks and timers are not exact.
const LEEWAY: Duration = Duration::from_millis(500);

/// The most devices that are remembered at a time, some 10 MB.
const MOST: usize = 100_000;

/// Those who poll.
#[derive(Debug, Default)]
pub struct Pace(Mutex<HashMap<[u8; 32], Poll>>);

#[derive(Debug, Clone, Copy)]
struct Poll {
    at: Monotonic,
    interval: Duration,
}

impl Poll {
    fn waited(&self, now: Monotonic) -> Duration {
        Duration::from_millis(u64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(0))
    }
}

impl Pace {
    /// Notes a poll with a device code; true if it came too early, whatever else is answered.
    pub fn is_early(&self, device_code: &str, now: Monotonic) -> bool {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, device_code.as_bytes()).as_ref());
        let mut polls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if polls.len() >= MOST && !polls.contains_key(&key) {
            // Whoever has not polled for so long does not poll any more.
            polls.retain(|_, poll| poll.waited(now) <= SLOWEST * 2);
            if polls.len() >= MOST {
                return true;
            }
        }
        let before = polls.get(&key).copied();
        let is_early = before.is_some_and(|poll| poll.waited(now) + LEEWAY < poll.interval);
        let interval = before.map_or(INTERVAL, |poll| poll.interval);
        let interval = if is_early { (interval + SLOWER).min(SLOWEST) } else { interval };
        polls.insert(key, Poll { at: now, interval });
        is_early
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Pace};
    use crate::timestamp::Monotonic;

    #[test]
    fn rfc8628_3_5_whoever_polls_too_early_waits_five_seconds_longer_from_then_on() {
        let pace = Pace::default();
        for (device, at, early) in [
            ("a", 0, false),
            ("a", 5_000, false),
            ("b", 5_001, false),
            ("a", 9_499, true),
            // Ten seconds from now on.
            ("a", 14_500, true),
            // Fifteen.
            ("a", 29_500, false),
            ("a", 40_000, true),
            ("b", 10_001, false),
            ("b", 14_501, false),
        ] {
            assert_eq!(pace.is_early(device, Monotonic(at)), early, "{device} at {at}");
        }
        for second in 41..200 {
            assert!(pace.is_early("a", Monotonic(second * 1000)));
        }
        assert!(!pace.is_early("a", Monotonic(199_000 + 60_000)), "a minute at most");
    }

    #[test]
    fn many_devices_cost_bounded_memory() {
        let pace = Pace::default();
        for n in 0..MOST {
            assert!(!pace.is_early(&n.to_string(), Monotonic(0)));
        }
        assert!(pace.is_early("one more", Monotonic(1)));
        assert!(!pace.is_early("one more", Monotonic(121_000)), "room again");
    }
}
