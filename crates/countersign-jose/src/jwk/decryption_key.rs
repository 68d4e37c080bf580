//! Keys that decrypt.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeyPair, KeyPairComponents, OaepPrivateDecryptingKey, PrivateDecryptingKey, PublicKeyComponents,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Error;
use super::encryption_key::{self, SharedKey, curve, shared};
use super::material::{Material, coordinate, exact};
use super::record::{Purpose, Record, only};
use crate::algorithm::{ContentEncryption, Family, KeyManagement};

/// A private or shared key that decrypts messages of one algorithm, parsed once.
pub struct DecryptionKey {
    algorithm: KeyManagement,
    content: Option<ContentEncryption>,
    kid: Option<String>,
    secret: Arc<Secret>,
}

/// What opens messages.
pub(crate) enum Secret {
    /// A private key on a curve
    Agreement(Family, agreement::PrivateKey),
    /// A private RSA key
    Rsa(OaepPrivateDecryptingKey),
    /// A key that both sides have
    Shared(Zeroizing<Vec<u8>>),
}

const PURPOSE: Purpose =
    Purpose { used: "enc", operations: &["decrypt", "unwrapKey", "deriveKey", "deriveBits"] };

impl DecryptionKey {
    /// Reads a JWK with its private part, or a symmetric one.
    ///
    /// The algorithm is the one that the JWK states, which must be `allowed`; if it states none, the only one of
    /// `allowed` that fits its type, curve and length. A symmetric key may state the algorithm of the content, and is
    /// then for that content, directly.
    ///
    /// # Errors
    ///
    /// Each variant of [`Error`] but those of sets.
    pub fn from_jwk(jwk: &Value, allowed: &[KeyManagement]) -> Result<Self, Error> {
        only(Self::each_from_jwk(jwk, allowed)?)
    }

    /// Reads a JWK as one key for each algorithm that it may be used with.
    pub(super) fn each_from_jwk(jwk: &Value, allowed: &[KeyManagement]) -> Result<Vec<Self>, Error> {
        let record = Record::read(jwk, &PURPOSE)?;
        if record.text("kty")?.ok_or(Error::Missing("kty"))? == "oct" {
            let SharedKey { algorithms, content, secret } = shared(record, allowed)?;
            return Self::each(record, algorithms, content, Secret::Shared(secret));
        }
        let family = encryption_key::family(record)?;
        let algorithms = record.algorithms(allowed, |algorithm| algorithm.fits(family))?;
        let secret = if family == Family::Rsa { rsa(record)? } else { elliptic(record, family)? };
        Self::each(record, algorithms, None, secret)
    }

    fn each(
        record: Record<'_>,
        algorithms: Vec<KeyManagement>,
        content: Option<ContentEncryption>,
        secret: Secret,
    ) -> Result<Vec<Self>, Error> {
        let (kid, secret) = (record.kid()?, Arc::new(secret));
        let key = |algorithm| Self { algorithm, content, kid: kid.clone(), secret: Arc::clone(&secret) };
        Ok(algorithms.into_iter().map(key).collect())
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// Returns the only algorithm of content that the key is for, if it states one.
    #[must_use]
    pub const fn content(&self) -> Option<ContentEncryption> {
        self.content
    }

    /// Returns the key's name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns what opens messages.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DecryptionKey")
            .field("algorithm", &self.algorithm)
            .field("content", &self.content)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Reads a private RSA key. All parameters of RFC 7518 §6.3.2 must be there, and no third prime.
fn rsa(record: Record<'_>) -> Result<Secret, Error> {
    if record.members().contains_key("oth") {
        return Err(Error::Unsupported);
    }
    let private = |member| record.bytes(member).map(Zeroizing::new);
    let Material::Rsa { n, e } = Material::read(record, Family::Rsa)? else {
        return Err(Error::Parameters);
    };
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d: private("d")?,
        p: private("p")?,
        q: private("q")?,
        dP: private("dp")?,
        dQ: private("dq")?,
        qInv: private("qi")?,
    };
    let pair = KeyPair::from_components(&components).map_err(|_| Error::Parameters)?;
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| Error::Primitive)?;
    let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(|_| Error::Parameters)?;
    OaepPrivateDecryptingKey::new(key).map(Secret::Rsa).map_err(|_| Error::Primitive)
}

/// Reads a private key on a curve, whose public part must belong to it.
fn elliptic(record: Record<'_>, family: Family) -> Result<Secret, Error> {
    let Material::Point(public) = Material::read(record, family)? else {
        return Err(Error::Parameters);
    };
    let private = Zeroizing::new(record.bytes("d")?);
    // RFC 7518 §6.2.2.1, RFC 8037 §2: as long as the field, leading zeros and all.
    exact("d", &private, coordinate(family))?;
    let curve = curve(family).ok_or(Error::Unsupported)?;
    let key = agreement::PrivateKey::from_private_key(curve, &private).map_err(|_| Error::Parameters)?;
    let computed = key.compute_public_key().map_err(|_| Error::Parameters)?;
    if computed.as_ref() == public { Ok(Secret::Agreement(family, key)) } else { Err(Error::Parameters) }
}
