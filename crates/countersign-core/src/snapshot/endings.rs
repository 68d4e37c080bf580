//! What ends with a change that verifiers are about to learn: it is told before it is believed.

use crate::change::Change;
use crate::ending::Ending;
use crate::known::ByLookup;
use crate::learned::Learned;
use crate::record::{EndedToken, Life, OwnerRecord};
use crate::timestamp::Timestamp;

use super::Snapshot;

impl Snapshot {
    /// Returns what ends with a change that is not applied yet.
    #[must_use]
    pub fn endings(&self, change: &Change) -> Vec<Ending> {
        match change {
            Change::Credential(learned) => self.credential_endings(learned),
            Change::Forgotten(_) | Change::Resource(..) => Vec::new(),
            Change::Removed { credential, .. } => vec![Ending::Removed { credential: *credential }],
            Change::Owner(record) => self.owner_endings(record),
            Change::Token(_) => Vec::new(),
            Change::SigningKey(record) => {
                let known = self.issued.key(record.id).is_some_and(|known| known.record.revoked_at.is_some());
                let revoked = record.revoked_at.filter(|_| !known);
                revoked.map(|at| Ending::KeyRevoked { key: record.id, at }).into_iter().collect()
            }
            Change::Ended(EndedToken { token, until }) if !self.issued.is_ended(*token) => {
                vec![Ending::TokenEnded { token: *token, until: *until }]
            }
            Change::Ended(_) => Vec::new(),
            Change::Incarnation(n) if *n > self.issued.incarnation() => vec![Ending::Incarnation { n: *n }],
            Change::Incarnation(_) => Vec::new(),
        }
    }

    fn owner_endings(&self, record: &OwnerRecord) -> Vec<Ending> {
        let OwnerRecord { id: owner, version, disabled_by: by, generation, .. } = *record;
        let known = self.owners.pin().get(&owner).map_or(0, |known| known.generation());
        let disabled = record.disabled_at.map(|at| Ending::OwnerDisabled { owner, at, version, by });
        let raised = (generation > known).then_some(Ending::Generation { owner, generation });
        disabled.into_iter().chain(raised).collect()
    }

    /// What a credential was when it was made is no ending: a store that has lost it has nothing to be told.
    fn credential_endings(&self, learned: &Learned) -> Vec<Ending> {
        let before =
            self.credentials.pin().get_key_value(&learned.lookup).map(|(ByLookup(known), ())| known.life);
        if before.is_none() && learned.version == 1 {
            return Vec::new();
        }
        let (credential, version) = (learned.id, learned.version);
        let ended = |at: Option<Timestamp>, already: bool| at.filter(|_| !already);
        let was = |what: fn(Life) -> bool| before.is_some_and(what);
        let revoked = ended(learned.revoked_at, was(|life| life.revoked));
        let disabled = ended(learned.disabled_at, was(|life| life.disabled));
        let earlier =
            |end: Timestamp| before.is_some_and(|life| life.expires_at.is_some_and(|was| was <= end));
        let shortened = learned.expires_at.filter(|end| !earlier(*end));
        [
            revoked.map(|at| Ending::Revoked { credential, at }),
            disabled.map(|at| Ending::Disabled { credential, at, version }),
            shortened.map(|at| Ending::Shortened { credential, at, version }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
