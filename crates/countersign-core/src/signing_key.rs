//! Signing keys as stored, and as verifiers know them: public, dated, of one purpose and one algorithm.
//!
//! **Invariants.** A key is published before it signs, and until the last token that it signed has ended. The private
//! part is sealed in a table of its own and is no part of a record. A key that was seen revoked stays so (SAFETY 3).

use std::fmt;
use std::str::FromStr;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::PublicKey;
use thiserror::Error;

use crate::due::Due;
use crate::id::{CredentialId, IdPrefix};
use crate::timestamp::Timestamp;

/// What the ids of signing keys begin with: their `kid`.
pub const SIGNING_KEY: IdPrefix = IdPrefix::new("sig");

/// What the sealed private parts are for, in the table of sealed values.
pub const SEALED: &str = "signing-key";

/// The name of the work that rotates a key.
pub const ROTATION: &str = "signing_key.rotate";

/// What a key signs, and nothing else (SAFETY 12, 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPurpose {
    /// Access tokens of the issuer.
    AccessToken,
    /// What the gateway asserts of callers to upstreams.
    Assertion,
}

impl KeyPurpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::AccessToken, Self::Assertion];

    /// Returns the stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::Assertion => "assertion",
        }
    }
}

/// The text names nothing that keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected access_token or assertion")]
pub struct NotAPurpose;

impl FromStr for KeyPurpose {
    type Err = NotAPurpose;

    fn from_str(text: &str) -> Result<Self, NotAPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == text).ok_or(NotAPurpose)
    }
}

/// Keys of one purpose and one algorithm, of which one signs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// What they sign.
    pub purpose: KeyPurpose,
    /// How.
    pub algorithm: SignatureAlgorithm,
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.purpose.name(), self.algorithm.as_str())
    }
}

/// The text names no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a purpose and an algorithm, such as `access_token ES256`")]
pub struct NotASlot;

impl FromStr for Slot {
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<Self, NotASlot> {
        let (purpose, algorithm) = text.split_once(' ').ok_or(NotASlot)?;
        let purpose = purpose.parse().map_err(|_| NotASlot)?;
        Ok(Self { purpose, algorithm: algorithm.parse().map_err(|_| NotASlot)? })
    }
}

/// A signing key as stored, without its private part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its `kid`.
    pub id: CredentialId,
    /// What it signs, and how.
    pub slot: Slot,
    /// Which of its slot it is: a second key of one number is lost.
    pub number: i64,
    /// Counts the changes.
    pub version: i64,
    /// The public key as a JWK (RFC 7517), JSON text.
    pub jwk: String,
    /// When it was made, and published.
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub active_at: Timestamp,
    /// When it stops signing, if a successor was made.
    pub retired_at: Option<Timestamp>,
    /// When the last token that it signed has ended.
    pub ends_at: Option<Timestamp>,
    /// When it was revoked, if it was: whatever it signed is refused.
    pub revoked_at: Option<Timestamp>,
    /// When its successor is to be made.
    pub rotate_at: Timestamp,
}

/// The state of a signing key at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It was revoked.
    Revoked,
    /// Nothing that it signed is good any more.
    Ended,
    /// It signs no longer; what it signed is good.
    Retired,
    /// It signs.
    Active,
    /// It is published, and does not sign yet.
    Prepared,
}

impl KeyState {
    /// Returns the state's name in lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Ended => "ended",
            Self::Retired => "retired",
            Self::Active => "active",
            Self::Prepared => "prepared",
        }
    }

    /// Tells whether verifiers believe it, and whether it is published.
    #[must_use]
    pub const fn is_trusted(self) -> bool {
        match self {
            Self::Retired | Self::Active | Self::Prepared => true,
            Self::Revoked | Self::Ended => false,
        }
    }
}

impl SigningKeyRecord {
    /// Returns the state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.ends_at.is_some_and(|end| end <= now) {
            KeyState::Ended
        } else if self.retired_at.is_some_and(|end| end <= now) {
            KeyState::Retired
        } else if self.active_at <= now {
            KeyState::Active
        } else {
            KeyState::Prepared
        }
    }

    /// Tells of the rotation that it asks for; `None`: it has a successor, or was revoked.
    #[must_use]
    pub fn due(&self) -> Option<Due> {
        let last = self.retired_at.is_none() && self.revoked_at.is_none();
        last.then(|| Due { kind: ROTATION, subject: self.slot.to_string(), at: self.rotate_at })
    }
}

/// A signing key as verifiers know it: parsed once.
#[derive(Debug)]
pub struct KnownKey {
    /// What is stored.
    pub record: SigningKeyRecord,
    /// The key, ready to verify.
    pub public: PublicKey,
}

impl KnownKey {
    /// Reads a stored key; `None`: its JWK cannot be read here, or is of another algorithm.
    #[must_use]
    pub fn read(record: SigningKeyRecord) -> Option<Self> {
        let jwk = serde_json::from_str(&record.jwk).ok()?;
        let public = PublicKey::from_jwk(&jwk, &[record.slot.algorithm]).ok()?;
        Some(Self { public: public.named(record.id.to_string()), record })
    }

    /// Returns the `kid`.
    #[must_use]
    pub const fn id(&self) -> CredentialId {
        self.record.id
    }

    /// Returns the state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        self.record.state(now)
    }
}
