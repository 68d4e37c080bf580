//! The store as the core's [`Ledger`]: what presented credentials ask, what their use leaves behind, and commits.

use std::sync::Arc;

use countersign_core::audit::AuditEvent;
use countersign_core::carried::DeclaredSets as _;
use countersign_core::effect::{Effect, Use};
use countersign_core::known::KnownCredential;
use countersign_core::ledger::{
    Commit, Durable, Find as _, Found, FoundClient, FoundHandedOut, HandedOutBy, Ledger, Lookup, Settled,
    Unavailable, Used,
};
use countersign_core::principal::Principal;
use countersign_core::question::{ArtifactKey, ArtifactOf, MarkOf, PersonOf};
use countersign_core::record::MarkRecord;
use countersign_core::secret::Purpose;
use countersign_core::timestamp::Timestamp;
use countersign_core::verification::stands_at;

use countersign_database::statement::Step;

use crate::store::Store;
use crate::{commit, mark};

impl Ledger for Store {
    /// SAFETY 4: what is too old is no answer.
    fn ready(&self) -> Result<(), Unavailable> {
        if self.snapshot().is_fresh(self.clock.monotonic()) { Ok(()) } else { Err(Unavailable::Stale) }
    }

    /// Answers from memory. What is not known there may have been made a moment ago at another node: one catch-up,
    /// shared by all who ask, and then the answer is final. What is known and would be refused waits as long.
    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        self.ready()?;
        if let Lookup::Once(once) = question {
            return self.used(once).await.map(Found::Once);
        }
        if let Lookup::HandedOut { kind, by } = question {
            return self.handed_out(kind, by).await.map(Found::HandedOut);
        }
        let mut found = self.snapshot().look_up(&question);
        if !self.is_final(&question, &found) {
            self.catch_up.catch_up().await?;
            self.ready()?;
            found = self.snapshot().look_up(&question);
        }
        if let (Lookup::Client { once: Some(once), .. }, Found::Client(client)) = (question, &mut found) {
            client.used = self.used(once).await?;
        }
        Ok(found)
    }

    /// A first use counts once for all nodes (SAFETY 8), so its mark is stored before anything is taken from a meter. A
    /// mark stays though a meter then has no room: the use was a first one.
    async fn settle(&self, now: Timestamp, uses: Vec<Use>) -> Result<Settled, Unavailable> {
        let marks: Vec<_> = uses.iter().filter_map(|one| marking(one, now)).collect();
        if !marks.is_empty() && self.submit(marks, Vec::new()).await? == Commit::Lost {
            return Ok(Settled::Lost);
        }
        let settled = self.snapshot().settle(now, &uses)?;
        if matches!(settled, Settled::Done(_)) {
            for one in uses {
                match one {
                    Use::Upgrade(upgrade) => self.upgrades.note(upgrade),
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
            self.reports.note_use(credential, now);
        }
    }

    fn file(&self, refusal: AuditEvent) {
        self.reports.refusal(refusal);
    }
}

/// Returns the step that marks a first use, if it is one.
fn marking(one: &Use, now: Timestamp) -> Option<Step> {
    match one {
        Use::Mark { lookup, until } => {
            let record = MarkRecord { lookup: *lookup, made: String::new(), until: *until };
            Some(mark::mark(&record, now))
        }
        Use::GoodSignature(_) | Use::Spend { .. } | Use::Upgrade(_) => None,
    }
}

impl Durable for Store {
    async fn commit(&self, effects: Vec<Effect>, audits: Vec<AuditEvent>) -> Result<Commit, Unavailable> {
        let steps = commit::steps(&effects, &self.node, self.clock.now())?;
        self.submit(steps, audits).await
    }
}

impl Store {
    /// A grant counts once for all nodes: what is marked is stored.
    async fn used(&self, once: &str) -> Result<Used, Unavailable> {
        for pepper in self.snapshot().peppers().all() {
            if self.find(MarkOf(pepper.hash(Purpose::FirstUse, once))).await?.is_some() {
                return Ok(Used::Before);
            }
        }
        Ok(Used::Never)
    }

    /// What was handed out is asked of the store; of who it acts for verifiers know enough.
    async fn handed_out(
        &self,
        kind: &'static str,
        by: HandedOutBy<'_>,
    ) -> Result<FoundHandedOut, Unavailable> {
        let by = match by {
            HandedOutBy::Text(text) => ArtifactKey::text(self.snapshot().peppers(), text),
            HandedOutBy::Family(family) => ArtifactKey::Family(family),
        };
        let record = self.find(ArtifactOf { kind, by }).await?;
        let subject = record.as_ref().and_then(|record| record.subject);
        let known = || subject.and_then(|subject| self.snapshot().owner(subject));
        if subject.is_some() && known().is_none() {
            self.catch_up.catch_up().await?;
        }
        let person = match subject {
            Some(subject) => self.find(PersonOf(subject)).await?,
            None => None,
        };
        Ok(FoundHandedOut { subject: known(), person: person.map(Box::new), record: record.map(Box::new) })
    }

    /// Tells whether an answer is worth being final: a credential that stands, or one that no node has.
    fn is_final(&self, question: &Lookup<'_>, found: &Found) -> bool {
        match (question, found) {
            (_, Found::Nothing | Found::Once(_) | Found::HandedOut(_) | Found::ForeignKey(_)) => true,
            (_, Found::Credential(Some(found))) => stands_at(self.clock.now(), &found.known),
            (Lookup::Client { secret, .. }, Found::Client(found)) => {
                let registered =
                    found.owner.as_ref().is_some_and(|one| one.is_live() && one.client().is_some());
                let secret_stands = secret.is_none_or(|_| self.secret_stands(found));
                registered && secret_stands
            }
            // Only a text that a set claims is worth asking the other nodes for.
            (Lookup::Imported { source, text }, Found::Credential(None)) => {
                !self.snapshot().claims(*source, text)
            }
            (_, Found::Token(found)) => found.is_whole(),
            (_, Found::Credential(None) | Found::Client(_)) => false,
        }
    }

    /// Tells whether the secret that came with a client's name is that client's, and good.
    fn secret_stands(&self, found: &FoundClient) -> bool {
        let owner = found.owner.as_ref().map(|owner| owner.id());
        let is_good = |secret: &Arc<KnownCredential>| {
            Some(secret.owner.id()) == owner && stands_at(self.clock.now(), secret)
        };
        found.secret.as_ref().is_some_and(is_good)
    }
}
