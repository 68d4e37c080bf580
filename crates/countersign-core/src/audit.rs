//! Audit events and the chain that makes a removed or altered one visible.
//!
//! Each node has its own chain (SAFETY 20): event `n` carries `SHA-256(previous hash ‖ n ‖ body)`, where the body
//! is the exact JSON text that is stored. Nothing in an event is secret: ids, names, hints and reasons.

use std::borrow::Cow;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::id::{CredentialId, OwnerId};
use crate::principal::Principal;
use crate::timestamp::Timestamp;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was done.
    Granted,
    /// It was refused, for the event's reason.
    Refused,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// How the actor was proven; `system` for the product itself, `unverified` where nothing was.
    pub scheme: Cow<'static, str>,
    /// The credential that proved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// Who that credential acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerId>,
}

impl Actor {
    /// The product itself: first start, due work.
    pub const SYSTEM: Self = Self { scheme: Cow::Borrowed("system"), credential: None, owner: None };
    /// Somebody who was not proven.
    pub const UNVERIFIED: Self = Self { scheme: Cow::Borrowed("unverified"), credential: None, owner: None };

    /// Names a proven actor.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        Self {
            scheme: Cow::Borrowed(principal.scheme().name()),
            credential: principal.credential(),
            owner: principal.owner(),
        }
    }
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When it was decided.
    pub at: Timestamp,
    /// What was asked: `api_key.create`, `gateway.decide`, …
    pub action: Cow<'static, str>,
    /// How it ended.
    pub verdict: Verdict,
    /// Who asked.
    pub actor: Actor,
    /// The tenant that may read the line; `None`: operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OwnerId>,
    /// The id of what it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Why it was refused: a stable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// What an operator needs beside: names, hints, routes. Never a secret, never text of an unproven caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(Cow<'static, str>, String)>,
}

impl AuditEvent {
    /// Starts a line about something granted.
    #[must_use]
    pub const fn granted(at: Timestamp, action: &'static str, actor: Actor) -> Self {
        Self {
            at,
            action: Cow::Borrowed(action),
            verdict: Verdict::Granted,
            actor,
            organisation: None,
            subject: None,
            reason: None,
            details: Vec::new(),
        }
    }

    /// Starts a line about something refused for `reason`.
    #[must_use]
    pub fn refused(at: Timestamp, action: &'static str, actor: Actor, reason: &'static str) -> Self {
        let mut event = Self::granted(at, action, actor);
        event.verdict = Verdict::Refused;
        event.reason = Some(Cow::Borrowed(reason));
        event
    }

    /// Says that it was refused after all, for `reason`.
    #[must_use]
    pub fn turned_down(mut self, reason: &'static str) -> Self {
        self.verdict = Verdict::Refused;
        self.reason = Some(Cow::Borrowed(reason));
        self
    }

    /// Says which tenant may read the line.
    #[must_use]
    pub const fn within(mut self, organisation: Option<OwnerId>) -> Self {
        self.organisation = organisation;
        self
    }

    /// Says what the line is about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds something an operator needs.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((Cow::Borrowed(name), value.into()));
        self
    }
}

/// The hash of an event in its node's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands before the first event.
    pub const START: Self = Self([0; 32]);

    /// Reads a stored hash; `None` if it has not 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the stored form.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the hash of event `n` with the text `body`, which follows this one.
    #[must_use]
    pub fn next(&self, n: i64, body: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.0);
        context.update(&n.to_be_bytes());
        context.update(body.as_bytes());
        Self::from_bytes(context.finish().as_ref()).unwrap_or(Self::START)
    }
}

#[cfg(test)]
mod tests {
    use super::{Actor, AuditEvent, ChainHash};
    use crate::timestamp::Timestamp;

    #[test]
    fn safety_20_an_altered_or_moved_event_breaks_the_chain() {
        let one = ChainHash::START.next(1, "a");
        let two = one.next(2, "b");
        assert_ne!(two, one.next(2, "c"));
        assert_ne!(two, one.next(3, "b"));
        assert_ne!(two, ChainHash::START.next(2, "b"));
    }

    #[test]
    fn an_event_reads_back_from_its_text() {
        let event =
            AuditEvent::refused(Timestamp::from_millis(0), "api_key.create", Actor::SYSTEM, "excess_scope")
                .about("key_1")
                .detail("name", "ci");
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<AuditEvent>(&text).unwrap(), event);
    }
}
