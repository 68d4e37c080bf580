//! The permanent attack suite: real attacks on gateways and keys, each with its origin, sent as raw bytes because a
//! client library would tidy them up. The upstream writes down what it was sent, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Ground, Server, manage};

/// An upstream that remembers the heads and bodies that it received.
struct Recorder {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let recorded = Arc::clone(&seen);
        // Ends with the test's process: it waits in `accept` and holds nothing.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let recorded = Arc::clone(&recorded);
                thread::spawn(move || record(stream, &recorded));
            }
        });
        Self { url, seen }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn record(stream: TcpStream, seen: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = request(&mut reader) {
        seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
        if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Reads one whole request, a chunked body as it came; `None`: there is no more, or it broke off.
fn request(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        line(reader, &mut bytes)?;
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding:") {
        loop {
            let size = line(reader, &mut bytes)?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).unwrap();
            exactly(reader, &mut bytes, size)?;
            // After the last chunk come trailers, up to an empty line.
            while line(reader, &mut bytes)? != b"\r\n" {}
            if size == 0 {
                return Some(bytes);
            }
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    exactly(reader, &mut bytes, length.unwrap_or(0))?;
    Some(bytes)
}

fn line(reader: &mut BufReader<TcpStream>, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&line);
    Some(line)
}

fn exactly(reader: &mut BufReader<TcpStream>, bytes: &mut Vec<u8>, size: usize) -> Option<()> {
    let mut part = vec![0; size];
    reader.read_exact(&mut part).ok()?;
    bytes.extend_from_slice(&part);
    Some(())
}

/// Sends bytes and returns everything that is answered until the connection ends.
fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The gateway may refuse before it has read everything.
    let _refused_early = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _reset_after_refusal = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the status of every answer.
fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

/// What becomes of an attack.
enum Outcome {
    /// It is refused, and the upstream sees nothing.
    Refused(u16),
    /// It passes, and nothing of what is listed reaches the upstream.
    Passes(&'static [&'static str]),
    /// It passes, and the upstream's one request begins with this line.
    Forwarded(&'static str),
    /// However it ends, each whole request that the upstream sees is for this path, and there is at most one.
    Contained(&'static str),
}
use Outcome::{Contained, Forwarded, Passes, Refused};

struct World {
    server: Server,
    recorder: Recorder,
    key: String,
    _place: Ground,
}

impl World {
    fn new(routes: &str) -> Self {
        let place = Ground::new();
        let recorder = Recorder::start();
        let config = place.write("c.toml", routes);
        let server = place.up("data", &["--config", config.to_str().unwrap(), "--upstream", &recorder.url]);
        let minted =
            server.manage("POST", "/v1/keys", &json!({ "name": "a", "scopes": ["orders:read"] })).json();
        let key = minted["key"].as_str().unwrap().to_owned();
        Self { server, recorder, key, _place: place }
    }

    /// `{K}` in `bytes` stands for the key.
    #[track_caller]
    fn check(&self, origin: &str, bytes: &[u8], expected: &Outcome) {
        let filled = replace(bytes, b"{K}", self.key.as_bytes());
        let answer = exchange(&self.server.address("gateway"), &filled);
        let statuses = statuses(&answer);
        let seen = self.recorder.take();
        let shown: String = String::from_utf8_lossy(bytes).chars().take(300).collect();
        let shown = shown.as_str();
        assert!(!answer.contains(&self.key), "{origin}: the credential is answered");
        assert!(!seen.concat().contains(&self.key), "{origin}: the credential reached the upstream");
        match expected {
            Refused(status) => {
                assert_eq!(statuses.first(), Some(status), "{origin}: {shown:?}");
                assert!(seen.is_empty(), "{origin}: {shown:?} reached the upstream: {seen:?}");
            }
            Passes(never) => {
                assert_eq!(statuses, [200], "{origin}: {shown:?}");
                assert_eq!(seen.len(), 1, "{origin}: {shown:?}: {seen:?}");
                let folded = seen[0].to_ascii_lowercase();
                for word in *never {
                    assert!(!folded.contains(word), "{origin}: {word} reached the upstream: {}", seen[0]);
                }
            }
            Forwarded(line) => {
                assert_eq!(statuses, [200], "{origin}: {shown:?}");
                assert_eq!(seen.len(), 1, "{origin}: {shown:?}: {seen:?}");
                assert_eq!(seen[0].lines().next(), Some(*line), "{origin}: {shown:?}");
            }
            Contained(path) => {
                assert!(seen.len() <= 1, "{origin}: {shown:?}: {seen:?}");
                let paths = seen.iter().map(|request| request.split(' ').nth(1));
                assert!(paths.eq(seen.iter().map(|_| Some(*path))), "{origin}: {shown:?}: {seen:?}");
            }
        }
    }

    fn rows(&self, rows: &[(&str, &[u8], Outcome)]) {
        for (origin, bytes, expected) in rows {
            self.check(origin, bytes, expected);
        }
    }
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut filled = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    filled.extend_from_slice(rest);
    filled
}

/// Builds a request with the key in `Authorization`.
macro_rules! keyed {
    ($target:literal $(, $fields:literal)?) => {
        concat!("GET ", $target, " HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {K}\r\n", $($fields,)? "Connection: close\r\n\r\n").as_bytes()
    };
}

/// Builds a request without a credential.
macro_rules! open {
    ($target:literal $(, $fields:literal)?) => {
        concat!("GET ", $target, " HTTP/1.1\r\nHost: api.example\r\n", $($fields,)? "Connection: close\r\n\r\n").as_bytes()
    };
}

// Below the macros, which they use.
mod keys;
mod readings;
mod wire;

const OPEN_AND_ADMIN: &str = "[[route]]\npath = \"/public/{**}\"\nupstream = \"default\"\nrequire = { anonymous = {} }\n\n\
    [[route]]\npath = \"/health\"\nupstream = \"default\"\nrequire = { anonymous = {} }\n\n\
    [[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n";

#[test]
fn paths_that_two_readers_would_read_differently() {
    World::new(OPEN_AND_ADMIN).rows(&[
        ("CVE-2019-9901", open!("/public/../admin"), Refused(400)),
        ("GHSA-p224-6x5r-fjpm", open!("/public/%2e%2e/admin"), Refused(400)),
        ("CVE-2026-42274", open!("/public/.%2e/admin"), Refused(400)),
        ("CVE-2021-29492", open!("/public/%2fadmin"), Refused(400)),
        ("CVE-2021-31920", open!("/public/%5cadmin"), Refused(400)),
        ("CVE-2021-31920", open!("/public\\admin"), Refused(400)),
        ("merge slashes", open!("//admin"), Refused(400)),
        ("Caddy 7941", open!("/public/..%2fadmin"), Refused(400)),
        ("double encoding", open!("/public/%252e%252e/admin"), Refused(400)),
        ("CVE-2021-32779", open!("/public/#/../admin"), Refused(400)),
        ("CVE-2026-41059", open!("/public#/admin"), Refused(400)),
        ("GHSA-7rh7-c77v-6434", open!("/admin?x=/public/"), Refused(401)),
        ("istio/proxy 2667", open!("/admin?"), Refused(401)),
        ("overlong UTF-8", open!("/public/%c0%ae%c0%ae/admin"), Refused(400)),
        ("NUL", open!("/public/%00"), Refused(400)),
        ("CVE-2026-27587", open!("/PUBLIC/x"), Refused(400)),
        ("GHSA-r8x2-fhmf-6mxp", open!("/health?x=1"), Passes(&[])),
        ("CVE-2026-34457", open!("/admin", "User-Agent: GoogleHC/1.0\r\n"), Refused(401)),
        ("GHSA-5hvv-m4w4-gf6v", open!("/admin", "User-Agent: kube-probe/1.2\r\n"), Refused(401)),
        (
            "absolute form",
            b"GET http://api.example/admin HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n",
            Refused(401),
        ),
        (
            "HAProxy 2026-04",
            b"GET http://other.example/public/x HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n",
            Refused(400),
        ),
        (
            "HAProxy 2026-04",
            b"GET /public/x HTTP/1.1\r\nHost: api.example,evil.example\r\nConnection: close\r\n\r\n",
            Refused(400),
        ),
        ("RFC 9112 3.2", b"GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n", Refused(400)),
        (
            "RFC 9112 3.2",
            b"GET /public/x HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
            Refused(400),
        ),
    ]);
}

#[test]
fn paths_that_one_name_in_another_spelling_cannot_open() {
    let routes = "[[route]]\npath = \"/{**}\"\nhosts = [\"admin.example.com\"]\nupstream = \"default\"\nrequire = { api_key = {} }\n\n\
        [[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { anonymous = {} }\n";
    let row =
        |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes();
    let world = World::new(routes);
    for host in ["admin.example.com", "ADMIN.example.com", "admin.example.com.", "Admin.Example.COM:8443"] {
        world.check("CVE-2026-27588, CVE-2026-42273, GHSA-7774-7vr3-cc8j", &row(host), &Refused(401));
    }
    world.check("another host", &row("www.example.com"), &Passes(&[]));
}

#[test]
fn fields_that_a_client_has_no_business_to_set() {
    World::new(OPEN_AND_ADMIN).rows(&[
        ("GHSA-7r4p-vjf4-gxv4", keyed!("/x", "Countersign-Subject: forged\r\n"), Passes(&["forged"])),
        (
            "CVE-2026-31908",
            open!("/public/x", "Countersign-Subject: forged\r\nCountersign-Scope: forged\r\n"),
            Passes(&["forged", "countersign-"]),
        ),
        ("CVE-2025-64484", keyed!("/x", "Countersign_Subject: forged\r\n"), Passes(&["forged"])),
        ("CVE-2026-39858", keyed!("/x", "COUNTERSIGN_CLIENT: forged\r\n"), Passes(&["forged"])),
        ("Traefik v3.7.13", keyed!("/x", "Countersign.Credential: forged\r\n"), Passes(&["forged"])),
        (
            "GHSA-f59h-q822-g45g",
            keyed!("/x", "X_User: forged\r\nRemote_Groups: forged\r\n"),
            Passes(&["forged"]),
        ),
        ("future names", keyed!("/x", "Countersign-Assertion: forged\r\n"), Passes(&["forged"])),
        ("CVE-2026-40575", open!("/admin", "X-Forwarded-Uri: /public/x\r\n"), Refused(401)),
        (
            "CVE-2026-40575",
            keyed!("/x", "X-Forwarded-Uri: /forged\r\nX-Original-URL: /forged\r\nX-Rewrite-URL: /forged\r\n"),
            Passes(&["forged"]),
        ),
        ("GHSA-vhr5-ggp3-qq85", keyed!("/x", "X-Forwarded-Proto: forged\r\n"), Passes(&["forged"])),
        (
            "CVE-2026-35051",
            keyed!("/x", "X-Forwarded-Prefix: /forged\r\nX-Forwarded-Port: forged\r\n"),
            Passes(&["forged"]),
        ),
        ("CVE-2023-27487", keyed!("/x", "X-Envoy-Original-Path: /forged\r\n"), Passes(&["forged"])),
        (
            "better-auth 1.6.21",
            keyed!("/x", "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"),
            Passes(&["6.6.6.6"]),
        ),
        ("CVE-2024-47070", keyed!("/x", "X-Forwarded-For: a\r\n"), Passes(&["x-forwarded-for: a"])),
        (
            "CVE-2024-45410",
            keyed!("/x", "Connection: X-Forwarded-For, Countersign-Subject, Authorization\r\n"),
            Passes(&[]),
        ),
        (
            "CVE-2025-48865",
            keyed!("/x", "Connection: Countersign-Credential\r\n"),
            Passes(&["connection: countersign"]),
        ),
        ("method override", keyed!("/x", "X-HTTP-Method-Override: DELETE\r\n"), Passes(&["override"])),
        (
            "pomerium 749",
            keyed!("/x", "X-Client-Cert: forged\r\nClient-Cert: forged\r\nSSL-Client-Verify: forged\r\n"),
            Passes(&["forged"]),
        ),
        ("CVE-2023-25725", keyed!("/x", ": empty\r\n"), Refused(400)),
        ("line folding", keyed!("/x", "X-A: b\r\n c\r\n"), Refused(400)),
        ("space before the colon", keyed!("/x", "X-A : b\r\n"), Refused(400)),
        (
            "h2c upgrade",
            keyed!("/x", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"),
            Passes(&["upgrade", "http2-settings"]),
        ),
    ]);
}

#[test]
fn framing_that_two_readers_would_cut_differently() {
    let world = World::new(OPEN_AND_ADMIN);
    world.rows(&[
        ("CVE-2026-2835", b"POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", Refused(400)),
        ("CVE-2026-2835", b"POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", Refused(400)),
        ("CVE-2026-2835", b"POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\n0\r\n\r\n", Refused(400)),
        ("CVE-2023-40225", b"POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: \r\nConnection: close\r\n\r\n", Refused(400)),
        ("CVE-2021-40346", b"POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\nConnection: close\r\n\r\n", Refused(400)),
        ("two lengths", b"POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd", Refused(400)),
        ("signed length", b"POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\nConnection: close\r\n\r\nabc", Refused(400)),
        ("CL and TE", b"POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", Refused(400)),
        ("CL and TE", b"POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\nConnection: close\r\n\r\n0\r\n\r\n", Refused(400)),
        ("bare LF", b"GET /public/x HTTP/1.1\nHost: a\nConnection: close\n\n", Refused(400)),
        ("bare LF", b"GET /public/x HTTP/1.1\r\nHost: a\nX-A: b\r\nConnection: close\r\n\r\n", Refused(400)),
        ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n", Refused(400)),
        ("TRACE", b"TRACE /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(405)),
        ("no HTTP", b"\x16\x03\x01\x00\x05hello\r\n\r\n", Refused(400)),
    ]);
    // CVE-2025-4366: what follows a refused request is not taken for another request.
    let inner = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let smuggled = format!(
        "POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}GET /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        inner.len()
    );
    let statuses = statuses(&exchange(&world.server.address("gateway"), smuggled.as_bytes()));
    assert!(matches!(statuses.as_slice(), [401] | [401, 401]), "{statuses:?}");
    assert!(world.recorder.take().iter().all(|seen| !seen.contains("smuggled")), "a body became a request");
}

#[test]
fn keys_that_are_not_presented_as_keys_are() {
    let world =
        World::new("[[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n");
    let row = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n").into_bytes()
    };
    let huge = format!("X-API-Key: {}\r\n", "a".repeat(1024 * 1024));
    for (origin, target, fields, status) in [
        ("litellm 39293", "/x?api_key={K}", "", 401),
        ("litellm 39293", "/x?%61pi_key={K}", "", 401),
        ("RFC 6750 2.3", "/x?access_token={K}", "", 401),
        ("Kong: duplicate key", "/x", "X-API-Key: {K}\r\nX-API-Key: {K}\r\n", 400),
        ("RFC 6750 2", "/x", "X-API-Key: {K}\r\nAuthorization: Bearer {K}\r\n", 400),
        ("envoy 12089", "/x", "Authorization: Bearer {K}\r\nAuthorization: Bearer {K}\r\n", 400),
        ("joined by a proxy", "/x", "Authorization: Bearer {K}, Bearer {K}\r\n", 400),
        ("Kong 10171", "/x", "X-API-Key: {K}\u{e9}\r\n", 401),
        ("Kong 10372", "/x", "X-API-Key: \r\n", 401),
        ("Kong 10372", "/x", &huge, 431),
        ("basic", "/x", "Authorization: Basic e0t9Og==\r\n", 401),
        ("authentik CVE-2026-25748", "/x", "Cookie: session=%00\r\n", 401),
        ("checksum", "/x", "X-API-Key: cs_live_0000000000000000000000000000000000000000000000000\r\n", 401),
        ("Unkey: root key", "/x", &format!("X-API-Key: {}\r\n", world.server.management_key()), 401),
    ] {
        world.check(origin, &row(target, fields), &Refused(status));
    }
    world.check(
        "it works at all",
        &row("/x", "X-API-Key: {K}\r\n"),
        &Passes(&["x-api-key", "authorization"]),
    );
    let with_query = row("/x?api_key=secret", "X-API-Key: {K}\r\n");
    world.check("a key in the query stays the upstream's business", &with_query, &Passes(&[]));
    let log = world.server.log();
    assert!(!log.contains(&world.key), "kasm-helm 39: no key in any log");
}

#[test]
fn management_that_is_not_the_callers() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let admin = server.address("admin");
    let body = json!({ "name": "stolen", "owner": "org_0000000000000000000001", "scopes": ["*"] });
    // better-auth CVE-2025-61928: a body that names somebody is no proof of being somebody.
    assert_eq!(manage(&admin, "", "POST", "/v1/keys", &body).status, 401);
    let tenant = |name: &str| {
        let owner =
            server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": name })).json();
        let body = json!({ "name": name, "owner": owner["id"], "scopes": ["keys:read", "keys:write", "keys:verify"], "grantable": ["orders:*"] });
        server.manage("POST", "/v1/management-keys", &body).json()["key"].as_str().unwrap().to_owned()
    };
    let (one, two) = (tenant("one"), tenant("two"));
    let minted =
        manage(&admin, &one, "POST", "/v1/keys", &json!({ "name": "a", "scopes": ["orders:read"] })).json();
    let (id, key) = (minted["id"].as_str().unwrap(), minted["key"].as_str().unwrap());
    let path = format!("/v1/keys/{id}");
    for (origin, method, path, body, status) in [
        ("decocms/studio 4119", "POST", "/v1/keys", json!({ "name": "a", "scopes": ["admin"] }), 403),
        ("GHSA-rf6x-r45m-xv3w", "DELETE", &*path, Value::Null, 404),
        ("GHSA-8rgj-vrfr-6hqr", "POST", &*format!("{path}/revoke"), Value::Null, 404),
        ("GHSA-8rgj-vrfr-6hqr", "PATCH", &*path, json!({ "scopes": [] }), 404),
        ("GHSA-8rgj-vrfr-6hqr", "POST", &*format!("{path}/rotate"), json!({}), 404),
        ("existence", "GET", &*path, Value::Null, 404),
        ("existence", "GET", "/v1/keys/key_0000000000000000000001", Value::Null, 404),
    ] {
        assert_eq!(manage(&admin, &two, method, path, &body).status, status, "{origin}: {method} {path}");
    }
    let verdict = manage(&admin, &two, "POST", "/v1/keys/verify", &json!({ "key": key })).json();
    assert_eq!(verdict["code"], "unknown", "Unkey: another tenant's key does not exist");
    assert_eq!(server.call("/x", Some(key)).status, 200, "and the key lives");
    assert_eq!(
        manage(&admin, key, "GET", "/v1/keys", &Value::Null).status,
        401,
        "an API key manages nothing"
    );
}
