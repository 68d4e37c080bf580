//! One address of an upstream: how it is reached, and whether it is up.
//!
//! Two things take an address out of its turn: a connection that failed, for two seconds, and a health check that failed
//! several times, until it succeeds again. All workers see the same state, without a lock.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::time::Instant;

use crate::origin::Origin;

/// How long an address is left out after a connection to it failed: a restart of a service takes about as long, and
/// what is wrong for longer is found by one request in two seconds, which tries the next address at once.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// How the addresses of an upstream are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, by GET. An answer of 200 to 299 is well.
    pub path: PathAndQuery,
    /// The time between an answer and the next question. Default: 5 s.
    pub interval: Duration,
    /// The time that an answer may take, connecting included. Default: 2 s.
    pub timeout: Duration,
    /// Failures in a row after which an address is left out. Default: 3.
    pub unhealthy_after: u32,
    /// Successes in a row after which it takes its turn again. Default: 2.
    pub healthy_after: u32,
}

impl HealthCheck {
    /// Asks for `path`, with the defaults.
    #[must_use]
    pub const fn of(path: PathAndQuery) -> Self {
        Self {
            path,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectError {
    /// All connections that upstreams may have are open.
    Exhausted,
    Name,
    Refused,
    TimedOut,
    Tls,
}

/// Where an upstream answers, without a name.
pub(crate) struct Address {
    origin: Arc<Origin>,
    socket: SocketAddr,
    label: String,
    state: State,
}

/// Whether an address is up. The times are milliseconds since `since`.
struct State {
    since: Instant,
    rests_until: AtomicU64,
    failing: AtomicBool,
    /// Answers to health checks in a row that say the opposite of `failing`.
    contrary: AtomicU32,
}

impl Address {
    /// Describes the address `ip` of `origin`.
    pub(crate) fn new(origin: &Arc<Origin>, ip: IpAddr) -> Self {
        let label = match origin.literal() {
            Some(_) => origin.text().to_owned(),
            None => format!("{} {ip}", origin.text()),
        };
        let socket = SocketAddr::new(ip, origin.port());
        Self { origin: Arc::clone(origin), socket, label, state: State::new() }
    }

    /// Returns the origin that it belongs to.
    pub(crate) const fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Returns where it is reached.
    pub(crate) const fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Returns what logs and metrics call it.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Tells whether it takes its turn.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        let rested = self.state.millis(now) >= self.state.rests_until.load(Ordering::Relaxed);
        rested && !self.state.failing.load(Ordering::Relaxed)
    }

    /// Leaves it out for [`REST`].
    pub(crate) fn rest(&self) {
        let until = self.state.millis(Instant::now() + REST);
        self.state.rests_until.store(until, Ordering::Relaxed);
    }

    /// Takes the answer to one health check; only one task asks.
    pub(crate) fn checked(&self, well: bool, check: &HealthCheck) {
        let state = &self.state;
        let failing = state.failing.load(Ordering::Relaxed);
        if well != failing {
            state.contrary.store(0, Ordering::Relaxed);
            return;
        }
        let contrary = state.contrary.fetch_add(1, Ordering::Relaxed) + 1;
        let enough = if failing { check.healthy_after } else { check.unhealthy_after };
        if contrary >= enough {
            state.contrary.store(0, Ordering::Relaxed);
            state.failing.store(!failing, Ordering::Relaxed);
            tracing::warn!(
                upstream = self.origin.upstream(),
                address = self.label,
                up = failing,
                "an upstream's health changed"
            );
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Address").field("label", &self.label).finish_non_exhaustive()
    }
}

impl State {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            rests_until: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            contrary: AtomicU32::new(0),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::{Address, HealthCheck};
    use crate::origin::Origin;

    #[track_caller]
    fn check(address: &Address, answers: &[bool], expected: bool) {
        let check = HealthCheck::of("/healthz".parse().unwrap());
        answers.iter().for_each(|well| address.checked(*well, &check));
        assert_eq!(address.is_up(Instant::now()), expected, "{answers:?}");
    }

    #[tokio::test]
    async fn an_address_changes_its_state_after_several_answers_in_a_row() {
        let origin = Origin::new("one", &"http://192.0.2.1".parse().unwrap(), None).unwrap();
        let address = Address::new(&Arc::new(origin), "192.0.2.1".parse().unwrap());
        check(&address, &[false, false], true);
        check(&address, &[true, false, false], true);
        check(&address, &[false], false);
        check(&address, &[true, false, true], false);
        check(&address, &[true], true);
    }
}
