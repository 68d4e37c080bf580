//! The life of signing keys: prepared, rotated, revoked.
//!
//! **Invariants.** Of one slot, a successor is made once: its number is taken by the first who commits. A rotation is
//! seen by nobody: the old key signs until the new one does, and is believed until the last token that it signed has
//! ended. A revoked key is replaced in the same commit, so that signing goes on; the replacement takes over from all others,
//! so that a slot has one line of succession.
//!
//! What it does not do: make keys. The pair comes with the act, its private part sealed; one that is not needed is
//! dropped.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::due::Due;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::id::CredentialId;
use crate::issued::MEMORY;
use crate::lifecycle::new_line;
use crate::question::KeysOf;
use crate::reach::{Reach, reach};
use crate::record::{Record, SealedRecord};
use crate::refusal::Refusal;
use crate::signing_key::{KeyState, SEALED, SigningKeyRecord, Slot};
use crate::timestamp::Timestamp;

/// The longest life of anything that a signing key signs: an hour, that of [`crate::resource::Resource::lifetime`].
const LONGEST_SIGNED: Duration = Duration::from_secs(60 * 60);

/// A key pair that was made a moment ago.
#[derive(Debug, Clone)]
pub struct FreshKey {
    /// Its `kid`.
    pub id: CredentialId,
    /// The public key as a JWK, JSON text.
    pub jwk: String,
    /// The private key, sealed for its place.
    pub sealed: Vec<u8>,
}

/// When a successor begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// At once. Whoever keeps an older JWK Set has to ask for it anew, as one does for an unknown `kid`.
    Now,
    /// Once it was published for as long as the policy says.
    Published,
}

/// Makes the first key of a slot, if it has none that signs or will.
#[derive(Debug)]
pub struct Begin {
    /// Of which slot.
    pub slot: Slot,
    /// The key.
    pub fresh: FreshKey,
}

/// Makes a successor at an operator's word.
#[derive(Debug)]
pub struct Rotate {
    /// Of which slot.
    pub slot: Slot,
    /// The successor.
    pub fresh: FreshKey,
    /// When it begins.
    pub beginning: Beginning,
}

/// Makes a successor when its time has come.
#[derive(Debug)]
pub struct RotateInTime {
    /// The work.
    pub due: Due,
    /// Of which slot.
    pub slot: Slot,
    /// The successor.
    pub fresh: FreshKey,
}

/// Ends a key at once, and whatever it has signed. Repeating it is no error.
#[derive(Debug)]
pub struct RevokeKey {
    /// Which key.
    pub id: CredentialId,
    /// Of which slot it is.
    pub slot: Slot,
    /// What takes its place, where it signs or will.
    pub fresh: FreshKey,
}

/// The slot has a key already, or its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NothingToDo;

impl Act for Begin {
    type Question = KeysOf;
    type By = System;
    type Answer = ();
    type Reason = NothingToDo;

    fn question(&self, _: &Context<'_>, _: &System) -> KeysOf {
        KeysOf(self.slot)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Vec<SigningKeyRecord>,
    ) -> Outcome<(), NothingToDo> {
        let line = AuditEvent::granted(context.now, "signing_key.create", Actor::SYSTEM);
        let line = line.about(self.fresh.id.to_string()).detail("slot", self.slot.to_string());
        if found.iter().any(|key| key.state(context.now).is_trusted() && key.retired_at.is_none()) {
            return Outcome::refused(NothingToDo, Vec::new(), line.turned_down("exists"));
        }
        let record = successor(context, self.slot, &self.fresh, &found, context.now);
        Outcome::granted((), vec![Effect::Insert(record.into()), sealed(&self.fresh)], line)
    }

    fn is_filed(&self, _: &NothingToDo) -> bool {
        false
    }
}

impl Act for Rotate {
    type Question = KeysOf;
    type By = Permit;
    type Answer = SigningKeyRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> KeysOf {
        KeysOf(self.slot)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Vec<SigningKeyRecord>,
    ) -> Outcome<SigningKeyRecord, Refusal> {
        let line = new_line(context, "signing_key.rotate", permit, self.fresh.id.to_string());
        if reach(permit.principal()) != Reach::Installation || found.is_empty() {
            let refusal = Refusal::NotFound;
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        }
        let begin = match self.beginning {
            Beginning::Now => context.now,
            Beginning::Published => context.now.plus(context.policy.signing_key_published),
        };
        let record = successor(context, self.slot, &self.fresh, &found, begin);
        let effects = succession(&record, &self.fresh, &found);
        let audit = line.granted().detail("slot", self.slot.to_string());
        Outcome::granted(record, effects, audit.detail("active_at", begin.to_string()))
    }
}

impl Act for RotateInTime {
    type Question = KeysOf;
    type By = System;
    type Answer = SigningKeyRecord;
    type Reason = NothingToDo;

    fn question(&self, _: &Context<'_>, _: &System) -> KeysOf {
        KeysOf(self.slot)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Vec<SigningKeyRecord>,
    ) -> Outcome<SigningKeyRecord, NothingToDo> {
        let line = AuditEvent::granted(context.now, "signing_key.rotate", Actor::SYSTEM);
        let line = line.about(self.fresh.id.to_string()).detail("slot", self.slot.to_string());
        if !found.iter().any(|key| key.due().as_ref() == Some(&self.due)) {
            return Outcome::refused(NothingToDo, Vec::new(), line.turned_down("not_due"));
        }
        let begin = context.now.plus(context.policy.signing_key_published);
        let record = successor(context, self.slot, &self.fresh, &found, begin);
        // First: the successor asks for the next rotation of the same slot, at another time.
        let mut effects = vec![Effect::Done(self.due.clone())];
        effects.extend(succession(&record, &self.fresh, &found));
        Outcome::granted(record, effects, line.detail("active_at", begin.to_string()))
    }

    fn is_filed(&self, _: &NothingToDo) -> bool {
        false
    }
}

impl Act for RevokeKey {
    type Question = KeysOf;
    type By = Permit;
    type Answer = SigningKeyRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> KeysOf {
        KeysOf(self.slot)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Vec<SigningKeyRecord>,
    ) -> Outcome<SigningKeyRecord, Refusal> {
        let line = new_line(context, "signing_key.revoke", permit, self.id.to_string());
        let key = found.iter().find(|key| key.id == self.id);
        let Some(key) = key.filter(|_| reach(permit.principal()) == Reach::Installation) else {
            let refusal = Refusal::NotFound;
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        };
        if key.revoked_at.is_some() {
            return Outcome::granted(key.clone(), Vec::new(), line.granted().detail("repeat", "true"));
        }
        let next = SigningKeyRecord {
            version: key.version.saturating_add(1),
            revoked_at: Some(context.now),
            ..key.clone()
        };
        let mut effects = vec![Effect::Advance(next.clone().into())];
        if is_needed(key, context.now) {
            let record = successor(context, self.slot, &self.fresh, &found, context.now);
            let others: Vec<_> = found.iter().filter(|other| other.id != self.id).cloned().collect();
            effects.extend(succession(&record, &self.fresh, &others));
        }
        Outcome::granted(next, effects, line.granted().detail("slot", self.slot.to_string()))
    }
}

/// Tells whether signing needs another key once this one is revoked. One that waits to begin has a predecessor that was
/// told when to stop: it too needs another.
fn is_needed(key: &SigningKeyRecord, now: Timestamp) -> bool {
    match key.state(now) {
        KeyState::Active | KeyState::Prepared => true,
        KeyState::Retired | KeyState::Ended | KeyState::Revoked => false,
    }
}

/// Describes the next key of a slot.
fn successor(
    context: &Context<'_>,
    slot: Slot,
    fresh: &FreshKey,
    found: &[SigningKeyRecord],
    active_at: Timestamp,
) -> SigningKeyRecord {
    let policy = context.policy;
    let rotate_after = policy.signing_key_lifetime.saturating_sub(policy.signing_key_published);
    SigningKeyRecord {
        id: fresh.id,
        slot,
        number: found.iter().map(|key| key.number).max().unwrap_or_default().saturating_add(1),
        version: 1,
        jwk: fresh.jwk.clone(),
        created_at: context.now,
        active_at,
        retired_at: None,
        ends_at: None,
        revoked_at: None,
        rotate_at: active_at.plus(rotate_after),
    }
}

/// Returns what lets `record` take over: every key that signs or would signs until then.
fn succession(record: &SigningKeyRecord, fresh: &FreshKey, found: &[SigningKeyRecord]) -> Vec<Effect> {
    let before = found.iter().filter(|key| {
        key.revoked_at.is_none() && key.retired_at.is_none_or(|retired| retired > record.active_at)
    });
    let retired = before.map(|key| {
        let next = SigningKeyRecord {
            version: key.version.saturating_add(1),
            retired_at: Some(record.active_at),
            ends_at: Some(record.active_at.plus(LONGEST_SIGNED).plus(MEMORY)),
            ..key.clone()
        };
        Effect::Advance(next.into())
    });
    // The successor first: it takes the number.
    let mut effects = vec![Effect::Insert(record.clone().into()), sealed(fresh)];
    effects.extend(retired);
    effects
}

fn sealed(fresh: &FreshKey) -> Effect {
    let owner = fresh.id.to_string();
    let record = SealedRecord { purpose: SEALED, owner, value: fresh.sealed.clone() };
    Effect::Insert(Record::Sealed(Box::new(record)))
}

#[cfg(test)]
mod tests;
