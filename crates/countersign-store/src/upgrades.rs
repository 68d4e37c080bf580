//! First uses of imported keys, until they are written down: no request waits for it.
//!
//! What a crash takes, or what finds no room, is asked for again by the key's next use.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_core::id::CredentialId;
use countersign_core::imported_set::Upgrade;
use tokio::sync::Notify;

/// The most first uses that wait; beyond it the newest are left to the next use.
const WAITING: usize = 10_000;

/// Takes first uses, and hands them out.
#[derive(Default)]
pub(crate) struct Upgrades {
    waiting: Mutex<HashMap<CredentialId, Upgrade>>,
    wake: Notify,
}

impl Upgrades {
    /// Remembers a first use. Never waits.
    pub(crate) fn note(&self, upgrade: Upgrade) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.insert(upgrade.credential(), upgrade);
            self.wake.notify_one();
        }
    }

    /// Waits until there are some.
    pub(crate) async fn noted(&self) {
        self.wake.notified().await;
    }

    /// Hands them out.
    pub(crate) fn take(&self) -> Vec<Upgrade> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
            .into_values()
            .collect()
    }
}
