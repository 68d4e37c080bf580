//! Signing keys that cannot be opened: nothing is signed with them, and everything else goes on.

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually, get, manage};
use crate::oauth::{Client, call};

/// What somebody with access to the database does to a sealed private key: it is gone, or another's lies in its place.
const DAMAGES: [&str; 2] = [
    "DELETE FROM sealed WHERE owner = 'HIT'",
    "UPDATE sealed SET value = (SELECT value FROM sealed WHERE owner = 'OTHER') WHERE owner = 'HIT'",
];

/// A server whose key for `purpose` was damaged before it started, with what was issued before.
struct Damaged {
    server: Server,
    management_key: String,
    client: Client,
    opaque: Client,
    token: String,
    key: String,
    kid: String,
}

const FIXED: [&str; 4] =
    ["--issuer-url", "https://auth.example.com", "--resource", "https://api.example.com"];

impl Damaged {
    fn start(place: &Ground, purpose: &str, damage: &str) -> Self {
        let server = place.up("data", &FIXED);
        let client = Client::register(&server, &json!({}));
        let opaque = Client::register(&server, &json!({ "token_format": "opaque" }));
        let token = client.token(&server);
        let key = server.manage("POST", "/v1/keys", &json!({ "name": "ci" })).json()["key"].clone();
        let keys = server.manage("GET", "/v1/signing-keys", &Value::Null).json();
        let kid = |wanted: bool| {
            let found =
                keys["data"].as_array().unwrap().iter().find(|key| (key["purpose"] == purpose) == wanted);
            found.unwrap()["kid"].as_str().unwrap().to_owned()
        };
        let (management_key, hit) = (server.management_key(), kid(true));
        server.stop();
        place.sql("data", &damage.replace("HIT", &hit).replace("OTHER", &kid(false)));
        let server = place.up("data", &FIXED);
        let key = key.as_str().unwrap().to_owned();
        Self { server, management_key, client, opaque, token, key, kid: hit }
    }

    fn manage(&self, method: &str, path: &str, body: &Value) -> Answer {
        manage(&self.server.address("admin"), &self.management_key, method, path, body)
    }

    fn ask(&self) -> Answer {
        self.client.post(&self.server, "/oauth/token", "grant_type=client_credentials")
    }

    /// Demands that log, audit and list name the key, once and with what helps.
    fn names_the_key(&self, purpose: &str) {
        let log = self.server.log();
        let told: Vec<_> = log.lines().filter(|line| line.contains("does not open")).collect();
        assert_eq!(told.len(), 1, "{log}");
        let helps = format!("signing-key rotate --purpose {purpose} --alg ES256");
        assert!(told[0].contains(&self.kid) && told[0].contains(&helps), "{told:?}");
        eventually("the audit names it", || {
            let audit = self.manage("GET", "/v1/audit?last=true", &Value::Null).body;
            audit.contains("signing_key.open") && audit.contains("does_not_open") && audit.contains(&self.kid)
        });
        let keys = self.manage("GET", "/v1/signing-keys", &Value::Null).json();
        for key in keys["data"].as_array().unwrap() {
            assert_eq!(key["opens"], key["kid"] != *self.kid, "{key}");
        }
    }
}

#[test]
fn rfc6749_4_1_2_1_without_its_signing_key_the_issuer_is_temporarily_unavailable_and_verifying_goes_on() {
    for damage in DAMAGES {
        let place = Ground::new();
        let it = Damaged::start(&place, "access_token", damage);
        for _ in 0..3 {
            let answer = it.ask();
            assert_eq!((answer.status, &answer.json()["error"]), (503, &json!("temporarily_unavailable")));
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
            assert!(!answer.body.contains(&it.kid), "what is wrong is the operator's to know");
        }
        let published = get(&it.server.address("issuer"), "/.well-known/jwks.json", "");
        assert!(published.status == 200 && published.body.contains(&it.kid), "{published:?}");
        assert_eq!(call(&it.server, &it.token).status, 200, "what it has signed is good");
        assert!(it.client.is_active(&it.server, &it.token));
        assert_eq!(it.server.call("/orders", Some(&it.key)).status, 200, "keys go on");
        let opaque = it.opaque.token(&it.server);
        assert_eq!(call(&it.server, &opaque).status, 200, "what is not signed is issued");
        assert_eq!(get(&it.server.address("admin"), "/readyz", "").status, 200);
        it.names_the_key("access_token");

        assert_eq!(it.manage("POST", "/v1/signing-keys/rotate", &json!({})).json()["opens"], true);
        let next = it.client.token(&it.server);
        assert_eq!((call(&it.server, &next).status, call(&it.server, &it.token).status), (200, 200));
        assert_eq!(it.client.post(&it.server, "/oauth/revoke", &format!("token={}", it.token)).status, 200);
        assert_eq!(call(&it.server, &it.token).status, 401);
    }
}

#[test]
fn without_the_key_of_assertions_requests_go_on_and_nothing_is_asserted() {
    let place = Ground::new();
    let it = Damaged::start(&place, "assertion", DAMAGES[0]);
    let asserted = || {
        let answer = it.server.call("/orders", Some(&it.key));
        assert_eq!(answer.status, 200);
        answer.json()["headers"]["countersign-assertion"].is_string()
    };
    assert!(!asserted());
    assert_eq!(it.ask().status, 200);
    it.names_the_key("assertion");
    let rotated = it.manage("POST", "/v1/signing-keys/rotate", &json!({ "purpose": "assertion" }));
    assert_eq!(rotated.status, 201, "{rotated:?}");
    assert!(asserted());
}

#[test]
fn safety_14_a_sealed_key_that_is_put_back_signs_again_without_a_restart() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let store = postgres.url();
    let up = |arguments: &[&str]| place.up("data", &[&["--store", &store], &FIXED[..], arguments].concat());
    let server = up(&[]);
    let client = Client::register(&server, &json!({}));
    server.stop();
    postgres.run("CREATE TABLE aside AS SELECT * FROM sealed WHERE purpose = 'signing-key'");
    postgres.run("DELETE FROM sealed WHERE purpose = 'signing-key'");
    let server = up(&[]);
    let ask = || client.post(&server, "/oauth/token", "grant_type=client_credentials").status;
    assert_eq!(ask(), 503);
    postgres.run("INSERT INTO sealed SELECT * FROM aside");
    assert_eq!(ask(), 200);
}
