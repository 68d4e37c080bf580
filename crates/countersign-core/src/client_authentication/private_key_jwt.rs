//! `private_key_jwt`: an assertion that the client has signed (RFC 7521 §4.2, RFC 7523 §2.2 and §3).
//!
//! **Invariants.** The key is one that is registered of the client, or that it publishes where it said so, and its record says
//! the algorithm. `aud` is the issuer
//! alone, as plain text: whatever else is listed could be a server that the client was lured to
//! (FAPI 2.0 §5.3.3). An assertion counts once. One signature is verified whoever is named: an unknown client, a disabled one
//! and a wrong signature are the same work.

use std::time::Duration;

use bytes::Bytes;
use countersign_jose::algorithm::JwsAlgorithm;
use countersign_jose::jwk::PublicKey;
use countersign_jose::jws::{Compact, Verified as Signed};
use serde_json::Value;

use super::decoy::decoy;
use super::rules::{self, Claimed};
use super::{ClientRequest, Method, Recognition};
use crate::client_terms::{AuthMethod, ClientJwks};
use crate::context::Context;
use crate::credential::{Presented, Proven, Verified, Verify};
use crate::effect::Use;
use crate::ledger::{FoundClient, KeyMeant, Lookup, Used};
use crate::principal::Principal;
use crate::rejection::Rejection;
use crate::secret::Purpose;
use crate::timestamp::Timestamp;

/// The signed assertion.
pub(super) const METHOD: Method = Method { name: AuthMethod::PrivateKeyJwt.name(), recognise };

/// RFC 7523 §2.2.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest assertion; a bound, not a clause: a signature of RSA 4096 needs 700 characters.
const MOST: usize = 8 * 1024;
/// The longest `jti`; a bound, not a clause.
const LONGEST_ID: usize = 256;
/// How far an assertion may reach into the future: RFC 7523 §3 lets a server refuse one that is unreasonably far, and stock
/// libraries make them for one to ten minutes.
const NEAR: Duration = Duration::from_secs(10 * 60);
/// How far clocks may differ; FAPI 2.0 §5.3.2.1 asks for 10 s at least.
const LEEWAY: Duration = Duration::from_secs(30);

const MALFORMED: Rejection = Rejection::malformed(
    "expected client_assertion_type jwt-bearer, and client_assertion with a JWT whose iss and sub are the client's id, \
     and which has a jti (RFC 7523 §3)",
);
const AUDIENCE: Rejection =
    Rejection::new("client_assertion_audience", "`aud` is not the issuer as plain text");
const LIFE: Rejection =
    Rejection::new("client_assertion_life", "the assertion has ended, not begun, or reaches too far");
const REPLAYED: Rejection = Rejection::new("client_assertion_replayed", "the assertion was used before");
const SIGNATURE: Rejection =
    Rejection::new("client_assertion_signature", "no registered key of the client has signed the assertion");
const TYP: Rejection = Rejection::new("client_assertion_type", "the `typ` is another token's");

struct Assertion<'a> {
    message: Compact<'a>,
    client: Claimed,
    issuer: &'a str,
    /// What counts once.
    once: String,
}

fn recognise(request: ClientRequest<'_>) -> Recognition<'_> {
    let (kind, text) = (request.form.get("client_assertion_type"), request.form.get("client_assertion"));
    if kind.is_none() && text.is_none() {
        return None;
    }
    let text = text.filter(|_| kind == Some(TYPE));
    let read = text.and_then(|text| Assertion::read(text, request));
    Some(read.map(Assertion::boxed).ok_or(MALFORMED))
}

impl<'a> Assertion<'a> {
    fn read(text: &'a str, request: ClientRequest<'a>) -> Option<Self> {
        let message = Compact::parse(text, MOST).ok()?;
        // Only to know whose keys to ask for: it is read again once one of them has verified.
        let claims = message.unverified_claims().ok()?;
        let client = claims.subject?;
        // RFC 7521 §4.2: a client that is named beside it is the same.
        let named = request.form.get("client_id").is_none_or(|named| named == client);
        let id = claims.id.filter(|id| (1..=LONGEST_ID).contains(&id.len()))?;
        let agree = named && claims.issuer.as_deref() == Some(&client);
        let once = format!("client_assertion\0{client}\0{id}");
        agree.then(|| Self { message, client: Claimed::read(&client), issuer: request.issuer, once })
    }

    fn boxed(self) -> Box<dyn Presented + 'a> {
        Box::new(self)
    }

    /// Returns when the assertion ends, if it is the client's and good now.
    fn judge(&self, signed: Option<&Signed>, now: Timestamp) -> Result<Timestamp, Rejection> {
        let signed = signed.ok_or(SIGNATURE)?;
        let typ = signed.header().typ();
        let is_other =
            |_| !["JWT", "client-authentication+jwt"].iter().any(|typ| signed.header().is_typ(typ));
        if typ.is_some_and(is_other) {
            return Err(TYP);
        }
        let claims = signed.claims().map_err(|_| MALFORMED)?;
        if !is_alone(signed, self.issuer) {
            return Err(AUDIENCE);
        }
        let since = Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default());
        let end = claims.alive(since, LEEWAY).map_err(|_| LIFE)?.since_epoch();
        let life = Some(end.saturating_sub(since)).filter(|life| *life <= NEAR + LEEWAY).ok_or(LIFE)?;
        Ok(now.plus(life))
    }

    /// Returns which key the header means; `None`: one that signs nothing.
    fn meant(&self) -> Option<KeyMeant<'_>> {
        let header = self.message.header();
        let JwsAlgorithm::Signature(algorithm) = header.algorithm() else { return None };
        Some(KeyMeant { kid: header.kid(), algorithm })
    }

    /// Verifies by the one registered key that the header means, and by nobody's where there is none: whether a client is
    /// known does not show in the work.
    fn signed(&self, found: &FoundClient) -> Option<Signed> {
        let KeyMeant { kid, algorithm } = self.meant()?;
        let terms = found.owner.as_ref().and_then(|owner| owner.client());
        let keys = terms.as_ref().and_then(|terms| terms.jwks.as_ref()).map(ClientJwks::keys);
        let registered = keys.and_then(|keys| keys.find(kid, algorithm).ok());
        let own = registered.or(found.key.as_ref()).map(|key| &**key);
        let verified = verified(self.message.clone(), own.or_else(|| decoy(algorithm))?);
        verified.filter(|_| own.is_some())
    }
}

/// Verifies a signature; tests count how often.
fn verified(message: Compact<'_>, key: &PublicKey) -> Option<Signed> {
    #[cfg(test)]
    VERIFIED.with(|count| count.set(count.get() + 1));
    message.verify(key).ok()
}

#[cfg(test)]
thread_local! {
    /// How many signatures this thread has verified.
    pub(super) static VERIFIED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Tells whether `aud` is `issuer`, not a list that holds it.
fn is_alone(signed: &Signed, issuer: &str) -> bool {
    let claims = serde_json::from_slice::<Value>(signed.payload()).unwrap_or_default();
    claims.get("aud").and_then(Value::as_str) == Some(issuer)
}

impl Verify for Assertion<'_> {
    type Answer = FoundClient;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Client { client: self.client.id(), secret: None, once: Some(&self.once), key: self.meant() }
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundClient, _: Option<&Bytes>) -> Verified {
        let signed = self.signed(&found);
        let (owner, _) = rules::registered(context, &found, AuthMethod::PrivateKeyJwt)?;
        let end = match self.judge(signed.as_ref(), context.now) {
            Ok(end) => end,
            Err(rejection) => return rules::refuse(context, &found, rejection),
        };
        if found.used == Used::Before {
            return rules::refuse(context, &found, REPLAYED);
        }
        let mark = Use::Mark {
            lookup: context.peppers.current().hash(Purpose::FirstUse, &self.once),
            // Past the window, whatever the clocks: RFC 7523 §3 with SAFETY 17.
            until: end.plus(2 * LEEWAY),
        };
        let principal = Principal::assertion(rules::proof(owner, AuthMethod::PrivateKeyJwt));
        Ok(Proven { principal, uses: vec![mark] })
    }
}
