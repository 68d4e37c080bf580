//! Credentials and owners as verifiers know them in memory: small, shared, and changed in place.
//!
//! A million credentials are kept here, so that one has a fixed size without a text of its own: what many have in
//! common stands once, in their [`KnownTerms`].

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::client_terms::ClientTerms;
use crate::id::{CredentialId, IdBits, IdPrefix, OwnerId};
use crate::imported_set::ImportedSet;
use crate::key_string::KeyPrefix;
use crate::learned::Learned;
use crate::meter::{Allowance, Metered};
use crate::network::AddressBlock;
use crate::own::Evidence;
use crate::record::{Life, OwnerRecord, Terms};
use crate::scope::ScopeSet;
use crate::secret::SecretHash;
use crate::timestamp::Timestamp;

/// An owner as verifiers know it; shared by all of its credentials, so that disabling it ends them together.
#[derive(Debug)]
pub struct KnownOwner {
    id: OwnerId,
    organisation: OwnerId,
    parent: Option<Arc<Self>>,
    live: AtomicBool,
    generation: AtomicI64,
    client: ArcSwapOption<ClientTerms>,
}

impl KnownOwner {
    /// Describes an owner; `parent` is its organisation, or `None` for an organisation itself.
    #[must_use]
    pub fn new(record: &OwnerRecord, parent: Option<Arc<Self>>) -> Self {
        let organisation = parent.as_ref().map_or(record.id, |parent| parent.id);
        let (live, generation, client) =
            (AtomicBool::default(), AtomicI64::default(), ArcSwapOption::default());
        let owner = Self { id: record.id, organisation, parent, live, generation, client };
        owner.learn(record);
        owner
    }

    /// Returns the owner's id.
    #[must_use]
    pub const fn id(&self) -> OwnerId {
        self.id
    }

    /// Returns the organisation that the owner belongs to, itself if it is one.
    #[must_use]
    pub const fn organisation(&self) -> OwnerId {
        self.organisation
    }

    /// Tells whether the owner and its organisation are enabled.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire) && self.parent.as_ref().is_none_or(|parent| parent.is_live())
    }

    /// Returns the generation: what was issued under an earlier one has ended (SAFETY 17).
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns the organisation's generation, which ends what was issued to any of its members.
    #[must_use]
    pub fn organisation_generation(&self) -> i64 {
        self.parent.as_ref().map_or_else(|| self.generation(), |parent| parent.generation())
    }

    /// Returns what is registered of it as a client, if anything is.
    #[must_use]
    pub fn client(&self) -> Option<Arc<ClientTerms>> {
        self.client.load_full()
    }

    /// Takes what is stored of it now, for every credential at once. A generation never goes back: what was seen to end
    /// stays ended (SAFETY 3).
    pub(crate) fn learn(&self, record: &OwnerRecord) {
        self.generation.fetch_max(record.generation, Ordering::AcqRel);
        let client = self.client.load();
        if client.as_deref() != record.client.as_deref() {
            self.client.store(record.client.as_deref().cloned().map(Arc::new));
        }
        self.live.store(record.disabled_at.is_none(), Ordering::Release);
    }
}

/// What many credentials have in common; kept once.
#[derive(Debug)]
pub struct KnownTerms {
    kind: IdPrefix,
    /// What they may do.
    pub scopes: Arc<ScopeSet>,
    /// What only their kind knows of them.
    pub own: Arc<Evidence>,
    allow_from: Box<[AddressBlock]>,
    pub(crate) allowances: Box<[Allowance]>,
    pub(crate) prefix: KeyPrefix,
    pub(crate) set: Option<ImportedSet>,
    /// An owner for whom the set is declared with the prefix.
    pub(crate) declared_for: OnceLock<OwnerId>,
}

impl KnownTerms {
    /// Keeps what verifiers need of the terms of a credential; `own`: what only its kind knows of them.
    #[must_use]
    pub fn new(kind: IdPrefix, own: Arc<Evidence>, terms: Terms) -> Self {
        Self {
            kind,
            own,
            scopes: Arc::new(terms.scopes),
            allow_from: terms.allow_from.into(),
            allowances: terms.allowances.into(),
            prefix: terms.prefix,
            set: terms.imported.map(|imported| imported.set),
            declared_for: OnceLock::new(),
        }
    }
}

/// A credential as verifiers know it in memory.
#[derive(Debug)]
pub struct KnownCredential {
    bits: IdBits,
    /// The stored hash, compared once more in constant time.
    pub lookup: SecretHash,
    /// Who it acts for.
    pub owner: Arc<KnownOwner>,
    /// What it has in common with others.
    pub terms: Arc<KnownTerms>,
    /// What counts its use; `None`: it is not limited.
    pub metered: Option<Arc<Metered>>,
    /// Its span and switches.
    pub life: Life,
    /// When its use was last reported, in seconds.
    used: AtomicU32,
    /// In which of the loads it was last seen.
    seen: AtomicU8,
}

/// How far apart two reports of one credential's use are; the bound on what `last_used_at` may lack.
const USE_REPORT_INTERVAL: Duration = Duration::from_secs(60);

impl KnownCredential {
    /// Keeps what verifiers learn; the shared parts come from the snapshot.
    #[must_use]
    pub fn new(
        learned: &Learned,
        life: Life,
        owner: Arc<KnownOwner>,
        terms: Arc<KnownTerms>,
        metered: Option<Metered>,
    ) -> Self {
        Self {
            bits: learned.id.bits(),
            lookup: learned.lookup,
            owner,
            terms,
            metered: metered.map(Arc::new),
            life,
            used: AtomicU32::new(learned.last_used_at.map_or(0, seconds)),
            seen: AtomicU8::new(0),
        }
    }

    /// Returns the credential's name.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        CredentialId::of(self.terms.kind, self.bits)
    }

    /// Tells whether the credential may be used from `address`. An unknown address is in no list.
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let blocks = &self.terms.allow_from;
        blocks.is_empty() || address.is_some_and(|address| blocks.iter().any(|block| block.contains(address)))
    }

    /// Notes a use at `now`; true if it is worth a report, at most once a minute.
    pub fn note_use(&self, now: Timestamp) -> bool {
        let (before, now) = (self.used.load(Ordering::Relaxed), seconds(now));
        let due = u64::from(now.saturating_sub(before)) >= USE_REPORT_INTERVAL.as_secs();
        due && self.used.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Tells whether `other` says nothing else, so that it need not take this one's place.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.bits == other.bits
            && self.lookup == other.lookup
            && Arc::ptr_eq(&self.owner, &other.owner)
            && Arc::ptr_eq(&self.terms, &other.terms)
            && self.metered.is_none()
            && other.metered.is_none()
            && self.life == other.life
    }

    /// Notes that it was seen in a load.
    pub(crate) fn see(&self, load: u8) {
        self.seen.store(load, Ordering::Relaxed);
    }

    /// Tells whether it was seen in a load.
    pub(crate) fn was_seen(&self, load: u8) -> bool {
        self.seen.load(Ordering::Relaxed) == load
    }
}

/// Whole seconds of Unix time, which fit until the year 2106; later ones count as that year.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.millis().max(0) / 1000).unwrap_or(u32::MAX)
}

/// A credential as it stands in a set: found by its hash.
#[derive(Debug)]
pub(crate) struct ByLookup(pub(crate) Arc<KnownCredential>);

impl PartialEq for ByLookup {
    fn eq(&self, other: &Self) -> bool {
        self.0.lookup == other.0.lookup
    }
}

impl Eq for ByLookup {}

impl Hash for ByLookup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.lookup.hash(state);
    }
}

impl Borrow<SecretHash> for ByLookup {
    fn borrow(&self) -> &SecretHash {
        &self.0.lookup
    }
}

/// A credential as it stands in a set: found by its id.
#[derive(Debug)]
pub(crate) struct ById(pub(crate) Arc<KnownCredential>);

impl ById {
    fn bits(&self) -> &IdBits {
        &self.0.bits
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

impl Borrow<IdBits> for ById {
    fn borrow(&self) -> &IdBits {
        self.bits()
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownCredential, KnownOwner};
    use crate::client_terms::ClientTerms;
    use crate::context::SeededEntropy;
    use crate::id::{OwnerId, OwnerKind};
    use crate::record::OwnerRecord;
    use crate::timestamp::Timestamp;

    #[test]
    fn safety_3_a_generation_never_goes_back() {
        let id = OwnerId::random(OwnerKind::Client, &mut SeededEntropy::new(1));
        let record = OwnerRecord::new(id, id, "acme".into(), Timestamp::from_millis(0));
        let known = KnownOwner::new(&record, None);
        for (stored, expected) in [(0, 0), (2, 2), (1, 2), (3, 3)] {
            known.learn(&OwnerRecord { generation: stored, ..record.clone() });
            assert_eq!((known.generation(), known.organisation_generation()), (expected, expected));
        }
        let terms = ClientTerms::default();
        known.learn(&OwnerRecord { client: Some(Box::new(terms.clone())), ..record.clone() });
        let client = known.client();
        assert_eq!(client.as_deref(), Some(&terms));
        known.learn(&OwnerRecord { client: Some(Box::new(terms)), generation: 9, ..record });
        assert!(
            std::sync::Arc::ptr_eq(&client.unwrap(), &known.client().unwrap()),
            "what says the same stays"
        );
    }

    #[test]
    fn a_million_credentials_are_a_hundred_megabytes() {
        assert_eq!(size_of::<KnownCredential>(), 104);
    }
}
