//! The gateway's ledger: what verifiers know in memory, and one catch-up before "there is none" is final.
//!
//! A key that was minted a moment ago at another node may not be known here yet. So a miss asks the feed once, and
//! then counts. However many requests miss at a time, what feeds the snapshot asks the store once for all. A key that is known and would
//! be refused asks likewise: time does not tell it from one that never was.
//!
//! **Invariant.** It answers questions about keys and commits nothing.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use countersign_core::audit::AuditEvent;
use countersign_core::imported_set::{Source, Upgrade};
use countersign_core::known::KnownCredential;
use countersign_core::ledger::{Found, Ledger, Lookup, Unavailable};
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::Timestamp;
use countersign_core::verification::rejection_at;

/// What feeds the snapshot.
pub trait Refresh: Send + Sync {
    /// Brings the snapshot up to everything that was committed before the call: within its own patience, and for all
    /// who wait together.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the store does not answer.
    fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>>;
}

/// The ledger of one request. It remembers what it found, so that its use can be noted.
pub(crate) struct SnapshotLedger<'a> {
    snapshot: &'a Snapshot,
    feed: &'a dyn Refresh,
    now: Timestamp,
    address: Option<IpAddr>,
    found: OnceLock<Arc<KnownCredential>>,
    upgrade: OnceLock<Upgrade>,
}

impl<'a> SnapshotLedger<'a> {
    /// Answers a request that comes at `now` from `address`.
    pub(crate) const fn new(
        snapshot: &'a Snapshot,
        feed: &'a dyn Refresh,
        now: Timestamp,
        address: Option<IpAddr>,
    ) -> Self {
        Self { snapshot, feed, now, address, found: OnceLock::new(), upgrade: OnceLock::new() }
    }

    fn is_good(&self, known: &KnownCredential) -> bool {
        rejection_at(self.now, self.address, known).is_none()
    }

    /// Returns the credential that was found, and what its first use asks for.
    pub(crate) fn into_found(self) -> (Option<Arc<KnownCredential>>, Option<Upgrade>) {
        (self.found.into_inner(), self.upgrade.into_inner())
    }

    async fn find_imported(&self, source: Source<'_>, text: &str) -> Result<Found, Unavailable> {
        let mut found = self.snapshot.find_imported(source, text);
        // Only what a set claims is worth asking for: any other text is no credential at any node.
        let good = found.as_ref().is_some_and(|found| self.is_good(&found.known));
        if !good && self.snapshot.claims(source, text) {
            self.feed.catch_up().await?;
            found = self.snapshot.find_imported(source, text);
        }
        if let Some(found) = &found {
            self.found.get_or_init(|| Arc::clone(&found.known));
            if let Some(upgrade) = &found.upgrade {
                self.upgrade.get_or_init(|| upgrade.clone());
            }
        }
        Ok(Found::ImportedKey(found))
    }
}

impl Ledger for SnapshotLedger<'_> {
    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        let (kind, key) = match question {
            Lookup::Key { kind, key } => (kind, key),
            Lookup::ImportedKey { source, text } => return self.find_imported(source, text).await,
        };
        let mut known = self.snapshot.find(kind, key);
        if !known.as_ref().is_some_and(|known| self.is_good(known)) {
            self.feed.catch_up().await?;
            known = self.snapshot.find(kind, key);
        }
        if let Some(known) = &known {
            self.found.get_or_init(|| Arc::clone(known));
        }
        Ok(Found::Key(known))
    }

    /// No act is performed here: what the gateway refuses, its journal tells.
    fn file(&self, _: AuditEvent) {}
}
