//! Upstreams: who answers behind the gateway.
//!
//! An upstream may have several addresses that answer alike, written down or found by a name. They take turns; one that
//! cannot be reached, or whose health check fails, is left out until it is up again, unless no other is left.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_edge::metrics::Metrics;
use http::HeaderValue;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::address::{Address, HealthCheck};
use crate::origin::{Origin, UpstreamError};
use crate::pace::Pace;
use crate::resolve::{Resolve, SystemResolver};

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
    /// How often names are looked up again. Default: 10 s, HAProxy's `hold valid`: the system does not tell how long an
    /// answer is good for.
    pub lookup: Duration,
    /// Exchanges that may be in flight with one upstream, from all workers together.
    ///
    /// Default (`None`): half of the connections that callers may have, so that an upstream that hangs leaves the other
    /// half to the others.
    pub exchanges: Option<usize>,
    /// Connections that may be open to all upstreams together, from all workers.
    ///
    /// Default: 10,000, as many as callers may have; the process has to have descriptors for both.
    pub connections: usize,
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
            lookup: Duration::from_secs(10),
            exchanges: None,
            connections: 10_000,
            pace: Pace::default(),
            idle_connections: 256,
        }
    }
}

/// Who answers behind the gateway, at one address or at several that are alike.
pub struct Upstream {
    name: Arc<str>,
    authority: HeaderValue,
    origins: Vec<Arc<Origin>>,
    resolver: Arc<dyn Resolve>,
    /// Who waits for an upstream that is elsewhere waits together.
    lookups: Semaphore,
    /// What the names were at last, and the addresses that need no name.
    addresses: ArcSwap<Vec<Arc<Address>>>,
    turn: AtomicUsize,
    in_flight: Arc<AtomicUsize>,
    health: Option<HealthCheck>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Upstream")
            .field("name", &self.name)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
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
        let described = urls.iter().map(|url| Origin::new(name, url, tls).map(Arc::new));
        let origins: Vec<_> = described.collect::<Result<_, _>>()?;
        let Some(authority) = origins.first().map(|first| first.authority().clone()) else {
            return Err(UpstreamError::NoAddress(name.to_owned()));
        };
        let addresses =
            origins.iter().filter_map(|origin| Some(Arc::new(Address::new(origin, origin.literal()?))));
        Ok(Self {
            name: name.into(),
            authority,
            addresses: ArcSwap::from_pointee(addresses.collect()),
            origins,
            resolver: Arc::new(SystemResolver),
            lookups: Semaphore::new(1),
            turn: AtomicUsize::new(0),
            in_flight: Arc::default(),
            health,
        })
    }

    /// Has its names looked up by `resolver`, instead of by the operating system.
    #[must_use]
    pub fn resolved_by(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
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

    /// Returns the same, for whoever keeps it.
    pub(crate) const fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// Tells whether it is itself that a reference names by `host` and `port`.
    pub(crate) fn is_at(&self, host: &str, port: u16) -> bool {
        self.origins.iter().any(|origin| origin.host().eq_ignore_ascii_case(host) && origin.port() == port)
    }

    /// Tells whether it has names, which may move.
    pub(crate) fn has_names(&self) -> bool {
        self.origins.iter().any(|origin| origin.literal().is_none())
    }

    /// Returns its addresses, as far as they are known.
    pub(crate) fn addresses(&self) -> Arc<Vec<Arc<Address>>> {
        self.addresses.load_full()
    }

    /// Returns the turn of those who wait for a look.
    pub(crate) const fn lookups(&self) -> &Semaphore {
        &self.lookups
    }

    /// Looks its names up, each within `limit`; true: it is elsewhere now.
    pub(crate) async fn look_up(&self, limit: Duration) -> bool {
        let mut found = Vec::with_capacity(self.origins.len());
        for origin in &self.origins {
            found.push((origin, self.ips(origin, limit).await));
        }
        let mut moved = false;
        self.addresses.rcu(|known| {
            let now: Vec<_> =
                found.iter().flat_map(|(origin, ips)| now(known, origin, ips.as_deref())).collect();
            moved = now.len() != known.len() || now.iter().zip(known.iter()).any(|(a, b)| !Arc::ptr_eq(a, b));
            if moved { Arc::new(now) } else { Arc::clone(known) }
        });
        if moved {
            let addresses = self.addresses();
            tracing::info!(upstream = &*self.name, ?addresses, "the upstream is found at other addresses");
        }
        moved
    }

    /// Returns the addresses of an origin, each once; `None`: they are not known now.
    async fn ips(&self, origin: &Origin, limit: Duration) -> Option<Vec<IpAddr>> {
        if let Some(ip) = origin.literal() {
            return Some(vec![ip]);
        }
        let looked_up = timeout(limit, self.resolver.resolve(origin.host())).await;
        match looked_up.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())) {
            Ok(ips) if !ips.is_empty() => {
                let earlier = |at: usize, ip: &IpAddr| ips.iter().take(at).any(|one| one == ip);
                Some(ips.iter().enumerate().filter(|(at, ip)| !earlier(*at, ip)).map(|(_, ip)| *ip).collect())
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(upstream = &*self.name, origin = origin.text(), %error, "the name cannot be looked up");
                None
            }
        }
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

    /// Walks `addresses` for one request: those that are up, each in its turn; all of them if none is.
    pub(crate) fn in_turn<'a>(
        &self,
        addresses: &'a [Arc<Address>],
    ) -> impl Iterator<Item = &'a Arc<Address>> + use<'a> {
        let now = Instant::now();
        let none_is_up = !addresses.iter().any(|address| address.is_up(now));
        let count = addresses.len();
        let first = if count <= 1 { 0 } else { self.turn.fetch_add(1, Ordering::Relaxed) % count };
        let in_turn = addresses.iter().cycle().skip(first).take(count);
        in_turn.filter(move |address| none_is_up || address.is_up(now))
    }

    /// Tells the metrics which addresses are up.
    pub(crate) fn observe(&self, metrics: &Metrics) {
        let now = Instant::now();
        for address in self.addresses().iter() {
            metrics.upstream_address(&self.name, address.label(), address.is_up(now));
        }
    }
}

/// Returns the addresses of an origin: as they are known, with their connections and their health, or else new ones.
/// `ips`: where it is now; `None`: where it was.
fn now(known: &[Arc<Address>], origin: &Arc<Origin>, ips: Option<&[IpAddr]>) -> Vec<Arc<Address>> {
    let before = || known.iter().filter(|one| Arc::ptr_eq(one.origin(), origin));
    let at = |ip: &IpAddr| before().find(|one| one.socket().ip() == *ip).cloned();
    match ips {
        None => before().cloned().collect(),
        Some(ips) => {
            ips.iter().map(|ip| at(ip).unwrap_or_else(|| Arc::new(Address::new(origin, *ip)))).collect()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Upstream;
    use crate::address::Address;
    use crate::origin::UpstreamError;

    #[test]
    fn an_upstream_is_an_origin() {
        let named = |url: &str| Upstream::new("one", &url.parse().unwrap(), None);
        for (url, authority) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://api.internal/", "api.internal"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert_eq!(named(url).unwrap().authority(), authority, "{url}");
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
        let urls = [1, 2, 3].map(|last| format!("http://192.0.2.{last}").parse().unwrap());
        let upstream = Upstream::of_several("one", &urls, None, None).unwrap();
        let addresses = upstream.addresses();
        let letter = |one: &Arc<Address>| {
            ["a", "b", "c"][addresses.iter().position(|it| Arc::ptr_eq(it, one)).unwrap()]
        };
        let order = || upstream.in_turn(&addresses).map(letter).collect::<String>();
        assert_eq!([order(), order(), order(), order()], ["abc", "bca", "cab", "abc"]);
        addresses[1].rest();
        assert_eq!([order(), order()], ["ca", "ca"]);
        addresses[0].rest();
        addresses[2].rest();
        assert_eq!(order(), "abc", "none is up, so all are tried");
        tokio::time::advance(crate::address::REST).await;
        assert_eq!(order(), "bca");
    }
}
