//! Users by commands and by the management API.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Ground, manage};

#[track_caller]
fn as_json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
}

/// The life of a user by commands alone.
fn life(place: &Ground, way: &[&str], environment: &[(&str, &str)]) {
    let run = |arguments: &[&str]| place.run(&[arguments, way].concat(), environment);
    let run_with =
        |arguments: &[&str], input: &str| place.run_with(&[arguments, way].concat(), environment, input);
    let create =
        ["user", "create", "--username", "Ana", "--password-stdin", "--email", "ana@example.com", "--json"];
    let made = as_json(&run_with(&create, "correct horse\n"));
    assert_eq!(made.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "username"], "PRODUCT §4");
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("user_") && made["username"] == "ana");
    refused(&run_with(&create, "correct horse\n"), "somebody has this username already");
    let other = ["user", "create", "--username", "bo", "--password-stdin"];
    refused(&run_with(&other, "short\n"), "at least 8 characters");
    refused(&run_with(&other, "\n"), "expected a password on standard input");
    let named = [&other, &["--email", "bo@example.com"][..]].concat();
    refused(&run_with(&named, "Bo@Example.com\n"), "not the username or the e-mail address");
    refused(&run(&["user", "create", "--username", "b o"]), "expected a username");
    assert!(run(&["user", "create", "--username", "bo", "--role", "admin"]).status.success());

    let update =
        ["user", "update", id, "--name", "Ana B", "--profile", "locale=de", "--email-verified", "--json"];
    let updated = as_json(&run(&update));
    assert_eq!((&updated["name"], &updated["profile"]), (&json!("Ana B"), &json!({ "locale": "de" })));
    assert!(updated["email_verified_at"].is_string() && updated["password_at"].is_string());
    let cleared = as_json(&run(&["user", "update", id, "--profile", "locale=", "--email", "none", "--json"]));
    assert_eq!((&cleared["profile"], &cleared["email"]), (&json!({}), &Value::Null));
    assert_eq!(
        as_json(&run(&["user", "roles", id, "--role", "billing", "--json"]))["roles"],
        json!(["billing"])
    );
    refused(&run(&["user", "roles", id, "--leave"]), "the user's own organisation");
    let shown = run(&["user", "show", id, "--json"]);
    assert_eq!(as_json(&shown)["organisations"][0]["roles"], json!(["billing"]));
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(!text.contains("argon2") && !text.contains("horse"), "SAFETY 25");

    assert_eq!(as_json(&run(&["user", "reset", id, "--json"]))["password_at"], Value::Null);
    let reset = run_with(&["user", "reset", id, "--password-stdin", "--json"], "battery staple\r\n");
    assert!(as_json(&reset)["password_at"].is_string());
    assert!(as_json(&run(&["user", "disable", id, "--json"]))["disabled_at"].is_string());
    assert!(as_json(&run(&["user", "enable", id, "--json"]))["disabled_at"].is_null());
    assert!(run(&["user", "delete", id]).status.success());
    refused(&run(&["user", "show", id]), "there is no such user");
    let listed = as_json(&run(&["user", "list", "--json"]));
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[test]
fn users_are_kept_over_the_local_socket() {
    let place = Ground::new();
    let _server = place.up("data", &[]);
    life(&place, &["--data", "data"], &[]);
}

#[test]
fn users_are_kept_with_a_management_key() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let admin = server.card["admin"].as_str().unwrap().to_owned();
    life(&place, &[], &[("COUNTERSIGN_ADMIN", &admin), ("COUNTERSIGN_KEY", &server.management_key())]);
}

#[test]
fn users_are_kept_when_no_server_runs() {
    let place = Ground::new();
    place.up("data", &[]).stop();
    life(&place, &["--data", "data"], &[]);
}

#[test]
fn safety_13_a_tenant_keeps_its_own_users_alone() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let owner = json!({ "kind": "organisation", "name": "tenant" });
    let tenant = server.manage("POST", "/v1/owners", &owner).json()["id"].clone();
    let body = json!({ "name": "t", "owner": tenant, "scopes": ["users:read", "users:write"] });
    let key = server.manage("POST", "/v1/management-keys", &body).json()["key"].as_str().unwrap().to_owned();
    let admin = server.address("admin");
    let call = |method: &str, path: &str, body: Value| manage(&admin, &key, method, path, &body);
    let made = call("POST", "/v1/users", json!({ "username": "ana", "roles": ["admin"] }));
    let shown = made.json();
    assert_eq!((made.status, &shown["organisation"]), (201, &tenant));
    assert_eq!(shown["organisations"][0]["roles"], json!(["admin"]));
    let verified = json!({ "username": "bo", "email": "bo@example.com", "email_verified": true });
    assert_eq!(call("POST", "/v1/users", verified.clone()).status, 403);
    let ours = server.manage("POST", "/v1/users", &verified).json();
    let path = format!("/v1/users/{}", ours["id"].as_str().unwrap());
    for (method, verb, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({})),
        ("DELETE", "", Value::Null),
        ("POST", "/disable", Value::Null),
        ("POST", "/enable", Value::Null),
        ("POST", "/reset", json!({})),
        ("POST", "/roles", json!({ "roles": ["admin"] })),
    ] {
        assert_eq!(call(method, &format!("{path}{verb}"), body).status, 404, "{method} {verb}");
    }
    assert_eq!(call("GET", "/v1/users", Value::Null).json()["data"].as_array().unwrap().len(), 1);
    let client = server.manage("POST", "/v1/owners", &json!({ "kind": "user", "name": "p" })).json();
    let path = format!("/v1/users/{}", client["id"].as_str().unwrap());
    assert_eq!(server.manage("GET", &path, &Value::Null).status, 404, "an owner who never signs in");
}

#[test]
fn the_least_length_of_a_password_is_a_setting() {
    let place = Ground::new();
    place.write("c.toml", "[password]\nmin_length = 15\n");
    let server = place.up("data", &["--config", "c.toml"]);
    let user = |name: &str, password: &str| {
        server.manage("POST", "/v1/users", &json!({ "username": name, "password": password })).status
    };
    assert_eq!((user("ana", "fourteen chars"), user("bo", "fifteen letters")), (400, 201));
    place.write("c.toml", "[password]\nmin_length = 7\n");
    refused(&place.run(&["reload", "--data", "data"], &[]), "password.min_length: expected 8 to 64, found 7");
}

#[test]
fn a_password_that_is_on_the_operators_list_is_refused() {
    let place = Ground::new();
    place.write("known.txt", "password1\ncorrect horse\n");
    place.write("c.toml", "[password]\nknown = \"known.txt\"\n");
    let server = place.up("data", &["--config", "c.toml"]);
    let user = |name: &str, password: &str| {
        server.manage("POST", "/v1/users", &json!({ "username": name, "password": password })).status
    };
    assert_eq!((user("ana", "correct horse"), user("ana", "correct horses")), (400, 201));
    place.write("c.toml", "[password]\nknown = \"nowhere.txt\"\n");
    refused(&place.run(&["reload", "--data", "data"], &[]), "password.known: nowhere.txt cannot be read");
}
