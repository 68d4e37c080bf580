//! The decisions about what people make for themselves: API keys, and clients.

use crate::api_key::{self, Create};
use crate::client::{AmendClient, Register, Registered};
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::environment::Environment;
use crate::exchange::Act;
use crate::id::OwnerId;
use crate::idempotency::Idempotency;
use crate::lifecycle::new_line;
use crate::minting::{Expiry, Minted};
use crate::question::{
    ClientAndSecrets, Creation, FoundCreation, FoundRegistered, FoundRegistration, Holder, HolderOf, MadeBy,
    Registration,
};
use crate::record::OwnerRecord;
use crate::redirect_uri::RedirectUri;
use crate::refusal::Refusal;
use crate::scope::ScopeSet;
use crate::self_service::{MOST_CLIENTS, MOST_KEYS, OwnClients, OwnKeys};

/// Mints an API key for the person who asks.
#[derive(Debug, Clone)]
pub struct MintKey {
    /// What they call it.
    pub name: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// When it ends; unspecified: as late as it may.
    pub expiry: Expiry,
    /// How a form that is sent twice is recognised.
    pub idempotency: Idempotency,
}

impl Act for MintKey {
    type Question = (Creation, MadeBy);
    type By = Permit;
    type Answer = Minted;
    type Reason = Refusal;

    fn question(&self, context: &Context<'_>, permit: &Permit) -> (Creation, MadeBy) {
        let owner = permit.principal().owner();
        let create = self.create(owner, Expiry::Unspecified);
        let made = MadeBy::Credentials { owner, kind: &api_key::KIND };
        (create.question(context, permit), made)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        (found, made): (FoundCreation, u64),
    ) -> Outcome<Minted, Refusal> {
        let expiry = context.policy.self_service.api_keys.as_ref().ok_or(Refusal::NotOffered);
        let expiry = expiry.and_then(|offered| self.allowed(context, offered, found.earlier.is_some(), made));
        let expiry = match expiry {
            Ok(expiry) => expiry,
            Err(refusal) => {
                let line = new_line(context, api_key::KIND.verbs.create, permit, self.name.clone());
                return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
            }
        };
        let person = found.holder.as_ref().map(|holder| holder.owner.clone());
        let minted = self.create(permit.principal().owner(), expiry).decide(context, permit, found);
        counted(minted, person, |minted| minted.key.is_some())
    }
}

impl MintKey {
    fn create(&self, owner: Option<OwnerId>, expiry: Expiry) -> Create {
        Create {
            name: self.name.clone(),
            owner,
            prefix: None,
            environment: Environment::Live,
            scopes: self.scopes.clone(),
            allowances: Vec::new(),
            allow_from: Vec::new(),
            metadata: serde_json::Map::new(),
            not_before: None,
            expiry,
            imported: None,
            idempotency: Some(self.idempotency.clone()),
        }
    }

    /// Returns when the key ends, if the person may make it.
    fn allowed(
        &self,
        context: &Context<'_>,
        offered: &OwnKeys,
        is_repeat: bool,
        made: u64,
    ) -> Result<Expiry, Refusal> {
        if let Some(excess) = offered.scopes.first_missing(&self.scopes) {
            return Err(Refusal::ExcessScope(excess.clone()));
        }
        if made >= MOST_KEYS && !is_repeat {
            return Err(Refusal::TooManyOwn(made));
        }
        let Some(most) = offered.max_lifetime else { return Ok(self.expiry) };
        match self.expiry {
            Expiry::Unspecified => Ok(Expiry::After(most)),
            Expiry::After(life) if life <= most => Ok(self.expiry),
            Expiry::At(end) if end <= context.now.plus(most) => Ok(self.expiry),
            Expiry::After(_) | Expiry::At(_) | Expiry::Never => Err(Refusal::LifetimeExceedsPolicy(most)),
        }
    }
}

/// What a client is, to the person who registers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppKind {
    /// It runs on a server, and keeps a secret (RFC 6749 §2.1: confidential).
    Server,
    /// It runs in browsers or on devices, and keeps none (RFC 6749 §2.1: public).
    Public,
}

/// Registers a client for the person who asks.
#[derive(Debug, Clone)]
pub struct RegisterApp {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub kind: AppKind,
    /// Where resource owners may be sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// What it may be given.
    pub scopes: ScopeSet,
    /// How a form that is sent twice is recognised.
    pub idempotency: Idempotency,
}

impl Act for RegisterApp {
    type Question = (Registration, (MadeBy, HolderOf));
    type By = Permit;
    type Answer = Registered;
    type Reason = Refusal;

    fn question(&self, context: &Context<'_>, permit: &Permit) -> Self::Question {
        let principal = permit.principal();
        let organisation = principal.organisation();
        let mark = Some(self.idempotency.mark(context));
        let made = MadeBy::Clients(principal.owner());
        (Registration { organisation, mark }, (made, HolderOf(principal.owner())))
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        (found, (made, person)): (FoundRegistration, (u64, Option<Holder>)),
    ) -> Outcome<Registered, Refusal> {
        let offered = context.policy.self_service.clients.as_ref().ok_or(Refusal::NotOffered);
        let terms = offered.and_then(|offered| self.allowed(offered, found.earlier.is_some(), made));
        let terms = match terms {
            Ok(terms) => terms,
            Err(refusal) => {
                let line = new_line(context, "client.create", permit, self.name.clone());
                return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
            }
        };
        let is_repeat = found.earlier.is_some();
        let (name, idempotency) = (self.name.clone(), Some(self.idempotency.clone()));
        let organisation = permit.principal().organisation();
        let register = Register { name, organisation, terms, idempotency };
        let person = person.map(|holder| holder.owner);
        counted(register.decide(context, permit, found), person, |_| !is_repeat)
    }
}

impl RegisterApp {
    fn allowed(&self, offered: &OwnClients, is_repeat: bool, made: u64) -> Result<ClientTerms, Refusal> {
        if let Some(excess) = offered.scopes.first_missing(&self.scopes) {
            return Err(Refusal::ExcessScope(excess.clone()));
        }
        if made >= MOST_CLIENTS && !is_repeat {
            return Err(Refusal::TooManyOwn(made));
        }
        let can = |grant: &GrantType| match grant {
            GrantType::DeviceCode => false,
            GrantType::ClientCredentials => self.kind == AppKind::Server,
            GrantType::AuthorizationCode | GrantType::RefreshToken => true,
        };
        Ok(ClientTerms {
            grants: offered.grants.iter().copied().filter(can).collect(),
            scopes: self.scopes.clone(),
            audiences: offered.audiences.clone(),
            auth_method: match self.kind {
                AppKind::Server => AuthMethod::ClientSecret,
                AppKind::Public => AuthMethod::None,
            },
            redirect_uris: self.redirect_uris.clone(),
            ..ClientTerms::default()
        })
    }
}

/// Writes the person too, where something was made: of two at once the second counts what the first has made.
fn counted<T>(
    outcome: Outcome<T, Refusal>,
    person: Option<OwnerRecord>,
    is_new: impl FnOnce(&T) -> bool,
) -> Outcome<T, Refusal> {
    let Outcome { answer, mut effects, audit } = outcome;
    if let (Ok(made), Some(person)) = (&answer, person)
        && is_new(made)
    {
        effects.push(Effect::Advance(OwnerRecord { version: person.version + 1, ..person }.into()));
    }
    Outcome { answer, effects, audit }
}

/// Changes what the person who registered a client may change of it: what people are shown of it, and are asked about anew
/// (SAFETY 23).
#[derive(Debug, Clone)]
pub struct AmendApp {
    /// Which one.
    pub id: OwnerId,
    /// What people call it.
    pub name: String,
    /// Where resource owners may be sent back to.
    pub redirect_uris: Vec<RedirectUri>,
}

impl Act for AmendApp {
    type Question = ClientAndSecrets;
    type By = Permit;
    type Answer = OwnerRecord;
    type Reason = Refusal;

    fn question(&self, context: &Context<'_>, permit: &Permit) -> ClientAndSecrets {
        self.amend().question(context, permit)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundRegistered>,
    ) -> Outcome<OwnerRecord, Refusal> {
        self.amend().decide(context, permit, found)
    }
}

impl AmendApp {
    fn amend(&self) -> AmendClient {
        AmendClient {
            name: Some(self.name.clone()),
            redirect_uris: Some(self.redirect_uris.clone()),
            ..AmendClient::nothing(self.id)
        }
    }
}
