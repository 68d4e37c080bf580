//! The one door outside: questions as data, answers as values, commits that can be lost.

use std::fmt;
use std::sync::Arc;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::{NotFound, PublicKey};
use thiserror::Error;

use crate::audit::AuditEvent;
use crate::effect::{Effect, Use};
use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::imported_set::{Source, Upgrade};
use crate::issued::StoredToken;
use crate::known::{KnownCredential, KnownOwner};
use crate::meter::{Charge, Exceeded};
use crate::principal::Principal;
use crate::record::{ArtifactRecord, FoundPerson};
use crate::signing_key::KnownKey;
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, TokenDigest};

/// The one question that a presented credential asks. Which one is only known when it is there; acts ask a
/// [`Question`], whose answer has one type.
pub enum Lookup<'a> {
    /// None: what is presented proves itself.
    Nothing,
    /// Which credential of this kind is this text?
    Credential {
        /// What the ids of its kind begin with.
        kind: IdPrefix,
        /// The text as presented.
        secret: &'a str,
        /// What is presented with it and counts once; `None`: it counts as often as it is used.
        once: Option<&'a str>,
    },
    /// Which imported key is this text?
    Imported {
        /// Where it was found.
        source: Source<'a>,
        /// The text as presented.
        text: &'a str,
    },
    /// Who is this client, and is this secret one that was minted for any?
    Client {
        /// Its name; `None`: what was named is no client's.
        client: Option<OwnerId>,
        /// What the ids of secrets begin with, and the text as presented; `None`: none was.
        secret: Option<(IdPrefix, &'a str)>,
        /// What is presented with it and counts once.
        once: Option<&'a str>,
        /// Which key an assertion means, for a client that publishes its keys.
        key: Option<KeyMeant<'a>>,
    },
    /// What is kept of what was handed out to a client, and in what state is who it acts for?
    HandedOut {
        /// What it is.
        kind: &'static str,
        /// By what it is found.
        by: HandedOutBy<'a>,
    },
    /// Was this used before, which counts once?
    Once(&'a str),
    /// What is known of a token of ours?
    Token(TokenAsked<'a>),
    /// Which key of a foreign issuer does a token mean?
    ForeignKey(KeyAsked<'a>),
}

/// By what something that was handed out is found.
#[derive(Clone, Copy)]
pub enum HandedOutBy<'a> {
    /// By its text.
    Text(&'a str),
    /// By its name, which its text holds.
    Family(CredentialId),
}

/// Says by what, never the text.
impl fmt::Debug for HandedOutBy<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text"),
            Self::Family(family) => write!(formatter, "Family({family})"),
        }
    }
}

/// What was handed out to a client.
#[derive(Debug, Clone, Default)]
pub struct FoundHandedOut {
    /// What is kept of it.
    pub record: Option<Box<ArtifactRecord>>,
    /// Who it acts for, as far as anybody has said.
    pub subject: Option<Arc<KnownOwner>>,
    /// What is stored of them.
    pub person: Option<Box<FoundPerson>>,
}

/// What a token of ours names, not yet believed.
#[derive(Clone, Copy)]
pub enum TokenAsked<'a> {
    /// A signed one.
    Signed {
        /// The `kid` of its header.
        key: CredentialId,
        /// What it says.
        claims: &'a AccessClaims,
        /// The SHA-256 of the whole token.
        digest: &'a TokenDigest,
    },
    /// One that is known by its digest alone: its text.
    Stored(&'a str),
}

/// Says of which form, never what.
impl fmt::Debug for TokenAsked<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signed { .. } => "Signed",
            Self::Stored(_) => "Stored",
        })
    }
}

/// Which of its signer's keys a message means.
#[derive(Debug, Clone, Copy)]
pub struct KeyMeant<'a> {
    /// Its name: opaque (RFC 7515 §4.1.4).
    pub kid: Option<&'a str>,
    /// The algorithm that the message is signed by.
    pub algorithm: SignatureAlgorithm,
}

/// What a token says of the key that it is signed with.
#[derive(Debug, Clone, Copy)]
pub struct KeyAsked<'a> {
    /// Whose key it is.
    pub issuer: &'a str,
    /// Its name: opaque (RFC 7515 §4.1.4).
    pub kid: Option<&'a str>,
    /// The algorithm that the token is signed by.
    pub algorithm: SignatureAlgorithm,
    /// The SHA-256 of the whole token.
    pub digest: &'a TokenDigest,
}

/// Says what is asked, never by which text: a derived one would print secrets.
impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Credential { .. } => "Credential",
            Self::Imported { .. } => "Imported",
            Self::Client { .. } => "Client",
            Self::HandedOut { .. } => "HandedOut",
            Self::Once(_) => "Once",
            Self::Token(_) => "Token",
            Self::ForeignKey(_) => "ForeignKey",
        })
    }
}

/// The answer to a [`Lookup`].
#[derive(Debug)]
pub enum Found {
    /// To [`Lookup::Nothing`].
    Nothing,
    /// To [`Lookup::Credential`] and [`Lookup::Imported`].
    Credential(Option<FoundCredential>),
    /// To [`Lookup::Client`].
    Client(FoundClient),
    /// To [`Lookup::HandedOut`].
    HandedOut(FoundHandedOut),
    /// To [`Lookup::Once`].
    Once(Used),
    /// To [`Lookup::Token`].
    Token(FoundToken),
    /// To [`Lookup::ForeignKey`].
    ForeignKey(FoundKey),
}

/// What is known of a token of ours. Whether it is good is not said: that is the verification's.
#[derive(Debug, Clone)]
pub struct FoundToken {
    /// What proves it.
    pub proof: TokenProof,
    /// Its client, if there is one of that name.
    pub client: Option<Arc<KnownOwner>>,
    /// For whom it acts.
    pub acting: Acting,
    /// Whether it was ended before its time, or its family or grant was.
    pub is_ended: bool,
    /// The incarnation of the installation.
    pub incarnation: i64,
}

impl FoundToken {
    /// Tells whether all that it hangs on is known here. What is not may have been made a moment ago at another node.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let proven = match &self.proof {
            TokenProof::Signature { key, .. } => key.is_some(),
            TokenProof::Stored { token: Some(stored), key } => {
                stored.token.signed_by.is_some() == key.is_some() && !self.is_ended
            }
            TokenProof::Stored { token: None, .. } => false,
        };
        proven && self.client.is_some() && !matches!(self.acting, Acting::For(None))
    }
}

/// For whom a client acts.
#[derive(Debug, Clone)]
pub enum Acting {
    /// For itself.
    Itself,
    /// For a person; `None`: there is none of that name.
    For(Option<Arc<KnownOwner>>),
}

/// What proves a token of ours.
#[derive(Debug, Clone)]
pub enum TokenProof {
    /// The key that its header names, if there is one.
    Signature {
        /// The key.
        key: Option<Arc<KnownKey>>,
        /// Whether its signature was found good before, by this very key.
        is_good: bool,
    },
    /// That it was stored when it was issued.
    Stored {
        /// What is known by its digest, if anything is.
        token: Option<Arc<StoredToken>>,
        /// The key that signed it, if one did and is known here.
        key: Option<Arc<KnownKey>>,
    },
}

/// A client that was named.
#[derive(Debug, Clone)]
pub struct FoundClient {
    /// Who it is, if anybody is called so.
    pub owner: Option<Arc<KnownOwner>>,
    /// The secret that was presented, if it is one; whose, it says.
    pub secret: Option<Arc<KnownCredential>>,
    /// Whether what counts once was used before.
    pub used: Used,
    /// The key that an assertion means among those that the client publishes; `None`: there is none, or it publishes none.
    pub key: Option<Arc<PublicKey>>,
}

/// A foreign issuer's key.
#[derive(Debug, Clone)]
pub struct FoundKey {
    /// The one that is meant, or why there is none.
    pub key: Result<Arc<PublicKey>, NotFound>,
    /// Whether the token's signature was found good before, by this very key.
    pub is_good: bool,
}

impl FoundKey {
    /// Says that there is none.
    #[must_use]
    pub const fn none(reason: NotFound) -> Self {
        Self { key: Err(reason), is_good: false }
    }
}

/// A credential that was presented.
#[derive(Debug, Clone)]
pub struct FoundCredential {
    /// The credential.
    pub known: Arc<KnownCredential>,
    /// What is to be done at the first use of an imported key; `None`: it was used before, or was minted here.
    pub upgrade: Option<Upgrade>,
    /// Whether what counts once was used before.
    pub used: Used,
}

/// Whether what counts once was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// It is marked.
    Before,
    /// It is not, or nothing of the kind was presented.
    Never,
}

/// The typed end of a [`Found`]. That the answer is to another question is a breakdown, said once here: no room can
/// write it as a refusal.
pub trait Answer: Sized + Send {
    /// Takes the answer.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Misanswered`].
    fn of(found: Found) -> Result<Self, Unavailable>;
}

impl Answer for () {
    fn of(found: Found) -> Result<Self, Unavailable> {
        let Found::Nothing = found else { return Err(Unavailable::Misanswered) };
        Ok(())
    }
}

/// Names the variant that holds each answer.
macro_rules! answers {
    ($($variant:ident($answer:ty))*) => {
        $(impl Answer for $answer {
            fn of(found: Found) -> Result<Self, Unavailable> {
                let Found::$variant(found) = found else { return Err(Unavailable::Misanswered) };
                Ok(found)
            }
        })*
    };
}

answers! {
    HandedOut(FoundHandedOut)
    Client(FoundClient)
    Credential(Option<FoundCredential>)
    ForeignKey(FoundKey)
    Once(Used)
    Token(FoundToken)
}

/// A breakdown, never a refusal: the answer is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// The keys that a client publishes cannot be fetched, and none that were fetched may be believed still.
    #[error("the keys that a client publishes are not known: see the log for what came of fetching them")]
    ClientKeys,
    /// The races for one record did not end.
    #[error("the record kept changing: every attempt to commit was overtaken")]
    Contended,
    /// The keys of a foreign issuer cannot be fetched, and none that were fetched may be believed still.
    #[error("the keys of a foreign issuer are not known: see the log for what came of fetching them")]
    ForeignKeys,
    /// The store holds something that this version cannot read.
    #[error("the store holds a record that cannot be read: {0}")]
    Corrupt(String),
    /// The ledger has answered another question than was asked: a defect.
    #[error("the ledger answered another question than was asked")]
    Misanswered,
    /// There is no signing key that can be used here.
    #[error("no signing key can be used here: see signing-key list, and whether the master key opens it")]
    NoSigningKey,
    /// Marks of first use fill the memory that they may take (SAFETY 8).
    #[error("there are more marks of first use than can be kept")]
    TooManyMarks,
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

/// How settling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// All of it counts. How each [`Use::Spend`] stands now, in their order.
    Done(Vec<Charge>),
    /// A mark was there already: nothing counts, find and decide again.
    Lost,
    /// A meter has no room: nothing counts, and deciding again would not help.
    Exceeded(Exceeded),
}

/// What every edge has: it answers what a presented credential asks, and settles what its use leaves behind.
pub trait Ledger: Sync {
    /// Asked before anything, also where a credential asks no question (SAFETY 4).
    ///
    /// # Errors
    ///
    /// [`Unavailable::Stale`].
    fn ready(&self) -> Result<(), Unavailable>;

    /// Answers a question completely, whatever it takes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the answer is not known.
    fn look_up(&self, question: Lookup<'_>) -> impl Future<Output = Result<Found, Unavailable>> + Send;

    /// Settles all uses, or none.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it is not known whether they are settled.
    fn settle(
        &self,
        now: Timestamp,
        uses: Vec<Use>,
    ) -> impl Future<Output = Result<Settled, Unavailable>> + Send;

    /// Notes that `principal` was settled and used. Never waits; lossy under stated bounds.
    fn used(&self, principal: &Principal, now: Timestamp);

    /// Files the line of a refusal that changes nothing. Never waits; beyond a rate lines are counted instead.
    fn file(&self, refusal: AuditEvent);
}

/// What acts need beside: only what has a store commits.
pub trait Durable: Ledger {
    /// Commits all effects and the audit lines, or nothing.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it is not known to be durable.
    fn commit(
        &self,
        effects: Vec<Effect>,
        audits: Vec<AuditEvent>,
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

    /// Answers many, in their order.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if one answer is not known.
    fn find_each(
        &self,
        questions: Vec<Q>,
    ) -> impl Future<Output = Result<Vec<Q::Answer>, Unavailable>> + Send {
        async move {
            let mut answers = Vec::with_capacity(questions.len());
            for question in questions {
                answers.push(self.find(question).await?);
            }
            Ok(answers)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lookup;
    use crate::id::IdPrefix;
    use crate::imported_set::Source;

    #[test]
    fn safety_25_a_question_prints_no_secret() {
        let (kind, secret) = (IdPrefix::new("key"), "hush");
        for question in [
            Lookup::Nothing,
            Lookup::Credential { kind, secret, once: Some(secret) },
            Lookup::Imported { source: Source::Anywhere, text: secret },
            Lookup::Client { client: None, secret: Some((kind, secret)), once: Some(secret), key: None },
            Lookup::Once(secret),
        ] {
            assert!(!format!("{question:?}").contains(secret));
        }
    }
}
