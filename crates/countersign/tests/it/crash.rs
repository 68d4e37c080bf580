//! kill -9 in a loop while keys are created and revoked, while people let apps act for them, and while apps refresh what they have: every
//! acknowledged change is there afterwards, and nothing by half. Nothing but a connection that breaks may go wrong meanwhile.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Ground, eventually, heard, manage, signal};
use crate::people::{World, answer, text};

mod refreshes;

/// Rounds in the gate; more by hand with `CRASH_ROUNDS`.
pub(crate) fn rounds() -> usize {
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
        let call = |path: &str, body: &Value| {
            let answer = heard(|| manage(admin, operator, "POST", path, body))?;
            assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
            Some(answer.json())
        };
        let Some(minted) = call("/v1/keys", &json!({ "name": format!("{worker}-{n}") })) else { continue };
        let (id, text) = (minted["id"].as_str().unwrap(), minted["key"].as_str().unwrap());
        keys.lock().unwrap().insert(id.to_owned(), Key { text: text.to_owned(), revoked: false });
        if n % 2 == 0 {
            // From here on nothing is known of it unless the answer arrives.
            keys.lock().unwrap().remove(id);
            if call(&format!("/v1/keys/{id}/revoke"), &Value::Null).is_some() {
                keys.lock().unwrap().insert(id.to_owned(), Key { text: text.to_owned(), revoked: true });
            }
        }
    }
}

/// What a browser or an app has received, and what is known to have become of it.
#[derive(Default)]
struct Received {
    /// Codes that were not presented.
    codes: Vec<String>,
    /// Codes whose answer did not arrive.
    presented: Vec<String>,
    /// What was answered for codes: access tokens and refresh tokens that live.
    live: Vec<(String, String)>,
    /// Those whose end was acknowledged.
    ended: Vec<(String, String)>,
}

/// What stays from one start to the next: the app, the person's browser, and the names that tokens say.
pub(crate) const NAMES: [&str; 4] =
    ["--issuer-url", "http://localhost:7001", "--resource", "http://localhost:7002"];

#[test]
fn kill_9_between_consent_code_and_token_leaves_nothing_that_counts_by_half() {
    let place = Ground::new();
    let mut world = World::new(&place, &NAMES, &json!({}));
    world.tokens();
    for round in 0..rounds() {
        let received = Mutex::new(Received::default());
        let (world_now, stop) = (&world, AtomicBool::new(false));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (received, stop) = (&received, &stop);
                scope.spawn(move || people_churn(worker, world_now, received, stop));
            }
            eventually("there is churn", || received.lock().unwrap().live.len() >= 12);
            signal(world_now.server.pid(), "-KILL");
            stop.store(true, Ordering::Release);
        });
        world = started_again(&place, world, &NAMES);
        holds(&world, &received.into_inner().unwrap(), round);
        // And a person simply starts again.
        let tokens = world.tokens();
        assert_eq!(world.calls(&text(&tokens, "access_token")), 200);
    }
}

/// Waits for the end of a server that was killed, and starts it again beside the same person and app.
fn started_again(place: &Ground, world: World, arguments: &[&str]) -> World {
    let World { app, person, browser, server } = world;
    server.kill();
    let server = place.up("data", arguments);
    let browser = browser.moved_to(&server.address("issuer"));
    World { server, app, person, browser }
}

/// A person at a browser and their app, again and again: some codes are kept back, some families are ended.
fn people_churn(worker: usize, world: &World, received: &Mutex<Received>, stop: &AtomicBool) {
    let mut browser = world.browser.clone();
    for turn in worker.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let request = world.request(&[]);
        let Some(page) = heard(|| browser.get(&request)) else { continue };
        let code = answer(&page).remove("code").unwrap();
        if turn % 4 == 0 {
            received.lock().unwrap().codes.push(code);
            continue;
        }
        let Some(answered) = heard(|| world.redeem(&code)) else {
            received.lock().unwrap().presented.push(code);
            continue;
        };
        assert_eq!(answered.status, 200, "{answered:?}");
        let tokens = answered.json();
        let pair = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        if turn % 3 > 0 {
            received.lock().unwrap().live.push(pair);
            continue;
        }
        // From here on nothing is known of it unless the answer arrives.
        let form = format!("token={}", pair.1);
        if let Some(ended) = heard(|| world.app.post(&world.server, "/oauth/revoke", &form)) {
            assert_eq!(ended.status, 200, "{ended:?}");
            received.lock().unwrap().ended.push(pair);
        }
    }
}

fn holds(world: &World, received: &Received, round: usize) {
    for (access, refresh) in &received.live {
        assert_eq!(world.calls(access), 200, "round {round}: what was answered counts");
        let renewed = world.refresh(refresh);
        assert_eq!(renewed.status, 200, "round {round}: {renewed:?}");
        assert_eq!(world.calls(&text(&renewed.json(), "access_token")), 200);
    }
    for (access, refresh) in &received.ended {
        assert_eq!(
            (world.calls(access), world.refresh(refresh).status),
            (401, 400),
            "round {round}: what ended has"
        );
    }
    for code in &received.codes {
        let first = world.redeem(code);
        assert_eq!(first.status, 200, "round {round}: a browser has it, so it is there: {first:?}");
        let token = text(&first.json(), "access_token");
        assert_eq!((world.calls(&token), world.redeem(code).status, world.calls(&token)), (200, 400, 401));
    }
    for code in &received.presented {
        // Its answer is lost: it was used, or it was not, and never counts twice.
        let statuses = [world.redeem(code).status, world.redeem(code).status];
        assert!(statuses == [400, 400] || statuses == [200, 400], "round {round}: {statuses:?}");
    }
}
