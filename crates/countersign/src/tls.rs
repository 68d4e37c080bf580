//! TLS for our own listeners and our own calls: one provider, TLS 1.3 and 1.2, never weaker.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use countersign_core::context::{Clock, Entropy};
use countersign_pki::authority::{Authority, Validity};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

/// How long a listener's own certificate is valid: half of the 90 days that public authorities usually give.
const LISTENER_LIFE: time::Duration = time::Duration::days(45);
/// How long the certification authority is valid.
pub(crate) const AUTHORITY_LIFE: time::Duration = time::Duration::days(3650);
/// How far a certificate's beginning lies in the past, for peers whose clock is behind.
const BACKDATED: time::Duration = time::Duration::hours(1);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Returns the span from a little before now until `life` from now.
///
/// # Errors
///
/// If the clock stands outside the calendar.
pub(crate) fn validity(clock: &dyn Clock, life: time::Duration) -> Result<Validity> {
    let now = OffsetDateTime::from_unix_timestamp(clock.now().millis() / 1_000)
        .context("the clock is out of range")?;
    Ok(Validity { not_before: now - BACKDATED, not_after: now + life })
}

/// Makes a server configuration with a certificate of our own authority.
///
/// # Errors
///
/// If a name cannot stand in a certificate.
pub(crate) fn own_server(
    authority: &Authority,
    names: &[String],
    clock: &dyn Clock,
    entropy: &mut dyn Entropy,
) -> Result<ServerConfig> {
    let mut serial = [0; 16];
    entropy.fill(&mut serial);
    let made = authority.server_certificate(names, serial, validity(clock, LISTENER_LIFE)?)?;
    server(&made.certificate_pem, &made.key_pem)
}

/// Makes a server configuration from a certificate chain and its key, both PEM.
///
/// # Errors
///
/// A text that says which of the two cannot be used.
pub(crate) fn server(certificates: &str, key: &str) -> Result<ServerConfig> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
    let chain = chain.context("the certificate is no PEM")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("the key is no PEM private key")?;
    countersign_edge::tls::server_config(chain, key).context("the certificate and the key do not fit")
}

/// Makes a client configuration that believes the system's trust anchors and, if it is there, `extra`.
///
/// # Errors
///
/// If nothing would be believed.
pub(crate) fn client(extra: &Path) -> Result<Arc<ClientConfig>> {
    let own = std::fs::read(extra).map(|pem| anchors(&pem)).unwrap_or_default();
    believing(own).with_context(|| format!("neither the system has a trust anchor nor {}", extra.display()))
}

/// Makes a client configuration that believes the system's trust anchors and those of a file that must be there.
///
/// # Errors
///
/// If the file holds no certificate, or nothing would be believed.
pub(crate) fn egress_client(extra: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let Some(path) = extra else { return believing(Vec::new()) };
    let pem =
        std::fs::read(path).with_context(|| format!("egress.extra_ca: cannot read {}", path.display()))?;
    let own = anchors(&pem);
    if own.is_empty() {
        return Err(anyhow!("egress.extra_ca: {} holds no certificate in PEM", path.display()));
    }
    believing(own)
}

fn anchors(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

fn believing(own: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(own);
    if roots.is_empty() {
        return Err(anyhow!("there is no trust anchor"));
    }
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
