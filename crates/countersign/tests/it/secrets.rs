//! Promise 2 and SAFETY 25: a stolen database, log, audit or scrape holds nothing that was ever handed out.

use std::process::Command;

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Ground, Server, get};

/// Uses everything that handles secrets, and returns every secret that was handed out.
fn live_a_life(place: &Ground, server: &Server, data: &str) -> Vec<String> {
    let mut secrets = vec![server.management_key()];
    let mut mint = |body: &Value, path: &str| {
        let minted = server.manage("POST", path, body).json();
        let key = minted["key"].as_str().unwrap().to_owned();
        secrets.push(key.clone());
        (minted["id"].as_str().unwrap().to_owned(), key)
    };
    let (id, key) = mint(&json!({ "name": "a", "scopes": ["s"] }), "/v1/keys");
    let (_, other) = mint(&json!({ "name": "b", "environment": "test" }), "/v1/keys");
    mint(&json!({ "name": "m", "scopes": ["keys:read"] }), "/v1/management-keys");
    mint(&json!({ "overlap": "1h" }), &format!("/v1/keys/{id}/rotate"));
    for path in ["/x", "/y?api_key=", "/z/..%2f"] {
        server.call(&format!("{path}{key}"), Some(&key));
        server.call(path, Some(&other));
        server.call(path, Some(&format!("{key}damaged")));
    }
    server.manage("POST", "/v1/keys/verify", &json!({ "key": key }));
    server.manage("POST", "/v1/keys/verify", &json!({ "key": format!("{key}damaged") }));
    get(
        &server.address("admin"),
        "/v1/keys",
        &format!("Authorization: Bearer {}damaged\r\n", server.management_key()),
    );
    server.manage("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null);
    server.call("/x", Some(&key));
    let rotated = place.run(&["management-key", "rotate", "--data", data, "--json"], &[]);
    assert!(rotated.status.success(), "{rotated:?}");
    let rotated: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    secrets.push(rotated["key"].as_str().unwrap().to_owned());
    secrets
}

#[track_caller]
fn search(what: &str, text: &str, secrets: &[String]) {
    assert!(!text.is_empty(), "{what} is empty: nothing was searched");
    for secret in secrets {
        // The body alone would already be the secret.
        let (_, body) = secret.rsplit_once('_').unwrap();
        assert!(!text.contains(&body[..43]), "{what} holds {secret}");
    }
}

fn search_outputs(place: &Ground, server: &Server, data: &str, secrets: &[String]) {
    search("the log", &server.log(), secrets);
    let audit = place.run(&["audit", "tail", "-n", "500", "--json", "--data", data], &[]);
    search("the audit", &String::from_utf8(audit.stdout).unwrap(), secrets);
    search("the metrics", &get(&server.address("admin"), "/metrics", "").body, secrets);
    let list = place.run(&["key", "list", "--json", "--data", data], &[]);
    search("the list", &String::from_utf8(list.stdout).unwrap(), secrets);
}

/// The master key's own lines: with the database they would open what is sealed.
fn master_keys(place: &Ground, data: &str) -> Vec<String> {
    let text = std::fs::read_to_string(place.path(&format!("{data}/master.key"))).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn safety_25_sqlite_logs_audit_and_metrics_hold_no_secret() {
    let place = Ground::on_sqlite();
    let server = place.up("data", &[]);
    let secrets = live_a_life(&place, &server, "data");
    search_outputs(&place, &server, "data", &secrets);
    let log = server.log();
    assert_eq!(server.stop().code(), Some(0));
    let dump = Command::new("sqlite3").arg(place.path("data/countersign.db")).arg(".dump").output().unwrap();
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("INSERT INTO"), "the dump is whole: {dump:.200}");
    search("the database", &dump, &secrets);
    for file in ["data/countersign.db", "data/countersign.db-wal"] {
        if let Ok(bytes) = std::fs::read(place.path(file)) {
            search(file, &format!(".{}", String::from_utf8_lossy(&bytes)), &secrets);
        }
    }
    for line in master_keys(&place, "data") {
        assert!(!dump.contains(&line) && !log.contains(&line));
    }
    assert!(!dump.contains("PRIVATE KEY"));
}

#[test]
fn safety_25_postgresql_holds_no_secret() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let url = postgres.url();
    let server = place.up("data", &["--store", &url]);
    let secrets = live_a_life(&place, &server, "data");
    search_outputs(&place, &server, "data", &secrets);
    assert_eq!(server.stop().code(), Some(0));
    let dump = Command::new("pg_dump").arg(format!("--dbname={url}")).output().unwrap();
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("COPY "), "the dump is whole: {dump:.200}");
    search("the database", &dump, &secrets);
    for line in master_keys(&place, "data") {
        assert!(!dump.contains(&line));
    }
}
