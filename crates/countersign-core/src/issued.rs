//! What verifiers know of what this issuer has issued: its signing keys, the tokens that are known by their digests, what
//! was ended before its time, and the incarnation of the installation.
//!
//! **Invariants.** What was ended is remembered until it would have ended (SAFETY 17), and no longer: an old entry makes
//! room for new ones. A key that was seen revoked stays so, and the incarnation never goes back (SAFETY 3).

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use papaya::HashMap;

use crate::id::{CredentialId, IdBits};
use crate::known::KnownOwner;
use crate::secret::SecretHash;
use crate::signing_key::{KeyState, KnownKey, SigningKeyRecord, Slot};
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, StoredClaims};

/// How long an ended token is remembered beyond its end: twice [`crate::token::LEEWAY`], since the clocks of
/// nodes differ (SAFETY 17).
pub const MEMORY: Duration = Duration::from_secs(2 * 60);

/// Fewer entries than this are not worth looking through for old ones; a bound, not a clause.
const FEW: usize = 1_000;

/// A token that is known by its digest.
#[derive(Debug)]
pub struct StoredToken {
    /// The stored hash, compared once more in constant time.
    pub lookup: SecretHash,
    /// What it says, and the key that signed it.
    pub token: StoredClaims,
    /// Its client.
    pub owner: Arc<KnownOwner>,
}

/// What was issued, as one node knows it.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    keys: HashMap<CredentialId, Arc<KnownKey>>,
    stored: Fading<SecretHash, Arc<StoredToken>>,
    ended: Fading<IdBits, ()>,
    incarnation: AtomicI64,
    /// The time that was told last, in milliseconds; zero: none was, and nothing is past it.
    now: AtomicI64,
}

impl Issued {
    pub(crate) fn tell_time(&self, now: Timestamp) {
        self.now.store(now.millis(), Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    pub(crate) fn key(&self, id: CredentialId) -> Option<Arc<KnownKey>> {
        self.keys.pin().get(&id).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<Arc<KnownKey>> {
        let mut keys: Vec<_> = self.keys.pin().values().cloned().collect();
        keys.sort_by_key(|key| (key.record.created_at, key.id()));
        keys
    }

    /// Returns the key of a slot that signs at `now`: of several, the latest. Where none signs, the first that waits: a key
    /// waits for one before it, and where there is none it was made by a node whose clock is ahead of this one's.
    pub(crate) fn signer(&self, slot: Slot, now: Timestamp) -> Option<Arc<KnownKey>> {
        let keys = self.keys.pin();
        let in_state =
            |state| keys.values().filter(move |key| key.record.slot == slot && key.state(now) == state);
        let active = in_state(KeyState::Active).max_by_key(|key| key.record.number);
        let waiting = || in_state(KeyState::Prepared).min_by_key(|key| key.record.active_at);
        active.or_else(waiting).cloned()
    }

    /// Takes a key; false: it cannot be read here. A revocation that is known stays, whatever it says.
    pub(crate) fn take_key(&self, record: &SigningKeyRecord) -> bool {
        let keys = self.keys.pin();
        let revoked = keys.get(&record.id).and_then(|known| known.record.revoked_at);
        let record = SigningKeyRecord { revoked_at: record.revoked_at.or(revoked), ..record.clone() };
        let id = record.id;
        match KnownKey::read(record) {
            Some(known) => drop(keys.insert(id, Arc::new(known))),
            None => drop(keys.remove(&id)),
        }
        keys.contains_key(&id)
    }

    pub(crate) fn stored(&self, lookup: &SecretHash) -> Option<Arc<StoredToken>> {
        self.stored.get(lookup).filter(|token| token.lookup.matches(lookup))
    }

    pub(crate) fn store(&self, token: StoredToken) {
        let until = token.token.claims.expires_at.plus(MEMORY);
        self.stored.insert(token.lookup, Arc::new(token), until, self.now());
    }

    pub(crate) fn is_ended(&self, token: CredentialId) -> bool {
        self.ended.get(&token.bits()).is_some()
    }

    /// Tells whether a token was ended before its time, or what it hangs on was: its family, its grant, its session.
    pub(crate) fn has_ended(&self, claims: &AccessClaims) -> bool {
        let hung_on = claims
            .delegation
            .iter()
            .flat_map(|one| [Some(one.family), Some(one.grant), one.session].into_iter().flatten());
        std::iter::once(claims.id).chain(hung_on).any(|id| self.is_ended(id))
    }

    pub(crate) fn end(&self, token: CredentialId, until: Timestamp) {
        self.ended.insert(token.bits(), (), until, self.now());
    }

    pub(crate) fn incarnation(&self) -> i64 {
        self.incarnation.load(Ordering::Acquire)
    }

    pub(crate) fn raise(&self, incarnation: i64) {
        self.incarnation.fetch_max(incarnation, Ordering::AcqRel);
    }
}

/// Values that are kept until their time.
struct Fading<K, V> {
    values: HashMap<K, (V, Timestamp)>,
    /// Beyond so many, those whose time is over are dropped.
    most: AtomicUsize,
}

impl<K, V> fmt::Debug for Fading<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fading").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, V> Default for Fading<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), most: AtomicUsize::new(FEW) }
    }
}

impl<K: Hash + Eq, V: Clone> Fading<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.values.pin().get(key).map(|(value, _)| value.clone())
    }

    fn insert(&self, key: K, value: V, until: Timestamp, now: Timestamp) {
        let values = self.values.pin();
        values.insert(key, (value, until));
        if values.len() > self.most.load(Ordering::Relaxed) {
            values.retain(|_, (_, until)| *until > now);
            self.most.store((2 * values.len()).max(FEW), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FEW, Issued, MEMORY};
    use crate::context::SeededEntropy;
    use crate::id::CredentialId;
    use crate::signing_key::{KeyPurpose, SigningKeyRecord};
    use crate::testing::signing_key;
    use crate::timestamp::Timestamp;
    use crate::token::TOKEN;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn safety_3_a_key_that_was_revoked_stays_so_whatever_is_told_later() {
        let issued = Issued::default();
        let (key, _) = signing_key(KeyPurpose::AccessToken, 1);
        let revoked = SigningKeyRecord { revoked_at: Some(key.active_at), ..key.clone() };
        assert!(issued.take_key(&revoked) && issued.take_key(&key));
        assert_eq!(issued.key(key.id).unwrap().record.revoked_at, Some(key.active_at));
        assert_eq!(issued.keys().len(), 1);
    }

    #[test]
    fn where_no_key_signs_yet_the_first_that_waits_does() {
        let issued = Issued::default();
        let (first, _) = signing_key(KeyPurpose::AccessToken, 1);
        let successor = SigningKeyRecord {
            number: first.number + 1,
            active_at: first.active_at.plus(MEMORY),
            ..signing_key(KeyPurpose::AccessToken, 2).0
        };
        let at = |now| issued.signer(first.slot, now).map(|key| key.id());
        let behind = Timestamp::from_millis(first.active_at.millis() - 1);
        assert_eq!(at(behind), None);
        assert!(issued.take_key(&successor) && issued.take_key(&first));
        for (now, expected) in
            [(behind, first.id), (first.active_at, first.id), (successor.active_at, successor.id)]
        {
            assert_eq!(at(now), Some(expected), "{now}");
        }
        let revoked = SigningKeyRecord { revoked_at: Some(behind), ..first.clone() };
        assert!(issued.take_key(&revoked));
        assert_eq!(at(behind), Some(successor.id), "a node that is behind goes on signing");
    }

    #[test]
    fn safety_17_what_was_ended_is_remembered_until_its_time_and_then_makes_room() {
        let (issued, mut entropy) = (Issued::default(), SeededEntropy::new(1));
        let mut end = |until| {
            let token = CredentialId::random(TOKEN, &mut entropy);
            issued.end(token, until);
            token
        };
        let lasting = end(NOW.plus(Duration::from_secs(3600)));
        for _ in 0..10 * FEW {
            end(NOW.plus(MEMORY));
        }
        assert_eq!(issued.ended.values.len(), 10 * FEW + 1, "none is forgotten before its time");
        issued.tell_time(NOW.plus(MEMORY));
        for _ in 0..20 * FEW {
            end(NOW.plus(MEMORY));
        }
        assert!(issued.ended.values.len() < 25 * FEW, "what is past its time made room");
        assert!(issued.is_ended(lasting));
    }
}
