//! What verifiers know in memory: every credential, owner and resource, fed change by change.
//!
//! Read without a lock; changed key by key, never by copying. How the changes arrive is the store's business.
//!
//! **Invariants.** A credential that was seen revoked stays revoked whatever a later change says (SAFETY 3).
//! A snapshot that is older than its `max_age`, or not complete yet, answers nothing (SAFETY 4).

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use countersign_jose::jwk::{NotFound, PublicKey};
use http::HeaderName;
use papaya::HashMap;

use crate::carried::DeclaredSets;
use crate::drawn::ByDrawn;
use crate::effect::Use;
use crate::ending::Ending;
use crate::good_signatures::{GoodSignatures, Reading, Signed, SignedBy};
use crate::id::{CredentialId, IdPrefix, OwnerId, OwnerKind};
use crate::imported::{Declaration, Imports};
use crate::imported_set::{Digest, ImportedSet, Source, Upgrade};
use crate::issued::{Issued, StoredToken};
use crate::kind::Kind;
use crate::known::{ById, ByLookup, KnownCredential, KnownOwner, KnownTerms};
use crate::learned::{Learned, Words};
use crate::ledger::{
    Found, FoundClient, FoundCredential, FoundKey, FoundToken, Lookup, Settled, TokenAsked, TokenProof,
    Unavailable, Used,
};
use crate::meter::Meters;
use crate::own::Evidence;
use crate::record::{EndedToken, Life, OwnerRecord, Terms};
use crate::resource::{Resource, ResourceId, Resources};
use crate::secret::{Pepper, Peppers, Purpose, Secret, SecretHash, constant_time_eq};
use crate::settling::{Marks, settle};
use crate::signing_key::{KnownKey, SigningKeyRecord, Slot};
use crate::standing::Knows;
use crate::timestamp::{Monotonic, Timestamp};
use crate::token::{StoredClaims, TokenDigest};

/// Something that verifiers must learn.
#[derive(Debug, Clone)]
pub enum Change {
    /// A credential is new or different.
    Credential(Box<Learned>),
    /// A credential cannot be read here: it is refused.
    Forgotten(SecretHash),
    /// A credential was removed.
    Removed {
        /// Which.
        credential: CredentialId,
        /// By what it was found.
        lookup: SecretHash,
    },
    /// An owner is new or different.
    Owner(Box<OwnerRecord>),
    /// A resource is new or different; `None`: it cannot be read here, and tokens for it are refused.
    Resource(ResourceId, Option<Box<Resource>>),
    /// A signing key is new or different.
    SigningKey(Box<SigningKeyRecord>),
    /// An opaque token was issued.
    Token(Box<TokenLearned>),
    /// A token was ended before its time.
    Ended(EndedToken),
    /// Everything that was issued has ended.
    Incarnation(i64),
}

/// What verifiers learn of a token that is known by its digest.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLearned {
    /// By what it is found.
    pub lookup: SecretHash,
    /// What it says, and the key that signed it.
    pub token: StoredClaims,
}

impl Change {
    /// Returns in which order changes are taken: organisations precede their members, and owners their credentials.
    #[must_use]
    pub fn rank(&self) -> Rank {
        match self {
            Self::Owner(record) if record.id.kind() == OwnerKind::Organisation => Rank::Organisation,
            Self::Owner(_) => Rank::Member,
            Self::Resource(..) => Rank::Resource,
            Self::Credential(_)
            | Self::Forgotten(_)
            | Self::Removed { .. }
            | Self::SigningKey(_)
            | Self::Token(_)
            | Self::Ended(_)
            | Self::Incarnation(_) => Rank::Credential,
        }
    }
}

/// What a change is about, as far as others build on it; the first are taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// An organisation.
    Organisation,
    /// Another owner.
    Member,
    /// A resource.
    Resource,
    /// A credential.
    Credential,
}

/// How a change was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// As it says.
    Taken,
    /// It says that a revoked credential lives: the revocation stands, and is to be written back.
    KeptRevoked(CredentialId),
    /// It names an owner that is not known: the feed lost something, start again from the whole.
    Incomplete,
    /// This version cannot read the credential's terms: it is refused.
    Unreadable(CredentialId),
}

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
            Lookup::Once(once) => Found::Once(self.used(once)),
            Lookup::Token(asked) => Found::Token(self.find_token(asked)),
            // Foreign keys are nothing that the store knows.
            Lookup::ForeignKey(_) => Found::ForeignKey(FoundKey::none(NotFound::Kid)),
        }
    }

    fn find_token(&self, asked: TokenAsked<'_>) -> FoundToken {
        let incarnation = self.issued.incarnation();
        match asked {
            TokenAsked::Signed { key, token, client, digest } => {
                let key = self.issued.key(key);
                let is_good =
                    key.as_ref().is_some_and(|key| self.good.holds(digest, &SignedBy::Ours(key.id())));
                let client = self.owners.pin().get(&client).cloned();
                let is_ended = self.issued.is_ended(token);
                FoundToken { proof: TokenProof::Signature { key, is_good }, client, is_ended, incarnation }
            }
            TokenAsked::Stored(text) => {
                let stored = self
                    .peppers
                    .all()
                    .find_map(|pepper| self.issued.stored(&pepper.hash(Purpose::Credential, text)));
                let is_ended =
                    stored.as_ref().is_some_and(|token| self.issued.is_ended(token.token.claims.id));
                let client = stored.as_ref().map(|token| Arc::clone(&token.owner));
                let key = stored.as_ref().and_then(|stored| self.issued.key(stored.token.signed_by?));
                FoundToken { proof: TokenProof::Stored { token: stored, key }, client, is_ended, incarnation }
            }
        }
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

    /// Finds an imported key by its text: by its own keyed hash, or by the wrapped one of a set that claims it.
    #[must_use]
    pub fn find_imported(&self, source: Source<'_>, text: &str) -> Option<FoundCredential> {
        if !DeclaredSets::claims(self, source, text) {
            return None;
        }
        let credentials = self.credentials.pin();
        let find = |hash: SecretHash| {
            let (ByLookup(known), ()) = credentials.get_key_value(&hash)?;
            known.lookup.matches(&hash).then(|| Arc::clone(known))
        };
        let own = self.peppers.all().find_map(|pepper| find(pepper.hash(Purpose::Credential, text)));
        if let Some(known) = own {
            return Some(FoundCredential { known, upgrade: None, used: Used::Never });
        }
        let known = self.imported.matched(source, text, |digest| {
            self.peppers.all().find_map(|pepper| find(pepper.hash_bytes(Purpose::Imported, digest)))
        })?;
        let (pepper, wrapped) = (self.peppers.current(), known.lookup);
        let own = self.peppers.all().map(|pepper| pepper.hash(Purpose::Credential, text)).collect();
        let upgrade = Some(Upgrade::assertion(known.id(), wrapped, own, pepper.version()));
        Some(FoundCredential { known, upgrade, used: Used::Never })
    }

    /// Returns what is known of a set; `None`: it is not declared, no key of it was ever imported.
    #[must_use]
    pub fn declaration(&self, set: &ImportedSet) -> Option<Declaration> {
        self.imported.declarations.pin().get(set).cloned()
    }

    /// Counts the sets of imported keys.
    #[must_use]
    pub fn imported_sets(&self) -> usize {
        self.imported.sets.len()
    }

    /// Returns how a known set with these words and this HMAC key is stored, so that it is declared once.
    #[must_use]
    pub fn hmac_digest(&self, prefix: &str, header: Option<&str>, key: &Secret<Vec<u8>>) -> Option<Digest> {
        let header = header.map(str::to_ascii_lowercase);
        let sets = self.imported.sets.pin();
        let same = sets.keys().find(|set| {
            let Digest::HmacSha256(sealed) = &set.digest else { return false };
            set.prefix == prefix
                && set.header == header
                && ImportedSet::open_hmac_key(&self.peppers, prefix, header.as_deref(), sealed)
                    .is_some_and(|opened| constant_time_eq(opened.expose(), key.expose()))
        });
        same.map(|set| set.digest.clone())
    }

    /// Returns the header fields that carry imported keys.
    #[must_use]
    pub fn key_headers(&self) -> Vec<HeaderName> {
        let sets = self.imported.sets.pin();
        let mut names: Vec<HeaderName> =
            sets.keys().filter_map(|set| set.header.as_deref()?.parse().ok()).collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        names
    }

    /// Returns what ends with a change that is not applied yet.
    #[must_use]
    pub fn endings(&self, change: &Change) -> Vec<Ending> {
        match change {
            Change::Credential(learned) => self.credential_endings(learned),
            Change::Forgotten(_) | Change::Resource(..) => Vec::new(),
            Change::Removed { credential, .. } => vec![Ending::Removed { credential: *credential }],
            Change::Owner(record) => self.owner_endings(record),
            Change::Token(_) => Vec::new(),
            Change::SigningKey(record) => {
                let known = self.issued.key(record.id).is_some_and(|known| known.record.revoked_at.is_some());
                let revoked = record.revoked_at.filter(|_| !known);
                revoked.map(|at| Ending::KeyRevoked { key: record.id, at }).into_iter().collect()
            }
            Change::Ended(EndedToken { token, until }) if !self.issued.is_ended(*token) => {
                vec![Ending::TokenEnded { token: *token, until: *until }]
            }
            Change::Ended(_) => Vec::new(),
            Change::Incarnation(n) if *n > self.issued.incarnation() => vec![Ending::Incarnation { n: *n }],
            Change::Incarnation(_) => Vec::new(),
        }
    }

    fn owner_endings(&self, record: &OwnerRecord) -> Vec<Ending> {
        let OwnerRecord { id: owner, version, disabled_by: by, generation, .. } = *record;
        let known = self.owners.pin().get(&owner).map_or(0, |known| known.generation());
        let disabled = record.disabled_at.map(|at| Ending::OwnerDisabled { owner, at, version, by });
        let raised = (generation > known).then_some(Ending::Generation { owner, generation });
        disabled.into_iter().chain(raised).collect()
    }

    /// What a credential was when it was made is no ending: a store that has lost it has nothing to be told.
    fn credential_endings(&self, learned: &Learned) -> Vec<Ending> {
        let before =
            self.credentials.pin().get_key_value(&learned.lookup).map(|(ByLookup(known), ())| known.life);
        if before.is_none() && learned.version == 1 {
            return Vec::new();
        }
        let (credential, version) = (learned.id, learned.version);
        let ended = |at: Option<Timestamp>, already: bool| at.filter(|_| !already);
        let was = |what: fn(Life) -> bool| before.is_some_and(what);
        let revoked = ended(learned.revoked_at, was(|life| life.revoked));
        let disabled = ended(learned.disabled_at, was(|life| life.disabled));
        let earlier =
            |end: Timestamp| before.is_some_and(|life| life.expires_at.is_some_and(|was| was <= end));
        let shortened = learned.expires_at.filter(|end| !earlier(*end));
        [
            revoked.map(|at| Ending::Revoked { credential, at }),
            disabled.map(|at| Ending::Disabled { credential, at, version }),
            shortened.map(|at| Ending::Shortened { credential, at, version }),
        ]
        .into_iter()
        .flatten()
        .collect()
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
            known.learn(record);
            return Applied::Taken;
        }
        if record.organisation == record.id {
            owners.insert(record.id, Arc::new(KnownOwner::new(record, None)));
            return Applied::Taken;
        }
        let Some(parent) = owners.get(&record.organisation).cloned() else {
            return Applied::Incomplete;
        };
        owners.insert(record.id, Arc::new(KnownOwner::new(record, Some(parent))));
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

    fn is_ended(&self, token: CredentialId) -> bool {
        self.issued.is_ended(token)
    }

    fn incarnation(&self) -> i64 {
        self.issued.incarnation()
    }
}

/// Fewer values than this are not worth looking through; a bound, not a clause.
const FEW: usize = 1_000;

/// Values that many records share: kept once, by the words in which they are written, and no longer than a record has
/// them, since whoever changes a record makes as many values as they like.
#[derive(Debug)]
struct Interned<T> {
    values: HashMap<String, Arc<T>>,
    /// What was shared last, with its words: it is often asked for again.
    last: Mutex<Option<(String, Arc<T>)>>,
    /// Beyond so many, those that no record has are dropped.
    most: AtomicUsize,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), last: Mutex::default(), most: AtomicUsize::new(FEW) }
    }
}

impl<T> Interned<T> {
    /// Returns what `words` say; `None`: nothing can be read from them.
    fn share(&self, words: String, read: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shared)) = last.as_ref().filter(|(known, _)| *known == words) {
            return Some(Arc::clone(shared));
        }
        let shared = self.find(words.clone(), read)?;
        *last = Some((words, Arc::clone(&shared)));
        Some(shared)
    }

    fn find(&self, words: String, read: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        let values = self.values.pin();
        if let Some(shared) = values.get(&words) {
            return Some(Arc::clone(shared));
        }
        let fresh = Arc::new(read()?);
        values.insert(words, Arc::clone(&fresh));
        if values.len() > self.most.load(Ordering::Relaxed) {
            values.retain(|_, shared| Arc::strong_count(shared) > 1);
            self.most.store((2 * values.len()).max(FEW), Ordering::Relaxed);
        }
        Some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Applied, Change, FEW, Snapshot};
    use crate::context::SeededEntropy;
    use crate::ending::Ending;
    use crate::environment::Environment;
    use crate::id::{CredentialId, IdPrefix, OwnerId, OwnerKind};
    use crate::imported::PreparedSet;
    use crate::imported_set::{Digest, Imported, ImportedSet, Part, Source};
    use crate::key_string::KeyString;
    use crate::kinds::KINDS;
    use crate::learned::Learned;
    use crate::record::{CredentialRecord, OwnerRecord, Terms};
    use crate::secret::{Pepper, Peppers, Purpose, Secret};
    use crate::standing::Knows as _;
    use crate::timestamp::{Monotonic, Timestamp};

    const KEY: IdPrefix = IdPrefix::new("key");

    fn organisation() -> OwnerRecord {
        let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(1));
        OwnerRecord::new(id, id, "acme".into(), Timestamp::from_millis(0))
    }

    fn credential(owner: OwnerId, peppers: &Peppers, seed: u64) -> (CredentialRecord, KeyString) {
        let mut entropy = SeededEntropy::new(seed);
        let prefix = "cs_live".parse().unwrap();
        let key = KeyString::mint(&prefix, &mut entropy);
        let record = CredentialRecord {
            id: CredentialId::random(KEY, &mut entropy),
            lookup: key.hash(peppers.current()),
            pepper: 1,
            organisation: owner,
            owner,
            version: 1,
            created_at: Timestamp::from_millis(0),
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            last_used_at: None,
            terms: Terms {
                hint: key.hint(),
                ..Terms::new("ci".into(), prefix, Environment::Live, "a".parse().unwrap())
            },
        };
        (record, key)
    }

    fn snapshot() -> (Snapshot, Arc<Peppers>) {
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new()));
        (Snapshot::new(KINDS, Arc::clone(&peppers), Duration::from_secs(5)), peppers)
    }

    #[test]
    fn safety_3_a_revocation_that_was_seen_is_never_taken_back() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        let (mut record, key) = credential(owner.id, &peppers, 2);
        snapshot.apply(&Change::Owner(Box::new(owner)));
        record.revoked_at = Some(Timestamp::from_millis(5));
        assert_eq!(snapshot.apply(&Change::Credential(Box::new((&record).into()))), Applied::Taken);
        record.revoked_at = None;
        assert_eq!(
            snapshot.apply(&Change::Credential(Box::new((&record).into()))),
            Applied::KeptRevoked(record.id)
        );
        assert!(snapshot.find(KEY, key.read().text()).unwrap().life.revoked);
    }

    #[test]
    fn safety_3_what_ends_with_a_change_is_told_once() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        let (made, _) = credential(owner.id, &peppers, 2);
        let (credential, at) = (made.id, Timestamp::from_millis(5));
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let mut version = 0;
        let mut check = |change: fn(&mut CredentialRecord), expected: &[Ending]| {
            version += 1;
            let mut next = made.clone();
            change(&mut next);
            next.version = version;
            let change = Change::Credential(Box::new((&next).into()));
            assert_eq!(snapshot.endings(&change), expected, "{version}");
            snapshot.apply(&change);
            assert_eq!(snapshot.endings(&change), [], "{version}: it is known");
        };
        check(|next| next.expires_at = Some(Timestamp::from_millis(9)), &[]);
        check(|next| next.expires_at = None, &[]);
        check(
            |next| next.disabled_at = Some(Timestamp::from_millis(5)),
            &[Ending::Disabled { credential, at, version: 3 }],
        );
        check(|_| {}, &[]);
        check(
            |next| {
                (next.disabled_at, next.expires_at) =
                    (Some(Timestamp::from_millis(5)), Some(Timestamp::from_millis(5)))
            },
            &[
                Ending::Disabled { credential, at, version: 5 },
                Ending::Shortened { credential, at, version: 5 },
            ],
        );
        check(|next| next.expires_at = Some(Timestamp::from_millis(7)), &[]);
        check(
            |next| next.revoked_at = Some(Timestamp::from_millis(5)),
            &[Ending::Revoked { credential, at }],
        );
        let removed = Change::Removed { credential, lookup: made.lookup };
        assert_eq!(snapshot.endings(&removed), [Ending::Removed { credential }]);
        assert_eq!(
            snapshot.endings(&Change::Forgotten(made.lookup)),
            [],
            "what cannot be read lives on elsewhere"
        );
        let disabled = OwnerRecord { disabled_at: Some(at), version: 2, ..owner.clone() };
        let ending = Ending::OwnerDisabled { owner: owner.id, at, version: 2, by: None };
        assert_eq!(snapshot.endings(&Change::Owner(Box::new(disabled))), [ending]);
        assert_eq!(snapshot.endings(&Change::Owner(Box::new(owner))), []);
    }

    #[test]
    fn safety_4_a_snapshot_that_is_old_or_incomplete_is_not_fresh() {
        let (snapshot, _) = snapshot();
        assert!(!snapshot.is_fresh(Monotonic(0)));
        snapshot.mark_fresh(Monotonic(1_000));
        for (now, fresh) in [(1_000, true), (6_000, true), (6_001, false)] {
            assert_eq!(snapshot.is_fresh(Monotonic(now)), fresh, "{now}");
        }
        snapshot.mark_fresh(Monotonic(500));
        assert_eq!(snapshot.age(Monotonic(2_000)), Some(Duration::from_secs(1)), "freshness never goes back");
        snapshot.mark_incomplete();
        assert!(!snapshot.is_fresh(Monotonic(1_000)));
    }

    #[test]
    fn a_forgotten_or_foreign_key_is_not_found() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        let (record, key) = credential(owner.id, &peppers, 2);
        assert_eq!(snapshot.apply(&Change::Credential(Box::new((&record).into()))), Applied::Incomplete);
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        snapshot.apply(&Change::Credential(Box::new((&record).into())));
        let known = snapshot.find(KEY, key.read().text()).unwrap();
        assert!(snapshot.find(IdPrefix::new("mgk"), key.read().text()).is_none());
        assert!(snapshot.find(KEY, credential(owner.id, &peppers, 3).1.read().text()).is_none());
        assert_eq!(snapshot.current(&known).unwrap().id(), record.id);
        snapshot.apply(&Change::Forgotten(record.lookup));
        assert!(snapshot.find(KEY, key.read().text()).is_none());
        assert!(snapshot.current(&known).is_none());
    }

    #[test]
    fn what_a_full_load_does_not_find_is_forgotten() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let (stays, staying) = credential(owner.id, &peppers, 2);
        let (_, going) = {
            let (goes, going) = credential(owner.id, &peppers, 3);
            snapshot.apply(&Change::Credential(Box::new((&goes).into())));
            (goes, going)
        };
        snapshot.apply(&Change::Credential(Box::new((&stays).into())));
        let before = snapshot.find(KEY, staying.read().text()).unwrap();
        snapshot.begin_load(2);
        snapshot.apply(&Change::Credential(Box::new((&stays).into())));
        snapshot.end_load();
        let after = snapshot.find(KEY, staying.read().text()).unwrap();
        assert!(Arc::ptr_eq(&before, &after), "what says nothing else is not made anew");
        assert!(snapshot.find(KEY, going.read().text()).is_none());
    }

    #[test]
    fn terms_that_cannot_be_read_are_refused() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let (record, key) = credential(owner.id, &peppers, 2);
        snapshot.apply(&Change::Credential(Box::new((&record).into())));
        let good = Learned::from(&record);
        let worse = [good.terms.replacen('{', r#"{"until_noon":1,"#, 1), good.terms.replace("live", "dead")];
        for terms in worse.into_iter().chain([String::new()]) {
            snapshot.apply(&Change::Credential(Box::new(good.clone())));
            let changed = Change::Credential(Box::new(Learned { terms, ..good.clone() }));
            assert_eq!(snapshot.apply(&changed), Applied::Unreadable(record.id));
            assert!(snapshot.find(KEY, key.read().text()).is_none());
        }
    }

    #[test]
    fn what_no_record_has_any_more_is_not_kept() {
        let (snapshot, peppers) = snapshot();
        let owner = organisation();
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let (mut record, key) = credential(owner.id, &peppers, 2);
        for number in 0..10_000 {
            record.terms.scopes = format!("orders:{number}").parse().unwrap();
            snapshot.apply(&Change::Credential(Box::new((&record).into())));
        }
        assert!(snapshot.terms.values.len() <= 2 * FEW, "{}", snapshot.terms.values.len());
        assert_eq!(*snapshot.find(KEY, key.read().text()).unwrap().terms.scopes, record.terms.scopes);
        let set = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
        import(&snapshot, &peppers, &set, "acme_1", 3);
        let found = snapshot.find_imported(Source::Usual, "acme_1").unwrap().known;
        assert_eq!(snapshot.imported.keys.len(), 1);
        snapshot.apply(&Change::Forgotten(found.lookup));
        assert_eq!(snapshot.imported.keys.len(), 0);
    }

    /// Applies a key that was imported into `set`, by the hash of `text`.
    fn import(
        snapshot: &Snapshot,
        peppers: &Peppers,
        set: &ImportedSet,
        text: &str,
        seed: u64,
    ) -> CredentialId {
        let owner = organisation();
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        let (mut record, _) = credential(owner.id, peppers, seed);
        let digest = PreparedSet::new(set.clone(), peppers).unwrap().digest(Source::Anywhere, text);
        let digest = digest.unwrap_or_else(|| sha256(text));
        record.lookup = peppers.current().hash_bytes(Purpose::Imported, &set.bound(&digest));
        record.terms.imported = Some(Box::new(Imported { set: set.clone(), upgraded: false }));
        snapshot.apply(&Change::Credential(Box::new((&record).into())));
        record.id
    }

    fn sha256(text: &str) -> Vec<u8> {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref().to_vec()
    }

    #[test]
    fn safety_13_a_hash_in_another_set_speaks_for_no_caller() {
        let set = |prefix, header| ImportedSet::new(prefix, header, Digest::Sha256, Part::Key).unwrap();
        let rightful = set("acme_", None);
        for other in [
            set("other_", None),
            set("ac", None),
            set("", Some("x-other-key")),
            set("acme_", Some("x-other-key")),
        ] {
            for other_first in [true, false] {
                let (snapshot, peppers) = snapshot();
                let order = if other_first { [&other, &rightful] } else { [&rightful, &other] };
                let ids: Vec<_> = order
                    .iter()
                    .zip(2..)
                    .map(|(set, seed)| import(&snapshot, &peppers, set, "acme_1", seed))
                    .collect();
                let expected = ids.get(usize::from(other_first)).copied();
                for source in [Source::Usual, Source::Anywhere] {
                    let found = snapshot.find_imported(source, "acme_1").map(|found| found.known.id());
                    assert_eq!(found, expected, "{other:?} {source:?}");
                }
            }
        }
        let (snapshot, peppers) = snapshot();
        for (set, seed) in [(set("", Some("x-one")), 2), (set("", Some("x-two")), 3)] {
            import(&snapshot, &peppers, &set, "secret", seed);
        }
        assert!(
            snapshot.find_imported(Source::Anywhere, "secret").is_none(),
            "where two say as much, nobody is"
        );
        assert!(snapshot.find_imported(Source::Header("x-one"), "secret").is_some());
    }
}
