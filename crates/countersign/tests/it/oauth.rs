//! OAuth for machines as its users run it: a client obtains a token, calls the gateway, and the token ends in each way
//! that there is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use aws_lc_rs::constant_time;
use countersign_jose::base64url;
use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually, get, manage, raw};

/// A client of a running product.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Client {
    pub(crate) fn register(server: &Server, more: &Value) -> Self {
        let mut body = json!({ "name": "billing", "grant_types": ["client_credentials"],
            "scopes": ["orders:read"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = server.manage("POST", "/v1/clients", &body);
        assert_eq!(made.status, 201, "{made:?}");
        let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
        Self { id: text("client_id"), secret: text("client_secret") }
    }

    /// Posts a form to the issuer, with the secret in the field (RFC 6749 §2.3.1).
    pub(crate) fn post(&self, server: &Server, path: &str, form: &str) -> Answer {
        let pair = countersign_standard(&format!("{}:{}", self.id, self.secret));
        let field = format!("Authorization: Basic {pair}\r\n");
        post(server, path, &field, "application/x-www-form-urlencoded", form)
    }

    pub(crate) fn token(&self, server: &Server) -> String {
        let answer = self.post(server, "/oauth/token", "grant_type=client_credentials");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"), "RFC 6749 §5.1");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_active(&self, server: &Server, token: &str) -> bool {
        let answer = self.post(server, "/oauth/introspect", &format!("token={token}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["active"] == true
    }
}

/// Base64 with padding, which RFC 7617 asks for.
fn countersign_standard(text: &str) -> String {
    let mut url = base64url::encode(text.as_bytes()).replace('-', "+").replace('_', "/");
    while !url.len().is_multiple_of(4) {
        url.push('=');
    }
    url
}

pub(crate) fn post(server: &Server, path: &str, fields: &str, kind: &str, body: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    raw(&server.address("issuer"), &head)
}

pub(crate) fn call(server: &Server, token: &str) -> Answer {
    get(&server.address("gateway"), "/orders/1", &format!("Authorization: Bearer {token}\r\n"))
}

#[track_caller]
pub(crate) fn refused(server: &Server, token: &str) {
    let answer = call(server, token);
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
    let metadata = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(metadata.ends_with("/.well-known/oauth-protected-resource"), "RFC 9728 §5.1: {metadata}");
}

/// Ways to end a token that was issued to a client.
pub(crate) const ENDS: [&str; 6] =
    ["client", "itself", "client's tokens", "organisation's tokens", "everything", "disabled"];

pub(crate) fn end(server: &Server, client: &Client, token: &str, how: &str) {
    let done = match how {
        "itself" => client.post(server, "/oauth/revoke", &format!("token={token}")).status,
        "client" => server.manage("POST", "/v1/tokens/revoke", &json!({ "token": token })).status,
        "client's tokens" => {
            server.manage("POST", "/v1/tokens/revoke", &json!({ "client": client.id })).status
        }
        "organisation's tokens" => {
            let owner = server.manage("GET", &format!("/v1/clients/{}", client.id), &Value::Null).json();
            let body = json!({ "subject": owner["organisation"] });
            server.manage("POST", "/v1/tokens/revoke", &body).status
        }
        "everything" => server.manage("POST", "/v1/tokens/revoke", &json!({ "all": true })).status,
        "disabled" => {
            server.manage("POST", &format!("/v1/clients/{}/disable", client.id), &Value::Null).status
        }
        other => panic!("{other}"),
    };
    assert!((200..300).contains(&done), "{how}: {done}");
}

#[test]
fn a_token_works_until_it_is_ended_in_each_way_and_is_refused_at_the_next_request() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for format in ["jwt", "opaque"] {
        for how in ENDS {
            let client = Client::register(&server, &json!({ "token_format": format }));
            let token = client.token(&server);
            assert_eq!(token.starts_with("cs_at_"), format == "opaque");
            let answer = call(&server, &token);
            assert_eq!(answer.status, 200, "{format} {how}: {answer:?}");
            let seen = &answer.json()["headers"];
            assert_eq!(seen["countersign-client"], client.id.as_str());
            assert_eq!(seen["countersign-scope"], "orders:read");
            assert!(!answer.body.contains(&token), "the credential goes no further");
            assert!(client.is_active(&server, &token));
            end(&server, &client, &token, how);
            refused(&server, &token);
            if how != "disabled" {
                assert!(!client.is_active(&server, &token), "{format} {how}");
                let next = client.token(&server);
                assert_eq!(call(&server, &next).status, 200, "{format} {how}: the next one is good");
            }
        }
    }
}

#[test]
fn a_signing_key_is_rotated_and_revoked_without_a_restart() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let client = Client::register(&server, &json!({}));
    let kid = |token: &str| {
        let head = base64url::decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let published = || {
        let keys = get(&server.address("issuer"), "/.well-known/jwks.json", "");
        assert!(keys.header("cache-control").unwrap().contains("max-age=300"));
        let keys = keys.json()["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = client.token(&server);
    let rotated = server.manage("POST", "/v1/signing-keys/rotate", &json!({ "publish_first": true }));
    let prepared = rotated.json()["kid"].as_str().unwrap().to_owned();
    assert_eq!(rotated.json()["state"], "prepared");
    assert!(published().contains(&prepared), "published before it signs");
    assert_eq!(kid(&client.token(&server)), kid(&first));
    server.manage("POST", "/v1/signing-keys/rotate", &json!({}));
    let second = client.token(&server);
    assert_ne!(kid(&second), kid(&first));
    assert_eq!((call(&server, &first).status, call(&server, &second).status), (200, 200));
    let revoked = server.manage("POST", &format!("/v1/signing-keys/{}/revoke", kid(&second)), &Value::Null);
    assert_eq!(revoked.json()["state"], "revoked");
    refused(&server, &second);
    assert!(!published().contains(&kid(&second)));
    let third = client.token(&server);
    assert!(kid(&third) != kid(&second) && kid(&third) != kid(&first));
    assert_eq!((call(&server, &first).status, call(&server, &third).status), (200, 200));
}

#[test]
fn rfc6749_5_2_a_request_that_is_refused_says_why_and_no_more() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let client = Client::register(&server, &json!({}));
    let form = "application/x-www-form-urlencoded";
    let secret = format!("client_id={}&client_secret={}", client.id, client.secret);
    let asked = |body: &str| post(&server, "/oauth/token", "", form, body);
    for (body, status, error) in [
        (format!("{secret}&grant_type=password&username=a&password=b"), 400, "unsupported_grant_type"),
        (format!("{secret}&grant_type=implicit"), 400, "unsupported_grant_type"),
        (
            format!("{secret}&grant_type=client_credentials&grant_type=client_credentials"),
            400,
            "invalid_request",
        ),
        (secret.clone(), 400, "invalid_request"),
        (format!("{secret}&grant_type=client_credentials&scope=settle"), 400, "invalid_scope"),
        (
            format!("{secret}&grant_type=client_credentials&resource=https://nowhere.example"),
            400,
            "invalid_target",
        ),
        ("grant_type=client_credentials".to_owned(), 401, "invalid_client"),
        (
            format!("client_id={}&client_secret=x&grant_type=client_credentials", client.id),
            401,
            "invalid_client",
        ),
        (
            format!(
                "client_id=client_0000000000000000000001&client_secret={}&grant_type=client_credentials",
                client.secret
            ),
            401,
            "invalid_client",
        ),
    ] {
        let answer = asked(&body);
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (status, Some(error)),
            "{body}: {answer:?}"
        );
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.is_some_and(|one| one.starts_with("Basic ")), status == 401, "{body}");
        assert!(!answer.body.contains(&client.secret));
    }
    let wrong = Client { secret: "wrong".to_owned(), id: client.id.clone() };
    let unknown = Client { id: "client_0000000000000000000001".to_owned(), secret: client.secret.clone() };
    let answers =
        [&wrong, &unknown].map(|one| one.post(&server, "/oauth/token", "grant_type=client_credentials"));
    for answer in &answers {
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "), "RFC 6749 §5.2");
    }
    assert_eq!(answers[0].body, answers[1].body, "an unknown client and a wrong secret are one answer");
    let json = json!({ "grant_type": "client_credentials", "client_id": client.id,
        "client_secret": client.secret, "scope": "orders:read" });
    let answer = post(&server, "/oauth/token", "", "application/json", &json.to_string());
    assert_eq!(answer.status, 200, "JSON with the same members: {answer:?}");
    assert_eq!(answer.json()["token_type"], "Bearer");
}

#[test]
fn rfc7662_2_2_a_client_beyond_the_audience_learns_nothing() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (one, other) = (Client::register(&server, &json!({})), Client::register(&server, &json!({})));
    let token = one.token(&server);
    let told = other.post(&server, "/oauth/introspect", &format!("token={token}"));
    assert_eq!((told.status, told.json()), (200, json!({ "active": false })));
    let ended = other.post(&server, "/oauth/revoke", &format!("token={token}"));
    assert_eq!((ended.status, ended.body.as_str()), (200, ""));
    assert_eq!(call(&server, &token).status, 200, "it ended nothing");
}

#[test]
fn attack_11_what_a_caller_says_of_host_and_scheme_is_in_no_metadata() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for (listener, path) in [
        ("issuer", "/.well-known/oauth-authorization-server"),
        ("issuer", "/.well-known/openid-configuration"),
        ("gateway", "/.well-known/oauth-protected-resource"),
    ] {
        let address = server.address(listener);
        let told = get(&address, path, "");
        assert_eq!(told.status, 200, "{told:?}");
        for forged in [
            "Forwarded: for=192.0.2.1;host=evil.example;proto=https\r\n",
            "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n",
            "X-Original-URL: https://evil.example/\r\nX-Forwarded-Prefix: /evil\r\n",
        ] {
            let answer = get(&address, path, forged);
            assert_eq!((answer.status, answer.json()), (200, told.json()), "{path} {forged}");
        }
        let host = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let answer = raw(&address, &host);
        assert!(!answer.body.contains("evil.example"), "{path}: {answer:?}");
    }
}

#[test]
fn attack_21_a_revocation_that_is_not_stored_is_no_success() {
    let Some(mut postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let server = place.up("data", &["--store", &postgres.url()]);
    let client = Client::register(&server, &json!({}));
    let token = client.token(&server);
    postgres.stop();
    let answer = client.post(&server, "/oauth/revoke", &format!("token={token}"));
    assert_eq!(answer.status, 503, "{answer:?}");
    postgres.restart();
    eventually("an answer", || {
        let answer = client.post(&server, "/oauth/introspect", &format!("token={token}"));
        assert!(answer.status == 503 || answer.json()["active"] == true, "{answer:?}");
        answer.status == 200
    });
}

/// Two nodes of one installation: one issuer, one default resource.
pub(crate) fn two_nodes(place: &Ground, store: &str, more: &[&str]) -> (Server, Server) {
    let one = place.up("one", &[&["--store", store], more].concat());
    std::fs::create_dir(place.path("two")).unwrap();
    std::fs::set_permissions(place.path("two"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let master_key = place.path("one/master.key").display().to_string();
    let url = |name: &str| one.card[name].as_str().unwrap().to_owned();
    let same = ["--issuer-url", &url("issuer"), "--resource", &url("gateway")];
    let two = place.up("two", &[&["--store", store, "--master-key", &master_key], &same[..], more].concat());
    (one, two)
}

#[test]
fn a_token_that_is_revoked_at_one_node_is_refused_by_the_other_within_a_second() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let (one, two) = two_nodes(&place, &postgres.url(), &[]);
    for how in ENDS {
        let client = Client::register(&one, &json!({}));
        let token = client.token(&one);
        assert_eq!(call(&two, &token).status, 200, "{how}: issued at one, good at the other");
        end(&one, &client, &token, how);
        let took = eventually(how, || call(&two, &token).status == 401);
        assert!(took.as_millis() < 1000, "{how}: {took:?}");
    }
}

#[test]
fn keys_are_rotated_under_load_on_two_nodes_and_no_request_fails() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let (one, two) = two_nodes(&place, &postgres.url(), &[]);
    let client = Client::register(&one, &json!({}));
    eventually("the client is known at the other node", || {
        client.post(&two, "/oauth/token", "grant_type=client_credentials").status == 200
    });
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _ends = Stop(&stop);
        for (issues, verifies) in [(&one, &two), (&two, &one)] {
            let (client, stop, done) = (&client, &stop, &done);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let token = client.token(issues);
                    let answer = call(verifies, &token);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for rotation in 0..10 {
            let admin = if rotation % 2 == 0 { &one } else { &two }.address("admin");
            let key = one.management_key();
            let rotated = manage(&admin, &key, "POST", "/v1/signing-keys/rotate", &json!({}));
            assert_eq!(rotated.status, 201, "{rotated:?}");
            let before = done.load(Ordering::Relaxed);
            eventually("requests go on", || done.load(Ordering::Relaxed) > before + 4);
        }
    });
}

/// Ends the load, however its test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn safety_17_a_client_that_is_narrowed_has_narrow_tokens_at_the_next_request() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for format in ["jwt", "opaque"] {
        let client = Client::register(&server, &json!({ "token_format": format }));
        let token = client.token(&server);
        assert_eq!(call(&server, &token).status, 200);
        let path = format!("/v1/clients/{}", client.id);
        assert_eq!(server.manage("PATCH", &path, &json!({ "name": "invoices" })).status, 200);
        assert_eq!(call(&server, &token).status, 200, "nothing was taken away");
        assert_eq!(server.manage("PATCH", &path, &json!({ "scopes": null })).status, 200);
        refused(&server, &token);
        assert_eq!(call(&server, &client.token(&server)).status, 200, "a new one has what is left");
    }
}

#[test]
fn a_client_that_has_as_many_opaque_tokens_as_it_may_is_told_when_to_come_again() {
    let place = Ground::new();
    let config = place.write("c.toml", "[client]\nmax_opaque_tokens = 2\n");
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let client = Client::register(&server, &json!({ "token_format": "opaque" }));
    let tokens = [client.token(&server), client.token(&server)];
    let refused = client.post(&server, "/oauth/token", "grant_type=client_credentials");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (429, Some("temporarily_unavailable")));
    let words = refused.json()["error_description"].as_str().unwrap().to_owned();
    assert!(words.contains("client.max_opaque_tokens"), "{words}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((60..=16 * 60).contains(&wait), "until the first of them ends: {wait}");
    assert!(tokens.iter().all(|token| call(&server, token).status == 200), "those that live go on");
    let other = Client::register(&server, &json!({ "token_format": "opaque" }));
    assert_eq!(call(&server, &other.token(&server)).status, 200, "another client has a cap of its own");
    eventually("the audit names the setting", || {
        let audit = server.manage("GET", "/v1/audit?last=true&limit=100", &Value::Null).body;
        audit.contains("too_many") && audit.contains("client.max_opaque_tokens")
    });
    std::fs::write(&config, "[client]\nmax_opaque_tokens = 3\n").unwrap();
    assert!(place.run(&["reload", "--data", "data"], &[]).status.success());
    assert_eq!(call(&server, &client.token(&server)).status, 200, "a reload makes the cap higher");
}

#[test]
fn safety_25_no_secret_and_no_token_is_in_the_database_or_the_log() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let client = Client::register(&server, &json!({ "token_format": "opaque" }));
    let token = client.token(&server);
    assert_eq!(call(&server, &token).status, 200);
    let log = server.log();
    server.stop();
    let mut bytes = log.into_bytes();
    for name in ["countersign.db", "countersign.db-wal"] {
        bytes.extend(std::fs::read(place.path("data").join(name)).unwrap_or_default());
    }
    for secret in [&token, &client.secret] {
        let found = bytes
            .windows(secret.len())
            .any(|window| constant_time::verify_slices_are_equal(window, secret.as_bytes()).is_ok());
        assert!(!found, "a secret is at rest");
    }
}
