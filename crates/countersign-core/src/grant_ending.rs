//! Ending what people have allowed: a whole grant, or the family of one authorization; at an operator's or a tenant's word, or at
//! the client's own (RFC 7009 §2.1).
//!
//! **Invariant.** Access tokens, the refresh token and codes end in one commit: nothing that belongs to it is redeemed later.

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::delegation::{end_family, end_grant};
use crate::effect::Outcome;
use crate::exchange::Act;
use crate::id::CredentialId;
use crate::lifecycle::{new_line, reaches};
use crate::principal::Principal;
use crate::question::{ArtifactKey, ArtifactOf, ConsentOf, ConsentTo, FamilyOf, FoundFamily};
use crate::reach::{Reach, reach};
use crate::record::{ArtifactRecord, ConsentRecord};
use crate::refreshing::KIND;
use crate::refusal::Refusal;
use crate::tagged::TaggedText;

/// Ends what a person allows a client, by its name.
#[derive(Debug, Clone, Copy)]
pub struct EndGrant(pub CredentialId);

/// Ends what this person allows this client.
#[derive(Debug, Clone, Copy)]
pub struct EndGrantOf(pub ConsentTo);

/// Ends all that one authorization has obtained.
#[derive(Debug, Clone, Copy)]
pub struct EndFamily(pub CredentialId);

/// Ends the family of a refresh token at its client's word (RFC 7009 §2.1).
#[derive(Debug)]
pub struct EndOwnFamily(pub TaggedText);

/// It is no refresh token of the client's that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotIts;

fn end_found(
    context: &Context<'_>,
    permit: &Permit,
    named: String,
    found: Option<ConsentRecord>,
) -> Outcome<(), Refusal> {
    let line = new_line(context, "grant.revoke", permit, named);
    let within = |one: &ConsentRecord| {
        reaches(permit, one.organisation, one.client)
            || reach(permit.principal()) == Reach::Owner(one.subject)
    };
    let Some(consent) = found.filter(within) else {
        let refusal = Refusal::GrantNotFound;
        return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
    };
    let line = line
        .granted()
        .about(consent.id.to_string())
        .within(Some(consent.organisation))
        .detail("client", consent.client.to_string())
        .detail("subject", consent.subject.to_string());
    Outcome::granted((), end_grant(context.now, consent.id), line)
}

impl Act for EndGrant {
    type Question = ConsentOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ConsentOf {
        ConsentOf(self.0)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<ConsentRecord>,
    ) -> Outcome<(), Refusal> {
        end_found(context, permit, self.0.to_string(), found)
    }
}

impl Act for EndGrantOf {
    type Question = ConsentTo;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ConsentTo {
        self.0
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<ConsentRecord>,
    ) -> Outcome<(), Refusal> {
        end_found(context, permit, format!("{} {}", self.0.client, self.0.subject), found)
    }
}

impl Act for EndFamily {
    type Question = FamilyOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> FamilyOf {
        FamilyOf(self.0)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundFamily>,
    ) -> Outcome<(), Refusal> {
        let line = new_line(context, "token.revoke_family", permit, self.0.to_string());
        let organisation = found.as_ref().map(|found| found.record.organisation);
        let within = match &found {
            Some(FoundFamily { record, person }) => {
                let owners = person.iter().map(|person| (person.owner.organisation, person.owner.id));
                let client = record.client.map(|client| (record.organisation, client));
                owners.chain(client).any(|(organisation, owner)| reaches(permit, organisation, owner))
            }
            // Of a family that nothing renews nobody knows whose it is.
            None => reach(permit.principal()) == Reach::Installation,
        };
        if !within {
            let refusal = Refusal::NotFound;
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        }
        Outcome::granted((), end_family(context.now, self.0), line.granted().within(organisation))
    }
}

impl Act for EndOwnFamily {
    type Question = ArtifactOf;
    type By = Principal;
    type Answer = ();
    type Reason = NotIts;

    fn question(&self, _: &Context<'_>, _: &Principal) -> ArtifactOf {
        ArtifactOf { kind: KIND, by: ArtifactKey::Family(self.0.family) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: Option<ArtifactRecord>,
    ) -> Outcome<(), NotIts> {
        let line = AuditEvent::granted(context.now, "token.revoke_family", Actor::of(client));
        let line = line.within(client.organisation()).about(self.0.family.to_string());
        // One that was used before was the client's too: whoever wants it ended means its successors.
        let is_its = |record: &ArtifactRecord| {
            record.client == client.client()
                && (self.0.counts(context.peppers, record) || self.0.is_ours(context.peppers))
        };
        if found.is_some_and(|record| is_its(&record)) {
            Outcome::granted((), end_family(context.now, self.0.family), line)
        } else {
            Outcome::refused(NotIts, Vec::new(), line.turned_down("wrong_client"))
        }
    }
}

#[cfg(test)]
mod tests;
