//! Whether a foreign token is good, wherever it is used: its signature, its times, its form. What a route asks of it is
//! judged by its criteria.

use std::sync::Arc;
use std::time::Duration;

use countersign_jose::jwk::NotFound;
use countersign_jose::jwt;
use serde_json::Value;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::credential::{Proven, Unproven, Verified};
use crate::effect::Use;
use crate::good_signatures::SignedBy;
use crate::ledger::FoundKey;
use crate::own::Evidence;
use crate::principal::{Principal, Proof, Subject};
use crate::rejection::Rejection;
use crate::scope::ScopeSet;
use crate::timestamp::Timestamp;
use crate::token::LEEWAY;

use super::kind::{KIND, SCHEME};
use super::model::{ForeignEvidence, ForeignStanding};
use super::wire::{ForeignToken, WRONG_ALGORITHM};

const SIGNATURE: Rejection = Rejection::new("wrong_signature", "the token's signature is not its issuer's");
const UNKNOWN_KEY: Rejection =
    Rejection::new("unknown_key", "the issuer publishes no key with the token's `kid`");
const AMBIGUOUS_KEY: Rejection = Rejection::new(
    "ambiguous_key",
    "the token names no `kid`, or one that several of the issuer's keys have",
);

/// Decides whether a foreign token proves its subject.
pub(super) fn verify(context: &Context<'_>, token: &ForeignToken<'_>, found: &FoundKey) -> Verified {
    match judge(context.now, token, found) {
        Ok((proof, uses)) => Ok(Proven { principal: Principal::assertion(proof), uses }),
        Err(rejection) => {
            let audit =
                AuditEvent::refused(context.now, KIND.verbs.verify, Actor::UNVERIFIED, rejection.code());
            // The issuer is one that a route names: no stranger's text.
            let audit = Box::new(audit.detail("issuer", token.said.issuer.clone()));
            Err(Unproven { rejection, uses: Vec::new(), audit })
        }
    }
}

fn judge(now: Timestamp, token: &ForeignToken<'_>, found: &FoundKey) -> Result<(Proof, Vec<Use>), Rejection> {
    let key = found.key.as_ref().map_err(|reason| match reason {
        NotFound::Algorithm => WRONG_ALGORITHM,
        NotFound::Ambiguous => AMBIGUOUS_KEY,
        NotFound::Kid => UNKNOWN_KEY,
    })?;
    // SAFETY 24: that the signature was good is all that is remembered.
    if !found.is_good && !token.is_signed_by(key) {
        return Err(SIGNATURE);
    }
    let ForeignEvidence { issuer, claims, .. } = &*token.said;
    let ends_at = alive(now, claims)?;
    let noted = || token.good_signature(SignedBy::Foreign(Arc::clone(key)), ends_at);
    let uses = (!found.is_good).then(noted).into_iter().collect();
    if claims.audience.as_ref().is_none_or(Vec::is_empty) {
        return Err(Rejection::malformed("the token has no `aud`"));
    }
    let scopes = scopes(claims.other.get("scope"))?;
    let subject = claims.subject.as_deref();
    let subject =
        subject.map(|subject| Subject::Foreign { issuer: issuer.as_str().into(), subject: subject.into() });
    let proof = Proof {
        subject,
        scopes: Arc::new(scopes),
        standing: Arc::new(ForeignStanding { ends_at }),
        own: Arc::new(Evidence(Arc::<ForeignEvidence>::clone(&token.said))),
        ..Proof::nothing(SCHEME)
    };
    Ok((proof, uses))
}

/// Returns when a token ends that lives `now`, the leeway included.
fn alive(now: Timestamp, claims: &jwt::Claims) -> Result<Timestamp, Rejection> {
    let since_epoch = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
    let end = claims.alive(since_epoch, LEEWAY).map_err(|error| match error {
        jwt::Error::Expired { .. } => Rejection::EXPIRED,
        jwt::Error::NotYetValid { .. } => Rejection::NOT_YET_VALID,
        jwt::Error::Audience
        | jwt::Error::Issuer
        | jwt::Error::Json(_)
        | jwt::Error::Missing(_)
        | jwt::Error::Type { .. } => Rejection::malformed("the token has no `exp`"),
    })?;
    // RFC 7519 §4.1.6 lets it be judged: a token from the future comes from a clock that nobody should believe.
    if claims.issued_at.is_some_and(|at| at.since_epoch() > since_epoch.saturating_add(LEEWAY)) {
        return Err(Rejection::NOT_YET_VALID);
    }
    Ok(Timestamp::from_millis(0).plus(end.since_epoch()).plus(LEEWAY))
}

/// Reads `scope` as RFC 8693 §4.2 has it; what is no text of scope-tokens is no scope, and no absence either.
fn scopes(claim: Option<&Value>) -> Result<ScopeSet, Rejection> {
    const EXPECTED: Rejection =
        Rejection::malformed("expected the token's `scope` to be text of scope-tokens");
    match claim {
        None => Ok(ScopeSet::default()),
        Some(Value::String(text)) => text.parse().map_err(|_| EXPECTED),
        Some(_) => Err(EXPECTED),
    }
}
