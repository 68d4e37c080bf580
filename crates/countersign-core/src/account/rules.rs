//! The decisions about what people do for themselves.

use std::sync::Arc;

use crate::context::Context;
use crate::decision::{Condition, Decision, OwnCriteria, Permit, Requirement, decide};
use crate::delegation::{WEB_SESSION, end_family};
use crate::effect::{Effect, Outcome};
use crate::environment::Environment;
use crate::exchange::Act;
use crate::few::Few;
use crate::id::CredentialId;
use crate::key_evidence::KeyEvidence;
use crate::known::KnownOwner;
use crate::lifecycle::new_line;
use crate::own::Evidence;
use crate::password::{PasswordHash, ProvenPassword};
use crate::person::reset;
use crate::principal::{Principal, Proof, Subject};
use crate::question::{ArtifactKey, ArtifactOf, FoundPerson, PersonOf};
use crate::reach::{Reach, reach};
use crate::record::ArtifactRecord;
use crate::refusal::Refusal;
use crate::scheme::Scheme;
use crate::scope::Grantable;
use crate::self_service::{OwnClients, SelfService};
use crate::sign_in::{self, Session};

/// What somebody comes for, which says what they may give to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What is theirs already.
    Own,
    /// To make API keys.
    ApiKeys,
    /// To register clients.
    Clients,
}

impl Purpose {
    fn grantable(self, offered: &SelfService) -> Grantable {
        let scopes = match self {
            Self::Own => None,
            Self::ApiKeys => offered.api_keys.as_ref().map(|keys| keys.scopes.clone()),
            Self::Clients => offered.clients.as_ref().map(OwnClients::grantable),
        };
        Grantable::new(scopes.unwrap_or_default())
    }
}

/// Proves the person of a session, who may give what is `offered` for a purpose; `None`: `person` is not whose session it is.
#[must_use]
pub fn permit(
    session: &Session,
    person: &Arc<KnownOwner>,
    (purpose, offered): (Purpose, &SelfService),
) -> Option<Permit> {
    if person.id() != session.person {
        return None;
    }
    let grantable = purpose.grantable(offered);
    let own = KeyEvidence { prefix: None, environment: Environment::Live, grantable };
    let principal = Principal::assertion(Proof {
        subject: Some(Subject::Owner(person.id())),
        credential: Some(session.id),
        owner: Some(Arc::clone(person)),
        own: Arc::new(Evidence(Arc::new(own))),
        ..Proof::nothing(Scheme::SIGN_IN)
    });
    let required = Requirement::Any(vec![Condition::of(Scheme::SIGN_IN, OwnCriteria::NONE)]);
    match decide(Some(Few::one(principal)), &required) {
        Decision::Permit(permit) => Some(permit),
        Decision::Challenge(_) | Decision::Deny(_) => None,
    }
}

/// Where a person has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// At the issuer.
    Issuer,
    /// At a web app of the installation.
    WebApp,
}

/// One of a person's sessions, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSession {
    /// Where.
    pub whence: Whence,
    /// Its name.
    pub id: CredentialId,
}

/// Ends one of a person's sessions, at their own word.
#[derive(Debug, Clone, Copy)]
pub struct EndSession(pub OwnSession);

impl Act for EndSession {
    type Question = ArtifactOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ArtifactOf {
        let kind = match self.0.whence {
            Whence::Issuer => sign_in::KIND,
            Whence::WebApp => WEB_SESSION,
        };
        ArtifactOf { kind, by: ArtifactKey::Family(self.0.id) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<ArtifactRecord>,
    ) -> Outcome<(), Refusal> {
        let OwnSession { whence, id } = self.0;
        let action = match whence {
            Whence::Issuer => "user.sign_out",
            Whence::WebApp => "session.end",
        };
        let line = new_line(context, action, permit, id.to_string());
        let is_theirs = |record: &ArtifactRecord| {
            record.subject.is_some_and(|person| reach(permit.principal()) == Reach::Owner(person))
        };
        let Some(record) = found.filter(is_theirs) else {
            let refusal = Refusal::NotFound;
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        };
        let effects = match whence {
            Whence::Issuer => sign_in::end(context.now, &record),
            Whence::WebApp => end_family(context.now, id),
        };
        Outcome::granted((), effects, line.granted().within(Some(record.organisation)))
    }
}

/// Replaces a person's password, which they have just proven that they know. It ends every session and every token of theirs
/// (OWASP ASVS 5.0 §7.4.3).
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// That they know the password before.
    pub proof: ProvenPassword,
    /// The next one.
    pub password: PasswordHash,
}

impl Act for ChangePassword {
    type Question = PersonOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> PersonOf {
        PersonOf(self.proof.person())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundPerson>,
    ) -> Outcome<(), Refusal> {
        let line = new_line(context, "user.change_password", permit, self.proof.person().to_string());
        let is_theirs = |found: &FoundPerson| {
            reach(permit.principal()) == Reach::Owner(found.owner.id)
                && self.proof.is(found.person.password.as_ref())
        };
        let Some(found) = found.filter(is_theirs) else {
            let refusal = Refusal::UserNotFound;
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        };
        let organisation = found.owner.organisation;
        let (owner, person) = reset(context, found.owner, found.person, Some(self.password.clone()));
        let effects = vec![Effect::Advance(owner.into()), Effect::Advance(person.into())];
        Outcome::granted((), effects, line.granted().within(Some(organisation)))
    }
}
