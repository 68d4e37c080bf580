//! SAFETY 13: what a route can demand, somebody must have been given; and what ends, has ended.

use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, manage};

const ROUTES: &str = "[[route]]\npath = \"/partner/{**}\"\nupstream = \"default\"\nrequire = { api_key = { key_set = \"partner\" } }\n\n\
    [[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n";

/// Somebody with a management key of an organisation of its own.
struct Manager {
    organisation: String,
    id: String,
    key: String,
    admin: String,
}

impl Manager {
    fn new(server: &Server, name: &str, grantable: &[&str]) -> Self {
        let owner = json!({ "kind": "organisation", "name": name });
        let owner = server.manage("POST", "/v1/owners", &owner).json()["id"].as_str().unwrap().to_owned();
        let scopes = ["keys:read", "keys:write", "owners:read", "owners:write", "management-keys:write"];
        let body = json!({ "name": name, "owner": owner, "scopes": scopes, "grantable": grantable });
        let made = server.manage("POST", "/v1/management-keys", &body).json();
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Self { organisation: owner, id: text("id"), key: text("key"), admin: server.address("admin") }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        manage(&self.admin, &self.key, method, path, body)
    }
}

fn text(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().unwrap_or_else(|| panic!("{member}: {answer:?}")).to_owned()
}

#[test]
fn safety_13_a_key_set_that_a_route_demands_must_have_been_given() {
    let place = Ground::new();
    place.write("countersign.toml", ROUTES);
    let server = place.up("data", &["--config", "countersign.toml"]);
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "p", "prefix": "partner" }));
    assert_eq!(server.call("/partner/x", Some(&text(&minted, "key"))).status, 200, "the operator may");
    for grantable in [&[][..], &["orders:*"], &["partner*", "k*"], &["key_set:partne", "key_set:other*"]] {
        let manager = Manager::new(&server, "none", grantable);
        for body in [
            json!({ "name": "x", "prefix": "partner" }),
            json!({ "name": "x", "prefix": "partner", "environment": "test" }),
            json!({ "name": "x", "prefix": "shss" }),
        ] {
            let refused = manager.call("POST", "/v1/keys", &body);
            assert_eq!(refused.status, 403, "{grantable:?} {body} {refused:?}");
            assert!(refused.body.contains("key_set:"), "{refused:?}");
        }
        let own = manager.call("POST", "/v1/keys", &json!({ "name": "x" }));
        assert_eq!(server.call("/x", Some(&text(&own, "key"))).status, 200, "its own set is free");
        assert_eq!(server.call("/partner/x", Some(&text(&own, "key"))).status, 403);
        let given = json!({ "name": "p", "prefix": "partner", "owner": manager.organisation });
        let given = format!("/v1/keys/{}", text(&server.manage("POST", "/v1/keys", &given), "id"));
        let rotated = manager.call("POST", &format!("{given}/rotate"), &Value::Null);
        assert_eq!(rotated.status, 403, "a rotation mints");
        let more = json!({ "name": "m", "scopes": ["keys:write"], "grantable": ["key_set:partner"] });
        assert_eq!(manager.call("POST", "/v1/management-keys", &more).status, 403, "nor is it given on");
        assert_eq!(manager.call("POST", &format!("{given}/revoke"), &Value::Null).status, 200);
    }
    let partner = Manager::new(&server, "partner", &["key_set:partner"]);
    let minted = partner.call("POST", "/v1/keys", &json!({ "name": "x", "prefix": "partner" }));
    assert_eq!(server.call("/partner/x", Some(&text(&minted, "key"))).status, 200);
    let rotated = partner.call("POST", &format!("/v1/keys/{}/rotate", text(&minted, "id")), &json!({}));
    assert_eq!(server.call("/partner/x", Some(&text(&rotated, "key"))).status, 200);
    assert_eq!(partner.call("POST", "/v1/keys", &json!({ "name": "x", "prefix": "shss" })).status, 403);
    let child = json!({ "name": "m", "scopes": ["keys:write"], "grantable": ["key_set:partner"] });
    assert_eq!(partner.call("POST", "/v1/management-keys", &child).status, 201, "it gives on what it holds");
    let child = json!({ "name": "m", "scopes": ["keys:write"], "grantable": ["key_set:*"] });
    assert_eq!(partner.call("POST", "/v1/management-keys", &child).status, 403, "and no more");
}

#[test]
fn safety_13_a_tenant_widens_no_key_that_it_could_not_make() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let tenant = Manager::new(&server, "t", &["orders:*"]);
    let restricted = json!({
        "name": "r", "owner": tenant.organisation, "scopes": ["settle"], "allow_from": ["192.0.2.0/24"],
        "limits": [{ "name": "burst", "limit": 1, "window": "1h" }], "expires_in": "1d",
    });
    let path = format!("/v1/keys/{}", text(&server.manage("POST", "/v1/keys", &restricted), "id"));
    let before = server.manage("GET", &path, &Value::Null).json();
    for wider in [
        json!({ "allow_from": [] }),
        json!({ "allow_from": ["0.0.0.0/0"] }),
        json!({ "limits": [] }),
        json!({ "limits": [{ "name": "burst", "limit": 2, "window": "1h" }] }),
        json!({ "expires_in": "2d" }),
        json!({ "scopes": ["settle", "orders:read"] }),
        json!({ "name": "n", "limits": [], "allow_from": [], "expires_in": "90d" }),
    ] {
        let refused = tenant.call("PATCH", &path, &wider);
        assert_eq!(refused.status, 403, "{wider} {refused:?}");
    }
    assert_eq!(server.manage("GET", &path, &Value::Null).json(), before, "nothing has changed");
    for narrower in [
        json!({ "allow_from": ["192.0.2.7"] }),
        json!({ "limits": [{ "name": "burst", "limit": 1, "window": "1h" }, { "name": "d", "limit": 9, "window": "1d" }] }),
        json!({ "expires_in": "1h" }),
        json!({ "name": "renamed" }),
        json!({ "scopes": [] }),
    ] {
        let taken = tenant.call("PATCH", &path, &narrower);
        assert_eq!(taken.status, 200, "{narrower} {taken:?}");
    }
    let widened = tenant.call("PATCH", &path, &json!({ "limits": [], "allow_from": [] }));
    assert_eq!(widened.status, 200, "without a scope it could be made: {widened:?}");
}

#[test]
fn a_rotation_is_refused_where_a_creation_is() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let tenant = Manager::new(&server, "t", &[]);
    let key = json!({ "name": "k", "owner": tenant.organisation });
    let key = text(&server.manage("POST", "/v1/keys", &key), "id");
    let switch = |verb: &str| {
        let path = format!("/v1/owners/{}/{verb}", tenant.organisation);
        assert_eq!(server.manage("POST", &path, &Value::Null).status, 200);
    };
    let body = json!({ "name": "k", "owner": tenant.organisation });
    let manager = json!({ "name": "k", "owner": tenant.organisation, "scopes": ["keys:read"] });
    let acts = [
        ("/v1/keys".to_owned(), body),
        (format!("/v1/keys/{key}/rotate"), json!({})),
        ("/v1/management-keys".to_owned(), manager),
        (format!("/v1/management-keys/{}/rotate", tenant.id), json!({})),
    ];
    switch("disable");
    for (path, body) in &acts {
        assert_eq!(server.manage("POST", path, body).status, 409, "{path}");
    }
    let rotate = ["key", "rotate", &key, "--data", "data", "--json"];
    let over_socket = place.run(&rotate, &[]);
    server.stop();
    let in_process = place.run(&rotate, &[]);
    for output in [over_socket, in_process] {
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the owner is disabled"), "{output:?}");
    }
    let enable = ["owner", "enable", &tenant.organisation, "--data", "data"];
    assert!(place.run(&enable, &[]).status.success());
    assert!(place.run(&rotate, &[]).status.success(), "and works again");
}

#[test]
fn a_rotation_without_overlap_is_a_revocation() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "k" }));
    let path = format!("/v1/keys/{}", text(&minted, "id"));
    let rotated = server.manage("POST", &format!("{path}/rotate"), &json!({ "overlap": "0s" }));
    assert_eq!(rotated.status, 201);
    assert!(rotated.json()["replaces"]["expires_at"].is_string(), "it says when the old key ended");
    let old = server.manage("GET", &path, &Value::Null).json();
    assert_eq!((&old["state"], &old["expires_at"]), (&json!("revoked"), &Value::Null), "{old}");
    assert_eq!(server.call("/x", Some(&text(&minted, "key"))).status, 401);
    let revived = server.manage("PATCH", &path, &json!({ "expires_in": "1d" }));
    assert_eq!(revived.status, 409, "revoked is for ever");
    let (id, data) = (text(&rotated, "id"), ["--data", "data", "--json"]);
    let output = place.run(&[&["key", "rotate", &id, "--overlap", "0s"][..], &data].concat(), &[]);
    assert!(output.status.success(), "{output:?}");
    let old = server.manage("GET", &format!("/v1/keys/{id}"), &Value::Null).json();
    assert_eq!(old["state"], "revoked", "on the command line too");
}

#[test]
fn safety_13_nobody_locks_out_who_can_do_more_or_enables_what_they_disabled() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let tenant = Manager::new(&server, "t", &[]);
    let user = json!({ "kind": "user", "name": "u", "organisation": tenant.organisation });
    let user = text(&server.manage("POST", "/v1/owners", &user), "id");
    let owner = format!("/v1/owners/{user}");
    let (disable, enable) = (format!("{owner}/disable"), format!("{owner}/enable"));
    assert_eq!(tenant.call("POST", &disable, &Value::Null).status, 200);
    assert_eq!(tenant.call("POST", &enable, &Value::Null).status, 200, "its own word");
    assert_eq!(server.manage("POST", &disable, &Value::Null).json()["disabled_by"], "operator");
    assert_eq!(tenant.call("POST", &enable, &Value::Null).status, 403);
    assert_eq!(tenant.call("POST", &disable, &Value::Null).status, 200, "repeating is no harm");
    assert_eq!(tenant.call("POST", &enable, &Value::Null).status, 403, "and takes nothing over");
    assert_eq!(server.manage("POST", &enable, &Value::Null).status, 200);

    let body = json!({ "name": "ops", "owner": user, "scopes": ["operator", "keys:read"] });
    let operators = server.manage("POST", "/v1/management-keys", &body);
    let (id, key) = (text(&operators, "id"), text(&operators, "key"));
    let works = || manage(&server.address("admin"), &key, "GET", "/v1/keys", &Value::Null).status == 200;
    assert_eq!(tenant.call("POST", &disable, &Value::Null).status, 403);
    let path = format!("/v1/management-keys/{id}");
    assert_eq!(tenant.call("POST", &format!("{path}/revoke"), &Value::Null).status, 403);
    assert_eq!(tenant.call("POST", &format!("{path}/rotate"), &json!({ "overlap": "0s" })).status, 403);
    assert!(works(), "the operator is not locked out");
    assert_eq!(server.manage("POST", &format!("{path}/revoke"), &Value::Null).status, 200);
    assert_eq!(tenant.call("POST", &disable, &Value::Null).status, 200, "once it has ended");

    let minted = tenant.call("POST", "/v1/keys", &json!({ "name": "k" }));
    let path = format!("/v1/keys/{}", text(&minted, "id"));
    let off = |enabled: bool| json!({ "enabled": enabled });
    assert_eq!(tenant.call("PATCH", &path, &off(false)).status, 200);
    assert_eq!(tenant.call("PATCH", &path, &off(true)).status, 200);
    assert_eq!(server.manage("PATCH", &path, &off(false)).status, 200);
    assert_eq!(tenant.call("PATCH", &path, &off(true)).status, 403);
    let rotated = tenant.call("POST", &format!("{path}/rotate"), &json!({}));
    let successor = format!("/v1/keys/{}", text(&rotated, "id"));
    assert_eq!(tenant.call("PATCH", &successor, &off(true)).status, 403, "nor by way of a successor");
    assert_eq!(server.call("/x", Some(&text(&rotated, "key"))).status, 401);
    assert_eq!(server.manage("PATCH", &successor, &off(true)).status, 200);
    assert_eq!(server.call("/x", Some(&text(&rotated, "key"))).status, 200);
}
