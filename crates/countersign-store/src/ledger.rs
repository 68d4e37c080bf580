//! The store as the core's [`Ledger`]: what presented credentials ask, and commits.

use countersign_core::audit::AuditEvent;
use countersign_core::effect::Effect;
use countersign_core::id::IdPrefix;
use countersign_core::imported_set::Source;
use countersign_core::key_string::KeyString;
use countersign_core::ledger::{Commit, Durable, Found, Ledger, Lookup, Unavailable};
use countersign_core::verification::stands_at;

use crate::commit;
use crate::store::Store;

impl Ledger for Store {
    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        match question {
            Lookup::Key { kind, key } => self.find_key(kind, key).await,
            Lookup::ImportedKey { source, text } => self.find_imported(source, text).await,
        }
    }

    fn file(&self, refusal: AuditEvent) {
        self.reports.refusal(refusal);
    }
}

impl Durable for Store {
    async fn commit(&self, effects: Vec<Effect>, audit: AuditEvent) -> Result<Commit, Unavailable> {
        let steps = commit::steps(&effects, &self.node, self.clock.now())?;
        self.submit(steps, vec![audit]).await
    }
}

impl Store {
    /// Answers from memory. What is not known there may have been made a moment ago at another node: one catch-up,
    /// shared by all who ask, and then the answer is final. What is known and would be refused waits as long.
    async fn find_key(&self, kind: IdPrefix, key: &KeyString) -> Result<Found, Unavailable> {
        self.require_fresh()?;
        let now = self.clock.now();
        if let Some(known) = self.snapshot().find(kind, key).filter(|known| stands_at(now, known)) {
            return Ok(Found::Key(Some(known)));
        }
        self.catch_up.catch_up().await?;
        self.require_fresh()?;
        Ok(Found::Key(self.snapshot().find(kind, key)))
    }

    /// Likewise; only a text that a set claims is worth asking the other nodes for.
    async fn find_imported(&self, source: Source<'_>, text: &str) -> Result<Found, Unavailable> {
        self.require_fresh()?;
        let snapshot = self.snapshot();
        let mut found = snapshot.find_imported(source, text);
        let now = self.clock.now();
        let stands = found.as_ref().is_some_and(|found| stands_at(now, &found.known));
        if !stands && snapshot.claims(source, text) {
            self.catch_up.catch_up().await?;
            self.require_fresh()?;
            found = snapshot.find_imported(source, text);
        }
        Ok(Found::ImportedKey(found))
    }

    /// SAFETY 4: what is too old is no answer.
    fn require_fresh(&self) -> Result<(), Unavailable> {
        if self.snapshot().is_fresh(self.clock.monotonic()) { Ok(()) } else { Err(Unavailable::Stale) }
    }
}
