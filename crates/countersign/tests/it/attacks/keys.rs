//! Keys that ended, that never were, and that are asked for more than they hold.

use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Refused, World};
use crate::harness::{Server, manage};

const KEYED: &str = "[[route]]\npath = \"/admin/{**}\"\nupstream = \"default\"\nrequire = { api_key = { scope = \"admin\" } }\n\n\
    [[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n";

fn mint(server: &Server, body: &Value) -> (String, String) {
    let minted = server.manage("POST", "/v1/keys", body);
    assert_eq!(minted.status, 201, "{minted:?}");
    let minted = minted.json();
    (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
}

fn presented(text: &[u8]) -> Vec<u8> {
    [b"GET /x HTTP/1.1\r\nHost: a\r\nX-API-Key: ", text, b"\r\nConnection: close\r\n\r\n"].concat()
}

#[test]
fn what_is_made_from_a_key_is_no_key() {
    let world = World::new(KEYED);
    let (id, key) = mint(&world.server, &json!({ "name": "a" }));
    let shown = world.server.manage("GET", &format!("/v1/keys/{id}"), &Value::Null).json();
    let hint = shown["hint"].as_str().unwrap();
    let hash = digest(&SHA256, key.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut swapped = key.clone().into_bytes();
    let last = swapped.len() - 10;
    swapped[last] = if swapped[last] == b'a' { b'b' } else { b'a' };
    let rows: Vec<(&str, Vec<u8>, u16)> = vec![
        ("stored hash, hexadecimal", hex.clone().into_bytes(), 401),
        ("stored hash, base64", STANDARD.encode(hash).into_bytes(), 401),
        ("stored hash, base64url", URL_SAFE_NO_PAD.encode(hash).into_bytes(), 401),
        ("stored hash with a prefix", format!("cs_live_{hex}").into_bytes(), 401),
        ("its id", id.into_bytes(), 401),
        ("its hint", hint.to_owned().into_bytes(), 401),
        ("istio 46929: junk behind it", format!("{key}+junk").into_bytes(), 401),
        ("junk behind it", format!("{key}=").into_bytes(), 401),
        ("one letter less", key.as_bytes()[..key.len() - 1].to_vec(), 401),
        ("another letter", swapped, 401),
        ("another case", key.to_ascii_uppercase().into_bytes(), 401),
        ("another prefix", key.replace("cs_live", "cs_test").into_bytes(), 401),
        ("percent-encoded", key.replace('_', "%5F").into_bytes(), 401),
        ("a wildcard", b"%".to_vec(), 401),
        ("SQL", b"' OR 1=1 --".to_vec(), 401),
        ("Kong 10171: octets", b"cs_live_\xff\xfe".to_vec(), 401),
        ("Kong 10171: NUL", b"cs_live_\0".to_vec(), 400),
        ("Kong 10372: 10 MB", vec![b'a'; 10 * 1024 * 1024], 431),
    ];
    for (origin, text, status) in rows {
        world.check(origin, &presented(&text), &Refused(status));
    }
    assert_eq!(world.server.call("/x", Some(&key)).status, 200, "and the key itself works");
    assert!(!world.server.log().contains(&key));
}

#[test]
fn cve_2026_23996_a_refusal_does_not_tell_why() {
    let world = World::new(KEYED);
    let server = &world.server;
    let (revoked, revoked_key) = mint(server, &json!({ "name": "revoked" }));
    let (disabled, disabled_key) = mint(server, &json!({ "name": "disabled" }));
    let (deleted, deleted_key) = mint(server, &json!({ "name": "deleted" }));
    let (_, future_key) = mint(server, &json!({ "name": "future", "not_before": "2999-01-01T00:00:00Z" }));
    assert_eq!(server.manage("POST", &format!("/v1/keys/{revoked}/revoke"), &Value::Null).status, 200);
    let off = json!({ "enabled": false });
    assert_eq!(server.manage("PATCH", &format!("/v1/keys/{disabled}"), &off).status, 200);
    assert!(server.manage("DELETE", &format!("/v1/keys/{deleted}"), &Value::Null).status < 300);
    let answers: Vec<_> = [revoked_key, disabled_key, deleted_key, future_key]
        .iter()
        .map(|key| {
            let answer = server.call("/x", Some(key));
            assert!(!format!("{answer:?}").contains(key.as_str()), "LiteLLM 27884");
            let mut body = answer.json();
            body["instance"] = Value::Null;
            (answer.status, answer.header("www-authenticate"), body)
        })
        .collect();
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let listed = server.manage("GET", &format!("/v1/keys/{revoked}"), &Value::Null);
    assert_eq!(listed.status, 200, "a key that ended stays listed: {listed:?}");
    assert!(world.recorder.take().is_empty());
}

#[test]
fn better_auth_1_6_16_a_key_revoked_in_flight_stays_revoked() {
    let world = World::new(KEYED);
    let server = &world.server;
    let (id, key) = mint(server, &json!({ "name": "a" }));
    let verify = || server.manage("POST", "/v1/keys/verify", &json!({ "key": key })).json()["code"].clone();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..20_000).any(|_| server.call("/x", Some(&key)).status == 401)))
            .collect();
        let verifiers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| (0..20_000).any(|_| verify() == json!("revoked")))).collect();
        assert_eq!(server.manage("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null).status, 200);
        for _ in 0..20 {
            assert_eq!(server.call("/x", Some(&key)).status, 401, "after the acknowledgement");
        }
        assert!(callers.into_iter().chain(verifiers).all(|one| one.join().unwrap()), "all saw the end");
    });
    for _ in 0..20 {
        assert_eq!((server.call("/x", Some(&key)).status, verify()), (401, json!("revoked")), "and it stays");
    }
    let on = server.manage("PATCH", &format!("/v1/keys/{id}"), &json!({ "enabled": true }));
    assert_eq!((on.status, server.call("/x", Some(&key)).status), (409, 401), "revoked is for ever");
}

#[test]
fn better_auth_1_6_17_parallel_calls_spend_what_there_is_and_no_more() {
    let world = World::new(KEYED);
    let limits = json!([{ "name": "quota", "limit": 10, "window": "ever" }]);
    let (_, key) = mint(&world.server, &json!({ "name": "a", "limits": limits }));
    let statuses: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> =
            (0..100).map(|_| scope.spawn(|| world.server.call("/x", Some(&key)).status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(200), count(429)), (10, 90), "{statuses:?}");
    assert_eq!(world.recorder.take().len(), 10, "what is refused never reaches the upstream");
}

#[test]
fn a_key_does_only_what_it_holds() {
    let world = World::new(KEYED);
    let server = &world.server;
    let row = b"GET /admin/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {K}\r\nConnection: close\r\n\r\n";
    world.check("a missing scope", row, &Refused(403));
    let (_, wild) = mint(server, &json!({ "name": "a", "scopes": ["admi", "admin:x", "ADMIN"] }));
    assert_eq!(server.call("/admin/x", Some(&wild)).status, 403, "a scope is not one that looks like it");
    let owner = server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": "o" })).json();
    let terms = json!({ "name": "m", "owner": owner["id"], "scopes": ["keys:write", "keys:read"], "grantable": ["orders:*"] });
    let made = server.manage("POST", "/v1/management-keys", &terms).json();
    let (manager_id, manager) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let call = |method: &str, path: &str, body: &Value| {
        manage(&server.address("admin"), manager, method, path, body)
    };
    let mine = call("POST", "/v1/keys", &json!({ "name": "a", "scopes": ["orders:read"] })).json();
    let path = format!("/v1/keys/{}", mine["id"].as_str().unwrap());
    for (origin, method, path, body) in [
        ("decocms/studio 4119", "PATCH", path.as_str(), json!({ "scopes": ["admin"] })),
        ("decocms/studio 4119", "PATCH", path.as_str(), json!({ "scopes": ["orders:read", "admin"] })),
        ("decocms/studio 4119", "POST", "/v1/keys", json!({ "name": "a", "scopes": ["*"] })),
        ("CVE-2025-61928", "POST", "/v1/management-keys", json!({ "name": "a", "scopes": ["operator"] })),
    ] {
        assert_eq!(call(method, path, &body).status, 403, "{origin}: {method} {path} {body}");
    }
    assert_eq!(server.call("/admin/x", mine["key"].as_str()).status, 403);
    // better-auth 1.6.16: who was cut off makes no more keys.
    let ended = format!("/v1/management-keys/{manager_id}/revoke");
    assert_eq!(server.manage("POST", &ended, &Value::Null).status, 200);
    assert_eq!(call("POST", "/v1/keys", &json!({ "name": "late" })).status, 401);
    assert!(world.recorder.take().is_empty());
}

#[test]
fn a_rotation_lengthens_no_life() {
    let world = World::new(KEYED);
    let server = &world.server;
    let (id, key) = mint(server, &json!({ "name": "a", "expires_in": "1h" }));
    let end = |id: &str| {
        let shown = server.manage("GET", &format!("/v1/keys/{id}"), &Value::Null).json();
        shown["expires_at"].as_str().map(str::to_owned)
    };
    let before = end(&id).unwrap();
    let rotated = server.manage("POST", &format!("/v1/keys/{id}/rotate"), &json!({ "overlap": "24h" }));
    assert_eq!(rotated.status, 201, "{rotated:?}");
    assert_eq!(end(&id).as_ref(), Some(&before), "the overlap ends with the key");
    assert!(end(rotated.json()["id"].as_str().unwrap()).is_some(), "its successor does not live for ever");
    assert_eq!(server.call("/x", Some(&key)).status, 200);
    let (id, key) = mint(server, &json!({ "name": "b" }));
    let path = format!("/v1/keys/{id}/rotate");
    assert_eq!(server.manage("POST", &path, &json!({ "overlap": "0s" })).status, 201);
    assert_eq!(server.call("/x", Some(&key)).status, 401, "no overlap is none");
}
