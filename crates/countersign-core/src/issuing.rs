//! The one choke point of issuance: whatever the grant, here it is decided what a client gets.
//!
//! **Invariants.** An [`Issuance`] is made here alone. Client, subject, audience and scope are judged anew for every
//! grant, on what is known now; a token is for one resource, and holds no scope that the resource or the client lacks.
//!
//! What it does not do: sign and encrypt. There is chance in both; whoever issues brings a [`Writer`].

use std::fmt;
use std::sync::Arc;

use countersign_jose::jwk::EncryptionKey;
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
use crate::resource_jwks::ResourceJwks;
use crate::scope::ScopeSet;
use crate::secret::{Purpose, Secret};
use crate::signing_key::{KeyPurpose, Slot};
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, Generations, StoredClaims, TOKEN};
use crate::token_cap::{room, rooms};

/// The name of the act in the audit.
pub const ISSUE: &str = "token.issue";

/// What tokens that are known by their digests are, among artifacts.
pub const STORED: &str = "access_token";

/// A token that is to be written.
#[derive(Debug)]
pub struct Draft<'a> {
    /// In which slot it is signed.
    pub slot: Slot,
    /// Its claims, with their `iss`.
    pub claims: Map<String, Value>,
    /// For whom it is encrypted; `None`: everybody reads it.
    pub reader: Option<&'a EncryptionKey>,
}

/// A token that was written.
#[derive(Debug)]
pub struct Written {
    /// The key that signed it.
    pub key: CredentialId,
    /// The whole of it.
    pub text: Secret<String>,
}

/// Writes a token: signs it with the key of its slot that signs now, and encrypts what it has signed.
pub type Writer<'a> = &'a (dyn Fn(&Draft<'_>) -> Result<Written, Unavailable> + Sync);

/// Who issues.
#[derive(Clone, Copy)]
pub struct Issuer<'a> {
    /// The `iss` of everything.
    pub url: &'a str,
    /// What tokens may be for.
    pub resources: &'a Resources,
    /// The incarnation of the installation.
    pub incarnation: i64,
    /// What writes tokens.
    pub writer: Writer<'a>,
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
    /// Its text, which is shown once.
    pub token: Secret<String>,
}

impl Issuance {
    const fn assertion(claims: AccessClaims, token: Secret<String>) -> Self {
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
        let format = resource.format.unwrap_or(terms.token_format);
        if is_kept(&resource, format)
            && let Err(full) = room(context, grant.kept.as_ref())
        {
            let line = line.turned_down(full.reason()).detail("setting", full.setting());
            return Ok(Outcome::refused(full.into(), Vec::new(), line));
        }
        let (token, effects) = match format {
            TokenFormat::Jwt => self.written(context, client, &resource, &claims)?,
            TokenFormat::Opaque => self.opaque(context, client, &claims)?,
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
            delegation: None,
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

    /// Signs a token. Only the resource can read one that is encrypted: here it is known by its digest, as an opaque one is.
    fn written(
        &self,
        context: &Context<'_>,
        client: &Principal,
        resource: &Resource,
        claims: &AccessClaims,
    ) -> Result<(Secret<String>, Vec<Effect>), Unavailable> {
        let slot = Slot { purpose: KeyPurpose::AccessToken, algorithm: resource.algorithm.into() };
        let reader = resource.jwks.as_ref().map(ResourceJwks::key);
        let Written { key, text } = (self.writer)(&Draft { slot, claims: claims.to_json(self.url), reader })?;
        if reader.is_none() {
            return Ok((text, Vec::new()));
        }
        let token = StoredClaims { claims: Arc::new(claims.clone()), signed_by: Some(key) };
        let effects = self.stored(context, client, &text, &token)?;
        Ok((text, effects))
    }

    fn opaque(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        claims: &AccessClaims,
    ) -> Result<(Secret<String>, Vec<Effect>), Unavailable> {
        let prefix = OPAQUE_PREFIX.parse().map_err(|_| unwritten())?;
        let text = KeyString::mint(&prefix, context.entropy).into_secret();
        let token = StoredClaims { claims: Arc::new(claims.clone()), signed_by: None };
        let effects = self.stored(context, client, &text, &token)?;
        Ok((text, effects))
    }

    fn stored(
        &self,
        context: &Context<'_>,
        client: &Principal,
        text: &Secret<String>,
        token: &StoredClaims,
    ) -> Result<Vec<Effect>, Unavailable> {
        let claims = &token.claims;
        let organisation = client.organisation().ok_or_else(unwritten)?;
        let record = ArtifactRecord {
            kind: STORED,
            lookup: context.peppers.current().hash(Purpose::Credential, text.expose()),
            second_lookup: None,
            version: 1,
            family: claims.id,
            grant: claims.delegation.as_ref().map(|one| one.grant),
            client: Some(claims.client),
            subject: Some(claims.subject),
            organisation,
            expires_at: claims.expires_at,
            payload: token.to_text(self.url).map_err(|_| unwritten())?,
        };
        let mut effects = rooms(context, claims.client, organisation, claims.expires_at).to_vec();
        effects.push(Effect::Insert(Record::Artifact(Box::new(record))));
        Ok(effects)
    }
}

/// Tells whether a token is kept where it is issued, because nobody else can say what it says.
const fn is_kept(resource: &Resource, format: TokenFormat) -> bool {
    match format {
        TokenFormat::Jwt => resource.jwks.is_some(),
        TokenFormat::Opaque => true,
    }
}

fn unwritten() -> Unavailable {
    Unavailable::Corrupt("a token cannot be written".to_owned())
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
