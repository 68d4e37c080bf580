//! Warnings before keys end.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::question::MarkOf;
use crate::record::{CredentialRecord, MarkRecord, State};
use crate::secret::{Purpose, SecretHash};
use crate::timestamp::Timestamp;

use super::kind::KIND;

/// How long a warning is remembered after the key's end: until no clock can find it ending again.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Warns, once, that a key ends soon.
#[derive(Debug, Clone)]
pub struct WarnOfExpiry {
    /// Which key, as stored.
    pub record: CredentialRecord,
    /// How long before its end.
    pub before: Duration,
}

/// There is nothing to warn of, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotDue;

impl Act for WarnOfExpiry {
    type Question = MarkOf;
    type By = System;
    type Answer = ();
    type Reason = NotDue;

    fn question(&self, context: &Context<'_>, _: &System) -> MarkOf {
        MarkOf(mark_of(context, &self.record))
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        earlier: Option<MarkRecord>,
    ) -> Outcome<(), NotDue> {
        let record = &self.record;
        let end = self.due(context.now).filter(|_| earlier.is_none());
        let Some(end) = end else {
            let audit = AuditEvent::refused(context.now, KIND.verbs.expiring, Actor::SYSTEM, "not_due");
            return Outcome::refused(NotDue, Vec::new(), audit.about(record.id.to_string()));
        };
        let mark = MarkRecord {
            lookup: mark_of(context, record),
            made: record.id.to_string(),
            until: end.plus(REMEMBERED),
        };
        let audit = AuditEvent::granted(context.now, KIND.verbs.expiring, Actor::SYSTEM)
            .within(Some(record.organisation))
            .about(record.id.to_string())
            .detail("name", record.terms.name.clone())
            .detail("hint", record.terms.hint.clone())
            .detail("expires_at", end.to_string());
        Outcome::granted((), vec![Effect::Mark(mark)], audit)
    }

    fn is_filed(&self, _: &NotDue) -> bool {
        false
    }
}

impl WarnOfExpiry {
    /// Returns the end that is to be warned of.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let record = &self.record;
        // A key that was rotated ends as it was meant to.
        let stands = record.life().state(now) == State::Live && record.terms.replaced_by.is_none();
        record.expires_at.filter(|end| stands && *end <= now.plus(self.before))
    }
}

/// A key whose end was moved is warned of again.
fn mark_of(context: &Context<'_>, record: &CredentialRecord) -> SecretHash {
    let end = record.expires_at.map(|end| end.millis()).unwrap_or_default();
    context.peppers.current().hash(Purpose::Warning, &format!("expiry {} {end}", record.id))
}
