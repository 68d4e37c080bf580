//! Warnings before keys end.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::ledger::{Found, Lookup};
use crate::record::{CredentialRecord, MarkRecord, State};
use crate::secret::{Purpose, SecretHash};

/// How long a warning is remembered after the key's end: until no clock can find it ending again.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Names what a warning about `record` has to know.
#[must_use]
pub fn expiry_question<'a>(context: &Context<'_>, record: &CredentialRecord) -> Lookup<'a> {
    Lookup::Creation { owner: Some(record.owner), mark: Some(mark_of(context, record)), digests: Vec::new() }
}

/// Decides to warn, once, that a key ends within `before`; `None`: there is nothing to warn of.
#[must_use]
pub fn warn_of_expiry(
    context: &Context<'_>,
    record: &CredentialRecord,
    before: Duration,
    found: &Found,
) -> Option<Outcome<(), ()>> {
    let Found::Creation { earlier: None, .. } = found else {
        return None;
    };
    let end = record.expires_at.filter(|end| *end <= context.now.plus(before))?;
    // A key that was rotated ends as it was meant to.
    if record.life().state(context.now) != State::Live || record.terms.replaced_by.is_some() {
        return None;
    }
    let mark = MarkRecord {
        lookup: mark_of(context, record),
        made: record.id.to_string(),
        until: end.plus(REMEMBERED),
    };
    let audit = AuditEvent::granted(context.now, "api_key.expiring", Actor::SYSTEM)
        .within(Some(record.organisation))
        .about(record.id.to_string())
        .detail("name", record.terms.name.clone())
        .detail("hint", record.terms.hint.clone())
        .detail("expires_at", end.to_string());
    Some(Outcome::granted((), vec![Effect::Mark(mark)], audit))
}

/// A key whose end was moved is warned of again.
fn mark_of(context: &Context<'_>, record: &CredentialRecord) -> SecretHash {
    let end = record.expires_at.map(|end| end.millis()).unwrap_or_default();
    context.peppers.current().hash(Purpose::Warning, &format!("expiry {} {end}", record.id))
}
