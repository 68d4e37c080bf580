//! Targets: one path, decided on and forwarded.

use crate::support::World;

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let world = World::new();
    for target in [
        "/open/../orders",
        "/open/%2e%2e/orders",
        "/open/..%2forders",
        "/open/..%5corders",
        "/open/..;/orders",
        "/open%2forders",
        "/open//orders",
        "//orders",
        "/open/%252e%252e/orders",
        "/open#/../orders",
        "/open/x?y#z",
        "/open/%",
        "/open/%00",
        "/open\\orders",
        "orders",
        "*",
    ] {
        let answer = world.get(target, &[]);
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
    assert!(world.upstream.heads().is_empty());
}

#[test]
fn a_fragment_is_seen_on_every_request_of_a_connection() {
    let world = World::new();
    for good in 0..3 {
        let mut client = world.connect();
        for _ in 0..good {
            assert_eq!(client.get("/open/x", &["User-Agent: C#", "Referer: /a#b"]).status, 200);
        }
        assert_eq!(client.get("/open/x#y", &[]).status, 400);
        assert!(client.is_closed());
    }
    assert_eq!(world.upstream.heads().len(), 3);
}

#[test]
fn what_is_forwarded_is_what_was_decided_on() {
    let world = World::new();
    for (target, forwarded) in [
        ("/%6fpen/x", "/open/x"),
        ("/open/a%2Db", "/open/a-b"),
        ("/open/caf%c3%a9?q=%c3", "/open/caf%C3%A9?q=%c3"),
        ("/open?next=/../x", "/open?next=/../x"),
        ("http://api.example.com/open/x", "/open/x"),
    ] {
        let answer = world.get(target, &[]);
        assert!(
            answer.echoed().starts_with(&format!("GET {forwarded} HTTP/1.1\r\n")),
            "{target}: {answer:?}"
        );
    }
}

#[test]
fn rfc9112_3_2_a_request_names_one_host() {
    let world = World::new();
    for head in [
        "GET /open/x HTTP/1.1\r\n\r\n",
        "GET /open/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /open/x HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET http://other/open/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /open/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nx",
        "GET /open/x HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
    ] {
        let mut client = world.connect();
        client.send(head);
        assert_eq!(client.receive().status, 400, "{head}");
    }
    assert!(world.upstream.heads().is_empty());
}

#[test]
fn rfc9112_6_1_length_beside_coding_is_refused_and_ends_the_connection() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "transfer-encoding: chunked\r\nX: y\r\ncontent-length: 0",
    ] {
        let world = World::new();
        let mut client = world.connect();
        assert_eq!(client.get("/open/x", &[]).status, 200);
        client.send(&format!(
            "POST /open/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\nGET /open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        let answer = client.receive();
        assert_eq!((answer.status, answer.field("connection")), (400, Some("close")), "{fields}");
        assert!(client.is_closed(), "{fields}");
        assert_eq!(world.upstream.heads().len(), 1, "{fields}");
    }
}

#[test]
fn rfc9112_2_2_a_line_without_cr_is_refused() {
    let world = World::new();
    for text in [
        "GET /open/x HTTP/1.1\nHost: a\r\n\r\n",
        "GET /open/x HTTP/1.1\r\nHost: a\n\r\n",
        "GET /open/x HTTP/1.1\r\nHost: a\r\n\n",
        "GET /open/x HTTP/1.1\nHost: a\n\n",
    ] {
        let mut client = world.connect();
        client.send(text);
        assert_eq!(client.receive().status, 400, "{text:?}");
        assert!(client.is_closed(), "{text:?}");
    }
    assert!(world.upstream.heads().is_empty());
}

#[test]
fn a_pipelined_request_is_looked_at_like_the_first() {
    let world = World::new();
    let mut client = world.connect();
    client.send(
        "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\nPOST /open/y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\n#\n\
         GET /open/z#f HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let answers = [client.receive(), client.receive(), client.receive()];
    assert_eq!(answers.map(|answer| answer.status), [200, 200, 400]);
    assert_eq!(world.upstream.heads().len(), 2);
}

const CHUNKED: &str = "POST /open/y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3;x=\"y\"\r\n\n#\n\r\n0\r\nX-Trailer: a\r\n\r\n";

/// Requests that are refused before they are routed, whatever comes before them on their connection.
const FAULTY: [&str; 10] = [
    "GET /open/z#f HTTP/1.1\r\nHost: a\r\n\r\n",
    "M_X /open/z#f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /open/z HTTP/1.1\nHost: a\r\n\r\n",
    "GET /open/z HTTP/1.1\r\nHost: a\n\r\n",
    "GET /open/z HTTP/1.1\r\nHost: a\r\n\n",
    "POST /open/z HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /open/z HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "POST /open/z HTTP/1.1\r\nHost: a\r\nContent-Length:                                                 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /open/z HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST /open/z HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

#[test]
fn what_waits_behind_a_body_in_the_same_segment_is_looked_at() {
    let world = World::new();
    let sized = "POST /open/y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\n#\n";
    for before in [CHUNKED, sized, &format!("{CHUNKED}{sized}"), &format!("{sized}{CHUNKED}{CHUNKED}")] {
        for faulty in FAULTY {
            let mut client = world.connect();
            client.send(&format!("{before}{faulty}GET /open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
            for _ in 0..before.matches("POST").count() {
                assert_eq!(client.receive().status, 200, "{before:?} before {faulty:?}");
            }
            let answer = client.receive();
            assert_eq!((answer.status, answer.field("connection")), (400, Some("close")), "{faulty:?}");
            assert!(client.is_closed(), "{faulty:?}");
        }
    }
    let seen = world.upstream.heads();
    assert!(seen.iter().all(|head| head.starts_with("POST /open/y ")), "{seen:?}");
}

#[test]
fn the_verdict_does_not_depend_on_where_bytes_are_cut() {
    let world = World::new();
    let faulty =
        "POST /open/z HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n";
    let text = format!("{CHUNKED}{faulty}");
    for at in 1..text.len() {
        let (first, second) = text.split_at(at);
        let mut client = world.connect();
        client.stream.set_nodelay(true).unwrap();
        client.send(first);
        // The first part was read once the request that it ends with was answered; else parts may be joined.
        let answered = at >= CHUNKED.len();
        if answered {
            assert_eq!(client.receive().status, 200, "cut at {at}");
        }
        client.send(second);
        if !answered {
            assert_eq!(client.receive().status, 200, "cut at {at}");
        }
        assert_eq!(client.receive().status, 400, "cut at {at}");
        assert!(client.is_closed(), "cut at {at}");
    }
}

#[test]
fn a_chunked_body_that_two_readers_would_end_differently_ends_the_connection() {
    let world = World::new();
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3;\nabc\r\n0\r\n\r\n",
        "3;a\0\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: a\n\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: a\nY: b\r\n\r\n",
        "3\r\nabc\r\n0\n\r\n",
    ] {
        let mut client = world.connect();
        let head = "POST /open/y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(&format!("{head}{body}GET /open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        let text = client.rest();
        assert!(text.matches("HTTP/1.1 200 ").count() <= 1, "{body:?}: {text}");
    }
    let seen = world.upstream.heads();
    assert!(!seen.concat().contains("smuggled"), "{seen:?}");
}

#[test]
fn what_no_route_matches_is_not_open() {
    let world = World::new();
    let mut client = world.connect();
    client.send("DELETE /get-only HTTP/1.1\r\nHost: a\r\n\r\n");
    // The last route takes every path: it asks for a key.
    assert_eq!(client.receive().status, 401);
    for (path, status) in [
        ("/.countersign/health", 200),
        ("/.countersign", 404),
        ("/.countersign/", 404),
        ("/.countersign/health/x", 404),
        ("/.countersign/other", 404),
        ("/%2ecountersign/health", 400),
    ] {
        assert_eq!(world.get(path, &[]).status, status, "{path}");
    }
    assert_eq!(world.get("/.countersign/health", &["User-Agent: kube-probe"]).body, "{\"status\":\"ok\"}");
    assert_eq!(world.get("/orders", &["User-Agent: kube-probe/1.0"]).status, 401);
    assert_eq!(world.get("/orders", &["X-Forwarded-Uri: /open/x", "X-Original-URL: /open/x"]).status, 401);
}
