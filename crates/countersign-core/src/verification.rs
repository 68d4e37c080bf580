//! What every kind of key has in common once it was found: its state is judged, and a principal asserted.

use std::net::IpAddr;
use std::sync::Arc;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::credential::Rejection;
use crate::effect::Outcome;
use crate::kind::Kind;
use crate::known::KnownCredential;
use crate::ledger::Found;
use crate::principal::{Principal, Proof};
use crate::record::State;
use crate::scheme::Scheme;
use crate::timestamp::Timestamp;

/// Decides whether a presented key proves a principal.
pub(crate) fn verify(context: &Context<'_>, kind: &Kind, found: Found) -> Outcome<Principal, Rejection> {
    let action = kind.verbs.verify;
    let Found::Key(Some(known)) = found else {
        return refuse(context, action, Rejection::Unknown);
    };
    let organisation = Some(known.owner.organisation());
    if let Some(rejection) = rejection(context, &known) {
        let audit = AuditEvent::refused(context.now, action, Actor::UNVERIFIED, rejection.code());
        return Outcome::refused(
            rejection,
            Vec::new(),
            audit.within(organisation).about(known.id.to_string()),
        );
    }
    let principal = principal(kind.scheme, &known);
    let audit = AuditEvent::granted(context.now, action, Actor::of(&principal)).within(organisation);
    Outcome::granted(principal, Vec::new(), audit)
}

/// Refuses what is no credential at all.
pub(crate) fn refuse(
    context: &Context<'_>,
    action: &'static str,
    rejection: Rejection,
) -> Outcome<Principal, Rejection> {
    Outcome::refused(
        rejection,
        Vec::new(),
        AuditEvent::refused(context.now, action, Actor::UNVERIFIED, rejection.code()),
    )
}

/// Returns why a key is not good now; `None`: it is.
pub(crate) fn rejection(context: &Context<'_>, known: &KnownCredential) -> Option<Rejection> {
    rejection_at(context.now, context.address, known)
}

/// Returns why a key is not good at `now` from `address`; `None`: it is. For what is judged again after it was verified (SAFETY 18).
#[must_use]
pub fn rejection_at(now: Timestamp, address: Option<IpAddr>, known: &KnownCredential) -> Option<Rejection> {
    match known.life.state(now) {
        State::Revoked => Some(Rejection::Revoked),
        State::Disabled => Some(Rejection::Disabled),
        State::Expired => Some(Rejection::Expired),
        State::NotYetValid => Some(Rejection::NotYetValid),
        State::Live if !known.owner.is_live() => Some(Rejection::OwnerDisabled),
        State::Live if !known.admits(address) => Some(Rejection::AddressNotAllowed),
        State::Live => None,
    }
}

/// Tells whether a key is good now, wherever it comes from. Ledgers ask the feed once more about any other, known or
/// not: what is refused takes as long as what never was, and whoever measures learns nothing.
#[must_use]
pub fn stands_at(now: Timestamp, known: &KnownCredential) -> bool {
    known.life.state(now) == State::Live && known.owner.is_live()
}

/// Asserts the principal that a good key proves.
pub(crate) fn principal(scheme: Scheme, known: &KnownCredential) -> Principal {
    Principal::assertion(Proof {
        scheme,
        credential: Some(known.id),
        owner: Some(Arc::clone(&known.owner)),
        prefix: Some(Arc::clone(&known.prefix)),
        environment: known.environment,
        scopes: Arc::clone(&known.scopes),
        grantable: Arc::clone(&known.grantable),
    })
}

#[cfg(test)]
mod tests;
