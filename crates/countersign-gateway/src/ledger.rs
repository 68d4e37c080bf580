//! The gateway's ledger: what verifiers know in memory, and one catch-up before "there is none" is final.
//!
//! A key that was minted a moment ago at another node may not be known here yet. So a miss asks the feed once, and
//! then counts. However many requests miss at a time, what feeds the snapshot asks the store once for all. A key that is
//! known and would be refused asks likewise: time does not tell it from one that never was.
//!
//! **Invariant.** It answers questions about credentials and settles uses; there is nothing that it could commit.

use std::net::IpAddr;

use countersign_core::audit::AuditEvent;
use countersign_core::carried::DeclaredSets;
use countersign_core::effect::Use;
use countersign_core::ledger::{Found, FoundKey, KeyAsked, Ledger, Lookup, Settled, Unavailable};
use countersign_core::principal::Principal;
use countersign_core::timestamp::Timestamp;
use countersign_core::verification::rejection_at;
use countersign_jose::jwk::NotFound;

use crate::foreign_issuer::ForeignIssuers;
use crate::report::Report;
use crate::sources::Sources;

/// The ledger of one request, which comes at `now` from `address`.
pub(crate) struct SnapshotLedger<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) issuers: &'a ForeignIssuers,
    pub(crate) now: Timestamp,
    pub(crate) address: Option<IpAddr>,
}

impl SnapshotLedger<'_> {
    /// Tells whether an answer is worth being final: a credential that is good, or one that no node has.
    fn is_final(&self, question: &Lookup<'_>, found: &Found) -> bool {
        match (question, found) {
            // No row of the gateway asks about clients.
            (
                _,
                Found::Nothing
                | Found::Client(_)
                | Found::HandedOut(_)
                | Found::Once(_)
                | Found::ForeignKey(_),
            ) => true,
            (_, Found::Credential(Some(found))) => {
                rejection_at(self.now, self.address, &found.known).is_none()
            }
            // Only what a set claims is worth asking for: any other text is no credential at any node.
            (Lookup::Imported { source, text }, Found::Credential(None)) => {
                !self.sources.snapshot.claims(*source, text)
            }
            (_, Found::Token(found)) => found.is_whole(),
            (_, Found::Credential(None)) => false,
        }
    }

    async fn foreign_key(&self, asked: KeyAsked<'_>) -> Result<FoundKey, Unavailable> {
        let Some(issuer) = self.issuers.find(asked.issuer) else {
            return Ok(FoundKey::none(NotFound::Kid));
        };
        let key = issuer.find(&asked).await?;
        let is_good = key.as_ref().is_ok_and(|key| self.sources.snapshot.is_signed(asked.digest, key));
        Ok(FoundKey { key, is_good })
    }

    fn report(&self, report: Report) {
        if self.sources.sink.report(report).is_err() {
            // Lossy by design: the next use asks or is reported instead.
            self.sources.metrics.reports_dropped(1);
        }
    }
}

impl Ledger for SnapshotLedger<'_> {
    fn ready(&self) -> Result<(), Unavailable> {
        let fresh = self.sources.snapshot.is_fresh(self.sources.clock.monotonic());
        if fresh { Ok(()) } else { Err(Unavailable::Stale) }
    }

    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        if let Lookup::ForeignKey(asked) = question {
            return self.foreign_key(asked).await.map(Found::ForeignKey);
        }
        let snapshot = &self.sources.snapshot;
        let found = snapshot.look_up(&question);
        if self.is_final(&question, &found) {
            return Ok(found);
        }
        self.sources.feed.catch_up().await?;
        Ok(snapshot.look_up(&question))
    }

    async fn settle(&self, now: Timestamp, uses: Vec<Use>) -> Result<Settled, Unavailable> {
        let settled = self.sources.snapshot.settle(now, &uses)?;
        if matches!(settled, Settled::Done(_)) {
            for one in uses {
                match one {
                    Use::Upgrade(upgrade) => self.report(Report::Upgrade(upgrade)),
                    Use::GoodSignature(_) | Use::Mark { .. } | Use::Spend { .. } => {}
                }
            }
        }
        Ok(settled)
    }

    fn used(&self, principal: &Principal, now: Timestamp) {
        if let Some(credential) = principal.credential()
            && principal.standing().note_use(now)
        {
            self.report(Report::Use { credential, at: now });
        }
    }

    /// What the gateway refuses, its journal tells, with the route and the path.
    fn file(&self, _: AuditEvent) {}
}
