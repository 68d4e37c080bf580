//! PRODUCT §2: from an empty folder to a protected API, and back again.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Ground, get, raw, signal};

#[test]
fn the_first_start_makes_everything_and_the_second_finds_it() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for member in ["issuer", "gateway", "mtls", "admin", "management_key", "data"] {
        assert!(server.card[member].is_string(), "{member}: {}", server.card);
    }
    let mode = |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    for file in ["data/master.key", "data/countersign.sock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert!(std::fs::read_to_string(place.path("data/ca.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "ci" })).json();
    let key = minted["key"].as_str().unwrap().to_owned();
    assert_eq!(server.call("/hello", Some(&key)).status, 200);
    assert_eq!(server.stop().code(), Some(0));

    let server = place.up("data", &[]);
    assert_eq!(server.card["management_key"], Value::Null);
    assert_eq!(server.call("/hello", Some(&key)).status, 200);
    assert_eq!(server.call("/hello", None).status, 401);
}

#[test]
fn every_listener_answers() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    assert_eq!(get(&server.address("admin"), "/healthz", "").status, 200);
    assert_eq!(get(&server.address("admin"), "/readyz", "").status, 200);
    let metrics = get(&server.address("admin"), "/metrics", "");
    assert!(metrics.body.contains("countersign_"), "{}", metrics.body);
    assert_eq!(get(&server.address("admin"), "/v1/keys", "").status, 401);
    let issuer = get(&server.address("issuer"), "/", "");
    assert_eq!(issuer.status, 200);
    assert!(get(&server.address("issuer"), "/pki/ca.pem", "").body.contains("BEGIN CERTIFICATE"));
    assert_eq!(get(&server.address("issuer"), "/oauth/token", "").status, 405);
    assert_eq!(get(&server.address("gateway"), "/.countersign/health", "").status, 200);
}

#[test]
fn the_tls_gateway_is_believed_with_our_authority_alone() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let url = format!("{}/hello", server.card["mtls"].as_str().unwrap());
    let curl = |arguments: &[&str]| {
        let output = std::process::Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(arguments)
            .arg(&url)
            .output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let ca = place.path("data/ca.pem").display().to_string();
    assert_eq!(curl(&["--cacert", &ca]), (Some(0), "401".to_owned()));
    assert_eq!(curl(&["--cacert", &ca, "--tlsv1.3"]), (Some(0), "401".to_owned()));
    assert_eq!(curl(&[]).0, Some(60), "without our authority the certificate is not believed");
}

#[test]
fn https_serves_the_hosts_of_issuer_and_resource() {
    let place = Ground::new();
    let server = place.up(
        "data",
        &["--https", "--issuer-url", "https://auth.example.com", "--resource", "https://api.example.com"],
    );
    let ca = place.path("data/ca.pem").display().to_string();
    let port = |name: &str| server.address(name).rsplit_once(':').unwrap().1.to_owned();
    for (host, listener, path) in
        [("auth.example.com", "issuer", "/"), ("api.example.com", "gateway", "/.countersign/health")]
    {
        let connect = format!("{host}:443:127.0.0.1:{}", port(listener));
        let output = std::process::Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &ca, "--connect-to", &connect])
            .arg(format!("https://{host}{path}"))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "200",
            "{host}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn safety_15_a_foreign_host_origin_or_cookie_is_refused_at_the_management_api() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let (address, key) = (server.address("admin"), server.management_key());
    let call = |host: &str, more: &str| {
        let head = format!(
            "GET /v1/keys HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{more}Connection: close\r\n\r\n"
        );
        raw(&address, &head).status
    };
    assert_eq!(call("localhost", ""), 200);
    assert_eq!(call("LOCALHOST.:8081", ""), 200);
    assert_eq!(call("rebound.example", ""), 421);
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/nothing", 421), ("/", 421)]
    {
        for host in ["10.1.2.3", "rebound.example"] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(raw(&address, &head).status, status, "{host}{path}: a probe knows an address alone");
        }
        let head = format!("GET {path} HTTP/1.1\r\nHost: a,b\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(&address, &head).status, 400, "{path}");
    }
    assert_eq!(call("localhost", "Origin: https://evil.example\r\n"), 403);
    assert_eq!(call("localhost", "Cookie: a=b\r\n"), 200, "a cookie beside a key is ignored");
    let only_cookie =
        format!("GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nCookie: key={key}\r\nConnection: close\r\n\r\n");
    assert_eq!(raw(&address, &only_cookie).status, 401);
}

#[test]
fn a_configuration_file_names_routes_and_upstreams() {
    let place = Ground::new();
    let config = "
        [[upstream]]
        name = \"app\"
        url = \"http://127.0.0.1:9\"

        [[route]]
        path = \"/public/{**}\"
        upstream = \"default\"
        require = { anonymous = {} }

        [[route]]
        path = \"/orders/{**}\"
        methods = [\"GET\"]
        upstream = \"default\"
        require = { api_key = { scope = \"orders:read\" } }
    ";
    let config = place.write("c.toml", config);
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    assert_eq!(server.call("/public/x", None).status, 200);
    assert_eq!(server.call("/elsewhere", None).status, 404, "no match is 404, never open");
    assert_eq!(server.call("/orders/1", None).status, 401);
    let minted =
        server.manage("POST", "/v1/keys", &json!({ "name": "a", "scopes": ["orders:write"] })).json();
    let answer = server.call("/orders/1", minted["key"].as_str());
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").unwrap().contains("insufficient_scope"));
    assert_eq!(
        raw(&server.address("gateway"), "POST /orders/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .status,
        405
    );
}

#[test]
fn rfc9110_9_3_a_tunnel_or_a_trace_is_not_forwarded() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let key = server.manage("POST", "/v1/keys", &json!({ "name": "a" })).json();
    let key = key["key"].as_str().unwrap();
    for method in ["CONNECT", "TRACE"] {
        let head = format!(
            "{method} /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(raw(&server.address("gateway"), &head).status, 405, "{method}");
    }
}

#[test]
fn sigterm_lets_requests_in_flight_finish() {
    use std::io::{Read, Write};
    let place = Ground::new();
    let server = place.up("data", &[]);
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "slow" })).json();
    let key = minted["key"].as_str().unwrap();
    let mut stream = std::net::TcpStream::connect(server.address("gateway")).unwrap();
    stream.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    write!(
        stream,
        "POST /slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Length: 4\r\n\r\nab"
    )
    .unwrap();
    let address = server.address("gateway");
    let log = server.log.clone();
    let stopping = std::thread::spawn(move || server.stop().code());
    crate::harness::eventually("the listener closes", || {
        std::net::TcpStream::connect(&address).is_err()
            || std::fs::read_to_string(&log).unwrap().contains("SIGTERM")
    });
    stream.write_all(b"cd").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("abcd"), "{answer}");
    assert_eq!(stopping.join().unwrap(), Some(0));
}

#[test]
fn signals_that_ask_for_nothing_end_nothing() {
    let place = Ground::on_sqlite();
    let server = place.up("data", &[]);
    for name in ["-USR1", "-USR2", "-PIPE"] {
        signal(server.pid(), name);
        assert_eq!(server.call("/x", None).status, 401, "{name}");
    }
    assert!(server.stop().success());
}
