//! The end of a leaked key.

use std::sync::Arc;

use crate::audit::{Actor, AuditEvent};
use crate::authenticators::everybody;
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::CredentialId;
use crate::kind::Kind;
use crate::kinds::kind_of;
use crate::known::KnownCredential;
use crate::ledger::{Found, FoundCredential};
use crate::presentation::recognise_told;
use crate::question::RecordOf;
use crate::record::CredentialRecord;
use crate::snapshot::Snapshot;

/// The longest word about where a key was found; a bound, not a clause.
const MAX_WORD: usize = 300;

/// Proof that somebody holds a key: its whole text was presented and found.
#[derive(Debug)]
pub struct Held {
    kind: &'static Kind,
    known: Arc<KnownCredential>,
}

impl Held {
    /// Finds the credential whose key `text` is; `None`: it is no key that is known here.
    #[must_use]
    pub fn find(snapshot: &Snapshot, text: &str) -> Option<Self> {
        let presentation = recognise_told(everybody(), text, snapshot)?.ok()?;
        let found =
            presentation.members().next().map(|member| snapshot.look_up(&member.presented().lookup()))?;
        let Found::Credential(Some(FoundCredential { known, .. })) = found else {
            return None;
        };
        Some(Self::assertion(kind_of(known.id())?, known))
    }

    /// Returns which credential it is.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        self.known.id()
    }

    /// Tells whether it has been revoked, as far as is known here.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.known.life.revoked
    }

    const fn assertion(kind: &'static Kind, known: Arc<KnownCredential>) -> Self {
        Self { kind, known }
    }
}

/// Ends a leaked key, for whoever holds it.
#[derive(Debug, Clone)]
pub struct End {
    /// Who reports it and where it was found.
    pub words: Vec<(&'static str, String)>,
}

/// The key has ended, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadyEnded;

impl Act for End {
    type Question = RecordOf;
    type By = Held;
    type Answer = ();
    type Reason = AlreadyEnded;

    fn question(&self, _: &Context<'_>, held: &Held) -> RecordOf {
        RecordOf(held.id())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        held: &Held,
        found: Option<CredentialRecord>,
    ) -> Outcome<(), AlreadyEnded> {
        let (id, action) = (held.id(), held.kind.verbs.leaked);
        let Some(record) = found.filter(|record| record.revoked_at.is_none()) else {
            let audit = AuditEvent::refused(context.now, action, Actor::UNVERIFIED, "already_ended");
            return Outcome::refused(AlreadyEnded, Vec::new(), audit.about(id.to_string()));
        };
        let mut audit = AuditEvent::granted(context.now, action, Actor::UNVERIFIED)
            .within(Some(record.organisation))
            .about(id.to_string())
            .detail("name", record.terms.name);
        for (name, word) in self.words.iter().filter(|(_, word)| !word.is_empty()) {
            let word: String = word.chars().filter(|letter| !letter.is_control()).take(MAX_WORD).collect();
            audit = audit.detail(name, word);
        }
        let effect = Effect::Revoke { credential: id, at: context.now };
        Outcome::granted((), vec![effect], audit)
    }

    fn is_filed(&self, _: &AlreadyEnded) -> bool {
        // Who reports learns nothing, and fills nobody's audit.
        false
    }
}
