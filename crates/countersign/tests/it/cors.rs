//! What scripts of other origins may do at the issuer: what a browser asks before, and reads after.

use serde_json::json;

use crate::harness::{Answer, Ground, Server, raw};
use crate::oauth::Client;

const APP: &str = "https://app.example";

/// Sends a request with these fields and a form to the issuer.
fn send(server: &Server, line: &str, fields: &str, form: &str) -> Answer {
    let head = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    raw(&server.address("issuer"), &head)
}

/// Asks as a browser does before it sends.
fn asked(server: &Server, path: &str, method: &str, origin: &str) -> Answer {
    let fields = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n"
    );
    send(server, &format!("OPTIONS {path}"), &fields, "")
}

#[track_caller]
fn check(answer: &Answer, status: u16, allowed: Option<&str>) {
    assert_eq!(answer.status, status, "{answer:?}");
    let field = |name: &str| answer.header(name);
    assert_eq!(field("access-control-allow-origin").as_deref(), allowed, "{answer:?}");
    assert_eq!(field("access-control-allow-credentials"), None, "no cookie goes along");
    if allowed.is_none() {
        assert!(!answer.head.to_ascii_lowercase().contains("access-control-"), "{answer:?}");
    }
}

#[test]
fn scripts_of_registered_origins_call_the_issuer_and_others_do_not() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let client = Client::register(&server, &json!({ "origins": [APP] }));
    for (path, method, origin, allowed) in [
        ("/oauth/token", "POST", APP, Some(APP)),
        ("/oauth/revoke", "POST", APP, Some(APP)),
        ("/oauth/token", "POST", "https://evil.example", None),
        ("/oauth/token", "POST", "https://app.example.evil.test", None),
        ("/oauth/token", "POST", "https://APP.example", None),
        ("/oauth/token", "POST", "http://app.example", None),
        ("/oauth/token", "POST", "null", None),
        ("/oauth/token", "POST", "https://app.example\r\nOrigin: https://app.example", None),
        ("/oauth/token", "PUT", APP, None),
        ("/oauth/introspect", "POST", APP, None),
        ("/nothing", "POST", APP, None),
        ("/.well-known/openid-configuration", "GET", "https://evil.example", Some("*")),
        ("/.well-known/oauth-authorization-server", "GET", APP, Some("*")),
        ("/.well-known/jwks.json", "GET", "null", Some("*")),
    ] {
        let answer = asked(&server, path, method, origin);
        let refused = if path == "/nothing" { 404 } else { 405 };
        check(&answer, allowed.map_or(refused, |_| 204), allowed);
        if allowed.is_some() {
            assert_eq!(answer.header("access-control-allow-methods").as_deref(), Some(method));
            let fields = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
            assert!(fields.contains("authorization") && fields.contains("content-type"), "{fields}");
        }
    }
    let proof =
        format!("client_id={}&client_secret={}&grant_type=client_credentials", client.id, client.secret);
    for (fields, allowed) in [
        (format!("Origin: {APP}\r\n"), Some(APP)),
        ("Origin: https://evil.example\r\n".to_owned(), None),
        (String::new(), None),
    ] {
        let granted = send(&server, "POST /oauth/token", &fields, &proof);
        check(&granted, 200, allowed);
        assert_eq!(granted.header("vary").as_deref(), Some("Origin"), "whoever asks");
        let refused = send(&server, "POST /oauth/token", &fields, "grant_type=client_credentials");
        check(&refused, 401, allowed);
        let exposed = refused.header("access-control-expose-headers");
        assert_eq!(exposed.as_deref(), allowed.map(|_| "WWW-Authenticate"));
    }
    let metadata = send(&server, "GET /.well-known/jwks.json", "", "");
    check(&metadata, 200, Some("*"));
    assert_eq!(metadata.header("vary"), None);
    let path = format!("/v1/clients/{}/disable", client.id);
    assert_eq!(server.manage("POST", &path, &serde_json::Value::Null).status, 200);
    check(&asked(&server, "/oauth/token", "POST", APP), 405, None);
}
