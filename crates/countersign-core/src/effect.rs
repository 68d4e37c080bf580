//! What a decision wants done, and the decision's whole answer.

use crate::audit::AuditEvent;
use crate::id::{CredentialId, OwnerId};
use crate::record::{CredentialRecord, MarkRecord, OwnerRecord, TakenOver};
use crate::tally::Kept;
use crate::timestamp::Timestamp;

/// A change to what is stored. A closed set; each is conditional, so that a lost race is seen and decided again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Adds a credential.
    InsertCredential(Box<CredentialRecord>),
    /// Adds an owner.
    InsertOwner(Box<OwnerRecord>),
    /// Replaces a credential that still has the version before `next.version`.
    AdvanceCredential {
        /// The whole next record; its version is one above the one that was seen.
        next: Box<CredentialRecord>,
    },
    /// Replaces an owner that still has the version before `next.version`.
    AdvanceOwner {
        /// The whole next record; its version is one above the one that was seen.
        next: Box<OwnerRecord>,
    },
    /// Ends a credential for ever, whatever its version.
    Revoke {
        /// Which one.
        credential: CredentialId,
        /// When; an earlier revocation stands.
        at: Timestamp,
    },
    /// Removes a credential's row. Its audit remains.
    Forget {
        /// Which one.
        credential: CredentialId,
    },
    /// Remembers for ever that the hash of a foreign key was taken over; the commit is lost if it was before.
    TakeOver(TakenOver),
    /// Changes nothing; the commit is lost if the organisation holds `most` already, those of this commit among them.
    Within {
        /// Which organisation.
        organisation: OwnerId,
        /// Of what.
        kept: Kept,
        /// The cap.
        most: u64,
    },
    /// Marks a first use; the commit is lost if the mark is there already.
    Mark(MarkRecord),
}

/// The whole answer of a decision. Total: a refusal has effects and an audit line too.
#[derive(Debug)]
#[must_use]
pub struct Outcome<T, E> {
    /// Granted or refused.
    pub answer: Result<T, E>,
    /// What is to be committed before the answer counts.
    pub effects: Vec<Effect>,
    /// The audit line. A decision without one cannot be built.
    pub audit: AuditEvent,
}

impl<T, E> Outcome<T, E> {
    /// Grants, once `effects` are committed.
    pub const fn granted(answer: T, effects: Vec<Effect>, audit: AuditEvent) -> Self {
        Self { answer: Ok(answer), effects, audit }
    }

    /// Refuses, with nothing to commit but the audit line.
    pub const fn refused(reason: E, audit: AuditEvent) -> Self {
        Self { answer: Err(reason), effects: Vec::new(), audit }
    }
}
