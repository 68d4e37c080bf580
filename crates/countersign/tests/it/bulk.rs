//! Many keys at once: listed by what they are, revoked by a filter, warned of before they end.

use serde_json::{Value, json};

use crate::harness::{Ground, Server, eventually, manage};

fn mint(server: &Server, body: &Value) -> (String, String) {
    let minted = server.manage("POST", "/v1/keys", body);
    assert_eq!(minted.status, 201, "{minted:?}");
    let minted = minted.json();
    (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
}

fn listed(server: &Server, query: &str) -> usize {
    let answer = server.manage("GET", &format!("/v1/keys?limit=2&{query}"), &Value::Null);
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut page = answer.json();
    let mut count = 0;
    loop {
        count += page["data"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else { return count };
        page = server.manage("GET", &format!("/v1/keys?limit=2&{query}&cursor={next}"), &Value::Null).json();
    }
}

#[test]
fn keys_are_listed_and_revoked_by_what_they_are() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let keys = |body: Value, count: usize| (0..count).map(|_| mint(&server, &body).1).collect::<Vec<_>>();
    let acme = keys(json!({ "name": "a", "prefix": "acme" }), 5);
    keys(json!({ "name": "t", "environment": "test" }), 3);
    let soon = keys(json!({ "name": "s", "expires_in": "2d" }), 2);
    for (query, expected) in [
        ("prefix=acme", 5),
        ("environment=test", 3),
        ("expiring_within=3d", 2),
        ("expiring_within=1d", 0),
        ("unused_since=2100-01-01T00:00:00Z", 10),
        ("created_before=2000-01-01T00:00:00Z", 0),
        ("prefix=acme&environment=test", 0),
    ] {
        assert_eq!(listed(&server, query), expected, "{query}");
    }
    for body in [json!({}), json!({ "filter": {} }), json!({ "filter": { "prefix": "acme" }, "all": true })] {
        assert_eq!(server.manage("POST", "/v1/keys/revoke", &body).status, 400, "{body}");
    }
    let revoke = |flags: &[&str]| {
        let arguments: Vec<_> = ["key", "revoke-many"]
            .iter()
            .chain(flags)
            .chain(&["--data", "data", "--json"])
            .copied()
            .collect();
        let output = place.run(&arguments, &[]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        told["data"].as_array().unwrap().len()
    };
    assert_eq!(revoke(&["--prefix", "acme", "--dry-run"]), 5);
    assert_eq!(server.call("/x", Some(&acme[0])).status, 200, "a dry run changes nothing");
    assert_eq!(revoke(&["--prefix", "acme"]), 5);
    for key in &acme {
        assert_eq!(server.call("/x", Some(key)).status, 401);
    }
    assert_eq!(revoke(&["--prefix", "acme"]), 0, "those are revoked already");
    assert_eq!(server.call("/x", Some(&soon[0])).status, 200);
    assert_eq!(revoke(&["--all"]), 5);
    assert_eq!(server.call("/x", Some(&soon[0])).status, 401);
    assert_eq!(listed(&server, "state=revoked"), 10);
}

#[test]
fn a_tenant_revokes_its_own_keys_alone() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let tenant = |name: &str| {
        let owner =
            server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": name })).json();
        let owner = owner["id"].as_str().unwrap().to_owned();
        let scopes = json!(["keys:read", "keys:write"]);
        let body = json!({ "name": name, "owner": owner, "scopes": scopes, "grantable": ["*"] });
        let manager =
            server.manage("POST", "/v1/management-keys", &body).json()["key"].as_str().unwrap().to_owned();
        (manager, mint(&server, &json!({ "name": "k", "owner": owner })).1)
    };
    let ((manager, own), (_, others)) = (tenant("one"), tenant("two"));
    let body = json!({ "all": true });
    let answer = manage(&server.address("admin"), &manager, "POST", "/v1/keys/revoke", &body);
    assert_eq!((answer.status, answer.json()["count"].as_u64()), (200, Some(1)), "{answer:?}");
    assert_eq!(server.call("/x", Some(&own)).status, 401);
    assert_eq!(server.call("/x", Some(&others)).status, 200);
}

#[test]
fn a_key_that_ends_soon_is_named_once() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let manager = server.management_key();
    let (id, _) = mint(&server, &json!({ "name": "soon", "expires_in": "1d" }));
    mint(&server, &json!({ "name": "later", "expires_in": "90d" }));
    let warnings = |server: &Server| {
        let audit =
            manage(&server.address("admin"), &manager, "GET", "/v1/audit?last=true&limit=200", &Value::Null);
        assert_eq!(audit.status, 200, "{audit:?}");
        let audit = audit.json();
        let lines = audit["data"].as_array().unwrap().clone();
        let bodies = lines.iter().map(|line| line["body"].as_str().unwrap().to_owned());
        bodies.filter(|body| body.contains("api_key.expiring")).collect::<Vec<_>>()
    };
    server.stop();
    let server = place.up("data", &[]);
    eventually("the key is named", || warnings(&server).len() == 1);
    assert!(warnings(&server)[0].contains(&id));
    server.stop();
    let server = place.up("data", &[]);
    let body = json!({ "name": "another", "expires_in": "1d" });
    assert_eq!(manage(&server.address("admin"), &manager, "POST", "/v1/keys", &body).status, 201);
    server.stop();
    let server = place.up("data", &[]);
    eventually("the other is named", || warnings(&server).len() == 2);
    let named = warnings(&server).iter().filter(|body| body.contains(&id)).count();
    assert_eq!(named, 1, "the first is not named again");
}
