//! First uses of imported keys, written down soon after: no request waits for it.
//!
//! What a crash takes, or what finds no room, is asked for again by the key's next use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::context::Clock;
use countersign_core::id::CredentialId;
use countersign_core::imported;
use countersign_core::imported_set::Upgrade;
use countersign_core::ledger::{Found, Unavailable};
use countersign_database::database::Database;
use tokio::sync::Notify;

use crate::closing::Closing;
use crate::queue::Queue;
use crate::{commit, credential, taken_over};

/// The most first uses that wait; beyond it the newest are left to the next use.
const WAITING: usize = 10_000;

/// Takes first uses.
#[derive(Clone)]
pub(crate) struct Upgrades {
    waiting: Arc<Mutex<HashMap<CredentialId, Upgrade>>>,
    wake: Arc<Notify>,
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    queue: Queue,
    node: String,
}

impl Upgrades {
    pub(crate) fn new(database: Arc<Database>, clock: Arc<dyn Clock>, queue: Queue, node: String) -> Self {
        Self { waiting: Arc::default(), wake: Arc::default(), database, clock, queue, node }
    }

    /// Remembers a first use. Never waits.
    pub(crate) fn note(&self, upgrade: Upgrade) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.insert(upgrade.credential(), upgrade);
            self.wake.notify_one();
        }
    }

    /// Writes what waits, until `closing` says so.
    pub(crate) async fn run(self, mut closing: Closing) {
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                () = closing.wait() => return,
            }
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for upgrade in waiting.values() {
                if let Err(error) = self.write(upgrade).await {
                    tracing::debug!(%error, credential = %upgrade.credential(), "a first use is not written yet");
                }
            }
        }
    }

    async fn write(&self, upgrade: &Upgrade) -> Result<(), Unavailable> {
        let now = self.clock.now();
        // In this order: what is remembered of this very key is then seen in its record too.
        let taken = taken_over::find(&self.database, upgrade.own()).await?;
        let record = credential::find(&self.database, upgrade.credential()).await?;
        let found = Found::Record(record.map(Box::new));
        let Some(outcome) = imported::upgrade(now, upgrade, &taken, found) else {
            return Ok(());
        };
        let steps = commit::steps(&outcome.effects, &self.node, now)?;
        // A lost race means that somebody changed the key meanwhile: its next use tries again.
        self.queue.submit(steps, vec![outcome.audit]).await.map(drop)
    }
}
