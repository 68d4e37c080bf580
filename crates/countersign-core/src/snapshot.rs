//! What verifiers know in memory: every credential and owner, fed change by change.
//!
//! Read without a lock; changed key by key, never by copying. How the changes arrive is the store's business.
//!
//! **Invariants.** A credential that was seen revoked stays revoked whatever a later change says (SAFETY 3).
//! A snapshot that is older than its `max_age`, or not complete yet, answers nothing (SAFETY 4).

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use papaya::HashMap;

use crate::id::{CredentialId, CredentialKind, OwnerId};
use crate::key_string::{KeyPrefix, KeyString};
use crate::known::{KnownCredential, KnownOwner};
use crate::record::{CredentialRecord, OwnerRecord};
use crate::scope::{Grantable, ScopeSet};
use crate::secret::{Peppers, SecretHash};
use crate::timestamp::Monotonic;

/// Something that verifiers must learn.
#[derive(Debug, Clone)]
pub enum Change {
    /// A credential is new or different.
    Credential(Box<CredentialRecord>),
    /// A credential was removed.
    Forgotten(SecretHash),
    /// An owner is new or different.
    Owner(Box<OwnerRecord>),
}

/// How a change was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// As it says.
    Taken,
    /// It says that a revoked credential lives: the revocation stands, and is to be written back.
    KeptRevoked(CredentialId),
    /// It names an owner that is not known: the feed lost something, start again from the whole.
    Incomplete,
}

/// What has never been refreshed.
const NEVER: i64 = i64::MIN;

/// The verifiers' memory.
#[derive(Debug)]
pub struct Snapshot {
    peppers: Arc<Peppers>,
    max_age: Duration,
    credentials: HashMap<SecretHash, Arc<KnownCredential>>,
    owners: HashMap<OwnerId, Arc<KnownOwner>>,
    key_sets: Interned<KeyPrefix>,
    scopes: Interned<ScopeSet>,
    grantables: Interned<Grantable>,
    fresh_at: AtomicI64,
}

impl Snapshot {
    /// Starts empty, and not fresh. `max_age` is the setting `feed.max_age`.
    #[must_use]
    pub fn new(peppers: Arc<Peppers>, max_age: Duration) -> Self {
        Self {
            peppers,
            max_age,
            credentials: HashMap::new(),
            owners: HashMap::new(),
            key_sets: Interned::default(),
            scopes: Interned::default(),
            grantables: Interned::default(),
            fresh_at: AtomicI64::new(NEVER),
        }
    }

    /// Returns the peppers under which credentials are found.
    #[must_use]
    pub const fn peppers(&self) -> &Arc<Peppers> {
        &self.peppers
    }

    /// Finds a key among the credentials of `kind`.
    #[must_use]
    pub fn find(&self, kind: CredentialKind, key: &KeyString) -> Option<Arc<KnownCredential>> {
        let credentials = self.credentials.pin();
        self.peppers.all().find_map(|pepper| {
            let hash = key.hash(pepper);
            credentials
                .get(&hash)
                .filter(|known| known.id.kind() == kind && known.lookup.matches(&hash))
                .cloned()
        })
    }

    /// Returns what is known now of a credential that was found before; `None`: it was forgotten.
    #[must_use]
    pub fn current(&self, lookup: &SecretHash) -> Option<Arc<KnownCredential>> {
        self.credentials.pin().get(lookup).cloned()
    }

    /// Takes one change.
    pub fn apply(&self, change: &Change) -> Applied {
        match change {
            Change::Credential(record) => self.apply_credential(record),
            Change::Forgotten(lookup) => {
                self.credentials.pin().remove(lookup);
                Applied::Taken
            }
            Change::Owner(record) => self.apply_owner(record),
        }
    }

    fn apply_credential(&self, record: &CredentialRecord) -> Applied {
        let Some(owner) = self.owners.pin().get(&record.owner).cloned() else {
            return Applied::Incomplete;
        };
        let credentials = self.credentials.pin();
        let was_revoked = credentials.get(&record.lookup).is_some_and(|known| known.life.revoked);
        let mut known = KnownCredential::new(
            record,
            owner,
            self.key_sets.share(&record.terms.prefix),
            self.scopes.share(&record.terms.scopes),
            self.grantables.share(&record.terms.grantable),
        );
        let revived = was_revoked && !known.life.revoked;
        known.life.revoked |= was_revoked;
        credentials.insert(record.lookup, Arc::new(known));
        if revived { Applied::KeptRevoked(record.id) } else { Applied::Taken }
    }

    fn apply_owner(&self, record: &OwnerRecord) -> Applied {
        let owners = self.owners.pin();
        let live = record.disabled_at.is_none();
        if let Some(known) = owners.get(&record.id) {
            known.set_live(live);
            return Applied::Taken;
        }
        if record.organisation == record.id {
            owners.insert(record.id, Arc::new(KnownOwner::new(record.id, None, live)));
            return Applied::Taken;
        }
        let Some(parent) = owners.get(&record.organisation).cloned() else {
            return Applied::Incomplete;
        };
        owners.insert(record.id, Arc::new(KnownOwner::new(record.id, Some(parent), live)));
        Applied::Taken
    }

    /// Drops every credential that `keep` does not know: what a full load did not find is no longer stored.
    pub fn retain(&self, keep: impl Fn(&SecretHash) -> bool) {
        self.credentials.pin().retain(|lookup, _| keep(lookup));
    }

    /// Notes that everything committed before `at` is known here. `at` is taken *before* the store is asked.
    pub fn mark_fresh(&self, at: Monotonic) {
        self.fresh_at.fetch_max(at.0, Ordering::AcqRel);
    }

    /// Notes that the snapshot is no longer complete; it answers nothing until it is marked fresh again.
    pub fn mark_incomplete(&self) {
        self.fresh_at.store(NEVER, Ordering::Release);
    }

    /// Returns how old the snapshot is; `None` if it was never complete.
    #[must_use]
    pub fn age(&self, now: Monotonic) -> Option<Duration> {
        let fresh_at = self.fresh_at.load(Ordering::Acquire);
        (fresh_at != NEVER)
            .then(|| Duration::from_millis(u64::try_from(now.0.saturating_sub(fresh_at)).unwrap_or(0)))
    }

    /// Tells whether the snapshot may answer.
    #[must_use]
    pub fn is_fresh(&self, now: Monotonic) -> bool {
        self.age(now).is_some_and(|age| age <= self.max_age)
    }

    /// Counts the credentials known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Tells whether no credential is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }
}

/// Values that many records share: kept once.
#[derive(Debug)]
struct Interned<T: Eq + Hash>(HashMap<Arc<T>, ()>);

impl<T: Eq + Hash> Default for Interned<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn share(&self, value: &T) -> Arc<T> {
        let values = self.0.pin();
        if let Some((shared, ())) = values.get_key_value(value) {
            return Arc::clone(shared);
        }
        let fresh = Arc::new(value.clone());
        values.insert(Arc::clone(&fresh), ());
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Applied, Change, Snapshot};
    use crate::context::SeededEntropy;
    use crate::environment::Environment;
    use crate::id::{CredentialId, CredentialKind, OwnerId, OwnerKind};
    use crate::key_string::KeyString;
    use crate::record::{CredentialRecord, OwnerRecord, Terms};
    use crate::secret::{Pepper, Peppers, Secret};
    use crate::timestamp::{Monotonic, Timestamp};

    fn organisation() -> OwnerRecord {
        let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(1));
        let created_at = Timestamp::from_millis(0);
        OwnerRecord { id, organisation: id, name: "acme".into(), version: 1, created_at, disabled_at: None }
    }

    fn credential(owner: OwnerId, peppers: &Peppers, seed: u64) -> (CredentialRecord, KeyString) {
        let mut entropy = SeededEntropy::new(seed);
        let prefix = "cs_live".parse().unwrap();
        let key = KeyString::mint(&prefix, &mut entropy);
        let record = CredentialRecord {
            id: CredentialId::random(CredentialKind::ApiKey, &mut entropy),
            lookup: key.hash(peppers.current()),
            pepper: 1,
            organisation: owner,
            owner,
            version: 1,
            created_at: Timestamp::from_millis(0),
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            last_used_at: None,
            terms: Terms {
                name: "ci".into(),
                prefix,
                hint: key.hint(),
                environment: Environment::Live,
                scopes: "a".parse().unwrap(),
                grantable: Default::default(),
                not_before: None,
                replaced_by: None,
                metadata: Default::default(),
            },
        };
        (record, key)
    }

    fn snapshot() -> (Snapshot, Arc<Peppers>) {
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new()));
        (Snapshot::new(Arc::clone(&peppers), Duration::from_secs(5)), peppers)
    }

    #[test]
    fn safety_3_a_revocation_that_was_seen_is_never_taken_back() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        let (mut record, key) = credential(owner.id, &peppers, 2);
        snapshot.apply(&Change::Owner(Box::new(owner)));
        record.revoked_at = Some(Timestamp::from_millis(5));
        assert_eq!(snapshot.apply(&Change::Credential(Box::new(record.clone()))), Applied::Taken);
        record.revoked_at = None;
        assert_eq!(
            snapshot.apply(&Change::Credential(Box::new(record.clone()))),
            Applied::KeptRevoked(record.id)
        );
        assert!(snapshot.find(CredentialKind::ApiKey, &key).unwrap().life.revoked);
    }

    #[test]
    fn safety_4_a_snapshot_that_is_old_or_incomplete_is_not_fresh() {
        let (snapshot, _) = snapshot();
        assert!(!snapshot.is_fresh(Monotonic(0)));
        snapshot.mark_fresh(Monotonic(1_000));
        for (now, fresh) in [(1_000, true), (6_000, true), (6_001, false)] {
            assert_eq!(snapshot.is_fresh(Monotonic(now)), fresh, "{now}");
        }
        snapshot.mark_fresh(Monotonic(500));
        assert_eq!(snapshot.age(Monotonic(2_000)), Some(Duration::from_secs(1)), "freshness never goes back");
        snapshot.mark_incomplete();
        assert!(!snapshot.is_fresh(Monotonic(1_000)));
    }

    #[test]
    fn a_forgotten_or_foreign_key_is_not_found() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        let (record, key) = credential(owner.id, &peppers, 2);
        assert_eq!(snapshot.apply(&Change::Credential(Box::new(record.clone()))), Applied::Incomplete);
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        snapshot.apply(&Change::Credential(Box::new(record.clone())));
        assert!(snapshot.find(CredentialKind::ApiKey, &key).is_some());
        assert!(snapshot.find(CredentialKind::ManagementKey, &key).is_none());
        assert!(snapshot.find(CredentialKind::ApiKey, &credential(owner.id, &peppers, 3).1).is_none());
        assert_eq!(snapshot.current(&record.lookup).unwrap().id, record.id);
        snapshot.apply(&Change::Forgotten(record.lookup));
        assert!(snapshot.find(CredentialKind::ApiKey, &key).is_none());
        assert!(snapshot.current(&record.lookup).is_none());
    }
}
