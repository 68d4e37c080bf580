//! Sets of keys, and which of them a message means.

use std::sync::Arc;

use serde_json::Value;

use super::{DecryptionKey, Error, MacKey, PublicKey};
use crate::algorithm::{KeyManagement, MacAlgorithm, SignatureAlgorithm};
use crate::json;

/// The most keys of a set: hundreds of times what rotations need, and parsed in milliseconds.
pub(super) const KEYS: usize = 256;

/// A key that a set may hold.
pub trait Key: Sized {
    /// What a key knows exactly one of.
    type Algorithm: Copy + PartialEq;

    /// Reads a JWK as one key for each algorithm of `allowed` that it may be used with.
    ///
    /// # Errors
    ///
    /// As the key's own `from_jwk`.
    fn each_from_jwk(jwk: &Value, allowed: &[Self::Algorithm]) -> Result<Vec<Self>, Error>;

    /// Returns the key's name.
    fn kid(&self) -> Option<&str>;

    /// Returns the key's one algorithm.
    fn algorithm(&self) -> Self::Algorithm;
}

impl Key for PublicKey {
    type Algorithm = SignatureAlgorithm;

    fn each_from_jwk(jwk: &Value, allowed: &[SignatureAlgorithm]) -> Result<Vec<Self>, Error> {
        Self::each_from_jwk(jwk, allowed)
    }

    fn kid(&self) -> Option<&str> {
        self.kid()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm()
    }
}

impl Key for MacKey {
    type Algorithm = MacAlgorithm;

    fn each_from_jwk(jwk: &Value, allowed: &[MacAlgorithm]) -> Result<Vec<Self>, Error> {
        Self::each_from_jwk(jwk, allowed)
    }

    fn kid(&self) -> Option<&str> {
        self.kid()
    }

    fn algorithm(&self) -> MacAlgorithm {
        self.algorithm()
    }
}

impl Key for DecryptionKey {
    type Algorithm = KeyManagement;

    fn each_from_jwk(jwk: &Value, allowed: &[KeyManagement]) -> Result<Vec<Self>, Error> {
        Self::each_from_jwk(jwk, allowed)
    }

    fn kid(&self) -> Option<&str> {
        self.kid()
    }

    fn algorithm(&self) -> KeyManagement {
        self.algorithm()
    }
}

/// A JWK Set (RFC 7517 §5): its keys of one kind, each for one algorithm, and what was passed over.
#[derive(Debug)]
pub struct JwkSet<K = PublicKey> {
    keys: Vec<Arc<K>>,
    passed_over: Vec<PassedOver>,
}

/// A record of a set that is no key of the kind that is looked for.
#[derive(Debug)]
pub struct PassedOver {
    /// Its name
    pub kid: Option<String>,
    /// Why it is none
    pub reason: Error,
}

impl PassedOver {
    fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

/// Why a message finds no key in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// The key that is named, or each if none is, has another algorithm than the header says.
    #[error("no key of the set has both the message's `kid` and its `alg`")]
    Algorithm,
    /// Several keys are meant. None is tried: one that is wrong would be as good as one that is right.
    #[error("several keys of the set have the message's `kid` and `alg`, or it names no `kid`")]
    Ambiguous,
    /// No key has the name.
    #[error("the set has no key with the message's `kid`")]
    Kid,
}

impl<K: Key> JwkSet<K> {
    /// Reads the text of a set.
    ///
    /// `allowed` are the only algorithms of its keys, and those that keys may have which state none.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] and [`Error::Set`]. A record that is no key of this kind is passed over (RFC 7517 §5).
    pub fn parse(text: &[u8], allowed: &[K::Algorithm]) -> Result<Self, Error> {
        Self::from_value(&json::value(text)?, allowed)
    }

    /// Reads a set.
    ///
    /// # Errors
    ///
    /// [`Error::Set`].
    pub fn from_value(set: &Value, allowed: &[K::Algorithm]) -> Result<Self, Error> {
        let records = set.get("keys").and_then(Value::as_array).filter(|records| records.len() <= KEYS);
        let (mut keys, mut passed_over) = (Vec::new(), Vec::new());
        for record in records.ok_or(Error::Set)? {
            match K::each_from_jwk(record, allowed) {
                Ok(read) => keys.extend(read.into_iter().map(Arc::new)),
                Err(reason) => {
                    let kid = record.get("kid").and_then(Value::as_str).map(str::to_owned);
                    passed_over.push(PassedOver { kid, reason });
                }
            }
        }
        Ok(Self { keys, passed_over })
    }

    /// Returns the keys.
    #[must_use]
    pub fn keys(&self) -> &[Arc<K>] {
        &self.keys
    }

    /// Returns what is no key of this kind.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Returns the one key that a message means.
    ///
    /// With a `kid`, that is the key of this name, or, if no record has it, the only key of the algorithm among those
    /// without a name; without one, it is the only key of the algorithm. Keys are not tried one after another.
    ///
    /// # Errors
    ///
    /// Each variant of [`NotFound`].
    pub fn find(&self, kid: Option<&str>, algorithm: K::Algorithm) -> Result<&Arc<K>, NotFound> {
        let mut names =
            self.keys.iter().map(|key| key.kid()).chain(self.passed_over.iter().map(PassedOver::kid));
        let name = kid.filter(|_| names.any(|name| name == kid));
        let mut candidates = self.keys.iter().filter(|key| kid.is_none() || key.kid() == name).peekable();
        if candidates.peek().is_none() && kid.is_some() {
            return Err(NotFound::Kid);
        }
        let mut meant = candidates.filter(|key| key.algorithm() == algorithm);
        let key = meant.next().ok_or(NotFound::Algorithm)?;
        if meant.next().is_some() { Err(NotFound::Ambiguous) } else { Ok(key) }
    }
}
