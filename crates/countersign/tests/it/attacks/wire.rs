//! What is wrong with the bytes themselves: targets, fields and lengths that two readers could read differently.

use super::{Contained, Forwarded, OPEN_AND_ADMIN, Passes, Refused, World, exchange, statuses};

#[test]
fn paths_are_forwarded_as_they_were_decided_on() {
    World::new(OPEN_AND_ADMIN).rows(&[
        ("CVE-2019-9901", open!("/%70ublic/x"), Forwarded("GET /public/x HTTP/1.1")),
        ("CVE-2026-27587", open!("/public/caf%c3%a9"), Forwarded("GET /public/caf%C3%A9 HTTP/1.1")),
        ("GHSA-7rh7-c77v-6434", open!("/public/x?/../admin"), Forwarded("GET /public/x?/../admin HTTP/1.1")),
        (
            "absolute form",
            b"GET http://api.example/public/x HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n",
            Forwarded("GET /public/x HTTP/1.1"),
        ),
        ("an exact path", keyed!("/healthy"), Forwarded("GET /healthy HTTP/1.1")),
        ("an exact path", keyed!("/health/"), Refused(400)),
        ("an exact path", open!("/health/"), Refused(400)),
        ("an exact path", open!("/health%20"), Refused(400)),
        ("an exact path", open!("/health;x=1"), Refused(400)),
        ("an exact path", open!("/health%3fx"), Refused(401)),
        ("istio/proxy 2667", open!("/health%23"), Refused(401)),
        ("istio/proxy 2667", open!("/health#"), Refused(400)),
        ("GHSA-pxq7-h93f-9jrg", open!("/public#/../admin"), Refused(400)),
        ("Tomcat path parameters", open!("/public/..;/admin"), Refused(400)),
        ("Tomcat path parameters", open!("/public/..;a=b/admin"), Refused(400)),
        ("Tomcat path parameters", open!("/public/..%3b/admin"), Refused(400)),
        ("Tomcat path parameters", open!("/public/;/admin"), Refused(400)),
        ("current directory", open!("/public/./x"), Refused(400)),
        ("current directory", open!("/public/%2e/x"), Refused(400)),
        ("parent at the end", open!("/public/.."), Refused(400)),
        ("merge slashes", open!("/public//admin"), Refused(400)),
        ("merge slashes", open!("///admin"), Refused(400)),
        ("IIS %u", open!("/public/%u002e%u002e/admin"), Refused(400)),
        ("half an encoding", open!("/public/%"), Refused(400)),
        ("half an encoding", open!("/public/%2"), Refused(400)),
        ("no encoding", open!("/public/%zz"), Refused(400)),
        ("CRLF injection", open!("/public/%0d%0aCountersign-Subject:%20forged"), Refused(400)),
        ("double encoding", open!("/public/%25%32%65"), Refused(400)),
        ("raw octets", b"GET /public/\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(400)),
        ("raw NUL", b"GET /public/\x00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(400)),
        ("raw tab", b"GET /public/\tx HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(400)),
        ("CVE-2026-33186", b"GET public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(400)),
        ("two targets", b"GET /public/x /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(400)),
        ("HTTP/0.9", b"GET /public/x\r\n\r\n", Refused(400)),
        ("HTTP/1.2", b"GET /public/x HTTP/1.2\r\nHost: a\r\nConnection: close\r\n\r\n", Refused(400)),
        (
            "CVE-2024-6587",
            b"GET http://169.254.169.254/public/x HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n",
            Forwarded("GET /public/x HTTP/1.1"),
        ),
        (
            "CVE-2024-6587",
            b"GET http://169.254.169.254/public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Refused(400),
        ),
        (
            "userinfo",
            b"GET http://api.example@evil.example/public/x HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n",
            Refused(400),
        ),
        ("userinfo", b"GET /public/x HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n", Refused(400)),
        ("host", b"GET /public/x HTTP/1.1\r\nHost: a/../b\r\nConnection: close\r\n\r\n", Refused(400)),
        ("host", b"GET /public/x HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", Refused(400)),
        ("host", b"GET /public/x HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", Refused(400)),
    ]);
}

#[test]
fn fields_in_every_spelling_that_an_upstream_could_fold() {
    let world = World::new(OPEN_AND_ADMIN);
    for separator in ["_", ".", "!", "+", "~", "|", "^", "`", "'", "*", "&", "%", "$", "#"] {
        let fields: String = ["Subject", "SCOPE", "client", "Credential"]
            .iter()
            .map(|name| format!("Countersign{separator}{name}: forged\r\n"))
            .collect();
        let bytes = format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
        world.check("Traefik v3.7.13", bytes.as_bytes(), &Passes(&["forged", "\ncountersign"]));
    }
    world.rows(&[
        ("an alias of the key's field", open!("/admin", "X_API_Key: {K}\r\n"), Refused(401)),
        ("an alias of the key's field", open!("/public/x", "X_API_Key: {K}\r\n"), Passes(&["x_api"])),
        ("an alias of the key's field", open!("/public/x", "X.API.Key: {K}\r\n"), Passes(&["x.api"])),
        (
            "httpoxy CVE-2016-5385",
            open!("/public/x", "Proxy: forged\r\nProxy-Authorization: Bearer {K}\r\n"),
            Passes(&["proxy-"]),
        ),
        (
            "CVE-2021-33197",
            keyed!("/x", "Connection: Authorization, X-API-Key, Host\r\n"),
            Passes(&["authorization"]),
        ),
        (
            "CVE-2022-31813",
            keyed!("/x", "Connection: X-Forwarded-For, X-Forwarded-Host\r\n"),
            Passes(&["connection:"]),
        ),
        ("NUL", keyed!("/x", "X-A: b\0c\r\n"), Refused(400)),
        ("a lone CR", keyed!("/x", "X-A: b\rCountersign-Subject: forged\r\n"), Refused(400)),
        ("a space in a name", keyed!("/x", "Countersign Subject: forged\r\n"), Refused(400)),
        ("a field without a colon", keyed!("/x", "Countersign-Subject\r\n"), Refused(400)),
        (
            "folded first line",
            b"GET /public/x HTTP/1.1\r\n Countersign-Subject: forged\r\nHost: a\r\nConnection: close\r\n\r\n",
            Refused(400),
        ),
        ("CVE-2021-21378", open!("/public/x", "Authorization: Bearer junk\r\n"), Refused(401)),
        ("CVE-2021-21378", open!("/public/x", "Authorization: Unknown {K}\r\n"), Refused(401)),
        ("CVE-2024-23324", open!("/admin", "Authorization: \u{e9}\r\n"), Refused(401)),
        ("space before the colon", open!("/admin", "Authorization : Bearer {K}\r\n"), Refused(400)),
    ]);
    // CVE-2021-32777, CVE-2026-26308: of a repeated field, every value crosses by itself.
    let bytes =
        b"GET /public/x HTTP/1.1\r\nHost: a\r\nX-Role: one\r\nX-Role: two\r\nConnection: close\r\n\r\n";
    exchange(&world.server.address("gateway"), bytes);
    let seen = world.recorder.take().concat();
    assert!(seen.contains("x-role: one\r\n") && seen.contains("x-role: two\r\n"), "{seen}");
    // CVE-2022-31813: what `Connection` names is removed before ours is set, so that ours stays.
    let bytes = format!(
        "GET /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nX-Forwarded-For: 6.6.6.6\r\n\
         Connection: close, X-Forwarded-For, Countersign-Subject, Countersign-Credential, Countersign-Scope\r\n\r\n",
        world.key
    );
    exchange(&world.server.address("gateway"), bytes.as_bytes());
    let seen = world.recorder.take().concat();
    for field in ["x-forwarded-for: 127.0.0.1", "countersign-subject: org_", "countersign-scope: orders:read"]
    {
        assert_eq!(seen.matches(field).count(), 1, "{field}: {seen}");
    }
}

/// Builds a `POST` to the open path.
macro_rules! post {
    ($fields:literal, $body:literal) => {
        concat!("POST /public/x HTTP/1.1\r\nHost: a\r\n", $fields, "Connection: close\r\n\r\n", $body)
            .as_bytes()
    };
}

#[test]
fn lengths_that_two_readers_would_read_differently() {
    World::new(OPEN_AND_ADMIN).rows(&[
        ("CVE-2026-2835", b"POST /public/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding: identity\r\n", ""), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2026-2835", post!("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length: 18446744073709551617\r\n", "x"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length: 0x3\r\n", "abc"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length: -1\r\n", "abc"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length: 3 4\r\n", "abcd"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length: 3, 4\r\n", "abcd"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length: 3;\r\n", "abcd"), Refused(400)),
        ("CVE-2021-40346", post!("Content-Length : 3\r\n", "abc"), Refused(400)),
        ("an alias", post!("Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", "0\r\n\r\n"), Passes(&["encoding"])),
        ("an alias", post!("Content-Length: 0\r\nContent_Length: 40\r\n", ""), Passes(&["content_length"])),
        ("Connection names the length", post!("Content-Length: 45\r\nConnection: Content-Length\r\n", "GET /public/smuggled HTTP/1.1\r\nHost: abcd\r\n\r\n"), Contained("/public/x")),
        ("Connection names the coding", post!("Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n", "3\r\nabc\r\n0\r\n\r\n"), Contained("/public/x")),
        ("chunk size", post!("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n"), Contained("/public/x")),
        ("chunk size", post!("Transfer-Encoding: chunked\r\n", "-1\r\nabc\r\n0\r\n\r\n"), Contained("/public/x")),
        ("chunk size", post!("Transfer-Encoding: chunked\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), Contained("/public/x")),
        ("chunk extension", post!("Transfer-Encoding: chunked\r\n", "2;\nxx\r\n4c\r\n0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Contained("/public/x")),
        ("chunk without its end", post!("Transfer-Encoding: chunked\r\n", "3\r\nabcGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), Contained("/public/x")),
        ("trailers", post!("Transfer-Encoding: chunked\r\nTrailer: Countersign-Subject, Authorization\r\n", "3\r\nabc\r\n0\r\nCountersign-Subject: forged\r\nAuthorization: Bearer {K}\r\n\r\n"), Passes(&["forged", "\ncountersign", "authorization"])),
        ("what follows the last chunk", post!("Transfer-Encoding: chunked\r\n", "0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), Contained("/public/x")),
        ("CVE-2026-2833", open!("/public/x", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), Passes(&["upgrade"])),
    ]);
}

#[test]
fn cve_2026_2833_what_follows_an_upgrade_is_a_request_like_any_other() {
    let world = World::new(OPEN_AND_ADMIN);
    let bytes = "GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\
                 GET /admin HTTP/1.1\r\nHost: a\r\nCountersign-Subject: forged\r\nConnection: close\r\n\r\n";
    let answer = exchange(&world.server.address("gateway"), bytes.as_bytes());
    assert_eq!(statuses(&answer), [200, 401], "{answer}");
    let seen = world.recorder.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with("GET /public/x HTTP/1.1\r\n") && !seen[0].contains("forged"), "{seen:?}");
}
