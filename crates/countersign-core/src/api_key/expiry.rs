//! Warnings before keys end.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::due::Due;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::id::CredentialId;
use crate::question::RecordOf;
use crate::record::{CredentialRecord, State};
use crate::timestamp::Timestamp;

use super::kind::KIND;

/// The name of the work, which is the name of its line.
pub const EXPIRY_WARNING: &str = "api_key.expiring";

/// Tells of the warning that a stored key asks for. A key that was rotated ends as it was meant to.
pub(super) fn due(record: &CredentialRecord) -> Option<Due> {
    let ends = record.revoked_at.is_none() && record.terms.replaced_by.is_none();
    let at = record.expires_at.filter(|_| ends)?;
    Some(Due { kind: EXPIRY_WARNING, subject: record.id.to_string(), at })
}

/// Warns, once, that a key ends soon.
#[derive(Debug, Clone)]
pub struct WarnOfExpiry {
    /// Which key.
    pub key: CredentialId,
    /// Its end, as it was when the warning was asked for.
    pub end: Timestamp,
    /// How long before its end.
    pub before: Duration,
}

/// There is nothing to warn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDue {
    /// Not now: the key is disabled, or ends later than that.
    Yet,
    /// Nor will there be: the key is gone, has ended, or ends at another time.
    Over,
}

impl Act for WarnOfExpiry {
    type Question = RecordOf;
    type By = System;
    type Answer = ();
    type Reason = NotDue;

    fn question(&self, _: &Context<'_>, _: &System) -> RecordOf {
        RecordOf(self.key)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<CredentialRecord>,
    ) -> Outcome<(), NotDue> {
        let (record, due) = match self.judge(context.now, found) {
            Ok(found) => found,
            Err(reason) => {
                let audit = AuditEvent::refused(context.now, EXPIRY_WARNING, Actor::SYSTEM, "not_due");
                return Outcome::refused(reason, Vec::new(), audit.about(self.key.to_string()));
            }
        };
        let audit = AuditEvent::granted(context.now, KIND.verbs.expiring, Actor::SYSTEM)
            .within(Some(record.organisation))
            .about(record.id.to_string())
            .detail("name", record.terms.name)
            .detail("hint", record.terms.hint)
            .detail("expires_at", self.end.to_string());
        Outcome::granted((), vec![Effect::Done(due)], audit)
    }

    fn is_filed(&self, _: &NotDue) -> bool {
        false
    }
}

impl WarnOfExpiry {
    fn judge(
        &self,
        now: Timestamp,
        found: Option<CredentialRecord>,
    ) -> Result<(CredentialRecord, Due), NotDue> {
        let record = found.ok_or(NotDue::Over)?;
        let due = due(&record).filter(|due| due.at == self.end).ok_or(NotDue::Over)?;
        match record.life().state(now) {
            State::Live if self.end <= now.plus(self.before) => Ok((record, due)),
            State::Live | State::Disabled | State::NotYetValid => Err(NotDue::Yet),
            State::Expired | State::Revoked => Err(NotDue::Over),
        }
    }
}
