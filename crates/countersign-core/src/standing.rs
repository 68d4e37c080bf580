//! "Is it still good, now?": one question to whatever proved a principal, for what stays open.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use crate::id::CredentialId;
use crate::known::KnownCredential;
use crate::signing_key::KnownKey;
use crate::timestamp::{Monotonic, Timestamp};
use crate::token::AccessClaims;

/// What verifiers know, as far as a standing asks.
pub trait Knows: Sync {
    /// Tells whether it is known well enough to say anything (SAFETY 4).
    fn is_fresh(&self, now: Monotonic) -> bool;

    /// Returns what is known now of a credential that was found before; `None`: it was forgotten.
    fn current(&self, before: &KnownCredential) -> Option<Arc<KnownCredential>>;

    /// Returns a signing key of ours by its `kid`.
    fn signing_key(&self, id: CredentialId) -> Option<Arc<KnownKey>>;

    /// Tells whether a token was ended before its time, or its family or its grant was.
    fn has_ended(&self, claims: &AccessClaims) -> bool;

    /// Returns the incarnation of the installation.
    fn incarnation(&self) -> i64;
}

/// The moment at which a standing is asked, and whom it may ask.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// What verifiers know.
    pub known: &'a dyn Knows,
    /// The wall clock.
    pub now: Timestamp,
    /// The clock that counts suspension.
    pub monotonic: Monotonic,
    /// Where the caller is.
    pub address: Option<IpAddr>,
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What proved a principal: a stored key, a token with its family and its signing key, a certificate, a session.
pub trait Standing: fmt::Debug + Send + Sync {
    /// Tells whether it is kept: one of few that are used again and again, and not one of the many tokens of a client.
    fn is_kept(&self) -> bool {
        false
    }

    /// Tells whether it can be over at all.
    fn may_end(&self) -> bool {
        true
    }

    /// Returns why it is over, by its stable code; `None`: it goes on.
    fn end(&self, watch: &Watch<'_>) -> Option<&'static str>;

    /// Notes a use at `now`; true if it is worth a report. Asked once a permit is settled, never by a decision.
    fn note_use(&self, now: Timestamp) -> bool;
}

/// Of the anonymous caller and the local operator, who hold nothing that could end.
#[derive(Debug)]
pub(crate) struct Lasting;

impl Standing for Lasting {
    fn may_end(&self) -> bool {
        false
    }

    fn end(&self, _: &Watch<'_>) -> Option<&'static str> {
        None
    }

    fn note_use(&self, _: Timestamp) -> bool {
        false
    }
}

/// [`Lasting`], once.
pub(crate) static LASTING: LazyLock<Arc<Lasting>> = LazyLock::new(|| Arc::new(Lasting));
