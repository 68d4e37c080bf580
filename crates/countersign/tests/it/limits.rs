//! Limits, quotas and allowlists of keys, seen from outside.

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Ground, Server, eventually, get, manage};

fn mint(server: &Server, body: &Value) -> (String, String) {
    let minted = server.manage("POST", "/v1/keys", body);
    assert_eq!(minted.status, 201, "{minted:?}");
    let minted = minted.json();
    (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
}

fn limit(name: &str, limit: u32, window: &str) -> Value {
    json!({ "name": name, "limit": limit, "window": window })
}

/// Calls until it is refused, at most `most` times, and returns how many calls passed.
fn spend(server: &Server, key: &str, most: usize) -> usize {
    (0..most).take_while(|_| server.call("/x", Some(key)).status == 200).count()
}

#[test]
fn a_limit_is_told_kept_and_explained() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let terms = json!({ "name": "a", "limits": [limit("burst", 5, "1h"), limit("quota", 3, "month")] });
    let (id, key) = mint(&server, &terms);

    let first = server.call("/x", Some(&key));
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy").unwrap(), "\"burst\";q=5;w=3600, \"quota\";q=3");
    assert!(first.header("ratelimit").unwrap().starts_with("\"burst\";r=4;t="), "{first:?}");
    assert_eq!(spend(&server, &key, 9), 2);

    let refused = server.call("/x", Some(&key));
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(refused.json()["type"], "urn:countersign:problem:too-many-requests");
    assert!(!refused.body.contains(&key), "neither the key nor its hash (LiteLLM 27884)");

    let verify = |extra: Value| {
        let mut asked = json!({ "key": key });
        asked.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        server.manage("POST", "/v1/keys/verify", &asked).json()
    };
    let verdict = verify(json!({}));
    assert_eq!((verdict["valid"].as_bool(), verdict["code"].as_str()), (Some(false), Some("quota_exceeded")));
    assert_eq!(verdict["limits"][0]["remaining"], 2, "a refused call costs nothing of any limit");

    let raised = json!({ "limits": [limit("burst", 5, "1h"), limit("quota", 4, "month")] });
    assert_eq!(server.manage("PATCH", &format!("/v1/keys/{id}"), &raised).status, 200);
    assert_eq!(verify(json!({ "cost": 2 }))["code"], "quota_exceeded");
    assert_eq!(verify(json!({ "cost": 0 }))["code"], "valid");
    assert_eq!(spend(&server, &key, 9), 1);

    let rotated = server.manage("POST", &format!("/v1/keys/{id}/rotate"), &json!({})).json();
    let successor = rotated["key"].as_str().unwrap();
    assert_eq!(server.call("/x", Some(successor)).status, 429, "a rotation refills nothing");
}

#[test]
fn a_call_that_is_refused_for_another_reason_costs_nothing() {
    let place = Ground::new();
    let config = place.write(
        "c.toml",
        "[[route]]\nname = \"dear\"\npath = \"/dear\"\nupstream = \"default\"\ncost = 3\nrequire = { api_key = {} }\n\n\
         [[route]]\nname = \"closed\"\npath = \"/closed\"\nupstream = \"default\"\nrequire = { api_key = { scope = \"admin\" } }\n\n\
         [[route]]\nname = \"rest\"\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n",
    );
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let (_, key) = mint(&server, &json!({ "name": "a", "limits": [limit("quota", 4, "ever")] }));
    for _ in 0..5 {
        assert_eq!(server.call("/closed", Some(&key)).status, 403);
    }
    assert_eq!(server.call("/dear", Some(&key)).status, 200);
    assert_eq!(server.call("/dear", Some(&key)).status, 429, "three of one that is left");
    let asked = |method: &str, path: &str| {
        let asked = json!({ "key": key, "method": method, "path": path });
        let verdict = server.manage("POST", "/v1/keys/verify", &asked).json();
        format!("{} {}", verdict["code"].as_str().unwrap(), verdict["route"].as_str().unwrap_or("-"))
    };
    assert_eq!(asked("GET", "/dear"), "quota_exceeded dear");
    assert_eq!(asked("GET", "/%63losed"), "insufficient_scope closed");
    assert_eq!(asked("GET", "/%zz"), "no_route -");
    assert_eq!(asked("GET", "/x"), "valid rest");
    assert_eq!(server.call("/x", Some(&key)).status, 429);
}

#[test]
fn a_quota_survives_a_restart() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (_, key) = mint(&server, &json!({ "name": "a", "limits": [limit("quota", 3, "ever")] }));
    assert_eq!(spend(&server, &key, 2), 2);
    server.stop();
    let server = place.up("data", &[]);
    assert_eq!(spend(&server, &key, 9), 1);
}

#[test]
fn the_keys_of_one_line_share_a_quota_that_survives_restarts_and_the_end_of_the_first() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (first, _) = mint(&server, &json!({ "name": "a" }));
    let rotated = server.manage("POST", &format!("/v1/keys/{first}/rotate"), &json!({})).json();
    let (second, key) = (rotated["id"].as_str().unwrap(), rotated["key"].as_str().unwrap().to_owned());
    let limited = json!({ "limits": [limit("quota", 5, "ever")] });
    assert_eq!(server.manage("PATCH", &format!("/v1/keys/{second}"), &limited).status, 200);
    assert_eq!(spend(&server, &key, 2), 2);
    assert_eq!(server.manage("DELETE", &format!("/v1/keys/{first}"), &Value::Null).status, 204);
    let named = json!({ "name": "another name" });
    assert_eq!(server.manage("PATCH", &format!("/v1/keys/{second}"), &named).status, 200);
    assert_eq!(spend(&server, &key, 1), 1);
    server.stop();
    let server = place.up("data", &[]);
    assert_eq!(spend(&server, &key, 9), 2, "five in all, whatever became of the first key");
}

#[test]
fn two_processes_share_a_limit() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let url = postgres.url();
    let one = place.up("one", &["--store", &url]);
    let master_key = place.path("one/master.key").display().to_string();
    let two = place.up("two", &["--store", &url, "--master-key", &master_key]);
    let (_, key) = mint(&one, &json!({ "name": "a", "limits": [limit("quota", 30, "ever")] }));
    assert_eq!(spend(&one, &key, 20), 20);
    let left = || {
        let asked = json!({ "key": key, "cost": 0 });
        let verdict =
            manage(&two.address("admin"), &one.management_key(), "POST", "/v1/keys/verify", &asked).json();
        verdict["limits"][0]["remaining"].as_u64()
    };
    eventually("the other node knows", || left() == Some(10));
    assert_eq!(spend(&two, &key, 99), 10);
    eventually("and the first again", || one.call("/x", Some(&key)).status == 429);
}

#[test]
fn a_key_is_good_only_from_its_addresses_as_trusted_proxies_tell_them() {
    let place = Ground::new();
    let config = place.write("c.toml", "[gateway]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let trusting = place.up("trusting", &["--config", config.to_str().unwrap()]);
    let (_, key) = mint(&trusting, &json!({ "name": "a", "allow_from": ["192.0.2.0/24", "2001:db8::/32"] }));
    let from = |server: &Server, key: &str, forwarded: &str| {
        let fields = format!("X-API-Key: {key}\r\n{forwarded}");
        get(&server.address("gateway"), "/x", &fields).status
    };
    for (forwarded, expected) in [
        ("X-Forwarded-For: 192.0.2.7\r\n", 200),
        ("X-Forwarded-For: 192.0.2.7, 203.0.113.9\r\n", 401),
        ("X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n", 200),
        ("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 2001:db8::7\r\n", 200),
        ("X-Forwarded-For: a\r\n", 400),
        ("Forwarded: for=192.0.2.7\r\n", 401),
        ("", 401),
    ] {
        assert_eq!(from(&trusting, &key, forwarded), expected, "{forwarded}");
    }
    let verify = |extra: Value| {
        let mut asked = json!({ "key": key });
        asked.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        trusting.manage("POST", "/v1/keys/verify", &asked).json()["code"].clone()
    };
    assert_eq!(verify(json!({})), "address_not_allowed", "an unknown address is in no list");
    assert_eq!(verify(json!({ "client_ip": "::ffff:192.0.2.1" })), "valid");
    assert_eq!(verify(json!({ "client_ip": "192.0.3.1" })), "address_not_allowed");

    let elsewhere = Ground::new();
    let plain = elsewhere.up("plain", &[]);
    let (_, key) = mint(&plain, &json!({ "name": "a", "allow_from": ["192.0.2.0/24"] }));
    assert_eq!(from(&plain, &key, "X-Forwarded-For: 192.0.2.7\r\n"), 401, "nobody is trusted");
    let (_, key) = mint(&plain, &json!({ "name": "a", "allow_from": ["127.0.0.0/8"] }));
    assert_eq!(from(&plain, &key, "X-Forwarded-For: 6.6.6.6\r\n"), 200);
}

#[test]
fn terms_that_cannot_be_kept_are_refused() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let refused = |terms: Value| {
        let mut body = json!({ "name": "a" });
        body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let answer = server.manage("POST", "/v1/keys", &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused(json!({ "limits": [limit("Burst", 1, "1s")] })).contains("limits[].name"));
    assert!(refused(json!({ "limits": [limit("burst", 1, "10ms")] })).contains("limits[].window"));
    assert!(refused(json!({ "limits": [limit("a", 1, "1s"), limit("a", 2, "1m")] })).contains("of its own"));
    assert!(refused(json!({ "allow_from": ["10.0.0.1/8"] })).contains("allow_from"));
    let config = place.write("c.toml", "[gateway]\ntrusted_proxies = [\"0.0.0.0/0\"]\n");
    let refused = place.run(&["up", "--config", config.to_str().unwrap()], &[]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("trusts everybody"));
}
