//! Web apps as clients: registered as the routes ask for them, and by nobody else. What becomes of one beside that, such as being
//! disabled, is an operator's matter.

use std::collections::BTreeSet;
use std::fmt;

use crate::audit::{Actor, AuditEvent};
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::context::Context;
use crate::decision::Condition;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::question::{Holder, HolderOf};
use crate::record::OwnerRecord;
use crate::redirect_uri::RedirectUri;
use crate::refusal::Refusal;
use crate::resource::ResourceId;
use crate::scope::{Scope, ScopeSet};
use crate::web_app::{WebApp, WebAppName};

/// What the routes ask of a web app, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The web app.
    pub app: WebApp,
    /// The scopes that its people are asked for.
    pub scopes: BTreeSet<Scope>,
}

/// Two conditions disagree about a web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagree(pub WebAppName);

impl fmt::Display for Disagree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the web app `{}` has to have one `token` and one `audience` on all routes", self.0)
    }
}

impl std::error::Error for Disagree {}

/// Collects what `conditions` ask of web apps, each once, in their order.
///
/// # Errors
///
/// [`Disagree`].
pub fn wanted<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> Result<Vec<Wanted>, Disagree> {
    let mut all: Vec<Wanted> = Vec::new();
    for condition in conditions {
        let Some(app) = condition.web_app() else { continue };
        let scopes = condition.scopes().iter().cloned();
        match all.iter_mut().find(|one| one.app.name == app.name) {
            Some(one) if one.app == *app => one.scopes.extend(scopes),
            Some(one) => return Err(Disagree(one.app.name.clone())),
            None => all.push(Wanted { app: app.clone(), scopes: scopes.collect() }),
        }
    }
    Ok(all)
}

/// What is registered of a web app: what its routes ask for, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAppTerms {
    /// Its name.
    pub name: WebAppName,
    /// What its people are asked for.
    pub scopes: ScopeSet,
    /// The resource that its sessions are for; `None`: the default one.
    pub audience: Option<ResourceId>,
    /// Where people come back to, signed in.
    pub redirect_uri: RedirectUri,
}

impl WebAppTerms {
    /// Asks what is registered of it.
    #[must_use]
    pub fn question(&self) -> HolderOf {
        HolderOf(Some(self.name.client()))
    }

    /// Tells whether that is registered.
    #[must_use]
    pub fn are_those_of(&self, owner: &OwnerRecord) -> bool {
        owner.client.as_deref() == Some(&self.terms())
    }

    fn terms(&self) -> ClientTerms {
        ClientTerms {
            grants: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
            auth_method: AuthMethod::Gateway,
            scopes: self.scopes.clone(),
            audiences: self.audience.iter().cloned().collect(),
            redirect_uris: vec![self.redirect_uri.clone()],
            ..ClientTerms::default()
        }
    }
}

/// Registers a web app with the first organisation.
#[derive(Debug, Clone)]
pub struct RegisterWebApp(pub WebAppTerms);

impl Act for RegisterWebApp {
    type Question = HolderOf;
    type By = System;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &System) -> HolderOf {
        HolderOf(None)
    }

    fn decide(&self, context: &mut Context<'_>, _: &System, found: Option<Holder>) -> Outcome<(), Refusal> {
        let Self(terms) = self;
        let id = terms.name.client();
        let line = AuditEvent::granted(context.now, "client.create", Actor::SYSTEM).about(id.to_string());
        let Some(first) = found else {
            return Outcome::refused(Refusal::OwnerNotFound, Vec::new(), line.turned_down("owner_not_found"));
        };
        let bare = OwnerRecord::new(id, first.owner.id, terms.name.to_string(), context.now);
        let record = OwnerRecord { client: Some(Box::new(terms.terms())), ..bare };
        let line = line.within(Some(first.owner.id));
        Outcome::granted((), vec![Effect::Insert(record.into())], line)
    }
}

/// Brings what is registered of a web app up to what its routes ask for now.
#[derive(Debug, Clone)]
pub struct AmendWebApp(pub WebAppTerms);

impl Act for AmendWebApp {
    type Question = HolderOf;
    type By = System;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &System) -> HolderOf {
        self.0.question()
    }

    fn decide(&self, context: &mut Context<'_>, _: &System, found: Option<Holder>) -> Outcome<(), Refusal> {
        let Self(terms) = self;
        let line = AuditEvent::granted(context.now, "client.update", Actor::SYSTEM);
        let line = line.about(terms.name.client().to_string());
        let Some(Holder { owner, .. }) = found else {
            return Outcome::refused(Refusal::OwnerNotFound, Vec::new(), line.turned_down("owner_not_found"));
        };
        let line = line.within(Some(owner.organisation));
        let version = owner.version.saturating_add(1);
        let next = OwnerRecord { version, client: Some(Box::new(terms.terms())), ..owner };
        Outcome::granted((), vec![Effect::Advance(next.into())], line)
    }
}
