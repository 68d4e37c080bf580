//! What an upstream with default settings reads in a request that the gateway reads differently.

use serde_json::json;

use super::{Forwarded, Outcome, Passes, Refused, World, exchange, replace, statuses};
use crate::harness::Ground;

/// The first three routes ask for a scope that the key does not hold.
const GUARDED: &str = "[[route]]\npath = \"/admin/{**}\"\nupstream = \"default\"\nrequire = { api_key = { scope = \"admin\" } }\n\n\
    [[route]]\npath = \"/exact\"\nupstream = \"default\"\nrequire = { api_key = { scope = \"admin\" } }\n\n\
    [[route]]\npath = \"/orders/{**}\"\nmethods = [\"DELETE\"]\nupstream = \"default\"\nrequire = { api_key = { scope = \"orders:write\" } }\n\n\
    [[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = { scope = \"orders:read\" } }\n";

#[track_caller]
fn ask(world: &World, origin: &str, line: &str, host: &str, expected: &Outcome) {
    let bytes = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {{K}}\r\nConnection: close\r\n\r\n"
    );
    world.check(origin, bytes.as_bytes(), expected);
}

#[test]
fn rfc9110_9_1_a_method_in_lower_case_is_refused_before_routing() {
    let world = World::new(GUARDED);
    for method in ["delete", "Delete", "DELETe", "dELETE", "get", "post", "pATCH", "foo", "X-y", "head"] {
        ask(&world, "a method in lower case", &format!("{method} /orders/42"), "a", &Refused(400));
        ask(&world, "a method in lower case", &format!("{method} /.countersign/health"), "a", &Refused(400));
    }
    ask(&world, "the method as registered", "DELETE /orders/42", "a", &Refused(403));
    ask(&world, "another method", "GET /orders/42", "a", &Passes(&[]));
    ask(&world, "a method of WebDAV", "VERSION-CONTROL /orders/42", "a", &Passes(&[]));
}

#[test]
fn what_folds_onto_an_earlier_route_is_refused() {
    let world = World::new(GUARDED);
    for path in [
        "/ADMIN/users",
        "/Admin",
        "/admiN/",
        "/admin;a=b/users",
        "/admin;/users",
        "/admin%3ba=b/users",
        "/admin%20/x",
        "/admin+/x",
        "/admin./x",
        "/admin.%20./x",
        "/admin%c2%a0/x",
        "/%20admin/x",
        "/%41dmin/x",
        "/%41DMIN;x./x",
        "/%ef%bc%a1dmin/x",
        "/adm%c4%b1n/x",
        "/exact/",
        "/Exact",
        "/exact;x",
        "/exact.",
        "/exact%20",
        "/exact%20/",
    ] {
        ask(&world, "path folding", &format!("GET {path}"), "a", &Refused(400));
    }
    for path in ["/Orders/42", "/orders;x/42", "/ORDERS"] {
        ask(&world, "path folding", &format!("DELETE {path}"), "a", &Refused(400));
        ask(&world, "path folding", &format!("GET {path}"), "a", &Passes(&[]));
    }
    for path in ["/admin/users", "/admin/Users", "/admin/users/", "/admin/;x=1", "/exact"] {
        let expected = if path.contains(";x") { Refused(400) } else { Refused(403) };
        ask(&world, "the guarded route itself", &format!("GET {path}"), "a", &expected);
    }
    ask(&world, "another path", "GET /orders/ABC", "a", &Forwarded("GET /orders/ABC HTTP/1.1"));
    ask(
        &world,
        "another path",
        "GET /Reports/2026%20Q1/",
        "a",
        &Forwarded("GET /Reports/2026%20Q1/ HTTP/1.1"),
    );
    ask(&world, "another path", "GET /exact/x", "a", &Forwarded("GET /exact/x HTTP/1.1"));
    ask(&world, "another path", "GET /admin-x/Y", "a", &Forwarded("GET /admin-x/Y HTTP/1.1"));
    let log = world.server.log();
    assert_eq!(log.matches("folds onto an earlier route").count(), 1, "the start says so once: {log}");
}

#[test]
fn a_method_in_lower_case_in_the_settings_is_told() {
    let place = Ground::new();
    let config = place.write("c.toml", &GUARDED.replace("DELETE", "delete"));
    let Err(log) = place.try_up("data", &["--config", config.to_str().unwrap()], &[]) else {
        panic!("it started");
    };
    assert!(log.contains("route 3") && log.contains("expected `DELETE`, found `delete`"), "{log}");
}

#[test]
fn what_the_gateway_would_refuse_no_verification_allows() {
    let world = World::new(GUARDED);
    for (method, path, valid) in [
        ("GET", "/orders/42", true),
        ("DELETE", "/orders/42", false),
        ("delete", "/orders/42", false),
        ("GET", "/admin/x", false),
        ("GET", "/ADMIN/x", false),
        ("GET", "/admin;a=b/x", false),
        ("GET", "/exact/", false),
        ("DELETE", "/Orders/42", false),
        ("GET", "/Orders/42", true),
    ] {
        let asked = json!({ "key": world.key, "method": method, "path": path });
        let verdict = world.server.manage("POST", "/v1/keys/verify", &asked).json();
        assert_eq!(verdict["valid"], valid, "{method} {path}: {verdict}");
    }
}

/// Sends `fields` to a gateway that trusts this machine as a proxy, with a key for 192.0.2.7 alone.
#[track_caller]
fn forwarded(dialect: &str, rows: &[(&str, u16)]) {
    let world = World::new(&format!(
        "[gateway]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\nforwarded = \"{dialect}\"\n{GUARDED}"
    ));
    let terms = json!({ "name": "b", "scopes": ["orders:read"], "allow_from": ["192.0.2.7"] });
    let minted = world.server.manage("POST", "/v1/keys", &terms).json();
    let key = minted["key"].as_str().unwrap();
    for (fields, expected) in rows {
        let bytes = format!(
            "GET /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{fields}\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(&world.server.address("gateway"), bytes.as_bytes());
        assert_eq!(statuses(&answer), [*expected], "{fields}: {answer}");
        assert_eq!(world.recorder.take().len(), usize::from(*expected == 200), "{fields}");
    }
}

#[test]
fn rfc7239_4_what_a_client_has_a_proxy_quote_is_not_believed() {
    let honest = "Forwarded: for=192.0.2.7;proto=WSS;";
    forwarded(
        "forwarded",
        &[
            (honest, 200),
            ("Forwarded: for=\"192.0.2.7:_p\";host=\"a,b;c\"", 200),
            ("Forwarded: nonsense, for=192.0.2.7", 200),
            ("Forwarded: \"\r\nForwarded: , for=192.0.2.7, for=10.1.2.3;;", 200),
            ("Forwarded: for=203.0.113.9;host=\"x,for=192.0.2.7;y=\"", 401),
            ("Forwarded: for=192.0.2.7, for=203.0.113.9", 401),
            ("Forwarded: for=192.0.2.7, for=unknown", 401),
            ("Forwarded: for=192.0.2.7, for=_x", 401),
            ("Forwarded: for=192.0.2.7, proto=https", 401),
            ("X-Forwarded-For: 192.0.2.7", 401),
            ("Forwarded: for=192.0.2.7;host=\"x", 400),
            ("Forwarded: for=192.0.2.7;for=192.0.2.7", 400),
            ("Forwarded: for=192.0.2.7, nonsense", 400),
            ("Forwarded: for=192.0.2.7:80", 400),
        ],
    );
    forwarded(
        "x-forwarded",
        &[
            ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: HTTPS", 200),
            ("X-Forwarded-For: nonsense, 192.0.2.7, 10.0.0.1\r\nX-Forwarded-Proto: wss", 200),
            ("X-Forwarded-For: 192.0.2.7, 203.0.113.9", 401),
            ("X-Forwarded-For: 192.0.2.7, unknown", 401),
            ("Forwarded: for=192.0.2.7", 401),
            ("X-Forwarded-For: 192.0.2.7, nonsense", 400),
            ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: gopher", 400),
        ],
    );
}

#[test]
fn rfc5952_4_an_ipv6_host_is_compared_in_canonical_form() {
    let world = World::new(
        "[[route]]\npath = \"/{**}\"\nhosts = [\"[2001:db8::1]\", \"127.0.0.1\"]\nupstream = \"default\"\nrequire = { api_key = { scope = \"admin\" } }\n\n\
         [[route]]\npath = \"/{**}\"\nupstream = \"default\"\nrequire = { api_key = {} }\n",
    );
    for host in [
        "[2001:db8::1]",
        "[2001:DB8::1]:8443",
        "[2001:0db8:0:0:0:0:0:1]",
        "[2001:db8::0.0.0.1]",
        "127.0.0.1",
        "127.0.0.1.:80",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ] {
        ask(&world, "a host in another spelling", "GET /", host, &Refused(403));
    }
    ask(&world, "another host", "GET /", "[2001:db8::2]", &Passes(&[]));
}

/// Names of every kind that some server believes, whoever wrote it.
const BELIEVED: [&str; 36] = [
    "Proxy",
    "Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Client-IP",
    "X-Real-IP",
    "X-Azure-ClientIP",
    "X-Appengine-User-IP",
    "WL-Proxy-Client-IP",
    "X-Client-Verify",
    "X-Client-Cert",
    "SSL-Client-Cert",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "X-Consumer-Username",
    "X-Credential-Identifier",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-Name",
    "X-Amzn-Oidc-Identity",
    "Cf-Access-Jwt-Assertion",
    "Tailscale-User-Login",
    "X-Auth-Request-Email",
    "X-WEBAUTH-USER",
    "X-Pomerium-Jwt-Assertion",
    "Impersonate-User",
    "X-Remote-User",
    "Remote-Groups",
    "X-Original-URL",
    "X-HTTP-Method-Override",
    "X-Envoy-Original-Path",
    "X-Accel-Mapping",
    "X-Middleware-Subrequest",
    "Front-End-Https",
];

fn with_fields(names: &[&str], method: &str, last: &str) -> Vec<u8> {
    let fields: String = names.iter().map(|name| format!("{name}: forged\r\n")).collect();
    format!("{method} /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {{K}}\r\n{fields}Connection: close\r\n{last}")
        .into_bytes()
}

#[test]
fn names_that_others_upstreams_believe_end_here() {
    let world = World::new(GUARDED);
    for name in BELIEVED {
        world.check(name, &with_fields(&[name], "GET", "\r\n"), &Passes(&["forged"]));
    }
    world.check("all of them", &with_fields(&BELIEVED, "GET", "\r\n"), &Passes(&["forged"]));
    let upgrade = "Upgrade: websocket\r\n\r\n";
    world.check("an upgrade", &with_fields(&BELIEVED, "GET", upgrade), &Passes(&["forged"]));
    let trailers: String = BELIEVED.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{trailers}Countersign-Scope: forged\r\n\r\n"
    );
    world.check("trailers", &with_fields(&[], "POST", &chunked), &Passes(&["forged"]));
    let ordinary =
        ["X-Request-Id", "Traceparent", "X-Hub-Signature-256", "X-Requested-With", "X-Role", "User-Agent"];
    exchange(
        &world.server.address("gateway"),
        &replace(&with_fields(&ordinary, "GET", "\r\n"), b"{K}", world.key.as_bytes()),
    );
    let seen = world.recorder.take().concat().to_ascii_lowercase();
    for name in ordinary {
        assert!(seen.contains(&format!("{}: forged\r\n", name.to_ascii_lowercase())), "{name}: {seen}");
    }
}

#[test]
fn the_list_of_names_is_a_setting() {
    let settings =
        "[gateway]\ndrop_headers = [\"X-Corp-*\", \"X-Role\"]\ndanger_pass_headers = [\"X-Real-IP\"]\n";
    let world = World::new(&format!("{settings}{GUARDED}"));
    let dropped = ["X-Corp-User", "X-ROLE", "X-Client-IP"];
    world.check("names that were added", &with_fields(&dropped, "GET", "\r\n"), &Passes(&["forged"]));
    exchange(
        &world.server.address("gateway"),
        &replace(&with_fields(&["X-Real-IP"], "GET", "\r\n"), b"{K}", world.key.as_bytes()),
    );
    assert!(world.recorder.take().concat().contains("x-real-ip: forged\r\n"));
    assert!(world.server.log().contains("danger_pass_headers"), "{}", world.server.log());
}
