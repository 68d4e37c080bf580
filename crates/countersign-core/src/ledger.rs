//! The one door outside: questions as data, answers as values, commits that can be lost.

use std::sync::Arc;

use thiserror::Error;

use crate::audit::AuditEvent;
use crate::effect::Effect;
use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::imported_set::{Source, Upgrade};
use crate::key_string::KeyString;
use crate::known::KnownCredential;
use crate::record::{CredentialRecord, MarkRecord, OwnerRecord, TakenOver};
use crate::secret::SecretHash;
use crate::tally::Tally;

/// The one question that a credential or an act may ask.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// Which live credential is this key?
    Key {
        /// What the ids of its kind begin with.
        kind: IdPrefix,
        /// The key as presented.
        key: &'a KeyString,
    },
    /// Which imported key is this text?
    ImportedKey {
        /// Where it was found.
        source: Source<'a>,
        /// The text as presented.
        text: &'a str,
    },
    /// What is stored of this credential?
    Record(CredentialId),
    /// What does the making of a credential need?
    Creation {
        /// Who shall own it; `None`: the first organisation.
        owner: Option<OwnerId>,
        /// The mark of an `Idempotency-Key`.
        mark: Option<SecretHash>,
        /// The hash of a foreign key, under every pepper; empty for a key that is minted here.
        digests: Vec<SecretHash>,
    },
    /// What does the making of a successor of this credential need?
    Rotation(CredentialId),
    /// What is stored of this owner, and of the management keys that act for it or its members?
    Owner(OwnerId),
}

/// The answer to a [`Lookup`]; the variant is the question's.
#[derive(Debug)]
pub enum Found {
    /// To [`Lookup::Key`].
    Key(Option<Arc<KnownCredential>>),
    /// To [`Lookup::ImportedKey`].
    ImportedKey(Option<FoundImported>),
    /// To [`Lookup::Record`].
    Record(Option<Box<CredentialRecord>>),
    /// To [`Lookup::Creation`].
    Creation {
        /// The owner, if there is one of that name.
        owner: Option<Box<OwnerRecord>>,
        /// The organisation's record, if the owner is not one itself.
        organisation: Option<Box<OwnerRecord>>,
        /// The mark's record, if the `Idempotency-Key` was used before.
        earlier: Option<MarkRecord>,
        /// What the earlier use made, if it still exists.
        made: Option<Box<CredentialRecord>>,
        /// For whom the hash of a foreign key was taken over before.
        taken: Vec<TakenOver>,
        /// What the organisation holds.
        tally: Tally,
    },
    /// To [`Lookup::Rotation`].
    Rotation {
        /// What is stored of the credential.
        record: Option<Box<CredentialRecord>>,
        /// Who owns it.
        owner: Option<Box<OwnerRecord>>,
        /// The organisation's record, if the owner is not one itself.
        organisation: Option<Box<OwnerRecord>>,
        /// What the organisation holds.
        tally: Tally,
    },
    /// To [`Lookup::Owner`].
    Owner {
        /// What is stored.
        owner: Option<Box<OwnerRecord>>,
        /// The management keys that are not revoked.
        management_keys: Vec<CredentialRecord>,
    },
}

/// An imported key that was presented.
#[derive(Debug, Clone)]
pub struct FoundImported {
    /// The credential.
    pub known: Arc<KnownCredential>,
    /// What is to be done at its first use; `None`: it was used before.
    pub upgrade: Option<Upgrade>,
}

/// A breakdown, never a refusal: the answer is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// The races for one record did not end.
    #[error("the record kept changing: every attempt to commit was overtaken")]
    Contended,
    /// The store holds something that this version cannot read.
    #[error("the store holds a record that cannot be read: {0}")]
    Corrupt(String),
    /// What is known in memory is too old, or not there yet (SAFETY 4).
    #[error("the snapshot is older than feed.max_age: the store cannot be reached")]
    Stale,
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(String),
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// All effects are durable, and known to this node's verifiers.
    Done,
    /// A condition did not hold: nothing was changed, find and decide again.
    Lost,
}

/// What every edge has: it answers what a presented credential asks.
pub trait Ledger: Sync {
    /// Answers a question completely, whatever it takes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the answer is not known.
    fn find(&self, question: Lookup<'_>) -> impl Future<Output = Result<Found, Unavailable>> + Send;

    /// Files the line of a refusal that changes nothing. Never waits; beyond a rate lines are counted instead.
    fn file(&self, refusal: AuditEvent);
}

/// What acts need beside: only what has a store commits.
pub trait Durable: Ledger {
    /// Commits all effects and the audit line, or nothing.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it is not known to be durable.
    fn commit(
        &self,
        effects: Vec<Effect>,
        audit: AuditEvent,
    ) -> impl Future<Output = Result<Commit, Unavailable>> + Send;
}
