//! A gateway with a snapshot filled by hand, an upstream that says what it was told, and a client of raw bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::context::{Clock, Entropy, Policy, SeededEntropy};
use countersign_core::decision::{Condition, Requirement};
use countersign_core::environment::Environment;
use countersign_core::id::{CredentialId, CredentialKind, OwnerId, OwnerKind};
use countersign_core::key_string::KeyString;
use countersign_core::ledger::Unavailable;
use countersign_core::principal::Scheme;
use countersign_core::record::{CredentialRecord, OwnerRecord, Terms};
use countersign_core::secret::{Pepper, Peppers, Secret};
use countersign_core::snapshot::{Change, Snapshot};
use countersign_core::timestamp::{Monotonic, Timestamp};
use countersign_edge::limits::Limits;
use countersign_edge::listen::bind;
use countersign_edge::metrics::Metrics;
use countersign_gateway::address::HealthCheck;
use countersign_gateway::gateway::{Gateway, GatewayConfig, GatewayListener};
use countersign_gateway::ledger::Feed;
use countersign_gateway::report::{Report, queue};
use countersign_gateway::route::{Protocol, Route, RouteTable};
use countersign_gateway::upstream::{Upstream, UpstreamLimits};

/// The longest that any read of a test may take.
const PATIENCE: Duration = Duration::from_secs(20);

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

impl Feed for Prepared {
    fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let snapshot = self.snapshot.lock().unwrap().clone().unwrap();
        for change in self.changes.lock().unwrap().drain(..) {
            snapshot.apply(&change);
        }
        Box::pin(std::future::ready(Ok(())))
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
        cost: 1,
        upgrade: Vec::new(),
    }
}

pub(crate) fn api_key(scopes: &str) -> Condition {
    Condition { scopes: scopes.parse().unwrap(), ..Condition::of(Scheme::ApiKey) }
}

pub(crate) fn any(condition: Condition) -> Requirement {
    Requirement::Any(vec![condition])
}

/// `/open/…` for everybody, `/passed/…` with the credential passed on, the rest for keys with `orders:read`.
pub(crate) fn routes() -> Vec<Route> {
    let anonymous = || any(Condition::of(Scheme::Anonymous));
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
        let snapshot = Arc::new(Snapshot::new(Arc::clone(&peppers), Duration::from_secs(5)));
        let clock = Arc::new(StillClock::default());
        let feed = Arc::new(Prepared::default());
        *feed.snapshot.lock().unwrap() = Some(Arc::clone(&snapshot));
        let owner = owner(1);
        snapshot.apply(&Change::Owner(Box::new(owner.clone())));
        snapshot.mark_fresh(Monotonic(0));
        let url = format!("http://{}", upstream.address).parse().unwrap();
        let origin = Arc::new(Upstream::new("orders", &url, None).unwrap());
        let table = RouteTable::new(routes(), vec![origin]).unwrap();
        let routes = Arc::new(ArcSwap::from_pointee(table));
        let (sink, reports) = queue(10_000);
        let metrics = Arc::new(Metrics::new());
        let socket = bind("gateway-listen", "127.0.0.1:0".parse().unwrap()).unwrap();
        let gateway = Gateway::start(GatewayConfig {
            listeners: vec![GatewayListener { name: "gateway", socket, tls: None }],
            workers: 2,
            routes: Arc::clone(&routes),
            hosts: None,
            trusted: Default::default(),
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
        Self { gateway, address, snapshot, peppers, clock, feed, upstream, reports, metrics, routes, owner }
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
            id: CredentialId::random(CredentialKind::ApiKey, &mut entropy),
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
        self.snapshot.apply(&Change::Credential(Box::new(record.clone())));
    }

    pub(crate) fn replace_routes(&self, routes: Vec<Route>) {
        let upstreams = self.routes.load().upstreams().to_vec();
        self.routes.store(Arc::new(RouteTable::new(routes, upstreams).unwrap()));
    }

    /// Puts an upstream at `addresses` behind all routes.
    pub(crate) fn replace_upstream(&self, addresses: &[SocketAddr], health: Option<HealthCheck>) {
        let urls: Vec<_> =
            addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect();
        let upstream = Arc::new(Upstream::of_several("orders", &urls, None, health).unwrap());
        self.routes.store(Arc::new(RouteTable::new(routes(), vec![upstream]).unwrap()));
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

fn seeded() -> Box<dyn Entropy> {
    Box::new(SeededEntropy::new(7))
}

fn owner(seed: u64) -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(seed));
    let created_at = Timestamp::from_millis(0);
    OwnerRecord { id, organisation: id, name: "acme".into(), version: 1, created_at, disabled_at: None }
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the body arrived whole.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The upstream's own account of what it received.
    #[track_caller]
    pub(crate) fn echoed(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        &self.body
    }

    /// The answer without what differs between events: date and instance.
    pub(crate) fn without_instance(&self) -> String {
        let start = self.body.find(",\"instance\"").expect("an instance");
        let head: Vec<_> = self.head.lines().filter(|line| !line.starts_with("date")).collect();
        format!("{}{}", head.join("\n"), self.body.get(..start).unwrap())
    }
}

/// A client that sends exactly the bytes it is given.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, pending: Vec::new() }
    }

    pub(crate) fn get(&mut self, path: &str, fields: &[&str]) -> Answer {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n"));
        self.receive()
    }

    /// Sends bytes; a gateway that has already answered and closed is no failure.
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).ok();
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer in time: {error}"),
        }
    }

    /// Reads `text` and nothing else; false if the connection ended before.
    pub(crate) fn reads(&mut self, text: &str) -> bool {
        while self.pending.len() < text.len() && self.more() {}
        let read: Vec<u8> = self.pending.drain(..).collect();
        read == text.as_bytes()
    }

    /// Tells whether the gateway closes without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        !self.more() && self.pending.is_empty()
    }

    /// Waits for the head of an answer, and leaves it to be received.
    pub(crate) fn read_head(&mut self) {
        while find(&self.pending, b"\r\n\r\n").is_none() {
            assert!(self.more(), "closed inside the head");
        }
    }

    pub(crate) fn receive(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = find(&self.pending, b"\r\n\r\n") {
                break end;
            }
            assert!(self.more(), "closed inside the head: {:?}", String::from_utf8_lossy(&self.pending));
        };
        let head = String::from_utf8(self.pending.drain(..end + 4).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new(), whole: true };
        if answer.field("transfer-encoding") == Some("chunked") {
            self.chunks(&mut answer);
            return answer;
        }
        let length: usize = answer.field("content-length").map_or(0, |text| text.parse().unwrap());
        while self.pending.len() < length {
            if !self.more() {
                answer.whole = false;
                break;
            }
        }
        let end = length.min(self.pending.len());
        answer.body = String::from_utf8(self.pending.drain(..end).collect()).unwrap();
        answer
    }

    fn chunks(&mut self, answer: &mut Answer) {
        loop {
            while let Some(end) = find(&self.pending, b"\r\n") {
                let size = usize::from_str_radix(str::from_utf8(&self.pending[..end]).unwrap(), 16).unwrap();
                if self.pending.len() < end + 2 + size + 2 {
                    break;
                }
                let chunk: Vec<u8> = self.pending.drain(..end + 2 + size + 2).collect();
                if size == 0 {
                    return;
                }
                answer.body.push_str(str::from_utf8(&chunk[end + 2..end + 2 + size]).unwrap());
            }
            if !self.more() {
                answer.whole = false;
                return;
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// An upstream whose answer is the request it received, unless the path asks for mischief.
pub(crate) struct FakeUpstream {
    pub(crate) address: SocketAddr,
    /// Every head that was received.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// Whether `/healthz` is answered with 503.
    pub(crate) unwell: Arc<AtomicBool>,
    /// Connections that were accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    /// Rings when a request for `/…/wait` has arrived; what is sent back lets it be answered.
    pub(crate) waiting: mpsc::Receiver<mpsc::Sender<()>>,
    /// Rings when a connection on which `/…/hang` waits was closed by the gateway.
    pub(crate) gone: mpsc::Receiver<()>,
}

impl FakeUpstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (ring, waiting) = mpsc::channel();
        let (hung_up, gone) = mpsc::channel();
        let unwell = Arc::new(AtomicBool::new(false));
        let (kept, counted, told) = (Arc::clone(&seen), Arc::clone(&connections), Arc::clone(&unwell));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (seen, ring, hung_up) = (Arc::clone(&kept), ring.clone(), hung_up.clone());
                let unwell = Arc::clone(&told);
                let exchange = Exchange { stream, pending: Vec::new(), seen, unwell, ring, hung_up };
                std::thread::spawn(move || exchange.run());
            }
        });
        Self { address, seen, unwell, connections, waiting, gone }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

const EVENT: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n4\r\none\n\r\n";

/// One connection of the upstream.
struct Exchange {
    stream: TcpStream,
    pending: Vec<u8>,
    seen: Arc<Mutex<Vec<String>>>,
    unwell: Arc<AtomicBool>,
    ring: mpsc::Sender<mpsc::Sender<()>>,
    hung_up: mpsc::Sender<()>,
}

impl Exchange {
    /// Answers until the gateway closes, or mischief ends the connection.
    fn run(mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        while self.request().and_then(|(path, text)| self.answer(&path, &text)).is_some() {}
    }

    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                Some(())
            }
        }
    }

    /// Reads a request: its target, and its whole text.
    fn request(&mut self) -> Option<(String, String)> {
        let end = loop {
            if let Some(end) = find(&self.pending, b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.pending[..end]).into_owned();
        self.seen.lock().unwrap().push(head.clone());
        if head.contains("transfer-encoding: chunked") {
            return self.chunked(&head, end);
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let end = end + length.map_or(0, |text| text.parse::<usize>().unwrap());
        while self.pending.len() < end {
            self.more()?;
        }
        let text = String::from_utf8_lossy(&self.pending.drain(..end).collect::<Vec<_>>()).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        Some((path, text))
    }

    /// Reads up to the last chunk; the echo shows the chunks as they came.
    fn chunked(&mut self, head: &str, end: usize) -> Option<(String, String)> {
        let last = loop {
            if let Some(last) = find(&self.pending[end..], b"0\r\n\r\n") {
                break end + last + 5;
            }
            self.more()?;
        };
        let text = String::from_utf8_lossy(&self.pending.drain(..last).collect::<Vec<_>>()).into_owned();
        Some((head.split(' ').nth(1).unwrap_or_default().to_owned(), text))
    }

    /// Answers as the path asks; `None`: the connection is over.
    fn answer(&mut self, path: &str, text: &str) -> Option<()> {
        let (answer, goes_on) = match path.rsplit('/').next().unwrap_or_default() {
            "healthz" if self.unwell.load(Ordering::SeqCst) => {
                ("HTTP/1.1 503 Unwell\r\ncontent-length: 0\r\n\r\n", true)
            }
            "close" => return None,
            "garbage" => ("this is no HTTP\r\n\r\n", false),
            "cut" => ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this", false),
            "cut-chunk" => ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nonly\r\n", false),
            "switch" => {
                ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", false)
            }
            // Answers, and closes without having said so: the next request meets a stale connection.
            "last" => ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
            "surplus" => (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray",
                true,
            ),
            "telling" => (
                "HTTP/1.1 200 OK\r\ncountersign-subject: org_admin\r\nkeep-alive: x\r\ncontent-length: 2\r\n\r\nok",
                true,
            ),
            "hang" => {
                assert!(self.more().is_none(), "the gateway closes");
                self.hung_up.send(()).ok();
                return None;
            }
            "wait" => {
                self.wait_for_go();
                return self.echo(text);
            }
            // One event, then nothing until the gateway closes.
            "endless" => {
                self.stream.write_all(EVENT.as_bytes()).ok()?;
                return self.until_closed();
            }
            // One event, and the end when the test says so.
            "events" => {
                self.stream.write_all(EVENT.as_bytes()).ok()?;
                self.wait_for_go();
                ("0\r\n\r\n", true)
            }
            "socket" if text.contains("upgrade: websocket") => return self.socket(),
            "late-socket" => {
                self.wait_for_go();
                self.stream.set_nonblocking(true).unwrap();
                if !self.pending.is_empty() || self.stream.peek(&mut [0; 1]).is_ok() {
                    return None;
                }
                self.stream.set_nonblocking(false).unwrap();
                return self.socket();
            }
            _ => return self.echo(text),
        };
        self.stream.write_all(answer.as_bytes()).ok().filter(|()| goes_on)
    }

    fn wait_for_go(&self) {
        let (go, gone) = mpsc::channel();
        self.ring.send(go).ok();
        gone.recv_timeout(PATIENCE).ok();
    }

    /// Rings when the gateway has closed.
    fn until_closed(&mut self) -> Option<()> {
        while self.more().is_some() {}
        self.hung_up.send(()).ok();
        None
    }

    /// Switches protocols, and says back what it is told.
    fn socket(&mut self) -> Option<()> {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        self.stream.write_all(head.as_bytes()).ok()?;
        while self.more().is_some() {
            let told: Vec<u8> = self.pending.drain(..).collect();
            self.stream.write_all(&told).ok()?;
        }
        self.hung_up.send(()).ok();
        None
    }

    fn echo(&mut self, text: &str) -> Option<()> {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        self.stream.write_all(answer.as_bytes()).ok()
    }
}
