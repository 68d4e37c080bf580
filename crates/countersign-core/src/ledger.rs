//! The one door outside: questions as data, answers as values, commits that can be lost.

use std::sync::Arc;

use thiserror::Error;

use crate::audit::AuditEvent;
use crate::effect::Effect;
use crate::id::IdPrefix;
use crate::imported_set::{Source, Upgrade};
use crate::key_string::KeyString;
use crate::known::KnownCredential;

/// The one question that a presented credential asks. Which one is only known when it is there; acts ask a
/// [`Question`], whose answer has one type.
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
}

/// The answer to a [`Lookup`]; the variant is the question's.
#[derive(Debug)]
pub enum Found {
    /// To [`Lookup::Key`].
    Key(Option<Arc<KnownCredential>>),
    /// To [`Lookup::ImportedKey`].
    ImportedKey(Option<FoundImported>),
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
    fn look_up(&self, question: Lookup<'_>) -> impl Future<Output = Result<Found, Unavailable>> + Send;

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

/// What an act asks. It owns its data, and its answer has one type.
pub trait Question: Send {
    /// What answers it.
    type Answer: Send;
}

/// Answers the questions of acts. Its method and [`Ledger::look_up`] have names of their own: a store has both.
pub trait Find<Q: Question>: Sync {
    /// Answers a question completely, whatever it takes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the answer is not known.
    fn find(&self, question: Q) -> impl Future<Output = Result<Q::Answer, Unavailable>> + Send;
}
