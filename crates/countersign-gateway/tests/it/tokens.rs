//! Tokens of a foreign issuer: a real little server, and everything that it may do wrong.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::decision::{Issuer, Requirement};
use countersign_core::foreign_token::KIND;
use countersign_core::resource::{Declared, Resource, SigningAlgorithm};
use countersign_egress::address::{AddressPolicy, Purpose};
use countersign_egress::client::{CallLimits, Egress};
use countersign_egress::resolve::System;
use countersign_gateway::foreign_issuer::{ForeignIssuers, ForeignKeys};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::client::{Answer, find};
use crate::support::{NOW, PATIENCE, StillClock, World, route};

const METADATA: &str = "/.well-known/openid-configuration";
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
const AUDIENCE: &str = "https://api.example.com/orders";

/// What the issuer says at a path.
#[derive(Debug, Clone)]
enum Says {
    /// This document.
    Json(Value),
    /// These bytes.
    Raw(String),
    /// Nothing, for ever.
    Hangs,
    /// Much more than anybody reads.
    Endless,
}

/// An issuer on loopback.
struct FakeIssuer {
    address: SocketAddr,
    says: Arc<Mutex<HashMap<String, Says>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeIssuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (says, asked) =
            (Arc::<Mutex<HashMap<String, Says>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (told, heard) = (Arc::clone(&says), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (told, heard) = (Arc::clone(&told), Arc::clone(&heard));
                std::thread::spawn(move || converse(stream, &told, &heard));
            }
        });
        let issuer = Self { address, says, asked };
        issuer.says(METADATA, Says::Json(issuer.metadata()));
        issuer
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn metadata(&self) -> Value {
        json!({ "issuer": self.url(), "jwks_uri": format!("{}/keys", self.url()) })
    }

    fn says(&self, path: &str, what: Says) {
        self.says.lock().unwrap().insert(path.to_owned(), what);
    }

    fn publishes(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public().to_jwk()).collect();
        self.says("/keys", Says::Json(json!({ "keys": keys })));
    }

    /// How often the keys were asked for.
    fn fetches(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| *path == "/keys").count()
    }

    fn token(&self, key: &SigningKey, change: impl FnOnce(&mut Value)) -> String {
        let now = NOW / 1000;
        let mut claims = json!({ "iss": self.url(), "aud": AUDIENCE, "sub": "ana", "exp": now + 86_400, "iat": now,
            "scope": "orders:read" });
        change(&mut claims);
        jws::sign(key, "at+jwt", claims.to_string().as_bytes()).unwrap()
    }
}

fn converse(mut stream: TcpStream, says: &Mutex<HashMap<String, Says>>, asked: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    while find(&received, b"\r\n\r\n").is_none() {
        let Ok(count @ 1..) = stream.read(&mut buffer) else { return };
        received.extend_from_slice(&buffer[..count]);
    }
    let head = String::from_utf8(received).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let what = says.lock().unwrap().get(&path).cloned();
    asked.lock().unwrap().push(path);
    let answer = match what {
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Some(Says::Raw(text)) => text,
        Some(Says::Json(value)) => {
            let text = value.to_string();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
        }
        Some(Says::Hangs) => {
            while matches!(stream.read(&mut buffer), Ok(1..)) {}
            return;
        }
        Some(Says::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"keys\":[").ok();
            while stream.write_all(&[b' '; 4096]).is_ok() {}
            return;
        }
    };
    stream.write_all(answer.as_bytes()).ok();
}

/// A gateway whose routes take the tokens of an issuer.
struct Protected {
    world: World,
    issuer: FakeIssuer,
    key: SigningKey,
}

impl Protected {
    fn new() -> Self {
        Self::reaching(&["127.0.0.0/8"])
    }

    fn reaching(allowed: &[&str]) -> Self {
        let (world, issuer) = (World::new(), FakeIssuer::start());
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        issuer.publishes(&[&key]);
        let asked = |further: Value| {
            let mut settings =
                json!({ "issuer": issuer.url(), "audience": AUDIENCE, "algorithms": ["ES256", "EdDSA"] });
            settings.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
            KIND.condition(settings.as_object().unwrap()).unwrap()
        };
        let reading = asked(json!({ "scope": "orders:read" }));
        let Issuer::Foreign(foreign) = reading.token().unwrap().issuer.clone() else { panic!() };
        let clock: Arc<dyn Clock> = Arc::<StillClock>::clone(&world.clock);
        let keys = ForeignKeys::new(foreign, egress(allowed), clock).unwrap();
        let routes = vec![
            route(
                "admin",
                "/admin/{**}",
                Requirement::Any(vec![asked(json!({ "claims": { "role": "admin" } }))]),
            ),
            route("write", "/write/{**}", Requirement::Any(vec![asked(json!({ "scope": "orders:write" }))])),
            route("read", "/{**}", Requirement::Any(vec![reading])),
        ];
        world.replace_with_issuers(routes, ForeignIssuers::new(vec![Arc::new(keys)]));
        Self { world, issuer, key }
    }

    fn call(&self, path: &str, token: &str) -> Answer {
        self.world.get(path, &[&format!("Authorization: Bearer {token}")])
    }

    /// Calls with a good token of `key`.
    fn status(&self, key: &SigningKey) -> u16 {
        self.call("/orders", &self.issuer.token(key, |_| {})).status
    }

    fn later(&self, by: Duration) {
        self.world.clock.advance(by);
        self.world.snapshot.mark_fresh(self.world.clock.monotonic());
    }
}

fn egress(allowed: &[&str]) -> Egress {
    let allow = allowed.iter().map(|block| block.parse().unwrap()).collect();
    let reach = AddressPolicy { purpose: Purpose::JWT, allow, own: Vec::new() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let wait = Duration::from_millis(300);
    let limits = CallLimits { connect: wait, answer: wait, total: wait, bytes: 64 * 1024 };
    Egress::new(reach, Arc::new(System), Arc::new(tls), limits)
}

fn key() -> SigningKey {
    SigningKey::generate(SignatureAlgorithm::Es256).unwrap()
}

#[test]
fn a_token_of_a_foreign_issuer_passes_and_ends_at_the_gateway() {
    let protected = Protected::new();
    let token = protected.issuer.token(&protected.key, |_| {});
    let answer = protected.call("/orders", &token);
    let echoed = answer.echoed();
    let subject = format!("countersign-subject: {}#ana\r\n", protected.issuer.url());
    for line in [subject.as_str(), "countersign-scope: orders:read\r\n"] {
        assert!(echoed.contains(line), "{line}{echoed}");
    }
    assert!(!echoed.contains(&token) && !echoed.contains("countersign-credential"), "{echoed}");
    assert_eq!(protected.issuer.fetches(), 1);
    assert_eq!(protected.status(&protected.key), 200);
    assert_eq!(protected.issuer.fetches(), 1, "what is known is not fetched");
}

#[test]
fn rfc9728_5_1_a_refusal_says_what_is_lacking_and_where_to_ask() {
    let protected = Protected::new();
    let metadata =
        "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/orders\"";
    let good = protected.issuer.token(&protected.key, |_| {});
    let expired = protected.issuer.token(&protected.key, |claims| claims["exp"] = json!(NOW / 1000 - 61));
    let foreign = protected.issuer.token(&protected.key, |claims| claims["aud"] = json!("https://other"));
    let realm = "Bearer realm=\"countersign\"";
    let invalid = "error=\"invalid_token\", error_description=\"The credential is malformed, unknown, expired or \
                   revoked, or of a kind not accepted here\"";
    let lacking = "error=\"insufficient_scope\"";
    for (path, token, status, expected) in [
        ("/orders", None, 401, format!("{realm}, scope=\"orders:read\", {metadata}")),
        ("/orders", Some(&*expired), 401, format!("{realm}, {invalid}, {metadata}")),
        ("/orders", Some(&*foreign), 401, format!("{realm}, {invalid}, {metadata}")),
        ("/orders", Some("x.y.z"), 401, format!("{realm}, {invalid}, {metadata}")),
        ("/write/a", Some(&*good), 403, format!("{realm}, {lacking}, scope=\"orders:write\", {metadata}")),
        ("/admin/a", Some(&*good), 403, format!("{realm}, {lacking}, {metadata}")),
    ] {
        let answer = match token {
            Some(token) => protected.call(path, token),
            None => protected.world.get(path, &[]),
        };
        assert_eq!((answer.status, answer.field("www-authenticate")), (status, Some(&*expected)), "{path}");
    }
    assert!(protected.world.upstream.heads().is_empty());
}

#[test]
fn rfc9728_3_the_gateway_describes_what_its_routes_ask_tokens_for() {
    let protected = Protected::new();
    let mut declared = Resource::any(AUDIENCE.parse().unwrap(), SigningAlgorithm::Es256);
    declared.scopes = Some(BTreeMap::from([("orders:settle".parse().unwrap(), "Settle".into())]));
    let declared = Declared { default: None, named: vec![Arc::new(declared)] };
    protected.world.snapshot.resources().declare(declared);
    let answer = protected.world.get("/.well-known/oauth-protected-resource/orders", &[]);
    let expected = json!({ "resource": AUDIENCE, "authorization_servers": [protected.issuer.url()],
        "scopes_supported": ["orders:read", "orders:settle", "orders:write"],
        "bearer_methods_supported": ["header"] });
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "public, max-age=300"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(answer.field(name), Some(value), "{name}");
    }
    for (path, status) in [
        ("/.well-known/oauth-protected-resource", 404),
        ("/.well-known/oauth-protected-resource/orders/1", 404),
        ("/.well-known/oauth-protected-resource/orders?a=1", 400),
        ("/.well-known/oauth-protected-resources", 401),
    ] {
        assert_eq!(protected.world.get(path, &[]).status, status, "{path}");
    }
    let mut client = protected.world.connect();
    client.send(
        "POST /.well-known/oauth-protected-resource/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(client.receive().status, 405);
    let world = World::new();
    let (_, key) = world.key(1);
    let bearer = format!("Authorization: Bearer {key}");
    let passed = world.get("/.well-known/oauth-protected-resource", &[&bearer]);
    assert!(
        passed.echoed().contains("oauth-protected-resource"),
        "where no token is asked for, it is the upstream's"
    );
}

#[test]
fn rfc8414_3_the_keys_are_where_metadata_in_either_place_say() {
    let protected = Protected::new();
    protected.issuer.says(METADATA, Says::Raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()));
    protected.issuer.says(OAUTH_METADATA, Says::Json(protected.issuer.metadata()));
    assert_eq!(protected.status(&protected.key), 200);
}

#[test]
fn rfc8414_3_3_an_issuer_that_lies_hangs_or_grows_is_no_issuer() {
    let another = json!({ "issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys" });
    let away = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AAAA", "alg": "HS256" }] });
    for (path, says) in [
        (METADATA, Says::Json(another)),
        (METADATA, Says::Json(json!({ "issuer": "x" }))),
        (METADATA, Says::Json(json!([]))),
        (METADATA, Says::Hangs),
        (METADATA, Says::Endless),
        (METADATA, Says::Raw(away.into())),
        ("/keys", Says::Json(json!({ "keys": [] }))),
        ("/keys", Says::Json(symmetric)),
        ("/keys", Says::Raw("no HTTP".into())),
        ("/keys", Says::Hangs),
        ("/keys", Says::Endless),
        ("/keys", Says::Raw(away.into())),
    ] {
        let protected = Protected::new();
        protected.issuer.says(path, says.clone());
        let answer = protected.call("/orders", &protected.issuer.token(&protected.key, |_| {}));
        assert_eq!(answer.status, 503, "{path} {says:?}");
        assert!(answer.field("retry-after").is_some() && answer.field("www-authenticate").is_none());
        // Nothing is asked again before its time, and then it is.
        let asked = protected.issuer.asked.lock().unwrap().len();
        assert_eq!(protected.status(&protected.key), 503);
        assert_eq!(protected.issuer.asked.lock().unwrap().len(), asked, "{path} {says:?}");
        protected.issuer.says(METADATA, Says::Json(protected.issuer.metadata()));
        protected.issuer.publishes(&[&protected.key]);
        protected.later(Duration::from_secs(10));
        assert_eq!(protected.status(&protected.key), 200, "{path} {says:?}");
        assert_eq!(protected.world.upstream.heads().len(), 1);
    }
}

#[test]
fn safety_15_an_issuer_at_an_address_that_may_not_be_called_is_not_called() {
    let protected = Protected::reaching(&[]);
    assert_eq!(protected.status(&protected.key), 503);
    assert!(protected.issuer.asked.lock().unwrap().is_empty());
}

#[test]
fn an_issuer_that_changes_its_keys_is_followed_and_asked_once_in_a_while() {
    let protected = Protected::new();
    let (old, new) = (&protected.key, key());
    assert_eq!(protected.status(old), 200);
    protected.issuer.publishes(&[old, &new]);
    // Whatever strangers make up costs no fetch before its time.
    for _ in 0..20 {
        assert_eq!(protected.status(&key()), 401);
    }
    assert_eq!((protected.status(&new), protected.issuer.fetches()), (401, 1));
    protected.later(Duration::from_secs(10));
    assert_eq!((protected.status(&new), protected.issuer.fetches()), (200, 2));
    assert_eq!(protected.status(old), 200);
    // The old key is withdrawn: the next one that fetches learns it, at the latest after ten minutes.
    protected.issuer.publishes(&[&new]);
    protected.later(Duration::from_secs(599));
    assert_eq!((protected.status(old), protected.issuer.fetches()), (200, 2));
    protected.later(Duration::from_secs(1));
    assert_eq!(protected.status(&new), 200);
    assert_eq!(protected.status(&key()), 401, "it waits for the attempt that is under way");
    assert_eq!((protected.status(old), protected.issuer.fetches()), (401, 3));
}

#[test]
fn keys_that_cannot_be_fetched_again_are_believed_for_a_bounded_time() {
    let protected = Protected::new();
    assert_eq!(protected.status(&protected.key), 200);
    protected.issuer.says("/keys", Says::Raw("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".into()));
    protected.later(Duration::from_secs(3599));
    assert_eq!(protected.status(&protected.key), 200);
    assert_eq!(protected.status(&key()), 503, "what they do not say is not known");
    protected.later(Duration::from_secs(1));
    assert_eq!(protected.status(&protected.key), 503);
}

#[test]
fn whoever_asks_for_keys_at_the_same_time_waits_for_one_attempt() {
    let protected = Protected::new();
    let token = protected.issuer.token(&protected.key, |_| {});
    let ask = format!("GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut clients: Vec<_> = (0..16).map(|_| protected.world.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(&ask));
    let statuses: Vec<u16> = clients.iter_mut().map(|client| client.receive().status).collect();
    assert_eq!(statuses, [200; 16]);
    assert_eq!(protected.issuer.fetches(), 1);
}

#[test]
fn safety_24_a_token_is_judged_at_every_use() {
    let protected = Protected::new();
    let token = protected.issuer.token(&protected.key, |claims| {
        claims["exp"] = json!(NOW / 1000 + 300);
        claims["role"] = json!("admin");
    });
    assert_eq!(
        (protected.call("/orders", &token).status, protected.call("/admin/a", &token).status),
        (200, 200)
    );
    assert_eq!(protected.call("/write/a", &token).status, 403, "each route asks for its own");
    protected.later(Duration::from_secs(359));
    assert_eq!(protected.call("/orders", &token).status, 200);
    protected.later(Duration::from_secs(1));
    assert_eq!(protected.call("/orders", &token).status, 401);
}

#[test]
fn safety_4_a_gateway_that_knows_too_little_takes_no_token_either() {
    let protected = Protected::new();
    assert_eq!(protected.status(&protected.key), 200);
    protected.world.clock.advance(Duration::from_secs(6));
    assert_eq!(protected.status(&protected.key), 503);
}
