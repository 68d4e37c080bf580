//! Secret keys of MACs.

use std::fmt;

use aws_lc_rs::hmac;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Error;
use super::record::{Purpose, Record, only};
use crate::algorithm::MacAlgorithm;

/// A secret key that verifies MACs of one algorithm.
pub struct MacKey {
    algorithm: MacAlgorithm,
    kid: Option<String>,
    key: hmac::Key,
}

const PURPOSE: Purpose = Purpose { used: "sig", operations: &["verify"] };

impl MacKey {
    /// Reads a symmetric JWK. The algorithm is chosen as [`super::PublicKey::from_jwk`] chooses it.
    ///
    /// # Errors
    ///
    /// Each variant of [`Error`] but those of sets and of public keys; [`Error::Length`] if the key is shorter than the
    /// hash (RFC 7518 §3.2).
    pub fn from_jwk(jwk: &Value, allowed: &[MacAlgorithm]) -> Result<Self, Error> {
        only(Self::each_from_jwk(jwk, allowed)?)
    }

    /// Reads a JWK as one key for each algorithm that it may be used with.
    pub(super) fn each_from_jwk(jwk: &Value, allowed: &[MacAlgorithm]) -> Result<Vec<Self>, Error> {
        let record = Record::read(jwk, &PURPOSE)?;
        if record.text("kty")?.ok_or(Error::Missing("kty"))? != "oct" {
            return Err(Error::Unsupported);
        }
        let (secret, kid) = (Zeroizing::new(record.bytes("k")?), record.kid()?);
        let algorithms = record.algorithms(allowed, |_| true)?;
        let shortest = algorithms.iter().map(|algorithm| algorithm.length()).min().unwrap_or_default();
        if secret.len() < shortest {
            let expected = "at least the bytes of its hash (RFC 7518 §3.2)";
            return Err(Error::Length { member: "k", expected, found: secret.len() });
        }
        let long_enough = algorithms.into_iter().filter(|algorithm| secret.len() >= algorithm.length());
        Ok(long_enough.map(|algorithm| Self::new(algorithm, kid.clone(), &secret)).collect())
    }

    fn new(algorithm: MacAlgorithm, kid: Option<String>, secret: &[u8]) -> Self {
        let hash = match algorithm {
            MacAlgorithm::Hs256 => hmac::HMAC_SHA256,
            MacAlgorithm::Hs384 => hmac::HMAC_SHA384,
            MacAlgorithm::Hs512 => hmac::HMAC_SHA512,
        };
        Self { algorithm, kid, key: hmac::Key::new(hash, secret) }
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> MacAlgorithm {
        self.algorithm
    }

    /// Returns the key's name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Tells whether `mac` is this key's over `message`, in a time that does not depend on where they differ.
    pub(crate) fn verifies(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.key, message, mac).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MacKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
