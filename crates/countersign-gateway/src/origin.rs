//! Where an upstream answers, as the operator wrote it: an origin (RFC 6454 §4) whose host is a name or an address.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

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

/// An origin of an upstream.
pub(crate) struct Origin {
    upstream: String,
    text: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Origin {
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
            text: origin.to_owned(),
            host,
            port,
            authority: HeaderValue::from_str(origin).map_err(|_| not_an_origin())?,
            tls,
        })
    }

    /// Returns the `Host` that it is called by.
    pub(crate) const fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Returns its host and port as the operator wrote them.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the name of its upstream.
    pub(crate) fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Returns its address, if it needs no name to be looked up.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Returns what TLS is begun with, if it is spoken there.
    pub(crate) const fn tls(&self) -> Option<&(TlsConnector, ServerName<'static>)> {
        self.tls.as_ref()
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Origin").field("text", &self.text).finish_non_exhaustive()
    }
}
