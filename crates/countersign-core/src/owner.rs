//! Owners: organisations, and the clients and users that belong to them.
//!
//! **Invariant.** Disabling an owner ends all of its credentials at the next request; disabling an organisation
//! ends those of all its members.

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::{OwnerId, OwnerKind};
use crate::ledger::{Found, Lookup};
use crate::lifecycle::{Switch, new_line, reaches};
use crate::minting::valid_name;
use crate::reach::{Reach, reach};
use crate::record::OwnerRecord;
use crate::refusal::Refusal;

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
    let record =
        OwnerRecord { id, organisation: id, name, version: 1, created_at: context.now, disabled_at: None };
    let audit =
        AuditEvent::granted(context.now, "owner.first", Actor::SYSTEM).about(id.to_string()).within(Some(id));
    let effects = vec![Effect::InsertOwner(Box::new(record.clone()))];
    Outcome::granted(record, effects, audit)
}

impl Act for Enter {
    type Answer = OwnerRecord;
    type Refusal = Refusal;

    fn lookup<'a>(&'a self, _: &Context<'_>) -> Lookup<'a> {
        Lookup::Creation { owner: self.organisation, mark: None }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Outcome<OwnerRecord, Refusal> {
        let line = new_line(context, "owner.enter", permit, self.kind.name().to_owned());
        match self.record(context, permit, found) {
            Ok(record) => {
                let audit = line
                    .granted()
                    .about(record.id.to_string())
                    .within(Some(record.organisation))
                    .detail("name", record.name.clone());
                let effects = vec![Effect::InsertOwner(Box::new(record.clone()))];
                Outcome::granted(record, effects, audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), line.refused(refusal.code())),
        }
    }
}

impl Enter {
    fn record(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Result<OwnerRecord, Refusal> {
        let id = OwnerId::random(self.kind, context.entropy);
        let organisation = match self.kind {
            // A new tenant is beyond every tenant's reach.
            OwnerKind::Organisation if reach(permit.principal()) == Reach::Installation => id,
            OwnerKind::Organisation => return Err(Refusal::OwnerNotFound),
            OwnerKind::Client | OwnerKind::User => parent(permit, found)?,
        };
        let name = valid_name(&self.name)?;
        Ok(OwnerRecord { id, organisation, name, version: 1, created_at: context.now, disabled_at: None })
    }
}

fn parent(permit: &Permit, found: Found) -> Result<OwnerId, Refusal> {
    match found {
        Found::Creation { owner: Some(owner), .. }
            if owner.id.kind() == OwnerKind::Organisation
                && reaches(permit, owner.organisation, owner.id) =>
        {
            Ok(owner.id)
        }
        Found::Creation { .. }
        | Found::Key(_)
        | Found::ImportedKey(_)
        | Found::Record(_)
        | Found::Rotation { .. }
        | Found::Owner(_) => Err(Refusal::OwnerNotFound),
    }
}

/// A tenant switches its clients and users. A whole organisation is the operator's to switch: it may hold management
/// keys that can do more than the caller's, the operator's own among them.
fn may_switch(permit: &Permit, owner: &OwnerRecord) -> bool {
    match owner.id.kind() {
        OwnerKind::Organisation => reach(permit.principal()) == Reach::Installation,
        OwnerKind::Client | OwnerKind::User => reaches(permit, owner.organisation, owner.id),
    }
}

impl Act for SwitchOwner {
    type Answer = OwnerRecord;
    type Refusal = Refusal;

    fn lookup<'a>(&'a self, _: &Context<'_>) -> Lookup<'a> {
        Lookup::Owner(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Outcome<OwnerRecord, Refusal> {
        let action = match self.switch {
            Switch::Enabled => "owner.enable",
            Switch::Disabled => "owner.disable",
        };
        let line = new_line(context, action, permit, self.id.to_string());
        let reached = match found {
            Found::Owner(owner) => owner.filter(|owner| may_switch(permit, owner)),
            Found::Creation { .. }
            | Found::Key(_)
            | Found::ImportedKey(_)
            | Found::Record(_)
            | Found::Rotation { .. } => None,
        };
        let Some(mut next) = reached else {
            return Outcome::refused(Refusal::OwnerNotFound, line.refused(Refusal::OwnerNotFound.code()));
        };
        next.version += 1;
        next.disabled_at = match self.switch {
            Switch::Enabled => None,
            Switch::Disabled => next.disabled_at.or(Some(context.now)),
        };
        let audit = line.granted().within(Some(next.organisation)).detail("name", next.name.clone());
        let effects = vec![Effect::AdvanceOwner { next: next.clone() }];
        Outcome::granted(*next, effects, audit)
    }
}
