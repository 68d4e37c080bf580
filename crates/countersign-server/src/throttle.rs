//! How often an address, or somebody else who has a name, may do something.
//!
//! **Invariant.** Memory is bounded: beyond [`ADDRESSES`] known addresses, those that have their whole allowance back
//! are forgotten; if there are none, unknown ones are refused, never the count of a known one given up.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::timestamp::Monotonic;

/// Addresses that are remembered at a time.
const ADDRESSES: usize = 10_000;

/// A bucket of tokens for each name.
#[derive(Debug)]
pub(crate) struct Throttle<K = IpAddr> {
    most: u32,
    refill: Duration,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    at: i64,
}

impl Throttle {
    /// Takes one of an address; else returns how long to wait for it.
    pub(crate) fn admit(&self, address: IpAddr, now: Monotonic) -> Result<(), Duration> {
        self.take(network(address), now)
    }
}

impl<K: Copy + Eq + Hash> Throttle<K> {
    /// Allows `most` at once, and one more every `refill`.
    pub(crate) fn new(most: u32, refill: Duration) -> Self {
        Self { most, refill, buckets: Mutex::default() }
    }

    /// Takes one; else returns how long to wait for it.
    pub(crate) fn take(&self, name: K, now: Monotonic) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&name) {
            buckets.retain(|_, bucket| self.filled(*bucket, now).left < self.most);
            if buckets.len() >= ADDRESSES {
                return Err(self.refill);
            }
        }
        let bucket = buckets.entry(name).or_insert(Bucket { left: self.most, at: now.0 });
        *bucket = self.filled(*bucket, now);
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(self.refill.saturating_sub(Duration::from_millis(since(*bucket, now)))),
        }
    }

    fn filled(&self, bucket: Bucket, now: Monotonic) -> Bucket {
        let refill = u64::try_from(self.refill.as_millis()).unwrap_or(u64::MAX).max(1);
        let fresh = since(bucket, now) / refill;
        let left = bucket.left.saturating_add(u32::try_from(fresh).unwrap_or(u32::MAX));
        if left >= self.most {
            return Bucket { left: self.most, at: now.0 };
        }
        let gone = i64::try_from(fresh.saturating_mul(refill)).unwrap_or(i64::MAX);
        Bucket { left, at: bucket.at.saturating_add(gone) }
    }
}

fn since(bucket: Bucket, now: Monotonic) -> u64 {
    u64::try_from(now.0.saturating_sub(bucket.at)).unwrap_or(0)
}

/// Whoever has one IPv6 address has its whole /64 (RFC 4291 §2.5.4).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_core::timestamp::Monotonic;

    use super::{ADDRESSES, Throttle};

    #[test]
    fn an_address_has_its_allowance_and_no_other_ones() {
        let throttle = Throttle::new(2, Duration::from_secs(10));
        let admit =
            |address: &str, millis| throttle.admit(address.parse().unwrap(), Monotonic(millis)).is_ok();
        for (address, millis, expected) in [
            ("192.0.2.1", 0, true),
            ("192.0.2.1", 0, true),
            ("::ffff:192.0.2.1", 0, false),
            ("192.0.2.2", 0, true),
            ("192.0.2.1", 9_999, false),
            ("192.0.2.1", 10_000, true),
            ("192.0.2.1", 10_001, false),
            ("2001:db8::1", 0, true),
            ("2001:db8::2", 0, true),
            ("2001:db8:0:0:ffff::", 0, false),
            ("2001:db8:0:1::1", 0, true),
        ] {
            assert_eq!(admit(address, millis), expected, "{address} at {millis}");
        }
        let wait = throttle.admit("192.0.2.1".parse().unwrap(), Monotonic(12_000)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(8));
    }

    #[test]
    fn many_addresses_cost_bounded_memory_and_win_nothing() {
        let throttle = Throttle::new(1, Duration::from_secs(10));
        let address = |n: u32| std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        for n in 0..u32::try_from(ADDRESSES).unwrap() {
            assert!(throttle.admit(address(n), Monotonic(0)).is_ok());
        }
        assert!(throttle.admit(address(u32::MAX), Monotonic(1)).is_err());
        assert!(throttle.admit(address(0), Monotonic(1)).is_err(), "a known count is kept");
        assert!(throttle.admit(address(u32::MAX), Monotonic(10_000)).is_ok(), "room again");
    }
}
