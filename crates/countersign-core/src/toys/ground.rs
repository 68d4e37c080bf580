//! What the tables over toys stand on: an edge, with what verifiers know in memory and a store behind it.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method, Uri, Version};
use serde_json::{Map, Value};

use crate::audit::{Actor, AuditEvent};
use crate::carried::{Connection, PeerCertificate, RequestHead};
use crate::change::Change;
use crate::context::{Context, Policy, SeededEntropy};
use crate::decision::{Agreement, Condition, Requirement};
use crate::effect::{Effect, Use};
use crate::environment::Environment;
use crate::exchange::{Action, Admission, NotAdmitted, Reason, admit};
use crate::id::{CredentialId, OwnerKind};
use crate::kind::Kind;
use crate::ledger::{Commit, Durable, Find, Found, Ledger, Lookup, Settled, Unavailable, Used};
use crate::meter::Allowance;
use crate::presentation::recognise;
use crate::principal::Principal;
use crate::question::TokensOf;
use crate::record::{CredentialRecord, OwnerRecord, Terms};
use crate::secret::{Purpose, SecretHash};
use crate::snapshot::Snapshot;
use crate::testing::{Ground, HOUR, NOW, at_once, headers, scopes};
use crate::timestamp::Timestamp;
use crate::token_cap::KeptTokens;

use super::{GATEWAY, KINDS, bearer, connection, thumbprint};

/// What is asked costs so much.
pub(super) const COST: u32 = 3;
/// What each toy may spend in a month.
pub(super) const ROOM: u32 = 100;

const CERTIFICATES: [(u8, &str); 2] = [(1, "cert one"), (2, "cert two")];

/// Two clients of one organisation and one of another, with toys and certificates that bear their names.
pub(super) struct World {
    pub(super) ground: Ground,
    pub(super) one: OwnerRecord,
    pub(super) two: OwnerRecord,
    snapshot: Snapshot,
    meanwhile: Mutex<Option<Happening>>,
}

/// What another one does.
struct Happening(Box<dyn FnOnce(&World) + Send>);

impl World {
    pub(super) fn new() -> Self {
        let mut ground = Ground::new();
        let (home, away) = (ground.organisation.clone(), ground.stranger());
        let one = ground.member(OwnerKind::Client, &home);
        let two = ground.member(OwnerKind::Client, &home);
        let other = ground.member(OwnerKind::Client, &away);
        for (name, owner) in [("one", &one), ("two", &two), ("other", &other), ("test", &one), ("gone", &one)]
        {
            let record = toy(&mut ground, &bearer::KIND, owner, name, &format!("toy_{name}"));
            ground.store.keep(&record);
        }
        for ((byte, name), owner) in CERTIFICATES.into_iter().zip([&one, &two]) {
            let mut record = toy(&mut ground, &connection::KIND, owner, name, &thumbprint(&[byte; 32]));
            record.terms.prefix = name.replace(' ', "_").parse().unwrap();
            ground.store.keep(&record);
        }
        let snapshot = Snapshot::new(&KINDS, Arc::clone(&ground.peppers), HOUR);
        Self { ground, one, two, snapshot, meanwhile: Mutex::default() }
    }

    /// Asks for what `requires` says, with what `carried` says.
    pub(super) fn enter(&self, requires: &str, carried: &str) -> Result<Admission, Unavailable> {
        let requirement = requirement(requires);
        self.ask(&Action { name: "toys.play", requirement: &requirement, shadow: None, cost: COST }, carried)
    }

    /// Asks as an edge does.
    pub(super) fn ask(&self, action: &Action<'_>, carried: &str) -> Result<Admission, Unavailable> {
        let call = Call::of(carried);
        let presentation = match recognise(GATEWAY, &call.head(self.known()), action.requirement) {
            Ok(presentation) => presentation,
            Err(rejection) => {
                let audit = AuditEvent::refused(NOW, action.name, Actor::UNVERIFIED, rejection.code());
                let refused = NotAdmitted { reason: Reason::Rejected(rejection), audit };
                return Ok(Admission { answer: Err(Box::new(refused)), shadow: None });
            }
        };
        self.walk(|context| at_once(admit(self, context, action, &presentation, None)))
    }

    /// Takes a walk at [`NOW`].
    pub(super) fn walk<T>(&self, walk: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let (mut entropy, policy) = (SeededEntropy::new(7), Policy::default());
        let peppers = &self.ground.peppers;
        walk(&mut Context { now: NOW, entropy: &mut entropy, peppers, policy: &policy, address: None })
    }

    /// Returns what verifiers know, of everything that is stored.
    pub(super) fn known(&self) -> &Snapshot {
        let tables = self.ground.store.tables();
        self.snapshot.begin_load(tables.credentials.len());
        let (organisations, members): (Vec<_>, Vec<_>) =
            tables.owners.values().cloned().partition(|owner| owner.id == owner.organisation);
        for owner in organisations.into_iter().chain(members) {
            self.snapshot.apply(&Change::Owner(Box::new(owner)));
        }
        for record in tables.credentials.values() {
            self.snapshot.apply(&Change::Credential(Box::new(record.into())));
        }
        self.snapshot.end_load();
        &self.snapshot
    }

    /// Lets something happen between what is found and what is settled or committed next.
    pub(super) fn meanwhile(&self, happens: impl FnOnce(&Self) + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Happening(Box::new(happens)));
    }

    /// Returns the credential of this name.
    pub(super) fn named(&self, name: &str) -> CredentialRecord {
        let tables = self.ground.store.tables();
        tables.credentials.values().find(|record| record.terms.name == name).unwrap().clone()
    }

    /// Returns how much the credential of this name has left.
    pub(super) fn left(&self, name: &str) -> u64 {
        let text = CERTIFICATES.iter().find(|(_, one)| *one == name);
        let text = text.map_or_else(|| format!("toy_{name}"), |(byte, _)| thumbprint(&[*byte; 32]));
        let known = self.known().find(self.named(name).id.prefix(), &text).unwrap();
        let charge = self.snapshot.meters().charge(known.metered.as_ref().unwrap(), NOW, 0).unwrap();
        charge.levels.first().unwrap().remaining
    }

    /// Returns the mark of what counts once.
    pub(super) fn mark(&self, once: &str) -> SecretHash {
        self.ground.peppers.current().hash(Purpose::FirstUse, once)
    }

    /// Lets happen what happens before the next settlement or commit; true: that is lost, whatever it says.
    fn overtaken(&self) -> Result<bool, Unavailable> {
        let happening = self.meanwhile.lock().unwrap().take();
        if let Some(Happening(happens)) = happening {
            happens(self);
        }
        self.ready()?;
        let mut tables = self.ground.store.tables();
        let losing = tables.losing > 0;
        tables.losing = tables.losing.saturating_sub(1);
        Ok(losing)
    }
}

impl Ledger for World {
    fn ready(&self) -> Result<(), Unavailable> {
        self.ground.store.tables().down.clone().map_or(Ok(()), Err)
    }

    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        self.ready()?;
        self.ground.store.tables().asked += 1;
        let Lookup::Once(once) = question else { return Ok(self.known().look_up(&question)) };
        let mark = self.mark(once);
        let marked = self.ground.store.tables().marks.iter().any(|one| one.lookup == mark);
        Ok(Found::Once(if marked { Used::Before } else { Used::Never }))
    }

    async fn settle(&self, now: Timestamp, uses: Vec<Use>) -> Result<Settled, Unavailable> {
        if self.overtaken()? {
            return Ok(Settled::Lost);
        }
        let settled = self.known().settle(now, &uses)?;
        self.ground.store.tables().settled.extend(uses);
        Ok(settled)
    }

    fn used(&self, principal: &Principal, _: Timestamp) {
        self.ground.store.tables().used.extend(principal.credential());
    }

    fn file(&self, refusal: AuditEvent) {
        self.ground.store.file(refusal);
    }
}

impl Find<TokensOf> for World {
    async fn find(&self, question: TokensOf) -> Result<KeptTokens, Unavailable> {
        self.ground.store.find(question).await
    }
}

impl Durable for World {
    async fn commit(&self, effects: Vec<Effect>, audits: Vec<AuditEvent>) -> Result<Commit, Unavailable> {
        let lost = self.overtaken()? || !self.ground.store.take(effects, audits);
        Ok(if lost { Commit::Lost } else { Commit::Done })
    }
}

/// A credential that is found by `text`, with a room of [`ROOM`].
fn toy(ground: &mut Ground, kind: &Kind, owner: &OwnerRecord, name: &str, text: &str) -> CredentialRecord {
    let environment = if name == "test" { Environment::Test } else { Environment::Live };
    let prefix = (kind.default_prefix)(environment).parse().unwrap();
    let mut terms = Terms::new(name.into(), prefix, environment, scopes("a b"));
    let (name_of_limit, every) = ("room".parse().unwrap(), "month".parse().unwrap());
    terms.allowances = vec![Allowance { name: name_of_limit, amount: ROOM, every }];
    let id = CredentialId::random(kind.id_prefix, &mut ground.entropy);
    let lookup = ground.peppers.current().hash(Purpose::Credential, text);
    let revoked_at = (name == "gone").then_some(NOW);
    CredentialRecord { id, lookup, revoked_at, ..CredentialRecord::draft(kind.id_prefix, owner, None, terms) }
}

/// Reads `environment=test; scope=a b`.
fn settings(text: &str) -> Map<String, Value> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.into()));
    text.split(';').filter_map(pair).collect()
}

/// Reads `any bearer(…), connection(…)`, `all …`, and `all-org …` where one organisation is enough.
pub(super) fn requirement(text: &str) -> Requirement {
    let (how, list) = text.split_once(' ').unwrap();
    let condition = |text: &str| match text.trim_end_matches(')').split_once('(').unwrap() {
        ("bearer", inside) => bearer::KIND.condition(&settings(inside)).unwrap(),
        ("connection", inside) => connection::KIND.condition(&settings(inside)).unwrap(),
        ("anonymous", _) => Condition::anonymous(),
        (other, _) => panic!("{other}"),
    };
    let conditions = list.split(", ").map(condition).collect();
    match how {
        "any" => Requirement::Any(conditions),
        "all" => Requirement::All(conditions, Agreement::Owner),
        "all-org" => Requirement::All(conditions, Agreement::Organisation),
        other => panic!("{other}"),
    }
}

/// What a request carries.
pub(super) struct Call {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    pub(super) connection: Arc<Connection>,
}

impl Call {
    /// Reads `bearer x | x-api-key y | cert 1`.
    pub(super) fn of(text: &str) -> Self {
        let mut certificate = None;
        let mut fields = Vec::new();
        for (name, value) in text.split(" | ").filter_map(|one| one.split_once(' ')) {
            match name {
                "cert" => {
                    let thumbprint = [value.parse().unwrap(); 32];
                    certificate = Some(PeerCertificate { der: Box::default(), thumbprint });
                }
                "bearer" => fields.push(("authorization", format!("Bearer {value}"))),
                field => fields.push((field, value.to_owned())),
            }
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let connection = Connection { peer: None, server_name: None, certificate, version: Version::HTTP_11 };
        let (method, target) = (Method::GET, Uri::from_static("/"));
        Self { method, target, headers: headers(&fields), connection: Arc::new(connection) }
    }

    pub(super) fn head<'a>(&'a self, sets: &'a Snapshot) -> RequestHead<'a> {
        let Self { method, target, headers, connection } = self;
        RequestHead { method, target, headers, connection, key_fields: &[], sets, session: None }
    }
}
