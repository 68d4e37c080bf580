//! Upstreams: who answers behind the gateway, and the connections that are kept to them.
//!
//! **Invariants.** A connection is reused only when it is open, idle and not older than the idle limit; one whose
//! answer was not read to its end is never put back. A pool belongs to one worker, so its lock is never waited for.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_edge::metrics::Metrics;
use http::HeaderValue;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::outgoing::Outgoing;

/// The bounds on exchanges with upstreams. Each is a setting; the defaults are here, with their sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// The time to connect, TLS included. Default: 5 s.
    pub connect: Duration,
    /// The time from the request's last byte to the answer's head. Default: 60 s, nginx's `proxy_read_timeout`.
    pub answer: Duration,
    /// The longest pause inside an answer's body. Default: 60 s, as above.
    pub body_pause: Duration,
    /// The time that an idle connection is kept. Default: 4 s, below the 5 s after which Node.js closes.
    pub idle: Duration,
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
            idle_connections: 256,
        }
    }
}

/// Why an upstream cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UpstreamError {
    /// It is reached by `https` and no TLS configuration was given.
    #[error("upstream {0}: https needs a TLS configuration")]
    NoTls(String),
    /// The URL is more or less than an origin.
    #[error(
        "upstream {0}: expected http://HOST[:PORT] or https://HOST[:PORT] without path, query and credentials"
    )]
    NotAnOrigin(String),
}

/// Who answers behind the gateway.
pub struct Upstream {
    name: String,
    address: (String, u16),
    authority: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Upstream {
    /// Describes the upstream at `url`; `tls` is used if its scheme is `https`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the URL is no origin, or `https` without `tls`.
    pub fn new(name: &str, url: &Url, tls: Option<Arc<ClientConfig>>) -> Result<Self, UpstreamError> {
        let not_an_origin = || UpstreamError::NotAnOrigin(name.to_owned());
        let bare =
            url.username().is_empty() && url.password().is_none() && &url[Position::BeforePath..] == "/";
        let host = url.host_str().filter(|_| bare).ok_or_else(not_an_origin)?;
        let port = url.port_or_known_default().ok_or_else(not_an_origin)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let authority = HeaderValue::from_str(&url[Position::BeforeHost..Position::BeforePath]);
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let config = tls.ok_or_else(|| UpstreamError::NoTls(name.to_owned()))?;
                let server = ServerName::try_from(host.clone()).map_err(|_| not_an_origin())?;
                Some((TlsConnector::from(config), server))
            }
            _ => return Err(not_an_origin()),
        };
        Ok(Self {
            name: name.to_owned(),
            address: (host, port),
            authority: authority.map_err(|_| not_an_origin())?,
            tls,
        })
    }

    /// Returns the upstream's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the `Host` that it is called by.
    pub(crate) const fn authority(&self) -> &HeaderValue {
        &self.authority
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Upstream")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectError {
    Refused,
    TimedOut,
    Tls,
}

/// The connections that one worker keeps to one upstream.
pub(crate) struct Pool {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) limits: UpstreamLimits,
    pub(crate) metrics: Arc<Metrics>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: SendRequest<Outgoing>,
    since: Instant,
}

impl Pool {
    pub(crate) const fn new(upstream: Arc<Upstream>, limits: UpstreamLimits, metrics: Arc<Metrics>) -> Self {
        Self { upstream, limits, metrics, idle: Mutex::new(Vec::new()) }
    }

    /// Takes the connection that was used last.
    pub(crate) fn take(&self) -> Option<SendRequest<Outgoing>> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| !one.connection.is_closed() && now - one.since < self.limits.idle);
        // Not ready but open: its request is still being sent though its answer was read. It may become ready.
        let last = idle.iter().rposition(|one| one.connection.is_ready())?;
        Some(idle.remove(last).connection)
    }

    /// Puts a connection back whose answer was read to its end.
    pub(crate) fn put(&self, connection: SendRequest<Outgoing>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.limits.idle_connections && !connection.is_closed() {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes what was idle for too long.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| !one.connection.is_closed() && now - one.since < self.limits.idle);
    }

    /// Opens a new connection.
    pub(crate) async fn connect(&self) -> Result<SendRequest<Outgoing>, ConnectError> {
        match timeout(self.limits.connect, self.open()).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(ConnectError::TimedOut),
        }
    }

    async fn open(&self) -> Result<SendRequest<Outgoing>, ConnectError> {
        let (host, port) = &self.upstream.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| refusal(&error))?;
        stream.set_nodelay(true).map_err(|error| refusal(&error))?;
        match &self.upstream.tls {
            None => converse(stream).await,
            Some((connector, server)) => {
                let stream = connector.connect(server.clone(), stream).await.map_err(|error| {
                    tracing::warn!(upstream = self.upstream.name, error = %error, "TLS to the upstream failed");
                    ConnectError::Tls
                })?;
                converse(stream).await
            }
        }
    }
}

fn refusal(error: &io::Error) -> ConnectError {
    if error.kind() == io::ErrorKind::TimedOut { ConnectError::TimedOut } else { ConnectError::Refused }
}

async fn converse<T>(stream: T) -> Result<SendRequest<Outgoing>, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        Builder::new().handshake(TokioIo::new(stream)).await.map_err(|_| ConnectError::Refused)?;
    // Owned by the sender: the task ends when the sender is dropped, or with the worker's runtime. Its error is
    // told to whoever waits for an answer.
    tokio::spawn(async move { connection.with_upgrades().await.unwrap_or_default() });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::{Upstream, UpstreamError};

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
        assert_eq!(named("https://h").unwrap_err(), UpstreamError::NoTls("one".into()));
    }
}
