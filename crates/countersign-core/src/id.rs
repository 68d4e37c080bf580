//! Names of rows: 128 random bits, written with a prefix that tells what they name.
//!
//! Random, so that no id can be guessed from another (SAFETY 21); typed, so that an owner's id is never taken
//! for a credential's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::base62;
use crate::context::Entropy;

/// Base62 digits that 128 bits need.
const DIGITS: usize = 22;

/// The text names nothing of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an id such as {example}…")]
pub struct NotAnId {
    /// The prefix that was expected.
    pub example: &'static str,
}

/// The kinds of credential that exist. A closed set: each has a room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CredentialKind {
    /// A key of the protected API's callers.
    ApiKey,
    /// A key for the management API.
    ManagementKey,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::ApiKey, Self::ManagementKey];

    /// Returns the kind's name in records, settings and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::ManagementKey => "management_key",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "key_",
            Self::ManagementKey => "mgk_",
        }
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
            Self::Organisation => "org_",
            Self::Client => "client_",
            Self::User => "user_",
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

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:ty, $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            kind: $kind,
            bits: u128,
        }

        impl $name {
            /// Draws a fresh id.
            pub fn random(kind: $kind, entropy: &mut dyn Entropy) -> Self {
                Self { kind, bits: draw(entropy) }
            }

            /// Returns what the id names.
            #[must_use]
            pub const fn kind(self) -> $kind {
                self.kind
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}{}", self.kind.prefix(), base62::encode(self.bits, DIGITS))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <$kind>::ALL
                    .into_iter()
                    .find_map(|kind| Some(Self { kind, bits: digits(text.strip_prefix(kind.prefix())?)? }))
                    .ok_or(NotAnId { example: $example })
            }
        }

        text_in_json!($name);
    };
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

id!(
    /// Names a credential. It is no secret: it is shown in lists, headers and the audit.
    CredentialId,
    CredentialKind,
    "key_"
);

id!(
    /// Names an owner of credentials.
    OwnerId,
    OwnerKind,
    "org_"
);

impl CredentialId {
    /// The id of a draft, before minting draws one.
    pub(crate) const fn unset(kind: CredentialKind) -> Self {
        Self { kind, bits: 0 }
    }
}

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
        write!(formatter, "evt_{}", base62::encode(self.0, DIGITS))
    }
}

impl FromStr for EventId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("evt_").and_then(digits).map(Self).ok_or(NotAnId { example: "evt_" })
    }
}

text_in_json!(EventId);

fn draw(entropy: &mut dyn Entropy) -> u128 {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

fn digits(text: &str) -> Option<u128> {
    (text.len() == DIGITS).then(|| base62::decode(text)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{CredentialId, CredentialKind, OwnerId, OwnerKind};
    use crate::context::SeededEntropy;

    #[test]
    fn an_id_tells_its_kind_and_reads_back() {
        let mut entropy = SeededEntropy::new(1);
        for kind in CredentialKind::ALL {
            let id = CredentialId::random(kind, &mut entropy);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.kind(), kind);
        }
        let owner = OwnerId::random(OwnerKind::Client, &mut entropy);
        assert_eq!(owner.to_string().parse(), Ok(owner));
        assert!(owner.to_string().parse::<CredentialId>().is_err());
    }

    #[test]
    fn an_id_of_another_length_or_alphabet_is_refused() {
        for text in [
            "",
            "key_",
            "key_1",
            "key_0000000000000000000000x",
            "key_000000000000000000000-",
            "zzz_0000000000000000000000",
        ] {
            assert!(text.parse::<CredentialId>().is_err(), "{text}");
        }
    }
}
