//! One address of an upstream: how it is reached, and whether it is up.
//!
//! Two things take an address out of its turn: a connection that failed, for two seconds, and a health check that failed
//! several times, until it succeeds again. All workers see the same state, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

/// How long an address is left out after a connection to it failed: a restart of a service takes about as long, and
/// what is wrong for longer is found by one request in two seconds, which tries the next address at once.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// Why an upstream cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UpstreamError {
    /// It has no address at all.
    #[error("upstream {0}: expected at least one address")]
    NoAddress(String),
    /// It is reached by `https` and no TLS configuration was given.
    #[error("upstream {0}: https needs a TLS configuration")]
    NoTls(String),
    /// The URL is more or less than an origin.
    #[error(
        "upstream {0}: expected http://HOST[:PORT] or https://HOST[:PORT] without path, query and credentials"
    )]
    NotAnOrigin(String),
}

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
    Refused,
    TimedOut,
    Tls,
}

/// Where an upstream answers.
pub(crate) struct Address {
    upstream: String,
    origin: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
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
    pub(crate) fn new(
        upstream: &str,
        url: &Url,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, UpstreamError> {
        let not_an_origin = || UpstreamError::NotAnOrigin(upstream.to_owned());
        let bare =
            url.username().is_empty() && url.password().is_none() && &url[Position::BeforePath..] == "/";
        let host = url.host_str().filter(|_| bare).ok_or_else(not_an_origin)?;
        let port = url.port_or_known_default().ok_or_else(not_an_origin)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let origin = &url[Position::BeforeHost..Position::BeforePath];
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let config = tls.ok_or_else(|| UpstreamError::NoTls(upstream.to_owned()))?;
                let server = ServerName::try_from(host.clone()).map_err(|_| not_an_origin())?;
                Some((TlsConnector::from(Arc::clone(config)), server))
            }
            _ => return Err(not_an_origin()),
        };
        Ok(Self {
            upstream: upstream.to_owned(),
            origin: origin.to_owned(),
            host,
            port,
            authority: HeaderValue::from_str(origin).map_err(|_| not_an_origin())?,
            tls,
            state: State::new(),
        })
    }

    /// Returns the `Host` that it is called by.
    pub(crate) const fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Returns its host and port as the operator wrote them.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the name of its upstream.
    pub(crate) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Returns where it is reached.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Returns what TLS is begun with, if it is spoken there.
    pub(crate) const fn tls(&self) -> Option<&(TlsConnector, ServerName<'static>)> {
        self.tls.as_ref()
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
                upstream = self.upstream,
                address = self.origin,
                up = failing,
                "an upstream's health changed"
            );
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Address").field("origin", &self.origin).finish_non_exhaustive()
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
    use tokio::time::Instant;

    use super::{Address, HealthCheck};

    #[track_caller]
    fn check(address: &Address, answers: &[bool], expected: bool) {
        let check = HealthCheck::of("/healthz".parse().unwrap());
        answers.iter().for_each(|well| address.checked(*well, &check));
        assert_eq!(address.is_up(Instant::now()), expected, "{answers:?}");
    }

    #[tokio::test]
    async fn an_address_changes_its_state_after_several_answers_in_a_row() {
        let address = Address::new("one", &"http://a".parse().unwrap(), None).unwrap();
        check(&address, &[false, false], true);
        check(&address, &[true, false, false], true);
        check(&address, &[false], false);
        check(&address, &[true, false, true], false);
        check(&address, &[true], true);
    }
}
