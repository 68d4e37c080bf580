//! The ground that tests of this crate stand on: a time, peppers, owners, callers, and a store in memory.
//!
//! Tables say who asks for what, and what is stored; only here is written how a caller is proven, what a question
//! finds and what an effect changes, so that another signature is another line here.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::api_key;
use crate::api_key::KeyCriteria;
use crate::audit::AuditEvent;
use crate::carried::{Connection, NoSets, RequestHead as Head};
use crate::change::{Change, TokenLearned};
use crate::client_authentication;
use crate::client_terms::ClientTerms;
use crate::context::{Context, Policy, SeededEntropy};
use crate::credential::Row;
use crate::decision::OwnCriteria;
use crate::decision::{Condition, Decision, Permit, Requirement, decide};
use crate::due::Due;
use crate::effect::Use;
use crate::effect::{Effect, Outcome};
use crate::environment::Environment;
use crate::exchange::Members;
use crate::exchange::{Act, perform, perform_each, prove, rehearse};
use crate::few::Few;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::issuing::STORED;
use crate::key_evidence::KeyEvidence;
use crate::kind::Kind;
use crate::kinds::KINDS;
use crate::kinds::kind_of;
use crate::known::{KnownCredential, KnownOwner};
use crate::ledger::{Commit, Durable, Find, Found, Ledger, Lookup, Unavailable};
use crate::ledger::{Question, Settled, Used};
use crate::lifecycle::{Amend, Forget, Revoke, Rotate};
use crate::management_key;
use crate::minting::{Expiry, mint};
use crate::own::Evidence;
use crate::password::PasswordHash;
use crate::person::{Enrol, Vouched};
use crate::person_terms::{Profile, Roles};
use crate::presentation::{kinds_of, recognise};
use crate::principal::{Principal, Proof, Subject};
use crate::question::MadeBy;
use crate::question::{
    ClientAndSecrets, Creation, Enrolment, FoundCreation, FoundEnrolment, FoundInstallation, FoundLink,
    FoundMembership, FoundOwner, FoundPerson, FoundRegistered, FoundRegistration, FoundResource,
    FoundRotation, FoundUse, Holder, HolderOf, IncarnationOf, Installation, KeysOf, LinkOf, MarkOf,
    MembershipOf, OwnerAndKeys, PersonNamed, PersonOf, RecordOf, Registration, ResourceOf, Rotation,
    TokensOf, UseOf,
};
use crate::record::{
    ArtifactRecord, ConsentRecord, CredentialRecord, EndedToken, IdentityName, LinkedIdentity, MarkRecord,
    Membership, OwnerRecord, PersonRecord, Record, ResourceRecord, SealedRecord, TakenOver, Terms,
};
use crate::rejection::Rejection;
use crate::resource::{Offered, ResourceId};
use crate::scheme::Scheme;
use crate::scope::{Grantable, ScopeSet};
use crate::secret::{Pepper, Peppers, Purpose, Secret, SecretHash};
use crate::signing_key::{KeyPurpose, SIGNING_KEY, SigningKeyRecord, Slot};
use crate::snapshot::Snapshot;
use crate::tally::Tally;
use crate::timestamp::Timestamp;
use crate::token::StoredClaims;
use crate::token_cap::{Counted, KeptTokens};
use crate::token_ending::Nothing;
use crate::typed_name::TypedName;
use std::sync::LazyLock;

mod artifacts;
mod identities;

/// The instant at which tables begin.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// The `iss` of everything issued.
pub(crate) const ISSUER: &str = "https://auth.example.com";
/// An hour.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Who is there, what is stored, and what the clock and the settings say.
pub(crate) struct Ground {
    pub(crate) now: Timestamp,
    pub(crate) address: Option<IpAddr>,
    pub(crate) policy: Policy,
    pub(crate) peppers: Arc<Peppers>,
    pub(crate) entropy: SeededEntropy,
    /// The first organisation.
    pub(crate) organisation: OwnerRecord,
    pub(crate) store: Memory,
}

impl Ground {
    /// One organisation, and nothing else.
    pub(crate) fn new() -> Self {
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([7; 32])), Vec::new()));
        let mut entropy = SeededEntropy::new(42);
        let organisation = organisation(&mut entropy);
        let store = Memory::new(Arc::clone(&peppers));
        store.keep_owner(&organisation);
        let (policy, address) = (Policy::default(), None);
        Self { now: NOW, address, policy, peppers, entropy, organisation, store }
    }

    pub(crate) fn context(&mut self) -> Context<'_> {
        let Self { now, address, policy, peppers, entropy, .. } = self;
        Context { now: *now, entropy, peppers, policy, address: *address }
    }

    /// Enters another organisation.
    pub(crate) fn stranger(&mut self) -> OwnerRecord {
        let organisation = organisation(&mut self.entropy);
        self.store.keep_owner(&organisation);
        organisation
    }

    /// Enters a client or user of `organisation`.
    pub(crate) fn member(&mut self, kind: OwnerKind, organisation: &OwnerRecord) -> OwnerRecord {
        let member = OwnerRecord { id: OwnerId::random(kind, &mut self.entropy), ..organisation.clone() };
        self.store.keep_owner(&member);
        member
    }

    /// Enters a person of the first organisation.
    pub(crate) fn person(&mut self, username: &str, password: Option<PasswordHash>) -> OwnerId {
        let enrol = Enrol {
            username: username.parse().unwrap(),
            name: None,
            organisation: None,
            roles: Roles::default(),
            email: None,
            vouched: Vouched::ByNobody,
            profile: Profile::default(),
            password,
        };
        self.perform(&self.caller("operator users:write", ""), &enrol).unwrap().owner.id
    }

    /// Registers a client, and proves it.
    pub(crate) fn client(&mut self, terms: ClientTerms) -> (OwnerRecord, Principal) {
        let organisation = self.organisation.clone();
        let method = terms.auth_method;
        let client =
            OwnerRecord { client: Some(Box::new(terms)), ..self.member(OwnerKind::Client, &organisation) };
        self.store.keep_owner(&client);
        let owner = self.store.snapshot().owner(client.id).unwrap();
        (client, Principal::assertion(client_authentication::proof(&owner, method)))
    }

    /// Mints an API key and keeps it; its text comes with it.
    pub(crate) fn api_key(&mut self, owner: &OwnerRecord, scopes: &str) -> (CredentialRecord, String) {
        let prefix = "cs_live".parse().unwrap();
        let terms = Terms::new("ci".into(), prefix, Environment::Live, scopes.parse().unwrap());
        self.key(&api_key::KIND, owner, terms)
    }

    /// Mints a management key likewise.
    pub(crate) fn management_key(
        &mut self,
        owner: &OwnerRecord,
        scopes: &str,
        grantable: &str,
    ) -> (CredentialRecord, String) {
        let (prefix, scopes) = ("cs_mgmt".parse().unwrap(), scopes.parse().unwrap());
        let grantable = granting(grantable);
        let terms = Terms { grantable, ..Terms::new("admin".into(), prefix, Environment::Live, scopes) };
        self.key(&management_key::KIND, owner, terms)
    }

    /// Mints a key of any kind that can do nothing.
    pub(crate) fn key_of(&mut self, kind: &Kind, owner: &OwnerRecord) -> CredentialRecord {
        self.secret(kind, owner).0
    }

    /// Mints what only its owner's kind gives a meaning to, and keeps it; its text comes with it.
    pub(crate) fn secret(&mut self, kind: &Kind, owner: &OwnerRecord) -> (CredentialRecord, String) {
        let prefix = (kind.default_prefix)(Environment::Live).parse().unwrap();
        self.key(kind, owner, Terms::new("ci".into(), prefix, Environment::Live, ScopeSet::default()))
    }

    fn key(&mut self, kind: &Kind, owner: &OwnerRecord, terms: Terms) -> (CredentialRecord, String) {
        let minted = mint(&mut self.context(), CredentialRecord::draft(kind.id_prefix, owner, None, terms));
        self.store.keep(&minted.record);
        (minted.record, minted.key.unwrap().expose().clone())
    }

    /// Disables an owner.
    pub(crate) fn disable(&mut self, owner: &OwnerRecord) {
        self.store.keep_owner(&OwnerRecord { disabled_at: Some(self.now), ..owner.clone() });
    }

    /// A caller with a management key of the first organisation.
    pub(crate) fn caller(&self, scopes: &str, grantable: &str) -> Permit {
        Caller::of(&self.organisation).holding(scopes).granting(grantable).permit()
    }

    /// Performs an act, whatever it takes.
    pub(crate) fn attempt<A: Act>(
        &mut self,
        by: &A::By,
        act: &A,
    ) -> Result<Result<A::Answer, A::Reason>, Unavailable>
    where
        Memory: Find<A::Question>,
    {
        let Self { now, address, policy, peppers, entropy, store, .. } = self;
        let mut context = Context { now: *now, entropy, peppers, policy, address: *address };
        at_once(perform(store, &mut context, by, act))
    }

    /// Performs many acts, with a store that answers.
    #[track_caller]
    pub(crate) fn perform_each<A: Act>(&mut self, by: &A::By, acts: &[A]) -> Vec<Result<A::Answer, A::Reason>>
    where
        Memory: Find<A::Question>,
    {
        let Self { now, address, policy, peppers, entropy, store, .. } = self;
        let mut context = Context { now: *now, entropy, peppers, policy, address: *address };
        at_once(perform_each(store, &mut context, by, acts)).unwrap()
    }

    /// Performs an act, with a store that answers.
    #[track_caller]
    pub(crate) fn perform<A: Act>(&mut self, by: &A::By, act: &A) -> Result<A::Answer, A::Reason>
    where
        Memory: Find<A::Question>,
    {
        self.attempt(by, act).unwrap()
    }

    /// Decides on an act, and commits nothing.
    pub(crate) fn rehearse<A: Act>(
        &mut self,
        by: &A::By,
        act: &A,
    ) -> Result<Outcome<A::Answer, A::Reason>, Unavailable>
    where
        Memory: Find<A::Question>,
    {
        let Self { now, address, policy, peppers, entropy, store, .. } = self;
        let mut context = Context { now: *now, entropy, peppers, policy, address: *address };
        at_once(rehearse(store, &mut context, by, act))
    }

    /// Returns what verifiers know of an API key.
    pub(crate) fn known(&self, key: &str) -> Option<Arc<KnownCredential>> {
        self.store.snapshot().find(api_key::KIND.id_prefix, key)
    }

    /// Presents header fields to a register, whatever it takes.
    pub(crate) fn attempt_present(
        &mut self,
        register: &'static [Row],
        fields: &[(&str, &str)],
    ) -> Result<Result<Option<Principal>, Rejection>, Unavailable> {
        let (headers, snapshot) = (headers(fields), self.store.snapshot());
        let key_fields = snapshot.key_headers();
        let head = Head { key_fields: &key_fields, sets: &snapshot, ..head(&headers) };
        let asked = kinds_of(register).map(|kind| Condition::of(kind.scheme, OwnCriteria::NONE));
        let presentation = match recognise(register, &head, &Requirement::Any(asked.collect())) {
            Ok(presentation) => presentation,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let Self { now, address, policy, peppers, entropy, store, .. } = self;
        let mut context = Context { now: *now, entropy, peppers, policy, address: *address };
        let proven = at_once(prove(store, &mut context, &presentation, None))?;
        let first = |members: Members| members.all.map(|all| all.first().clone());
        Ok(proven.map(first).map_err(|unproven| {
            store.tables().filed.push(*unproven.audit);
            unproven.rejection
        }))
    }

    /// Presents header fields to a register, with a store that answers.
    #[track_caller]
    pub(crate) fn present(
        &mut self,
        register: &'static [Row],
        fields: &[(&str, &str)],
    ) -> Result<Option<Principal>, Rejection> {
        self.attempt_present(register, fields).unwrap()
    }
}

fn organisation(entropy: &mut SeededEntropy) -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, entropy);
    OwnerRecord::new(id, id, "acme".into(), NOW)
}

/// A key that signs since [`NOW`], and its private part; each seed makes another.
pub(crate) fn signing_key(purpose: KeyPurpose, seed: u64) -> (SigningKeyRecord, SigningKey) {
    let slot = Slot { purpose, algorithm: SignatureAlgorithm::Es256 };
    let id = CredentialId::random(SIGNING_KEY, &mut SeededEntropy::new(seed));
    let pair = SigningKey::generate(slot.algorithm).unwrap().named(id.to_string());
    let record = SigningKeyRecord {
        id,
        slot,
        number: i64::try_from(seed).unwrap(),
        version: 1,
        jwk: pair.public().to_jwk().to_string(),
        created_at: NOW,
        active_at: NOW,
        retired_at: None,
        ends_at: None,
        revoked_at: None,
        rotate_at: NOW.plus(720 * HOUR),
    };
    (record, pair)
}

/// A head with these fields and nothing else.
pub(crate) fn head(headers: &HeaderMap) -> Head<'_> {
    static CONNECTION: LazyLock<Arc<Connection>> = LazyLock::new(|| {
        let version = http::Version::HTTP_11;
        Arc::new(Connection { peer: None, server_name: None, certificate: None, version })
    });
    static TARGET: LazyLock<Uri> = LazyLock::new(Uri::default);
    let (method, target, connection) = (&Method::GET, &*TARGET, &*CONNECTION);
    Head { method, target, headers, connection, key_fields: &[], sets: &NoSets, session: None }
}

pub(crate) fn scopes(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

pub(crate) fn granting(patterns: &str) -> Grantable {
    Grantable::new(patterns.parse().unwrap())
}

pub(crate) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    fields.iter().map(field).fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}

/// An amendment that changes nothing.
pub(crate) fn unchanged(id: CredentialId) -> Amend {
    Amend {
        kind: kind_of(id).unwrap(),
        id,
        name: None,
        scopes: None,
        metadata: None,
        allowances: None,
        allow_from: None,
        expiry: Expiry::Unspecified,
        switch: None,
    }
}

/// A rotation as the operator's defaults have it.
pub(crate) fn rotate(id: CredentialId) -> Rotate {
    Rotate { kind: kind_of(id).unwrap(), id, overlap: None, expiry: Expiry::Unspecified }
}

pub(crate) fn revoke(id: CredentialId) -> Revoke {
    Revoke { kind: kind_of(id).unwrap(), id }
}

pub(crate) fn forget(id: CredentialId) -> Forget {
    Forget { kind: kind_of(id).unwrap(), id }
}

/// Asks for an API key.
pub(crate) fn asking_for_key(prefix: Option<&str>, environment: Environment) -> Condition {
    let prefix = prefix.map(|prefix| prefix.parse().unwrap());
    KeyCriteria { prefix, environment }.condition()
}

/// Somebody who was proven.
pub(crate) struct Caller(Proof);

impl Caller {
    /// Holds a management key of `owner` that can do nothing.
    pub(crate) fn of(owner: &OwnerRecord) -> Self {
        let named = OwnerRecord::new(owner.organisation, owner.organisation, String::new(), NOW);
        let organisation = Arc::new(KnownOwner::new(&named, None));
        let owner = match owner.id == owner.organisation {
            true => organisation,
            false => Arc::new(KnownOwner::new(owner, Some(organisation))),
        };
        let subject = Some(Subject::Owner(owner.id()));
        Self(Proof { subject, owner: Some(owner), ..Self::nobody().0 })
    }

    /// Acts for nobody.
    pub(crate) fn nobody() -> Self {
        Self(Proof {
            credential: Some(CredentialId::random(
                management_key::KIND.id_prefix,
                &mut SeededEntropy::new(5),
            )),
            ..Proof::nothing(management_key::SCHEME)
        })
    }

    pub(crate) fn by(self, scheme: Scheme) -> Self {
        Self(Proof { scheme, ..self.0 })
    }

    pub(crate) fn holding(self, text: &str) -> Self {
        Self(Proof { scopes: Arc::new(scopes(text)), ..self.0 })
    }

    pub(crate) fn granting(self, patterns: &str) -> Self {
        self.evidence(|own| KeyEvidence { grantable: granting(patterns), ..own })
    }

    /// Was made for this audience.
    pub(crate) fn made_for(self, audience: &str) -> Self {
        Self(Proof { audience: Some(audience.into()), ..self.0 })
    }

    /// Holds a key of this prefix, made for this environment.
    pub(crate) fn with_key(self, prefix: &str, environment: Environment) -> Self {
        let prefix = Some(prefix.parse().unwrap());
        self.evidence(|own| KeyEvidence { prefix, environment, ..own })
    }

    fn evidence(self, change: impl FnOnce(KeyEvidence) -> KeyEvidence) -> Self {
        let bare =
            KeyEvidence { prefix: None, environment: Environment::Live, grantable: Grantable::default() };
        let own = self.0.own.0.get::<KeyEvidence>().cloned().unwrap_or(bare);
        Self(Proof { own: Arc::new(Evidence(Arc::new(change(own)))), ..self.0 })
    }

    pub(crate) fn principal(self) -> Principal {
        Principal::assertion(self.0)
    }

    /// May do what is asked.
    pub(crate) fn permit(self) -> Permit {
        let asked = Requirement::Any(vec![Condition::of(self.0.scheme, OwnCriteria::NONE)]);
        let Decision::Permit(permit) = decide(Some(Few::one(self.principal())), &asked) else {
            panic!("not permitted")
        };
        permit
    }
}

/// Runs what never waits.
#[track_caller]
pub(crate) fn at_once<F: Future + Send>(future: F) -> F::Output {
    match pin!(future).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory never waits"),
    }
}

/// A store in memory. It holds to every condition, can be overtaken between a question and a commit, and can break down.
pub(crate) struct Memory {
    peppers: Arc<Peppers>,
    tables: Mutex<Tables>,
    meanwhile: Mutex<VecDeque<Happening>>,
}

/// What another one does.
struct Happening(Box<dyn FnOnce(&mut Tables) + Send>);

/// What is stored.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) owners: BTreeMap<OwnerId, OwnerRecord>,
    pub(crate) credentials: BTreeMap<CredentialId, CredentialRecord>,
    pub(crate) resources: BTreeMap<ResourceId, ResourceRecord>,
    /// Which the settings declare.
    pub(crate) declared: Vec<ResourceId>,
    pub(crate) signing_keys: BTreeMap<CredentialId, SigningKeyRecord>,
    pub(crate) persons: BTreeMap<OwnerId, PersonRecord>,
    pub(crate) memberships: BTreeMap<(OwnerId, OwnerId), Membership>,
    pub(crate) identities: BTreeMap<IdentityName, LinkedIdentity>,
    pub(crate) sealed: Vec<SealedRecord>,
    pub(crate) artifacts: Vec<ArtifactRecord>,
    pub(crate) consents: BTreeMap<CredentialId, ConsentRecord>,
    pub(crate) ended: Vec<EndedToken>,
    pub(crate) incarnation: i64,
    pub(crate) marks: Vec<MarkRecord>,
    pub(crate) taken_over: Vec<TakenOver>,
    /// The first organisation.
    first: Option<OwnerId>,
    /// What every organisation holds beside what is here.
    pub(crate) others: Tally,
    /// The lines that were committed.
    pub(crate) committed: Vec<AuditEvent>,
    /// The lines of refusals that changed nothing.
    pub(crate) filed: Vec<AuditEvent>,
    pub(crate) done: Vec<Due>,
    /// What the use of credentials left behind.
    pub(crate) settled: Vec<Use>,
    /// Which credentials were used.
    pub(crate) used: Vec<CredentialId>,
    /// How many commits are lost, whatever they say.
    pub(crate) losing: usize,
    /// How many questions were asked.
    pub(crate) asked: usize,
    /// Why there is no answer.
    pub(crate) down: Option<Unavailable>,
}

impl Memory {
    fn new(peppers: Arc<Peppers>) -> Self {
        Self { peppers, tables: Mutex::default(), meanwhile: Mutex::default() }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }

    /// Keeps an owner as it is.
    pub(crate) fn keep_owner(&self, owner: &OwnerRecord) {
        let mut tables = self.tables();
        tables.first.get_or_insert(owner.id);
        tables.owners.insert(owner.id, owner.clone());
    }

    /// Keeps a credential as it is.
    pub(crate) fn keep(&self, record: &CredentialRecord) {
        self.tables().credentials.insert(record.id, record.clone());
    }

    /// Changes what is stored of a credential; returns it.
    pub(crate) fn change(
        &self,
        id: CredentialId,
        change: impl FnOnce(&mut CredentialRecord),
    ) -> CredentialRecord {
        let mut tables = self.tables();
        let record = tables.credentials.get_mut(&id).unwrap();
        change(record);
        record.clone()
    }

    /// Returns what is stored of a credential.
    pub(crate) fn stored(&self, id: CredentialId) -> Option<CredentialRecord> {
        self.tables().credentials.get(&id).cloned()
    }

    /// Lets something happen between what is found and what is committed next.
    pub(crate) fn meanwhile(&self, happens: impl FnOnce(&mut Tables) + Send + 'static) {
        self.meanwhile.lock().unwrap().push_back(Happening(Box::new(happens)));
    }

    /// Commits what was decided without a walk; false: a condition does not hold.
    pub(crate) fn take(&self, effects: Vec<Effect>, audits: Vec<AuditEvent>) -> bool {
        self.tables().take_all(effects, audits)
    }

    /// Returns the last line that was committed, and the last that was filed.
    pub(crate) fn lines(&self) -> (Option<AuditEvent>, Option<AuditEvent>) {
        let tables = self.tables();
        (tables.committed.last().cloned(), tables.filed.last().cloned())
    }

    /// Returns what verifiers know.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let (snapshot, tables) = (Snapshot::new(KINDS, Arc::clone(&self.peppers), HOUR), self.tables());
        let (organisations, members): (Vec<_>, Vec<_>) =
            tables.owners.values().cloned().partition(|owner| owner.id == owner.organisation);
        for owner in organisations.into_iter().chain(members) {
            snapshot.apply(&Change::Owner(Box::new(owner)));
        }
        for record in tables.resources.values() {
            let resource = record.resource.clone();
            snapshot.apply(&Change::Resource(resource.id.clone(), Some(Box::new(resource))));
        }
        for record in tables.credentials.values() {
            snapshot.apply(&Change::Credential(Box::new(record.into())));
        }
        snapshot.name_issuer(ISSUER.to_owned());
        snapshot.apply(&Change::Incarnation(tables.incarnation));
        for record in tables.signing_keys.values() {
            snapshot.apply(&Change::SigningKey(Box::new(record.clone())));
        }
        for record in tables.artifacts.iter().filter(|record| record.kind == STORED) {
            let token = StoredClaims::parse(&record.payload).unwrap();
            snapshot.apply(&Change::Token(Box::new(TokenLearned { lookup: record.lookup, token })));
        }
        for record in &tables.ended {
            snapshot.apply(&Change::Ended(*record));
        }
        snapshot
    }
}

impl Tables {
    /// Returns what tokens may be for; the first is the default.
    fn offered(&self) -> Offered {
        let all: Vec<_> = self.resources.values().map(|one| Arc::new(one.resource.clone())).collect();
        Offered { default: all.first().cloned(), all }
    }

    /// Tells whether a use was settled that counts once.
    fn is_marked(&self, asked: &SecretHash) -> bool {
        self.settled.iter().any(|one| matches!(one, Use::Mark { lookup, .. } if lookup == asked))
    }

    /// Returns an owner, and its organisation if that is another.
    fn holder(&self, id: OwnerId) -> Option<Holder> {
        let owner = self.owners.get(&id)?.clone();
        let organisation = self.owners.get(&owner.organisation).filter(|one| one.id != id).cloned();
        Some(Holder { tally: self.tally(owner.organisation), owner, organisation })
    }

    /// Returns the management keys that act for an owner or its members and are not revoked.
    fn management_keys(&self, owner: OwnerId) -> Vec<CredentialRecord> {
        let acts_for = |one: &&CredentialRecord| {
            management_key::KIND.names(one.id)
                && one.revoked_at.is_none()
                && [one.owner, one.organisation].contains(&owner)
        };
        self.credentials.values().filter(acts_for).cloned().collect()
    }

    fn tally(&self, organisation: OwnerId) -> Tally {
        let credential = |one: &&CredentialRecord| one.organisation == organisation;
        let member = |one: &&OwnerRecord| one.organisation == organisation && one.id != organisation;
        Tally {
            credentials: self.others.credentials + count(self.credentials.values().filter(credential)),
            members: self.others.members + count(self.owners.values().filter(member)),
        }
    }

    /// What is kept for an owner.
    fn kept(&self, owner: Option<OwnerId>) -> Counted {
        let of = |one: &&ArtifactRecord| [one.client, Some(one.organisation)].contains(&owner);
        let kept = || self.artifacts.iter().filter(of);
        Counted { tokens: count(kept()), first_end: kept().map(|one| one.expires_at).min() }
    }

    /// Takes all effects and the line, or nothing; false: a condition does not hold.
    fn take_all(&mut self, effects: Vec<Effect>, audits: Vec<AuditEvent>) -> bool {
        let mut next = self.clone();
        let held = effects.into_iter().all(|effect| next.take(effect));
        if held {
            next.committed.extend(audits);
            *self = next;
        }
        held
    }

    fn insert(&mut self, record: Record) -> bool {
        match record {
            Record::Credential(record) => self.credentials.insert(record.id, *record).is_none(),
            Record::Owner(record) => self.owners.insert(record.id, *record).is_none(),
            Record::Resource(record) => self.resources.insert(record.resource.id.clone(), *record).is_none(),
            Record::SigningKey(record) => {
                let taken = self
                    .signing_keys
                    .values()
                    .any(|key| key.slot == record.slot && key.number == record.number);
                self.signing_keys.insert(record.id, *record);
                !taken
            }
            Record::Sealed(record) => {
                self.sealed.push(*record);
                true
            }
            Record::Artifact(record) => {
                self.artifacts.push(*record);
                true
            }
            Record::Consent(record) => {
                let pair = (record.subject, record.client);
                let taken = self.consents.values().any(|one| (one.subject, one.client) == pair);
                self.consents.insert(record.id, *record);
                !taken
            }
            Record::Person(record) => {
                let taken = self.persons.values().any(|one| one.username == record.username);
                !taken && self.persons.insert(record.id, *record).is_none()
            }
            Record::Identity(record) => self.identities.insert(record.name.clone(), *record).is_none(),
            Record::Membership(record) => {
                self.memberships.insert((record.person, record.organisation), *record).is_none()
            }
            Record::Incarnation(_) => panic!("no decision asks for it"),
        }
    }

    fn advance(&mut self, record: Record) -> bool {
        match record {
            Record::SigningKey(next) => {
                let version = next.version;
                let before = self.signing_keys.insert(next.id, *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Incarnation(n) => {
                let raised = n > self.incarnation;
                self.incarnation = n;
                raised
            }
            Record::Credential(next) => {
                let version = next.version;
                let before = self.credentials.insert(next.id, *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Owner(next) => {
                let version = next.version;
                let before = self.owners.insert(next.id, *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Resource(next) => {
                let version = next.version;
                let before = self.resources.insert(next.resource.id.clone(), *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Person(next) => {
                let version = next.version;
                let before = self.persons.insert(next.id, *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Membership(next) => {
                let version = next.version;
                let before = self.memberships.insert((next.person, next.organisation), *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Artifact(next) => {
                let same = |one: &&mut ArtifactRecord| one.kind == next.kind && one.family == next.family;
                let Some(before) = self.artifacts.iter_mut().find(same) else { return false };
                let held = before.version + 1 == next.version;
                *before = *next;
                held
            }
            Record::Consent(next) => {
                let version = next.version;
                let before = self.consents.insert(next.id, *next);
                before.is_some_and(|before| before.version + 1 == version)
            }
            Record::Sealed(_) | Record::Identity(_) => panic!("no decision asks for it"),
        }
    }

    /// Takes an effect; false: its condition does not hold.
    fn take(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Insert(record) => self.insert(record),
            Effect::Advance(record) => self.advance(record),
            Effect::End(ended) => {
                self.ended.push(ended);
                true
            }
            Effect::Revoke { credential, at } => {
                if let Some(record) = self.credentials.get_mut(&credential) {
                    record.revoked_at.get_or_insert(at);
                }
                true
            }
            Effect::Remove(credential) => {
                self.credentials.remove(&credential);
                true
            }
            Effect::Discard { kind, family } => {
                self.artifacts.retain(|one| one.kind != kind || one.family != family);
                true
            }
            Effect::Abandon(session) => {
                self.artifacts.retain(|one| one.parent != Some(session));
                true
            }
            Effect::Withdraw(grant) => {
                self.consents.remove(&grant);
                self.artifacts.retain(|one| one.kind == STORED || one.grant != Some(grant));
                true
            }
            Effect::Undeclare(record) => self.resources.remove(&record.resource.id) == Some(record),
            Effect::Unregister(record) => {
                self.memberships.retain(|(person, _), _| *person != record.id);
                self.consents.retain(|_, consent| consent.subject != record.id);
                self.identities.retain(|_, identity| identity.person != record.id);
                self.persons.remove(&record.id) == Some(*record)
            }
            Effect::Stands(record) => {
                self.consents.get(&record.id).is_some_and(|one| one.version == record.version)
            }
            Effect::Unlink(record) => self.identities.remove(&record.name) == Some(*record),
            Effect::UnlinkAll(person) => {
                self.identities.retain(|_, identity| identity.person != person);
                true
            }
            Effect::Leave(record) => {
                self.memberships.remove(&(record.person, record.organisation)) == Some(record)
            }
            Effect::TakeOver(taken) => {
                let fresh = !self.taken_over.iter().any(|one| one.lookup == taken.lookup);
                self.taken_over.push(taken);
                fresh
            }
            Effect::Within { organisation, kept, most } => kept.of(self.tally(organisation)) < most,
            Effect::Room { owner, until: _, most } => self.kept(Some(owner)).tokens < most,
            Effect::Done(due) => {
                let fresh = !self.done.contains(&due);
                self.done.push(due);
                fresh
            }
            Effect::Mark(mark) => {
                let fresh = !self.marks.iter().any(|one| one.lookup == mark.lookup);
                self.marks.push(mark);
                fresh
            }
        }
    }
}

fn count<T>(rows: impl Iterator<Item = T>) -> u64 {
    rows.map(|_| 1).sum()
}

impl Memory {
    /// Answers a question.
    fn answer<T>(&self, answer: impl FnOnce(&Tables) -> T) -> Result<T, Unavailable> {
        let mut tables = self.tables();
        tables.asked += 1;
        match tables.down.clone() {
            Some(reason) => Err(reason),
            None => Ok(answer(&tables)),
        }
    }
}

impl Ledger for Memory {
    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        self.answer(|_| ())?;
        if let Lookup::HandedOut { kind, by } = question {
            return Ok(Found::HandedOut(self.handed_out(kind, by)));
        }
        let mut found = self.snapshot().look_up(&question);
        if let (Lookup::Client { once: Some(once), .. }, Found::Client(client)) = (question, &mut found) {
            let lookup = self.peppers.current().hash(Purpose::FirstUse, once);
            client.used = if self.tables().is_marked(&lookup) { Used::Before } else { Used::Never };
        }
        Ok(found)
    }

    fn ready(&self) -> Result<(), Unavailable> {
        self.tables().down.clone().map_or(Ok(()), Err)
    }

    async fn settle(&self, now: Timestamp, uses: Vec<Use>) -> Result<Settled, Unavailable> {
        let settled = self.snapshot().settle(now, &uses)?;
        let marked = |one: &Use| matches!(one, Use::Mark { lookup, .. } if self.tables().is_marked(lookup));
        if uses.iter().any(marked) {
            return Ok(Settled::Lost);
        }
        self.tables().settled.extend(uses);
        Ok(settled)
    }

    fn used(&self, principal: &Principal, _: Timestamp) {
        self.tables().used.extend(principal.credential());
    }

    fn file(&self, refusal: AuditEvent) {
        self.tables().filed.push(refusal);
    }
}

impl Find<RecordOf> for Memory {
    async fn find(&self, RecordOf(id): RecordOf) -> Result<Option<CredentialRecord>, Unavailable> {
        self.answer(|tables| tables.credentials.get(&id).cloned())
    }
}

impl Find<KeysOf> for Memory {
    async fn find(&self, KeysOf(slot): KeysOf) -> Result<Vec<SigningKeyRecord>, Unavailable> {
        self.answer(|tables| tables.signing_keys.values().filter(|key| key.slot == slot).cloned().collect())
    }
}

impl Find<IncarnationOf> for Memory {
    async fn find(&self, _: IncarnationOf) -> Result<i64, Unavailable> {
        self.answer(|tables| tables.incarnation)
    }
}

impl Find<TokensOf> for Memory {
    async fn find(&self, TokensOf { client, organisation }: TokensOf) -> Result<KeptTokens, Unavailable> {
        self.answer(|tables| KeptTokens { client: tables.kept(client), tenant: tables.kept(organisation) })
    }
}

impl Find<Nothing> for Memory {
    async fn find(&self, _: Nothing) -> Result<(), Unavailable> {
        self.answer(|_| ())
    }
}

impl Find<MarkOf> for Memory {
    async fn find(&self, MarkOf(lookup): MarkOf) -> Result<Option<MarkRecord>, Unavailable> {
        self.answer(|tables| tables.marks.iter().find(|one| one.lookup == lookup).cloned())
    }
}

impl Find<HolderOf> for Memory {
    async fn find(&self, HolderOf(owner): HolderOf) -> Result<Option<Holder>, Unavailable> {
        self.answer(|tables| tables.holder(owner.or(tables.first)?))
    }
}

impl<A: Question, B: Question> Find<(A, B)> for Memory
where
    Self: Find<A> + Find<B>,
{
    async fn find(&self, (one, other): (A, B)) -> Result<(A::Answer, B::Answer), Unavailable> {
        Ok((self.find(one).await?, self.find(other).await?))
    }
}

impl Find<MadeBy> for Memory {
    async fn find(&self, made: MadeBy) -> Result<u64, Unavailable> {
        self.answer(|tables| match made {
            MadeBy::Credentials { owner, kind } => {
                let is_one = |one: &&CredentialRecord| Some(one.owner) == owner && kind.names(one.id);
                count(tables.credentials.values().filter(is_one))
            }
            MadeBy::Clients(person) => {
                let is_one = |owner: &&OwnerRecord| person.is_some() && owner.registrant == person;
                count(tables.owners.values().filter(is_one))
            }
        })
    }
}

impl Find<Creation> for Memory {
    async fn find(&self, question: Creation) -> Result<FoundCreation, Unavailable> {
        self.answer(|tables| {
            let holder = question.owner.or(tables.first).and_then(|owner| tables.holder(owner));
            let earlier = tables.marks.iter().find(|one| Some(one.lookup) == question.mark).cloned();
            let named = |one: &MarkRecord| one.made.split(' ').next()?.parse().ok();
            let made = earlier.as_ref().and_then(named).and_then(|id| tables.credentials.get(&id).cloned());
            let taken = |one: &&TakenOver| question.digests.contains(&one.digest);
            let taken = tables.taken_over.iter().filter(taken).cloned().collect();
            FoundCreation { holder, earlier, made, taken }
        })
    }
}

impl Find<UseOf> for Memory {
    async fn find(&self, UseOf(id): UseOf) -> Result<FoundUse, Unavailable> {
        let clients = self.snapshot().registered_for(&id);
        self.answer(|tables| FoundUse {
            record: tables.resources.get(&id).cloned(),
            is_of_settings: tables.declared.contains(&id),
            clients,
        })
    }
}

impl Find<ResourceOf> for Memory {
    async fn find(&self, ResourceOf(id): ResourceOf) -> Result<FoundResource, Unavailable> {
        self.answer(|tables| FoundResource {
            record: tables.resources.get(&id).cloned(),
            is_declared: tables.declared.contains(&id),
        })
    }
}

impl Find<Registration> for Memory {
    async fn find(&self, question: Registration) -> Result<FoundRegistration, Unavailable> {
        self.answer(|tables| {
            let holder = question.organisation.or(tables.first).and_then(|owner| tables.holder(owner));
            let earlier = tables.marks.iter().find(|one| Some(one.lookup) == question.mark).cloned();
            let named = |one: &MarkRecord| one.made.split(' ').next()?.parse().ok();
            let made = earlier.as_ref().and_then(named).and_then(|id| tables.owners.get(&id).cloned());
            FoundRegistration { holder, earlier, made, resources: tables.offered() }
        })
    }
}

impl Find<ClientAndSecrets> for Memory {
    async fn find(&self, question: ClientAndSecrets) -> Result<Option<FoundRegistered>, Unavailable> {
        self.answer(|tables| {
            let holder = tables.holder(question.client)?;
            let is_theirs =
                |one: &&CredentialRecord| one.owner == question.client && question.kind.names(one.id);
            let secrets = tables.credentials.values().filter(is_theirs).cloned().collect();
            Some(FoundRegistered { holder, secrets, resources: tables.offered() })
        })
    }
}

impl Tables {
    fn person(&self, id: OwnerId) -> Option<FoundPerson> {
        let (owner, person) = (self.owners.get(&id)?.clone(), self.persons.get(&id)?.clone());
        let organisation = self.owners.get(&owner.organisation)?.clone();
        let is_live = |one: &&Membership| {
            one.person == id
                && self.owners.get(&one.organisation).is_some_and(|one| one.disabled_at.is_none())
        };
        let memberships = self.memberships.values().filter(is_live).cloned().collect();
        Some(FoundPerson { owner, organisation, person, memberships })
    }
}

impl Find<PersonOf> for Memory {
    async fn find(&self, PersonOf(id): PersonOf) -> Result<Option<FoundPerson>, Unavailable> {
        self.answer(|tables| tables.person(id))
    }
}

impl Find<PersonNamed> for Memory {
    async fn find(&self, PersonNamed(name): PersonNamed) -> Result<Option<FoundPerson>, Unavailable> {
        self.answer(|tables| {
            let named = name.meant(tables.persons.values())?;
            tables.person(named)
        })
    }
}

impl Find<LinkOf> for Memory {
    async fn find(&self, LinkOf(asked): LinkOf) -> Result<Option<FoundLink>, Unavailable> {
        let Some(record) = self.find(asked).await? else { return Ok(None) };
        self.answer(|tables| {
            let person = record.subject.and_then(|person| tables.person(person));
            Some(FoundLink { record, person })
        })
    }
}

impl Find<Enrolment> for Memory {
    async fn find(&self, question: Enrolment) -> Result<FoundEnrolment, Unavailable> {
        self.answer(|tables| FoundEnrolment {
            holder: question.organisation.or(tables.first).and_then(|owner| tables.holder(owner)),
            is_taken: tables.persons.values().any(|one| {
                let name: TypedName = question.username.clone().into();
                one.username == question.username || name.is_address_of(one)
            }),
        })
    }
}

impl Find<MembershipOf> for Memory {
    async fn find(&self, asked: MembershipOf) -> Result<FoundMembership, Unavailable> {
        self.answer(|tables| FoundMembership {
            person: tables
                .owners
                .get(&asked.person)
                .filter(|_| tables.persons.contains_key(&asked.person))
                .cloned(),
            organisation: tables.owners.get(&asked.organisation).cloned(),
            membership: tables.memberships.get(&(asked.person, asked.organisation)).cloned(),
        })
    }
}

impl Find<Rotation> for Memory {
    async fn find(&self, Rotation(id): Rotation) -> Result<Option<FoundRotation>, Unavailable> {
        self.answer(|tables| {
            let record = tables.credentials.get(&id)?.clone();
            Some(FoundRotation { holder: tables.holder(record.owner)?, record })
        })
    }
}

impl Find<Installation> for Memory {
    async fn find(&self, _: Installation) -> Result<Option<FoundInstallation>, Unavailable> {
        self.answer(|tables| {
            let holder = tables.holder(tables.first?)?;
            Some(FoundInstallation { management_keys: tables.management_keys(holder.owner.id), holder })
        })
    }
}

impl Find<OwnerAndKeys> for Memory {
    async fn find(&self, OwnerAndKeys(id): OwnerAndKeys) -> Result<Option<FoundOwner>, Unavailable> {
        self.answer(|tables| {
            let management_keys = tables.management_keys(id);
            Some(FoundOwner { owner: tables.owners.get(&id)?.clone(), management_keys })
        })
    }
}

impl Durable for Memory {
    async fn commit(&self, effects: Vec<Effect>, audits: Vec<AuditEvent>) -> Result<Commit, Unavailable> {
        if let Some(happening) = self.meanwhile.lock().unwrap().pop_front() {
            happening.0(&mut self.tables());
        }
        let mut tables = self.tables();
        if let Some(reason) = tables.down.clone() {
            return Err(reason);
        }
        if tables.losing > 0 {
            tables.losing -= 1;
            return Ok(Commit::Lost);
        }
        Ok(if tables.take_all(effects, audits) { Commit::Done } else { Commit::Lost })
    }
}
