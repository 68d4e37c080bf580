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
}
