//! The end of a leaked key.

use std::sync::Arc;

use crate::audit::{Actor, AuditEvent};
use crate::effect::{Effect, Outcome};
use crate::imported_set::Source;
use crate::key_string::KeyString;
use crate::kinds::kind_of;
use crate::known::KnownCredential;
use crate::snapshot::Snapshot;
use crate::timestamp::Timestamp;
use crate::{api_key, management_key};

/// The longest word about where a key was found; a bound, not a clause.
const MAX_WORD: usize = 300;

/// Proof that somebody holds a key: its whole text was presented and found.
#[derive(Debug)]
pub struct Held(Arc<KnownCredential>);

impl Held {
    /// Finds the credential whose key `text` is; `None`: it is no key that is known here.
    #[must_use]
    pub fn find(snapshot: &Snapshot, text: &str) -> Option<Self> {
        let found = match KeyString::parse(text) {
            Ok(key) if key.prefix() == management_key::PREFIX => {
                snapshot.find(management_key::KIND.id_prefix, &key)
            }
            Ok(key) => snapshot.find(api_key::KIND.id_prefix, &key),
            Err(_) => snapshot.find_imported(Source::Anywhere, text).map(|found| found.known),
        };
        found.map(Self::assertion)
    }

    const fn assertion(known: Arc<KnownCredential>) -> Self {
        Self(known)
    }
}

/// Decides to end a leaked key; `None`: it has ended already. `words` say who reports it and where it was found.
#[must_use]
pub fn end(now: Timestamp, held: &Held, words: &[(&'static str, &str)]) -> Option<Outcome<(), ()>> {
    let known = &held.0;
    if known.life.revoked {
        return None;
    }
    let action = kind_of(known.id)?.verbs.leaked;
    let mut audit = AuditEvent::granted(now, action, Actor::UNVERIFIED)
        .within(Some(known.owner.organisation()))
        .about(known.id.to_string())
        .detail("name", known.name.to_string());
    for (name, word) in words.iter().filter(|(_, word)| !word.is_empty()) {
        let word: String = word.chars().filter(|letter| !letter.is_control()).take(MAX_WORD).collect();
        audit = audit.detail(name, word);
    }
    let effect = Effect::Revoke { credential: known.id, at: now };
    Some(Outcome::granted((), vec![effect], audit))
}
