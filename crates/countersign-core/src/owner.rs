//! Owners: organisations, and the clients and users that belong to them.
//!
//! **Invariant.** Disabling an owner ends all of its credentials at the next request; disabling an organisation
//! ends those of all its members.

use crate::audit::{Actor, AuditEvent};
use crate::cap::room;
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::{OwnerId, OwnerKind};
use crate::lifecycle::{new_line, reaches, reaches_client};
use crate::management_key::not_above;
use crate::minting::valid_name;
use crate::question::{FoundOwner, Holder, HolderOf, OwnerAndKeys};
use crate::reach::{Reach, authority, reach};
use crate::record::{CredentialRecord, OwnerRecord, State};
use crate::refusal::Refusal;
use crate::switching::{Off, Switch, switched};
use crate::tally::{Kept, Tally};

/// Enters an owner.
#[derive(Debug, Clone)]
pub struct Enter {
    /// What it is.
    pub kind: OwnerKind,
    /// What people call it.
    pub name: String,
    /// The organisation it belongs to; `None` for an organisation, and otherwise the first organisation.
    pub organisation: Option<OwnerId>,
}

/// Enables or disables an owner.
#[derive(Debug, Clone, Copy)]
pub struct SwitchOwner {
    /// Which one.
    pub id: OwnerId,
    /// What it shall be.
    pub switch: Switch,
}

/// Returns the first organisation of an installation.
pub fn first_organisation(context: &mut Context<'_>) -> Outcome<OwnerRecord, Refusal> {
    let id = OwnerId::random(OwnerKind::Organisation, context.entropy);
    let name = "default".to_owned();
    let record = OwnerRecord::new(id, id, name, context.now);
    let audit =
        AuditEvent::granted(context.now, "owner.first", Actor::SYSTEM).about(id.to_string()).within(Some(id));
    let effects = vec![Effect::Insert(record.clone().into())];
    Outcome::granted(record, effects, audit)
}

impl Act for Enter {
    type Question = HolderOf;
    type By = Permit;
    type Answer = OwnerRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> HolderOf {
        HolderOf(self.organisation)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<Holder>,
    ) -> Outcome<OwnerRecord, Refusal> {
        let line = new_line(context, "owner.enter", permit, self.kind.name().to_owned());
        match self.record(context, permit, found) {
            Ok((record, room)) => {
                let audit = line
                    .granted()
                    .about(record.id.to_string())
                    .within(Some(record.organisation))
                    .detail("name", record.name.clone());
                let mut effects = Vec::from_iter(room);
                effects.push(Effect::Insert(record.clone().into()));
                Outcome::granted(record, effects, audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }
}

impl Enter {
    fn record(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<Holder>,
    ) -> Result<(OwnerRecord, Option<Effect>), Refusal> {
        let id = OwnerId::random(self.kind, context.entropy);
        let (organisation, tally) = match self.kind {
            // A new tenant is beyond every tenant's reach.
            OwnerKind::Organisation if reach(permit.principal()) == Reach::Installation => {
                (id, Tally::default())
            }
            OwnerKind::Organisation => return Err(Refusal::OwnerNotFound),
            OwnerKind::Client | OwnerKind::User => parent(permit, found)?,
        };
        let name = valid_name(&self.name)?;
        let room = room(context, permit, organisation, tally, Kept::Members)?;
        Ok((OwnerRecord::new(id, organisation, name, context.now), room))
    }
}

fn parent(permit: &Permit, found: Option<Holder>) -> Result<(OwnerId, Tally), Refusal> {
    let Holder { owner, tally, .. } = found.ok_or(Refusal::OwnerNotFound)?;
    let is_organisation = owner.id.kind() == OwnerKind::Organisation;
    if is_organisation && reaches(permit, owner.organisation, owner.id) {
        Ok((owner.id, tally))
    } else {
        Err(Refusal::OwnerNotFound)
    }
}

impl Act for SwitchOwner {
    type Question = OwnerAndKeys;
    type By = Permit;
    type Answer = OwnerRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> OwnerAndKeys {
        OwnerAndKeys(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundOwner>,
    ) -> Outcome<OwnerRecord, Refusal> {
        let action = match self.switch {
            Switch::Enabled => "owner.enable",
            Switch::Disabled => "owner.disable",
        };
        let line = new_line(context, action, permit, self.id.to_string());
        match self.next(context, permit, found) {
            Ok(next) => {
                let audit = line.granted().within(Some(next.organisation)).detail("name", next.name.clone());
                let effects = vec![Effect::Advance(next.clone().into())];
                Outcome::granted(next, effects, audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }
}

impl SwitchOwner {
    fn next(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Option<FoundOwner>,
    ) -> Result<OwnerRecord, Refusal> {
        let FoundOwner { owner, management_keys } = found.ok_or(Refusal::OwnerNotFound)?;
        if !may_switch(permit, &owner) {
            return Err(Refusal::OwnerNotFound);
        }
        let ended =
            |key: &CredentialRecord| matches!(key.life().state(context.now), State::Expired | State::Revoked);
        management_keys.iter().filter(|key| !ended(key)).try_for_each(|key| not_above(permit, key))?;
        let off = Off::stored(owner.disabled_at, owner.disabled_by);
        let off = switched(off, self.switch, context.now, authority(permit.principal()))?;
        let (disabled_at, disabled_by) = (off.map(|off| off.at), off.map(|off| off.by));
        let generation = owner.generation + i64::from(signs_out(&owner, self.switch));
        Ok(OwnerRecord { version: owner.version + 1, disabled_at, disabled_by, generation, ..owner })
    }
}

/// A person who is switched off comes back as one who has to sign in (OWASP ASVS 5.0 §7.4.2).
fn signs_out(owner: &OwnerRecord, switch: Switch) -> bool {
    owner.id.kind() == OwnerKind::User && switch == Switch::Disabled
}

/// A tenant switches its clients and users. A whole organisation is the operator's to switch.
fn may_switch(permit: &Permit, owner: &OwnerRecord) -> bool {
    match owner.id.kind() {
        OwnerKind::Organisation => reach(permit.principal()) == Reach::Installation,
        OwnerKind::Client | OwnerKind::User => reaches_client(permit, owner),
    }
}

#[cfg(test)]
mod tests;
