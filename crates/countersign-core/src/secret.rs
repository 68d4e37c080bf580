//! Secrets in memory and what is stored of them.
//!
//! **Invariant.** A secret has no `Display`, no `Serialize` and no `Clone`, and is wiped when dropped. What is
//! stored of a credential is [`SecretHash`]: HMAC-SHA-256 (RFC 2104) under a pepper that never enters the store.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroize;

/// A value that must not be printed, stored or copied by accident.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes custody of `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the value. Every caller is a place to look at.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<Vec<u8>> {
    /// Changes the bytes where they lie, and keeps as many as `change` says; `None`: it says nothing.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        let length = change(&mut self.0)?;
        self.0.truncate(length);
        Some(())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Compares in constant time.
pub(crate) fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// What is stored of a credential: its HMAC-SHA-256 under a pepper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a draft, before minting computes one. No key hashes to it, but by breaking HMAC-SHA-256.
    pub(crate) const UNSET: Self = Self([0; 32]);

    /// Reads a stored hash; `None` if it has not 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the stored form.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(…)")
    }
}

/// One version of the key under which credentials are hashed.
pub struct Pepper {
    version: u32,
    key: hmac::Key,
}

impl Pepper {
    /// Prepares the pepper `version` from its 32 bytes.
    #[must_use]
    pub fn new(version: u32, key: &Secret<[u8; 32]>) -> Self {
        Self { version, key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
    }

    /// Returns the version that a record names.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Hashes `text`, which is bound to `purpose` so that a hash of one use never matches another's.
    #[must_use]
    pub fn hash(&self, purpose: Purpose, text: &str) -> SecretHash {
        self.hash_bytes(purpose, text.as_bytes())
    }

    /// Hashes `bytes`, bound to `purpose` likewise.
    pub(crate) fn hash_bytes(&self, purpose: Purpose, bytes: &[u8]) -> SecretHash {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose.label());
        context.update(bytes);
        let tag = context.sign();
        let mut hash = [0; 32];
        for (byte, fresh) in hash.iter_mut().zip(tag.as_ref()) {
            *byte = *fresh;
        }
        SecretHash(hash)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pepper").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What a keyed hash is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A credential presented by a caller.
    Credential,
    /// What counts once: a nonce, a `jti`.
    FirstUse,
    /// An `Idempotency-Key`, scoped to its caller.
    IdempotencyKey,
    /// The tag by which a refresh token is known to be ours.
    RefreshTag,
    /// A hash of a credential that another system made.
    Imported,
    /// A form on a page of ours, bound to the browser that it was shown in.
    OwnForm,
    /// The same, whichever set it came with: that it was taken over is remembered for ever.
    TakenOver,
    /// A password, before it is hashed for keeping.
    Password,
    /// A browser in which somebody has signed in before.
    KnownBrowser,
    /// No hash: the key under which small secrets are sealed.
    Sealing,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Credential => b"credential\0",
            Self::FirstUse => b"first-use\0",
            Self::IdempotencyKey => b"idempotency-key\0",
            Self::RefreshTag => b"refresh-tag\0",
            Self::Imported => b"imported\0",
            Self::OwnForm => b"own-form\0",
            Self::TakenOver => b"taken-over\0",
            Self::Password => b"password\0",
            Self::KnownBrowser => b"known-browser\0",
            Self::Sealing => b"sealing\0",
        }
    }
}

/// All peppers in use, the current one first.
#[derive(Debug)]
pub struct Peppers {
    current: Pepper,
    previous: Vec<Pepper>,
}

impl Peppers {
    /// Hashes new credentials under `current` and still finds those under `previous`.
    #[must_use]
    pub const fn new(current: Pepper, previous: Vec<Pepper>) -> Self {
        Self { current, previous }
    }

    /// Returns the pepper for new credentials.
    #[must_use]
    pub const fn current(&self) -> &Pepper {
        &self.current
    }

    /// Returns every pepper, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Pepper> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pepper, Purpose, Secret};

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "Secret(…)");
    }

    #[test]
    fn a_hash_depends_on_pepper_purpose_and_text() {
        let one = Pepper::new(1, &Secret::new([1; 32]));
        let two = Pepper::new(2, &Secret::new([2; 32]));
        let hash = one.hash(Purpose::Credential, "a");
        assert!(hash.matches(&one.hash(Purpose::Credential, "a")));
        assert!(!hash.matches(&two.hash(Purpose::Credential, "a")));
        assert!(!hash.matches(&one.hash(Purpose::IdempotencyKey, "a")));
        assert!(!hash.matches(&one.hash(Purpose::Credential, "b")));
    }
}
