//! What a decision wants done, and the decision's whole answer.

use std::sync::Arc;

use crate::audit::AuditEvent;
use crate::due::Due;
use crate::good_signatures::Signed;
use crate::id::{CredentialId, OwnerId};
use crate::imported_set::Upgrade;
use crate::meter::Metered;
use crate::record::{
    ConsentRecord, EndedToken, LinkedIdentity, MarkRecord, Membership, PersonRecord, Record, ResourceRecord,
    TakenOver,
};
use crate::secret::SecretHash;
use crate::tally::Kept;
use crate::timestamp::Timestamp;

/// A change to what is stored. Closed by the tables, never by kinds of credential; each is conditional, so that a lost race is seen and decided again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Adds a row.
    Insert(Record),
    /// Replaces a row that still has the version before. The whole next record; its version is one above the one that
    /// was seen.
    Advance(Record),
    /// Changes nothing; the commit is lost if what a person allows a client was changed or withdrawn since.
    Stands(Box<ConsentRecord>),
    /// Ends a credential for ever, whatever its version.
    Revoke {
        /// Which one.
        credential: CredentialId,
        /// When; an earlier revocation stands.
        at: Timestamp,
    },
    /// Ends a token before its time; done before, nothing changes.
    End(EndedToken),
    /// Removes a credential's row. Its audit remains.
    Remove(CredentialId),
    /// Forgets an artifact; gone before, nothing changes.
    Discard {
        /// What it is.
        kind: &'static str,
        /// Its name among its kind.
        family: CredentialId,
    },
    /// Forgets every artifact that began in a session at the issuer; gone before, nothing changes.
    Abandon(CredentialId),
    /// Forgets what a person allowed a client, and every artifact that belongs to it; gone before, nothing changes.
    Withdraw(CredentialId),
    /// Removes a resource that still has this version.
    Undeclare(ResourceRecord),
    /// Removes what is registered of a person that still has this version, their memberships, their identities elsewhere, and
    /// what they allow. The owner remains.
    Unregister(Box<PersonRecord>),
    /// Takes an identity elsewhere away from the person whose it is; the commit is lost if it is not.
    Unlink(Box<LinkedIdentity>),
    /// Takes all identities elsewhere away from a person; without one, nothing changes.
    UnlinkAll(OwnerId),
    /// Removes a membership that still has this version.
    Leave(Membership),
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
    /// Counts one more artifact of an owner until `until`; the commit is lost if there are `most` already.
    Room {
        /// Whose it is.
        owner: OwnerId,
        /// When it ends.
        until: Timestamp,
        /// The cap.
        most: u64,
    },
    /// Marks a first use; the commit is lost if the mark is there already.
    Mark(MarkRecord),
    /// Says that due work was done; the commit is lost if it was before, or is due at another time.
    Done(Due),
}

/// What using a credential leaves behind. Any ledger settles it, in memory where it has no store: a verification is given
/// nothing else to want.
#[derive(Debug, Clone)]
pub enum Use {
    /// Marks a first use; lost if the mark is there already (SAFETY 8).
    Mark {
        /// The keyed hash of the value and of whoever used it.
        lookup: SecretHash,
        /// When the mark may be forgotten.
        until: Timestamp,
    },
    /// Takes `cost` from what a meter allows, or nothing counts. Built by the walk alone, last.
    Spend {
        /// Which meter.
        meter: Arc<Metered>,
        /// How much.
        cost: u32,
    },
    /// Remembers that a token's signature is good, so that it is neither checked nor read again. Lossy: it is, then.
    GoodSignature(Box<Signed>),
    /// Asks that the key's own hash take the place of the one that came over. Queued; lossy, and then asked for again.
    Upgrade(Upgrade),
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

    /// Refuses. What the refusal itself wants done, such as the count of an attempt, is committed with its audit line;
    /// a refusal without effects is filed, and no commit is bought with it.
    pub const fn refused(reason: E, effects: Vec<Effect>, audit: AuditEvent) -> Self {
        Self { answer: Err(reason), effects, audit }
    }
}
