//! The first use of an imported key: its own hash takes the place of the one that came over.

use std::sync::Arc;

use countersign_core::exchange::System;
use countersign_core::ledger::Unavailable;

use crate::app::App;

impl App {
    /// Writes down the first uses that wait. What cannot be written is asked for again by the key's next use.
    pub async fn write_first_uses(&self) {
        for upgrade in self.store.take_upgrades() {
            let Err(error) = self.attempt(&System, &upgrade).await else { continue };
            tracing::debug!(%error, credential = %upgrade.credential(), "a first use is not written yet");
            match error {
                Unavailable::Contended
                | Unavailable::Corrupt(_)
                | Unavailable::Misanswered
                | Unavailable::NoSigningKey => {}
                // The others would wait as long.
                Unavailable::ClientKeys
                | Unavailable::ForeignKeys
                | Unavailable::Stale
                | Unavailable::Store(_)
                | Unavailable::TooManyMarks => return,
            }
        }
    }
}

/// Writes first uses down as they come, for as long as it is let.
pub async fn work(app: Arc<App>) {
    loop {
        app.store.upgrade_noted().await;
        app.write_first_uses().await;
    }
}
