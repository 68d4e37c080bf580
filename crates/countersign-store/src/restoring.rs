//! Restoring: the store went back, and is told what has ended since (SAFETY 3).
//!
//! Each ending is a batch of its own and conditional: where the store still knows of it, the batch is lost and leaves no
//! trace. So every node may tell everything that it has written down, and one that is interrupted tells it again.

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock;
use countersign_core::ending::Ending;
use countersign_core::ledger::Unavailable;

use crate::queue::{Committed, Queue};
use crate::{credential, ended, incarnation, owner, signing_key, tally};
use countersign_database::statement::Step;

/// Endings that are told together: as many batches as one transaction takes.
const AT_ONCE: usize = 64;

/// Tells the store.
pub(crate) struct Restoring<'a> {
    pub(crate) node: &'a str,
    pub(crate) queue: &'a Queue,
    pub(crate) clock: &'a dyn Clock,
}

impl Restoring<'_> {
    /// Tells `endings`, and returns how many the store had lost.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: some may not be told.
    pub(crate) async fn run<I>(&self, mut endings: I) -> Result<usize, Unavailable>
    where
        I: Iterator<Item = Ending> + Send + 'static,
    {
        let mut restored = 0;
        loop {
            // They come from a file.
            let read = tokio::task::spawn_blocking(move || {
                let some: Vec<_> = endings.by_ref().take(AT_ONCE).collect();
                (endings, some)
            });
            let (rest, some) = read.await.map_err(|error| Unavailable::Store(error.to_string()))?;
            if some.is_empty() {
                return Ok(restored);
            }
            restored += self.tell(&some).await?;
            endings = rest;
        }
    }

    async fn tell(&self, endings: &[Ending]) -> Result<usize, Unavailable> {
        let told: Vec<_> = endings
            .iter()
            .map(|ending| self.queue.restore(self.steps(ending), self.line(ending)))
            .collect::<Result<_, _>>()?;
        let mut restored = 0;
        for answered in told {
            match answered
                .await
                .unwrap_or_else(|_| Err(Unavailable::Store("the store was closed".to_owned())))?
            {
                Committed::Known | Committed::Unseen => restored += 1,
                Committed::Lost => {}
            }
        }
        Ok(restored)
    }

    fn steps(&self, ending: &Ending) -> Vec<Step> {
        match *ending {
            Ending::Disabled { credential, at, version } => {
                vec![credential::disable_again(credential, at, version)]
            }
            Ending::OwnerDisabled { owner, at, version, by } => {
                vec![owner::disable_again(owner, at, version, by)]
            }
            Ending::Generation { owner, generation } => vec![owner::raise_again(owner, generation)],
            Ending::Incarnation { n } => vec![incarnation::raise(n)],
            Ending::KeyRevoked { key, at } => vec![signing_key::revoke_again(key, at)],
            Ending::TokenEnded { token, until } => vec![ended::end_again(token, until)],
            Ending::Removed { credential } => {
                vec![tally::remove(self.node, credential), credential::remove(credential)]
            }
            Ending::Revoked { credential, at } => vec![credential::revoke_again(credential, at)],
            Ending::Shortened { credential, at, version } => {
                vec![credential::shorten_again(credential, at, version)]
            }
        }
    }

    fn line(&self, ending: &Ending) -> AuditEvent {
        let (action, subject) = match ending {
            Ending::Disabled { credential, .. } => ("credential.disabling_restored", credential.to_string()),
            Ending::OwnerDisabled { owner, .. } => ("owner.disabling_restored", owner.to_string()),
            Ending::Generation { owner, .. } => ("owner.generation_restored", owner.to_string()),
            Ending::Incarnation { n } => ("incarnation.restored", n.to_string()),
            Ending::KeyRevoked { key, .. } => ("signing_key.revocation_restored", key.to_string()),
            Ending::TokenEnded { token, .. } => ("token.end_restored", token.to_string()),
            Ending::Removed { credential } => ("credential.removal_restored", credential.to_string()),
            Ending::Revoked { credential, .. } => ("credential.revocation_restored", credential.to_string()),
            Ending::Shortened { credential, .. } => ("credential.end_restored", credential.to_string()),
        };
        AuditEvent::granted(self.clock.now(), action, Actor::SYSTEM).about(subject)
    }
}
