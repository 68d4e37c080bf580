//! Credentials and owners as verifiers know them in memory: small, shared, and changed in place.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::id::{CredentialId, OwnerId};
use crate::meter::Metered;
use crate::network::AddressBlock;
use crate::own::Evidence;
use crate::record::{CredentialRecord, Life};
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
}

impl KnownOwner {
    /// Describes an owner; `parent` is its organisation, or `None` for an organisation itself.
    #[must_use]
    pub fn new(id: OwnerId, parent: Option<Arc<Self>>, live: bool) -> Self {
        let organisation = parent.as_ref().map_or(id, |parent| parent.id);
        Self { id, organisation, parent, live: AtomicBool::new(live) }
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

    /// Enables or disables the owner for every credential at once.
    pub(crate) fn set_live(&self, live: bool) {
        self.live.store(live, Ordering::Release);
    }
}

/// A credential as verifiers know it in memory.
#[derive(Debug)]
pub struct KnownCredential {
    /// The credential's name.
    pub id: CredentialId,
    /// The stored hash, compared once more in constant time.
    pub lookup: SecretHash,
    /// Who it acts for.
    pub owner: Arc<KnownOwner>,
    /// Its span and switches.
    pub life: Life,
    /// What it may do.
    pub scopes: Arc<ScopeSet>,
    /// What only its kind knows of it; shared by all that are alike.
    pub own: Arc<Evidence>,
    /// The addresses that it may be used from; empty: from anywhere.
    pub allow_from: Box<[AddressBlock]>,
    /// What counts its use; `None`: it is not limited.
    pub metered: Option<Arc<Metered>>,
    /// What people call it.
    pub name: Box<str>,
    /// What its owner wrote on it, as JSON text; `None`: nothing.
    pub metadata: Option<Box<str>>,
    /// When its use was last reported, in milliseconds.
    used: AtomicI64,
}

/// How far apart two reports of one credential's use are; the bound on what `last_used_at` may lack.
const USE_REPORT_INTERVAL: Duration = Duration::from_secs(60);

impl KnownCredential {
    /// Keeps what verifiers need of `record`; the shared parts come from the snapshot.
    #[must_use]
    pub fn new(
        record: &CredentialRecord,
        owner: Arc<KnownOwner>,
        scopes: Arc<ScopeSet>,
        own: Arc<Evidence>,
        metered: Option<Metered>,
    ) -> Self {
        Self {
            id: record.id,
            lookup: record.lookup,
            owner,
            life: record.life(),
            scopes,
            own,
            allow_from: record.terms.allow_from.as_slice().into(),
            metered: metered.map(Arc::new),
            name: record.terms.name.as_str().into(),
            metadata: metadata_text(record),
            used: AtomicI64::new(record.last_used_at.map_or(0, Timestamp::millis)),
        }
    }

    /// Tells whether the credential may be used from `address`. An unknown address is in no list.
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.allow_from.is_empty()
            || address.is_some_and(|address| self.allow_from.iter().any(|block| block.contains(address)))
    }

    /// Notes a use at `now`; true if it is worth a report, at most once a minute.
    pub fn note_use(&self, now: Timestamp) -> bool {
        let before = self.used.load(Ordering::Relaxed);
        let due = now.since(Timestamp::from_millis(before)) >= USE_REPORT_INTERVAL;
        due && self.used.compare_exchange(before, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn metadata_text(record: &CredentialRecord) -> Option<Box<str>> {
    let metadata = &record.terms.metadata;
    (!metadata.is_empty()).then(|| serde_json::Value::Object(metadata.clone()).to_string().into())
}
