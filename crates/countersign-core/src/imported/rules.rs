//! Who takes over which keys, and the first use of one.

use std::collections::BTreeSet;

use crate::audit::{Actor, AuditEvent};
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::id::OwnerId;
use crate::imported_set::{MAX_IMPORTED_SETS, Upgrade};
use crate::key_string::KeyPrefix;
use crate::ledger::Found;
use crate::reach::{Reach, reach};
use crate::record::{CredentialRecord, OwnerRecord, Record, TakenOver};
use crate::refusal::Refusal;
use crate::secret::SecretHash;
use crate::timestamp::Timestamp;

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
    pub(crate) fn new(record: &CredentialRecord) -> Self {
        Self {
            names: BTreeSet::from([record.terms.prefix.clone()]),
            organisation: Some(record.organisation),
            owner: Some(record.owner),
        }
    }

    /// Returns what is known after one more key; `None`: nothing else than before.
    pub(crate) fn with(&self, record: &CredentialRecord) -> Option<Self> {
        let mut next = self.clone();
        next.names.insert(record.terms.prefix.clone());
        next.organisation = next.organisation.filter(|one| *one == record.organisation);
        next.owner = next.owner.filter(|one| *one == record.owner);
        (next != *self).then_some(next)
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

/// A secret lives once: whatever became of the key, its hash is not taken over again. That it was is said to the same
/// owner alone.
///
/// # Errors
///
/// [`Refusal::TakenOver`] and [`Refusal::HashRefused`].
pub(crate) fn not_taken_over(
    permit: &Permit,
    owner: &OwnerRecord,
    lookup: &SecretHash,
    taken: &[TakenOver],
) -> Result<(), Refusal> {
    if taken.iter().any(|one| one.owner == owner.id) {
        return Err(Refusal::TakenOver);
    }
    // Another tenant's is no hindrance, nor can it be asked for: it is bound to a set that this tenant has no part in.
    let everywhere = reach(permit.principal()) == Reach::Installation;
    let in_the_way =
        |one: &TakenOver| everywhere || one.organisation == owner.organisation || one.lookup.matches(lookup);
    if taken.iter().any(in_the_way) { Err(Refusal::HashRefused) } else { Ok(()) }
}

/// Decides to keep the key's own hash instead of the wrapped one, and to remember it like the hash that came over;
/// `None`: that has been done. `taken`: what is remembered of the key's own hash; asked for before `found` is, so that
/// it is not what another node has just remembered of this key.
///
/// Before it is presented, nobody can tell that a secret came over twice, under two algorithms. Now it is seen: it
/// has lived, and is ended.
#[must_use]
pub fn upgrade(
    now: Timestamp,
    upgrade: &Upgrade,
    taken: &[TakenOver],
    found: Found,
) -> Option<Outcome<(), ()>> {
    let Found::Record(Some(mut record)) = found else {
        return None;
    };
    if !record.lookup.matches(&upgrade.wrapped()) {
        return None;
    }
    let audit = |action| {
        AuditEvent::granted(now, action, Actor::SYSTEM)
            .within(Some(record.organisation))
            .about(record.id.to_string())
    };
    if taken.iter().any(|one| one.organisation == record.organisation) {
        let audit = audit("api_key.revoke").detail("reason", Refusal::TakenOver.code());
        let effects = vec![Effect::Revoke { credential: record.id, at: now }];
        return Some(Outcome::granted((), effects, audit));
    }
    let (audit, own) = (audit("api_key.upgrade"), *upgrade.own().first()?);
    record.terms.imported.as_mut()?.upgraded = true;
    record.lookup = own;
    record.pepper = upgrade.pepper();
    record.version += 1;
    let mut effects = Vec::with_capacity(2);
    // What another tenant has taken over is no hindrance, and is remembered as it is.
    if taken.is_empty() {
        let (organisation, owner) = (record.organisation, record.owner);
        effects.push(Effect::TakeOver(TakenOver { lookup: own, digest: own, organisation, owner, at: now }));
    }
    effects.push(Effect::Advance(Record::Credential(record)));
    Some(Outcome::granted((), effects, audit))
}
