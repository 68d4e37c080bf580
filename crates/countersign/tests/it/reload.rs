//! Reload: what changes while requests are served, and what stays when a file is broken.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Ground, PATIENCE, Python, Server, eventually, get, raw, signal};

const OPEN: &str = "require = { any = [ { anonymous = {} } ] }\n";
const KEYED: &str = "require = { api_key = {} }\n";

fn route(name: &str, upstream: &str, require: &str) -> String {
    format!("[[route]]\nname = \"{name}\"\npath = \"/{name}/{{**}}\"\nupstream = \"{upstream}\"\n{require}\n")
}

fn reloads(server: &Server, result: &str) -> u64 {
    let metrics = get(&server.address("admin"), "/metrics", "").body;
    let line = format!("countersign_reloads_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|one| one.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_reload_holds_as_a_whole_or_not_at_all() {
    let place = Ground::new();
    let files = tempfile::tempdir().unwrap();
    std::fs::create_dir(files.path().join("b")).unwrap();
    std::fs::write(files.path().join("b/file"), "from the second upstream").unwrap();
    let python = Python::serve(files.path());
    let first = route("a", "default", OPEN);
    let config = place.write("c.toml", &first);
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    assert_eq!(server.call("/a/x", None).status, 200);
    assert_eq!(server.call("/b/file", None).status, 404);

    // Asked for by SIGHUP: a route is closed, another one appears with an upstream of its own.
    let upstream = format!("[[upstream]]\nname = \"second\"\nurl = \"{}\"\n", python.url);
    let second = format!(
        "{}{}{upstream}[limits]\ndrain = \"9s\"\n",
        route("a", "default", KEYED),
        route("b", "second", OPEN)
    );
    place.write("c.toml", &second);
    signal(server.pid(), "-HUP");
    eventually("the reload", || reloads(&server, "applied") >= 1);
    assert_eq!(server.call("/a/x", None).status, 401, "closed");
    assert_eq!(server.call("/b/file", None).body, "from the second upstream");
    let log = server.log();
    for words in ["route[a].require", "route[b] added", "upstream[second] added", "limits.drain"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    eventually("the audit's line", || {
        let audit = server.manage("GET", "/v1/audit?limit=50", &json!(null)).body;
        audit.contains("settings.reload") && audit.contains("route[b] added")
    });
    let routes = server.manage("GET", "/v1/routes", &json!(null)).body;
    assert!(routes.contains("/b/{**}"), "{routes}");

    // Broken in each way that a file can be: what is in force stays.
    for (number, broken) in [
        (1, "[[route]\n".to_owned()),
        (2, format!("{second}[gatway]\n")),
        (3, route("b", "nowhere", OPEN)),
        (4, format!("{}{}", route("b", "second", OPEN), route("b", "second", OPEN))),
    ] {
        place.write("c.toml", &broken);
        signal(server.pid(), "-HUP");
        eventually("the refusal", || reloads(&server, "refused") >= number);
        assert_eq!(server.call("/a/x", None).status, 401, "{broken}");
        assert_eq!(server.call("/b/file", None).status, 200, "{broken}");
    }
    assert!(server.log().contains("c.toml:"), "with its position");
    std::fs::remove_file(&config).unwrap();
    signal(server.pid(), "-HUP");
    eventually("the refusal", || reloads(&server, "refused") >= 5);
    assert_eq!(server.call("/b/file", None).status, 200, "the file is gone");

    // Without being asked: the file is replaced, and read once it rests.
    place.write("c.toml", &first);
    eventually("the change", || server.call("/a/x", None).status == 200);
    assert_eq!(server.call("/b/file", None).status, 404);
}

/// Runs `countersign reload` against the server of the data directory `data`.
fn reload(place: &Ground, expected: bool) -> (String, String) {
    let output = place.run(&["reload", "--data", "data"], &[]);
    let (told, noted) = (output.stdout, output.stderr);
    let (told, noted) = (String::from_utf8(told).unwrap(), String::from_utf8(noted).unwrap());
    assert_eq!(output.status.success(), expected, "{told}{noted}");
    (told, noted)
}

#[test]
fn the_command_tells_what_differs_and_what_waits_for_a_restart() {
    let place = Ground::on_sqlite();
    let first = route("a", "default", OPEN);
    let config = place.write("c.toml", &first);
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    assert_eq!(reload(&place, true), (String::new(), "reloaded: nothing differs\n".to_owned()));

    let second = format!(
        "store = {{ url = \"postgres://u:hunter2@h/d\" }}\nlimits = {{ drain = \"9s\" }}\nlog = {{ level = \"debug\" }}\n{}",
        route("b", "default", KEYED)
    );
    // The file is looked at by itself too: whoever comes first, what differs is told once.
    place.write("c.toml", &second);
    let (told, _) = reload(&place, true);
    let log = server.log();
    let all = told.clone() + &log.replace("\\\"", "\"");
    for words in [
        "route[a] removed",
        "route[b] added: { name = \"b\", path = \"/b/{**}\"",
        "log.level added: \"debug\"",
        "limits.drain added: \"9s\" (waits for a restart)",
        "store.url added (waits for a restart)",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert!(!told.contains("hunter2") && !log.contains("hunter2"), "no secret is shown: {told}{log}");
    let (told, _) = reload(&place, true);
    assert!(!told.contains("route") && told.contains("limits.drain"), "what waits goes on waiting: {told}");

    place.write("c.toml", "limits = { drain = \"9s\" }\ngatway = 1\n");
    let (told, noted) = reload(&place, false);
    assert!(told.is_empty() && noted.contains("c.toml:2:1") && noted.contains("`gatway`"), "{noted}");
    assert!(noted.contains("what was in force stays in force"), "{noted}");
    place.write("c.toml", &format!("{}[feed]\nmax_age = \"soon\"\n", route("c", "default", OPEN)));
    let (_, noted) = reload(&place, false);
    assert!(noted.contains("c.toml:8:1: feed.max_age: expected"), "{noted}");
    assert_eq!(server.call("/b/x", None).status, 401);

    server.stop();
    let (_, noted) = reload(&place, false);
    assert!(noted.contains("no server runs"), "{noted}");
}

#[test]
fn trust_policy_names_and_the_level_of_the_log_are_reloaded() {
    let place = Ground::on_sqlite();
    let open = route("a", "default", OPEN);
    let config = place.write("c.toml", &open);
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let seen = |fields: &str| get(&server.address("gateway"), "/a/x", fields).json()["headers"].clone();
    let minted = || server.manage("POST", "/v1/keys", &json!({ "name": "k" })).json();
    let named = || {
        let head = "GET /v1/keys HTTP/1.1\r\nHost: admin.example.com\r\nConnection: close\r\n\r\n";
        raw(&server.address("admin"), head).status
    };
    let from = "X-Forwarded-For: 192.0.2.7\r\nX-Tenant: a\r\n";
    assert_ne!(seen(from)["x-forwarded-for"], "192.0.2.7, 127.0.0.1");
    assert_eq!(seen(from)["x-tenant"], "a");
    assert_eq!((minted()["expires_at"].clone(), named()), (Value::Null, 421));
    let github = || {
        raw(&server.address("issuer"), "POST /v1/leaks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").status
    };
    assert_eq!(github(), 404);

    place.write(
        "c.toml",
        &format!(
            "gateway = {{ trusted_proxies = [\"127.0.0.0/8\"], drop_headers = [\"X-Tenant\"] }}\n\
             api_key = {{ max_lifetime = \"1h\" }}\nadmin = {{ hosts = [\"admin.example.com\"] }}\n\
             log = {{ level = \"error\" }}\nleaks = {{ github = true }}\n{open}"
        ),
    );
    reload(&place, true);
    let length = server.log().len();
    assert!(seen(from)["x-forwarded-for"].as_str().unwrap().starts_with("192.0.2.7"), "{}", seen(from));
    assert_eq!(seen(from)["x-tenant"], Value::Null);
    assert_ne!(minted()["expires_at"], Value::Null);
    assert_eq!((named(), github()), (401, 400));
    assert_eq!(server.call("/nothing", None).status, 404);
    assert_eq!(server.log().len(), length, "a refusal is not worth an error");

    // What cannot be read of it changes nothing, routes and trust alike.
    place.write(
        "c.toml",
        &format!(
            "egress = {{ extra_ca = \"nowhere.pem\" }}\nleaks = {{ github = true }}\n{}",
            route("b", "default", OPEN)
        ),
    );
    let (_, noted) = reload(&place, false);
    assert!(noted.contains("nowhere.pem"), "{noted}");
    assert_eq!((server.call("/b/x", None).status, named()), (404, 401));
}

#[test]
fn an_open_request_finishes_by_the_route_that_it_began_on() {
    let place = Ground::on_sqlite();
    let config = place.write("c.toml", &route("a", "default", OPEN));
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let mut stream = TcpStream::connect(server.address("gateway")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab";
    stream.write_all(head.as_bytes()).unwrap();
    // The request is on its way once its head was decided on.
    let decided = || server.manage("GET", "/v1/decisions", &Value::Null).body.contains("/a/x");
    eventually("the decision", decided);
    place.write("c.toml", &route("b", "default", OPEN));
    reload(&place, true);
    assert_eq!(server.call("/a/x", None).status, 404);
    stream.write_all(b"cd").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("abcd"), "{answer}");
}

#[test]
fn no_request_fails_while_settings_are_reloaded() {
    const RELOADS: usize = 20;
    let place = Ground::on_sqlite();
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("x"), "x").unwrap();
    let python = Python::serve(files.path());
    let settings = |round: usize| {
        let mut text = format!("gateway = {{ trusted_proxies = [\"10.0.0.{round}\"] }}\n");
        for other in 0..round % 7 {
            text += &route(&format!("other{other}"), "default", KEYED);
        }
        text + &route("a", "default", OPEN)
            + &format!("[[upstream]]\nname = \"n{round}\"\nurl = \"{}\"\n", python.url)
    };
    let config = place.write("c.toml", &settings(0));
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = server.address("gateway");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let mut stream = TcpStream::connect(&address).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    for last in [false, false, false, true] {
                        let close = if last { "close" } else { "keep-alive" };
                        let head = format!("GET /a/x HTTP/1.1\r\nHost: a\r\nConnection: {close}\r\n\r\n");
                        stream.write_all(head.as_bytes()).unwrap();
                        let mut status = [0; 12];
                        stream.read_exact(&mut status).unwrap();
                        assert_eq!(&status, b"HTTP/1.1 200");
                        rest(&mut stream);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for round in 1..=RELOADS {
            let before = answered.load(Ordering::SeqCst);
            // At once: a signal of the round before may be read only now.
            std::fs::rename(place.write("new.toml", &settings(round)), &config).unwrap();
            match round % 2 {
                0 => drop(reload(&place, true)),
                _ => signal(server.pid(), "-HUP"),
            }
            eventually("requests", || answered.load(Ordering::SeqCst) > before + 20);
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!(reloads(&server, "refused"), 0);
    assert!(reloads(&server, "applied") >= u64::try_from(RELOADS / 2).unwrap());
}

/// Reads the rest of an answer whose status line was read, to the end of its content.
fn rest(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
}
