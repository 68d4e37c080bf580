//! Whose an identity is, and how it becomes somebody's.

use crate::audit::{Actor, AuditEvent};
use crate::base62;
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::id::{OwnerId, OwnerKind};
use crate::lifecycle::new_line;
use crate::minting::valid_name;
use crate::person_terms::{EmailAddress, Profile, Roles, Username};
use crate::question::{
    FoundEnrolment, FoundIdentities, FoundIdentity, FoundPerson, Holder, IdentitiesOf, IdentityOf,
};
use crate::reach::{Reach, reach};
use crate::record::{IdentityName, LinkedIdentity, Membership, OwnerRecord, PersonRecord};
use crate::tally::Kept;

use super::model::{ProvenIdentity, Recognised};

/// The most identities of one person; a bound, not a clause.
const MOST: usize = 10;
/// The digits of a username that is drawn: 70 bits, and nobody types it.
const DIGITS: usize = 12;
/// The longest part of a username that is taken over from a provider: with the provider's name it is one.
const MOST_USERNAME: usize = 60;

/// How an identity became somebody's, in the audit.
const LINK: &str = "user.link";

/// Returns whose an identity is; `None`: nobody's yet.
#[must_use]
pub fn recognise(identity: &ProvenIdentity, found: &FoundIdentity) -> Option<Recognised> {
    found.holder.map(|person| Recognised::assertion(identity.clone(), person))
}

/// Makes an identity that is nobody's somebody's, as far as the operator believes its provider: of the one person who has proven the
/// same address, or of a person who is made for it.
#[derive(Debug)]
pub struct Join {
    /// The identity.
    pub identity: ProvenIdentity,
}

/// Why an identity stays nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotJoined {
    /// Whose address it is cannot be said: several have proven it, or one in other letters.
    Ambiguous,
    /// Whose address it is, or where people are made, is disabled.
    Disabled,
    /// No more people may be made.
    Full,
    /// Nobody is known by it.
    Stranger,
}

impl NotJoined {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous_address",
            Self::Disabled => "disabled",
            Self::Full => "full",
            Self::Stranger => "stranger",
        }
    }
}

impl Join {
    /// Asks what joining has to know.
    #[must_use]
    pub fn asked(identity: &ProvenIdentity) -> IdentityOf {
        IdentityOf {
            identity: identity.name().clone(),
            email: identity.trusted_email().cloned(),
            username: identity.provider().create_people.then(|| username(identity)).flatten(),
        }
    }

    fn joined(&self, context: &mut Context<'_>, found: FoundIdentity) -> Result<Joined, NotJoined> {
        if let Some(person) = found.holder {
            // Another tab was first.
            return Ok(Joined { person, action: LINK, organisation: None, effects: Vec::new() });
        }
        match <[FoundPerson; 1]>::try_from(found.by_email) {
            Ok([person]) => self.linked(context, person),
            // Whoever has proven an address is never joined by a second person of the same one.
            Err(several) if !several.is_empty() => Err(NotJoined::Ambiguous),
            Err(_) if self.identity.provider().create_people => self.made(context, found.enrolment),
            Err(_) => Err(NotJoined::Stranger),
        }
    }

    fn linked(&self, context: &Context<'_>, found: FoundPerson) -> Result<Joined, NotJoined> {
        let same = self.identity.trusted_email().zip(found.person.email.as_ref());
        if !same.is_some_and(|(told, proven)| is_same(told, proven))
            || found.person.email_verified_at.is_none()
        {
            return Err(NotJoined::Ambiguous);
        }
        if [&found.owner, &found.organisation].iter().any(|owner| owner.disabled_at.is_some()) {
            return Err(NotJoined::Disabled);
        }
        let (person, organisation) = (found.owner.id, Some(found.owner.organisation));
        let effects = link(context, &self.identity, found.person);
        Ok(Joined { person, action: LINK, organisation, effects })
    }

    fn made(&self, context: &mut Context<'_>, found: FoundEnrolment) -> Result<Joined, NotJoined> {
        let Holder { owner: organisation, tally, .. } = found.holder.ok_or(NotJoined::Disabled)?;
        if organisation.disabled_at.is_some() {
            return Err(NotJoined::Disabled);
        }
        let most = Kept::Members.cap(context.policy);
        if Kept::Members.of(tally) >= most {
            return Err(NotJoined::Full);
        }
        let wanted = username(&self.identity).filter(|_| !found.is_taken);
        let username = wanted.map_or_else(|| drawn(context, &self.identity), Some).ok_or(NotJoined::Full)?;
        let name = self.identity.told().name.as_deref().and_then(|name| valid_name(name).ok());
        let name = name.unwrap_or_else(|| username.as_str().to_owned());
        let id = OwnerId::random(OwnerKind::User, context.entropy);
        let owner = OwnerRecord::new(id, organisation.id, name, context.now);
        let membership = Membership {
            person: id,
            organisation: organisation.id,
            roles: Roles::default(),
            version: 1,
            created_at: context.now,
        };
        let effects = vec![
            Effect::Within { organisation: organisation.id, kept: Kept::Members, most },
            Effect::Insert(owner.into()),
            Effect::Insert(self.person(context, id, username).into()),
            Effect::Insert(membership.into()),
            Effect::Insert(linked(context, &self.identity, id).into()),
        ];
        Ok(Joined { person: id, action: "user.create", organisation: Some(organisation.id), effects })
    }

    fn person(&self, context: &Context<'_>, id: OwnerId, username: Username) -> PersonRecord {
        // An address that the operator does not take the provider's word for is not kept: nobody has proven it to us.
        let email = self.identity.trusted_email().cloned();
        PersonRecord {
            id,
            username,
            email_verified_at: email.as_ref().map(|_| context.now),
            email,
            password: None,
            password_at: None,
            version: 1,
            updated_at: context.now,
            profile: Profile::default(),
        }
    }
}

/// What joining has come to.
struct Joined {
    person: OwnerId,
    action: &'static str,
    organisation: Option<OwnerId>,
    effects: Vec<Effect>,
}

impl Act for Join {
    type Question = IdentityOf;
    type By = System;
    type Answer = Recognised;
    type Reason = NotJoined;

    fn question(&self, _: &Context<'_>, _: &System) -> IdentityOf {
        Self::asked(&self.identity)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: FoundIdentity,
    ) -> Outcome<Recognised, NotJoined> {
        let now = context.now;
        let of_provider =
            |line: AuditEvent| line.detail("provider", self.identity.provider().name.to_string());
        match self.joined(context, found) {
            Ok(Joined { person, action, organisation, effects }) => {
                let actor = Actor { scheme: "federation".into(), credential: None, owner: Some(person) };
                let line = AuditEvent::granted(now, action, actor).about(person.to_string());
                let recognised = Recognised::assertion(self.identity.clone(), person);
                Outcome::granted(recognised, effects, of_provider(line.within(organisation)))
            }
            Err(reason) => {
                let line = AuditEvent::refused(now, "user.sign_in", Actor::UNVERIFIED, reason.code());
                Outcome::refused(reason, Vec::new(), of_provider(line))
            }
        }
    }
}

/// Makes an identity that somebody has proven in a session theirs who is signed in.
#[derive(Debug)]
pub struct LinkIdentity {
    /// The identity.
    pub identity: ProvenIdentity,
    /// Who is signed in.
    pub person: OwnerId,
}

/// Takes an identity away from who is signed in.
#[derive(Debug)]
pub struct UnlinkIdentity {
    /// The identity.
    pub identity: IdentityName,
    /// Who is signed in.
    pub person: OwnerId,
    /// The issuers of the providers by which people can sign in.
    pub ways: Vec<String>,
}

/// Why the identities of a person stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLinked {
    /// They could not sign in any more.
    LastWay,
    /// It is not theirs.
    NotTheirs,
    /// It is somebody else's.
    OfAnother,
    /// It is theirs already.
    Theirs,
    /// They have as many as one may have.
    TooMany,
}

impl NotLinked {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LastWay => "last_way_in",
            Self::NotTheirs => "identity_not_found",
            Self::OfAnother => "identity_taken",
            Self::Theirs => "identity_linked",
            Self::TooMany => "too_many_identities",
        }
    }
}

impl Act for LinkIdentity {
    type Question = IdentitiesOf;
    type By = Permit;
    type Answer = ();
    type Reason = NotLinked;

    fn question(&self, _: &Context<'_>, _: &Permit) -> IdentitiesOf {
        IdentitiesOf { person: self.person, identity: self.identity.name().clone() }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundIdentities,
    ) -> Outcome<(), NotLinked> {
        let linked = own(permit, self.person, found.person).and_then(|person| match found.holder {
            Some(holder) if holder == self.person => Err(NotLinked::Theirs),
            Some(_) => Err(NotLinked::OfAnother),
            None if found.theirs.len() >= MOST => Err(NotLinked::TooMany),
            None => Ok((person.owner.organisation, link(context, &self.identity, person.person))),
        });
        told(context, permit, (LINK, self.person, self.identity.name()), linked)
    }

    fn is_filed(&self, reason: &NotLinked) -> bool {
        *reason != NotLinked::Theirs
    }
}

impl Act for UnlinkIdentity {
    type Question = IdentitiesOf;
    type By = Permit;
    type Answer = ();
    type Reason = NotLinked;

    fn question(&self, _: &Context<'_>, _: &Permit) -> IdentitiesOf {
        IdentitiesOf { person: self.person, identity: self.identity.clone() }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundIdentities,
    ) -> Outcome<(), NotLinked> {
        let unlinked = own(permit, self.person, found.person).and_then(|person| {
            let (gone, left): (Vec<_>, Vec<_>) =
                found.theirs.into_iter().partition(|one| one.name == self.identity);
            let gone = gone.into_iter().next().ok_or(NotLinked::NotTheirs)?;
            let leads_in = |one: &LinkedIdentity| self.ways.contains(&one.name.issuer);
            if person.person.password.is_none() && !left.iter().any(leads_in) {
                return Err(NotLinked::LastWay);
            }
            let organisation = person.owner.organisation;
            // Of two who take away one each, the second finds the person changed.
            let effects = vec![Effect::Unlink(Box::new(gone)), advanced(person.person)];
            Ok((organisation, effects))
        });
        told(context, permit, ("user.unlink", self.person, &self.identity), unlinked)
    }
}

/// Returns the person if it is they who act.
fn own(permit: &Permit, person: OwnerId, found: Option<FoundPerson>) -> Result<FoundPerson, NotLinked> {
    let is_theirs = reach(permit.principal()) == Reach::Owner(person);
    found.filter(|_| is_theirs).ok_or(NotLinked::NotTheirs)
}

fn told(
    context: &Context<'_>,
    permit: &Permit,
    (action, person, identity): (&'static str, OwnerId, &IdentityName),
    decided: Result<(OwnerId, Vec<Effect>), NotLinked>,
) -> Outcome<(), NotLinked> {
    let line = new_line(context, action, permit, person.to_string());
    match decided {
        Ok((organisation, effects)) => {
            let audit = line.granted().within(Some(organisation)).detail("issuer", identity.issuer.clone());
            Outcome::granted((), effects, audit)
        }
        Err(reason) => Outcome::refused(reason, Vec::new(), line.refused(reason.code())),
    }
}

/// Makes an identity a person's, who is as they were found.
fn link(context: &Context<'_>, identity: &ProvenIdentity, person: PersonRecord) -> Vec<Effect> {
    vec![Effect::Insert(linked(context, identity, person.id).into()), advanced(person)]
}

fn linked(context: &Context<'_>, identity: &ProvenIdentity, person: OwnerId) -> LinkedIdentity {
    LinkedIdentity { name: identity.name().clone(), person, shown: identity.shown(), created_at: context.now }
}

/// Holds only while nobody else changes the person: not the address that was compared, nor how many identities they have.
fn advanced(person: PersonRecord) -> Effect {
    Effect::Advance(PersonRecord { version: person.version + 1, ..person }.into())
}

/// Tells whether two addresses are one: hosts are alike in any case of letters, and what stands before them is the host's matter
/// (RFC 5321 §2.4).
fn is_same(one: &EmailAddress, other: &EmailAddress) -> bool {
    let (one, other) = (one.as_str().rsplit_once('@'), other.as_str().rsplit_once('@'));
    one.zip(other).is_some_and(|((local, host), (other_local, other_host))| {
        local == other_local && host.eq_ignore_ascii_case(other_host)
    })
}

/// Returns what a person that is made for an identity signs in as: under the provider's name, so that nobody takes a name here by
/// choosing it there.
fn username(identity: &ProvenIdentity) -> Option<Username> {
    let told = identity.told().username.as_ref()?.as_str();
    let local = told.split('@').next().filter(|local| (1..=MOST_USERNAME).contains(&local.len()))?;
    format!("{}.{local}", identity.provider().name).parse().ok()
}

/// Draws what nobody is called.
fn drawn(context: &mut Context<'_>, identity: &ProvenIdentity) -> Option<Username> {
    let digits = base62::random(context.entropy, DIGITS);
    format!("{}.{digits}", identity.provider().name).parse().ok()
}
