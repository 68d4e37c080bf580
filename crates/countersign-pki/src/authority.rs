//! A certification authority: its key, its certificate, and the server certificates that it signs.
//!
//! **Invariant.** Serial numbers and validity always come from the caller: the library beneath would otherwise
//! derive the serial from the key, so that a renewal repeats it (RFC 5280 §4.1.2.2 wants it unique).

use std::net::IpAddr;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use thiserror::Error;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Why a certificate cannot be made or an authority not be read.
#[derive(Debug, Error)]
pub enum Error {
    /// A name cannot stand in a certificate.
    #[error("expected a DNS name in ASCII or an IP address, found {0:?}")]
    Name(String),
    /// The key or the certificate cannot be made or read.
    #[error("the certification authority's key or certificate cannot be used: {0}")]
    Library(#[from] rcgen::Error),
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// The first instant.
    pub not_before: OffsetDateTime,
    /// The last instant.
    pub not_after: OffsetDateTime,
}

/// A certification authority that can sign.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("certificate", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

/// What must be kept of an authority: the key is secret.
#[derive(Debug)]
pub struct Stored {
    /// The certificate, PEM (RFC 7468).
    pub certificate_pem: String,
    /// The private key, PKCS #8 in PEM.
    pub key_pem: Zeroizing<String>,
}

/// A server certificate with its key, both PEM.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: Zeroizing<String>,
}

impl Authority {
    /// Makes a self-signed root with an ECDSA P-256 key.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] if no key can be made.
    pub fn generate(common_name: &str, serial: [u8; 16], validity: Validity) -> Result<Stored, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = root_params(common_name);
        dated(&mut params, serial, validity);
        let certificate = params.self_signed(&key)?;
        Ok(Stored { certificate_pem: certificate.pem(), key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// Reads an authority that [`Authority::generate`] made under the same name.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] if the key cannot be read.
    pub fn open(common_name: &str, stored: &Stored) -> Result<Self, Error> {
        let key = KeyPair::from_pem(&stored.key_pem)?;
        let issuer = Issuer::new(root_params(common_name), key);
        Ok(Self { certificate_pem: stored.certificate_pem.clone(), issuer })
    }

    /// Returns the certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs a server certificate for `names`, each a DNS name or an IP address.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] for a name that cannot stand in a certificate, [`Error::Library`] if signing fails.
    pub fn server_certificate(
        &self,
        names: &[String],
        serial: [u8; 16],
        validity: Validity,
    ) -> Result<ServerCertificate, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        dated(&mut params, serial, validity);
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names =
            names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            certificate_pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }
}

fn root_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    // RFC 5280 §4.2.1.9: at most one intermediate below this root.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn dated(params: &mut CertificateParams, mut serial: [u8; 16], validity: Validity) {
    // RFC 5280 §4.1.2.2: a positive integer; clearing the top bit keeps it so without a leading zero octet.
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7F) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
}

fn alternative_name(name: &str) -> Result<SanType, Error> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    Ia5String::try_from(name).map(SanType::DnsName).map_err(|_| Error::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::{Authority, Error, Validity};

    fn validity() -> Validity {
        let not_before = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        Validity { not_before, not_after: not_before + Duration::days(30) }
    }

    #[test]
    fn an_authority_reads_back_and_signs() {
        let stored = Authority::generate("root", [1; 16], validity()).unwrap();
        let authority = Authority::open("root", &stored).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let leaf = authority.server_certificate(&names, [2; 16], validity()).unwrap();
        assert!(leaf.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!format!("{authority:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_name_outside_ascii_is_refused() {
        let stored = Authority::generate("root", [1; 16], validity()).unwrap();
        let authority = Authority::open("root", &stored).unwrap();
        let refused = authority.server_certificate(&["bücher.example".to_owned()], [2; 16], validity());
        assert!(matches!(refused, Err(Error::Name(_))));
    }
}
