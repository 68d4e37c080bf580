//! Ending tokens before their time: one (RFC 7009), a client's, a tenant's, or all.
//!
//! **Invariants.** Many end by raising a generation, which tokens name (SAFETY 17): nothing is listed, and none that is
//! issued at that moment escapes by the second of its `iat`. Nobody ends what is beyond their reach, and learns nothing
//! of it.

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::OwnerId;
use crate::issued::MEMORY;
use crate::ledger::Question;
use crate::lifecycle::{new_line, reaches};
use crate::principal::Principal;
use crate::question::{FoundOwner, IncarnationOf, OwnerAndKeys};
use crate::reach::{Reach, reach};
use crate::record::{EndedToken, OwnerRecord, Record};
use crate::refusal::Refusal;
use crate::token::AccessClaims;

/// Ends one token at its client's word (RFC 7009 §2.1). The text was proven; it may have ended meanwhile.
#[derive(Debug)]
pub struct EndOwn {
    /// What it says.
    pub claims: AccessClaims,
}

/// Ends one token at an operator's or a tenant's word.
#[derive(Debug)]
pub struct EndToken {
    /// What it says.
    pub claims: AccessClaims,
    /// The tenant of its client.
    pub organisation: OwnerId,
}

/// Ends every token that was issued to an owner, or to the members of an organisation.
#[derive(Debug, Clone, Copy)]
pub struct EndAllOf(pub OwnerId);

/// Ends every token.
#[derive(Debug, Clone, Copy)]
pub struct EndAll;

/// Nothing is asked.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Question for Nothing {
    type Answer = ();
}

fn end(claims: &AccessClaims) -> Vec<Effect> {
    vec![Effect::End(EndedToken { token: claims.id, until: claims.expires_at.plus(MEMORY) })]
}

/// The token was issued to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotIts;

impl Act for EndOwn {
    type Question = Nothing;
    type By = Principal;
    type Answer = ();
    type Reason = NotIts;

    fn question(&self, _: &Context<'_>, _: &Principal) -> Nothing {
        Nothing
    }

    fn decide(&self, context: &mut Context<'_>, client: &Principal, (): ()) -> Outcome<(), NotIts> {
        let line = AuditEvent::granted(context.now, "token.revoke", Actor::of(client));
        let line = line.within(client.organisation()).about(self.claims.id.to_string());
        // RFC 7009 §2.1: the authorization server verifies whether the token was issued to the client.
        if client.client() == Some(self.claims.client) {
            Outcome::granted((), end(&self.claims), line)
        } else {
            Outcome::refused(NotIts, Vec::new(), line.turned_down("wrong_client"))
        }
    }
}

impl Act for EndToken {
    type Question = Nothing;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> Nothing {
        Nothing
    }

    fn decide(&self, context: &mut Context<'_>, permit: &Permit, (): ()) -> Outcome<(), Refusal> {
        let line = new_line(context, "token.revoke", permit, self.claims.id.to_string());
        if !reaches(permit, self.organisation, self.claims.client) {
            return Outcome::refused(Refusal::NotFound, Vec::new(), line.refused(Refusal::NotFound.code()));
        }
        Outcome::granted((), end(&self.claims), line.granted().within(Some(self.organisation)))
    }
}

impl Act for EndAllOf {
    type Question = OwnerAndKeys;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> OwnerAndKeys {
        OwnerAndKeys(self.0)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundOwner>,
    ) -> Outcome<(), Refusal> {
        let line = new_line(context, "token.revoke_all", permit, self.0.to_string());
        let found = found.map(|found| found.owner);
        let Some(owner) = found.filter(|owner| reaches(permit, owner.organisation, owner.id)) else {
            let refusal = Refusal::OwnerNotFound;
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        };
        let line = line.granted().within(Some(owner.organisation));
        let next = OwnerRecord {
            version: owner.version.saturating_add(1),
            generation: owner.generation.saturating_add(1),
            ..owner
        };
        Outcome::granted((), vec![Effect::Advance(next.into())], line)
    }
}

impl Act for EndAll {
    type Question = IncarnationOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> IncarnationOf {
        IncarnationOf
    }

    fn decide(&self, context: &mut Context<'_>, permit: &Permit, n: i64) -> Outcome<(), Refusal> {
        let line = new_line(context, "token.revoke_all", permit, "installation".to_owned());
        if reach(permit.principal()) != Reach::Installation {
            return Outcome::refused(Refusal::NotFound, Vec::new(), line.refused(Refusal::NotFound.code()));
        }
        let effects = vec![Effect::Advance(Record::Incarnation(n.saturating_add(1)))];
        Outcome::granted((), effects, line.granted())
    }
}

#[cfg(test)]
mod tests;
