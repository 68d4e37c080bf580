//! Pruning: what is older than it is kept is removed, in portions and each table on its own, until nothing is due.
//!
//! **Invariants.** A portion is a batch of its own and small, so that other commits come between two of them, and so
//! that no table grows beyond what one statement can do in its time. What fails in one table hinders no other.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;
use countersign_database::database::Database;
use countersign_database::statement::Step;

use crate::closing::Closing;
use crate::config::Retention;
use crate::queue::{Committed, Queue};
use crate::{
    artifact, artifact_count, audit_start, change, decision_count, due, ended, mark, node, signing_key, usage,
};

/// How often it is looked for what is due.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long what counts once, and what has ended, stay beyond their time: this node's clock may be ahead of the others',
/// which would take again what it forgets for them (SAFETY 8, 17). Ten minutes; a bound, not a clause: clocks that differ by
/// more refuse each other's tokens as not yet valid.
const AHEAD: Duration = Duration::from_secs(10 * 60);

/// How long due work stays once its time is past, done or not: until no clock can find it due again.
const DUE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a signing key stays in lists once it has ended. Ninety days, as ended credentials are to.
const KEYS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Removes what is old.
#[derive(Clone)]
pub(crate) struct Pruning {
    pub(crate) database: Arc<Database>,
    pub(crate) queue: Queue,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retention: Retention,
}

/// What removes some rows of one table; not met when none is due.
struct Portion {
    table: &'static str,
    steps: Vec<Step>,
    audits: Vec<AuditEvent>,
}

impl Pruning {
    /// Prunes until `closing` says so.
    pub(crate) async fn run(self, mut closing: Closing) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = closing.wait() => return,
            }
            tokio::select! {
                _failures_are_logged = self.prune() => {}
                () = closing.wait() => return,
            }
        }
    }

    /// Removes everything that is due.
    ///
    /// # Errors
    ///
    /// The last of what failed; the other tables were pruned all the same.
    pub(crate) async fn prune(&self) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let mut outcome = self.chains(now).await;
        for portion in self.tables(now) {
            outcome = self.empty(portion).await.and(outcome);
        }
        outcome
    }

    /// Removes portions until none is due.
    async fn empty(&self, portion: Portion) -> Result<(), Unavailable> {
        loop {
            match self.queue.submit(portion.steps.clone(), portion.audits.clone()).await {
                Ok(Committed::Known | Committed::Unseen) => {}
                Ok(Committed::Lost) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, table = portion.table, "what is old was not removed");
                    return Err(error);
                }
            }
        }
    }

    fn tables(&self, now: Timestamp) -> [Portion; 10] {
        let Retention { changes, decisions, usage, audit: _ } = self.retention;
        [
            ("change", change::prune(before(now, changes))),
            ("due", due::prune(before(now, DUE))),
            ("mark", mark::prune(before(now, AHEAD))),
            ("ended", ended::prune(before(now, AHEAD))),
            ("artifact", artifact::prune(now)),
            ("artifact_count", artifact_count::prune(now)),
            ("signing_key", signing_key::prune(before(now, KEYS))),
            ("sealed", signing_key::prune_sealed()),
            ("decision_count", decision_count::prune(before(now, decisions))),
            ("usage", usage::prune(before(now, usage))),
        ]
        .map(|(table, step)| Portion { table, steps: vec![step], audits: Vec::new() })
    }

    /// Removes the beginnings of the audit chains, if they are not kept for ever. Each removal is in the audit.
    async fn chains(&self, now: Timestamp) -> Result<(), Unavailable> {
        let Some(kept) = self.retention.audit else {
            return Ok(());
        };
        let before = before(now, kept);
        for node in node::list(&self.database).await? {
            let line = AuditEvent::granted(now, "audit.pruned", Actor::SYSTEM)
                .detail("node", node.id.clone())
                .detail("before", before.to_string());
            let steps = audit_start::prune(&node.id, before);
            self.empty(Portion { table: "audit_event", steps, audits: vec![line] }).await?;
        }
        Ok(())
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(age))
}
