//! What verifiers must learn, change by change; how the changes arrive is the store's business.
//!
//! **Invariant.** What a change builds on precedes it: see [`Rank`].

use crate::id::{CredentialId, OwnerKind};
use crate::learned::Learned;
use crate::record::{EndedToken, OwnerRecord};
use crate::resource::{Resource, ResourceId};
use crate::secret::SecretHash;
use crate::signing_key::SigningKeyRecord;
use crate::token::StoredClaims;

/// Something that verifiers must learn.
#[derive(Debug, Clone)]
pub enum Change {
    /// A credential is new or different.
    Credential(Box<Learned>),
    /// A credential cannot be read here: it is refused.
    Forgotten(SecretHash),
    /// A credential was removed.
    Removed {
        /// Which.
        credential: CredentialId,
        /// By what it was found.
        lookup: SecretHash,
    },
    /// An owner is new or different.
    Owner(Box<OwnerRecord>),
    /// A resource is new or different; `None`: it cannot be read here, and tokens for it are refused.
    Resource(ResourceId, Option<Box<Resource>>),
    /// A signing key is new or different.
    SigningKey(Box<SigningKeyRecord>),
    /// An opaque token was issued.
    Token(Box<TokenLearned>),
    /// A token was ended before its time.
    Ended(EndedToken),
    /// Everything that was issued has ended.
    Incarnation(i64),
}

/// What verifiers learn of a token that is known by its digest.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLearned {
    /// By what it is found.
    pub lookup: SecretHash,
    /// What it says, and the key that signed it.
    pub token: StoredClaims,
}

impl Change {
    /// Returns in which order changes are taken: organisations precede their members, and owners their credentials.
    #[must_use]
    pub fn rank(&self) -> Rank {
        match self {
            Self::Owner(record) if record.id.kind() == OwnerKind::Organisation => Rank::Organisation,
            Self::Owner(_) => Rank::Member,
            Self::Resource(..) => Rank::Resource,
            Self::Credential(_)
            | Self::Forgotten(_)
            | Self::Removed { .. }
            | Self::SigningKey(_)
            | Self::Token(_)
            | Self::Ended(_)
            | Self::Incarnation(_) => Rank::Credential,
        }
    }
}

/// What a change is about, as far as others build on it; the first are taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// An organisation.
    Organisation,
    /// Another owner.
    Member,
    /// A resource.
    Resource,
    /// A credential.
    Credential,
}

/// How a change was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// As it says.
    Taken,
    /// It says that a revoked credential lives: the revocation stands, and is to be written back.
    KeptRevoked(CredentialId),
    /// It names an owner that is not known: the feed lost something, start again from the whole.
    Incomplete,
    /// This version cannot read the credential's terms: it is refused.
    Unreadable(CredentialId),
}
