//! Signed assertions of callers, made for one upstream and told again for as long as they may be (SAFETY 12).
//!
//! A signature costs more than all the rest of a request, so that one assertion serves every request of a principal to
//! an upstream for half of its life. What is told again was made of the same facts: a scope that was taken away is in no
//! later assertion.
//!
//! **Invariants.** Nobody is asserted who presented nothing. The memory is bounded, and each worker has its own.
//!
//! What it does not do: keep keys. Who signs now is asked whenever something is signed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use countersign_core::assertion::{ASSERTION, Parties, REUSED, TYPE, claims};
use countersign_core::context::Entropy;
use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::principal::{Principal, Subject};
use countersign_core::timestamp::Timestamp;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws;
use http::HeaderValue;

/// The most assertions that a worker keeps, some kilobyte each; a bound, not a clause.
const MOST: usize = 4_096;

/// Knows which key signs assertions.
pub trait Signs: Send + Sync {
    /// Returns the key that signs now; `None`: there is none that can be used here.
    fn signer(&self) -> Option<Arc<SigningKey>>;
}

/// What one worker has asserted.
#[derive(Default)]
pub(crate) struct Assertions {
    /// By the upstream's name and whatever tells principals apart soonest.
    kept: HashMap<(Arc<str>, Who), Asserted>,
}

/// Whoever is asserted: a credential that is kept, or else a subject with the client that acts for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Credential(CredentialId),
    Subject(Subject, Option<OwnerId>),
}

struct Asserted {
    principal: Principal,
    at: Timestamp,
    field: HeaderValue,
}

/// What is needed to sign.
pub(crate) struct Making<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) signs: &'a dyn Signs,
    pub(crate) entropy: &'a mut dyn Entropy,
}

impl fmt::Debug for Assertions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Assertions").field("kept", &self.kept.len()).finish()
    }
}

impl Assertions {
    /// Returns what is told to `upstream` of `principal`; `None`: it is nobody, or nothing can be signed here.
    pub(crate) fn of(
        &mut self,
        principal: &Principal,
        upstream: &Arc<str>,
        now: Timestamp,
        making: &mut Making<'_>,
    ) -> Option<HeaderValue> {
        let subject = principal.subject()?;
        let by_subject = || Who::Subject(subject.clone(), principal.client());
        let who = principal.kept().map_or_else(by_subject, Who::Credential);
        let key = (Arc::clone(upstream), who);
        // A clock that went back makes them anew.
        let is_good = |one: &&Asserted| {
            one.at <= now && now < one.at.plus(REUSED) && one.principal.reads_like(principal)
        };
        if let Some(asserted) = self.kept.get(&key).filter(is_good) {
            return Some(asserted.field.clone());
        }
        let signer = making.signs.signer()?;
        let id = CredentialId::random(ASSERTION, making.entropy);
        let parties = Parties { issuer: making.issuer, upstream };
        let token = jws::sign(&signer, TYPE, &claims(parties, principal, id, now)?).ok()?;
        let field = HeaderValue::try_from(token).ok()?;
        self.make_room(now);
        self.kept.insert(key, Asserted { principal: principal.clone(), at: now, field: field.clone() });
        Some(field)
    }

    /// Forgets what is not told again; if that is not enough, everything: no order is kept.
    fn make_room(&mut self, now: Timestamp) {
        if self.kept.len() < MOST {
            return;
        }
        self.kept.retain(|_, one| now < one.at.plus(REUSED));
        if self.kept.len() > MOST / 2 {
            self.kept.clear();
        }
    }
}
