//! A team's keys come over as hashes, work, and are upgraded at their first use.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Place, Server, eventually, get, manage};

/// A key of the commonest pattern of all: a prefix and base64url of 32 bytes.
fn key(prefix: &str, number: u8) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode([number; 32]))
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn import(server: &Server, declared: &Value, hashes: &[String]) -> Value {
    let keys: Vec<_> = hashes.iter().map(|hash| json!({ "hash": hash, "name": "old" })).collect();
    let mut body = json!({ "keys": keys });
    body.as_object_mut().unwrap().extend(declared.as_object().unwrap().clone());
    let answer = server.manage("POST", "/v1/keys/import", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn upgraded(server: &Server, id: &str) -> bool {
    let audit = server.manage("GET", "/v1/audit?last=true&limit=200", &Value::Null).body;
    audit.contains("api_key.upgrade") && audit.contains(id)
}

#[test]
fn a_list_of_hashes_is_imported_used_and_upgraded() {
    let place = Place::new();
    let server = place.up("data", &[]);
    let keys: Vec<_> = (0..30).map(|number| key("acme_", number)).collect();
    let lines: Vec<_> = keys.iter().map(|key| hex(&sha256(key))).collect();
    let file = place.write("keys.txt", &lines.join("\n"));
    let arguments = [
        "key",
        "import",
        file.to_str().unwrap(),
        "--prefix",
        "acme_",
        "--scope",
        "orders:read",
        "--data",
        "data",
        "--json",
    ];
    let dry: Vec<_> = arguments.iter().copied().chain(["--dry-run"]).collect();
    let told = |arguments: &[&str]| -> Value {
        let output = place.run(arguments, &[]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    assert_eq!(told(&dry)["imported"], 30);
    assert_eq!(server.call("/x", Some(&keys[0])).status, 401, "a dry run changes nothing");
    assert_eq!(told(&arguments)["imported"], 30);
    assert_eq!(told(&arguments)["existing"], 30, "a repeat is no harm");

    for key in &keys {
        let answer = server.call("/x", Some(key));
        assert_eq!(answer.status, 200, "{key}");
        assert_eq!(answer.json()["headers"]["countersign-scope"], "orders:read");
        assert!(!answer.body.contains(key.as_str()), "the upstream does not see it");
    }
    let by_header = get(&server.address("gateway"), "/x", &format!("X-API-Key: {}\r\n", keys[1]));
    assert_eq!(by_header.status, 200);
    for hash in [lines[0].clone(), URL_SAFE_NO_PAD.encode(sha256(&keys[0])), format!("acme_{}", lines[0])] {
        assert_eq!(server.call("/x", Some(&hash)).status, 401, "a stored hash is no key");
    }
    assert_eq!(server.call("/x", Some(&key("acme_", 99))).status, 401);
    assert_eq!(server.call("/x", Some(&key("other_", 1))).status, 401);

    let verdict =
        server.manage("POST", "/v1/keys/verify", &json!({ "key": keys[2], "prefix": "acme" })).json();
    assert_eq!(verdict["code"], "valid");
    let id = verdict["id"].as_str().unwrap();
    eventually("the key is upgraded", || upgraded(&server, id));
    assert_eq!(server.call("/x", Some(&keys[2])).status, 200, "and still works");
    assert_eq!(server.manage("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null).status, 200);
    assert_eq!(server.call("/x", Some(&keys[2])).status, 401, "the next request");

    server.stop();
    let server = place.up("data", &[]);
    assert_eq!(server.call("/x", Some(&keys[2])).status, 401);
    assert_eq!(server.call("/x", Some(&keys[3])).status, 200);
}

#[test]
fn safety_14_every_declared_way_of_hashing_comes_over_wrapped() {
    let place = Place::on_sqlite();
    let server = place.up("data", &[]);
    let hmac_key = "pepper of the old system";
    let keyed = |text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, hmac_key.as_bytes()), text.as_bytes()).as_ref().to_vec()
    };
    let sha512 = |text: &str| digest::digest(&digest::SHA512, text.as_bytes()).as_ref().to_vec();
    let secret = |key: &str, prefix: &str| key.strip_prefix(prefix).unwrap().to_owned();
    let (a, b, c, d) = (key("a-", 1), key("b_", 2), key("c.", 3), key("sk_live_", 4));
    let rows = [
        (
            json!({ "algorithm": "sha256", "encoding": "base64", "prefix": "a-" }),
            STANDARD.encode(sha256(&a)),
            &a,
        ),
        (
            json!({ "algorithm": "sha256", "encoding": "base64url", "prefix": "b_", "of": "secret" }),
            URL_SAFE_NO_PAD.encode(sha256(&secret(&b, "b_"))),
            &b,
        ),
        (json!({ "algorithm": "sha512", "prefix": "c." }), hex(&sha512(&c)).to_uppercase(), &c),
        (
            json!({ "algorithm": "hmac-sha256", "hmac_key": hmac_key, "prefix": "sk_live_" }),
            hex(&keyed(&d)),
            &d,
        ),
    ];
    for (declared, hash, key) in rows {
        let told = import(&server, &declared, std::slice::from_ref(&hash));
        assert_eq!(told["imported"], 1, "{declared} {told}");
        assert_eq!(server.call("/x", Some(key)).status, 200, "{declared}");
    }
    let bare = "0123456789abcdef0123456789abcdef";
    let declared = json!({ "algorithm": "sha256", "header": "X-Acme-Key", "key_set": "acme" });
    assert_eq!(import(&server, &declared, &[hex(&sha256(bare))])["imported"], 1);
    let with = |fields: &str| get(&server.address("gateway"), "/x", fields);
    let answer = with(&format!("X-Acme-Key: {bare}\r\n"));
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains(bare), "the declared header field ends here");
    assert_eq!(with(&format!("X-API-Key: {bare}\r\n")).status, 401, "elsewhere it is no key");
    assert_eq!(with(&format!("X-Acme-Key: {bare}\r\nX-API-Key: {a}\r\n")).status, 400, "two credentials");

    let stored: Vec<u8> = ["data/countersign.db", "data/countersign.db-wal"]
        .iter()
        .flat_map(|file| std::fs::read(place.path(file)).unwrap())
        .collect();
    let holds = |what: &[u8]| stored.windows(what.len()).any(|window| window == what);
    assert!(holds(b"x-acme-key"), "it is the store");
    assert!(!holds(hmac_key.as_bytes()), "the HMAC key is sealed");
    assert!(
        !holds(&sha256(bare)) && !holds(hex(&sha256(bare)).as_bytes()),
        "SAFETY 14: never at rest as it came"
    );
}

#[test]
fn a_tenant_declares_no_key_set_and_imports_into_those_that_are() {
    let place = Place::new();
    let server = place.up("data", &[]);
    let owner = server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": "one" })).json();
    let body = json!({ "name": "one", "owner": owner["id"], "scopes": ["keys:read", "keys:write"], "grantable": ["*"] });
    let manager =
        server.manage("POST", "/v1/management-keys", &body).json()["key"].as_str().unwrap().to_owned();
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "a" })).json();
    let native = minted["key"].as_str().unwrap();
    let as_tenant = |declared: &Value, key: &str| {
        let keys = json!([{ "hash": hex(&sha256(key)), "name": "old", "hint": key }]);
        let mut body = json!({ "keys": keys });
        body.as_object_mut().unwrap().extend(declared.as_object().unwrap().clone());
        manage(&server.address("admin"), &manager, "POST", "/v1/keys/import", &body)
    };
    // A declared header field would make everybody's requests that carry it ambiguous.
    let header = json!({ "algorithm": "sha256", "header": "X-Request-Id", "key_set": "acme" });
    let prefix = json!({ "algorithm": "sha256", "prefix": "acme_" });
    for declared in [&header, &prefix] {
        assert_eq!(as_tenant(declared, &key("acme_", 1)).status, 403, "{declared}");
    }
    let fields = format!("X-Request-Id: 1\r\nAuthorization: Bearer {native}\r\n");
    assert_eq!(get(&server.address("gateway"), "/x", &fields).status, 200);
    import(&server, &prefix, &[hex(&sha256(&key("acme_", 2)))]);
    let told = as_tenant(&prefix, &key("acme_", 1)).json();
    assert_eq!(told["imported"], 1, "{told}");
    assert_eq!(server.call("/x", Some(&key("acme_", 1))).status, 200);
    let listed = manage(&server.address("admin"), &manager, "GET", "/v1/keys", &Value::Null);
    let whole = key("acme_", 1);
    assert!(!listed.body.contains(&whole) && listed.body.contains(&whole[whole.len() - 4..]), "{listed:?}");
}

#[test]
fn what_cannot_be_imported_is_told() {
    let place = Place::new();
    let server = place.up("data", &[]);
    let refused = |body: Value| server.manage("POST", "/v1/keys/import", &body);
    let one = json!([{ "hash": "00", "name": "a" }]);
    for (body, words) in [
        (json!({ "algorithm": "md5", "prefix": "acme_", "keys": one }), "sha256"),
        (json!({ "algorithm": "sha256", "prefix": "cs_live_", "keys": one }), "reserved"),
        (json!({ "algorithm": "sha256", "keys": one }), "prefix"),
        (json!({ "algorithm": "sha256", "header": "Authorization", "key_set": "a", "keys": one }), "header"),
        (json!({ "algorithm": "hmac-sha256", "prefix": "acme_", "keys": one }), "hmac_key"),
        (json!({ "algorithm": "sha256", "prefix": "acme_", "keys": [] }), "1 to 1000"),
    ] {
        let answer = refused(body.clone());
        assert_eq!(answer.status, 400, "{body} {answer:?}");
        assert!(answer.body.contains(words), "{body} {answer:?}");
    }
    let told = refused(json!({ "algorithm": "sha256", "prefix": "acme_", "keys": one })).json();
    assert_eq!((told["refused"].as_u64(), told["data"][0]["outcome"].as_str()), (Some(1), Some("refused")));
    assert!(told["data"][0]["reason"].as_str().unwrap().contains("32 bytes"));
}
