//! What verifiers know in memory: every credential, owner and resource, fed change by change.
//!
//! Read without a lock; changed key by key, never by copying. How the changes arrive is the store's business.
//!
//! **Invariants.** A credential that was seen revoked stays revoked whatever a later change says (SAFETY 3).
//! A snapshot that is older than its `max_age`, or not complete yet, answers nothing (SAFETY 4).

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_jose::jwk::{NotFound, PublicKey};
use papaya::HashMap;

use crate::carried::DeclaredSets;
use crate::change::{Applied, Change, TokenLearned};
use crate::drawn::ByDrawn;
use crate::effect::Use;
use crate::good_signatures::{GoodSignatures, Reading, Signed, SignedBy};
use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::imported::Imports;
use crate::imported_set::Source;
use crate::interned::Interned;
use crate::issued::{Issued, StoredToken};
use crate::kind::Kind;
use crate::known::{ById, ByLookup, KnownCredential, KnownOwner, KnownTerms};
use crate::learned::{Learned, Words};
use crate::ledger::{
    Acting, Found, FoundClient, FoundCredential, FoundHandedOut, FoundKey, FoundToken, Lookup, Settled,
    TokenAsked, TokenProof, Unavailable, Used,
};
use crate::meter::Meters;
use crate::own::Evidence;
use crate::record::{EndedToken, Life, OwnerRecord, Terms};
use crate::redirect_uri::Origin;
use crate::resource::{ResourceId, Resources};
use crate::secret::{Pepper, Peppers, Purpose, SecretHash};
use crate::settling::{Marks, settle};
use crate::signing_key::{KnownKey, Slot};
use crate::standing::Knows;
use crate::timestamp::{Monotonic, Timestamp};
use crate::token::{AccessClaims, TokenDigest};

use self::origins::Origins;

mod endings;
mod imported;
mod origins;

/// The most credentials for which room is made before they are there, some 40 MB of it.
const MOST_RESERVED: usize = 4_000_000;

/// What has never been refreshed.
const NEVER: i64 = i64::MIN;

/// The verifiers' memory.
#[derive(Debug)]
pub struct Snapshot {
    kinds: &'static [&'static Kind],
    peppers: Arc<Peppers>,
    max_age: Duration,
    credentials: HashMap<ByLookup, (), ByDrawn>,
    owners: HashMap<OwnerId, Arc<KnownOwner>>,
    origins: Origins,
    terms: Interned<KnownTerms>,
    resources: Resources,
    imported: Imports,
    meters: Meters,
    marks: Marks,
    issued: Issued,
    good: GoodSignatures,
    issuer: OnceLock<String>,
    fresh_at: AtomicI64,
    /// Counts the loads, of which only the last two are told apart.
    load: AtomicU8,
}

impl Snapshot {
    /// Starts empty, and not fresh; it learns credentials of these kinds. `max_age` is the setting `feed.max_age`.
    #[must_use]
    pub fn new(kinds: &'static [&'static Kind], peppers: Arc<Peppers>, max_age: Duration) -> Self {
        Self {
            kinds,
            peppers,
            max_age,
            credentials: HashMap::default(),
            owners: HashMap::new(),
            origins: Origins::default(),
            terms: Interned::default(),
            resources: Resources::default(),
            imported: Imports::default(),
            meters: Meters::default(),
            marks: Marks::default(),
            issued: Issued::default(),
            good: GoodSignatures::default(),
            issuer: OnceLock::new(),
            fresh_at: AtomicI64::new(NEVER),
            load: AtomicU8::new(0),
        }
    }

    /// Returns the peppers under which credentials are found.
    #[must_use]
    pub const fn peppers(&self) -> &Arc<Peppers> {
        &self.peppers
    }

    /// Returns what tokens may be for.
    #[must_use]
    pub const fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Finds an owner.
    #[must_use]
    pub fn owner(&self, id: OwnerId) -> Option<Arc<KnownOwner>> {
        self.owners.pin().get(&id).cloned()
    }

    /// Returns the clients that are registered for a resource, in the order of their ids.
    #[must_use]
    pub fn registered_for(&self, resource: &ResourceId) -> Vec<OwnerId> {
        let names = |owner: &KnownOwner| owner.client().is_some_and(|one| one.audiences.contains(resource));
        let owners = self.owners.pin();
        let mut found: Vec<_> = owners.iter().filter(|(_, owner)| names(owner)).map(|(id, _)| *id).collect();
        found.sort_unstable();
        found
    }

    /// Tells whether a client that lives is registered with an origin.
    #[must_use]
    pub fn is_origin(&self, origin: &Origin) -> bool {
        self.origins.holds(origin)
    }

    /// Returns what counts the use of credentials.
    #[must_use]
    pub const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Returns the setting `feed.max_age`.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Says whose tokens are ours: the `iss` of everything issued. The first word stands.
    pub fn name_issuer(&self, issuer: String) {
        // It is said once, where the listeners are bound.
        drop(self.issuer.set(issuer));
    }

    /// Returns the `iss` of everything issued; empty as long as nobody has said it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.get().map_or("", String::as_str)
    }

    /// Settles what the use of credentials leaves behind, by what this node knows. Upgrades are the ledger's to queue.
    ///
    /// # Errors
    ///
    /// [`Unavailable::TooManyMarks`].
    pub fn settle(&self, now: Timestamp, uses: &[Use]) -> Result<Settled, Unavailable> {
        let settled = settle(&self.meters, &self.marks, now, uses)?;
        if matches!(settled, Settled::Done(_)) {
            for one in uses {
                if let Use::GoodSignature(signed) = one {
                    self.good.note(Signed::clone(signed), now);
                }
            }
        }
        Ok(settled)
    }

    /// Answers what a presented credential asks, as far as is known here.
    #[must_use]
    pub fn look_up(&self, question: &Lookup<'_>) -> Found {
        match *question {
            Lookup::Nothing => Found::Nothing,
            Lookup::Credential { kind, secret, once } => {
                let used = once.map_or(Used::Never, |once| self.used(once));
                let found = self.find(kind, secret);
                Found::Credential(found.map(|known| FoundCredential { known, upgrade: None, used }))
            }
            Lookup::Imported { source, text } => Found::Credential(self.find_imported(source, text)),
            Lookup::Client { client, secret, once, .. } => Found::Client(FoundClient {
                // Both, whatever the first finds: an unknown client is looked up like one whose secret is wrong.
                owner: client.and_then(|client| self.owner(client)),
                secret: secret.and_then(|(kind, secret)| self.find(kind, secret)),
                used: once.map_or(Used::Never, |once| self.used(once)),
                // What a client publishes is nothing that verifiers know.
                key: None,
            }),
            // What was handed out is nothing that verifiers know.
            Lookup::HandedOut { .. } => Found::HandedOut(FoundHandedOut::default()),
            Lookup::Once(once) => Found::Once(self.used(once)),
            Lookup::Token(asked) => Found::Token(self.find_token(asked)),
            // Foreign keys are nothing that the store knows.
            Lookup::ForeignKey(_) => Found::ForeignKey(FoundKey::none(NotFound::Kid)),
        }
    }

    fn find_token(&self, asked: TokenAsked<'_>) -> FoundToken {
        let incarnation = self.issued.incarnation();
        match asked {
            TokenAsked::Signed { key, claims, digest } => {
                let key = self.issued.key(key);
                let is_good =
                    key.as_ref().is_some_and(|key| self.good.holds(digest, &SignedBy::Ours(key.id())));
                let client = self.owners.pin().get(&claims.client).cloned();
                let (acting, is_ended) = (self.acting(claims), self.issued.has_ended(claims));
                let proof = TokenProof::Signature { key, is_good };
                FoundToken { proof, client, acting, is_ended, incarnation }
            }
            TokenAsked::Stored(text) => {
                let stored = self
                    .peppers
                    .all()
                    .find_map(|pepper| self.issued.stored(&pepper.hash(Purpose::Credential, text)));
                let is_ended =
                    stored.as_ref().is_some_and(|token| self.issued.has_ended(&token.token.claims));
                let acting = stored.as_ref().map_or(Acting::Itself, |token| self.acting(&token.token.claims));
                let client = stored.as_ref().map(|token| Arc::clone(&token.owner));
                let key = stored.as_ref().and_then(|stored| self.issued.key(stored.token.signed_by?));
                let proof = TokenProof::Stored { token: stored, key };
                FoundToken { proof, client, acting, is_ended, incarnation }
            }
        }
    }

    fn acting(&self, claims: &AccessClaims) -> Acting {
        if claims.delegation.is_none() { Acting::Itself } else { Acting::For(self.owner(claims.subject)) }
    }

    /// Says whether the token with this digest is known to be signed by a foreign issuer's key.
    #[must_use]
    pub fn is_signed(&self, digest: &TokenDigest, key: &Arc<PublicKey>) -> bool {
        self.good.holds(digest, &SignedBy::Foreign(Arc::clone(key)))
    }

    /// Returns the signing keys, the oldest first.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<Arc<KnownKey>> {
        self.issued.keys()
    }

    /// Returns the key of a slot that signs at `now`.
    #[must_use]
    pub fn signer(&self, slot: Slot, now: Timestamp) -> Option<Arc<KnownKey>> {
        self.issued.signer(slot, now)
    }

    fn used(&self, once: &str) -> Used {
        let marked = |pepper: &Pepper| self.marks.holds(&pepper.hash(Purpose::FirstUse, once));
        if self.peppers.all().any(marked) { Used::Before } else { Used::Never }
    }

    /// Finds a credential of `kind` by its text.
    #[must_use]
    pub fn find(&self, kind: IdPrefix, secret: &str) -> Option<Arc<KnownCredential>> {
        let credentials = self.credentials.pin();
        self.peppers.all().find_map(|pepper| {
            let hash = pepper.hash(Purpose::Credential, secret);
            let (ByLookup(known), ()) = credentials.get_key_value(&hash)?;
            (known.id().prefix() == kind && known.lookup.matches(&hash)).then(|| Arc::clone(known))
        })
    }

    /// Tells the time: what is past it makes room.
    pub fn tell_time(&self, now: Timestamp) {
        self.issued.tell_time(now);
    }

    /// Takes one change.
    pub fn apply(&self, change: &Change) -> Applied {
        match change {
            Change::Credential(record) => self.apply_credential(record),
            Change::Forgotten(lookup) | Change::Removed { lookup, .. } => {
                self.forget(lookup);
                Applied::Taken
            }
            Change::Owner(record) => self.apply_owner(record),
            Change::Resource(id, resource) => {
                self.resources.learn(id, resource.as_deref(), self.load.load(Ordering::Acquire));
                Applied::Taken
            }
            Change::SigningKey(record) => {
                if self.issued.take_key(record) {
                    Applied::Taken
                } else {
                    Applied::Unreadable(record.id)
                }
            }
            Change::Token(learned) => self.apply_token(learned),
            Change::Ended(EndedToken { token, until }) => {
                self.issued.end(*token, *until);
                Applied::Taken
            }
            Change::Incarnation(n) => {
                self.issued.raise(*n);
                Applied::Taken
            }
        }
    }

    fn apply_token(&self, learned: &TokenLearned) -> Applied {
        let Some(owner) = self.owner(learned.token.claims.client) else {
            return Applied::Incomplete;
        };
        let TokenLearned { lookup, token } = learned.clone();
        self.issued.store(StoredToken { lookup, token, owner });
        Applied::Taken
    }

    fn forget(&self, lookup: &SecretHash) {
        let credentials = self.credentials.pin();
        if let Some((ByLookup(known), ())) = credentials.remove_entry(lookup) {
            self.imported.keys.pin().remove(&known.id().bits());
        }
    }

    fn apply_credential(&self, learned: &Learned) -> Applied {
        let Some(owner) = self.owners.pin().get(&learned.owner).cloned() else {
            return Applied::Incomplete;
        };
        let Some(kind) = self.kinds.iter().find(|kind| kind.names(learned.id)) else {
            // Of a kind that this version does not know: nobody can present it here.
            return Applied::Taken;
        };
        let Some((life, terms, meter)) = self.read(kind, learned) else {
            self.forget(&learned.lookup);
            return Applied::Unreadable(learned.id);
        };
        let metered = self.meters.share(meter, &terms.allowances);
        self.keep(KnownCredential::new(learned, life, owner, terms, metered))
    }

    /// Reads the terms of a credential: its span and switches, what it has in common with others, and whose meter counts.
    fn read(&self, kind: &Kind, learned: &Learned) -> Option<(Life, Arc<KnownTerms>, CredentialId)> {
        let words: Words<'_> = serde_json::from_str(&learned.terms).ok()?;
        let terms = self.terms.share(words.common(kind.id_prefix), || {
            let terms: Terms = serde_json::from_str(&learned.terms).ok()?;
            // Others that are alike have another name: the kind is not asked of it.
            let terms = Terms {
                grantable: terms.grantable,
                allow_from: terms.allow_from,
                allowances: terms.allowances,
                imported: terms.imported,
                ..Terms::new(String::new(), terms.prefix, terms.environment, terms.scopes)
            };
            let own = Arc::new(Evidence((kind.own)(&terms)));
            let terms = KnownTerms::new(kind.id_prefix, own, terms);
            self.imported.meet(&terms, &self.peppers);
            Some(terms)
        })?;
        Some((learned.life(&words), terms, words.meter.unwrap_or(learned.id)))
    }

    /// Lets a credential take the place of what was known of it.
    fn keep(&self, mut fresh: KnownCredential) -> Applied {
        let (credentials, keys) = (self.credentials.pin(), self.imported.keys.pin());
        let load = self.load.load(Ordering::Acquire);
        let here = credentials.get_key_value(&fresh.lookup).map(|(ByLookup(known), ())| known);
        if let Some(known) = here.filter(|known| known.says_the_same(&fresh)) {
            known.see(load);
            return Applied::Taken;
        }
        let elsewhere = keys
            .get_key_value(&fresh.id().bits())
            .map(|(ById(known), ())| known)
            .filter(|known| known.lookup != fresh.lookup);
        let was_revoked = [here, elsewhere].into_iter().flatten().any(|known| known.life.revoked);
        let revived = was_revoked && !fresh.life.revoked;
        fresh.life.revoked |= was_revoked;
        fresh.see(load);
        let fresh = Arc::new(fresh);
        credentials.insert(ByLookup(Arc::clone(&fresh)), ());
        if let Some(before) = elsewhere {
            credentials.remove(&before.lookup);
        }
        self.imported.learn(&fresh);
        if revived { Applied::KeptRevoked(fresh.id()) } else { Applied::Taken }
    }

    fn apply_owner(&self, record: &OwnerRecord) -> Applied {
        let owners = self.owners.pin();
        if let Some(known) = owners.get(&record.id) {
            let before = known.client();
            known.learn(record);
            self.origins.learn(before.as_deref(), known);
            return Applied::Taken;
        }
        if record.organisation == record.id {
            owners.insert(record.id, Arc::new(KnownOwner::new(record, None)));
            return Applied::Taken;
        }
        let Some(parent) = owners.get(&record.organisation).cloned() else {
            return Applied::Incomplete;
        };
        let known = Arc::new(KnownOwner::new(record, Some(parent)));
        self.origins.learn(None, &known);
        owners.insert(record.id, known);
        Applied::Taken
    }

    /// Begins a full load, of about so many credentials: what is applied from now on was seen in it.
    pub fn begin_load(&self, about: usize) {
        self.credentials.pin().reserve(about.min(MOST_RESERVED).saturating_sub(self.credentials.len()));
        self.load.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends a full load: a credential or resource that was not seen in it is no longer stored, and is forgotten.
    pub fn end_load(&self) {
        let load = self.load.load(Ordering::Acquire);
        self.resources.keep_seen(load);
        self.credentials.pin().retain(|ByLookup(known), ()| known.was_seen(load));
        self.imported.keys.pin().retain(|ById(known), ()| known.was_seen(load));
    }

    /// Notes that everything committed before `at` is known here. `at` is taken *before* a commit of our own that was then
    /// read back.
    pub fn mark_fresh(&self, at: Monotonic) {
        self.fresh_at.fetch_max(at.0, Ordering::AcqRel);
    }

    /// Notes that the snapshot is no longer complete; it answers nothing until it is marked fresh again.
    pub fn mark_incomplete(&self) {
        self.fresh_at.store(NEVER, Ordering::Release);
    }

    /// Returns how old the snapshot is; `None` if it was never complete.
    #[must_use]
    pub fn age(&self, now: Monotonic) -> Option<Duration> {
        let fresh_at = self.fresh_at.load(Ordering::Acquire);
        (fresh_at != NEVER)
            .then(|| Duration::from_millis(u64::try_from(now.0.saturating_sub(fresh_at)).unwrap_or(0)))
    }

    /// Tells whether the snapshot may answer.
    #[must_use]
    pub fn is_fresh(&self, now: Monotonic) -> bool {
        self.age(now).is_some_and(|age| age <= self.max_age)
    }

    /// Counts the credentials known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Tells whether no credential is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }
}

impl DeclaredSets for Snapshot {
    fn claims(&self, source: Source<'_>, text: &str) -> bool {
        self.imported.sets.pin().keys().any(|set| set.claims(source, text))
    }

    fn is_issuer(&self, issuer: &str) -> bool {
        self.issuer.get().is_some_and(|ours| ours == issuer)
    }

    fn read_before(&self, digest: &TokenDigest) -> Option<Reading> {
        self.good.reading(digest)
    }
}

impl Knows for Snapshot {
    fn is_fresh(&self, now: Monotonic) -> bool {
        Self::is_fresh(self, now)
    }

    fn current(&self, before: &KnownCredential) -> Option<Arc<KnownCredential>> {
        let (credentials, keys) = (self.credentials.pin(), self.imported.keys.pin());
        let here = credentials.get_key_value(&before.lookup).map(|(ByLookup(known), ())| known);
        // An imported key is found elsewhere after its first use.
        let moved = || keys.get_key_value(&before.id().bits()).map(|(ById(known), ())| known);
        here.or_else(moved).cloned()
    }

    fn signing_key(&self, id: CredentialId) -> Option<Arc<KnownKey>> {
        self.issued.key(id)
    }

    fn has_ended(&self, claims: &AccessClaims) -> bool {
        self.issued.has_ended(claims)
    }

    fn incarnation(&self) -> i64 {
        self.issued.incarnation()
    }
}

#[cfg(test)]
mod tests;
