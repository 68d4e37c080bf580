//! The life of a key after it was minted: amend, rotate, revoke, forget. The same acts for every kind of key.
//!
//! **Invariants.** A record of another tenant is not found, never forbidden. Revoked is for ever. A rotation may
//! only shorten the life of the key it replaces. A change is conditional on the version that was seen.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::{CredentialId, OwnerId};
use crate::kind::Kind;
use crate::meter::Allowance;
use crate::minting::{
    Expiry, Minted, end_of_life, granted, mint, mintable, valid_allowances, valid_blocks, valid_name,
};
use crate::network::AddressBlock;
use crate::question::{FoundRotation, RecordOf, Rotation};
use crate::reach::{Reach, authority, reach};
use crate::record::{CredentialRecord, OwnerRecord};
use crate::refusal::Refusal;
use crate::scope::ScopeSet;
use crate::switching::{Off, Switch, switched};
use crate::timestamp::Timestamp;
use crate::widening::widens;

/// Changes what a key's owner may change. What is `None` stays.
#[derive(Debug, Clone)]
pub struct Amend {
    /// Of which kind it is.
    pub kind: &'static Kind,
    /// Which key.
    pub id: CredentialId,
    /// The new name.
    pub name: Option<String>,
    /// The new scopes, all of them.
    pub scopes: Option<ScopeSet>,
    /// The new metadata, all of it.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The new allowances, all of them.
    pub allowances: Option<Vec<Allowance>>,
    /// The new addresses that it may be used from, all of them.
    pub allow_from: Option<Vec<AddressBlock>>,
    /// The new end.
    pub expiry: Expiry,
    /// Whether it may be used.
    pub switch: Option<Switch>,
}

/// Mints a successor with the same terms; the old key goes on working for the overlap, never longer than before.
#[derive(Debug, Clone)]
pub struct Rotate {
    /// Of which kind it is.
    pub kind: &'static Kind,
    /// Which key.
    pub id: CredentialId,
    /// How long the old key goes on working; `None`: the operator's default.
    pub overlap: Option<Duration>,
    /// When the successor ends; unspecified: when the old key would have ended.
    pub expiry: Expiry,
}

/// A successor, and what became of the key it replaces.
#[derive(Debug)]
pub struct Rotated {
    /// The successor.
    pub minted: Minted,
    /// The key that was rotated, as it now is.
    pub replaced: CredentialRecord,
}

/// Ends a key for ever. Repeating it is no error.
#[derive(Debug, Clone, Copy)]
pub struct Revoke {
    /// Of which kind it is.
    pub kind: &'static Kind,
    /// Which key.
    pub id: CredentialId,
}

/// Ends a key for ever and removes its row.
#[derive(Debug, Clone, Copy)]
pub struct Forget {
    /// Of which kind it is.
    pub kind: &'static Kind,
    /// Which key.
    pub id: CredentialId,
}

impl Act for Amend {
    type Question = RecordOf;
    type By = Permit;
    type Answer = CredentialRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> RecordOf {
        RecordOf(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<CredentialRecord>,
    ) -> Outcome<Self::Answer, Refusal> {
        let audit = line(context, self.kind.verbs.amend, permit, self.id);
        match self.next(context, permit, found) {
            Ok(next) => {
                let audit =
                    audit.granted().within(Some(next.organisation)).detail("name", next.terms.name.clone());
                let effect = Effect::Advance(next.clone().into());
                Outcome::granted(next, vec![effect], audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), audit.refused(refusal.code())),
        }
    }
}

impl Amend {
    fn next(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Option<CredentialRecord>,
    ) -> Result<CredentialRecord, Refusal> {
        let before = living(self.kind, permit, found)?;
        let mut next = self.applied(context, before.clone())?;
        if let Some(switch) = self.switch {
            let off = Off::stored(before.disabled_at, before.terms.disabled_by);
            let off = switched(off, switch, context.now, authority(permit.principal()))?;
            (next.disabled_at, next.terms.disabled_by) = (off.map(|off| off.at), off.map(|off| off.by));
        }
        if widens(&before, &next) {
            // Widening is granting once more.
            not_superseded(&before)?;
            granted(self.kind, permit, &next)?;
        }
        Ok(next)
    }

    fn applied(
        &self,
        context: &Context<'_>,
        mut next: CredentialRecord,
    ) -> Result<CredentialRecord, Refusal> {
        next.version += 1;
        if let Some(name) = &self.name {
            next.terms.name = valid_name(name)?;
        }
        if let Some(scopes) = &self.scopes {
            next.terms.scopes = scopes.clone();
        }
        if let Some(metadata) = &self.metadata {
            next.terms.metadata = metadata.clone();
        }
        if let Some(allowances) = &self.allowances {
            next.terms.allowances = valid_allowances(allowances)?;
        }
        if let Some(blocks) = &self.allow_from {
            next.terms.allow_from = valid_blocks(blocks)?;
        }
        if self.expiry != Expiry::Unspecified {
            next.expires_at = end_of_life(context, self.kind, self.expiry, next.terms.not_before)?;
        }
        Ok(next)
    }
}

impl Act for Rotate {
    type Question = Rotation;
    type By = Permit;
    type Answer = Rotated;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> Rotation {
        Rotation(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundRotation>,
    ) -> Outcome<Rotated, Refusal> {
        let audit = line(context, self.kind.verbs.rotate, permit, self.id);
        let (old, draft, room) = match self.succession(context, permit, found) {
            Ok(succession) => succession,
            Err(refusal) => {
                return Outcome::refused(refusal.clone(), Vec::new(), audit.refused(refusal.code()));
            }
        };
        let (minted, replaced) = self.replace(context, old, draft);
        let audit = audit
            .granted()
            .within(Some(replaced.organisation))
            .detail("successor", minted.record.id.to_string())
            .detail("hint", minted.record.terms.hint.clone());
        let mut effects = Vec::from_iter(room);
        effects.push(Effect::Advance(replaced.clone().into()));
        effects.push(Effect::Insert(minted.record.clone().into()));
        Outcome::granted(Rotated { minted, replaced }, effects, audit)
    }
}

impl Rotate {
    /// Returns the key that is to be replaced, what its successor would be, which the caller could mint today, and what
    /// has to hold still when that is committed.
    fn succession(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Option<FoundRotation>,
    ) -> Result<(CredentialRecord, CredentialRecord, Option<Effect>), Refusal> {
        let FoundRotation { record, holder } = found.ok_or(Refusal::NotFound)?;
        let old = living(self.kind, permit, Some(record))?;
        not_superseded(&old)?;
        let mut draft = old.clone();
        draft.expires_at = self.end(context, &old)?;
        draft.terms.replaced_by = None;
        // The successor of an imported key is minted here.
        draft.terms.imported = None;
        // One meter for the whole line: whoever rotates a key does not refill its quota.
        draft.terms.meter = Some(old.meter());
        let room = mintable(self.kind, context, permit, &holder, &draft)?;
        Ok((old, draft, room))
    }

    /// Returns when the successor ends: where nothing is said, with the old key, or earlier if the operator's policy
    /// has become stricter since.
    fn end(&self, context: &Context<'_>, old: &CredentialRecord) -> Result<Option<Timestamp>, Refusal> {
        let end = end_of_life(context, self.kind, self.expiry, old.terms.not_before)?;
        if self.expiry != Expiry::Unspecified {
            return Ok(end);
        }
        let inherited = [old.expires_at, end].into_iter().flatten().min();
        if inherited.is_some_and(|end| end <= context.now) { Err(Refusal::EmptyLife) } else { Ok(inherited) }
    }

    fn replace(
        &self,
        context: &mut Context<'_>,
        mut old: CredentialRecord,
        draft: CredentialRecord,
    ) -> (Minted, CredentialRecord) {
        let mut minted = mint(context, draft);
        // What is switched off stays so: a rotation must not switch it on.
        minted.record.disabled_at = old.disabled_at;
        let overlap = self.overlap.unwrap_or(context.policy.rotation_overlap);
        if overlap.is_zero() {
            // An ending is an ending: an end in time would be outlived wherever the clock is behind.
            old.revoked_at = Some(context.now);
        } else {
            let overlap_ends = context.now.plus(overlap);
            // The old key's end may only come nearer: an overlap never extends a life.
            old.expires_at = Some(old.expires_at.map_or(overlap_ends, |end| end.min(overlap_ends)));
        }
        old.terms.replaced_by = Some(minted.record.id);
        old.version += 1;
        (minted, old)
    }
}

impl Act for Revoke {
    type Question = RecordOf;
    type By = Permit;
    type Answer = CredentialRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> RecordOf {
        RecordOf(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<CredentialRecord>,
    ) -> Outcome<Self::Answer, Refusal> {
        let audit = line(context, self.kind.verbs.revoke, permit, self.id);
        match endable(self.kind, permit, found) {
            Ok(mut record) => {
                let at = record.revoked_at.unwrap_or(context.now);
                record.revoked_at = Some(at);
                let audit = audit
                    .granted()
                    .within(Some(record.organisation))
                    .detail("hint", record.terms.hint.clone());
                Outcome::granted(record, vec![Effect::Revoke { credential: self.id, at }], audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), audit.refused(refusal.code())),
        }
    }
}

impl Act for Forget {
    type Question = RecordOf;
    type By = Permit;
    type Answer = ();
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> RecordOf {
        RecordOf(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<CredentialRecord>,
    ) -> Outcome<(), Refusal> {
        let audit = line(context, self.kind.verbs.forget, permit, self.id);
        match endable(self.kind, permit, found) {
            Ok(record) => {
                let audit =
                    audit.granted().within(Some(record.organisation)).detail("hint", record.terms.hint);
                Outcome::granted((), vec![Effect::Remove(self.id)], audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), audit.refused(refusal.code())),
        }
    }
}

/// Returns the record if the caller may know of it.
///
/// # Errors
///
/// [`Refusal::NotFound`], also where the record is another tenant's or of another kind.
pub fn visible(
    kind: &Kind,
    permit: &Permit,
    found: Option<CredentialRecord>,
) -> Result<CredentialRecord, Refusal> {
    found
        .filter(|record| kind.names(record.id) && reaches(permit, record.organisation, record.owner))
        .ok_or(Refusal::NotFound)
}

/// Returns the record if the caller may end it: it is within reach, and its kind has nothing against it.
fn endable(
    kind: &Kind,
    permit: &Permit,
    found: Option<CredentialRecord>,
) -> Result<CredentialRecord, Refusal> {
    let record = visible(kind, permit, found)?;
    (kind.may_end)(permit, &record)?;
    Ok(record)
}

fn living(
    kind: &Kind,
    permit: &Permit,
    found: Option<CredentialRecord>,
) -> Result<CredentialRecord, Refusal> {
    let record = visible(kind, permit, found)?;
    if record.revoked_at.is_some() { Err(Refusal::Revoked) } else { Ok(record) }
}

/// A key that has a successor only runs out: neither a second successor nor a longer life.
const fn not_superseded(record: &CredentialRecord) -> Result<(), Refusal> {
    if record.terms.replaced_by.is_some() { Err(Refusal::Superseded) } else { Ok(()) }
}

/// Tells whether `permit` reaches an owner; `organisation` is the owner's.
pub(crate) fn reaches(permit: &Permit, organisation: OwnerId, owner: OwnerId) -> bool {
    reach(permit.principal()).includes(organisation, owner)
}

/// Tells whether a client is within the caller's reach; who registered it for themselves reaches it too.
pub(crate) fn reaches_client(permit: &Permit, client: &OwnerRecord) -> bool {
    let registered = client.registrant.map(Reach::Owner);
    reaches(permit, client.organisation, client.id) || registered == Some(reach(permit.principal()))
}

/// An audit line whose ending is not known yet.
pub(crate) struct Line {
    at: Timestamp,
    action: &'static str,
    actor: Actor,
    organisation: Option<OwnerId>,
    subject: String,
}

impl Line {
    pub(crate) fn granted(self) -> AuditEvent {
        AuditEvent::granted(self.at, self.action, self.actor).about(self.subject)
    }

    /// A refusal is the caller's own business: it is filed under the caller's organisation.
    pub(crate) fn refused(self, reason: &'static str) -> AuditEvent {
        AuditEvent::refused(self.at, self.action, self.actor, reason)
            .within(self.organisation)
            .about(self.subject)
    }
}

fn line(context: &Context<'_>, action: &'static str, permit: &Permit, id: CredentialId) -> Line {
    new_line(context, action, permit, id.to_string())
}

pub(crate) fn new_line(
    context: &Context<'_>,
    action: &'static str,
    permit: &Permit,
    subject: String,
) -> Line {
    let principal = permit.principal();
    Line {
        at: context.now,
        action,
        actor: Actor::of(principal),
        organisation: principal.organisation(),
        subject,
    }
}

#[cfg(test)]
mod tests;
