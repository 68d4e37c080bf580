//! Clients that publish their keys (`jwks_uri`, RFC 7591 §2): a host that serves them well, hangs, lies, or is not there.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws;
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually, raw};

const JWT_BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// What the host answers.
#[derive(Clone)]
enum Says {
    Keys(Value),
    Text(String),
    /// Bytes without an end.
    Endless,
    /// Nothing, ever.
    Nothing,
}

/// A host that publishes keys.
struct Host {
    url: String,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
}

impl Host {
    fn new(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let host = Self { url, says: Arc::new(Mutex::new(says)), asked: Arc::default() };
        let (says, asked) = (Arc::clone(&host.says), Arc::clone(&host.asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                asked.fetch_add(1, Ordering::SeqCst);
                let says = says.lock().unwrap().clone();
                thread::spawn(move || answer(stream.unwrap(), says));
            }
        });
        host
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, says: Says) {
    let mut head = [0; 4096];
    let _read = stream.read(&mut head);
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/jwk-set+json\r\n\r\n";
    match says {
        Says::Keys(keys) => drop(stream.write_all(format!("{head}{keys}").as_bytes())),
        Says::Text(text) => drop(stream.write_all(format!("{head}{text}").as_bytes())),
        Says::Endless => {
            drop(stream.write_all(head.as_bytes()));
            while stream.write_all(&[b' '; 4096]).is_ok() {}
        }
        Says::Nothing => drop(stream.read(&mut [0; 1])),
    }
}

fn up(place: &Ground) -> Server {
    let file =
        place.write("c.toml", "[egress]\ntimeout = \"1s\"\nclient_keys = { allow = [\"127.0.0.1\"] }\n");
    place.up("data", &["--config", file.to_str().unwrap()])
}

fn register(server: &Server, more: &Value) -> Answer {
    let mut body = json!({ "name": "billing", "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.manage("POST", "/v1/clients", &body)
}

fn client(server: &Server, url: &str) -> String {
    let made = register(server, &json!({ "jwks_uri": url }));
    assert_eq!((made.status, made.json()["jwks_uri"].as_str()), (201, Some(url)), "{made:?}");
    made.json()["client_id"].as_str().unwrap().to_owned()
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(SignatureAlgorithm::Es256).unwrap().named(kid.to_owned())
}

fn published(keys: &[&SigningKey]) -> Says {
    Says::Keys(json!({ "keys": keys.iter().map(|key| key.public().to_jwk()).collect::<Vec<_>>() }))
}

/// Asks for a token with an assertion of its own; returns the status and the error.
fn ask(server: &Server, client: &str, key: &SigningKey) -> (u16, Option<String>) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let issuer = server.card["issuer"].as_str().unwrap().trim_end_matches('/');
    let jti = NUMBER.fetch_add(1, Ordering::SeqCst).to_string();
    let claims = json!({ "iss": client, "sub": client, "aud": issuer, "exp": now + 60, "jti": jti });
    let assertion = jws::sign(key, "JWT", claims.to_string().as_bytes()).unwrap();
    let form = format!(
        "grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={assertion}"
    );
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    let answer = raw(&server.address("issuer"), &head);
    (answer.status, answer.json()["error"].as_str().map(str::to_owned))
}

fn refused(status: u16, error: &str) -> (u16, Option<String>) {
    (status, Some(error.to_owned()))
}

#[test]
fn rfc7591_2_a_client_publishes_its_keys_and_strangers_make_nobody_fetch_them_again_and_again() {
    let place = Ground::new();
    let server = up(&place);
    let (first, second, stranger) = (key("1"), key("2"), key("x"));
    let host = Host::new(published(&[&first]));
    let id = client(&server, &host.url);
    assert_eq!(host.asked(), 0, "nothing is fetched before it is needed");
    assert_eq!(ask(&server, &id, &first), (200, None));
    assert_eq!(host.asked(), 1);
    for _ in 0..50 {
        assert_eq!(ask(&server, &id, &stranger), refused(401, "invalid_client"));
        assert_eq!(ask(&server, "client_0000000000000000000001", &stranger), refused(401, "invalid_client"));
    }
    assert_eq!(ask(&server, &id, &first), (200, None));
    assert!(host.asked() <= 2, "{} times", host.asked());
    // The key changes; it is found once the cool-down is over.
    host.say(published(&[&second]));
    eventually("the new key is known", || ask(&server, &id, &second).0 == 200);
    assert_eq!(ask(&server, &id, &first), refused(401, "invalid_client"), "it was withdrawn");
    assert!(host.asked() <= 3, "{} times", host.asked());
}

#[test]
fn a_host_that_hangs_lies_or_never_ends_is_503_for_its_client_alone() {
    let place = Ground::new();
    let server = up(&place);
    let key = key("1");
    let good = Host::new(published(&[&key]));
    let well = client(&server, &good.url);
    let mut private = key.public().to_jwk();
    private["kty"] = json!("oct");
    for (what, says) in [
        ("hangs", Says::Nothing),
        ("never ends", Says::Endless),
        ("lies", Says::Text("<html>".to_owned())),
        (
            "publishes a set that is too large",
            Says::Text(format!("{}{}", " ".repeat(65 * 1024), json!({ "keys": [key.public().to_jwk()] }))),
        ),
        ("publishes two members", Says::Text("{\"keys\":[],\"keys\":[]}".to_owned())),
        ("publishes no key", Says::Keys(json!({ "keys": [] }))),
        ("publishes no public key", Says::Keys(json!({ "keys": [private] }))),
    ] {
        let host = Host::new(says);
        let id = client(&server, &host.url);
        thread::scope(|scope| {
            let hangs = scope.spawn(|| ask(&server, &id, &key));
            assert_eq!(ask(&server, &well, &key), (200, None), "{what}: others go on");
            assert_eq!(hangs.join().unwrap(), refused(503, "temporarily_unavailable"), "{what}");
        });
        assert_eq!(ask(&server, &id, &key).0, 503, "{what}");
        assert_eq!(host.asked(), 1, "{what}");
    }
    let gone = client(&server, "http://127.0.0.1:1/keys");
    assert_eq!(ask(&server, &gone, &key).0, 503);
    let log = server.log();
    assert!(log.contains("what is published is not fetched"), "{log}");
}

#[test]
fn safety_15_what_is_not_allowed_is_not_called() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let key = key("1");
    let host = Host::new(published(&[&key]));
    let id = client(&server, &host.url);
    assert_eq!(ask(&server, &id, &key).0, 503);
    assert_eq!(host.asked(), 0);
    assert!(server.log().contains("egress.client_keys.allow"), "{}", server.log());
    let own = client(&server, &format!("{}/.well-known/jwks.json", server.card["issuer"].as_str().unwrap()));
    assert_eq!(ask(&server, &own, &key).0, 503);
}

#[test]
fn rfc7591_2_jwks_and_jwks_uri_exclude_each_other() {
    let place = Ground::new();
    let server = up(&place);
    let key = key("1");
    let jwks = json!({ "keys": [key.public().to_jwk()] });
    let both = register(&server, &json!({ "jwks": jwks, "jwks_uri": "https://app.example/keys" }));
    assert_eq!(both.status, 400, "{both:?}");
    assert!(both.body.contains("exclude each other"), "{both:?}");
    for uri in ["http://app.example/keys", "ftp://app.example", "https://user@app.example/keys", "keys"] {
        assert_eq!(register(&server, &json!({ "jwks_uri": uri })).status, 400, "{uri}");
    }
    assert_eq!(register(&server, &json!({})).status, 400);
    // A client moves from one to the other by the command.
    let host = Host::new(published(&[&key]));
    let id = register(&server, &json!({ "jwks": jwks })).json()["client_id"].as_str().unwrap().to_owned();
    let update = ["client", "update", &id, "--jwks-uri", &host.url, "--data", "data", "--json"];
    let updated = place.run(&update, &[]);
    assert!(updated.status.success(), "{updated:?}");
    let shown: Value = serde_json::from_slice(&updated.stdout).unwrap();
    assert_eq!((shown["jwks_uri"].as_str(), shown.get("jwks")), (Some(host.url.as_str()), None));
    assert_eq!(ask(&server, &id, &key), (200, None));
    place.write("keys.json", &jwks.to_string());
    let update = ["client", "update", &id, "--jwks", "keys.json", "--data", "data", "--json"];
    assert!(place.run(&update, &[]).status.success());
    assert_eq!((ask(&server, &id, &key).0, host.asked()), (200, 1));
}
