//! The decisions about persons.

use crate::audit::AuditEvent;
use crate::authority::Authority;
use crate::cap::room;
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::{OwnerId, OwnerKind};
use crate::lifecycle::{Line, new_line, reaches};
use crate::minting::valid_name;
use crate::password::PasswordHash;
use crate::person_terms::EmailAddress;
use crate::question::{
    Enrolment, FoundEnrolment, FoundMembership, FoundPerson, Holder, MembershipOf, PersonOf,
};
use crate::reach::authority;
use crate::record::{Membership, OwnerRecord, PersonRecord};
use crate::refusal::Refusal;
use crate::tally::Kept;
use crate::timestamp::Timestamp;

use super::model::{AmendPerson, DeletePerson, Enrol, Enrolled, ResetPerson, SetRoles, Vouched};

/// What is left of a deleted person's name.
const DELETED: &str = "deleted user";

impl Act for Enrol {
    type Question = Enrolment;
    type By = Permit;
    type Answer = Enrolled;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> Enrolment {
        Enrolment { organisation: self.organisation, username: self.username.clone() }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundEnrolment,
    ) -> Outcome<Enrolled, Refusal> {
        let line = new_line(context, "user.create", permit, OwnerKind::User.name().to_owned());
        match self.enrolled(context, permit, found) {
            Ok((enrolled, room)) => {
                let mut effects = Vec::from_iter(room);
                effects.push(Effect::Insert(enrolled.owner.clone().into()));
                effects.push(Effect::Insert(enrolled.person.clone().into()));
                effects.extend(enrolled.memberships.iter().cloned().map(|one| Effect::Insert(one.into())));
                let audit = about(line, &enrolled.owner).detail("username", self.username.to_string());
                Outcome::granted(enrolled, effects, audit)
            }
            Err(refusal) => refused(refusal, line),
        }
    }
}

impl Enrol {
    fn enrolled(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundEnrolment,
    ) -> Result<(Enrolled, Option<Effect>), Refusal> {
        let Holder { owner: organisation, tally, .. } = found.holder.ok_or(Refusal::OwnerNotFound)?;
        if organisation.id.kind() != OwnerKind::Organisation
            || !reaches(permit, organisation.organisation, organisation.id)
        {
            return Err(Refusal::OwnerNotFound);
        }
        if organisation.disabled_at.is_some() {
            return Err(Refusal::OwnerDisabled);
        }
        let verified = vouched(context, permit, self.vouched, self.email.as_ref())?;
        if found.is_taken {
            return Err(Refusal::UsernameTaken);
        }
        let name = valid_name(self.name.as_deref().unwrap_or(self.username.as_str()))?;
        let room = room(context, permit, organisation.id, tally, Kept::Members)?;
        let id = OwnerId::random(OwnerKind::User, context.entropy);
        let owner = OwnerRecord::new(id, organisation.id, name, context.now);
        let (person, home) = (self.person(context, id, verified), self.home(context, id, organisation.id));
        Ok((Enrolled { owner, person, memberships: vec![home] }, room))
    }

    fn person(&self, context: &Context<'_>, id: OwnerId, verified: Option<Timestamp>) -> PersonRecord {
        PersonRecord {
            id,
            username: self.username.clone(),
            email: self.email.clone(),
            email_verified_at: verified,
            password: self.password.clone(),
            password_at: self.password.as_ref().map(|_| context.now),
            version: 1,
            updated_at: context.now,
            profile: self.profile.clone(),
        }
    }

    fn home(&self, context: &Context<'_>, person: OwnerId, organisation: OwnerId) -> Membership {
        Membership { person, organisation, roles: self.roles.clone(), version: 1, created_at: context.now }
    }
}

/// Returns since when an address is known to be the person's.
///
/// # Errors
///
/// [`Refusal::UnprovenEmail`]: other services believe a verified address, also those of other tenants.
fn vouched(
    context: &Context<'_>,
    permit: &Permit,
    vouched: Vouched,
    email: Option<&EmailAddress>,
) -> Result<Option<Timestamp>, Refusal> {
    match (vouched, authority(permit.principal())) {
        (Vouched::ByNobody, _) => Ok(None),
        (Vouched::ByCaller, Authority::Operator) => Ok(email.map(|_| context.now)),
        (Vouched::ByCaller, Authority::Organisation | Authority::Owner) => Err(Refusal::UnprovenEmail),
    }
}

/// Returns the person if the caller may know of them.
///
/// # Errors
///
/// [`Refusal::UserNotFound`], also where they are another tenant's.
pub fn visible(permit: &Permit, found: Option<FoundPerson>) -> Result<FoundPerson, Refusal> {
    let may = |found: &FoundPerson| reaches(permit, found.owner.organisation, found.owner.id);
    found.filter(may).ok_or(Refusal::UserNotFound)
}

impl Act for AmendPerson {
    type Question = PersonOf;
    type By = Permit;
    type Answer = Enrolled;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> PersonOf {
        PersonOf(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundPerson>,
    ) -> Outcome<Enrolled, Refusal> {
        let line = new_line(context, "user.update", permit, self.id.to_string());
        match self.next(context, permit, found) {
            Ok(next) => replaced(next, line),
            Err(refusal) => refused(refusal, line),
        }
    }
}

impl AmendPerson {
    fn next(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Option<FoundPerson>,
    ) -> Result<Enrolled, Refusal> {
        let FoundPerson { owner, person, memberships, .. } = visible(permit, found)?;
        let name = self.name.as_deref().map_or_else(|| Ok(owner.name.clone()), valid_name)?;
        let email = self.email.clone().unwrap_or_else(|| person.email.clone());
        let verified = vouched(context, permit, self.vouched, email.as_ref())?;
        let before = person.email_verified_at.filter(|_| email == person.email);
        let next = PersonRecord {
            email,
            email_verified_at: before.or(verified),
            profile: person.profile.changed(self.profile.clone())?,
            version: person.version + 1,
            updated_at: context.now,
            ..person
        };
        let owner = OwnerRecord { name, version: owner.version + 1, ..owner };
        Ok(Enrolled { owner, person: next, memberships })
    }
}

impl Act for ResetPerson {
    type Question = PersonOf;
    type By = Permit;
    type Answer = Enrolled;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> PersonOf {
        PersonOf(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundPerson>,
    ) -> Outcome<Enrolled, Refusal> {
        let line = new_line(context, "user.reset", permit, self.id.to_string());
        match visible(permit, found) {
            Ok(FoundPerson { owner, person, memberships, .. }) => {
                let (owner, person) = reset(context, owner, person, self.password.clone());
                let mut outcome = replaced(Enrolled { owner, person, memberships }, line);
                // Whoever got in may have left a way in.
                outcome.effects.push(Effect::UnlinkAll(self.id));
                outcome
            }
            Err(refusal) => refused(refusal, line),
        }
    }
}

/// Returns a person with another password, who has to sign in anew everywhere (OWASP ASVS 5.0 §7.4.3).
pub(crate) fn reset(
    context: &Context<'_>,
    owner: OwnerRecord,
    person: PersonRecord,
    password: Option<PasswordHash>,
) -> (OwnerRecord, PersonRecord) {
    let owner = OwnerRecord { version: owner.version + 1, generation: owner.generation + 1, ..owner };
    let password_at = password.as_ref().map(|_| context.now);
    let version = person.version + 1;
    (owner, PersonRecord { password, password_at, version, updated_at: context.now, ..person })
}

impl Act for DeletePerson {
    type Question = PersonOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> PersonOf {
        PersonOf(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundPerson>,
    ) -> Outcome<(), Refusal> {
        let line = new_line(context, "user.delete", permit, self.id.to_string());
        let found = visible(permit, found).and_then(|found| match found.owner.disabled_at {
            // Who may switch them off was decided then, with all that the owner holds.
            Some(_) => Ok(found),
            None => Err(Refusal::UserNotDisabled),
        });
        match found {
            Ok(FoundPerson { owner, person, .. }) => {
                let organisation = owner.organisation;
                let (version, generation) = (owner.version + 1, owner.generation + 1);
                let gone = OwnerRecord { name: DELETED.to_owned(), version, generation, ..owner };
                let effects = vec![Effect::Advance(gone.into()), Effect::Unregister(Box::new(person))];
                Outcome::granted((), effects, line.granted().within(Some(organisation)))
            }
            Err(refusal) => refused(refusal, line),
        }
    }
}

impl Act for SetRoles {
    type Question = MembershipOf;
    type By = Permit;
    type Answer = Option<Membership>;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> MembershipOf {
        MembershipOf { person: self.person, organisation: self.organisation }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundMembership,
    ) -> Outcome<Option<Membership>, Refusal> {
        let line = new_line(context, "user.roles", permit, self.person.to_string());
        match self.next(context, permit, found) {
            Ok((next, effect)) => {
                let roles: Vec<_> = next.iter().flat_map(|next| next.roles.names()).collect();
                let audit = line
                    .granted()
                    .within(Some(self.organisation))
                    .detail("organisation", self.organisation.to_string())
                    .detail("roles", roles.join(" "));
                Outcome::granted(next, vec![effect], audit)
            }
            Err(refusal) => refused(refusal, line),
        }
    }
}

impl SetRoles {
    /// Whoever gives roles in an organisation reaches it, and the person too: nobody is made a member by strangers.
    fn next(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: FoundMembership,
    ) -> Result<(Option<Membership>, Effect), Refusal> {
        let within = |owner: &OwnerRecord| reaches(permit, owner.organisation, owner.id);
        let person = found.person.filter(within).ok_or(Refusal::UserNotFound)?;
        let is_organisation = |owner: &OwnerRecord| owner.id.kind() == OwnerKind::Organisation;
        let organisation = found.organisation.filter(is_organisation).filter(within);
        let organisation = organisation.ok_or(Refusal::OwnerNotFound)?;
        match (self.roles.clone(), found.membership) {
            (Some(roles), None) => {
                let (person, organisation) = (person.id, organisation.id);
                let next = Membership { person, organisation, roles, version: 1, created_at: context.now };
                Ok((Some(next.clone()), Effect::Insert(next.into())))
            }
            (Some(roles), Some(before)) => {
                let next = Membership { roles, version: before.version + 1, ..before };
                Ok((Some(next.clone()), Effect::Advance(next.into())))
            }
            (None, Some(_)) if person.organisation == organisation.id => Err(Refusal::HomeOrganisation),
            (None, Some(before)) => Ok((None, Effect::Leave(before))),
            (None, None) => Err(Refusal::NotAMember),
        }
    }
}

/// A line about a person, which their tenant may read.
fn about(line: Line, owner: &OwnerRecord) -> AuditEvent {
    line.granted()
        .about(owner.id.to_string())
        .within(Some(owner.organisation))
        .detail("name", owner.name.clone())
}

fn replaced(next: Enrolled, line: Line) -> Outcome<Enrolled, Refusal> {
    let audit = about(line, &next.owner);
    let effects =
        vec![Effect::Advance(next.owner.clone().into()), Effect::Advance(next.person.clone().into())];
    Outcome::granted(next, effects, audit)
}

fn refused<T>(refusal: Refusal, line: Line) -> Outcome<T, Refusal> {
    let audit = line.refused(refusal.code());
    Outcome::refused(refusal, Vec::new(), audit)
}
