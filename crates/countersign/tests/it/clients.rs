//! Clients and resources by commands, over each of the three ways to the management API.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Ground, manage};

const API: &str = "https://api.example.com";

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn as_json(output: &Output) -> Value {
    serde_json::from_str(&ok(output)).unwrap()
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
}

/// The life of a client by commands alone.
fn life(place: &Ground, way: &[&str], environment: &[(&str, &str)]) {
    let run = |arguments: &[&str]| place.run(&[arguments, way].concat(), environment);
    let resource = ["resource", "create", "--id", API, "--scope", "orders:read=See your orders"];
    ok(&run(&[&resource, &["--signing-alg", "RS256", "--claim", "role=service"][..]].concat()));
    refused(&run(&resource), "there is a resource of this name already");
    let odd = "https://odd.example/a%20b?c=d";
    ok(&run(&["resource", "create", "--id", odd]));
    ok(&run(&["resource", "delete", odd]));
    refused(&run(&["resource", "delete", odd]), "there is no such resource");
    let listed = as_json(&run(&["resource", "list", "--json"]));
    let ours = listed["data"].as_array().unwrap().iter().find(|one| one["id"] == json!(API)).unwrap();
    assert_eq!(ours["access_token"], json!({ "lifetime": "15m", "signing_alg": "RS256" }));
    let create = ["client", "create", "--name", "billing", "--grant", "client_credentials"];
    let named =
        [&create, &["--scope", "orders:read", "--audience", API, "--metadata", "team=core"][..]].concat();
    let made = as_json(&run(&[&named, &["--json"][..]].concat()));
    assert_eq!(made.as_object().unwrap().keys().collect::<Vec<_>>(), ["client_id", "client_secret"]);
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    assert!(id.starts_with("client_") && secret.starts_with("cs_secret_"));
    let plain = run(&named);
    assert!(ok(&plain).starts_with("cs_secret_") && ok(&plain).lines().count() == 1, "the secret alone");
    let shown = run(&["client", "show", id, "--json"]);
    assert!(!ok(&shown).contains(secret), "SAFETY 25");
    assert_eq!(as_json(&shown)["metadata"], json!({ "team": "core" }));
    assert!(ok(&run(&["client", "list"])).contains("orders:read"));
    let rotated = as_json(&run(&["client", "rotate-secret", id, "--overlap", "1h", "--json"]));
    assert_eq!(rotated["client_id"], json!(id));
    assert!(rotated["client_secret"] != json!(secret));
    let secrets = as_json(&run(&["client", "show", id, "--json"]))["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 2);
    ok(&run(&["client", "update", id, "--name", "invoices", "--scope", "none", "--metadata", "none"]));
    ok(&run(&["client", "disable", id]));
    refused(&run(&["client", "rotate-secret", id]), "the owner is disabled");
    ok(&run(&["client", "enable", id]));
    let shown = as_json(&run(&["client", "show", id, "--json"]));
    assert_eq!(
        (&shown["name"], &shown["scopes"], &shown["metadata"]),
        (&json!("invoices"), &json!([]), &json!({}))
    );
    refused(&run(&["resource", "delete", API]), "2 clients are registered for this resource");
    refused(
        &run(&[&create, &["--scope", "settle", "--audience", API][..]].concat()),
        "takes the scope settle",
    );
    refused(&run(&[&create, &["--audience", "urn:x:no"][..]].concat()), "there is no resource urn:x:no");
    refused(&run(&[&create, &["--public"][..]].concat()), "not for public ones");
    place.write(
        "jwks.json",
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    let signs = ["--auth-method", "private_key_jwt", "--audience", API, "--jwks", "jwks.json", "--json"];
    assert_eq!(as_json(&run(&[&create, &signs[..]].concat()))["client_secret"], Value::Null);
    let spa =
        ["client", "create", "--name", "spa", "--grant", "authorization_code", "--public", "--audience", API];
    let redirect = ["--redirect-uri", "https://app.example/cb"];
    let made = ok(&run(&[&spa, &redirect[..]].concat()));
    let (id, shown) = (made.trim(), |id: &str| as_json(&run(&["client", "show", id, "--json"])));
    let usual = shown(id);
    assert_eq!((&usual["require_pkce"], &usual["origins"]), (&json!(true), &json!([])));
    assert_eq!(usual["id_token_signed_response_alg"], json!("RS256"), "OpenID Connect Registration §2");
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let more = ["--grant", "authorization_code", "--grant", "refresh_token", "--grant", device];
    let places = ["--post-logout-redirect-uri", "https://app.example/bye", "--origin", "https://spa.example"];
    ok(&run(&[&["client", "update", id][..], &more, &places, &["--id-token-alg", "ES256"]].concat()));
    let changed = shown(id);
    assert_eq!(changed["grant_types"], json!(["authorization_code", "refresh_token", device]));
    assert_eq!(changed["post_logout_redirect_uris"], json!(["https://app.example/bye"]));
    assert_eq!(changed["origins"], json!(["https://spa.example"]));
    assert_eq!(changed["id_token_signed_response_alg"], json!("ES256"));
    ok(&run(&["client", "update", id, "--origin", "none", "--post-logout-redirect-uri", "none"]));
    assert_eq!(shown(id)["origins"], json!([]));
    let lax = ["--require-pkce", "false"];
    refused(&run(&[&spa, &redirect[..], &lax].concat()), "nothing but PKCE");
    let web = ["client", "create", "--name", "web", "--grant", "authorization_code", "--json"];
    let id = as_json(&run(&[&web, &redirect[..], &lax].concat()))["client_id"].clone();
    assert_eq!(shown(id.as_str().unwrap())["require_pkce"], json!(false));
    refused(
        &run(&[&spa, &["--redirect-uri", "http://localhost.evil.test/cb"][..]].concat()),
        "redirect_uris",
    );
}

#[test]
fn clients_are_registered_over_the_local_socket() {
    let place = Ground::new();
    let _server = place.up("data", &[]);
    life(&place, &["--data", "data"], &[]);
}

#[test]
fn clients_are_registered_with_a_management_key() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let admin = server.card["admin"].as_str().unwrap().to_owned();
    life(&place, &[], &[("COUNTERSIGN_ADMIN", &admin), ("COUNTERSIGN_KEY", &server.management_key())]);
}

#[test]
fn clients_are_registered_when_no_server_runs() {
    let place = Ground::new();
    place.up("data", &[]).stop();
    life(&place, &["--data", "data"], &[]);
    let _server = place.up("data", &[]);
    let listed = as_json(&place.run(&["client", "list", "--json", "--data", "data"], &[]));
    assert_eq!(listed["data"].as_array().unwrap().len(), 6, "and that of the command line");
}

#[test]
fn safety_13_a_tenants_key_registers_what_it_may_give_for_itself_alone() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let owner = json!({ "kind": "organisation", "name": "tenant" });
    let owner = server.manage("POST", "/v1/owners", &owner).json()["id"].clone();
    let body = json!({ "name": "t", "owner": owner, "scopes": ["clients:read", "clients:write"],
        "grantable": ["orders:*"] });
    let key = server.manage("POST", "/v1/management-keys", &body).json()["key"].as_str().unwrap().to_owned();
    let admin = server.address("admin");
    let call = |method: &str, path: &str, body: Value| manage(&admin, &key, method, path, &body);
    let client =
        |scope: &str| json!({ "name": "c", "grant_types": ["client_credentials"], "scopes": [scope] });
    let theirs = call("POST", "/v1/clients", client("orders:read"));
    assert_eq!((theirs.status, theirs.json()["organisation"].clone()), (201, owner));
    assert_eq!(call("POST", "/v1/clients", client("settle")).status, 403);
    assert_eq!(call("POST", "/v1/resources", json!({ "id": API })).status, 403);
    let ours = server.manage("POST", "/v1/clients", &client("orders:read")).json();
    let path = format!("/v1/clients/{}", ours["client_id"].as_str().unwrap());
    assert_eq!(call("GET", &path, Value::Null).status, 404);
    assert_eq!(call("POST", &format!("{path}/rotate-secret"), json!({})).status, 404);
    assert_eq!(call("POST", &format!("{path}/disable"), Value::Null).status, 404);
    assert_eq!(call("GET", "/v1/clients", Value::Null).json()["data"].as_array().unwrap().len(), 1);
    let plain = server.manage("POST", "/v1/owners", &json!({ "kind": "client", "name": "p" })).json();
    let plain = format!("/v1/clients/{}/disable", plain["id"].as_str().unwrap());
    assert_eq!(server.manage("POST", &plain, &Value::Null).status, 404, "an owner that is no client");
}

#[test]
fn a_leaked_client_secret_ends_by_whoever_holds_it() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let body = json!({ "name": "c", "grant_types": ["client_credentials"] });
    let made = server.manage("POST", "/v1/clients", &body).json();
    let report = json!({ "credentials": [made["client_secret"]] }).to_string();
    let head = format!(
        "POST /v1/keys/revoke-leaked HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{report}",
        report.len()
    );
    assert_eq!(crate::harness::raw(&server.address("issuer"), &head).status, 202);
    let path = format!("/v1/clients/{}", made["client_id"].as_str().unwrap());
    crate::harness::eventually("the secret ends", || {
        server.manage("GET", &path, &Value::Null).json()["secrets"] == json!([])
    });
}

const FILE: &str = "[[resource]]\nid = \"https://file.example\"\nscopes = { settle = \"Settle payments\" }\n";

#[test]
fn resources_of_the_file_are_live_by_reload_and_an_id_has_one_place() {
    let place = Ground::new();
    place.write("c.toml", FILE);
    let arguments = ["--config", "c.toml", "--resource", API, "--signing-alg", "RS256"];
    let server = place.up("data", &arguments);
    let listed = || server.manage("GET", "/v1/resources", &Value::Null).json()["data"].clone();
    let token = |index: usize| listed()[index]["access_token"]["signing_alg"].clone();
    assert_eq!((listed().as_array().unwrap().len(), token(0), token(1)), (2, json!("RS256"), json!("ES256")));
    let stored = json!({ "id": "https://stored.example" });
    let twice = json!({ "id": "https://file.example" });
    assert_eq!(server.manage("POST", "/v1/resources", &stored).status, 201);
    assert_eq!(server.manage("POST", "/v1/resources", &twice).status, 409);
    let delete = |id: &str| place.run(&["resource", "delete", id, "--data", "data"], &[]);
    for of_settings in ["https://file.example", API] {
        refused(&delete(of_settings), "the settings declare this resource");
    }
    let client = json!({ "name": "c", "grant_types": ["client_credentials"], "scopes": ["settle"],
        "audiences": ["https://file.example"] });
    assert_eq!(server.manage("POST", "/v1/clients", &client).status, 201);
    place.write("c.toml", &FILE.replace("settle =", "refund ="));
    ok(&place.run(&["reload", "--data", "data"], &[]));
    assert!(server.manage("POST", "/v1/clients", &client).body.contains("takes the scope settle"));
    place.write("c.toml", &FILE.replace("file.example", "stored.example"));
    refused(&place.run(&["reload", "--data", "data"], &[]), "both in the file and stored");
    assert_eq!(listed()[1]["id"], json!("https://file.example"), "what was in force stays in force");
    server.stop();
    let refused_start = place.try_up("data", &arguments, &[]);
    assert!(refused_start.err().unwrap().contains("both in the file and stored"));
    place.write("c.toml", &format!("{FILE}access_token = {{ lifetime = \"2h\" }}\n"));
    let said = place.try_up("data", &arguments, &[]).err().unwrap();
    assert!(
        said.contains(
            "c.toml:1:1: resource `https://file.example`: access_token.lifetime: expected 5m to 1h"
        ),
        "{said}"
    );
}
