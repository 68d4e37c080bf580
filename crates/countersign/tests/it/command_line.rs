//! PRODUCT §4: the commands, over each of the three ways to the management API.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{Ground, Server};

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn as_json(output: &Output) -> Value {
    serde_json::from_str(&ok(output)).unwrap()
}

/// A key's life by commands alone.
fn life(place: &Ground, way: &[&str], environment: &[(&str, &str)]) -> String {
    let run = |arguments: &[&str]| place.run(&[arguments, way].concat(), environment);
    let create = [
        "key",
        "create",
        "--name",
        "ci",
        "--scope",
        "orders:read",
        "--expires-in",
        "90d",
        "--environment",
        "live",
        "--prefix",
        "shss",
        "--metadata",
        "team=core",
        "--json",
    ];
    let minted = as_json(&run(&create));
    let members: Vec<_> = minted.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["expires_at", "hint", "id", "key"]);
    assert!(minted["key"].as_str().unwrap().starts_with("shss_"));
    let id = minted["id"].as_str().unwrap();
    let list = as_json(&run(&["key", "list", "--json"]));
    assert!(list["data"].as_array().unwrap().iter().any(|row| row["id"] == json!(id)));
    assert!(ok(&run(&["key", "list"])).contains("orders:read"));
    assert_eq!(as_json(&run(&["key", "show", id, "--json"]))["metadata"]["team"], json!("core"));
    let rotated = as_json(&run(&["key", "rotate", id, "--overlap", "1h", "--json"]));
    assert!(rotated["key"].as_str().unwrap().starts_with("shss_"));
    ok(&run(&["key", "update", id, "--disable"]));
    ok(&run(&["key", "revoke", id]));
    let shown = as_json(&run(&["key", "show", id, "--json"]));
    assert_eq!(shown["state"], json!("revoked"));
    ok(&run(&["key", "delete", id]));
    let gone = run(&["key", "show", id]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("no such key"), "{gone:?}");
    ok(&run(&["owner", "list"]));
    ok(&run(&["audit", "tail"]));
    assert!(ok(&run(&["audit", "verify"])).contains("whole"));
    rotated["key"].as_str().unwrap().to_owned()
}

#[test]
fn commands_reach_a_running_server_over_its_local_socket() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let key = life(&place, &["--data", "data"], &[]);
    assert_eq!(server.call("/x", Some(&key)).status, 200);
    assert!(ok(&place.run(&["route", "list", "--data", "data"], &[])).contains("/{**}"));
}

#[test]
fn commands_reach_a_running_server_with_a_management_key() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let admin = server.card["admin"].as_str().unwrap().to_owned();
    let environment = [("COUNTERSIGN_ADMIN", admin.as_str()), ("COUNTERSIGN_KEY", &server.management_key())];
    life(&place, &[], &environment);
    let wrong = place.run(&["key", "list"], &[("COUNTERSIGN_ADMIN", &admin), ("COUNTERSIGN_KEY", "wrong")]);
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn commands_work_on_the_data_directory_when_no_server_runs() {
    let place = Ground::new();
    place.up("data", &[]).stop();
    let key = life(&place, &["--data", "data"], &[]);
    let server = place.up("data", &[]);
    assert_eq!(server.call("/x", Some(&key)).status, 200);
    server.stop();
    place.write("c.toml", "[api_key]\nmax_lifetime = \"1d\"\n");
    let long =
        ["key", "create", "--name", "a", "--expires-in", "90d", "--data", "data", "--config", "c.toml"];
    let refused = place.run(&long, &[]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("api_key.max_lifetime"),
        "the policy holds here too"
    );
    let nowhere = place.run(&["key", "list", "--data", "nowhere"], &[]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("no data directory"));
}

#[test]
fn a_new_management_key_ends_the_old_one() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    // A key of the same name that cannot do as much is none of the operator's.
    let namesake = json!({ "name": "first management key", "scopes": ["keys:read"] });
    let namesake = server.manage("POST", "/v1/management-keys", &namesake).json();
    let rotated = as_json(&place.run(&["management-key", "rotate", "--data", "data", "--json"], &[]));
    let listed = |server: &Server, key: &str| {
        crate::harness::manage(&server.address("admin"), key, "GET", "/v1/keys", &Value::Null).status
    };
    assert_eq!(listed(&server, &server.management_key()), 401);
    assert_eq!(listed(&server, rotated["key"].as_str().unwrap()), 200);
    assert_eq!(listed(&server, namesake["key"].as_str().unwrap()), 200);
    server.stop();
    let offline = as_json(&place.run(&["management-key", "rotate", "--data", "data", "--json"], &[]));
    let server = place.up("data", &[]);
    assert_eq!(listed(&server, rotated["key"].as_str().unwrap()), 401);
    assert_eq!(listed(&server, offline["key"].as_str().unwrap()), 200);
}

#[test]
fn verify_and_check_read_a_key_from_standard_input() {
    let place = Ground::new();
    let _server = place.up("data", &[]);
    let key = ok(&place.run(&["key", "create", "--name", "a", "--data", "data"], &[]));
    let piped = |arguments: &[&str], text: &str| {
        let mut child = place
            .command(arguments, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(piped(&["key", "check"], &key).status.code(), Some(0));
    assert_eq!(piped(&["key", "check", "-"], "cs_live_nonsense").status.code(), Some(1));
    assert_eq!(place.run(&["key", "check", key.trim()], &[]).status.code(), Some(0));
    let verdict = piped(&["key", "verify", "--json", "--data", "data"], &key);
    assert_eq!(as_json(&verdict)["code"], json!("valid"));
    assert_eq!(piped(&["key", "verify", "--scope", "x", "--data", "data"], &key).status.code(), Some(1));
}

#[test]
fn safety_20_a_tampered_audit_is_noticed() {
    let place = Ground::on_sqlite();
    place.up("data", &[]).stop();
    ok(&place.run(&["key", "create", "--name", "a", "--data", "data"], &[]));
    ok(&place.run(&["audit", "verify", "--data", "data"], &[]));
    let change = "UPDATE audit_event SET body = replace(body, 'granted', 'refused') WHERE n = 2";
    let changed = std::process::Command::new("sqlite3")
        .arg(place.path("data/countersign.db"))
        .arg(change)
        .status()
        .unwrap();
    assert!(changed.success());
    let verified = place.run(&["audit", "verify", "--data", "data"], &[]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&verified.stdout).contains("broken at event 2"), "{verified:?}");
    let cut = "UPDATE audit_event SET body = replace(body, 'refused', 'granted') WHERE n = 2; DELETE FROM audit_event WHERE n = 3";
    assert!(
        std::process::Command::new("sqlite3")
            .arg(place.path("data/countersign.db"))
            .arg(cut)
            .status()
            .unwrap()
            .success()
    );
    let verified = place.run(&["audit", "verify", "--data", "data"], &[]);
    assert!(
        String::from_utf8_lossy(&verified.stdout).contains("broken at event 3"),
        "the end is missed too: {verified:?}"
    );
}

#[test]
fn the_demo_plays_and_every_attempt_to_break_in_is_refused() {
    let place = Ground::new();
    let played = place.run(&["demo", "developer-key"], &[]);
    let story = ok(&played);
    for words in [
        "with a guessed key",
        "with a wrong checksum",
        "with a key that has expired",
        "beyond the key's scope",
        "the very next request",
    ] {
        assert!(story.contains(words), "{story}");
    }
    assert!(!story.contains("BAD"), "{story}");
    let lines = ok(&place.run(&["demo", "developer-key", "--json"], &[]));
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["ok"] == json!(true)));
    assert_eq!(place.run(&["demo", "nothing"], &[]).status.code(), Some(1));
}

#[test]
fn the_demos_of_people_play_and_every_attempt_to_break_in_is_refused() {
    let place = Ground::new();
    for (scenario, words) in [
        ("third-party-app", ["with a stolen code", "with a guessed verifier", "the very next request"]),
        ("first-party-web", ["from another site", "altered cookie", "after she has signed out"]),
        ("cli", ["nobody has decided", "another client polls", "opening the link connects nothing"]),
    ] {
        let played = place.run(&["demo", scenario], &[]);
        let story = String::from_utf8_lossy(&played.stdout);
        assert!(played.status.success() && !story.contains("BAD"), "{story} {played:?}");
        assert!(words.iter().all(|words| story.contains(words)), "{story}");
        let lines = ok(&place.run(&["demo", scenario, "--json"], &[]));
        assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["ok"] == json!(true)));
    }
}

#[test]
fn completions_and_help_are_printed() {
    let place = Ground::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(ok(&place.run(&["completions", shell], &[])).contains("management-key"));
    }
    assert!(ok(&place.run(&["--help"], &[])).contains("Starts everything"));
}
