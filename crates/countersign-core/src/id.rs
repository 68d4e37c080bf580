//! Names of rows: 128 random bits, written with a prefix that tells what they name.
//!
//! Random, so that no id can be guessed from another (SAFETY 21); typed, so that an owner's id is never taken
//! for a credential's.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::base62;
use crate::entropy::Entropy;

/// Base62 digits that 128 bits need.
const DIGITS: usize = 22;
/// The longest prefix of a credential's id; a bound, not a clause.
const LONGEST_PREFIX: usize = 8;
/// What the ids of events begin with.
const EVENT: &str = "evt";

/// The text names nothing of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an id such as {example}…")]
pub struct NotAnId {
    /// The prefix that was expected.
    pub example: &'static str,
}

/// What the ids of one kind of credential begin with: up to 8 lower-case letters, without the `_` that follows.
///
/// An open set: each kind brings its own ([`crate::kind::Kind`]), and an id holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdPrefix([u8; LONGEST_PREFIX]);

impl IdPrefix {
    /// Names a prefix.
    ///
    /// # Panics
    ///
    /// If it is empty, longer than 8, or holds anything but lower-case letters. It is meant for constants, where that
    /// does not compile.
    #[must_use]
    #[expect(clippy::panic, reason = "it is meant for constants, where this is an error of the compiler")]
    pub const fn new(text: &str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(prefix) => prefix,
            None => panic!("expected 1 to 8 lower-case letters"),
        }
    }

    const fn read(mut text: &[u8]) -> Option<Self> {
        let mut bytes = [0; LONGEST_PREFIX];
        let mut rest: &mut [u8] = &mut bytes;
        if text.is_empty() {
            return None;
        }
        while let Some((letter, after)) = text.split_first() {
            let Some((place, left)) = rest.split_first_mut() else { return None };
            if !letter.is_ascii_lowercase() {
                return None;
            }
            *place = *letter;
            (text, rest) = (after, left);
        }
        Some(Self(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(LONGEST_PREFIX);
        self.0.get(..length).and_then(|letters| str::from_utf8(letters).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Who may own credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnerKind {
    /// A tenant of the installation.
    Organisation,
    /// Software acting for itself or for a resource owner (RFC 6749 §1.1).
    Client,
    /// A person (the resource owner of RFC 6749 §1.1).
    User,
}

impl OwnerKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Organisation, Self::Client, Self::User];

    /// Returns the kind's name in records and in the management API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Client => "client",
            Self::User => "user",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Organisation => "org",
            Self::Client => "client",
            Self::User => "user",
        }
    }
}

impl FromStr for OwnerKind {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(NotAnId { example: "organisation, client or user" })
    }
}

macro_rules! text_in_json {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// What is drawn of a credential's id, for whom 32 bytes for each are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IdBits([u8; 16]);

/// Names a credential. It is no secret: it is shown in lists, headers and the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId {
    prefix: IdPrefix,
    bits: u128,
}

impl CredentialId {
    /// Draws a fresh id.
    pub fn random(prefix: IdPrefix, entropy: &mut dyn Entropy) -> Self {
        Self { prefix, bits: draw(entropy) }
    }

    /// The id of a draft, before minting draws one.
    pub(crate) const fn unset(prefix: IdPrefix) -> Self {
        Self { prefix, bits: 0 }
    }

    /// Puts an id together again.
    pub(crate) const fn of(prefix: IdPrefix, bits: IdBits) -> Self {
        Self { prefix, bits: u128::from_be_bytes(bits.0) }
    }

    /// Returns what is drawn of the id.
    pub(crate) const fn bits(&self) -> IdBits {
        IdBits(self.bits.to_be_bytes())
    }

    /// Returns what tells the kind of the credential.
    #[must_use]
    pub const fn prefix(&self) -> IdPrefix {
        self.prefix
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self.prefix.as_str(), self.bits)
    }
}

impl FromStr for CredentialId {
    type Err = NotAnId;

    /// Reads the id of a credential of any kind, be it one that this version does not know. An owner's or an event's
    /// is none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let taken =
            |prefix: &str| prefix == EVENT || OwnerKind::ALL.iter().any(|kind| kind.prefix() == prefix);
        let read = |(prefix, rest): (&str, &str)| {
            let prefix = IdPrefix::read(prefix.as_bytes()).filter(|_| !taken(prefix))?;
            Some(Self { prefix, bits: digits(rest)? })
        };
        text.split_once('_').and_then(read).ok_or(NotAnId { example: "key_" })
    }
}

text_in_json!(CredentialId);

/// Names an owner of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId {
    kind: OwnerKind,
    bits: u128,
}

impl OwnerId {
    /// Returns the id of whatever is called so, the same everywhere.
    #[must_use]
    pub fn named(kind: OwnerKind, name: &str) -> Self {
        let digest = digest(&SHA256, name.as_bytes());
        let bits = digest.as_ref().first_chunk().map_or(0, |half: &[u8; 16]| u128::from_be_bytes(*half));
        Self { kind, bits }
    }

    /// Draws a fresh id.
    pub fn random(kind: OwnerKind, entropy: &mut dyn Entropy) -> Self {
        Self { kind, bits: draw(entropy) }
    }

    /// Returns what the id names.
    #[must_use]
    pub const fn kind(&self) -> OwnerKind {
        self.kind
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self.kind.prefix(), self.bits)
    }
}

impl FromStr for OwnerId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = |(prefix, rest): (&str, &str)| {
            let kind = OwnerKind::ALL.into_iter().find(|kind| kind.prefix() == prefix)?;
            Some(Self { kind, bits: digits(rest)? })
        };
        text.split_once('_').and_then(read).ok_or(NotAnId { example: "org_" })
    }
}

text_in_json!(OwnerId);

/// Names one audited event or decision; the `instance` of a problem document (RFC 9457 §3.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(u128);

impl EventId {
    /// Draws a fresh id.
    pub fn random(entropy: &mut dyn Entropy) -> Self {
        Self(draw(entropy))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, EVENT, self.0)
    }
}

impl FromStr for EventId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('_')
            .filter(|(prefix, _)| *prefix == EVENT)
            .and_then(|(_, rest)| digits(rest))
            .map(Self)
            .ok_or(NotAnId { example: "evt_" })
    }
}

text_in_json!(EventId);

fn draw(entropy: &mut dyn Entropy) -> u128 {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

fn write(formatter: &mut fmt::Formatter<'_>, prefix: &str, bits: u128) -> fmt::Result {
    formatter.write_str(prefix)?;
    formatter.write_str("_")?;
    formatter.write_str(base62::encode::<DIGITS>(bits).as_str())
}

fn digits(text: &str) -> Option<u128> {
    (text.len() == DIGITS).then(|| base62::decode(text)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{CredentialId, EventId, IdPrefix, OwnerId, OwnerKind};
    use crate::entropy::SeededEntropy;

    #[test]
    fn an_id_tells_its_kind_and_reads_back() {
        let mut entropy = SeededEntropy::new(1);
        for prefix in ["key", "mgk", "x", "abcdefgh"].map(IdPrefix::new) {
            let id = CredentialId::random(prefix, &mut entropy);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.prefix(), prefix);
        }
        for kind in OwnerKind::ALL {
            let owner = OwnerId::random(kind, &mut entropy);
            assert_eq!(owner.to_string().parse(), Ok(owner));
            assert_eq!(owner.kind(), kind);
            assert!(owner.to_string().parse::<CredentialId>().is_err());
        }
        let event = EventId::random(&mut entropy);
        assert_eq!(event.to_string().parse(), Ok(event));
        assert!(event.to_string().parse::<CredentialId>().is_err());
    }

    #[test]
    fn an_id_of_another_length_or_alphabet_is_refused() {
        for text in [
            "",
            "key_",
            "key_1",
            "_0000000000000000000000",
            "Key_0000000000000000000000",
            "abcdefghi_0000000000000000000000",
            "key_0000000000000000000000x",
            "key_000000000000000000000-",
            "k1_0000000000000000000000",
        ] {
            assert!(text.parse::<CredentialId>().is_err(), "{text}");
        }
        for text in ["zzz_0000000000000000000000", "key_0000000000000000000000", "org_", "org_1"] {
            assert!(text.parse::<OwnerId>().is_err(), "{text}");
        }
    }
}
