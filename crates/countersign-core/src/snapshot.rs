//! What verifiers know in memory: every credential and owner, fed change by change.
//!
//! Read without a lock; changed key by key, never by copying. How the changes arrive is the store's business.
//!
//! **Invariants.** A credential that was seen revoked stays revoked whatever a later change says (SAFETY 3).
//! A snapshot that is older than its `max_age`, or not complete yet, answers nothing (SAFETY 4).

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderName;
use papaya::HashMap;

use crate::carried::DeclaredSets;
use crate::effect::Use;
use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::imported::{Declaration, Imports};
use crate::imported_set::{Digest, ImportedSet, Source, Upgrade};
use crate::kind::Kind;
use crate::known::{KnownCredential, KnownOwner};
use crate::ledger::{Found, FoundCredential, Lookup, Settled, Unavailable, Used};
use crate::meter::Meters;
use crate::own::Evidence;
use crate::record::{CredentialRecord, OwnerRecord};
use crate::scope::ScopeSet;
use crate::secret::{Pepper, Peppers, Purpose, Secret, SecretHash, constant_time_eq};
use crate::settling::{Marks, settle};
use crate::standing::Knows;
use crate::timestamp::{Monotonic, Timestamp};

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
    kinds: &'static [&'static Kind],
    peppers: Arc<Peppers>,
    max_age: Duration,
    credentials: HashMap<SecretHash, Arc<KnownCredential>>,
    owners: HashMap<OwnerId, Arc<KnownOwner>>,
    scopes: Interned<ScopeSet>,
    imported: Imports,
    owns: Interned<Evidence>,
    meters: Meters,
    marks: Marks,
    fresh_at: AtomicI64,
}

impl Snapshot {
    /// Starts empty, and not fresh; it learns credentials of these kinds. `max_age` is the setting `feed.max_age`.
    #[must_use]
    pub fn new(kinds: &'static [&'static Kind], peppers: Arc<Peppers>, max_age: Duration) -> Self {
        Self {
            kinds,
            peppers,
            max_age,
            credentials: HashMap::new(),
            owners: HashMap::new(),
            scopes: Interned::default(),
            imported: Imports::default(),
            owns: Interned::default(),
            meters: Meters::default(),
            marks: Marks::default(),
            fresh_at: AtomicI64::new(NEVER),
        }
    }

    /// Returns the peppers under which credentials are found.
    #[must_use]
    pub const fn peppers(&self) -> &Arc<Peppers> {
        &self.peppers
    }

    /// Returns what counts the use of credentials.
    #[must_use]
    pub const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Returns the setting `feed.max_age`.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Settles what the use of credentials leaves behind, by what this node knows. Upgrades are the ledger's to queue.
    ///
    /// # Errors
    ///
    /// [`Unavailable::TooManyMarks`].
    pub fn settle(&self, now: Timestamp, uses: &[Use]) -> Result<Settled, Unavailable> {
        settle(&self.meters, &self.marks, now, uses)
    }

    /// Answers what a presented credential asks, as far as is known here.
    #[must_use]
    pub fn look_up(&self, question: &Lookup<'_>) -> Found {
        match *question {
            Lookup::Nothing => Found::Nothing,
            Lookup::Credential { kind, secret, once } => {
                let used = once.map_or(Used::Never, |once| self.used(once));
                let found = self.find(kind, secret);
                Found::Credential(found.map(|known| FoundCredential { known, upgrade: None, used }))
            }
            Lookup::Imported { source, text } => Found::Credential(self.find_imported(source, text)),
            Lookup::Once(once) => Found::Once(self.used(once)),
        }
    }

    fn used(&self, once: &str) -> Used {
        let marked = |pepper: &Pepper| self.marks.holds(&pepper.hash(Purpose::FirstUse, once));
        if self.peppers.all().any(marked) { Used::Before } else { Used::Never }
    }

    /// Finds a credential of `kind` by its text.
    #[must_use]
    pub fn find(&self, kind: IdPrefix, secret: &str) -> Option<Arc<KnownCredential>> {
        let credentials = self.credentials.pin();
        self.peppers.all().find_map(|pepper| {
            let hash = pepper.hash(Purpose::Credential, secret);
            credentials
                .get(&hash)
                .filter(|known| known.id.prefix() == kind && known.lookup.matches(&hash))
                .cloned()
        })
    }

    /// Finds an imported key by its text: by its own keyed hash, or by the wrapped one of a set that claims it.
    #[must_use]
    pub fn find_imported(&self, source: Source<'_>, text: &str) -> Option<FoundCredential> {
        if !DeclaredSets::claims(self, source, text) {
            return None;
        }
        let credentials = self.credentials.pin();
        let find = |hash: SecretHash| {
            let known = credentials.get(&hash).filter(|known| known.lookup.matches(&hash))?;
            Some(Arc::clone(known))
        };
        let own = self.peppers.all().find_map(|pepper| find(pepper.hash(Purpose::Credential, text)));
        if let Some(known) = own {
            return Some(FoundCredential { known, upgrade: None, used: Used::Never });
        }
        let known = self.imported.matched(source, text, |digest| {
            self.peppers.all().find_map(|pepper| find(pepper.hash_bytes(Purpose::Imported, digest)))
        })?;
        let (pepper, wrapped) = (self.peppers.current(), known.lookup);
        let own = self.peppers.all().map(|pepper| pepper.hash(Purpose::Credential, text)).collect();
        let upgrade = Some(Upgrade::assertion(known.id, wrapped, own, pepper.version()));
        Some(FoundCredential { known, upgrade, used: Used::Never })
    }

    /// Returns what is known of a set; `None`: it is not declared, no key of it was ever imported.
    #[must_use]
    pub fn declaration(&self, set: &ImportedSet) -> Option<Declaration> {
        self.imported.declarations.pin().get(set).cloned()
    }

    /// Counts the sets of imported keys.
    #[must_use]
    pub fn imported_sets(&self) -> usize {
        self.imported.sets.len()
    }

    /// Returns how a known set with these words and this HMAC key is stored, so that it is declared once.
    #[must_use]
    pub fn hmac_digest(&self, prefix: &str, header: Option<&str>, key: &Secret<Vec<u8>>) -> Option<Digest> {
        let header = header.map(str::to_ascii_lowercase);
        let binding = ImportedSet::binding(prefix, header.as_deref());
        let sets = self.imported.sets.pin();
        let same = sets.keys().find(|set| {
            let Digest::HmacSha256(sealed) = &set.digest else { return false };
            let opened = self.peppers.all().find_map(|pepper| pepper.unseal(&binding, sealed));
            set.prefix == prefix
                && set.header == header
                && opened.is_some_and(|opened| constant_time_eq(opened.expose(), key.expose()))
        });
        same.map(|set| set.digest.clone())
    }

    /// Returns the header fields that carry imported keys.
    #[must_use]
    pub fn key_headers(&self) -> Vec<HeaderName> {
        let sets = self.imported.sets.pin();
        let mut names: Vec<HeaderName> =
            sets.keys().filter_map(|set| set.header.as_deref()?.parse().ok()).collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        names
    }

    /// Takes one change.
    pub fn apply(&self, change: &Change) -> Applied {
        match change {
            Change::Credential(record) => self.apply_credential(record),
            Change::Forgotten(lookup) => {
                if let Some(known) = self.credentials.pin().remove(lookup) {
                    self.imported.lookups.pin().remove(&known.id);
                }
                Applied::Taken
            }
            Change::Owner(record) => self.apply_owner(record),
        }
    }

    fn apply_credential(&self, record: &CredentialRecord) -> Applied {
        let Some(owner) = self.owners.pin().get(&record.owner).cloned() else {
            return Applied::Incomplete;
        };
        let Some(kind) = self.kinds.iter().find(|kind| kind.names(record.id)) else {
            // Of a kind that this version does not know: nobody can present it here.
            return Applied::Taken;
        };
        let credentials = self.credentials.pin();
        let before = self.imported.moved(record, &self.peppers);
        let was_revoked = [Some(record.lookup), before]
            .into_iter()
            .flatten()
            .any(|lookup| credentials.get(&lookup).is_some_and(|known| known.life.revoked));
        let mut known = KnownCredential::new(
            record,
            owner,
            self.scopes.share(&record.terms.scopes),
            self.owns.share(&Evidence((kind.own)(&record.terms))),
            self.meters.share(record.meter(), &record.terms.allowances),
        );
        let revived = was_revoked && !known.life.revoked;
        known.life.revoked |= was_revoked;
        credentials.insert(record.lookup, Arc::new(known));
        if let Some(before) = before {
            credentials.remove(&before);
        }
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

    /// Notes that everything committed before `at` is known here. `at` is taken *before* a commit of our own that was then
    /// read back.
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

impl DeclaredSets for Snapshot {
    fn claims(&self, source: Source<'_>, text: &str) -> bool {
        self.imported.sets.pin().keys().any(|set| set.claims(source, text))
    }
}

impl Knows for Snapshot {
    fn is_fresh(&self, now: Monotonic) -> bool {
        Self::is_fresh(self, now)
    }

    fn current(&self, before: &KnownCredential) -> Option<Arc<KnownCredential>> {
        let credentials = self.credentials.pin();
        // An imported key is found elsewhere after its first use.
        let moved = || self.imported.lookups.pin().get(&before.id).and_then(|lookup| credentials.get(lookup));
        credentials.get(&before.lookup).or_else(moved).cloned()
    }
}

/// Fewer values than this are not worth looking through; a bound, not a clause.
const FEW: usize = 1_000;

/// Values that many records share: kept once, and no longer than a record has them, since whoever changes a record makes
/// as many values as they like.
#[derive(Debug)]
struct Interned<T: Eq + Hash> {
    values: HashMap<Arc<T>, ()>,
    /// Beyond so many, those that no record has are dropped.
    most: AtomicUsize,
}

impl<T: Eq + Hash> Default for Interned<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), most: AtomicUsize::new(FEW) }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn share(&self, value: &T) -> Arc<T> {
        let values = self.values.pin();
        if let Some((shared, ())) = values.get_key_value(value) {
            return Arc::clone(shared);
        }
        let fresh = Arc::new(value.clone());
        values.insert(Arc::clone(&fresh), ());
        if values.len() > self.most.load(Ordering::Relaxed) {
            values.retain(|shared, ()| Arc::strong_count(shared) > 1);
            self.most.store((2 * values.len()).max(FEW), Ordering::Relaxed);
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Applied, Change, FEW, Snapshot};
    use crate::context::SeededEntropy;
    use crate::environment::Environment;
    use crate::id::{CredentialId, IdPrefix, OwnerId, OwnerKind};
    use crate::imported::PreparedSet;
    use crate::imported_set::{Digest, Imported, ImportedSet, Part, Source};
    use crate::key_string::KeyString;
    use crate::kinds::KINDS;
    use crate::record::{CredentialRecord, OwnerRecord, Terms};
    use crate::secret::{Pepper, Peppers, Purpose, Secret};
    use crate::standing::Knows as _;
    use crate::timestamp::{Monotonic, Timestamp};

    const KEY: IdPrefix = IdPrefix::new("key");

    fn organisation() -> OwnerRecord {
        let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(1));
        let created_at = Timestamp::from_millis(0);
        OwnerRecord {
            id,
            organisation: id,
            name: "acme".into(),
            version: 1,
            created_at,
            disabled_at: None,
            disabled_by: None,
        }
    }

    fn credential(owner: OwnerId, peppers: &Peppers, seed: u64) -> (CredentialRecord, KeyString) {
        let mut entropy = SeededEntropy::new(seed);
        let prefix = "cs_live".parse().unwrap();
        let key = KeyString::mint(&prefix, &mut entropy);
        let record = CredentialRecord {
            id: CredentialId::random(KEY, &mut entropy),
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
                hint: key.hint(),
                ..Terms::new("ci".into(), prefix, Environment::Live, "a".parse().unwrap())
            },
        };
        (record, key)
    }

    fn snapshot() -> (Snapshot, Arc<Peppers>) {
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new()));
        (Snapshot::new(KINDS, Arc::clone(&peppers), Duration::from_secs(5)), peppers)
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
        assert!(snapshot.find(KEY, key.read().text()).unwrap().life.revoked);
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
        let known = snapshot.find(KEY, key.read().text()).unwrap();
        assert!(snapshot.find(IdPrefix::new("mgk"), key.read().text()).is_none());
        assert!(snapshot.find(KEY, credential(owner.id, &peppers, 3).1.read().text()).is_none());
        assert_eq!(snapshot.current(&known).unwrap().id, record.id);
        snapshot.apply(&Change::Forgotten(record.lookup));
        assert!(snapshot.find(KEY, key.read().text()).is_none());
        assert!(snapshot.current(&known).is_none());
    }

    #[test]
    fn what_no_record_has_any_more_is_not_kept() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let (mut record, key) = credential(owner.id, &peppers, 2);
        for number in 0..10_000 {
            record.terms.scopes = format!("orders:{number}").parse().unwrap();
            snapshot.apply(&Change::Credential(Box::new(record.clone())));
        }
        assert!(snapshot.scopes.values.len() <= 2 * FEW, "{}", snapshot.scopes.values.len());
        assert_eq!(*snapshot.find(KEY, key.read().text()).unwrap().scopes, record.terms.scopes);
        let set = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
        import(&snapshot, &peppers, &set, "acme_1", 3);
        let found = snapshot.find_imported(Source::Usual, "acme_1").unwrap().known;
        assert_eq!(snapshot.imported.lookups.len(), 1);
        snapshot.apply(&Change::Forgotten(found.lookup));
        assert_eq!(snapshot.imported.lookups.len(), 0);
    }

    /// Applies a key that was imported into `set`, by the hash of `text`.
    fn import(
        snapshot: &Snapshot,
        peppers: &Peppers,
        set: &ImportedSet,
        text: &str,
        seed: u64,
    ) -> CredentialId {
        let owner = organisation();
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let (mut record, _) = credential(owner.id, peppers, seed);
        let digest = PreparedSet::new(set.clone(), peppers).unwrap().digest(Source::Anywhere, text);
        let digest = digest.unwrap_or_else(|| sha256(text));
        record.lookup = peppers.current().hash_bytes(Purpose::Imported, &set.bound(&digest));
        record.terms.imported = Some(Box::new(Imported { set: set.clone(), upgraded: false }));
        snapshot.apply(&Change::Credential(Box::new(record.clone())));
        record.id
    }

    fn sha256(text: &str) -> Vec<u8> {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref().to_vec()
    }

    #[test]
    fn safety_13_a_hash_in_another_set_speaks_for_no_caller() {
        let set = |prefix, header| ImportedSet::new(prefix, header, Digest::Sha256, Part::Key).unwrap();
        let rightful = set("acme_", None);
        for other in [
            set("other_", None),
            set("ac", None),
            set("", Some("x-other-key")),
            set("acme_", Some("x-other-key")),
        ] {
            for other_first in [true, false] {
                let (snapshot, peppers) = snapshot();
                let order = if other_first { [&other, &rightful] } else { [&rightful, &other] };
                let ids: Vec<_> = order
                    .iter()
                    .zip(2..)
                    .map(|(set, seed)| import(&snapshot, &peppers, set, "acme_1", seed))
                    .collect();
                let expected = ids.get(usize::from(other_first)).copied();
                for source in [Source::Usual, Source::Anywhere] {
                    let found = snapshot.find_imported(source, "acme_1").map(|found| found.known.id);
                    assert_eq!(found, expected, "{other:?} {source:?}");
                }
            }
        }
        let (snapshot, peppers) = snapshot();
        for (set, seed) in [(set("", Some("x-one")), 2), (set("", Some("x-two")), 3)] {
            import(&snapshot, &peppers, &set, "secret", seed);
        }
        assert!(
            snapshot.find_imported(Source::Anywhere, "secret").is_none(),
            "where two say as much, nobody is"
        );
        assert!(snapshot.find_imported(Source::Header("x-one"), "secret").is_some());
    }
}
