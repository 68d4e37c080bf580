//! The decisions about access tokens (RFC 9068 §4).

use std::sync::Arc;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::credential::{Proven, Unproven, Verified};
use crate::effect::Use;
use crate::good_signatures::SignedBy;
use crate::id::CredentialId;
use crate::known::KnownOwner;
use crate::ledger::{Acting, FoundToken, TokenProof};
use crate::own::Evidence;
use crate::principal::{Principal, Proof, Subject};
use crate::rejection::Rejection;
use crate::signing_key::{KeyPurpose, KnownKey};
use crate::standing::{Standing, Watch};
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, Generations, LEEWAY, PersonGenerations, StoredClaims};
use crate::verification::refuse;

use super::kind::{KIND, SCHEME};
use super::wire::SignedToken;

/// Its claims are not those of an access token of ours.
pub(super) const CLAIMS: Rejection =
    Rejection::new("claims", "the token lacks claims of RFC 9068 §2.2, or they are of a wrong type");
/// The key that signed it was revoked, or has ended.
const KEY_REVOKED: Rejection =
    Rejection::new("key_revoked", "the key that signed the token was revoked, or has ended");
/// Its signature is not good.
const SIGNATURE: Rejection = Rejection::new("signature", "the token's signature is not good");
/// There is no signing key of this name.
pub(super) const UNKNOWN_KEY: Rejection =
    Rejection::new("unknown_key", "no signing key has the name that the token's header states as `kid`");
/// It is another kind of JWT.
pub(super) const WRONG_TYPE: Rejection =
    Rejection::new("wrong_type", "the token's `typ` is not at+jwt: it is no access token (RFC 9068 §4)");

/// Decides whether a signed token proves its client and subject.
pub(super) fn verify_signed(context: &Context<'_>, token: &SignedToken<'_>, found: &FoundToken) -> Verified {
    let claims = &token.said.claims;
    let proven = prove_signed(context.now, token, found);
    let judged = proven.and_then(|is_good| Ok((is_good, judge(context.now, claims, found)?)));
    let (is_good, good) = match judged {
        Ok(judged) => judged,
        Err(rejection) => return refused(context, claims, rejection),
    };
    let uses = if is_good { Vec::new() } else { vec![good_signature(token)] };
    Ok(Proven { principal: principal(claims, good, Some(token.said.key)), uses })
}

/// Asks that the signature of a token be remembered, which was found good now.
pub(super) fn good_signature(token: &SignedToken<'_>) -> Use {
    token.good_signature(SignedBy::Ours(token.said.key), token.said.claims.expires_at)
}

/// Demands that a signed token was issued here; tells whether its signature was found good before.
pub(super) fn prove_signed(
    now: Timestamp,
    token: &SignedToken<'_>,
    found: &FoundToken,
) -> Result<bool, Rejection> {
    match &found.proof {
        TokenProof::Signature { key, is_good } => {
            by_signature(now, token, key.as_deref(), *is_good).map(|()| *is_good)
        }
        TokenProof::Stored { .. } => Err(UNKNOWN_KEY),
    }
}

/// Demands that a token was issued here which is known by its digest; one that was signed ends with its key.
pub(super) fn prove_stored(now: Timestamp, found: &FoundToken) -> Result<&StoredClaims, Rejection> {
    let TokenProof::Stored { token: Some(stored), key } = &found.proof else {
        return Err(Rejection::UNKNOWN);
    };
    let is_trusted = key.as_ref().is_some_and(|key| key.state(now).is_trusted());
    if is_trusted || stored.token.signed_by.is_none() { Ok(&stored.token) } else { Err(KEY_REVOKED) }
}

/// Demands a signature by a key that is trusted now, for this purpose. The algorithm is the key's.
fn by_signature(
    now: Timestamp,
    token: &SignedToken<'_>,
    key: Option<&KnownKey>,
    is_good: bool,
) -> Result<(), Rejection> {
    let key = key.filter(|key| key.record.slot.purpose == KeyPurpose::AccessToken).ok_or(UNKNOWN_KEY)?;
    if !key.state(now).is_trusted() {
        return Err(KEY_REVOKED);
    }
    if is_good || token.is_signed_by(&key.public) { Ok(()) } else { Err(SIGNATURE) }
}

/// Decides whether a token that is known by its digest proves its client and subject.
pub(super) fn verify_stored(context: &Context<'_>, found: &FoundToken) -> Verified {
    let StoredClaims { claims, signed_by } = match prove_stored(context.now, found) {
        Ok(stored) => stored,
        Err(rejection) => return refuse(context, KIND.verbs.verify, rejection),
    };
    match judge(context.now, claims, found) {
        Ok(good) => Ok(Proven { principal: principal(claims, good, *signed_by), uses: Vec::new() }),
        Err(rejection) => refused(context, claims, rejection),
    }
}

/// Judges what can change of a token whose text was proven. The one judgement, at the request, at introspection and for
/// what stays open.
///
/// # Errors
///
/// Why it is not good.
pub fn judge<'f>(
    now: Timestamp,
    claims: &AccessClaims,
    found: &'f FoundToken,
) -> Result<Good<'f>, Rejection> {
    let client = found.client.as_ref().ok_or(Rejection::UNKNOWN)?;
    let person = match (&found.acting, &claims.delegation) {
        (Acting::Itself, None) => None,
        (Acting::For(Some(person)), Some(delegation)) => Some((person, delegation)),
        (Acting::For(_), _) | (Acting::Itself, Some(_)) => return Err(Rejection::UNKNOWN),
    };
    if found.is_ended
        || !claims.generations.stands_in(Generations::now(found.incarnation, client))
        || person.is_some_and(|(person, then)| !then.generations.stands_in(PersonGenerations::now(person)))
    {
        return Err(Rejection::REVOKED);
    }
    if claims.expires_at <= now {
        return Err(Rejection::EXPIRED);
    }
    if now.plus(LEEWAY) < claims.issued_at {
        return Err(Rejection::NOT_YET_VALID);
    }
    let person = person.map(|(person, _)| person);
    let are_live = client.is_live() && person.is_none_or(|person| person.is_live());
    if are_live { Ok(Good { client, person }) } else { Err(Rejection::OWNER_DISABLED) }
}

/// Whom a good token belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Good<'f> {
    /// Its client.
    pub client: &'f Arc<KnownOwner>,
    /// The person for whom it acts, if it does.
    pub person: Option<&'f Arc<KnownOwner>>,
}

fn refused(context: &Context<'_>, claims: &AccessClaims, rejection: Rejection) -> Verified {
    let audit = AuditEvent::refused(context.now, KIND.verbs.verify, Actor::UNVERIFIED, rejection.code());
    let audit = audit.about(claims.id.to_string());
    Err(Unproven { rejection, uses: Vec::new(), audit: Box::new(audit) })
}

fn principal(claims: &Arc<AccessClaims>, good: Good<'_>, key: Option<CredentialId>) -> Principal {
    let standing = TokenStanding {
        claims: Arc::clone(claims),
        client: Arc::clone(good.client),
        person: good.person.cloned(),
        key,
    };
    Principal::assertion(Proof {
        scheme: SCHEME,
        subject: Some(Subject::Owner(claims.subject)),
        client: Some(claims.client),
        credential: Some(claims.id),
        owner: Some(Arc::clone(good.client)),
        scopes: Arc::clone(&claims.scopes),
        audience: Some(Arc::clone(&claims.audience)),
        confirmation: None,
        meter: None,
        standing: Arc::new(standing),
        own: Arc::new(Evidence(Arc::<AccessClaims>::clone(claims))),
    })
}

/// What a stream that was opened with a token goes on asking (SAFETY 18).
#[derive(Debug)]
struct TokenStanding {
    claims: Arc<AccessClaims>,
    client: Arc<KnownOwner>,
    person: Option<Arc<KnownOwner>>,
    /// The key that signed it; `None`: none did.
    key: Option<CredentialId>,
}

impl Standing for TokenStanding {
    fn end(&self, watch: &Watch<'_>) -> Option<&'static str> {
        let known = watch.known;
        if !known.is_fresh(watch.monotonic) {
            return Some("unavailable");
        }
        let trusted = |id| known.signing_key(id).is_some_and(|key| key.state(watch.now).is_trusted());
        if self.key.is_some_and(|id| !trusted(id)) {
            return Some(KEY_REVOKED.code());
        }
        // The key is trusted still: no more is asked of the proof.
        let found = FoundToken {
            proof: TokenProof::Stored { token: None, key: None },
            client: Some(Arc::clone(&self.client)),
            acting: self.person.clone().map_or(Acting::Itself, |person| Acting::For(Some(person))),
            is_ended: known.has_ended(&self.claims),
            incarnation: known.incarnation(),
        };
        judge(watch.now, &self.claims, &found).err().map(|rejection| rejection.code())
    }

    fn note_use(&self, _: Timestamp) -> bool {
        false
    }
}
