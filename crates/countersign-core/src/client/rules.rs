//! The decisions about clients.

use std::time::Duration;

use crate::audit::AuditEvent;
use crate::cap::room;
use crate::client_authentication::KIND;
use crate::client_terms::{ClientTerms, GrantType};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::environment::Environment;
use crate::exchange::Act;
use crate::id::{OwnerId, OwnerKind};
use crate::lifecycle::{Line, new_line, reaches, reaches_client};
use crate::minting::{Minted, mint, mintable, valid_name};
use crate::question::{ClientAndSecrets, FoundRegistered, FoundRegistration, Holder, Registration};
use crate::reach::registrant;
use crate::record::{CredentialRecord, OwnerRecord, State, Terms};
use crate::refusal::{MAX_SECRETS, Refusal};
use crate::scope::ScopeSet;
use crate::tally::Kept;

use super::model::{AmendClient, Register, Registered, RotateSecret, SecretRotated};
use super::terms::{Sound, narrows, widens};

impl Act for Register {
    type Question = Registration;
    type By = Permit;
    type Answer = Registered;
    type Reason = Refusal;

    fn question(&self, context: &Context<'_>, _: &Permit) -> Registration {
        let mark = self.idempotency.as_ref().map(|idempotency| idempotency.mark(context));
        Registration { organisation: self.organisation, mark }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundRegistration,
    ) -> Outcome<Registered, Refusal> {
        let line = new_line(context, "client.create", permit, OwnerKind::Client.name().to_owned());
        match self.resolve(context, permit, found) {
            Ok(Resolved::Repeat(client)) => {
                let audit = about(line, &client).detail("repeat", "true");
                Outcome::granted(Registered { client: *client, secret: None }, Vec::new(), audit)
            }
            Ok(Resolved::Fresh(draft)) => self.grant(context, *draft, line),
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }
}

/// What the findings make of a registration.
enum Resolved {
    /// The same `Idempotency-Key` has made this before.
    Repeat(Box<OwnerRecord>),
    /// It is to be made.
    Fresh(Box<Draft>),
}

/// A client of which only its secret is missing.
struct Draft {
    client: OwnerRecord,
    terms: ClientTerms,
    /// The secret that it shall have.
    secret: Option<CredentialRecord>,
    /// What has to hold still when it is committed.
    rooms: Vec<Effect>,
}

impl Register {
    fn resolve(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundRegistration,
    ) -> Result<Resolved, Refusal> {
        let within = |Holder { owner, .. }: &Holder| {
            owner.id.kind() == OwnerKind::Organisation
                && (reaches(permit, owner.organisation, owner.id) || registers_at(permit, owner))
        };
        let holder = found.holder.filter(within).ok_or(Refusal::OwnerNotFound)?;
        if let Some(mark) = found.earlier {
            if !self.idempotency.as_ref().is_some_and(|now| now.repeats(&mark)) {
                return Err(Refusal::IdempotencyMismatch);
            }
            return found.made.map(|made| Resolved::Repeat(Box::new(made))).ok_or(Refusal::ClientNotFound);
        }
        let terms = Sound::new(self.terms.clone(), &found.resources)?.granted(permit)?;
        self.draft(context, permit, &holder, terms).map(|draft| Resolved::Fresh(Box::new(draft)))
    }

    fn draft(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        holder: &Holder,
        terms: ClientTerms,
    ) -> Result<Draft, Refusal> {
        let id = OwnerId::random(OwnerKind::Client, context.entropy);
        let bare = OwnerRecord::new(id, holder.owner.id, valid_name(&self.name)?, context.now);
        let registrant = registrant(permit.principal());
        let client = OwnerRecord { client: Some(Box::new(terms.clone())), registrant, ..bare };
        let mut rooms = Vec::from_iter(room(context, permit, holder.owner.id, holder.tally, Kept::Members)?);
        let secret = secret_draft(&client)?;
        // Also where there is none: nobody registers clients of a disabled organisation.
        rooms.extend(mintable(&KIND, context, permit, holder, &secret)?);
        let secret = terms.auth_method.has_secret().then_some(secret);
        Ok(Draft { client, terms, secret, rooms })
    }

    fn grant(&self, context: &mut Context<'_>, draft: Draft, line: Line) -> Outcome<Registered, Refusal> {
        let Draft { client, terms, secret, rooms } = draft;
        let mut effects = Vec::with_capacity(5);
        effects.extend(self.idempotency.as_ref().map(|idempotency| idempotency.first(context, &client.id)));
        effects.extend(rooms);
        effects.push(Effect::Insert(client.clone().into()));
        let minted = secret.map(|draft| mint(context, draft));
        effects.extend(minted.as_ref().map(|minted| Effect::Insert(minted.record.clone().into())));
        let audit = about(line, &client)
            .detail("scope", terms.scopes.to_string())
            .detail("token_endpoint_auth_method", terms.auth_method.name());
        let secret = minted.and_then(|minted| minted.key);
        Outcome::granted(Registered { client, secret }, effects, audit)
    }
}

/// A person registers clients at their own organisation.
fn registers_at(permit: &Permit, organisation: &OwnerRecord) -> bool {
    let principal = permit.principal();
    registrant(principal).is_some() && principal.organisation() == Some(organisation.id)
}

/// A secret of `client` that lacks its text.
fn secret_draft(client: &OwnerRecord) -> Result<CredentialRecord, Refusal> {
    let prefix = (KIND.default_prefix)(Environment::Live).parse().map_err(|_| Refusal::ReservedPrefix)?;
    let terms = Terms::new(client.name.clone(), prefix, Environment::Live, ScopeSet::default());
    Ok(CredentialRecord::draft(KIND.id_prefix, client, None, terms))
}

/// A line about a client, which its tenant may read.
fn about(line: Line, client: &OwnerRecord) -> AuditEvent {
    line.granted()
        .about(client.id.to_string())
        .within(Some(client.organisation))
        .detail("name", client.name.clone())
}

/// Asks what is stored of a client.
#[must_use]
pub fn asked(client: OwnerId) -> ClientAndSecrets {
    ClientAndSecrets { client, kind: &KIND }
}

/// Returns the client if the caller may know of it.
///
/// # Errors
///
/// [`Refusal::ClientNotFound`], also where it is another tenant's, or no client of the authorization server.
pub fn visible(permit: &Permit, found: Option<FoundRegistered>) -> Result<FoundRegistered, Refusal> {
    let may = |found: &FoundRegistered| {
        let owner = &found.holder.owner;
        owner.client.is_some() && reaches_client(permit, owner)
    };
    found.filter(may).ok_or(Refusal::ClientNotFound)
}

impl Act for AmendClient {
    type Question = ClientAndSecrets;
    type By = Permit;
    type Answer = OwnerRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ClientAndSecrets {
        asked(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundRegistered>,
    ) -> Outcome<OwnerRecord, Refusal> {
        let line = new_line(context, "client.update", permit, self.id.to_string());
        match self.next(permit, found) {
            Ok(next) => {
                let effects = vec![Effect::Advance(next.clone().into())];
                let audit = about(line, &next);
                Outcome::granted(next, effects, audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }
}

impl AmendClient {
    fn next(&self, permit: &Permit, found: Option<FoundRegistered>) -> Result<OwnerRecord, Refusal> {
        let FoundRegistered { holder, resources, .. } = visible(permit, found)?;
        let owner = holder.owner;
        if owner.registrant.is_some() && self.asks_for_devices() {
            return Err(Refusal::ClientMetadata(
                "a client that a person has registered gets no grant for devices",
            ));
        }
        let before = owner.client.as_deref().cloned().unwrap_or_default();
        let next = self.applied(before.clone());
        let (widens, narrows) = (widens(&before, &next), narrows(&before, &next));
        let sound = Sound::new(next, &resources)?;
        let terms = if widens { sound.granted(permit)? } else { sound.terms };
        let name = self.name.as_deref().map_or_else(|| Ok(owner.name.clone()), valid_name)?;
        // SAFETY 17: what is taken from the client is taken from the tokens that it has.
        let generation = owner.generation + i64::from(narrows);
        Ok(OwnerRecord {
            name,
            version: owner.version + 1,
            generation,
            client: Some(Box::new(terms)),
            ..owner
        })
    }

    /// SAFETY 23.
    fn asks_for_devices(&self) -> bool {
        self.grants.as_ref().is_some_and(|grants| grants.contains(&GrantType::DeviceCode))
    }

    fn applied(&self, before: ClientTerms) -> ClientTerms {
        ClientTerms {
            grants: self.grants.clone().unwrap_or(before.grants),
            scopes: self.scopes.clone().unwrap_or(before.scopes),
            audiences: self.audiences.clone().unwrap_or(before.audiences),
            auth_method: self.auth_method.unwrap_or(before.auth_method),
            token_format: self.token_format.unwrap_or(before.token_format),
            jwks: self.jwks.clone().unwrap_or(before.jwks),
            jwks_uri: self.jwks_uri.clone().unwrap_or(before.jwks_uri),
            redirect_uris: self.redirect_uris.clone().unwrap_or(before.redirect_uris),
            post_logout_redirect_uris: self
                .post_logout_redirect_uris
                .clone()
                .unwrap_or(before.post_logout_redirect_uris),
            origins: self.origins.clone().unwrap_or(before.origins),
            require_pkce: self.require_pkce.unwrap_or(before.require_pkce),
            id_token_signed_response_alg: self
                .id_token_signed_response_alg
                .unwrap_or(before.id_token_signed_response_alg),
            metadata: self.metadata.clone().unwrap_or(before.metadata),
        }
    }
}

impl Act for RotateSecret {
    type Question = ClientAndSecrets;
    type By = Permit;
    type Answer = SecretRotated;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ClientAndSecrets {
        asked(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundRegistered>,
    ) -> Outcome<SecretRotated, Refusal> {
        let line = new_line(context, KIND.verbs.rotate, permit, self.id.to_string());
        match self.succession(context, permit, found) {
            Ok(succession) => self.replace(context, succession, line),
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }
}

/// A secret that is to be minted, those that it replaces, and those that have ended and are kept no longer.
struct Succession {
    client: OwnerRecord,
    draft: CredentialRecord,
    before: Vec<CredentialRecord>,
    ended: Vec<CredentialRecord>,
    room: Option<Effect>,
}

impl RotateSecret {
    /// Whoever holds the next secret has everything that the client may be given: so they have to be able to give it.
    fn succession(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Option<FoundRegistered>,
    ) -> Result<Succession, Refusal> {
        let FoundRegistered { mut holder, secrets, resources } = visible(permit, found)?;
        let terms = holder.owner.client.as_deref().cloned().unwrap_or_default();
        if !terms.auth_method.has_secret() {
            return Err(Refusal::NoSecret(terms.auth_method.name()));
        }
        Sound::new(terms, &resources)?.granted(permit)?;
        let works = |secret: &CredentialRecord| {
            !matches!(secret.life().state(context.now), State::Expired | State::Revoked)
        };
        let (before, ended): (Vec<_>, Vec<_>) = secrets.into_iter().partition(works);
        if before.len() >= MAX_SECRETS && !self.overlap(context).is_zero() {
            return Err(Refusal::TooManySecrets);
        }
        let draft = secret_draft(&holder.owner)?;
        let gone = u64::try_from(ended.len()).unwrap_or(u64::MAX);
        holder.tally.credentials = holder.tally.credentials.saturating_sub(gone);
        let room = mintable(&KIND, context, permit, &holder, &draft)?;
        let client = OwnerRecord { version: holder.owner.version + 1, ..holder.owner };
        Ok(Succession { client, draft, before, ended, room })
    }

    fn overlap(&self, context: &Context<'_>) -> Duration {
        self.overlap.unwrap_or(context.policy.rotation_overlap)
    }

    fn replace(
        &self,
        context: &mut Context<'_>,
        succession: Succession,
        line: Line,
    ) -> Outcome<SecretRotated, Refusal> {
        let Succession { client, draft, before, ended, room } = succession;
        let Minted { record, key } = mint(context, draft);
        let replaced: Vec<_> = before.into_iter().map(|old| self.ended(context, old, &record)).collect();
        // The client too: of two rotations at once, the second sees what the first has minted.
        let mut effects = vec![Effect::Advance(client.clone().into())];
        // Before there has to be room for one more.
        effects.extend(ended.iter().map(|secret| Effect::Remove(secret.id)));
        effects.extend(room);
        effects.extend(replaced.iter().map(|old| Effect::Advance(old.clone().into())));
        effects.push(Effect::Insert(record.clone().into()));
        let audit = about(line, &client)
            .detail("successor", record.id.to_string())
            .detail("hint", record.terms.hint.clone());
        Outcome::granted(SecretRotated { client, record, secret: key, replaced }, effects, audit)
    }

    /// Brings the end of a secret forward: an overlap never extends a life.
    fn ended(
        &self,
        context: &Context<'_>,
        mut old: CredentialRecord,
        successor: &CredentialRecord,
    ) -> CredentialRecord {
        let overlap = self.overlap(context);
        if overlap.is_zero() {
            // An ending is an ending: an end in time would be outlived wherever the clock is behind.
            old.revoked_at = Some(context.now);
        } else {
            let end = context.now.plus(overlap);
            old.expires_at = Some(old.expires_at.map_or(end, |before| before.min(end)));
        }
        old.terms.replaced_by.get_or_insert(successor.id);
        old.version += 1;
        old
    }
}
