//! What the management API, the binary and the verifiers ask of the store beside the ledger.

use countersign_core::audit::AuditEvent;
use countersign_core::due::Due;
use countersign_core::effect::Effect;
use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::imported_set::Upgrade;
use countersign_core::ledger::{Commit, Unavailable};
use countersign_core::reach::Reach;
use countersign_core::record::{
    ArtifactRecord, ConsentRecord, CredentialRecord, LinkedIdentity, OwnerRecord, PersonRecord,
};
use countersign_core::timestamp::Timestamp;

use crate::artifact::{self, SessionsOf};
use crate::audit_event::{self, AuditRequest, AuditRow, Chain};
use crate::consent::{self, ConsentFilter};
use crate::credential::{self, CredentialFilter};
use crate::decision_count::DecisionCount;
use crate::due::{self, Claim};
use crate::meta::SealedRow;
use crate::node::{self, NodeRow};
use crate::page::{Page, PageRequest};
use crate::store::Store;
use crate::{commit, identity, meta, owner, person, statements};
use countersign_database::value::corrupt;

/// The mark in `meta` under which the first organisation and its key are made once.
const INITIALISED: &str = "initialised_at";

impl Store {
    /// Reads a page of credentials within `reach`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn credentials(
        &self,
        reach: Reach,
        filter: &CredentialFilter,
        request: &PageRequest,
        now: Timestamp,
    ) -> Result<Page<CredentialRecord>, Unavailable> {
        credential::list(&self.database, reach, filter, request, now).await
    }

    /// Reads a page of owners within `reach`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn owners(
        &self,
        reach: Reach,
        request: &PageRequest,
    ) -> Result<Page<OwnerRecord>, Unavailable> {
        owner::list(&self.database, owner::OWNERS, reach, request).await
    }

    /// Reads a page of clients of the authorization server within `reach`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn clients(
        &self,
        reach: Reach,
        request: &PageRequest,
    ) -> Result<Page<OwnerRecord>, Unavailable> {
        owner::list(&self.database, owner::REGISTERED, reach, request).await
    }

    /// Reads a page of the clients that a person has registered for themselves.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn registered_by(
        &self,
        person: OwnerId,
        request: &PageRequest,
    ) -> Result<Page<OwnerRecord>, Unavailable> {
        owner::registered_by(&self.database, person, request).await
    }

    /// Reads a page of what people allow clients, within `reach`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn consents(
        &self,
        reach: Reach,
        filter: ConsentFilter,
        request: &PageRequest,
    ) -> Result<Page<ConsentRecord>, Unavailable> {
        consent::list(&self.database, reach, filter, request).await
    }

    /// Reads a page of a person's sessions, those that end first first: also such as count no more.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn sessions(
        &self,
        which: SessionsOf,
        person: OwnerId,
        request: &PageRequest,
    ) -> Result<Page<ArtifactRecord>, Unavailable> {
        artifact::sessions(&self.database, which, person, request).await
    }

    /// Reads the identities at other providers that are a person's: there are few.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn linked_identities(&self, person: OwnerId) -> Result<Vec<LinkedIdentity>, Unavailable> {
        identity::of_person(&self.database, person).await
    }

    /// Reads a page of persons within `reach`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn persons(
        &self,
        reach: Reach,
        request: &PageRequest,
    ) -> Result<Page<(OwnerRecord, PersonRecord)>, Unavailable> {
        person::list(&self.database, reach, request).await
    }

    /// Reads the identities at other providers that are a person's.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn identities(&self, person: OwnerId) -> Result<Vec<LinkedIdentity>, Unavailable> {
        identity::of_person(&self.database, person).await
    }

    /// Reads audit events within `reach`, in the order of nodes and numbers; of the newest, in the order of time.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn audit(&self, reach: Reach, request: &AuditRequest) -> Result<Vec<AuditRow>, Unavailable> {
        audit_event::list(&self.database, reach, request).await
    }

    /// Verifies every node's chain.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn verify_audit(&self) -> Result<Vec<Chain>, Unavailable> {
        audit_event::verify(&self.database).await
    }

    /// Reads every node that ever wrote.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn nodes(&self) -> Result<Vec<NodeRow>, Unavailable> {
        node::list(&self.database).await
    }

    /// Reads sealed bytes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn sealed(&self, purpose: &str, owner: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        meta::sealed(&self.database, purpose, owner).await
    }

    /// Reads sealed bytes; where there are none, `fresh` is written. Every node gets the same answer.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn sealed_or_insert(
        &self,
        purpose: &str,
        owner: &str,
        fresh: Vec<u8>,
    ) -> Result<Vec<u8>, Unavailable> {
        if let Some(value) = self.sealed(purpose, owner).await? {
            return Ok(value);
        }
        match self.submit(vec![meta::put_sealed(purpose, owner, &fresh)], Vec::new()).await? {
            Commit::Done => Ok(fresh),
            Commit::Lost => {
                self.sealed(purpose, owner).await?.ok_or_else(|| corrupt("a sealed value vanished"))
            }
        }
    }

    /// Reads the sealed values after one, in pages.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn sealed_after(
        &self,
        purpose: &str,
        owner: &str,
        limit: i64,
    ) -> Result<Vec<SealedRow>, Unavailable> {
        meta::sealed_after(&self.database, (purpose, owner), limit).await
    }

    /// Replaces what is sealed in a row, unless somebody else did meanwhile.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn reseal(&self, row: &SealedRow, fresh: &[u8]) -> Result<Commit, Unavailable> {
        self.submit(vec![meta::reseal(row, fresh)], Vec::new()).await
    }

    /// Takes what is due, for as long as the lease.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn claim(&self, claim: &Claim, now: Timestamp) -> Result<Vec<Due>, Unavailable> {
        if !claim.finds(&self.database, now).await? {
            return Ok(Vec::new());
        }
        self.submit(vec![claim.lease(&self.node, now)], Vec::new()).await?;
        claim.leased(&self.database, &self.node, now).await
    }

    /// Puts away work that is not to be done any more.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn dismiss(&self, due: &Due, now: Timestamp) -> Result<Commit, Unavailable> {
        self.submit(vec![due::done(due, now)], Vec::new()).await
    }

    /// Reads a small value.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn meta(&self, name: &str) -> Result<Option<String>, Unavailable> {
        meta::get(&self.database, name).await
    }

    /// Makes what every installation begins with, once in the life of the database; true if it was this call.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn initialise(
        &self,
        effects: Vec<Effect>,
        audits: Vec<AuditEvent>,
    ) -> Result<bool, Unavailable> {
        if self.meta(INITIALISED).await?.is_some() {
            return Ok(false);
        }
        let now = self.clock.now();
        let mut steps = vec![meta::put(INITIALISED, &now.to_string())];
        steps.extend(commit::steps(&effects, &self.node, now)?);
        Ok(self.submit(steps, audits).await? == Commit::Done)
    }

    /// Waits until the snapshot knows everything that was committed before this call, at any node.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the store did not tell in time.
    pub async fn catch_up(&self) -> Result<(), Unavailable> {
        self.catch_up.catch_up().await
    }

    /// Notes that a credential was used. Written within seconds, lost in a crash; never waits.
    pub fn report_use(&self, credential: CredentialId, at: Timestamp) {
        self.reports.note_use(credential, at);
    }

    /// Notes the first use of an imported key, to be written down soon. Lost in a crash and then asked for again; never
    /// waits.
    pub fn upgrade(&self, upgrade: Upgrade) {
        self.upgrades.note(upgrade);
    }

    /// Waits until an imported key was used for the first time.
    pub async fn upgrade_noted(&self) {
        self.upgrades.noted().await;
    }

    /// Hands out the first uses that wait, each once.
    #[must_use]
    pub fn take_upgrades(&self) -> Vec<Upgrade> {
        self.upgrades.take()
    }

    /// Adds counts of decisions. Lost if the store is overloaded; never waits.
    pub fn count_decisions(&self, rows: &[DecisionCount]) {
        self.reports.count(rows);
    }

    /// Appends audit lines of decisions that change nothing. Dropped if the store is overloaded, and then the next
    /// line says how many; never waits.
    pub fn append_audit(&self, events: Vec<AuditEvent>) {
        self.reports.audit(events);
    }

    /// Writes the reports that wait, and everything that was queued before.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn flush(&self) -> Result<(), Unavailable> {
        self.reports.flush().await?;
        self.submit(Vec::new(), Vec::new()).await.map(drop)
    }

    /// Removes everything that is older than it is kept: also done once a minute.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn prune(&self) -> Result<(), Unavailable> {
        self.pruning.prune().await
    }

    /// Prepares every statement: proves that this version and the database fit. For `doctor` and tests.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] with the first statement that does not fit.
    pub async fn check_statements(&self) -> Result<usize, Unavailable> {
        let mut session = self.writer.session().await?;
        let mut checked = 0;
        for statement in statements::all() {
            session
                .check(statement)
                .await
                .map_err(|fault| Unavailable::Store(format!("{fault}: {}", statement.text())))?;
            checked += 1;
        }
        Ok(checked)
    }
}
