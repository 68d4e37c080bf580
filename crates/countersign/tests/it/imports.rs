//! A team's keys come over as hashes, work, and are upgraded at their first use.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually, get, manage};

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
fn what_stands_in_the_way_of_one_key_of_a_page_stands_in_no_others() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let declared = json!({ "algorithm": "sha256", "prefix": "acme_" });
    let mut hashes: Vec<_> = (0..20).map(|number| hex(&sha256(&key("acme_", number)))).collect();
    hashes.insert(9, hashes[3].clone());
    hashes.insert(0, "no hash".to_owned());
    let told = import(&server, &declared, &hashes);
    assert_eq!((&told["imported"], &told["existing"], &told["refused"]), (&json!(20), &json!(1), &json!(1)));
    let outcome = |index: usize| told["data"][index]["outcome"].as_str().unwrap().to_owned();
    assert_eq!([0, 4, 10, 21].map(outcome), ["refused", "imported", "exists", "imported"]);
    assert!((0..20).all(|number| server.call("/x", Some(&key("acme_", number))).status == 200));
    let lines = server.manage("GET", "/v1/audit?last=true&limit=200", &Value::Null).body;
    assert_eq!(lines.matches("api_key.import").count(), 20, "a line for each, and none for what was here");
}

#[test]
fn a_list_of_hashes_is_imported_used_and_upgraded() {
    let place = Ground::new();
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
    let place = Ground::on_sqlite();
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

/// A tenant whose management key may give what `grantable` says.
struct Tenant {
    organisation: String,
    admin: String,
    key: String,
}

impl Tenant {
    fn new(server: &Server, name: &str, grantable: &[&str]) -> Self {
        let owner = json!({ "kind": "organisation", "name": name });
        let owner = server.manage("POST", "/v1/owners", &owner).json()["id"].as_str().unwrap().to_owned();
        let scopes = json!(["keys:read", "keys:write"]);
        let body = json!({ "name": name, "owner": owner, "scopes": scopes, "grantable": grantable });
        let made = server.manage("POST", "/v1/management-keys", &body).json();
        let key = made["key"].as_str().unwrap().to_owned();
        Self { organisation: owner, admin: server.address("admin"), key }
    }

    fn import(&self, declared: &Value, key: &str) -> Answer {
        let mut body = json!({ "keys": [{ "hash": hex(&sha256(key)), "name": "old", "hint": key }] });
        body.as_object_mut().unwrap().extend(declared.as_object().unwrap().clone());
        manage(&self.admin, &self.key, "POST", "/v1/keys/import", &body)
    }
}

/// Lets an operator import one key for `owner`.
fn import_for(server: &Server, owner: &str, declared: &Value, key: &str) -> Value {
    let mut body = json!({ "keys": [{ "hash": hex(&sha256(key)), "name": "old", "owner": owner }] });
    body.as_object_mut().unwrap().extend(declared.as_object().unwrap().clone());
    server.manage("POST", "/v1/keys/import", &body).json()
}

#[test]
fn safety_13_a_tenant_imports_into_sets_that_were_declared_for_it_alone() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let tenant = Tenant::new(&server, "one", &["key_set:acme"]);
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "a" })).json();
    let native = minted["key"].as_str().unwrap();
    // A declared header field would make everybody's requests that carry it ambiguous.
    let header = json!({ "algorithm": "sha256", "header": "X-Request-Id", "key_set": "acme" });
    let prefix = json!({ "algorithm": "sha256", "prefix": "acme_" });
    for declared in [&header, &prefix] {
        assert_eq!(tenant.import(declared, &key("acme_", 1)).status, 403, "{declared}");
    }
    let fields = format!("X-Request-Id: 1\r\nAuthorization: Bearer {native}\r\n");
    assert_eq!(get(&server.address("gateway"), "/x", &fields).status, 200);
    assert_eq!(import_for(&server, &tenant.organisation, &prefix, &key("acme_", 2))["imported"], 1);
    let told = tenant.import(&prefix, &key("acme_", 1)).json();
    assert_eq!(told["imported"], 1, "{told}");
    assert_eq!(server.call("/x", Some(&key("acme_", 1))).status, 200);
    let listed = manage(&server.address("admin"), &tenant.key, "GET", "/v1/keys", &Value::Null);
    let whole = key("acme_", 1);
    assert!(!listed.body.contains(&whole) && listed.body.contains(&whole[whole.len() - 4..]), "{listed:?}");
    for other in [
        json!({ "algorithm": "sha256", "prefix": "acme_", "key_set": "partner" }),
        json!({ "algorithm": "sha256", "prefix": "acme_", "key_set": "cs_live" }),
        json!({ "algorithm": "sha512", "prefix": "acme_" }),
        json!({ "algorithm": "sha256", "prefix": "acme_", "of": "secret" }),
        json!({ "algorithm": "sha256", "prefix": "acme_1", "key_set": "acme" }),
        json!({ "algorithm": "sha256", "prefix": "acme_", "header": "X-Acme-Key" }),
    ] {
        let refused = tenant.import(&other, &key("acme_", 3));
        assert_eq!(
            refused.status, 403,
            "an import names only the set of its declaration: {other} {refused:?}"
        );
    }
    import(&server, &prefix, &[hex(&sha256(&key("acme_", 4)))]);
    let refused = tenant.import(&prefix, &key("acme_", 5));
    assert_eq!(refused.status, 403, "now it would speak for another's callers: {refused:?}");

    let ungranted = Tenant::new(&server, "two", &["orders:*"]);
    let own = json!({ "algorithm": "sha256", "prefix": "two_" });
    assert_eq!(import_for(&server, &ungranted.organisation, &own, &key("two_", 1))["imported"], 1);
    let told = ungranted.import(&own, &key("two_", 2)).json();
    assert_eq!((&told["imported"], &told["refused"]), (&json!(0), &json!(1)), "{told}");
    assert!(told["data"][0]["reason"].as_str().unwrap().contains("key_set:two"), "{told}");
    assert_eq!(server.call("/x", Some(&key("two_", 2))).status, 401);
}

#[test]
fn a_secret_that_was_taken_over_lives_once() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let declared = json!({ "algorithm": "sha256", "prefix": "acme_" });
    for (number, used, end) in [
        (1, false, None),
        (2, true, None),
        (3, true, Some(("POST", "/revoke"))),
        (4, false, Some(("POST", "/revoke"))),
        (5, true, Some(("DELETE", ""))),
        (6, false, Some(("DELETE", ""))),
    ] {
        let key = key("acme_", number);
        let told = import(&server, &declared, &[hex(&sha256(&key))]);
        let id = told["data"][0]["id"].as_str().unwrap().to_owned();
        if used {
            assert_eq!(server.call("/x", Some(&key)).status, 200);
            eventually("the key is upgraded", || upgraded(&server, &id));
        }
        if let Some((method, verb)) = end {
            assert!(server.manage(method, &format!("/v1/keys/{id}{verb}"), &Value::Null).status < 300);
        }
        for again in [
            declared.clone(),
            json!({ "algorithm": "sha256", "prefix": "acme_", "dry_run": true }),
            json!({ "algorithm": "sha256", "prefix": "ac", "key_set": "acme" }),
            json!({ "algorithm": "sha256", "header": "X-Acme-Key", "key_set": "acme" }),
        ] {
            let told = import(&server, &again, &[hex(&sha256(&key))]);
            assert_eq!(
                (&told["imported"], &told["existing"]),
                (&json!(0), &json!(1)),
                "{number} {again} {told}"
            );
        }
        let status = if end.is_some() { 401 } else { 200 };
        assert_eq!(server.call("/x", Some(&key)).status, status, "{number}");
    }
    let twice = [hex(&sha256(&key("acme_", 7))), hex(&sha256(&key("acme_", 7))).to_uppercase()];
    let told = import(&server, &declared, &twice);
    assert_eq!((&told["imported"], &told["existing"]), (&json!(1), &json!(1)), "{told}");
    let manager = server.management_key();
    server.stop();
    let server = place.up("data", &[]);
    let mut body = json!({ "keys": [{ "hash": hex(&sha256(&key("acme_", 5))), "name": "old" }] });
    body.as_object_mut().unwrap().extend(declared.as_object().unwrap().clone());
    let told = manage(&server.address("admin"), &manager, "POST", "/v1/keys/import", &body).json();
    assert_eq!(told["existing"], 1, "nor is it forgotten by a restart: {told}");
    assert_eq!(server.call("/x", Some(&key("acme_", 5))).status, 401);
}

#[test]
fn a_secret_that_came_over_under_two_algorithms_lives_once() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let declared = json!({ "algorithm": "sha256", "prefix": "acme_" });
    let sha512 = |text: &str| digest::digest(&digest::SHA512, text.as_bytes()).as_ref().to_vec();
    let (one, two) = (key("acme_", 1), key("acme_", 2));
    let others = [
        (&one, json!({ "algorithm": "sha512", "prefix": "acme_" }), sha512(&one)),
        (
            &two,
            json!({ "algorithm": "sha256", "prefix": "acme_", "of": "secret" }),
            sha256(&two["acme_".len()..]),
        ),
    ];
    for (key, other, hash) in others {
        let id = |told: &Value| told["data"][0]["id"].as_str().unwrap().to_owned();
        let first = id(&import(&server, &declared, &[hex(&sha256(key))]));
        assert_eq!(server.call("/x", Some(key)).status, 200);
        eventually("the key is upgraded", || upgraded(&server, &first));
        let second = id(&import(&server, &other, &[hex(&hash)]));
        assert_eq!(server.manage("DELETE", &format!("/v1/keys/{first}"), &Value::Null).status, 204);
        eventually("its second hash ends with its first use", || server.call("/x", Some(key)).status == 401);
        let record = server.manage("GET", &format!("/v1/keys/{second}"), &Value::Null).json();
        assert_eq!(record["state"], "revoked", "{other} {record}");
        let audit = server.manage("GET", "/v1/audit?last=true&limit=200", &Value::Null).body;
        assert!(audit.contains("api_key.revoke") && audit.contains("taken_over"), "{audit}");
    }
}

#[test]
fn whoever_imports_a_hash_first_speaks_for_no_caller_of_another() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (a, b) = (Tenant::new(&server, "a", &["*"]), Tenant::new(&server, "b", &["*"]));
    let declared = |prefix: &str| json!({ "algorithm": "sha256", "prefix": prefix });
    assert_eq!(import_for(&server, &a.organisation, &declared("a_"), &key("a_", 1))["imported"], 1);
    assert_eq!(import_for(&server, &b.organisation, &declared("b_"), &key("b_", 1))["imported"], 1);
    let stolen = key("a_", 2);
    assert_eq!(b.import(&declared("a_"), &stolen).status, 403);
    let told = b.import(&declared("b_"), &stolen).json();
    assert_eq!(told["data"][0]["outcome"], "imported", "it is a hash like any other: {told}");
    assert_eq!(server.call("/x", Some(&stolen)).status, 401, "but answers for nobody");
    let told = a.import(&declared("a_"), &stolen).json();
    assert_eq!(told["data"][0]["outcome"], "imported", "and is in nobody's way: {told}");
    let answer = server.call("/x", Some(&stolen));
    let id = told["data"][0]["id"].as_str().unwrap();
    assert_eq!(answer.json()["headers"]["countersign-credential"], id, "{answer:?}");
    let known = b.import(&declared("b_"), &key("a_", 1)).json();
    assert_eq!(known["data"][0]["outcome"], "imported", "nor is another's hash told: {known}");
    assert_eq!(a.import(&declared("a_"), &key("a_", 3)).json()["imported"], 1);
    let told = import_for(&server, &b.organisation, &declared("a_"), &key("a_", 3));
    assert_eq!(told["data"][0]["outcome"], "refused", "an operator is told, but gives it to nobody else");
    assert_eq!(a.import(&declared("a_"), &key("a_", 1)).json()["existing"], 1, "its owner is told");
}

#[test]
fn what_cannot_be_imported_is_told() {
    let place = Ground::new();
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
