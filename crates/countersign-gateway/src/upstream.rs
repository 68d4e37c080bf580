//! Upstreams: who answers behind the gateway, and the connections that are kept to them.
//!
//! An upstream may have several addresses that answer alike. They take turns; one that cannot be reached, or whose
//! health check fails, is left out until it is up again, unless no other is left.
//!
//! **Invariants.** A connection is reused only when it is open and neither idle for longer nor older than its limits; one
//! whose answer was not read to its end is never put back. A pool belongs to one worker, so its lock is never waited for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_edge::metrics::Metrics;
use http::HeaderValue;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::address::{Address, ConnectError, HealthCheck, UpstreamError};
use crate::connection::Connection;
use crate::pace::Pace;

/// The bounds on exchanges with upstreams. Each is a setting; the defaults are here, with their sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// The time to connect to an address, TLS included. Default: 5 s.
    pub connect: Duration,
    /// The time from the request's last byte to the answer's head. Default: 60 s, nginx's `proxy_read_timeout`.
    pub answer: Duration,
    /// The longest pause inside an answer's body. Default: 60 s, as above.
    pub body_pause: Duration,
    /// The time that an idle connection is kept. Default: 4 s, below the 5 s after which Node.js closes.
    pub idle: Duration,
    /// The longest life of a connection that is used again. Default: 5 min, so that what stands between, such as a
    /// balancer that moved, is followed by busy connections too.
    pub life: Duration,
    /// Exchanges that may be in flight with one upstream, from all workers together.
    ///
    /// Default (`None`): half of the connections that callers may have, so that an upstream that hangs leaves the other
    /// half to the others.
    pub exchanges: Option<usize>,
    /// How fast an upload has to arrive.
    pub pace: Pace,
    /// Idle connections that each worker keeps for each upstream. Default: 256.
    pub idle_connections: usize,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            body_pause: Duration::from_secs(60),
            idle: Duration::from_secs(4),
            life: Duration::from_secs(5 * 60),
            exchanges: None,
            pace: Pace::default(),
            idle_connections: 256,
        }
    }
}

/// Who answers behind the gateway, at one address or at several that are alike.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    authority: HeaderValue,
    addresses: Vec<Arc<Address>>,
    turn: AtomicUsize,
    in_flight: Arc<AtomicUsize>,
    health: Option<HealthCheck>,
}

impl Upstream {
    /// Describes the upstream at `url`; `tls` is used if its scheme is `https`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the URL is no origin, or `https` without `tls`.
    pub fn new(name: &str, url: &Url, tls: Option<&Arc<ClientConfig>>) -> Result<Self, UpstreamError> {
        Self::of_several(name, std::slice::from_ref(url), tls, None)
    }

    /// Describes an upstream at `urls`, of which any may answer any request; `health` says how they are asked.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if there is no URL, one of them is no origin, or `https` without `tls`.
    pub fn of_several(
        name: &str,
        urls: &[Url],
        tls: Option<&Arc<ClientConfig>>,
        health: Option<HealthCheck>,
    ) -> Result<Self, UpstreamError> {
        let described = urls.iter().map(|url| Address::new(name, url, tls).map(Arc::new));
        let addresses: Vec<_> = described.collect::<Result<_, _>>()?;
        let Some(authority) = addresses.first().map(|first| first.authority().clone()) else {
            return Err(UpstreamError::NoAddress(name.to_owned()));
        };
        Ok(Self {
            name: name.to_owned(),
            authority,
            addresses,
            turn: AtomicUsize::new(0),
            in_flight: Arc::default(),
            health,
        })
    }

    /// Returns the upstream's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the `Host` that its first address is called by.
    pub(crate) const fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Tells whether it is itself that a reference names by `host` and `port`.
    pub(crate) fn is_at(&self, host: &str, port: u16) -> bool {
        self.addresses.iter().any(|address| {
            let (own, at) = address.host_and_port();
            own.eq_ignore_ascii_case(host) && at == port
        })
    }

    pub(crate) fn addresses(&self) -> &[Arc<Address>] {
        &self.addresses
    }

    pub(crate) const fn health(&self) -> Option<&HealthCheck> {
        self.health.as_ref()
    }

    /// Counts one more exchange; `None`: there are `most` already, on all workers together.
    pub(crate) fn enter(&self, most: usize) -> Option<InFlight> {
        // Counted first, so that two workers never pass together; what is too much is taken back.
        let entered = InFlight(Arc::clone(&self.in_flight));
        (self.in_flight.fetch_add(1, Ordering::Relaxed) < most).then_some(entered)
    }

    /// Walks the addresses for one request: those that are up, each in its turn; all of them if none is.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Arc<Address>> {
        let now = Instant::now();
        let none_is_up = !self.addresses.iter().any(|address| address.is_up(now));
        let count = self.addresses.len();
        let first = if count == 1 { 0 } else { self.turn.fetch_add(1, Ordering::Relaxed) % count };
        let in_turn = self.addresses.iter().cycle().skip(first).take(count);
        in_turn.filter(move |address| none_is_up || address.is_up(now))
    }

    /// Tells the metrics which addresses are up.
    pub(crate) fn observe(&self, metrics: &Metrics) {
        let now = Instant::now();
        for address in &self.addresses {
            metrics.upstream_address(&self.name, address.origin(), address.is_up(now));
        }
    }
}

/// One exchange with an upstream, counted for as long as it lasts.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections that one worker keeps to one upstream.
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) limits: UpstreamLimits,
    pub(crate) metrics: Arc<Metrics>,
    /// The exchanges that may be in flight, from this pool and its sisters.
    pub(crate) exchanges: usize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Makes an empty one; `callers`: the connections that callers may have.
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        limits: UpstreamLimits,
        callers: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        let exchanges = limits.exchanges.unwrap_or_else(|| (callers / 2).max(1));
        Self { upstream, limits, metrics, exchanges, idle: Mutex::new(Vec::new()) }
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
        let opened = match timeout(self.limits.connect, Connection::open(address)).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(ConnectError::TimedOut),
        };
        opened.inspect_err(|_| {
            address.rest();
            self.upstream.observe(&self.metrics);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Upstream;
    use crate::address::UpstreamError;

    #[test]
    fn an_upstream_is_an_origin() {
        let named = |url: &str| Upstream::new("one", &url.parse().unwrap(), None);
        for (url, authority) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://api.internal/", "api.internal"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert_eq!(named(url).unwrap().addresses[0].authority(), authority, "{url}");
        }
        for url in ["http://h/path", "http://h/?q", "http://u:p@h", "http://h/#f", "ftp://h", "unix:/x"] {
            assert_eq!(named(url).unwrap_err(), UpstreamError::NotAnOrigin("one".into()), "{url}");
        }
        assert_eq!(
            Upstream::of_several("one", &[], None, None).unwrap_err(),
            UpstreamError::NoAddress("one".into())
        );
        assert_eq!(named("https://h").unwrap_err(), UpstreamError::NoTls("one".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_take_turns_and_those_that_rest_are_left_out() {
        let urls = ["http://a", "http://b", "http://c"].map(|url| url.parse().unwrap());
        let upstream = Upstream::of_several("one", &urls, None, None).unwrap();
        let order = || upstream.candidates().map(|one| one.origin().to_owned()).collect::<String>();
        assert_eq!([order(), order(), order(), order()], ["abc", "bca", "cab", "abc"]);
        upstream.addresses[1].rest();
        assert_eq!([order(), order()], ["ca", "ca"]);
        upstream.addresses[0].rest();
        upstream.addresses[2].rest();
        assert_eq!(order(), "abc", "none is up, so all are tried");
        tokio::time::advance(crate::address::REST).await;
        assert_eq!(order(), "bca");
    }
}
