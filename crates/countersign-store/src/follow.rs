//! The feed: how the snapshot learns what other nodes have committed, and proves that it is not old.
//!
//! Each run reads where every node stands and, for those that moved, the changes since; numbered per node, so that
//! none can be skipped (SAFETY 2). A counter that went back, or a chain that no longer goes through the place where it was
//! seen, means that the store went back: then it is told first what has ended since, and read anew as a whole (SAFETY 3).
//!
//! **Invariant.** Nothing is taken from a database that does not hold our own last commit: it is another one, or it went
//! back. The snapshot is marked fresh with the time at which that commit began, and only after everything that was read
//! with it was applied (SAFETY 4). A run that fails marks nothing: the snapshot simply ages.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::change::{Change, Rank};
use countersign_core::context::Clock;
use countersign_core::ending::Ending;
use countersign_core::id::CredentialId;
use countersign_core::ledger::Unavailable;
use countersign_core::standing::Knows as _;

use crate::config::History;
use crate::heartbeat::Heart;
use crate::kept::KEPT;
use crate::knowledge::{Beat, Heads, Knowledge};
use crate::node::{self, Head, NodeRow};
use crate::queue::Queue;
use crate::restoring::Restoring;
use crate::{audit_event, change, incarnation, tally};
use countersign_database::database::Database;

/// The most changes that are read together, some 70 MB of them: whoever is further behind, since it could not reach the
/// store for a while, reads everything page by page instead.
const MOST: i64 = 100_000;
/// How often a full load may be followed by another at once, since the store moved meanwhile.
const ATTEMPTS: usize = 4;

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
    /// The store went back: it is to be told first what it has lost.
    Back,
}

impl Feed {
    /// Brings the snapshot to where the store is now.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: the snapshot is as old as before.
    pub(crate) async fn run(&self) -> Result<(), Unavailable> {
        let mut heads = self.knowledge.lock().await;
        let mut fresh = None;
        for _attempt in 0..ATTEMPTS {
            let Some(beat) = heads.beat else { return Err(Unavailable::Stale) };
            let nodes = node::list(&self.database).await?;
            self.recognise(&beat, &nodes)?;
            match self.advance(&mut heads, &nodes).await? {
                Advance::Taken => {
                    fresh = Some(beat.begun);
                    break;
                }
                Advance::Whole => self.load(&mut heads, &nodes).await?,
                Advance::Back => {
                    drop(heads);
                    self.tell_what_was_lost().await?;
                    heads = self.knowledge.lock().await;
                }
            }
        }
        heads.write_down(self.clock.now()).await;
        let Some(fresh) = fresh else {
            return Err(Unavailable::Store("the store moves faster than it can be read".to_owned()));
        };
        self.knowledge.snapshot().tell_time(self.clock.now());
        self.knowledge.snapshot().mark_fresh(fresh);
        let owed: Vec<_> = heads.owed.iter().copied().collect();
        drop(heads);
        self.write_back(owed).await;
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
        if self.knowledge.is_behind() || !(heads.whole || self.continues(&heads.known, nodes).await?) {
            self.knowledge.went_back();
            return Ok(Advance::Back);
        }
        if heads.whole || behind(&heads.known, nodes) > MOST {
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
            self.knowledge.note(heads, change);
            self.knowledge.apply(heads, change);
        }
        if heads.whole {
            return Ok(Advance::Whole);
        }
        heads.known = known(nodes);
        Ok(Advance::Taken)
    }

    /// Tells whether every node's history goes on from where it was last seen.
    async fn continues(&self, known: &HashMap<String, Head>, nodes: &[NodeRow]) -> Result<bool, Unavailable> {
        for (id, seen) in known {
            let found = nodes.iter().find(|node| &node.id == id).map(NodeRow::head);
            let (changes, events) = found.map_or((-1, -1), |found| (found.last_change, found.last_event));
            let moved = found.is_none_or(|found| !found.is_at(seen));
            let back = changes < seen.last_change || events < seen.last_event;
            if moved && (back || !audit_event::goes_through(&self.database, id, seen).await?) {
                tracing::warn!(node = %id, ?seen, ?found, "the store went back");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notices at a start that the store went back while this node did not run, or is told so.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(crate) async fn compare(&self, history: History) -> Result<(), Unavailable> {
        let nodes = node::list(&self.database).await?;
        let seen = self.knowledge.lock().await.tombstones.seen().clone();
        if history == History::PutBack || !self.continues(&seen, &nodes).await? {
            self.knowledge.went_back();
        }
        Ok(())
    }

    /// Tells the store what has ended, as far as it has lost it. Until that is done nobody's act is committed, and the
    /// snapshot learns nothing: it ages.
    async fn tell_what_was_lost(&self) -> Result<(), Unavailable> {
        let (record, endings) = {
            let heads = self.knowledge.lock().await;
            let endings =
                heads.tombstones.endings().map_err(|error| Unavailable::Store(error.to_string()))?;
            (heads.tombstones.path().display().to_string(), endings)
        };
        let restored = self.restoring().run(endings.chain([self.next_incarnation().await?])).await?;
        tracing::warn!(
            record,
            restored,
            "the store went back: what had ended was written back, and it is read anew"
        );
        self.knowledge.lock().await.whole = true;
        self.knowledge.was_told();
        Ok(())
    }

    /// SAFETY 3: whatever was issued before the store went back dies with a new incarnation, which the first of several
    /// nodes raises for all. It is the time, and no count: the count went back too, and would be given out twice.
    async fn next_incarnation(&self) -> Result<Ending, Unavailable> {
        let (known, stored) =
            (self.knowledge.snapshot().incarnation(), incarnation::find(&self.database).await?);
        let is_raised = known != 0 && stored > known;
        let next = stored.max(known).saturating_add(1).max(self.clock.now().millis());
        Ok(Ending::Incarnation { n: if is_raised { stored } else { next } })
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
        // What has ended before this node knew anything is no news.
        let first = self.knowledge.snapshot().is_empty();
        self.knowledge.snapshot().begin_load(tally::all(&self.database).await?);
        for kept in KEPT {
            for statement in kept.load {
                let mut pages = self.database.scan(statement, Vec::new())?;
                while let Some(page) = pages.next().await? {
                    for row in page {
                        let change = (kept.read)(row)?;
                        if !first {
                            self.knowledge.note(heads, &change);
                        }
                        self.knowledge.apply(heads, &change);
                    }
                }
            }
        }
        if !first {
            self.knowledge.snapshot().end_load();
        }
        heads.known = known(nodes);
        // An owner that was entered after the owners were read comes as a change, before its credentials.
        heads.whole = false;
        let Heads { tombstones, known, .. } = heads;
        tombstones.write_seen(known, self.clock.now()).await;
        Ok(())
    }

    /// Tells the store the revocations that it has lost and that verifiers remember. What fails now is tried at the next
    /// run.
    async fn write_back(&self, owed: Vec<CredentialId>) {
        let at = self.clock.now();
        let endings = owed.clone().into_iter().map(move |credential| Ending::Revoked { credential, at });
        match self.restoring().run(endings).await {
            Ok(_) => {
                let mut heads = self.knowledge.lock().await;
                for id in owed {
                    heads.owed.remove(&id);
                }
            }
            Err(error) => {
                tracing::error!(%error, "revocations that the store has lost are not written back yet")
            }
        }
    }

    fn restoring(&self) -> Restoring<'_> {
        Restoring { node: &self.node, queue: &self.queue, clock: &*self.clock }
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
