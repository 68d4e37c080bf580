//! kill -9 in a loop while keys are created and revoked: every acknowledged change is there afterwards.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Ground, eventually, manage};

/// Rounds in the gate; more by hand with `CRASH_ROUNDS`.
fn rounds() -> usize {
    std::env::vars()
        .find(|(name, _)| name == "CRASH_ROUNDS")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(4)
}

#[derive(Clone)]
struct Key {
    text: String,
    revoked: bool,
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let place = Ground::new();
    let management_key = Mutex::new(String::new());
    let keys: Mutex<BTreeMap<String, Key>> = Mutex::new(BTreeMap::new());
    for round in 0..rounds() {
        let server = place.up("data", &[]);
        if round == 0 {
            *management_key.lock().unwrap() = server.management_key();
        }
        // What was acknowledged before the last kill holds now.
        for (id, key) in keys.lock().unwrap().iter() {
            let expected = if key.revoked { 401 } else { 200 };
            assert_eq!(server.call("/x", Some(&key.text)).status, expected, "round {round}: {id}");
        }
        let (admin, operator) = (server.address("admin"), management_key.lock().unwrap().clone());
        let stop = AtomicBool::new(false);
        let before = keys.lock().unwrap().len();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (admin, operator, keys, stop) = (&admin, &operator, &keys, &stop);
                scope.spawn(move || churn(worker, admin, operator, keys, stop));
            }
            eventually("there is churn", || keys.lock().unwrap().len() >= before + 25);
            server.kill();
            stop.store(true, Ordering::Release);
        });
    }
    let server = place.up("data", &[]);
    for (id, key) in keys.lock().unwrap().iter() {
        let expected = if key.revoked { 401 } else { 200 };
        assert_eq!(server.call("/x", Some(&key.text)).status, expected, "{id}");
    }
    let verified = place.run(&["audit", "verify", "--data", "data"], &[]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Creates keys, and revokes every second one, until the server is gone. Only answers count.
fn churn(worker: usize, admin: &str, operator: &str, keys: &Mutex<BTreeMap<String, Key>>, stop: &AtomicBool) {
    for n in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let call = |method: &str, path: &str, body: &Value| {
            std::panic::catch_unwind(|| manage(admin, operator, method, path, body))
                .ok()
                .filter(|answer| answer.status / 100 == 2)
        };
        let Some(minted) = call("POST", "/v1/keys", &json!({ "name": format!("{worker}-{n}") })) else {
            continue;
        };
        let Ok(minted) = serde_json::from_str::<Value>(&minted.body) else { continue };
        let (Some(id), Some(text)) = (minted["id"].as_str(), minted["key"].as_str()) else { continue };
        keys.lock().unwrap().insert(id.to_owned(), Key { text: text.to_owned(), revoked: false });
        if n % 2 == 0 {
            // From here on nothing is known of it unless the answer arrives.
            keys.lock().unwrap().remove(id);
            if call("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null).is_some() {
                keys.lock().unwrap().insert(id.to_owned(), Key { text: text.to_owned(), revoked: true });
            }
        }
    }
}
