//! The policy: what principals may do, and the proof of it.
//!
//! **Invariant.** A [`Permit`] is made only by [`decide`]; forwarding a request and changing anything takes one.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use countersign_jose::algorithm::SignatureAlgorithm;
use thiserror::Error;

use crate::few::Few;
use crate::id::OwnerId;
use crate::own::Own;
use crate::principal::{Principal, Subject};
use crate::rejection::Rejection;
use crate::scheme::Scheme;
use crate::scope::{Scope, ScopeSet};
use crate::web_app::WebApp;

/// What a kind asks of its own evidence: written by its room, typed on both sides.
pub trait Judge: fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The kind's own evidence.
    type Own: Own;

    /// Tells whether it is believed here at all: what was made for somebody else proves nothing (RFC 6750 §3.1
    /// `invalid_token`), whatever else it says.
    ///
    /// # Errors
    ///
    /// Why not.
    fn believes(&self, _own: &Self::Own) -> Result<(), Rejection> {
        Ok(())
    }

    /// Judges it.
    ///
    /// # Errors
    ///
    /// What stands against it.
    fn meets(&self, own: &Self::Own) -> Result<(), OwnDenial>;

    /// Returns how well a person has to sign in (`acr`), where nothing else stands against it (RFC 9470 §3).
    fn step_up(&self, _own: &Self::Own) -> Option<&str> {
        None
    }
}

/// What a condition asks of evidence whose type it does not know. Implemented once, for every [`Judge`].
trait Criteria: Any + fmt::Debug + Send + Sync {
    fn judge(&self, own: &dyn Own) -> Result<(), Denial>;
    fn same(&self, other: &dyn Criteria) -> bool;
}

impl<J: Judge> Criteria for J {
    fn judge(&self, own: &dyn Own) -> Result<(), Denial> {
        // The one downcast. Another kind's evidence meets no criteria: closed.
        let own = own.get::<J::Own>().ok_or(Denial::WrongScheme)?;
        self.believes(own).map_err(Denial::Disbelieved)?;
        self.meets(own).map_err(|denial| match self.step_up(own) {
            Some(acr) => Denial::InsufficientAuthentication { acr: acr.into() },
            None => Denial::Own(denial),
        })
    }

    fn same(&self, other: &dyn Criteria) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<J>() == Some(self)
    }
}

/// A kind's own criteria; comparable, for the difference that a reload makes.
#[derive(Debug, Clone)]
pub struct OwnCriteria(Option<Arc<dyn Criteria>>);

impl OwnCriteria {
    /// Asks nothing of a kind's own evidence.
    pub const NONE: Self = Self(None);

    /// Asks what `judge` asks.
    #[must_use]
    pub fn new(judge: impl Judge) -> Self {
        Self(Some(Arc::new(judge)))
    }

    fn judge(&self, principal: &Principal) -> Result<(), Denial> {
        self.0.as_ref().map_or(Ok(()), |criteria| criteria.judge(principal.evidence()))
    }
}

impl PartialEq for OwnCriteria {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            // `**`: an `Arc` is `Any` too, and its type is never the one that is asked for.
            (Some(one), Some(other)) => (**one).same(&**other),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl Eq for OwnCriteria {}

/// Who issues the tokens that a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// This installation.
    Own,
    /// Another one.
    Foreign(ForeignIssuer),
}

/// An issuer whose keys are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignIssuer {
    /// Its identifier (RFC 8414 §2): the `iss` of its tokens.
    pub issuer: Box<str>,
    /// Where its JWK Set is; `None`: where its metadata say.
    pub jwks: Option<Box<str>>,
    /// The only algorithms of its keys.
    pub algorithms: Vec<SignatureAlgorithm>,
}

/// Which tokens a condition asks for, as a resource tells clients (RFC 9728 §2). It is told, not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSource {
    /// Who issues them.
    pub issuer: Issuer,
    /// Whom they are made for; `None`: the installation's default resource.
    pub audience: Option<Box<str>>,
}

/// What a kind asks beyond what every condition may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it asks of its own evidence.
    pub own: OwnCriteria,
    /// Where a client gets what is asked for; `None`: not from an authorization server.
    pub token: Option<TokenSource>,
    /// The web app that people have to be signed in to; `None`: it is not asked of people.
    pub web_app: Option<WebApp>,
}

impl From<OwnCriteria> for Asked {
    fn from(own: OwnCriteria) -> Self {
        Self { own, token: None, web_app: None }
    }
}

/// How the owners of credentials that are presented together must relate (SAFETY 6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Agreement {
    /// All belong to one owner.
    #[default]
    Owner,
    /// All belong to owners of one organisation.
    Organisation,
    /// All act for one: the device of the person who is signed in.
    Subject,
}

/// How the conditions of a requirement combine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// One credential that meets one of the conditions.
    Any(Vec<Condition>),
    /// One credential for each of the conditions; the first is the subject.
    All(Vec<Condition>, Agreement),
}

impl Requirement {
    /// Walks the conditions in the order in which they are written.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        match self {
            Self::Any(conditions) | Self::All(conditions, _) => conditions.iter(),
        }
    }

    /// Says which resource is meant where a condition means the default one.
    #[must_use]
    pub fn with_default_audience(mut self, audience: &str) -> Self {
        let (Self::Any(conditions) | Self::All(conditions, _)) = &mut self;
        for condition in conditions {
            if condition.audience == Audience::Default {
                condition.audience = Audience::Named(audience.into());
            }
        }
        self
    }

    /// Tells whether a credential of `scheme` is asked for.
    #[must_use]
    pub fn accepts(&self, scheme: Scheme) -> bool {
        self.conditions().any(|condition| condition.scheme == scheme)
    }

    /// Tells whether a request without a credential may pass.
    #[must_use]
    pub fn admits_anonymous(&self) -> bool {
        self.accepts(Scheme::ANONYMOUS)
    }

    /// Tells whether any credential is asked for at all.
    #[must_use]
    pub fn asks_for_credential(&self) -> bool {
        self.conditions().any(|condition| condition.scheme != Scheme::ANONYMOUS)
    }
}

/// What one credential must be. Made by its kind alone, so that no condition lacks the kind's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub(crate) scheme: Scheme,
    pub(crate) scopes: ScopeSet,
    pub(crate) owner: Option<OwnerId>,
    pub(crate) audience: Audience,
    pub(crate) token: Option<TokenSource>,
    pub(crate) web_app: Option<WebApp>,
    pub(crate) own: OwnCriteria,
}

/// For whom a credential has to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// For nobody in particular: credentials of its kind name no audience.
    Any,
    /// For the default resource, which the route does not know itself. As long as nobody says which that is, for nobody.
    Default,
    /// For this one.
    Named(Box<str>),
}

impl Condition {
    /// Asks for nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::of(Scheme::ANONYMOUS, OwnCriteria::NONE)
    }

    /// Asks for a credential of `scheme` that meets what its kind asks.
    pub(crate) fn of(scheme: Scheme, asked: impl Into<Asked>) -> Self {
        let Asked { own, token, web_app } = asked.into();
        let named = |audience: &Option<Box<str>>| audience.clone().map_or(Audience::Default, Audience::Named);
        let audience = match (&token, &web_app) {
            (Some(TokenSource { issuer: Issuer::Own, audience }), _) | (_, Some(WebApp { audience, .. })) => {
                named(audience)
            }
            // What others issue, and for whom, is their kind's to judge.
            (None | Some(TokenSource { issuer: Issuer::Foreign(_), .. }), None) => Audience::Any,
        };
        Self { scheme, scopes: ScopeSet::default(), owner: None, audience, token, web_app, own }
    }

    /// Asks for these scopes too, all of them.
    #[must_use]
    pub fn holding(self, scopes: ScopeSet) -> Self {
        Self { scopes, ..self }
    }

    /// Asks for this owner, or owners of this organisation, too.
    #[must_use]
    pub fn owned_by(self, owner: OwnerId) -> Self {
        Self { owner: Some(owner), ..self }
    }

    /// Returns the scheme that it asks for.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the scopes that it asks for.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// RFC 9068 §4: a resource takes no token that was made for another.
    fn is_met_by(&self, audience: Option<&str>) -> bool {
        match &self.audience {
            Audience::Any => true,
            Audience::Default => false,
            Audience::Named(wanted) => audience == Some(wanted),
        }
    }

    /// Returns which tokens it asks for; `None`: what it asks for is no token.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenSource> {
        self.token.as_ref()
    }

    /// Returns the web app that people have to be signed in to, if it asks for that.
    #[must_use]
    pub const fn web_app(&self) -> Option<&WebApp> {
        self.web_app.as_ref()
    }

    fn judge(&self, principal: &Principal) -> Result<(), Denial> {
        if principal.scheme() != self.scheme {
            return Err(Denial::WrongScheme);
        }
        self.own.judge(principal)?;
        if self
            .owner
            .is_some_and(|wanted| ![principal.owner(), principal.organisation()].contains(&Some(wanted)))
        {
            return Err(Denial::WrongOwner);
        }
        if !self.is_met_by(principal.audience()) {
            return Err(Denial::WrongAudience);
        }
        match principal.scopes().first_missing(&self.scopes) {
            Some(missing) => {
                let necessary = self.scopes.clone();
                Err(Denial::InsufficientScope { missing: missing.clone(), necessary })
            }
            None => Ok(()),
        }
    }
}

/// What a kind has against its own evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct OwnDenial {
    /// The stable name.
    pub code: &'static str,
    /// The reason, for operators.
    pub why: &'static str,
    /// How near the caller came, among what this kind may say: the nearest is the one worth telling.
    pub nearness: u8,
}

/// Why a proven principal may not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denial {
    /// It proves nothing here.
    #[error("{0}")]
    Disbelieved(Rejection),
    /// The person has not signed in well enough (RFC 9470 §3 `insufficient_user_authentication`).
    #[error("a sign-in of the context {acr} is required")]
    InsufficientAuthentication {
        /// What would be enough.
        acr: Box<str>,
    },
    /// It lacks a scope (RFC 6750 §3.1 `insufficient_scope`).
    #[error("the scope {missing} is required")]
    InsufficientScope {
        /// The first that is missing.
        missing: Scope,
        /// Everything that the condition asks for, which the caller came nearest to.
        necessary: ScopeSet,
    },
    /// Its kind has something against it.
    #[error("{0}")]
    Own(OwnDenial),
    /// The credentials that were presented together do not belong together.
    #[error("the credentials do not belong to one owner")]
    OwnersDisagree,
    /// It was made for another audience.
    #[error("the credential was made for another audience")]
    WrongAudience,
    /// It belongs to another owner.
    #[error("the credential belongs to another owner")]
    WrongOwner,
    /// Its scheme is not asked for.
    #[error("a credential of this kind is not accepted here")]
    WrongScheme,
}

impl Denial {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Disbelieved(rejection) => rejection.code(),
            Self::InsufficientAuthentication { .. } => "insufficient_user_authentication",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Own(denial) => denial.code,
            Self::OwnersDisagree => "owners_disagree",
            Self::WrongAudience => "wrong_audience",
            Self::WrongOwner => "wrong_owner",
            Self::WrongScheme => "wrong_scheme",
        }
    }

    /// Orders denials by how near the caller came: the nearest is the one worth telling.
    const fn nearness(&self) -> (u8, u8) {
        match self {
            Self::OwnersDisagree => (5, 0),
            Self::InsufficientScope { .. } => (4, 0),
            Self::InsufficientAuthentication { .. } => (3, 1),
            Self::WrongAudience => (3, 0),
            Self::WrongOwner => (2, 0),
            Self::Own(denial) => (1, denial.nearness),
            Self::Disbelieved(_) => (0, 1),
            Self::WrongScheme => (0, 0),
        }
    }
}

/// What a `WWW-Authenticate` field needs (RFC 9110 §11.6.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The auth-schemes by which a caller may answer, each once, in the order of the conditions.
    pub schemes: Vec<&'static str>,
    /// The scopes that would be enough (RFC 6750 §3); empty: that is not said.
    pub scope: ScopeSet,
    /// A nonce that a proof has to hold (RFC 9449 §8).
    pub nonce: Option<Box<str>>,
    /// How the caller has to have signed in (RFC 9470 §3).
    pub acr: Option<Box<str>>,
}

impl Challenge {
    /// Asks for what meets `requirement`.
    #[must_use]
    pub fn of(requirement: &Requirement) -> Self {
        let mut schemes = Vec::new();
        for scheme in requirement.conditions().filter_map(|condition| condition.scheme.challenge()) {
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        // Which scope is enough is only said where one token will do (RFC 6750 §3).
        let mut asked = requirement.conditions();
        let scope = match (asked.next(), asked.next()) {
            (Some(only), None) if only.token.is_some() => only.scopes.clone(),
            _ => ScopeSet::default(),
        };
        Self { schemes, scope, ..Self::default() }
    }
}

/// Proof that these principals may do what was asked.
#[derive(Debug)]
pub struct Permit {
    members: Few<Principal>,
}

impl Permit {
    const fn assertion(members: Few<Principal>) -> Self {
        Self { members }
    }

    /// Returns who may: of several, the one that the requirement lists first.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        self.members.first()
    }

    /// Returns everybody who was proven, in the order of the requirement.
    #[must_use]
    pub const fn members(&self) -> &Few<Principal> {
        &self.members
    }
}

/// The answer to "may this caller do this?".
#[derive(Debug)]
pub enum Decision {
    /// Yes, with the proof.
    Permit(Permit),
    /// Not without a credential (RFC 9110 §15.5.2).
    Challenge(Challenge),
    /// No (RFC 9110 §15.5.4).
    Deny(Denial),
}

/// Decides whether `members` meet `requirement`, in its order; `None`: the request presented no credential.
#[must_use]
pub fn decide(members: Option<Few<Principal>>, requirement: &Requirement) -> Decision {
    let Some(members) = members else {
        return without_credential(requirement);
    };
    match judge(&members, requirement) {
        Ok(()) => Decision::Permit(Permit::assertion(members)),
        Err(denial) => Decision::Deny(denial),
    }
}

/// Tells what `requirement` would make of a caller, by the code of the reason. It proves nothing, and nothing can be
/// done with it but to be counted or told (SAFETY 7).
///
/// # Errors
///
/// The stable code of what stands against it.
pub fn rehearse(members: Option<&Few<Principal>>, requirement: &Requirement) -> Result<(), &'static str> {
    match members {
        Some(members) => judge(members, requirement).map_err(|denial| denial.code()),
        None if requirement.admits_anonymous() => Ok(()),
        None => Err("credential_required"),
    }
}

fn without_credential(requirement: &Requirement) -> Decision {
    if requirement.admits_anonymous() {
        Decision::Permit(Permit::assertion(Few::one(Principal::anonymous())))
    } else {
        Decision::Challenge(Challenge::of(requirement))
    }
}

fn judge(members: &Few<Principal>, requirement: &Requirement) -> Result<(), Denial> {
    match requirement {
        Requirement::Any(conditions) => any(members, conditions),
        Requirement::All(conditions, agreement) => all(members, conditions, *agreement),
    }
}

fn any(members: &Few<Principal>, conditions: &[Condition]) -> Result<(), Denial> {
    // One credential, or it is not said which of them the decision is about.
    if members.len() != 1 {
        return Err(Denial::WrongScheme);
    }
    let mut nearest = Denial::WrongScheme;
    for condition in conditions {
        match condition.judge(members.first()) {
            Ok(()) => return Ok(()),
            Err(denial) if denial.nearness() >= nearest.nearness() => nearest = denial,
            Err(_) => {}
        }
    }
    Err(nearest)
}

fn all(members: &Few<Principal>, conditions: &[Condition], agreement: Agreement) -> Result<(), Denial> {
    // Each condition has a member of its own, and no member is without a condition.
    if members.len() != conditions.len() {
        return Err(Denial::WrongScheme);
    }
    conditions.iter().zip(members.iter()).try_for_each(|(condition, member)| condition.judge(member))?;
    if members.len() == 1 || agree(members, agreement) { Ok(()) } else { Err(Denial::OwnersDisagree) }
}

fn agree(members: &Few<Principal>, agreement: Agreement) -> bool {
    let relation = |principal: &Principal| match agreement {
        Agreement::Owner => principal.owner(),
        Agreement::Organisation => principal.organisation(),
        Agreement::Subject => match principal.subject() {
            Some(Subject::Owner(owner)) => Some(*owner),
            Some(Subject::Foreign { .. } | Subject::Workload(_)) | None => None,
        },
    };
    // Nobody does not agree with nobody.
    let first = relation(members.first());
    first.is_some() && members.iter().all(|member| relation(member) == first)
}

#[cfg(test)]
mod tests;
