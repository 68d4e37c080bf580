//! What is not understood is refused, and absent is not null.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::harness::{Ground, Server, eventually};

fn minted(server: &Server, body: &Value) -> String {
    let minted = server.manage("POST", "/v1/keys", body);
    assert_eq!(minted.status, 201, "{minted:?}");
    minted.json()["id"].as_str().unwrap().to_owned()
}

/// A key with everything that can be taken away.
fn restricted() -> Value {
    json!({
        "name": "k", "scopes": ["a"], "limits": [{ "name": "burst", "limit": 1, "window": "1h" }],
        "allow_from": ["192.0.2.7"], "metadata": { "team": "x" }, "expires_in": "1d",
    })
}

#[test]
fn an_unknown_member_is_refused_wherever_json_is_read() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let id = minted(&server, &json!({ "name": "k" }));
    let key = format!("/v1/keys/{id}");
    let operator = server.manage("GET", "/v1/management-keys", &Value::Null).json()["data"][0].clone();
    let (rotate, owner) =
        (format!("/v1/management-keys/{}/rotate", operator["id"].as_str().unwrap()), &operator["owner"]);
    let disable = format!("/v1/owners/{}/disable", owner.as_str().unwrap());
    let hash = "00".repeat(32);
    for (method, path, body, nearest) in [
        ("POST", "/v1/keys", json!({ "name": "a", "expire_in": "1d" }), "`expires_in`"),
        ("POST", "/v1/keys", json!({ "name": "a", "scope": ["a"] }), "`scopes`"),
        (
            "POST",
            "/v1/keys",
            json!({ "name": "a", "limits": [{ "name": "b", "limit": 1, "windo": "1s" }] }),
            "`window`",
        ),
        ("PATCH", &key, json!({ "allowed_from": [] }), "`allow_from`"),
        ("PATCH", &key, json!({ "limits": [{ "name": "b", "limits": 1, "window": "1s" }] }), "`limit`"),
        ("POST", &format!("{key}/rotate"), json!({ "overlaps": "1s" }), "`overlap`"),
        ("POST", &format!("{key}/revoke"), json!({ "dry_run": true }), "`dry_run`"),
        ("DELETE", &key, json!({ "dry_run": true }), "`dry_run`"),
        ("GET", &key, json!({ "x": true }), "`x`"),
        ("POST", "/v1/keys/verify", json!({ "key": "k", "scope": ["a"] }), "`scopes`"),
        ("POST", "/v1/keys/revoke", json!({ "filter": { "prefixes": "a" } }), "`prefix`"),
        ("POST", "/v1/keys/revoke", json!({ "all": true, "dryrun": true }), "`dry_run`"),
        (
            "POST",
            "/v1/keys/import",
            json!({ "algorithm": "sha256", "prefix": "acme_", "keys": [{ "hash": hash, "expire_in": "1d" }] }),
            "`expires_in`",
        ),
        (
            "POST",
            "/v1/keys/import",
            json!({ "algorithm": "sha256", "prefix": "acme_", "keys": [{ "hash": hash, "prefix": "partner" }] }),
            "`prefix`",
        ),
        (
            "POST",
            "/v1/keys/import",
            json!({ "algorithm": "sha256", "prefixes": "acme_", "keys": [{ "hash": hash }] }),
            "`prefix`",
        ),
        ("POST", "/v1/management-keys", json!({ "name": "a", "scopes": [], "grants": [] }), "unknown member"),
        ("POST", "/v1/management-keys/rotate", json!({ "overlap": "1h" }), "`overlap`"),
        ("POST", &rotate, json!({ "expire_in": "1h" }), "`expires_in`"),
        (
            "POST",
            "/v1/owners",
            json!({ "kind": "client", "name": "a", "organization": "b" }),
            "`organisation`",
        ),
        ("POST", &disable, json!({ "until": "1h" }), "`until`"),
    ] {
        let refused = server.manage(method, path, &body);
        assert_eq!(refused.status, 400, "{method} {path} {body} {refused:?}");
        assert!(refused.body.contains(nearest) && refused.body.contains("line 1 column"), "{refused:?}");
    }
    assert_eq!(server.manage("GET", &key, &Value::Null).json()["state"], "live", "nothing was done");
    assert_eq!(
        server.manage("POST", &format!("{key}/revoke"), &json!({})).status,
        200,
        "an empty object is none"
    );
}

#[test]
fn an_unknown_or_repeated_query_parameter_is_refused() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let key = format!("/v1/keys/{}", minted(&server, &json!({ "name": "k" })));
    for (method, path, word) in [
        ("GET", "/v1/keys?stat=live", "`state`"),
        ("GET", "/v1/keys?prefix=a&prefix=b", "twice"),
        ("POST", "/v1/keys?dry_run=true", "`dry_run`"),
        ("GET", "/v1/management-keys?owners=a", "`owner`"),
        ("GET", "/v1/owners?limits=1", "`limit`"),
        ("GET", "/v1/audit?las=true", "`last`"),
        ("GET", "/v1/audit/chains?node=a", "`node`"),
        ("GET", "/v1/routes?limit=1", "`limit`"),
        ("GET", "/v1/decisions?limt=1", "`limit`"),
        ("POST", &format!("{key}/revoke?dry_run=true"), "`dry_run`"),
        ("DELETE", &format!("{key}?dry_run=true"), "`dry_run`"),
        ("GET", &format!("{key}?x=1"), "`x`"),
    ] {
        let body = if path == "/v1/keys?dry_run=true" { json!({ "name": "a" }) } else { Value::Null };
        let refused = server.manage(method, path, &body);
        assert_eq!(refused.status, 400, "{method} {path} {refused:?}");
        assert!(refused.body.contains(word), "{path} {refused:?}");
    }
    assert_eq!(server.manage("GET", &key, &Value::Null).json()["state"], "live", "nothing was done");
    assert_eq!(
        server.manage("POST", &format!("{key}/revoke"), &json!({})).status,
        200,
        "an empty object is none"
    );
}

#[test]
fn null_takes_away_and_absent_stays() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let path = format!("/v1/keys/{}", minted(&server, &restricted()));
    let shown = || server.manage("GET", &path, &Value::Null).json();
    let before = shown();
    let absent = server.manage("PATCH", &path, &json!({ "name": "renamed" })).json();
    for member in ["scopes", "limits", "allow_from", "metadata", "expires_at"] {
        assert_eq!(absent[member], before[member], "{member} stays");
    }
    for (member, empty) in [
        ("scopes", json!([])),
        ("limits", json!([])),
        ("allow_from", json!([])),
        ("metadata", json!({})),
        ("expires_at", Value::Null),
    ] {
        assert_ne!(shown()[member], empty);
        assert_eq!(server.manage("PATCH", &path, &json!({ member: null })).status, 200, "{member}");
        assert_eq!(shown()[member], empty, "{member}");
    }
    for nothing in [json!({ "name": null }), json!({ "enabled": null })] {
        assert_eq!(server.manage("PATCH", &path, &nothing).status, 400, "{nothing}");
    }
    let ends = json!({ "expires_in": "1h" });
    assert_eq!(server.manage("PATCH", &path, &ends).status, 200);
    let both = json!({ "expires_at": null, "expires_in": "1h" });
    assert_eq!(server.manage("PATCH", &path, &both).status, 400, "one of them");
    let rotated = server.manage("POST", &format!("{path}/rotate"), &json!({ "expires_in": null }));
    assert_eq!(
        (rotated.status, &rotated.json()["expires_at"]),
        (201, &Value::Null),
        "nor is it ignored here"
    );
    assert_eq!(server.manage("POST", &format!("{path}/rotate"), &json!({ "overlap": null })).status, 400);
}

#[test]
fn an_end_is_taken_away_only_as_far_as_the_longest_life_allows() {
    let place = Ground::new();
    place.write("countersign.toml", "[api_key]\nmax_lifetime = \"30d\"\n");
    let server = place.up("data", &["--config", "countersign.toml"]);
    let path = format!("/v1/keys/{}", minted(&server, &restricted()));
    let before = server.manage("GET", &path, &Value::Null).json();
    for (method, path, body) in [
        ("PATCH", path.as_str(), json!({ "expires_at": null })),
        ("PATCH", path.as_str(), json!({ "expires_in": null })),
        ("POST", &format!("{path}/rotate"), json!({ "expires_at": null })),
        ("POST", "/v1/keys", json!({ "name": "k", "expires_at": null })),
    ] {
        let refused = server.manage(method, path, &body);
        assert_eq!(refused.status, 400, "{method} {path} {body} {refused:?}");
        assert!(refused.body.contains("api_key.max_lifetime"), "{refused:?}");
    }
    assert_eq!(server.manage("GET", &path, &Value::Null).json(), before);
}

#[test]
fn the_command_line_takes_away_what_can_be_taken_away() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let id = minted(&server, &restricted());
    let update = |flags: &[&str]| {
        let output = place.run(&[&["key", "update", &id, "--data", "data", "--json"], flags].concat(), &[]);
        let told = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (output.status.success(), told, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (flag, word, member, empty) in [
        ("--expires-in", "never", "expires_at", Value::Null),
        ("--scope", "none", "scopes", json!([])),
        ("--limit", "none", "limits", json!([])),
        ("--allow-from", "none", "allow_from", json!([])),
        ("--metadata", "none", "metadata", json!({})),
    ] {
        let (done, told, error) = update(&[flag, word]);
        assert!(done, "{flag} {error}");
        assert_eq!(told[member], empty, "{flag}");
    }
    let (done, told, error) =
        update(&["--metadata", "team=y", "--scope", "b", "--allow-from", "::1", "--expires-in", "1h"]);
    assert!(done, "{error}");
    assert_eq!((&told["metadata"], &told["scopes"]), (&json!({ "team": "y" }), &json!(["b"])));
    assert!(told["expires_at"].is_string());
    assert_eq!(update(&["--allow-from", "any"]).1["allow_from"], json!([]), "as before");
    let (done, _, error) = update(&["--scope", "none", "--scope", "a"]);
    assert!(!done && error.contains("name nothing else"), "{error}");
    assert_eq!(update(&["--name", "n"]).1["scopes"], json!(["b"]), "what is not named stays");

    for command in [
        &["key", "create", "--name", "a", "--expires-in", "never"][..],
        &["key", "rotate", &id, "--expires-in", "never", "--overlap", "none"],
        &["management-key", "create", "--name", "a", "--scope", "keys:read", "--expires-in", "never"],
    ] {
        let output = place.run(&[command, &["--data", "data", "--json"]].concat(), &[]);
        assert!(output.status.success(), "{command:?} {output:?}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["expires_at"], Value::Null, "{command:?}");
    }
    let old = server.manage("GET", &format!("/v1/keys/{id}"), &Value::Null).json();
    assert_eq!(old["state"], "revoked", "--overlap none");
}

#[test]
fn a_line_of_an_import_with_an_unknown_member_imports_nothing() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let hash = |key: &str| -> String {
        digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let good = json!({ "hash": hash("acme_1"), "expires_in": "1d", "allow_from": ["127.0.0.0/8"] });
    let import = |lines: String| {
        place.write("keys.jsonl", &lines);
        let output =
            place.run(&["key", "import", "keys.jsonl", "--prefix", "acme_", "--data", "data", "--json"], &[]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (member, value, nearest) in [
        ("expire_in", "\"1d\"", "expires_in"),
        ("allowed_from", "[\"192.0.2.7\"]", "allow_from"),
        ("scope", "[\"a\"]", "scopes"),
        ("limit", "[]", "limits"),
    ] {
        let bad = format!("{{\"hash\":\"{}\",\"{member}\":{value}}}", hash("acme_2"));
        let (done, error) = import(format!("{good}\n\n{bad}\n"));
        assert!(!done, "{member}");
        let told = format!("unknown member `{member}`; did you mean `{nearest}`?");
        assert!(error.contains("keys.jsonl:3:") && error.contains(&told), "{error}");
        for key in ["acme_1", "acme_2"] {
            assert_eq!(server.call("/x", Some(key)).status, 401, "{member} {key}");
        }
    }
    let (done, error) = import(format!("{good}\n"));
    assert!(done, "{error}");
    eventually("the key works", || server.call("/x", Some("acme_1")).status == 200);
}
