//! A gateway with a snapshot filled by hand, an upstream behind it and a client before it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::api_key;
use countersign_core::api_key::KeyCriteria;
use countersign_core::change::Change;
use countersign_core::context::{Clock, Entropy, Policy, SeededEntropy};
use countersign_core::decision::{Condition, Requirement};
use countersign_core::environment::Environment;
use countersign_core::id::{CredentialId, OwnerId, OwnerKind};
use countersign_core::key_string::KeyString;
use countersign_core::kinds::KINDS;
use countersign_core::ledger::Unavailable;
use countersign_core::record::{CredentialRecord, OwnerRecord, Terms};
use countersign_core::secret::{Pepper, Peppers, Secret};
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::{Monotonic, Timestamp};
use countersign_edge::limits::Limits;
use countersign_edge::listen::bind;
use countersign_edge::metrics::Metrics;
use countersign_gateway::address::HealthCheck;
use countersign_gateway::assertions::Signs;
use countersign_gateway::foreign_issuer::ForeignIssuers;
use countersign_gateway::gateway::{Gateway, GatewayConfig, GatewayListener};
use countersign_gateway::report::{Report, queue};
use countersign_gateway::resolve::Resolve;
use countersign_gateway::resource::Identity;
use countersign_gateway::route::{Protocol, Route, RouteTable, Trust};
use countersign_gateway::sources::Refresh;
use countersign_gateway::upstream::{Upstream, UpstreamLimits};
use countersign_gateway::web::NoWeb;
use countersign_jose::jwk::SigningKey;

use crate::client::{Answer, Client};
use crate::fake_upstream::FakeUpstream;

/// The longest that any read of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const NOW: i64 = 1_800_000_000_000;

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub(crate) struct StillClock(AtomicI64);

impl StillClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW + self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::SeqCst))
    }
}

/// A feed that brings what a test has prepared.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) asked: AtomicUsize,
    pub(crate) changes: Mutex<Vec<Change>>,
    pub(crate) snapshot: Mutex<Option<Arc<Snapshot>>>,
}

impl Refresh for Prepared {
    fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let snapshot = self.snapshot.lock().unwrap().clone().unwrap();
        for change in self.changes.lock().unwrap().drain(..) {
            snapshot.apply(&change);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a name is, as a test says.
#[derive(Default)]
pub(crate) struct Names(Mutex<Vec<IpAddr>>);

impl Names {
    pub(crate) fn of(addresses: &[&str]) -> Arc<Self> {
        let names = Arc::<Self>::default();
        names.moves_to(addresses);
        names
    }

    pub(crate) fn moves_to(&self, addresses: &[&str]) {
        *self.0.lock().unwrap() = addresses.iter().map(|text| text.parse().unwrap()).collect();
    }
}

impl Resolve for Names {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        assert_eq!(host, "orders.test");
        let found = self.0.lock().unwrap().clone();
        let found = if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) };
        Box::pin(std::future::ready(found))
    }
}

/// Signs with the key that a test has given it, and counts.
#[derive(Default)]
pub(crate) struct Signer {
    pub(crate) key: Mutex<Option<Arc<SigningKey>>>,
    pub(crate) asked: AtomicUsize,
}

impl Signs for Signer {
    fn signer(&self) -> Option<Arc<SigningKey>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.key.lock().unwrap().clone()
    }
}

/// Everything that a test needs.
pub(crate) struct World {
    pub(crate) gateway: Option<Gateway>,
    pub(crate) address: SocketAddr,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) peppers: Arc<Peppers>,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) feed: Arc<Prepared>,
    pub(crate) upstream: FakeUpstream,
    pub(crate) reports: tokio::sync::mpsc::Receiver<Report>,
    pub(crate) metrics: Arc<Metrics>,
    routes: Arc<ArcSwap<RouteTable>>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) owner: OwnerRecord,
}

pub(crate) fn route(name: &str, pattern: &str, requirement: Requirement) -> Route {
    Route {
        name: name.into(),
        pattern: pattern.into(),
        methods: None,
        hosts: None,
        upstream: 0,
        requirement,
        shadow: None,
        forward_credential: false,
        preserve_host: false,
        cost: 1,
        upgrade: Vec::new(),
    }
}

pub(crate) fn api_key(scopes: &str) -> Condition {
    KeyCriteria::default().condition().holding(scopes.parse().unwrap())
}

pub(crate) fn any(condition: Condition) -> Requirement {
    Requirement::Any(vec![condition])
}

/// `/open/…` for everybody, `/passed/…` with the credential passed on, the rest for keys with `orders:read`.
pub(crate) fn routes() -> Vec<Route> {
    let anonymous = || any(Condition::anonymous());
    let mut passed = route("passed", "/passed/{**}", anonymous());
    passed.forward_credential = true;
    let mut socket = route("socket", "/ws/{**}", any(api_key("orders:read")));
    socket.upgrade = vec![Protocol::WebSocket];
    let mut reading = route("reading", "/get-only", any(api_key("")));
    reading.methods = Some(vec![http::Method::GET]);
    vec![
        route("open", "/open/{**}", anonymous()),
        passed,
        reading,
        socket,
        route("settle", "/settle/{**}", any(api_key("settle"))),
        route("all", "/{**}", any(api_key("orders:read"))),
    ]
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), UpstreamLimits::default())
    }

    pub(crate) fn with(limits: Limits, upstream_limits: UpstreamLimits) -> Self {
        let upstream = FakeUpstream::start();
        Self::on(upstream, limits, upstream_limits)
    }

    pub(crate) fn on(upstream: FakeUpstream, limits: Limits, upstream_limits: UpstreamLimits) -> Self {
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new()));
        let snapshot = Arc::new(Snapshot::new(KINDS, Arc::clone(&peppers), Duration::from_secs(5)));
        let clock = Arc::new(StillClock::default());
        let feed = Arc::new(Prepared::default());
        *feed.snapshot.lock().unwrap() = Some(Arc::clone(&snapshot));
        let owner = owner(1);
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        snapshot.mark_fresh(Monotonic(0));
        let url = format!("http://{}", upstream.address).parse().unwrap();
        let origin = Arc::new(Upstream::new("orders", &url, None).unwrap());
        let table = RouteTable::new(routes(), vec![origin], Trust::default()).unwrap();
        let routes = Arc::new(ArcSwap::from_pointee(table));
        let (sink, reports) = queue(10_000);
        let metrics = Arc::new(Metrics::new());
        let socket = bind("gateway-listen", "127.0.0.1:0".parse().unwrap()).unwrap();
        let signer = Arc::<Signer>::default();
        let gateway = Gateway::start(GatewayConfig {
            listeners: vec![GatewayListener { name: "gateway", socket, tls: None }],
            workers: 2,
            routes: Arc::clone(&routes),
            identity: identity(),
            signs: Arc::<Signer>::clone(&signer),
            web: Arc::new(NoWeb),
            hosts: None,
            snapshot: Arc::clone(&snapshot),
            feed: Arc::<Prepared>::clone(&feed),
            clock: Arc::<StillClock>::clone(&clock),
            entropy: Arc::new(seeded),
            policy: Arc::new(Policy::default()),
            metrics: Arc::clone(&metrics),
            sink: Arc::new(sink),
            limits,
            upstream_limits,
        })
        .unwrap();
        let address = gateway.addresses()[0];
        let gateway = Some(gateway);
        Self {
            gateway,
            address,
            snapshot,
            peppers,
            clock,
            feed,
            upstream,
            reports,
            metrics,
            routes,
            signer,
            owner,
        }
    }

    /// Makes a key that holds `orders:read`, and tells the verifiers.
    pub(crate) fn key(&self, seed: u64) -> (CredentialRecord, String) {
        self.key_with(seed, |_| {})
    }

    pub(crate) fn key_with(
        &self,
        seed: u64,
        change: impl FnOnce(&mut CredentialRecord),
    ) -> (CredentialRecord, String) {
        let (mut record, text) = self.unknown_key(seed);
        change(&mut record);
        self.tell(&record);
        (record, text)
    }

    /// Makes a key that the verifiers do not know.
    pub(crate) fn unknown_key(&self, seed: u64) -> (CredentialRecord, String) {
        let mut entropy = SeededEntropy::new(seed);
        let prefix = "cs_live".parse().unwrap();
        let key = KeyString::mint(&prefix, &mut entropy);
        let record = CredentialRecord {
            id: CredentialId::random(api_key::KIND.id_prefix, &mut entropy),
            lookup: key.hash(self.peppers.current()),
            pepper: 1,
            organisation: self.owner.id,
            owner: self.owner.id,
            version: 1,
            created_at: Timestamp::from_millis(0),
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            last_used_at: None,
            terms: Terms {
                hint: key.hint(),
                ..Terms::new("ci".into(), prefix, Environment::Live, "orders:read".parse().unwrap())
            },
        };
        (record, key.into_secret().expose().clone())
    }

    pub(crate) fn tell(&self, record: &CredentialRecord) {
        self.snapshot.apply(&Change::Credential(Box::new(record.into())));
    }

    pub(crate) fn replace_routes(&self, routes: Vec<Route>) {
        let upstreams = self.routes.load().upstreams().to_vec();
        self.routes.store(Arc::new(RouteTable::new(routes, upstreams, Trust::default()).unwrap()));
    }

    /// Decides by other routes, which may take the tokens of `issuers`.
    pub(crate) fn replace_with_issuers(&self, routes: Vec<Route>, issuers: ForeignIssuers) {
        let upstreams = self.routes.load().upstreams().to_vec();
        let trust = Trust { issuers, ..Trust::default() };
        self.routes.store(Arc::new(RouteTable::new(routes, upstreams, trust).unwrap()));
    }

    /// Puts a second upstream at `address` behind `pattern`, for everybody.
    pub(crate) fn add_upstream(&self, pattern: &str, address: SocketAddr) {
        let url = format!("http://{address}").parse().unwrap();
        let mut upstreams = self.routes.load().upstreams().to_vec();
        upstreams.push(Arc::new(Upstream::new("other", &url, None).unwrap()));
        let mut other = route("other", pattern, any(Condition::anonymous()));
        other.upstream = 1;
        let all: Vec<_> = std::iter::once(other).chain(routes()).collect();
        self.routes.store(Arc::new(RouteTable::new(all, upstreams, Trust::default()).unwrap()));
    }

    /// Puts an upstream behind all routes that has a name, which `resolver` looks up.
    pub(crate) fn replace_by_name(&self, port: u16, resolver: &Arc<Names>, health: Option<HealthCheck>) {
        let url = format!("http://orders.test:{port}").parse().unwrap();
        let upstream = Upstream::of_several("orders", &[url], None, health).unwrap();
        let upstream = Arc::new(upstream.resolved_by(Arc::<Names>::clone(resolver)));
        self.routes.store(Arc::new(RouteTable::new(routes(), vec![upstream], Trust::default()).unwrap()));
    }

    /// Puts an upstream at `addresses` behind all routes.
    pub(crate) fn replace_upstream(&self, addresses: &[SocketAddr], health: Option<HealthCheck>) {
        let urls: Vec<_> =
            addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect();
        let upstream = Arc::new(Upstream::of_several("orders", &urls, None, health).unwrap());
        self.routes.store(Arc::new(RouteTable::new(routes(), vec![upstream], Trust::default()).unwrap()));
    }

    pub(crate) fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// Sends one request on a connection of its own.
    pub(crate) fn get(&self, path: &str, fields: &[&str]) -> Answer {
        self.connect().get(path, fields)
    }

    /// Ends the gateway in order and returns how many connections were cut.
    pub(crate) fn shutdown(&mut self, limit: Duration) -> usize {
        let gateway = self.gateway.take().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(gateway.shutdown(limit))
    }
}

/// What the installation of the tests calls itself.
pub(crate) fn identity() -> Identity {
    Identity { issuer: "https://auth.example.com".into(), resource: "https://api.example.com".into() }
}

fn seeded() -> Box<dyn Entropy> {
    Box::new(SeededEntropy::new(7))
}

fn owner(seed: u64) -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(seed));
    OwnerRecord::new(id, id, "acme".into(), Timestamp::from_millis(0))
}
