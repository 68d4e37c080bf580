//! SAFETY 13: one installation serves many tenants, and none sees, changes or grants across.

use serde_json::{Value, json};

use crate::harness::{Ground, Server, manage};

struct Tenant {
    organisation: String,
    key: String,
}

fn tenant(server: &Server, name: &str, grantable: &[&str]) -> Tenant {
    let organisation =
        server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": name })).json();
    let organisation = organisation["id"].as_str().unwrap().to_owned();
    let scopes = [
        "keys:read",
        "keys:write",
        "keys:verify",
        "owners:read",
        "owners:write",
        "audit:read",
        "management-keys:write",
        "routes:read",
    ];
    let body = json!({ "name": name, "owner": organisation, "scopes": scopes, "grantable": grantable });
    let minted = server.manage("POST", "/v1/management-keys", &body).json();
    Tenant { organisation, key: minted["key"].as_str().unwrap().to_owned() }
}

#[test]
fn safety_13_tenants_do_not_see_change_or_grant_across() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (a, b) = (tenant(&server, "a", &["orders:*"]), tenant(&server, "b", &["refunds:*"]));
    let call = |tenant: &Tenant, method: &str, path: &str, body: &Value| {
        manage(&server.address("admin"), &tenant.key, method, path, body)
    };
    let minted = call(&a, "POST", "/v1/keys", &json!({ "name": "a's", "scopes": ["orders:read"] })).json();
    let (id, key) = (minted["id"].as_str().unwrap(), minted["key"].as_str().unwrap());
    assert_eq!(minted["owner"], json!(a.organisation), "a key belongs to who made it");

    for (method, path, body) in [
        ("GET", format!("/v1/keys/{id}"), Value::Null),
        ("PATCH", format!("/v1/keys/{id}"), json!({ "name": "stolen" })),
        ("POST", format!("/v1/keys/{id}/rotate"), json!({})),
        ("POST", format!("/v1/keys/{id}/revoke"), Value::Null),
        ("DELETE", format!("/v1/keys/{id}"), Value::Null),
        ("POST", format!("/v1/owners/{}/disable", a.organisation), Value::Null),
    ] {
        assert_eq!(call(&b, method, &path, &body).status, 404, "{method} {path}");
    }
    assert_eq!(call(&b, "GET", "/v1/keys", &Value::Null).json()["data"], json!([]));
    assert_eq!(
        call(&b, "GET", &format!("/v1/keys?owner={}", a.organisation), &Value::Null).json()["data"],
        json!([])
    );
    assert_eq!(call(&b, "POST", "/v1/keys/verify", &json!({ "key": key })).json()["code"], json!("unknown"));
    assert_eq!(call(&b, "POST", "/v1/keys", &json!({ "name": "x", "owner": a.organisation })).status, 404);
    assert_eq!(call(&b, "POST", "/v1/keys", &json!({ "name": "x", "scopes": ["orders:read"] })).status, 403);
    assert_eq!(call(&b, "POST", "/v1/owners", &json!({ "kind": "organisation", "name": "c" })).status, 404);
    let more = json!({ "name": "more", "scopes": ["operator"] });
    assert_eq!(call(&b, "POST", "/v1/management-keys", &more).status, 403);
    let more = json!({ "name": "more", "scopes": ["keys:read"], "grantable": ["*"] });
    assert_eq!(call(&b, "POST", "/v1/management-keys", &more).status, 403);
    assert_eq!(call(&b, "POST", "/v1/management-keys/rotate", &Value::Null).status, 403);
    let operators = server.manage("GET", "/v1/management-keys", &Value::Null).json();
    let operators = operators["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["scopes"].to_string().contains("operator"));
    let (first, organisation) = (operators.unwrap()["id"].clone(), operators.unwrap()["owner"].clone());
    let body = json!({ "name": "n", "owner": organisation, "scopes": ["management-keys:write"] });
    let neighbour = server.manage("POST", "/v1/management-keys", &body).json();
    let path = format!("/v1/management-keys/{}/revoke", first.as_str().unwrap());
    let locked =
        manage(&server.address("admin"), neighbour["key"].as_str().unwrap(), "POST", &path, &Value::Null);
    assert_eq!(locked.status, 403, "nobody revokes a management key that can do more");
    let path = format!("/v1/owners/{}/disable", organisation.as_str().unwrap());
    let body = json!({ "name": "n", "owner": organisation, "scopes": ["owners:write"] });
    let neighbour = server.manage("POST", "/v1/management-keys", &body).json();
    let locked =
        manage(&server.address("admin"), neighbour["key"].as_str().unwrap(), "POST", &path, &Value::Null);
    assert_eq!(locked.status, 404, "nor switches off the organisation that holds it");
    assert_eq!(
        call(&b, "GET", "/v1/routes", &Value::Null).json()["data"],
        json!([]),
        "routes belong to no tenant"
    );
    let seen = call(&b, "GET", "/v1/audit", &Value::Null).json();
    for row in seen["data"].as_array().unwrap() {
        let event: Value = serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        assert_eq!(event["organisation"], json!(b.organisation), "{event}");
    }
    assert!(!seen.to_string().contains(minted["hint"].as_str().unwrap()), "{seen}");
    let owners = call(&b, "GET", "/v1/owners", &Value::Null).json();
    assert_eq!(owners["data"].as_array().unwrap().len(), 1, "{owners}");
    assert_eq!(server.call("/x", Some(key)).status, 200, "the key lives");
}

#[test]
fn a_disabled_organisation_is_refused_with_all_of_its_keys_at_the_next_request() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let a = tenant(&server, "a", &["*"]);
    let client = json!({ "kind": "client", "name": "app", "organisation": a.organisation });
    let client = server.manage("POST", "/v1/owners", &client).json();
    let mint = |owner: &Value| {
        let minted = server.manage("POST", "/v1/keys", &json!({ "name": "k", "owner": owner })).json();
        minted["key"].as_str().unwrap().to_owned()
    };
    let (organisations, clients) = (mint(&json!(a.organisation)), mint(&client["id"]));
    let status = |key: &str| server.call("/x", Some(key)).status;
    assert_eq!((status(&organisations), status(&clients)), (200, 200));
    let switch = |id: &str, verb: &str| {
        assert_eq!(server.manage("POST", &format!("/v1/owners/{id}/{verb}"), &Value::Null).status, 200)
    };
    switch(client["id"].as_str().unwrap(), "disable");
    assert_eq!((status(&organisations), status(&clients)), (200, 401));
    switch(client["id"].as_str().unwrap(), "enable");
    switch(&a.organisation, "disable");
    assert_eq!((status(&organisations), status(&clients)), (401, 401));
    let locked_out = manage(&server.address("admin"), &a.key, "GET", "/v1/keys", &Value::Null);
    assert_eq!(locked_out.status, 401, "its management key too");
    switch(&a.organisation, "enable");
    assert_eq!((status(&organisations), status(&clients)), (200, 200));
}

#[test]
fn a_key_of_one_kind_is_none_of_the_other() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "k" })).json();
    let api_key = minted["key"].as_str().unwrap();
    assert_eq!(manage(&server.address("admin"), api_key, "GET", "/v1/keys", &Value::Null).status, 401);
    assert_eq!(server.call("/x", Some(&server.management_key())).status, 401);
    let test = server.manage("POST", "/v1/keys", &json!({ "name": "t", "environment": "test" })).json();
    assert_eq!(
        server.call("/x", test["key"].as_str()).status,
        403,
        "a cs_test key does not work in production"
    );
}
