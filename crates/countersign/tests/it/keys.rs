//! The main job: a key is created, used, rotated with overlap, revoked, and the next request is refused.

use std::time::Duration;

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Ground, Python, Server, eventually, get, manage, raw};

fn mint(server: &Server, body: &Value) -> (String, String) {
    let minted = server.manage("POST", "/v1/keys", body);
    assert_eq!(minted.status, 201, "{minted:?}");
    let minted = minted.json();
    (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned())
}

#[test]
fn a_keys_whole_life_before_a_stock_upstream_on_sqlite() {
    let place = Ground::on_sqlite();
    std::fs::create_dir(place.path("site")).unwrap();
    place.write("site/hello.txt", "hello from python");
    let python = Python::serve(&place.path("site"));
    let server = place.up("data", &["--upstream", &python.url]);
    whole_life(&server);
}

#[test]
fn a_keys_whole_life_before_a_stock_upstream_on_postgresql() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    std::fs::create_dir(place.path("site")).unwrap();
    place.write("site/hello.txt", "hello from python");
    let python = Python::serve(&place.path("site"));
    let server = place.up("data", &["--upstream", &python.url, "--store", &postgres.url()]);
    whole_life(&server);
}

fn whole_life(server: &Server) {
    let (id, key) = mint(server, &json!({ "name": "ci", "scopes": ["orders:read"], "expires_in": "90d" }));
    let answer = server.call("/hello.txt", Some(&key));
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello from python"));
    let by_header = get(&server.address("gateway"), "/hello.txt", &format!("X-API-Key: {key}\r\n"));
    assert_eq!(by_header.status, 200);

    let rotated = server.manage("POST", &format!("/v1/keys/{id}/rotate"), &json!({ "overlap": "1h" })).json();
    let fresh = rotated["key"].as_str().unwrap().to_owned();
    assert_eq!(rotated["replaces"]["id"], json!(id));
    assert_eq!(server.call("/hello.txt", Some(&key)).status, 200, "the overlap");
    assert_eq!(server.call("/hello.txt", Some(&fresh)).status, 200);

    assert_eq!(server.manage("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null).status, 200);
    let refused = server.call("/hello.txt", Some(&key));
    assert_eq!(refused.status, 401, "the very next request");
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    assert_eq!(server.call("/hello.txt", Some(&fresh)).status, 200);

    let successor = rotated["id"].as_str().unwrap();
    assert_eq!(
        server.manage("POST", &format!("/v1/keys/{successor}/rotate"), &json!({ "overlap": "0s" })).status,
        201
    );
    assert_eq!(server.call("/hello.txt", Some(&fresh)).status, 401, "no overlap: refused at once");
}

#[test]
fn two_processes_share_postgresql_and_a_revocation_reaches_the_other_within_a_second() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let url = postgres.url();
    let one = place.up("one", &["--store", &url]);
    std::fs::create_dir(place.path("two")).unwrap();
    std::fs::set_permissions(place.path("two"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let master_key = place.path("one/master.key").display().to_string();
    let two = place.up("two", &["--store", &url, "--master-key", &master_key]);
    assert_eq!(two.card["management_key"], Value::Null, "the first node made it");

    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let (id, key) = mint(&one, &json!({ "name": format!("round {round}") }));
        assert_eq!(two.call("/x", Some(&key)).status, 200, "a fresh key is found on the other node at once");
        let revoked = manage(
            &two.address("admin"),
            &one.management_key(),
            "POST",
            &format!("/v1/keys/{id}/revoke"),
            &Value::Null,
        );
        assert_eq!(revoked.status, 200);
        assert_eq!(two.call("/x", Some(&key)).status, 401, "the next request on the same node");
        slowest =
            slowest.max(eventually("the other node refuses", || one.call("/x", Some(&key)).status == 401));
    }
    assert!(slowest < Duration::from_secs(1), "the slowest revocation took {slowest:?}");
}

#[test]
fn safety_4_a_node_that_is_cut_off_from_the_store_stops_allowing() {
    let Some(mut postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let config = place.write("c.toml", "[feed]\nmax_age = \"1s\"\n\n[[route]]\npath = \"/open\"\nupstream = \"default\"\nrequire = { anonymous = {} }\n\n[[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n");
    let server = place.up("data", &["--store", &postgres.url(), "--config", config.to_str().unwrap()]);
    let (_, key) = mint(&server, &json!({ "name": "a" }));
    assert_eq!(server.call("/x", Some(&key)).status, 200);
    postgres.stop();
    eventually("the node refuses", || server.call("/x", Some(&key)).status == 503);
    assert!(server.call("/x", Some(&key)).header("retry-after").is_some());
    assert_eq!(server.call("/open", None).status, 200, "what asks for no credential goes on");
    assert_eq!(get(&server.address("admin"), "/readyz", "").status, 503);
    postgres.restart();
    eventually("the node recovers", || server.call("/x", Some(&key)).status == 200);
}

#[test]
fn the_upstream_sees_who_called_and_never_the_credential() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (id, key) = mint(&server, &json!({ "name": "a", "scopes": ["a", "b"] }));
    let request = format!(
        "GET /x?y=1 HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {key}\r\nCountersign-Subject: forged\r\n\
         Countersign_Client: forged\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close, Countersign-Credential\r\n\r\n"
    );
    let seen = raw(&server.address("gateway"), &request).json();
    let headers = seen["headers"].as_object().unwrap();
    assert_eq!(headers["countersign-credential"], json!(id));
    assert_eq!(headers["countersign-scope"], json!("a b"));
    assert!(headers["countersign-subject"].as_str().unwrap().starts_with("org_"));
    assert_eq!(headers["x-forwarded-for"], json!("127.0.0.1"));
    assert!(!seen.to_string().contains("forged") && !seen.to_string().contains(&key), "{seen}");
    assert_eq!((seen["path"].as_str(), seen["query"].as_str()), (Some("/x"), Some("y=1")));
}

#[test]
fn the_verify_api_has_stable_codes() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (id, key) = mint(&server, &json!({ "name": "a", "scopes": ["s"], "metadata": { "plan": "pro" } }));
    let verify = |body: Value| server.manage("POST", "/v1/keys/verify", &body).json();
    let good = verify(json!({ "key": key, "scopes": ["s"] }));
    assert_eq!((good["valid"].clone(), good["code"].clone()), (json!(true), json!("valid")));
    assert_eq!((good["id"].clone(), good["metadata"]["plan"].clone()), (json!(id), json!("pro")));
    let code = |body: Value| verify(body)["code"].as_str().unwrap().to_owned();
    assert_eq!(code(json!({ "key": key, "scopes": ["t"] })), "insufficient_scope");
    assert_eq!(code(json!({ "key": key, "environment": "test" })), "wrong_environment");
    assert_eq!(code(json!({ "key": "nonsense" })), "malformed");
    assert_eq!(code(json!({ "key": format!("{key}x") })), "malformed");
    let unknown =
        "cs_live_".to_owned() + &"a".repeat(43) + &countersign_core::key_string::checksum(&"a".repeat(43));
    assert_eq!(code(json!({ "key": unknown })), "unknown");
    let patch =
        |body: Value| assert_eq!(server.manage("PATCH", &format!("/v1/keys/{id}"), &body).status, 200);
    patch(json!({ "enabled": false }));
    assert_eq!(code(json!({ "key": key })), "disabled");
    assert_eq!(server.call("/x", Some(&key)).status, 401);
    patch(json!({ "enabled": true }));
    assert_eq!(code(json!({ "key": key })), "valid");
    let (_, later) = mint(&server, &json!({ "name": "b", "not_before": "2999-01-01T00:00:00Z" }));
    assert_eq!(code(json!({ "key": later })), "not_yet_valid");
    assert_eq!(server.call("/x", Some(&later)).status, 401);
    server.manage("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null);
    assert_eq!(code(json!({ "key": key })), "revoked");
    server.manage("DELETE", &format!("/v1/keys/{id}"), &Value::Null);
    assert_eq!(code(json!({ "key": key })), "unknown");
}

#[test]
fn safety_9_a_repeated_idempotency_key_makes_one_key_and_shows_no_secret_again() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let create = |name: &str| {
        let body = json!({ "name": name }).to_string();
        raw(
            &server.address("admin"),
            &format!(
                "POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nIdempotency-Key: once\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                server.management_key(),
                body.len()
            ),
        )
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16).map(|_| scope.spawn(|| create("a").json())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer["id"] == answers[0]["id"]), "{answers:?}");
    assert_eq!(
        answers.iter().filter(|answer| answer["key"].is_string()).count(),
        1,
        "one answer shows the key"
    );
    assert_eq!(create("b").status, 422, "the same Idempotency-Key with another request");
    let twice = format!(
        "POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nIdempotency-Key: one\r\n\
         Idempotency-Key: two\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{{\"name\":\"a\"}}",
        server.management_key()
    );
    assert_eq!(raw(&server.address("admin"), &twice).status, 400, "which of two was meant is not guessed");
    assert_eq!(server.manage("GET", "/v1/keys", &Value::Null).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn last_use_and_lists_are_kept() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (id, key) = mint(&server, &json!({ "name": "used" }));
    for n in 0..7 {
        mint(&server, &json!({ "name": format!("n{n}"), "environment": "test" }));
    }
    assert_eq!(server.call("/x", Some(&key)).status, 200);
    eventually("the use is reported", || {
        server.manage("GET", &format!("/v1/keys/{id}"), &Value::Null).json()["last_used_at"].is_string()
    });
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.manage("GET", &format!("/v1/keys?limit=3{cursor}"), &Value::Null).json();
        ids.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids.len(), 8);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8, "no row twice");
    assert_eq!(server.manage("GET", "/v1/keys?limit=0", &Value::Null).status, 400);
    assert_eq!(server.manage("GET", "/v1/keys?colour=red", &Value::Null).status, 400);
    assert_eq!(server.manage("POST", "/v1/keys", &json!({ "name": "a", "scops": [] })).status, 400);
}
