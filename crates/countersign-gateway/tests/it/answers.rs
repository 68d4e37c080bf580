//! Answers of upstreams, as their callers read them: framed by what was understood, whole or visibly broken.

use bytes::Bytes;
use http::Request;
use tokio::time::timeout;

use crate::client::Answer;
use crate::scripted::{Then, scripted, scripted_after};
use crate::support::{PATIENCE, World};

/// Asks a gateway whose upstream says `answer` and closes.
fn asked(method: &str, answer: &'static str) -> Answer {
    let world = World::new();
    world.replace_upstream(&[scripted(answer.as_bytes(), Then::Close).0], None);
    let mut client = world.connect();
    client.send(&format!("{method} /open/x HTTP/1.1\r\nHost: a\r\n\r\n"));
    if method == "HEAD" || answer.contains(" 304 ") { client.receive_head() } else { client.receive() }
}

#[track_caller]
fn check(answer: &'static str, expected: Result<&str, u16>) {
    let found = asked("GET", answer);
    match expected {
        Ok(body) => {
            assert_eq!((found.status, found.whole, found.body.as_str()), (200, true, body), "{answer}");
        }
        Err(status) => assert_eq!(found.status, status, "{answer}"),
    }
    let lengths = found.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("content-length"));
    assert!(lengths.count() <= 1 && !found.head.contains("2, 2"), "{answer}: {found:?}");
}

#[test]
fn rfc9112_6_3_an_answers_framing_is_derived() {
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Ok("hello"),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Ok("hello"),
    );
    check("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", Ok("ok"));
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Ok("ok"));
    check("HTTP/1.1 200 OK\r\n\r\nto the end", Ok("to the end"));
    check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok("ok"));
}

#[test]
fn rfc9112_6_1_framing_that_would_be_lost_is_a_bad_gateway() {
    for head in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3",
        "HTTP/1.1 200 OK\r\nContent-Length: +2",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x2",
        "HTTP/1.1 200 OK\r\nContent-Length:",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 2, 3",
    ] {
        check(format!("{head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n").leak(), Err(502));
    }
}

#[test]
fn rfc9110_8_6_an_answer_without_content_tells_the_truth_of_its_length() {
    let length = |answer: &Answer| answer.field("content-length").map(str::to_owned);
    let head = asked("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7, 7\r\n\r\n");
    assert_eq!((head.status, length(&head).as_deref()), (200, Some("7")));
    let head = asked("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n");
    assert_eq!((head.status, length(&head)), (200, None));
    assert_eq!(asked("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7, 8\r\n\r\n").status, 502);
    let unchanged = asked("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7, 7\r\n\r\n");
    // RFC 9110 §8.6 allows a length here and asks for none; the HTTP library writes none.
    assert_eq!((unchanged.status, length(&unchanged)), (304, None));
    let none = asked("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((none.status, length(&none)), (204, None));
}

#[tokio::test]
async fn rfc9113_8_1_1_an_answers_framing_is_derived_in_http2() {
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Ok("hello"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", Ok("ok")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Err(502)),
        // A trailer that frames, or names who called, is no caller's business.
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 9\r\nCountersign-Subject: x\r\nConnection: x\r\n\r\n",
            Ok("ok"),
        ),
    ] {
        let world = World::new();
        world.replace_upstream(&[scripted(answer.as_bytes(), Then::Close).0], None);
        let mut sender = crate::http2::connect(world.address).await;
        let request = Request::get("http://a/open/x").body(()).unwrap();
        let found = timeout(PATIENCE, sender.send_request(request, true).unwrap().0).await.unwrap().unwrap();
        let status = found.status().as_u16();
        let mut body = found.into_body();
        let mut text = Vec::new();
        while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
            text.extend_from_slice(&data.unwrap());
        }
        let trailers = body.trailers().await.unwrap();
        match expected {
            Ok(expected) => assert_eq!((status, text.as_slice()), (200, expected.as_bytes()), "{answer}"),
            Err(expected) => assert_eq!(status, expected, "{answer}"),
        }
        assert!(trailers.is_none_or(|trailers| trailers.is_empty()), "{answer}");
    }
}

/// Answers that break before any of their content, or inside of it.
const BROKEN: [(&str, Then); 7] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", Then::Close),
    ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", Then::Reset),
    ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", Then::Close),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Then::Close),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Then::Wait),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokzz", Then::Wait),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Then::Reset),
];

/// How often each is tried: what is read at which moment differs.
const TRIES: usize = 40;

#[test]
fn an_answer_that_breaks_early_is_an_answer_or_a_bad_gateway() {
    let world = World::new();
    for (answer, then) in BROKEN {
        world.replace_upstream(&[scripted(answer.as_bytes(), then).0], None);
        for _ in 0..TRIES {
            let found = world.get("/open/x", &[]);
            let is_told = found.status == 502 && found.whole && found.body.contains("bad-gateway");
            let is_seen = found.status == 200 && !found.whole;
            assert!(is_told || is_seen, "{answer} {then:?}: {found:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_early_is_an_answer_or_a_bad_gateway_in_http2() {
    let world = World::new();
    let mut sender = crate::http2::connect(world.address).await;
    for (answer, then) in BROKEN {
        world.replace_upstream(&[scripted(answer.as_bytes(), then).0], None);
        for _ in 0..TRIES {
            let request = Request::get("http://a/open/x").body(()).unwrap();
            let found = timeout(PATIENCE, sender.send_request(request, true).unwrap().0).await.unwrap();
            let found = found.unwrap_or_else(|error| panic!("{answer} {then:?}: no head: {error}"));
            let status = found.status().as_u16();
            let end = end_of(found.into_body()).await;
            let broken = end.as_ref().is_err_and(h2::Error::is_reset);
            assert!(status == 502 || broken, "{answer} {then:?}: {status} {end:?}");
        }
    }
}

/// Reads a body to its end, or to what broke it.
async fn end_of(mut body: h2::RecvStream) -> Result<(), h2::Error> {
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        data?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_that_the_upstream_breaks_are_not_counted_as_abandoned_by_the_caller() {
    let world = World::new();
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
    world.replace_upstream(&[scripted(answer, Then::Close).0], None);
    let mut sender = crate::http2::connect(world.address).await;
    // More than a caller may abandon on one connection (CVE-2023-44487).
    for number in 0..250 {
        let request = Request::get("http://a/open/x").body(()).unwrap();
        let found = timeout(PATIENCE, sender.send_request(request, true).unwrap().0).await.unwrap();
        let end = end_of(found.unwrap().into_body()).await;
        assert!(end.as_ref().is_err_and(h2::Error::is_reset), "{number}: {end:?}");
        sender = sender.ready().await.unwrap();
    }
}

#[test]
fn an_answer_whose_content_is_yet_to_come_is_passed_on_at_once() {
    let world = World::new();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    world.replace_upstream(&[scripted(head, Then::Wait).0], None);
    let mut client = world.connect();
    client.send("GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_head();
}

#[test]
fn rfc9110_9_3_content_of_any_method_reaches_the_upstream() {
    let world = World::new();
    for (framing, content) in
        [("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), ("Content-Length: 5", "hello")]
    {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PROPFIND"] {
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            let (address, told) = scripted_after(content.as_bytes(), answer, Then::Wait);
            world.replace_upstream(&[address], None);
            let mut client = world.connect();
            client.send(&format!("{method} /open/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{content}"));
            assert_eq!(client.receive_head().status, 204, "{method}");
            let seen = told.recv_timeout(PATIENCE).unwrap();
            assert!(seen.contains(&format!("\r\n{}\r\n", framing.to_ascii_lowercase())), "{seen}");
            assert!(seen.ends_with(&format!("\r\n\r\n{content}")), "{seen}");
        }
    }
}

#[tokio::test]
async fn rfc9113_8_1_1_content_without_a_length_reaches_the_upstream() {
    let world = World::new();
    let mut sender = crate::http2::connect(world.address).await;
    for method in ["GET", "DELETE", "OPTIONS"] {
        let request = Request::builder().method(method).uri("http://a/open/x").body(()).unwrap();
        let (answer, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"hello"), true).unwrap();
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        let mut echo = answer.into_body();
        let mut text = Vec::new();
        while let Some(data) = timeout(PATIENCE, echo.data()).await.unwrap() {
            text.extend_from_slice(&data.unwrap());
        }
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("transfer-encoding: chunked\r\n") && text.ends_with("5\r\nhello\r\n0\r\n\r\n"),
            "{method}: {text}"
        );
    }
}
