//! The feed: how the snapshot learns what other nodes have committed, and proves that it is not old.
//!
//! Each run reads where every node stands and, for those that moved, the changes since; numbered per node, so that
//! none can be skipped (SAFETY 2). A gap, a counter that went back or a chain that no longer goes through the
//! place where it was seen means that the store went back: then everything is read anew, and the revocations that
//! the store has lost are written back (SAFETY 3).
//!
//! **Invariant.** Nothing is taken from a database that does not hold our own last commit: it is another one, or it went
//! back. The snapshot is marked fresh with the time at which that commit began, and only after everything that was read
//! with it was applied (SAFETY 4). A run that fails marks nothing: the snapshot simply ages.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock;
use countersign_core::id::CredentialId;
use countersign_core::ledger::Unavailable;
use countersign_core::snapshot::{Change, Rank};

use crate::heartbeat::Heart;
use crate::kept::KEPT;
use crate::knowledge::{Beat, Heads, Knowledge};
use crate::node::{self, Head, NodeRow};
use crate::queue::Queue;
use crate::{audit_event, change, credential};
use countersign_database::database::Database;

/// The most changes that are read together, some 70 MB of them: whoever is further behind, since it could not reach the
/// store for a while, reads everything page by page instead.
const MOST: i64 = 100_000;
/// How often a full load may be followed by another at once, since the store moved meanwhile.
const ATTEMPTS: usize = 3;
/// Revocations that are written back in one batch.
const WRITTEN_BACK_AT_ONCE: usize = 100;

/// Reads for the snapshot.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) node: String,
    pub(crate) database: Arc<Database>,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queue: Queue,
    pub(crate) heart: Heart,
}

/// Whether the changes since the last run are enough.
enum Advance {
    Taken,
    /// They are not: everything is to be read.
    Whole,
}

impl Feed {
    /// Brings the snapshot to where the store is now.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: the snapshot is as old as before.
    pub(crate) async fn run(&self) -> Result<(), Unavailable> {
        let mut heads = self.knowledge.lock().await;
        let Some(beat) = heads.beat else { return Err(Unavailable::Stale) };
        let mut caught_up = false;
        for _attempt in 0..ATTEMPTS {
            let nodes = node::list(&self.database).await?;
            self.recognise(&beat, &nodes)?;
            if matches!(self.advance(&mut heads, &nodes).await?, Advance::Taken) {
                caught_up = true;
                break;
            }
            self.load(&mut heads, &nodes).await?;
        }
        if !caught_up {
            return Err(Unavailable::Store("the store moves faster than it can be read".to_owned()));
        }
        self.knowledge.snapshot().mark_fresh(beat.begun);
        let owed: Vec<_> = heads.owed.iter().copied().collect();
        drop(heads);
        self.write_back(&owed).await;
        Ok(())
    }

    /// Demands that our own last commit is in what was read. If not, the next run reads over new connections: those of
    /// today may lead to a server that was left behind by a failover.
    fn recognise(&self, beat: &Beat, nodes: &[NodeRow]) -> Result<(), Unavailable> {
        if nodes.iter().any(|node| node.id == self.node && beat.is_in(node)) {
            return Ok(());
        }
        self.database.renew();
        self.heart.hurry();
        Err(Unavailable::Store("what is read does not hold our own last commit".to_owned()))
    }

    /// Applies what changed since the last run.
    async fn advance(&self, heads: &mut Heads, nodes: &[NodeRow]) -> Result<Advance, Unavailable> {
        if heads.whole || behind(&heads.known, nodes) > MOST || !self.continues(heads, nodes).await? {
            return Ok(Advance::Whole);
        }
        let mut changes = Vec::new();
        for node in nodes {
            let from = heads.known.get(&node.id).map_or(0, |known| known.last_change);
            match self.changes(&node.id, from, node.last_change).await? {
                Some(more) => changes.extend(more),
                None => return Ok(Advance::Whole),
            }
        }
        // A credential's owner may come from another node: all owners first, organisations before their members.
        changes.sort_by_key(Change::rank);
        let credentials =
            changes.split_off(changes.partition_point(|change| change.rank() < Rank::Credential));
        // Our own commits that waited for an owner are older than what was read of any credential now.
        let missed = std::mem::take(&mut heads.missed);
        for change in changes.iter().chain(&missed).chain(&credentials) {
            self.knowledge.apply(heads, change);
        }
        if heads.whole {
            return Ok(Advance::Whole);
        }
        heads.known = known(nodes);
        Ok(Advance::Taken)
    }

    /// Tells whether every node's history goes on from where it was last seen.
    async fn continues(&self, heads: &Heads, nodes: &[NodeRow]) -> Result<bool, Unavailable> {
        for (id, seen) in &heads.known {
            let Some(found) = nodes.iter().find(|node| &node.id == id).map(NodeRow::head) else {
                return Ok(false);
            };
            if found == *seen {
                continue;
            }
            let back = found.last_change < seen.last_change || found.last_event < seen.last_event;
            // Our own commits were applied before the lock was given up: ours can only have moved behind our back.
            if back || *id == self.node || !audit_event::goes_through(&self.database, id, seen).await? {
                tracing::warn!(node = %id, ?seen, ?found, "the store's history changed: everything is read anew");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a node's changes; `None` if one is missing.
    async fn changes(&self, node: &str, from: i64, to: i64) -> Result<Option<Vec<Change>>, Unavailable> {
        let mut changes = Vec::new();
        let mut cursor = from;
        while cursor < to {
            let Some(page) = change::after(&self.database, node, cursor, to).await? else {
                return Ok(None);
            };
            cursor = cursor.saturating_add(i64::try_from(page.len()).unwrap_or(i64::MAX));
            changes.extend(page);
        }
        Ok(Some(changes))
    }

    /// Reads everything. What is committed meanwhile is read again as a change, since `nodes` were read before.
    async fn load(&self, heads: &mut Heads, nodes: &[NodeRow]) -> Result<(), Unavailable> {
        heads.missed.clear();
        self.knowledge.snapshot().begin_load();
        for kept in KEPT {
            for statement in kept.load {
                let mut pages = self.database.scan(statement, Vec::new())?;
                while let Some(page) = pages.next().await? {
                    for row in page {
                        self.knowledge.apply(heads, &(kept.read)(row)?);
                    }
                }
            }
        }
        self.knowledge.snapshot().end_load();
        heads.known = known(nodes);
        // An owner that was entered after the owners were read comes as a change, before its credentials.
        heads.whole = false;
        Ok(())
    }

    /// Tells the store the revocations that it has lost. What fails now is tried at the next run.
    async fn write_back(&self, owed: &[CredentialId]) {
        for ids in owed.chunks(WRITTEN_BACK_AT_ONCE) {
            let now = self.clock.now();
            let steps = ids.iter().map(|id| credential::revoke_again(*id, now)).collect();
            let line = |id: &CredentialId| {
                AuditEvent::granted(now, "credential.revocation_restored", Actor::SYSTEM)
                    .about(id.to_string())
            };
            match self.queue.submit(steps, ids.iter().map(line).collect()).await {
                Ok(_) => {
                    let mut heads = self.knowledge.lock().await;
                    for id in ids {
                        heads.owed.remove(id);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "revocations that the store has lost are not written back yet")
                }
            }
        }
    }
}

fn known(nodes: &[NodeRow]) -> HashMap<String, Head> {
    nodes.iter().map(|node| (node.id.clone(), node.head())).collect()
}

/// Counts the changes since each node was last seen.
fn behind(known: &HashMap<String, Head>, nodes: &[NodeRow]) -> i64 {
    let since = |node: &NodeRow| {
        let seen = known.get(&node.id).map_or(0, |seen| seen.last_change);
        node.last_change.saturating_sub(seen).max(0)
    };
    nodes.iter().map(since).fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use countersign_core::audit::ChainHash;
    use countersign_core::timestamp::Timestamp;

    use super::behind;
    use crate::node::{Head, NodeRow};

    #[test]
    fn what_was_missed_is_counted_over_all_nodes() {
        let node = |id: &str, last_change| NodeRow {
            id: id.to_owned(),
            incarnation: 1,
            last_change,
            last_event: 0,
            event_hash: ChainHash::START,
            heartbeat_at: Timestamp::from_millis(0),
        };
        let head =
            |last_change| Head { incarnation: 1, last_change, last_event: 0, event_hash: ChainHash::START };
        let known = HashMap::from([("a".to_owned(), head(10)), ("b".to_owned(), head(7))]);
        for (nodes, expected) in [
            (vec![node("a", 10), node("b", 7)], 0),
            (vec![node("a", 15), node("b", 8)], 6),
            (vec![node("a", 10), node("new", 30)], 30),
            (vec![node("a", 5), node("b", 8)], 1),
        ] {
            assert_eq!(behind(&known, &nodes), expected, "{nodes:?}");
        }
    }
}
