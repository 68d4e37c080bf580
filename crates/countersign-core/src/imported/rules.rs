//! The first use of an imported key.

use crate::audit::{Actor, AuditEvent};
use crate::effect::{Effect, Outcome};
use crate::key_set::Upgrade;
use crate::ledger::Found;
use crate::timestamp::Timestamp;

/// Decides to keep the key's own hash instead of the wrapped one; `None`: that has been done.
#[must_use]
pub fn upgrade(now: Timestamp, upgrade: &Upgrade, found: Found) -> Option<Outcome<(), ()>> {
    let Found::Record(Some(mut record)) = found else {
        return None;
    };
    if !record.lookup.matches(&upgrade.wrapped()) {
        return None;
    }
    let imported = record.terms.imported.as_mut()?;
    imported.upgraded = true;
    record.lookup = upgrade.own();
    record.pepper = upgrade.pepper();
    record.version += 1;
    let audit = AuditEvent::granted(now, "api_key.upgrade", Actor::SYSTEM)
        .within(Some(record.organisation))
        .about(record.id.to_string());
    Some(Outcome::granted((), vec![Effect::AdvanceCredential { next: record }], audit))
}
