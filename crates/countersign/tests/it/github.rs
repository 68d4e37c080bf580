//! What GitHub's secret scanning finds ends, when GitHub signed the report and nobody else.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, raw};

/// Stands in for GitHub: signs, and publishes its keys on loopback.
struct Github {
    key: EcdsaKeyPair,
    port: u16,
    fetches: Arc<AtomicUsize>,
    published: Arc<Mutex<Value>>,
    ends: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Github {
    fn start() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&*der));
        let row =
            |id: &str, current: bool| json!({ "key_identifier": id, "key": pem, "is_current": current });
        let published = Arc::new(Mutex::new(json!({ "public_keys": [row("now", true), row("old", false)] })));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fetches, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end, keys) = (Arc::clone(&fetches), Arc::clone(&ends), Arc::clone(&published));
        let serving = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                publish(stream.unwrap(), &keys.lock().unwrap().to_string());
            }
        });
        Self { key, port, fetches, published, ends, serving: Some(serving) }
    }

    fn sign(&self, body: &str) -> String {
        STANDARD.encode(self.key.sign(&SystemRandom::new(), body.as_bytes()).unwrap())
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn up(&self, place: &Ground) -> Server {
        place.write(
            "countersign.toml",
            &format!(
                "[leaks]\ngithub = true\ngithub_keys_url = \"http://127.0.0.1:{}/keys\"\n\
                 [egress]\nallow = [\"127.0.0.0/8\"]\n",
                self.port
            ),
        );
        place.up("data", &[])
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        let _ended = self.serving.take().map(JoinHandle::join);
    }
}

fn publish(mut stream: TcpStream, keys: &str) {
    let mut head = [0; 4096];
    let _read = stream.read(&mut head);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nContent-Length: {}\r\n\r\n{keys}",
        keys.len()
    );
    let _written = stream.write_all(answer.as_bytes());
}

fn mint(server: &Server, name: &str) -> (String, String) {
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": name })).json();
    (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
}

fn send(address: &str, fields: &str, body: &str) -> Answer {
    let request = format!(
        "POST /v1/leaks/github HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(address, &request)
}

fn signed(id: &str, signature: &str) -> String {
    format!("Github-Public-Key-Identifier: {id}\r\nGithub-Public-Key-Signature: {signature}\r\n")
}

fn report(server: &Server, github: &Github, body: &str) -> Answer {
    send(&server.address("issuer"), &signed("now", &github.sign(body)), body)
}

fn finding(token: &str, url: &str) -> Value {
    json!({ "token": token, "type": "countersign_api_key", "url": url, "source": "con\u{7}tent" })
}

#[test]
fn github_secret_scanning_what_was_found_is_refused_by_the_next_request() {
    let (place, github) = (Ground::new(), Github::start());
    let server = github.up(&place);
    let (id, leaked) = mint(&server, "leaked");
    let (_, other) = mint(&server, "other");
    let unknown = "cs_live_0000000000000000000000000000000000000000000000000";
    let url = format!("https://github.example/a?k={leaked}&l={}", "x".repeat(1000));
    let body =
        json!([finding(&leaked, &url), finding(unknown, ""), { "token": "", "type": "t" }]).to_string();
    let label = |token: &str, kind: &str, label: &str| json!({ "token_raw": token, "token_type": kind, "label": label });
    let expected = json!([
        label(&leaked, "countersign_api_key", "true_positive"),
        label(unknown, "countersign_api_key", "false_positive"),
        label("", "t", "false_positive"),
    ]);
    let answer = report(&server, &github, &body);
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    assert_eq!(server.call("/x", Some(&leaked)).status, 401, "the answer comes after the end");
    assert_eq!(server.call("/x", Some(&other)).status, 200);
    // The same report again, with the same signature or another.
    for _ in 0..2 {
        let answer = report(&server, &github, &body);
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    }
    assert_eq!(github.fetches(), 1, "the keys are kept");

    let audit = server.manage("GET", "/v1/audit?last=true&limit=200", &Value::Null).body;
    assert_eq!(audit.matches("api_key.leaked").count(), 1, "a replay is no second event");
    for word in [
        id.as_str(),
        r#"[\"reporter\",\"github\"]"#,
        r#"[\"source\",\"content\"]"#,
        "https://github.example/a?k=…",
    ] {
        assert!(audit.contains(word), "{word}: {audit}");
    }
    assert!(!audit.contains(&leaked) && !audit.contains(&"x".repeat(300)));
    assert!(!server.log().contains(&leaked));

    let management = server.management_key();
    let body = json!([finding(&management, "")]).to_string();
    assert!(report(&server, &github, &body).body.contains("true_positive"));
    assert_eq!(server.manage("GET", "/v1/keys", &Value::Null).status, 401);
}

#[test]
fn github_secret_scanning_a_report_that_is_not_signed_ends_nothing() {
    let (place, github) = (Ground::new(), Github::start());
    let server = github.up(&place);
    let issuer = server.address("issuer");
    let (_, key) = mint(&server, "a");
    let body = json!([finding(&key, "")]).to_string();
    let signature = github.sign(&body);
    let stranger = Github::start().sign(&body);
    let spaced = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
    let good = signed("now", &signature);
    for (fields, sent) in [
        (String::new(), &body),
        (format!("Github-Public-Key-Identifier: now\r\nAuthorization: Bearer {key}\r\n"), &body),
        (format!("Github-Public-Key-Signature: {signature}\r\n"), &body),
        (format!("{good}{good}"), &body),
        (signed("now", ""), &body),
        (signed("now", "AAAA"), &body),
        (signed("now", &stranger), &body),
        (signed("old", &signature), &body),
        (signed("unknown", &signature), &body),
        (signed("", &signature), &body),
        (good.clone(), &spaced),
        (good.clone(), &format!("{body} ")),
    ] {
        let answer = send(&issuer, &fields, sent);
        assert_eq!(answer.status, 400, "{fields}: {answer:?}");
        assert!(!answer.body.contains("positive"));
    }
    assert_eq!(github.fetches(), 1, "unknown ids are not looked for again and again");
    for unread in ["{}", "[{}]", "[1]", "", "[{\"token\":1,\"type\":\"t\"}]"] {
        assert_eq!(report(&server, &github, unread).status, 400, "{unread}");
    }
    assert_eq!(report(&server, &github, "[]").body, "[]");
    let large = " ".repeat(1024 * 1024 + 1);
    assert_eq!(report(&server, &github, &large).status, 413);
    let get = raw(&issuer, "GET /v1/leaks/github HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(get.status, 405);
    assert_eq!(server.call("/x", Some(&key)).status, 200, "nothing ended");
}

#[test]
fn github_secret_scanning_reports_that_come_together_wait_for_one_fetch() {
    let (place, github) = (Ground::new(), Github::start());
    let server = github.up(&place);
    let body = json!([finding("x", "")]).to_string();
    let (issuer, fields) = (server.address("issuer"), signed("now", &github.sign(&body)));
    thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(|| send(&issuer, &fields, &body).status)).collect();
        for answer in sent {
            assert_eq!(answer.join().unwrap(), 200);
        }
    });
    assert_eq!(github.fetches(), 1);
}

#[test]
fn github_secret_scanning_is_taken_where_it_is_asked_for_alone() {
    let (place, github) = (Ground::new(), Github::start());
    let server = place.up("data", &[]);
    assert_eq!(report(&server, &github, "[]").status, 404);
    assert_eq!(github.fetches(), 0);
}

#[test]
fn safety_15_keys_that_cannot_be_fetched_are_503_and_our_own_listeners_are_never_asked() {
    let github = Github::start();
    let settings = |port: u16, allow: &str| {
        let url = format!("http://127.0.0.1:{port}/keys");
        format!("[leaks]\ngithub = true\ngithub_keys_url = \"{url}\"\n[egress]\nallow = [{allow}]\n")
    };
    // Port 9 stands for nothing that listens; the admin listener gets a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (port, allow, words) in [
        (github.port, "", "is not public"),
        (9, "\"127.0.0.1\"", "no connection"),
        (free.port(), "\"127.0.0.1\"", "our own listeners"),
    ] {
        let place = Ground::new();
        place.write("countersign.toml", &settings(port, allow));
        let server = place.up("data", &["--admin-listen", &free.to_string()]);
        let (_, key) = mint(&server, "a");
        let answer = report(&server, &github, &json!([finding(&key, "")]).to_string());
        assert_eq!(answer.status, 503, "{words}: {answer:?}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(server.call("/x", Some(&key)).status, 200);
        assert!(server.log().contains(words), "{words}: {}", server.log());
        server.stop();
    }
    assert_eq!(github.fetches(), 0);
    *github.published.lock().unwrap() = json!({ "public_keys": [] });
    let place = Ground::new();
    place.write("countersign.toml", &settings(github.port, "\"127.0.0.1\""));
    let server = place.up("data", &[]);
    assert_eq!(report(&server, &github, "[]").status, 503, "an empty set is none");
}
