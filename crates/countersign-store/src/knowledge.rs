//! What this node's verifiers know, and up to which change of which node they know it.
//!
//! **Invariant.** The lock is held from a COMMIT of ours until the snapshot has applied it, and from the reading of
//! other nodes' changes until the snapshot has applied those. So the snapshot sees commits in the database's order:
//! a row that was read before a commit is never applied after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_core::change::{Applied, Change};
use countersign_core::id::CredentialId;
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::{Monotonic, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use crate::node::{Head, NodeRow};
use crate::tombstones::Tombstones;

/// The snapshot, with the places up to which it was fed.
#[derive(Debug)]
pub(crate) struct Knowledge {
    snapshot: Arc<Snapshot>,
    heads: Mutex<Heads>,
    /// Whether the store went back and is not yet told what it has lost.
    behind: AtomicBool,
}

/// Up to where each node is known.
#[derive(Debug)]
pub(crate) struct Heads {
    pub(crate) known: HashMap<String, Head>,
    /// Our last commit: what is read is younger, or it is read elsewhere (SAFETY 4).
    pub(crate) beat: Option<Beat>,
    /// Whether the next reading must be of everything.
    pub(crate) whole: bool,
    /// Revocations that the store has lost and is to be told again (SAFETY 3).
    pub(crate) owed: BTreeSet<CredentialId>,
    /// What has ended, on this node's own disk.
    pub(crate) tombstones: Tombstones,
    /// Own changes that name an owner of which the feed has not told yet, in the order of their commits.
    pub(crate) missed: Vec<Change>,
}

/// A commit of ours, as it can be recognised in our own row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat {
    pub(crate) incarnation: i64,
    pub(crate) written: Timestamp,
    /// Taken before the transaction began.
    pub(crate) begun: Monotonic,
}

impl Beat {
    /// Tells whether our own row, as it was read, holds this commit or a later one of ours.
    pub(crate) fn is_in(&self, own: &NodeRow) -> bool {
        own.incarnation == self.incarnation && own.heartbeat_at >= self.written
    }
}

impl Heads {
    /// Writes down what has ended, if anything has.
    pub(crate) async fn write_down(&mut self, now: Timestamp) {
        self.tombstones.write(&self.known, now).await;
    }
}

impl Knowledge {
    pub(crate) fn new(snapshot: Arc<Snapshot>, tombstones: Tombstones) -> Self {
        let heads = Heads {
            known: HashMap::new(),
            beat: None,
            whole: true,
            owed: BTreeSet::new(),
            tombstones,
            missed: Vec::new(),
        };
        Self { snapshot, heads: Mutex::new(heads), behind: AtomicBool::new(false) }
    }

    pub(crate) const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Tells whether the store is yet to be told what it has lost: until then nobody acts on what it says.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    pub(crate) fn went_back(&self) {
        self.behind.store(true, Ordering::Release);
    }

    pub(crate) fn was_told(&self) {
        self.behind.store(false, Ordering::Release);
    }

    pub(crate) async fn lock(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().await
    }

    /// Teaches the verifiers one change that was read. The lock is proof that the order is the database's.
    pub(crate) fn apply(&self, heads: &mut Heads, change: &Change) {
        if !self.try_apply(heads, change) {
            heads.whole = true;
        }
    }

    /// Notes what ends with a change that is to be applied.
    pub(crate) fn note(&self, heads: &mut Heads, change: &Change) {
        heads.tombstones.note(self.snapshot.endings(change));
    }

    /// Teaches the verifiers one change of our own. Another node may have entered its owner a moment ago: then it
    /// waits for the feed, and so do all that follow, since their order counts.
    pub(crate) fn apply_own(&self, heads: &mut Heads, change: Change) {
        self.note(heads, &change);
        if !heads.missed.is_empty() || !self.try_apply(heads, &change) {
            heads.missed.push(change);
        }
    }

    fn try_apply(&self, heads: &mut Heads, change: &Change) -> bool {
        match self.snapshot.apply(change) {
            Applied::Taken => true,
            Applied::KeptRevoked(id) => {
                heads.owed.insert(id);
                true
            }
            Applied::Unreadable(id) => {
                tracing::error!(%id, "a stored credential cannot be read and is refused");
                true
            }
            Applied::Incomplete => false,
        }
    }
}
