//! SAFETY 14: the master key is rotated, and what is sealed is sealed anew.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::Ground;

const ROTATE: [&str; 5] = ["master-key", "rotate", "--data", "data", "--json"];

#[track_caller]
fn rotated(place: &Ground) -> Value {
    let output = place.run(&ROTATE, &[]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn lines_of(text: &str, name: &str) -> usize {
    text.lines().filter(|line| line.starts_with(name)).count()
}

#[test]
fn safety_14_a_rotated_master_key_seals_everything_anew() {
    let place = Ground::new();
    let file = place.path("data/master.key");
    let server = place.up("data", &[]);
    let key =
        server.manage("POST", "/v1/keys", &json!({ "name": "a" })).json()["key"].as_str().unwrap().to_owned();
    let certificate = std::fs::read(place.path("data/ca.pem")).unwrap();
    let before = std::fs::read_to_string(&file).unwrap();
    let running = place.run(&ROTATE, &[]);
    let told = String::from_utf8(running.stderr).unwrap();
    assert!(!running.status.success() && told.contains("stop it"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "nothing is written while a server runs");
    server.stop();

    // The check of the key itself, the certification authority, and two signing keys.
    assert_eq!(rotated(&place), json!({ "version": 2, "rewrapped": 4 }));
    let after = std::fs::read_to_string(&file).unwrap();
    assert_eq!((lines_of(&after, "master "), lines_of(&after, "pepper ")), (2, 1));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // Nothing is sealed under the old version any more: its line may go.
    let only_new: String =
        after.lines().filter(|line| !line.starts_with("master 1 ")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, &only_new).unwrap();
    let server = place.up("data", &[]);
    assert_eq!(server.call("/x", Some(&key)).status, 200, "keys are hashed under the pepper, which stays");
    assert_eq!(std::fs::read(place.path("data/ca.pem")).unwrap(), certificate);
    server.stop();
    let audit = place.run(&["audit", "tail", "--json", "--data", "data"], &[]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    assert!(audit.contains("master_key.rotate"), "{audit}");

    // Who has not been given the new line is told.
    std::fs::write(&file, before).unwrap();
    let Err(log) = place.try_up("data", &[], &[]) else { panic!("it started with the old master key") };
    assert!(log.contains("the file with the new line"), "{log}");
}

#[test]
fn safety_14_a_key_that_is_not_this_stores_is_not_rotated() {
    let place = Ground::new();
    place.up("data", &[]).stop();
    let other = Ground::on_sqlite();
    other.up("other", &[]).stop();
    let foreign = std::fs::read_to_string(other.path("other/master.key")).unwrap();
    std::fs::write(place.path("data/master.key"), &foreign).unwrap();
    let output = place.run(&ROTATE, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("another master key"), "{told}");
    assert_eq!(std::fs::read_to_string(place.path("data/master.key")).unwrap(), foreign);
}

#[test]
fn safety_14_a_key_in_the_environment_is_not_rotated_there() {
    let place = Ground::new();
    place.up("data", &[]).stop();
    let text = std::fs::read_to_string(place.path("data/master.key")).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let output = place.run(&ROTATE, &[("COUNTERSIGN_MASTER_KEY", &text.join(";"))]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("--master-key FILE"), "{told}");
}
