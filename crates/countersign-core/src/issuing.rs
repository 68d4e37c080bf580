//! The one choke point of issuance: whatever the grant, here it is decided what a client gets.
//!
//! **Invariants.** An [`Issuance`] is made here alone. Client, subject, audience and scope are judged anew for every
//! grant, on what is known now; a token is for one resource, and holds no scope that the resource or the client lacks.
//!
//! What it does not do: sign. An issuance holds the key that will.

use std::fmt;
use std::sync::Arc;

use countersign_jose::jwk::SigningKey;
use serde_json::{Map, Value};

use crate::access_token::OPAQUE_PREFIX;
use crate::client_terms::ClientTerms;
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::grant::{GrantError, Granting, Issue, Redeemed};
use crate::id::CredentialId;
use crate::key_string::KeyString;
use crate::known::KnownOwner;
use crate::ledger::Unavailable;
use crate::principal::Principal;
use crate::record::{ArtifactRecord, Record};
use crate::resource::{ClaimSource, Resource, Resources, TokenFormat};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::signing_key::{KeyPurpose, Slot};
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, Generations, TOKEN};
use crate::token_cap::{room, rooms};

/// The name of the act in the audit.
pub const ISSUE: &str = "token.issue";

/// What opaque tokens are, among artifacts.
pub const OPAQUE: &str = "access_token";

/// Finds the key of a slot that signs now; `None`: there is none that can be used here.
pub type Signer<'a> = &'a (dyn Fn(Slot) -> Option<Arc<SigningKey>> + Sync);

/// Who issues.
#[derive(Clone, Copy)]
pub struct Issuer<'a> {
    /// The `iss` of everything.
    pub url: &'a str,
    /// What tokens may be for.
    pub resources: &'a Resources,
    /// The incarnation of the installation.
    pub incarnation: i64,
    /// The keys that sign.
    pub signer: Signer<'a>,
}

impl fmt::Debug for Issuer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Issuer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a client gets.
#[derive(Debug)]
pub struct Issuance {
    /// What the token says.
    pub claims: AccessClaims,
    /// What it is.
    pub token: IssuedToken,
}

/// What an issued token is.
#[derive(Debug)]
pub enum IssuedToken {
    /// To be signed by this key.
    Signed(Arc<SigningKey>),
    /// A text that is shown once.
    Opaque(Secret<String>),
}

impl Issuance {
    const fn assertion(claims: AccessClaims, token: IssuedToken) -> Self {
        Self { claims, token }
    }
}

impl Issue for Issuer<'_> {
    type Issued = Issuance;

    fn issue(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        redeemed: &Redeemed,
        grant: Granting,
    ) -> Result<Outcome<Issuance, GrantError>, Unavailable> {
        let line = grant.audit.detail("grant_type", grant.grant_type);
        let (resource, claims) = match self.claims(context, client, redeemed, grant.grant_type) {
            Ok((resource, terms, claims)) => ((resource, terms), claims),
            Err(error) => {
                return Ok(Outcome::refused(error, Vec::new(), line.turned_down(error.reason())));
            }
        };
        let line = line
            .about(claims.id.to_string())
            .detail("audience", &*claims.audience)
            .detail("scope", claims.scopes.to_string())
            .detail("expires_at", claims.expires_at.to_string());
        let (resource, terms) = resource;
        let (token, effects) = match resource.format.unwrap_or(terms.token_format) {
            TokenFormat::Jwt => {
                let slot = Slot { purpose: KeyPurpose::AccessToken, algorithm: resource.algorithm.into() };
                let key = (self.signer)(slot).ok_or(Unavailable::NoSigningKey)?;
                (IssuedToken::Signed(key), Vec::new())
            }
            TokenFormat::Opaque => {
                if let Err(full) = room(context, grant.kept.as_ref()) {
                    let line = line.turned_down(full.reason()).detail("setting", full.setting());
                    return Ok(Outcome::refused(full.into(), Vec::new(), line));
                }
                self.opaque(context, client, &claims)?
            }
        };
        Ok(Outcome::granted(Issuance::assertion(claims, token), effects, line))
    }
}

impl Issuer<'_> {
    fn claims(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        redeemed: &Redeemed,
        grant_type: &str,
    ) -> Result<(Arc<Resource>, Arc<ClientTerms>, AccessClaims), GrantError> {
        let (owner, terms) = registered(client, grant_type)?;
        // A client acts for itself: there is no other subject yet whose state had to be looked at.
        if redeemed.subject != owner.id() {
            return Err(GrantError::InvalidGrant);
        }
        let resource = self.resource(&terms, redeemed.asked.audience.as_deref())?;
        let scopes = scopes(&terms, &resource, redeemed.asked.scopes.as_ref())?;
        // RFC 7519 §2: whole seconds; the earlier one, so that nothing is issued in the future.
        let issued_at = Timestamp::from_millis(context.now.millis().div_euclid(1000).saturating_mul(1000));
        let claims = AccessClaims {
            id: CredentialId::random(TOKEN, context.entropy),
            client: owner.id(),
            subject: redeemed.subject,
            audience: resource.id.as_str().into(),
            scopes: Arc::new(scopes),
            issued_at,
            expires_at: issued_at.plus(resource.lifetime),
            generations: Generations::now(self.incarnation, owner),
            further: mapped(&resource, &terms),
        };
        Ok((resource, terms, claims))
    }

    /// Finds what the token is for: one of the client's resources, or the default one where it has none of its own.
    fn resource(&self, terms: &ClientTerms, asked: Option<&str>) -> Result<Arc<Resource>, GrantError> {
        let default = self.resources.default_resource();
        let resource = match (asked, terms.audiences.as_slice()) {
            (None, []) => default.clone(),
            (None, [only]) => self.resources.find(only.as_str()),
            // SAFETY 12: with more than one, it is not guessed.
            (None, [_, _, ..]) => None,
            (Some(asked), []) => default.filter(|default| default.id.as_str() == asked),
            (Some(asked), own) => {
                own.iter().any(|one| one.as_str() == asked).then(|| self.resources.find(asked)).flatten()
            }
        };
        resource.ok_or(GrantError::InvalidTarget)
    }

    fn opaque(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        claims: &AccessClaims,
    ) -> Result<(IssuedToken, Vec<Effect>), Unavailable> {
        let defect = || Unavailable::Corrupt("an opaque token cannot be written".to_owned());
        let prefix = OPAQUE_PREFIX.parse().map_err(|_| defect())?;
        let text = KeyString::mint(&prefix, context.entropy);
        let payload = serde_json::to_string(&claims.to_json(self.url)).map_err(|_| defect())?;
        let organisation = client.organisation().ok_or_else(defect)?;
        let record = ArtifactRecord {
            kind: OPAQUE,
            lookup: text.hash(context.peppers.current()),
            family: claims.id.to_string(),
            client: claims.client,
            subject: claims.subject,
            organisation,
            expires_at: claims.expires_at,
            payload,
        };
        let mut effects = rooms(context, claims.client, organisation, claims.expires_at).to_vec();
        effects.push(Effect::Insert(Record::Artifact(Box::new(record))));
        Ok((IssuedToken::Opaque(text.into_secret()), effects))
    }
}

/// Demands a client that is registered for the grant, and lives.
fn registered<'p>(
    client: &'p Principal,
    grant_type: &str,
) -> Result<(&'p Arc<KnownOwner>, Arc<ClientTerms>), GrantError> {
    let owner = client.known_owner().filter(|owner| client.client() == Some(owner.id()));
    let owner = owner.ok_or(GrantError::UnauthorizedClient)?;
    let terms = owner.client().ok_or(GrantError::UnauthorizedClient)?;
    // RFC 6749 §4.4: this grant must be used by confidential clients only; none that is built is for public ones.
    let may =
        terms.grants.iter().any(|grant| grant.name() == grant_type) && terms.auth_method.is_confidential();
    if may && owner.is_live() { Ok((owner, terms)) } else { Err(GrantError::UnauthorizedClient) }
}

/// Decides on the scope (RFC 6749 §3.3): what is asked for has to be registered, and known to the resource; where
/// nothing is asked for it is all that is both.
fn scopes(
    terms: &ClientTerms,
    resource: &Resource,
    asked: Option<&ScopeSet>,
) -> Result<ScopeSet, GrantError> {
    if let Some(asked) = asked {
        let known = asked.iter().all(|scope| resource.takes(scope));
        let registered = terms.scopes.first_missing(asked).is_none();
        return if known && registered { Ok(asked.clone()) } else { Err(GrantError::InvalidScope) };
    }
    let both: Vec<_> = terms.scopes.iter().filter(|scope| resource.takes(scope)).cloned().collect();
    ScopeSet::try_from(both).map_err(|_| GrantError::InvalidScope)
}

/// Returns the claims that the resource asks for beside.
fn mapped(resource: &Resource, terms: &ClientTerms) -> Map<String, Value> {
    let value = |source: &ClaimSource| match source {
        ClaimSource::Text(text) => Some(Value::from(text.as_str())),
        ClaimSource::Metadata { metadata } => terms.metadata.get(metadata).cloned(),
    };
    resource.claims.iter().filter_map(|(name, source)| Some((name.clone(), value(source)?))).collect()
}

#[cfg(test)]
mod tests;
