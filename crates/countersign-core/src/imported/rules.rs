//! Who takes over which keys, and the first use of one.

use std::collections::BTreeSet;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::id::OwnerId;
use crate::imported_set::{MAX_IMPORTED_SETS, Upgrade};
use crate::key_string::KeyPrefix;
use crate::question::{FirstUse, FoundFirstUse};
use crate::reach::{Reach, reach};
use crate::record::{CredentialRecord, TakenOver};
use crate::refusal::Refusal;
use crate::secret::SecretHash;
use crate::timestamp::Timestamp;

/// The verb of a first use.
const UPGRADE: &str = "api_key.upgrade";

/// What is known of a set of imported keys: from the keys that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The names under which routes know its keys.
    names: BTreeSet<KeyPrefix>,
    /// Whose keys they are; `None`: several organisations'.
    organisation: Option<OwnerId>,
    /// Likewise; `None`: several owners'.
    owner: Option<OwnerId>,
}

impl Declaration {
    /// Learns the set from its first key.
    pub(crate) fn new(name: &KeyPrefix, organisation: OwnerId, owner: OwnerId) -> Self {
        Self { names: BTreeSet::from([name.clone()]), organisation: Some(organisation), owner: Some(owner) }
    }

    /// Tells whether one more key says nothing new.
    pub(crate) fn covers(&self, name: &KeyPrefix, organisation: OwnerId, owner: OwnerId) -> bool {
        self.names.contains(name)
            && self.organisation.is_none_or(|one| one == organisation)
            && self.owner.is_none_or(|one| one == owner)
    }

    /// Returns what is known after one more key.
    pub(crate) fn with(&self, name: &KeyPrefix, organisation: OwnerId, owner: OwnerId) -> Self {
        let mut next = self.clone();
        next.names.insert(name.clone());
        next.organisation = next.organisation.filter(|one| *one == organisation);
        next.owner = next.owner.filter(|one| *one == owner);
        next
    }

    /// Tells whether every key of the set is within reach.
    fn is_within(&self, reach: Reach) -> bool {
        match reach {
            Reach::Installation => true,
            Reach::Organisation(one) => self.organisation == Some(one),
            Reach::Owner(one) => self.owner == Some(one),
            Reach::Nothing => false,
        }
    }
}

/// Decides whether the caller may take over keys of a set under the name `prefix`; `sets`: how many there are.
///
/// A set decides what everybody's credentials are taken for, so that an operator declares it, with its name. And
/// whoever takes over a hash speaks for the caller who presents the key: only who reaches every key of the set may.
///
/// # Errors
///
/// [`Refusal::SetNotDeclared`] and [`Refusal::TooManySets`].
pub fn may_take_over(
    permit: &Permit,
    prefix: &KeyPrefix,
    declared: Option<&Declaration>,
    sets: usize,
) -> Result<(), Refusal> {
    let reach = reach(permit.principal());
    match declared {
        Some(declared) if declared.names.contains(prefix) && declared.is_within(reach) => Ok(()),
        Some(_) | None if reach != Reach::Installation => Err(Refusal::SetNotDeclared),
        None if sets >= MAX_IMPORTED_SETS => Err(Refusal::TooManySets),
        Some(_) | None => Ok(()),
    }
}

/// The key's own hash is kept already, or the key is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadyUpgraded;

/// Keeps the key's own hash instead of the wrapped one, and remembers it like the hash that came over.
///
/// Before it is presented, nobody can tell that a secret came over twice, under two algorithms. Now it is seen: it
/// has lived, and is ended.
impl Act for Upgrade {
    type Question = FirstUse;
    type By = System;
    type Answer = ();
    type Reason = AlreadyUpgraded;

    fn question(&self, _: &Context<'_>, _: &System) -> FirstUse {
        FirstUse { credential: self.credential(), own: self.own().to_vec() }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: FoundFirstUse,
    ) -> Outcome<(), AlreadyUpgraded> {
        let waiting = found.record.filter(|record| record.lookup.matches(&self.wrapped()));
        let (Some(record), Some(own)) = (waiting, self.own().first()) else {
            let audit = AuditEvent::refused(context.now, UPGRADE, Actor::SYSTEM, "already_upgraded");
            return Outcome::refused(AlreadyUpgraded, Vec::new(), audit.about(self.credential().to_string()));
        };
        if found.taken.iter().any(|one| one.organisation == record.organisation) {
            let audit =
                line(context.now, "api_key.revoke", &record).detail("reason", Refusal::TakenOver.code());
            let effects = vec![Effect::Revoke { credential: record.id, at: context.now }];
            return Outcome::granted((), effects, audit);
        }
        let audit = line(context.now, UPGRADE, &record);
        let mut effects = Vec::with_capacity(2);
        // What another tenant has taken over is no hindrance, and is remembered as it is.
        if found.taken.is_empty() {
            let (organisation, owner, at) = (record.organisation, record.owner, context.now);
            effects.push(Effect::TakeOver(TakenOver { lookup: *own, digest: *own, organisation, owner, at }));
        }
        effects.push(Effect::Advance(upgraded(record, *own, self.pepper()).into()));
        Outcome::granted((), effects, audit)
    }

    fn is_filed(&self, _: &AlreadyUpgraded) -> bool {
        false
    }
}

fn line(now: Timestamp, action: &'static str, record: &CredentialRecord) -> AuditEvent {
    AuditEvent::granted(now, action, Actor::SYSTEM)
        .within(Some(record.organisation))
        .about(record.id.to_string())
}

fn upgraded(mut record: CredentialRecord, own: SecretHash, pepper: u32) -> CredentialRecord {
    if let Some(imported) = record.terms.imported.as_mut() {
        imported.upgraded = true;
    }
    record.lookup = own;
    record.pepper = pepper;
    record.version += 1;
    record
}
