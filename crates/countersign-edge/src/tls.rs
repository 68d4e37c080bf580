//! The TLS side of listeners: certificates that can be replaced while connections are served.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The name of HTTP/2 in ALPN (RFC 9113 §3.2).
pub(crate) const HTTP2: &[u8] = b"h2";

/// The TLS configuration of a listener. A replacement serves the next handshake.
pub struct Tls(ArcSwap<ServerConfig>);

impl Tls {
    /// Starts with `config`.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self(ArcSwap::from_pointee(config))
    }

    /// Serves `config` from the next handshake on.
    pub fn replace(&self, config: ServerConfig) {
        self.0.store(Arc::new(config));
    }

    /// Returns the configuration for one handshake.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Prepares TLS 1.2 and 1.3 with one certificate chain, no client certificates, and HTTP/2 or else HTTP/1.1 by ALPN.
///
/// # Errors
///
/// [`rustls::Error`] if the key does not belong to the certificate or cannot be used.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
