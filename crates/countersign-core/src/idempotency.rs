//! `Idempotency-Key`: a repeated creation makes nothing, and shows no secret again (SAFETY 9).

use std::fmt;

use crate::context::Context;
use crate::effect::Effect;
use crate::record::MarkRecord;
use crate::secret::{Purpose, SecretHash};

/// An `Idempotency-Key` and what it was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header field's value.
    pub key: String,
    /// A digest of the request, as hexadecimal text: the same key with another request is a mistake.
    pub fingerprint: String,
}

impl Idempotency {
    /// Returns the mark under which the first use is remembered.
    pub(crate) fn mark(&self, context: &Context<'_>) -> SecretHash {
        context.peppers.current().hash(Purpose::IdempotencyKey, &self.key)
    }

    /// Remembers the first use, and the id of what it made. It stands before that in a commit, so that a repeat that races
    /// is lost before it adds a second one.
    pub(crate) fn first(&self, context: &Context<'_>, made: &dyn fmt::Display) -> Effect {
        Effect::Mark(MarkRecord {
            lookup: self.mark(context),
            made: format!("{made} {}", self.fingerprint),
            until: context.now.plus(context.policy.idempotency_window),
        })
    }

    /// Tells whether this is what `mark` was made by, once more.
    pub(crate) fn repeats(&self, mark: &MarkRecord) -> bool {
        mark.made.ends_with(&self.fingerprint)
    }
}
