//! Nobody starves another: what one caller may cost is bounded, and the others do not notice.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Ground, PATIENCE, Server, eventually, manage};

/// Makes a tenant with a management key; its organisation and the key.
fn tenant(server: &Server, name: &str) -> (String, String) {
    let owner = server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": name })).json();
    let owner = owner["id"].as_str().unwrap().to_owned();
    let scopes = json!(["keys:read", "keys:write", "owners:write", "audit:read"]);
    let body = json!({ "name": name, "owner": owner, "scopes": scopes, "grantable": ["orders:read"] });
    let made = server.manage("POST", "/v1/management-keys", &body);
    assert_eq!(made.status, 201, "{made:?}");
    (owner, made.json()["key"].as_str().unwrap().to_owned())
}

/// Reads the bodies of the latest audit lines.
fn audit(server: &Server) -> Vec<String> {
    let page = server.manage("GET", "/v1/audit?last=true&limit=500", &Value::Null).json();
    let lines = page["data"].as_array().unwrap().iter();
    lines.map(|line| line["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn refused_acts_of_one_tenant_are_filed_up_to_a_rate_and_anothers_beside_them() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let ((noisy, noisy_key), (quiet, quiet_key)) = (tenant(&server, "noisy"), tenant(&server, "quiet"));
    let excess = json!({ "name": "k", "scopes": ["payments"] });
    let admin = server.address("admin");
    let refused = |key: &str| assert_eq!(manage(&admin, key, "POST", "/v1/keys", &excess).status, 403);
    let begun = std::time::SystemTime::now();
    (0..300).for_each(|_| refused(&noisy_key));
    refused(&quiet_key);
    let seconds = usize::try_from(begun.elapsed().unwrap().as_secs()).unwrap() + 2;
    let of = |lines: &[String], owner: &str| {
        let about = |line: &&String| line.contains("excess_scope") && line.contains(owner);
        lines.iter().filter(about).count()
    };
    eventually("the quiet tenant's line", || of(&audit(&server), &quiet) == 1);
    let filed = of(&audit(&server), &noisy);
    assert!((1..=20 * seconds).contains(&filed), "{filed} lines in {seconds} s");
    eventually("what was dropped is counted", || {
        let gaps =
            audit(&server).into_iter().filter(|line| line.contains("audit.gap") && line.contains(&noisy));
        let dropped = |line: String| -> usize {
            let line: Value = serde_json::from_str(&line).unwrap();
            line["details"][0][1].as_str().unwrap().parse().unwrap()
        };
        gaps.map(dropped).sum::<usize>() == 300 - filed
    });
}

/// Sends the head of an import and all of its body but the last byte.
fn unfinished_import(server: &Server, key: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address("admin")).unwrap();
    let head = format!(
        "POST /v1/keys/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        bytes + 1
    );
    stream.write_all(head.as_bytes()).unwrap();
    // What the other side does not take now stays in the kernel; the rest is not sent.
    stream.set_nonblocking(true).unwrap();
    let body = vec![b' '; bytes];
    let mut sent = 0;
    while sent < bytes {
        match stream.write(&body[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream
}

/// What the process holds in memory, in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn unfinished_bodies_are_bounded_and_keep_nobody_else_waiting() {
    let place = Ground::new();
    let config = place.write("c.toml", "[limits]\nbody_timeout = \"3s\"\n");
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let ((organisation, greedy), (_, other)) = (tenant(&server, "greedy"), tenant(&server, "other"));
    let beside = json!({ "name": "beside", "owner": organisation, "scopes": ["keys:read"] });
    let beside =
        server.manage("POST", "/v1/management-keys", &beside).json()["key"].as_str().unwrap().to_owned();
    let before = resident(&server);
    let held: Vec<_> = (0..60).map(|_| unfinished_import(&server, &greedy, 3 * 1024 * 1024)).collect();
    let import = json!({ "algorithm": "sha256", "prefix": "x_", "keys": [{ "hash": "0", "name": "n", "metadata": { "t": "x".repeat(4000) } }] });
    let mut body = import.clone();
    let key = import["keys"][0].clone();
    body["keys"] = Value::Array(vec![key; 30]);
    let admin = server.address("admin");
    let begun = std::time::SystemTime::now();
    let answer = manage(&admin, &other, "POST", "/v1/keys/import", &body);
    assert_eq!(answer.status, 403, "no operator declared that set: {answer:?}");
    assert_eq!(manage(&admin, &beside, "GET", "/v1/keys", &Value::Null).status, 200, "of the same tenant");
    assert!(begun.elapsed().unwrap().as_secs() < 3, "nobody waited for the unfinished ones");
    // One is read and the others are not; each connection has its read buffer.
    let grown = resident(&server) - before;
    assert!(grown < 40 * 1024, "grown by {grown} KiB");
    for mut stream in held {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert!(
            [b"HTTP/1.1 408", b"HTTP/1.1 503"].contains(&&answer),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(manage(&admin, &greedy, "POST", "/v1/keys/import", &body).status, 403, "a place came back");
}

/// Starts `up` with limits of open files: a soft one and a hard one.
fn up_with_descriptors(place: &Ground, soft: u32, hard: u32) -> Server {
    let script = format!("ulimit -S -n {soft} && ulimit -H -n {hard} && exec \"$0\" \"$@\"");
    place.try_up_through(&["sh", "-c", &script], "data", &[], &[]).unwrap()
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let place = Ground::new();
    let server = up_with_descriptors(&place, 256, 4_000);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(open_files.split_whitespace().nth(3), Some("4000"), "{open_files}");
}

#[test]
fn idle_strangers_keep_no_revocation_out() {
    let place = Ground::new();
    let server = up_with_descriptors(&place, 1_024, 1_024);
    assert!(server.log().contains("limits.connections: fewer are taken"), "{}", server.log());
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "k" })).json();
    let strangers = |listener: &str, count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(server.address(listener)).unwrap()).collect()
    };
    let _at_every_public_door = [strangers("gateway", 400), strangers("mtls", 400), strangers("issuer", 400)];
    // They are there: the gateway takes nobody else.
    eventually("the gateway is full", || {
        let metrics = manage(&server.address("admin"), "", "GET", "/metrics", &Value::Null).body;
        metrics.lines().any(|line| {
            line.starts_with("countersign_refused_connections_total")
                && line.contains("gateway")
                && !line.ends_with(" 0")
        })
    });
    let id = minted["id"].as_str().unwrap();
    let revoked = server.manage("POST", &format!("/v1/keys/{id}/revoke"), &Value::Null);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let _at_the_admin_door = strangers("admin", 200);
    let listed = place.run(&["key", "show", id, "--data", "data", "--json"], &[]);
    let shown: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    assert_eq!(shown["state"], "revoked", "the local socket has places of its own");
}

#[test]
fn a_tenant_keeps_as_many_keys_and_owners_as_its_caps_allow_whatever_races() {
    let place = Ground::new();
    let config = place.write("c.toml", "[tenant]\nmax_keys = 12\nmax_owners = 3\n");
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let (organisation, key) = tenant(&server, "acme");
    let admin = server.address("admin");
    let body = json!({ "name": "k" });
    let mint = || manage(&admin, &key, "POST", "/v1/keys", &body);
    // The management key is one of them; the others race.
    let racing: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..40).map(|_| scope.spawn(mint)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |status: u16| racing.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (11, 29), "{racing:?}");
    let refused = mint();
    assert!(refused.body.contains("tenant.max_keys"), "it names the setting: {refused:?}");
    let ids: Vec<_> =
        racing.iter().filter(|one| one.status == 201).map(|one| one.json()["id"].clone()).collect();
    let id = ids[0].as_str().unwrap();
    let path = |verb: &str| format!("/v1/keys/{id}{verb}");
    assert_eq!(
        manage(&admin, &key, "POST", &path("/rotate"), &json!({})).status,
        409,
        "a successor is a key"
    );
    assert_eq!(manage(&admin, &key, "POST", &path("/revoke"), &Value::Null).status, 200);
    assert_eq!(mint().status, 409, "a revoked key is kept");
    assert_eq!(manage(&admin, &key, "DELETE", &path(""), &Value::Null).status, 204);
    assert_eq!(mint().status, 201, "a deleted one is not");
    assert_eq!(mint().status, 409);
    let by_operator = server.manage("POST", "/v1/keys", &json!({ "name": "k", "owner": organisation }));
    assert_eq!(by_operator.status, 201, "an operator is bound by no cap");

    let enter = || manage(&admin, &key, "POST", "/v1/owners", &json!({ "kind": "client", "name": "c" }));
    let entered: Vec<_> = (0..4).map(|_| enter().status).collect();
    assert_eq!(entered, [201, 201, 201, 409]);
    let (_, other) = tenant(&server, "other");
    assert_eq!(manage(&admin, &other, "POST", "/v1/keys", &body).status, 201, "each has caps of its own");
}

#[test]
fn what_counts_against_a_cap_can_be_deleted_management_keys_too() {
    let place = Ground::new();
    let config = place.write("c.toml", "[tenant]\nmax_keys = 4\n");
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let organisation =
        server.manage("POST", "/v1/owners", &json!({ "kind": "organisation", "name": "acme" })).json();
    let client = json!({ "kind": "client", "name": "c", "organisation": organisation["id"] });
    let client = server.manage("POST", "/v1/owners", &client).json();
    let manager = |owner: &Value| {
        let scopes = json!(["keys:write", "management-keys:write"]);
        let body = json!({ "name": "m", "owner": owner["id"], "scopes": scopes });
        let made = server.manage("POST", "/v1/management-keys", &body).json();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    };
    let ((above, tenant), (_, member)) = (manager(&organisation), manager(&client));
    let admin = server.address("admin");
    let path = |id: &str, verb: &str| format!("/v1/management-keys/{id}{verb}");
    let mint = || {
        let body = json!({ "name": "more", "scopes": ["keys:write"] });
        manage(&admin, &member, "POST", "/v1/management-keys", &body)
    };
    let made: Vec<_> = (0..3).map(|_| mint()).collect();
    let statuses: Vec<_> = made.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [201, 201, 409], "a member fills its organisation's cap");
    let more = made[0].json()["id"].as_str().unwrap().to_owned();
    assert_eq!(manage(&admin, &tenant, "POST", &path(&more, "/revoke"), &Value::Null).status, 200);
    assert_eq!(manage(&admin, &tenant, "POST", "/v1/keys", &json!({ "name": "k" })).status, 409);
    assert_eq!(manage(&admin, &tenant, "DELETE", &path(&more, ""), &Value::Null).status, 204);
    assert_eq!(manage(&admin, &tenant, "POST", "/v1/keys", &json!({ "name": "k" })).status, 201);
    assert_eq!(
        manage(&admin, &member, "DELETE", &path(&above, ""), &Value::Null).status,
        404,
        "beyond its reach"
    );
    let all = server.manage("GET", "/v1/management-keys", &Value::Null).json();
    let first =
        all["data"].as_array().unwrap().iter().find(|one| one["name"] == "first management key").unwrap();
    let operators = first["id"].as_str().unwrap().to_owned();
    assert_eq!(manage(&admin, &tenant, "DELETE", &path(&operators, ""), &Value::Null).status, 404);

    let last = made[1].json();
    let id = last["id"].as_str().unwrap();
    let deleted = place.run(&["management-key", "delete", id, "--data", "data"], &[]);
    assert!(deleted.status.success(), "{deleted:?}");
    let key = last["key"].as_str().unwrap();
    assert_eq!(
        manage(&admin, key, "POST", "/v1/keys", &json!({ "name": "k" })).status,
        401,
        "and it has ended"
    );
    assert!(audit(&server).iter().any(|line| line.contains("management_key.forget") && line.contains(id)));
}
