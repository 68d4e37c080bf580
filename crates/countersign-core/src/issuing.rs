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

use crate::access_token::{OPAQUE_PREFIX, TYPE};
use crate::audit::AuditEvent;
use crate::authentication_context::acr;
use crate::authorized::Authorized;
use crate::client_authentication::Confidential;
use crate::client_terms::{ClientTerms, GrantType};
use crate::context::Context;
use crate::delegation::{Delegated, GoingOn, Redeemable};
use crate::effect::{Effect, Outcome};
use crate::grant::{Asked, GrantError, Granting, Issue, Redeemed};
use crate::id::CredentialId;
use crate::identity::{self, ID_TOKEN, Told};
use crate::issuance::Issuance;
use crate::key_string::KeyString;
use crate::known::KnownOwner;
use crate::ledger::Unavailable;
use crate::principal::Principal;
use crate::record::{ArtifactRecord, Record};
use crate::refreshing::{self, RefreshState};
use crate::resource::{ClaimSource, Resource, Resources, TokenFormat};
use crate::resource_jwks::ResourceJwks;
use crate::scope::{Scope, ScopeSet};
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
    /// What it is (RFC 8725 §3.11).
    pub typ: &'static str,
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

/// What a token is decided to be, before it is written.
pub(crate) struct Due {
    pub(crate) resource: Arc<Resource>,
    terms: Arc<ClientTerms>,
    pub(crate) claims: AccessClaims,
}

impl Due {
    fn format(&self) -> TokenFormat {
        self.resource.format.unwrap_or(self.terms.token_format)
    }

    /// Tells whether it is kept where it is issued, because nobody else can say what it says.
    fn is_kept(&self) -> bool {
        match self.format() {
            TokenFormat::Jwt => self.resource.jwks.is_some(),
            TokenFormat::Opaque => true,
        }
    }

    pub(crate) fn told(&self, line: AuditEvent) -> AuditEvent {
        let AccessClaims { id, subject, audience, scopes, expires_at, delegation, .. } = &self.claims;
        let line = line
            .about(id.to_string())
            .detail("audience", &**audience)
            .detail("scope", scopes.to_string())
            .detail("expires_at", expires_at.to_string());
        match delegation {
            None => line,
            Some(of) => line.detail("subject", subject.to_string()).detail("grant", of.grant.to_string()),
        }
    }
}

/// Why nothing is issued: what the client is told, and what the audit.
pub(crate) type Refused = (GrantError, &'static str);

fn plainly(error: GrantError) -> Refused {
    (error, error.reason())
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
        let due = match redeemed {
            Redeemed::Own(asked) => self.own(context, client, asked, grant.grant_type).map_err(plainly),
            // What was answered before is answered again to whom it would be answered now.
            Redeemed::Delegated(delegated) | Redeemed::Again(delegated, _) => {
                self.delegated(context, client, delegated, grant.grant_type)
            }
        };
        let due = match due {
            Ok(due) => due,
            Err((error, reason)) => {
                return Ok(Outcome::refused(error, Vec::new(), line.turned_down(reason)));
            }
        };
        if let Redeemed::Again(_, answer) = redeemed {
            let issuance = Issuance::read(answer)?;
            let line = line.about(issuance.claims.id.to_string());
            return Ok(Outcome::granted(issuance, Vec::new(), line));
        }
        let line = due.told(line);
        if due.is_kept()
            && let Err(full) = room(context, grant.kept.as_ref())
        {
            let line = line.turned_down(full.reason()).detail("setting", full.setting());
            return Ok(Outcome::refused(full.into(), Vec::new(), line));
        }
        let (issuance, effects) = self.written(context, client, due, redeemed)?;
        Ok(Outcome::granted(issuance, effects, line))
    }
}

impl Issuer<'_> {
    /// Decides what a client gets for itself.
    fn own(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        asked: &Asked,
        grant_type: &str,
    ) -> Result<Due, GrantError> {
        let (owner, terms) = registered(client, grant_type)?;
        // RFC 6749 §4.4: this grant must be used by confidential clients only.
        if !terms.auth_method.is_confidential() {
            return Err(GrantError::UnauthorizedClient);
        }
        let resource = target(self.resources, &terms, asked.audience.as_deref())?;
        let scopes = scopes(&terms, &resource, asked.scopes.as_ref())?;
        let claims = self.claims(context, owner, &resource, scopes);
        let claims = AccessClaims { further: mapped(&resource, &terms), ..claims };
        Ok(Due { resource, terms, claims })
    }

    /// Decides what a client gets for a person: what was granted, as far as it may still have it.
    ///
    /// # Errors
    ///
    /// What the client is told, and what the audit.
    pub(crate) fn delegated(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        delegated: &Delegated,
        grant_type: &str,
    ) -> Result<Due, Refused> {
        let (owner, terms) = registered(client, grant_type).map_err(plainly)?;
        let Delegated { person, authorized, .. } = delegated;
        if !person.is_live() {
            return Err((GrantError::InvalidGrant, "person_disabled"));
        }
        if !authorized.stands_in(Authorized::generations(self.incarnation, owner, person)) {
            return Err((GrantError::InvalidGrant, "ended_before"));
        }
        if delegated.resource.as_deref().is_some_and(|asked| *asked != *authorized.audience) {
            return Err(plainly(GrantError::InvalidTarget));
        }
        let resource = target(self.resources, &terms, Some(&authorized.audience)).map_err(plainly)?;
        let scopes = granted(&terms, &resource, delegated).map_err(plainly)?;
        let mut further = mapped(&resource, &terms);
        further.extend(roles(owner, delegated));
        further.extend(strength(authorized));
        let claims = AccessClaims {
            subject: person.id(),
            delegation: Some(delegated.delegation()),
            further,
            ..self.claims(context, owner, &resource, scopes)
        };
        Ok(Due { resource, terms, claims })
    }

    /// Starts a token: for the client itself, until something else is said.
    fn claims(
        &self,
        context: &mut Context<'_>,
        owner: &KnownOwner,
        resource: &Resource,
        scopes: ScopeSet,
    ) -> AccessClaims {
        // RFC 7519 §2: whole seconds; the earlier one, so that nothing is issued in the future.
        let issued_at = Timestamp::from_millis(context.now.millis().div_euclid(1000).saturating_mul(1000));
        AccessClaims {
            id: CredentialId::random(TOKEN, context.entropy),
            client: owner.id(),
            subject: owner.id(),
            audience: resource.id.as_str().into(),
            scopes: Arc::new(scopes),
            issued_at,
            expires_at: issued_at.plus(resource.lifetime),
            generations: Generations::now(self.incarnation, owner),
            delegation: None,
            further: Map::new(),
        }
    }

    /// Writes everything that goes with a token.
    fn written(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        due: Due,
        redeemed: &Redeemed,
    ) -> Result<(Issuance, Vec<Effect>), Unavailable> {
        let (token, mut effects) = match due.format() {
            TokenFormat::Jwt => self.signed(context, client, &due)?,
            TokenFormat::Opaque => self.opaque(context, client, &due.claims)?,
        };
        let Due { terms, claims, .. } = due;
        let mut issuance = Issuance::of(claims, token);
        if let Redeemed::Delegated(delegated) = redeemed {
            issuance.id_token = self.id_token(context.now, &terms, &issuance, delegated)?;
            effects.extend(next_refresh_token(context, client, &terms, delegated, &mut issuance)?);
        }
        Ok((issuance, effects))
    }

    /// Signs an ID token, where one is asked for.
    fn id_token(
        &self,
        now: Timestamp,
        terms: &ClientTerms,
        issuance: &Issuance,
        delegated: &Delegated,
    ) -> Result<Option<Secret<String>>, Unavailable> {
        if !identity::is_asked_for(&issuance.claims.scopes) {
            return Ok(None);
        }
        let algorithm = terms.id_token_signed_response_alg.into();
        let told = Told {
            issuer: self.url,
            client: issuance.claims.client,
            delegated,
            scopes: &issuance.claims.scopes,
            access_token: issuance.token.expose(),
            algorithm,
        };
        let slot = Slot { purpose: KeyPurpose::AccessToken, algorithm };
        let draft = Draft { slot, typ: ID_TOKEN, claims: identity::claims(now, &told), reader: None };
        (self.writer)(&draft).map(|written| Some(written.text))
    }

    /// Signs a token. Only the resource can read one that is encrypted: here it is known by its digest, as an opaque one is.
    fn signed(
        &self,
        context: &Context<'_>,
        client: &Principal,
        Due { resource, claims, .. }: &Due,
    ) -> Result<(Secret<String>, Vec<Effect>), Unavailable> {
        let slot = Slot { purpose: KeyPurpose::AccessToken, algorithm: resource.algorithm.into() };
        let reader = resource.jwks.as_ref().map(ResourceJwks::key);
        let Written { key, text } =
            (self.writer)(&Draft { slot, typ: TYPE, claims: claims.to_json(self.url), reader })?;
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
            parent: None,
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

pub(crate) fn unwritten() -> Unavailable {
    Unavailable::Corrupt("a token cannot be written".to_owned())
}

/// Demands a client that is registered for the grant, and lives.
///
/// # Errors
///
/// [`GrantError::UnauthorizedClient`].
pub(crate) fn registered<'p>(
    client: &'p Principal,
    grant_type: &str,
) -> Result<(&'p Arc<KnownOwner>, Arc<ClientTerms>), GrantError> {
    let owner = client.known_owner().filter(|owner| client.client() == Some(owner.id()));
    let owner = owner.ok_or(GrantError::UnauthorizedClient)?;
    let terms = owner.client().ok_or(GrantError::UnauthorizedClient)?;
    // Whoever was given a refresh token may use it: that is decided where it is given.
    let refreshes = grant_type == GrantType::RefreshToken.name();
    let is_registered = |grant: &GrantType| refreshes || grant.name() == grant_type;
    let may = terms.grants.iter().any(is_registered);
    if may && owner.is_live() { Ok((owner, terms)) } else { Err(GrantError::UnauthorizedClient) }
}

/// Finds what a token is for: one of the client's resources, or the default one where it has none of its own.
///
/// # Errors
///
/// [`GrantError::InvalidTarget`].
pub(crate) fn target(
    resources: &Resources,
    terms: &ClientTerms,
    asked: Option<&str>,
) -> Result<Arc<Resource>, GrantError> {
    let default = resources.default_resource();
    let resource = match (asked, terms.audiences.as_slice()) {
        (None, []) => default.clone(),
        (None, [only]) => resources.find(only.as_str()),
        // SAFETY 12: with more than one, it is not guessed.
        (None, [_, _, ..]) => None,
        (Some(asked), []) => default.filter(|default| default.id.as_str() == asked),
        (Some(asked), own) => {
            own.iter().any(|one| one.as_str() == asked).then(|| resources.find(asked)).flatten()
        }
    };
    resource.ok_or(GrantError::InvalidTarget)
}

/// Decides on the scope of a token for a person: what was granted and may still be had; never more, whatever is asked for
/// (RFC 6749 §6).
fn granted(terms: &ClientTerms, resource: &Resource, delegated: &Delegated) -> Result<ScopeSet, GrantError> {
    let granted = &delegated.authorized.scopes;
    let asked = delegated.narrowed.as_ref().unwrap_or(granted);
    if granted.first_missing(asked).is_some() {
        return Err(GrantError::InvalidScope);
    }
    let stands = |scope: &Scope| {
        identity::is_identity(scope) || terms.scopes.contains(scope.as_str()) && resource.takes(scope)
    };
    Ok(asked.filter(stands))
}

/// Returns what the person is in the client's organisation (RFC 9068 §2.2.3.1).
fn roles(client: &KnownOwner, delegated: &Delegated) -> Option<(String, Value)> {
    let memberships = &delegated.told.memberships;
    let here = memberships.iter().find(|one| one.organisation == client.organisation())?;
    let names: Vec<_> = here.roles.names().map(Value::from).collect();
    (!names.is_empty()).then(|| ("roles".to_owned(), Value::from(names)))
}

/// Returns when and how well the person has signed in (RFC 9068 §2.2.1): a resource may ask for more (RFC 9470).
fn strength(authorized: &Authorized) -> impl Iterator<Item = (String, Value)> {
    let auth_time = authorized.auth_time.millis().div_euclid(1000);
    let acr = acr(&authorized.amr).map(|acr| ("acr".to_owned(), Value::from(acr)));
    acr.into_iter().chain([("auth_time".to_owned(), Value::from(auth_time))])
}

/// Makes the next refresh token of a family, or its first, where the client may have one.
fn next_refresh_token(
    context: &mut Context<'_>,
    client: &Principal,
    terms: &ClientTerms,
    delegated: &Delegated,
    issuance: &mut Issuance,
) -> Result<Option<Effect>, Unavailable> {
    match &delegated.going_on {
        GoingOn::Begins => {
            let lasts = terms.grants.contains(&GrantType::RefreshToken)
                || delegated.authorized.scopes.contains(identity::OFFLINE_ACCESS);
            lasts.then(|| first_refresh_token(context, client, delegated, issuance)).transpose()
        }
        // It is no token that could be handed out.
        GoingOn::Session(_) => Ok(None),
        GoingOn::From(before) => {
            successor(context, client, before, issuance).map(|next| Some(Effect::Advance(next.into())))
        }
    }
}

fn first_refresh_token(
    context: &mut Context<'_>,
    client: &Principal,
    delegated: &Delegated,
    issuance: &mut Issuance,
) -> Result<Effect, Unavailable> {
    let text = refreshing::mint(context, delegated.family, 0);
    let state = RefreshState {
        number: 0,
        authorized: delegated.authorized.clone(),
        ends_at: context.now.plus(context.policy.refresh_absolute),
        retry: None,
    };
    let record = ArtifactRecord {
        kind: refreshing::KIND,
        lookup: context.peppers.current().hash(Purpose::Credential, text.expose()),
        second_lookup: None,
        version: 1,
        family: delegated.family,
        grant: Some(delegated.grant),
        parent: None,
        client: Some(issuance.claims.client),
        subject: Some(issuance.claims.subject),
        organisation: client.organisation().ok_or_else(unwritten)?,
        expires_at: state.end(context),
        payload: state.to_text()?,
    };
    issuance.refresh_token = Some(text);
    Ok(Effect::Insert(record.into()))
}

fn successor(
    context: &mut Context<'_>,
    client: &Principal,
    before: &Redeemable,
    issuance: &mut Issuance,
) -> Result<ArtifactRecord, Unavailable> {
    let Redeemable { record, state, presented } = before;
    let number = state.number.saturating_add(1);
    let text = refreshing::mint(context, record.family, number);
    let lookup = context.peppers.current().hash(Purpose::Credential, text.expose());
    issuance.refresh_token = Some(text);
    // SAFETY 9: who proves nothing is given nothing again.
    let retry = match Confidential::of(client) {
        Some(_) => Some(refreshing::sealed(context, presented, &issuance.to_bytes()?)?),
        None => None,
    };
    let next = RefreshState { number, retry, ..state.clone() };
    Ok(ArtifactRecord {
        lookup,
        second_lookup: Some(record.lookup),
        version: record.version.saturating_add(1),
        expires_at: next.end(context),
        payload: next.to_text()?,
        ..record.clone()
    })
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
