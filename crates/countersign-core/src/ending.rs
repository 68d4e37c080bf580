//! What has ended and must stay so: what a store that has lost it is told again (SAFETY 3).
//!
//! **Invariant.** An ending that could have been taken back names the version that it made: a store that has a later one
//! knows of it and has been told otherwise since.

use crate::authority::Authority;
use crate::id::{CredentialId, OwnerId};
use crate::timestamp::Timestamp;

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A credential was switched off.
    Disabled {
        /// Which.
        credential: CredentialId,
        /// When.
        at: Timestamp,
        /// The version that this made.
        version: i64,
    },
    /// An owner was switched off.
    OwnerDisabled {
        /// Who.
        owner: OwnerId,
        /// When.
        at: Timestamp,
        /// The version that this made.
        version: i64,
        /// By whose word; `None`: an operator's.
        by: Option<Authority>,
    },
    /// Everything before was ended for an owner's tokens: its generation was raised.
    Generation {
        /// Whose.
        owner: OwnerId,
        /// To what.
        generation: i64,
    },
    /// Everything that was issued has ended: the incarnation was raised.
    Incarnation {
        /// To what.
        n: i64,
    },
    /// A signing key was revoked.
    KeyRevoked {
        /// Its `kid`.
        key: CredentialId,
        /// When.
        at: Timestamp,
    },
    /// A credential was removed.
    Removed {
        /// Which.
        credential: CredentialId,
    },
    /// A credential was revoked.
    Revoked {
        /// Which.
        credential: CredentialId,
        /// When.
        at: Timestamp,
    },
    /// A credential ends earlier than it did: its end was brought forward, or it was rotated.
    Shortened {
        /// Which.
        credential: CredentialId,
        /// When it ends.
        at: Timestamp,
        /// The version that this made.
        version: i64,
    },
    /// A token was ended before its time.
    TokenEnded {
        /// Its `jti`.
        token: CredentialId,
        /// Until when that has to be remembered.
        until: Timestamp,
    },
}
