//! What keeps signing keys ready: made where one is missing, opened where one was made.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::exchange::System;
use countersign_core::ledger::Unavailable;
use countersign_core::signing_key::{KeyPurpose, KnownKey, SEALED, Slot};
use countersign_core::signing_keys::{Begin, FreshKey};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;

use crate::app::App;
use crate::signing::{Opening, broken};

/// How often it is looked whether a key was made, here or at another node, or a resource needs one.
const INTERVAL: Duration = Duration::from_millis(500);

/// Keeps what signs ready, for ever.
pub async fn work(app: Arc<App>) {
    let mut beat = tokio::time::interval(INTERVAL);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if let Err(error) = app.prepare_signing().await {
            tracing::warn!(%error, "signing keys are not ready");
        }
    }
}

impl App {
    /// Returns the key of `slot` that signs now; `None`: there is none that can be used here.
    #[must_use]
    pub fn signer(&self, slot: Slot) -> Option<Arc<SigningKey>> {
        let known = self.store.snapshot().signer(slot, self.now())?;
        self.signing.opened(known.id())
    }

    /// Opens every key that is trusted and not open yet, and forgets those that are trusted no longer. One that does not
    /// open is told once, and tried again: it verifies, and its sealed part may be put back.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the store does not answer.
    pub async fn open_signing_keys(&self) -> Result<(), Unavailable> {
        let (now, known) = (self.now(), self.store.snapshot().signing_keys());
        let trusted = || known.iter().filter(|key| key.state(now).is_trusted());
        for key in trusted() {
            if self.signing.opened(key.id()).is_none() {
                let sealed = self.store.sealed(SEALED, &key.id().to_string()).await?;
                match self.signing.open(key.id(), key.record.slot.algorithm, sealed.as_deref()) {
                    Opening::Closed => self.tell_of_closed(key),
                    Opening::Opened | Opening::StillClosed => {}
                }
            }
        }
        self.signing.keep(|id| trusted().any(|key| key.id() == id));
        Ok(())
    }

    /// Says in the log and in the audit which key does not open, and what helps.
    fn tell_of_closed(&self, key: &KnownKey) {
        let (kid, slot) = (key.id().to_string(), key.record.slot);
        tracing::error!(
            kid,
            "a signing key does not open, and nothing is signed with it: give this node the master key that sealed it, or \
             replace the key by `countersign signing-key rotate --purpose {} --alg {}`",
            slot.purpose.name(),
            slot.algorithm
        );
        let line = AuditEvent::refused(self.now(), "signing_key.open", Actor::SYSTEM, "does_not_open");
        self.store.append_audit(vec![line.about(kid).detail("slot", slot.to_string())]);
    }

    /// Makes a key pair for `slot`, its private part sealed.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it cannot be made.
    pub(crate) async fn fresh_key(&self, slot: Slot) -> Result<FreshKey, Unavailable> {
        // An RSA key takes a while.
        let pair = tokio::task::spawn_blocking(move || SigningKey::generate(slot.algorithm)).await;
        let pair = pair.map_err(broken)?.map_err(broken)?;
        self.signing.seal(pair, (self.entropy)().as_mut())
    }

    /// Makes the first key of every slot that something is signed in and that has none, and opens what is there.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn prepare_signing(&self) -> Result<(), Unavailable> {
        self.prepare_slots(self.slots()).await
    }

    /// Does the same for one slot, which nobody has needed before: ID tokens are signed as their clients ask.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(crate) async fn prepare_slot(&self, slot: Slot) -> Result<(), Unavailable> {
        self.prepare_slots(vec![slot]).await
    }

    async fn prepare_slots(&self, slots: Vec<Slot>) -> Result<(), Unavailable> {
        for slot in slots {
            if self.store.snapshot().signer(slot, self.now()).is_none() {
                let act = Begin { slot, fresh: self.fresh_key(slot).await? };
                // Another node may have made it meanwhile.
                let _made = self.attempt(&System, &act).await?;
            }
        }
        self.open_signing_keys().await
    }

    /// Returns what is signed: tokens for each resource, and assertions.
    fn slots(&self) -> Vec<Slot> {
        let assertion = Slot { purpose: KeyPurpose::Assertion, algorithm: SignatureAlgorithm::Es256 };
        let mut slots = vec![assertion];
        for resource in self.store.snapshot().resources().all() {
            let slot = Slot { purpose: KeyPurpose::AccessToken, algorithm: resource.algorithm.into() };
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        slots
    }
}
