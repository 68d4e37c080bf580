//! Signed tokens of ours: what proves one, and whether it is good now, whatever it is for.
//!
//! **Invariants.** A token is believed by the key that its `kid` names and by nothing else, and as what its `typ` says alone
//! (RFC 8725 §3.11): an access token is no session, and a session no access token. What can change is judged at every use.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_jose::jws::Compact;
use countersign_jose::jwt::Claims;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::credential::{Proven, Unproven, Verified};
use crate::effect::Use;
use crate::good_signatures::SignedBy;
use crate::id::CredentialId;
use crate::kind::Kind;
use crate::known::KnownOwner;
use crate::ledger::{Acting, FoundToken, Lookup, TokenAsked, TokenProof};
use crate::own::Evidence;
use crate::principal::{Principal, Proof, Subject};
use crate::rejection::Rejection;
use crate::signed_text::{self, SignedText};
use crate::signing_key::{KeyPurpose, KnownKey};
use crate::standing::{Standing, Watch};
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, Generations, LEEWAY, PersonGenerations, StoredClaims};
use crate::verification::refuse;

/// What a signed token is for.
pub(crate) trait Typ: Send + Sync + 'static {
    /// Its `typ`.
    const TYP: &'static str;
    /// Why another one is refused.
    const WRONG: Rejection;
    /// The kind of credential that it is.
    const KIND: &'static Kind;
}

/// A signed token of ours, not yet believed.
pub(crate) type SignedToken<'a, T> = SignedText<'a, Said<T>>;

/// What a signed token says.
pub(crate) struct Said<T> {
    issuer: String,
    /// The name of the key in its header.
    pub(crate) key: CredentialId,
    pub(crate) claims: Arc<AccessClaims>,
    typ: PhantomData<fn() -> T>,
}

impl<T: Typ> signed_text::Said for Said<T> {
    fn read(message: &Compact<'_>, issuer: String, claims: Claims) -> Result<Self, Rejection> {
        // RFC 9068 §4: with or without `application/`; any other value is refused, so that no ID token passes here.
        if !message.header().is_typ(T::TYP) {
            return Err(T::WRONG);
        }
        let key = message.header().kid().and_then(|kid| kid.parse().ok()).ok_or(UNKNOWN_KEY)?;
        let claims = Arc::new(AccessClaims::read(claims).map_err(|_| CLAIMS)?);
        Ok(Self { issuer, key, claims, typ: PhantomData })
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// Its claims are not those of an access token of ours.
pub(crate) const CLAIMS: Rejection =
    Rejection::new("claims", "the token lacks claims of RFC 9068 §2.2, or they are of a wrong type");
/// The key that signed it was revoked, or has ended.
const KEY_REVOKED: Rejection =
    Rejection::new("key_revoked", "the key that signed the token was revoked, or has ended");
/// Its signature is not good.
const SIGNATURE: Rejection = Rejection::new("signature", "the token's signature is not good");
/// There is no signing key of this name.
pub(crate) const UNKNOWN_KEY: Rejection =
    Rejection::new("unknown_key", "no signing key has the name that the token's header states as `kid`");
/// The question that a signed token asks.
pub(crate) fn asked<'t, T: Typ>(token: &'t SignedToken<'_, T>) -> Lookup<'t> {
    let Said { key, claims, .. } = &*token.said;
    Lookup::Token(TokenAsked::Signed { key: *key, claims, digest: &token.digest })
}

/// Decides whether a signed token proves its client and subject.
pub(crate) fn verify_signed<T: Typ>(
    context: &Context<'_>,
    token: &SignedToken<'_, T>,
    found: &FoundToken,
) -> Verified {
    let claims = &token.said.claims;
    let proven = prove_signed(context.now, token, found);
    let judged = proven.and_then(|is_good| Ok((is_good, judge(context.now, claims, found)?)));
    let (is_good, good) = match judged {
        Ok(judged) => judged,
        Err(rejection) => return refused(context, T::KIND, claims, rejection),
    };
    let uses = if is_good { Vec::new() } else { vec![good_signature(token)] };
    Ok(Proven { principal: principal(T::KIND, claims, good, Some(token.said.key)), uses })
}

/// Asks that the signature of a token be remembered, which was found good now.
pub(crate) fn good_signature<T: Typ>(token: &SignedToken<'_, T>) -> Use {
    token.good_signature(SignedBy::Ours(token.said.key), token.said.claims.expires_at)
}

/// Demands that a signed token was issued here; tells whether its signature was found good before.
pub(crate) fn prove_signed<T: Typ>(
    now: Timestamp,
    token: &SignedToken<'_, T>,
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
pub(crate) fn prove_stored(now: Timestamp, found: &FoundToken) -> Result<&StoredClaims, Rejection> {
    let TokenProof::Stored { token: Some(stored), key } = &found.proof else {
        return Err(Rejection::UNKNOWN);
    };
    let is_trusted = key.as_ref().is_some_and(|key| key.state(now).is_trusted());
    if is_trusted || stored.token.signed_by.is_none() { Ok(&stored.token) } else { Err(KEY_REVOKED) }
}

/// Demands a signature by a key that is trusted now, for this purpose. The algorithm is the key's.
fn by_signature<T: Typ>(
    now: Timestamp,
    token: &SignedToken<'_, T>,
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
pub(crate) fn verify_stored(context: &Context<'_>, kind: &'static Kind, found: &FoundToken) -> Verified {
    let StoredClaims { claims, signed_by } = match prove_stored(context.now, found) {
        Ok(stored) => stored,
        Err(rejection) => return refuse(context, kind.verbs.verify, rejection),
    };
    match judge(context.now, claims, found) {
        Ok(good) => Ok(Proven { principal: principal(kind, claims, good, *signed_by), uses: Vec::new() }),
        Err(rejection) => refused(context, kind, claims, rejection),
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

fn refused(context: &Context<'_>, kind: &Kind, claims: &AccessClaims, rejection: Rejection) -> Verified {
    let audit = AuditEvent::refused(context.now, kind.verbs.verify, Actor::UNVERIFIED, rejection.code());
    let audit = audit.about(claims.id.to_string());
    Err(Unproven { rejection, uses: Vec::new(), audit: Box::new(audit) })
}

fn principal(
    kind: &Kind,
    claims: &Arc<AccessClaims>,
    good: Good<'_>,
    key: Option<CredentialId>,
) -> Principal {
    let standing = TokenStanding {
        claims: Arc::clone(claims),
        client: Arc::clone(good.client),
        person: good.person.cloned(),
        key,
    };
    Principal::assertion(Proof {
        scheme: kind.scheme,
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
