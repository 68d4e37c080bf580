//! Judges an ID token (OpenID Connect Core 1.0 §3.1.3.7).

use std::sync::Arc;
use std::time::Duration;

use countersign_jose::algorithm::{JwsAlgorithm, SignatureAlgorithm};
use countersign_jose::jwk::PublicKey;
use countersign_jose::jws::{self, Compact};
use countersign_jose::jwt::{self, Claims};
use serde_json::Value;

use crate::identity::ID_TOKEN;
use crate::secret::constant_time_eq;
use crate::timestamp::Timestamp;
use crate::token::LEEWAY;

use super::model::{IdentityProvider, ProvenIdentity, Told, Unfit};

/// The longest ID token that is looked at, in bytes: some hundred groups of a directory. A bound, not a clause.
const MOST: usize = 16 * 1024;

/// An ID token as received. Nothing of it is believed.
#[derive(Debug)]
pub struct IdToken<'a> {
    message: Compact<'a>,
    algorithm: SignatureAlgorithm,
}

/// What is expected of an ID token.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The provider.
    pub provider: &'a Arc<IdentityProvider>,
    /// The attempt's.
    pub nonce: &'a str,
}

impl<'a> IdToken<'a> {
    /// Reads an ID token that is signed with one of `algorithms`.
    ///
    /// # Errors
    ///
    /// [`Unfit::Algorithm`], [`Unfit::Form`] and [`Unfit::Type`].
    pub fn parse(text: &'a str, algorithms: &[SignatureAlgorithm]) -> Result<Self, Unfit> {
        let message = Compact::parse(text, MOST).map_err(|error| {
            // `none`, and what is known and not supported, is refused where it is read.
            let is_header = matches!(error, jws::Error::Header(_));
            if is_header { Unfit::Algorithm } else { Unfit::Form("an ID token in compact form") }
        })?;
        let header = message.header();
        // Core §2 says nothing of `typ`; RFC 8725 §3.11: a token of another type is not this one.
        if header.typ().is_some() && !header.is_typ(ID_TOKEN) {
            return Err(Unfit::Type);
        }
        // RFC 7797 §7: a JWT does not use `b64`.
        if !header.is_payload_encoded() {
            return Err(Unfit::Form("an ID token whose payload is encoded"));
        }
        match header.algorithm() {
            JwsAlgorithm::Signature(algorithm) if algorithms.contains(&algorithm) => {
                Ok(Self { message, algorithm })
            }
            JwsAlgorithm::Signature(_) | JwsAlgorithm::Mac(_) => Err(Unfit::Algorithm),
        }
    }

    /// Returns the name of the key that it says has signed it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.message.header().kid()
    }

    /// Returns the algorithm by which it says it is signed.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Judges it at `now`; `key` is the published one that it means.
    ///
    /// # Errors
    ///
    /// [`Unfit`], by its reason.
    pub fn verify(
        self,
        now: Timestamp,
        key: &PublicKey,
        expected: &Expected<'_>,
    ) -> Result<ProvenIdentity, Unfit> {
        let verified = self.message.verify(key).map_err(|_| Unfit::Signature)?;
        let claims = verified.claims().map_err(|_| Unfit::Form("claims of the standard types"))?;
        let provider = expected.provider;
        claims.issued_by(&provider.issuer).map_err(|_| Unfit::Issuer)?;
        audience(&claims, &provider.client_id)?;
        alive(&claims, now)?;
        let nonce = claims.other.get("nonce").and_then(Value::as_str).unwrap_or_default();
        if !constant_time_eq(nonce.as_bytes(), expected.nonce.as_bytes()) {
            return Err(Unfit::Nonce);
        }
        let subject = claims.subject.as_deref().unwrap_or_default();
        ProvenIdentity::assertion(provider, subject, auth_time(&claims, now)?, Told::of(&claims.other))
    }
}

/// Core §3.1.3.7 (3) to (5): it is for us, and who it was issued to is us.
fn audience(claims: &Claims, client_id: &str) -> Result<(), Unfit> {
    let audience = claims.meant_for(client_id).map_err(|_| Unfit::Audience)?;
    match claims.other.get("azp") {
        None if audience.iter().all(|one| one == client_id) => Ok(()),
        Some(Value::String(party)) if party == client_id => Ok(()),
        None | Some(_) => Err(Unfit::Audience),
    }
}

/// Core §2: `exp` and `iat` are required.
fn alive(claims: &Claims, now: Timestamp) -> Result<(), Unfit> {
    let since_epoch = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
    claims.alive(since_epoch, LEEWAY).map_err(|error| match error {
        jwt::Error::Expired { .. } => Unfit::Expired,
        jwt::Error::NotYetValid { .. } => Unfit::NotYetValid,
        jwt::Error::Audience
        | jwt::Error::Issuer
        | jwt::Error::Json(_)
        | jwt::Error::Missing(_)
        | jwt::Error::Type { .. } => Unfit::Form("an ID token with an `exp`"),
    })?;
    let issued_at = claims.issued_at.ok_or(Unfit::Form("an ID token with an `iat`"))?;
    if issued_at.since_epoch() > since_epoch.saturating_add(LEEWAY) {
        return Err(Unfit::NotYetValid);
    }
    Ok(())
}

/// Returns when somebody has signed in, never later than now.
fn auth_time(claims: &Claims, now: Timestamp) -> Result<Option<Timestamp>, Unfit> {
    let Some(value) = claims.other.get("auth_time") else { return Ok(None) };
    let seconds = value.as_u64().ok_or(Unfit::Form("an `auth_time` in seconds"))?;
    Ok(Some(Timestamp::from_millis(0).plus(Duration::from_secs(seconds)).min(now)))
}
