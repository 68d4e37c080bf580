//! What every kind of stored credential has in common once it was found: its state is judged, and a principal asserted.

use std::net::IpAddr;
use std::sync::Arc;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::credential::{Proven, Unproven, Verified};
use crate::effect::Use;
use crate::id::OwnerKind;
use crate::kind::Kind;
use crate::known::KnownCredential;
use crate::ledger::FoundCredential;
use crate::principal::{Principal, Proof, Subject};
use crate::record::State;
use crate::rejection::Rejection;
use crate::standing::{Standing, Watch};
use crate::timestamp::Timestamp;

/// Decides whether a presented credential proves a principal.
pub(crate) fn verify(kind: &Kind, context: &Context<'_>, found: Option<&FoundCredential>) -> Verified {
    let action = kind.verbs.verify;
    let Some(FoundCredential { known, upgrade, used: _ }) = found else {
        return refuse(context, action, Rejection::UNKNOWN);
    };
    if let Some(rejection) = rejection_at(context.now, context.address, known) {
        let audit = AuditEvent::refused(context.now, action, Actor::UNVERIFIED, rejection.code());
        let audit = audit.within(Some(known.owner.organisation())).about(known.id().to_string());
        return Err(Unproven { rejection, uses: Vec::new(), audit: Box::new(audit) });
    }
    let uses = upgrade.iter().cloned().map(Use::Upgrade).collect();
    Ok(Proven { principal: principal(kind, known), uses })
}

/// Refuses what is no credential at all.
pub(crate) fn refuse(context: &Context<'_>, action: &'static str, rejection: Rejection) -> Verified {
    let audit = AuditEvent::refused(context.now, action, Actor::UNVERIFIED, rejection.code());
    Err(Unproven { rejection, uses: Vec::new(), audit: Box::new(audit) })
}

/// Returns why a credential is not good at `now` from `address`; `None`: it is. The one judgement, at the request and for
/// what stays open (SAFETY 18).
#[must_use]
pub fn rejection_at(now: Timestamp, address: Option<IpAddr>, known: &KnownCredential) -> Option<Rejection> {
    match known.life.state(now) {
        State::Revoked => Some(Rejection::REVOKED),
        State::Disabled => Some(Rejection::DISABLED),
        State::Expired => Some(Rejection::EXPIRED),
        State::NotYetValid => Some(Rejection::NOT_YET_VALID),
        State::Live if !known.owner.is_live() => Some(Rejection::OWNER_DISABLED),
        State::Live if !known.admits(address) => Some(Rejection::ADDRESS_NOT_ALLOWED),
        State::Live => None,
    }
}

/// Tells whether a credential is good now, wherever it comes from. Ledgers ask the feed once more about any other, known
/// or not: what is refused takes as long as what never was, and whoever measures learns nothing.
#[must_use]
pub fn stands_at(now: Timestamp, known: &KnownCredential) -> bool {
    known.life.state(now) == State::Live && known.owner.is_live()
}

/// Asserts the principal that a good credential proves.
pub(crate) fn principal(kind: &Kind, known: &Arc<KnownCredential>) -> Principal {
    let owner = known.owner.id();
    Principal::assertion(Proof {
        scheme: kind.scheme,
        subject: Some(Subject::Owner(owner)),
        // A stored credential of a client proves that client (RFC 6749 §2.3).
        client: (owner.kind() == OwnerKind::Client).then_some(owner),
        credential: Some(known.id()),
        owner: Some(Arc::clone(&known.owner)),
        scopes: Arc::clone(&known.terms.scopes),
        audience: None,
        confirmation: None,
        meter: known.metered.clone(),
        standing: Arc::<KnownCredential>::clone(known),
        own: Arc::clone(&known.terms.own),
    })
}

impl Standing for KnownCredential {
    fn is_kept(&self) -> bool {
        true
    }

    fn end(&self, watch: &Watch<'_>) -> Option<&'static str> {
        if !watch.known.is_fresh(watch.monotonic) {
            return Some("unavailable");
        }
        match watch.known.current(self).filter(|current| current.id() == self.id()) {
            None => Some("forgotten"),
            Some(current) => rejection_at(watch.now, watch.address, &current).map(Rejection::code),
        }
    }

    fn note_use(&self, now: Timestamp) -> bool {
        Self::note_use(self, now)
    }
}

#[cfg(test)]
mod tests;
