//! The client against servers on loopback, and against names that stand for what must not be called.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail where they stand")]

mod published;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_egress::address::{AddressPolicy, Purpose, Unreachable};
use countersign_egress::client::{Egress, EgressError};
use http::{HeaderMap, HeaderValue};

use crate::support::{Authority, Names, Server, client, reach};

const OK: &str = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\n\r\nok";

/// Allows nothing that is not public.
fn nothing() -> AddressPolicy {
    AddressPolicy { purpose: Purpose::LEAKS, allow: Vec::new(), own: Vec::new() }
}

async fn get(egress: &Egress, url: &str) -> Result<(u16, String), EgressError> {
    let answer = egress.get(&url.parse().unwrap(), HeaderMap::new()).await?;
    Ok((answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap()))
}

#[track_caller]
fn refused(found: Result<(u16, String), EgressError>, words: &str) {
    match found {
        Err(error) => assert!(error.to_string().contains(words), "{error}"),
        Ok(answer) => panic!("{answer:?}, expected {words}"),
    }
}

#[tokio::test]
async fn safety_15_no_spelling_of_an_address_goes_around_the_check() {
    // `names` answers what a resolver would: the check comes after it, whatever the name looks like.
    let names = Names::of(&[
        ("localhost", &["127.0.0.1"]),
        ("localhost.", &["127.0.0.1"]),
        ("metadata.google.internal.", &["169.254.169.254"]),
        ("nat64.example", &["64:ff9b::a00:1"]),
        ("mapped.example", &["::ffff:10.0.0.1"]),
        ("mixed.example", &["140.82.121.6", "10.0.0.1"]),
    ]);
    let egress = client(nothing(), names, None);
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.1.",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0.0.0.0",
        "0",
        "100.64.0.1",
        "10.0.0.1",
        "192.168.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:c0a8:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "metadata.google.internal.",
        "nat64.example",
        "mapped.example",
        "mixed.example",
        "%31%32%37.0.0.1",
    ] {
        let found = get(&egress, &format!("https://{host}/")).await;
        assert!(
            matches!(found, Err(EgressError::Unreachable(Unreachable::NotPublic(..)))),
            "{host}: {found:?}"
        );
        // In clear, a public address beside it is refused before.
        let found = get(&egress, &format!("http://{host}/")).await;
        assert!(matches!(found, Err(EgressError::Unreachable(_))), "{host}: {found:?}");
    }
}

#[tokio::test]
async fn safety_15_a_name_that_is_rebound_is_judged_again() {
    let server = Server::answering(OK).await;
    let names =
        Names::in_turn("rebound.example", &[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1", "10.0.0.1"]]);
    let egress = client(reach(&[]), names, None);
    let url = format!("http://rebound.example:{}/", server.port);
    assert_eq!(get(&egress, &url).await.unwrap(), (200, "ok".to_owned()));
    refused(get(&egress, &url).await, "10.0.0.1 is not public");
    refused(get(&egress, &url).await, "10.0.0.1 is not public");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "a condemned answer is not connected to");
}

#[tokio::test]
async fn safety_15_our_own_listeners_are_out_of_reach() {
    let server = Server::answering(OK).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    for own in ["127.0.0.1", "0.0.0.0", "[::]"] {
        let egress = client(reach(&[&format!("{own}:{}", server.port)]), Names::of(&[]), None);
        refused(get(&egress, &url).await, "our own listeners");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    assert_eq!(get(&client(reach(&[]), Names::of(&[]), None), &url).await.unwrap().0, 200);
}

#[tokio::test]
async fn plain_http_is_for_loopback_that_is_allowed() {
    let reach = AddressPolicy { allow: vec!["10.0.0.0/8".parse().unwrap()], ..nothing() };
    let egress = client(reach, Names::of(&[("public.example", &["140.82.121.6"])]), None);
    refused(get(&egress, "http://10.0.0.1/").await, "plain HTTP is for loopback");
    refused(get(&egress, "http://public.example/").await, "plain HTTP is for loopback");
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd", "https://user:word@public.example/", "data:,x"] {
        refused(get(&egress, url).await, "expected an https URL");
    }
}

#[tokio::test]
async fn the_question_names_its_host_and_the_answer_keeps_its_fields() {
    let server = Server::answering(OK).await;
    let egress = client(reach(&[]), Names::of(&[("a.example", &["127.0.0.1"])]), None);
    let url = format!("http://a.example:{}/keys?x=1#y", server.port);
    let mut headers = HeaderMap::new();
    headers.insert("if-none-match", HeaderValue::from_static("\"0\""));
    let answer = egress.get(&url.parse().unwrap(), headers).await.unwrap();
    assert_eq!(answer.headers().get("etag").unwrap(), "\"1\"");
    let asked = server.asked();
    for line in
        ["GET /keys?x=1 HTTP/1.1", &format!("host: a.example:{}", server.port), "if-none-match: \"0\""]
    {
        assert!(asked.contains(line), "{line}: {asked}");
    }
    assert!(asked.contains("user-agent: countersign/"));
}

#[tokio::test]
async fn safety_15_a_redirect_is_not_followed() {
    for status in ["301 A", "302 A", "303 A", "307 A", "308 A"] {
        let other = Server::answering(OK).await;
        let answer = format!(
            "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n",
            other.port
        );
        let server = Server::answering(&answer).await;
        let egress = client(reach(&[]), Names::of(&[]), None);
        refused(get(&egress, &format!("http://127.0.0.1:{}/", server.port)).await, "not followed");
        assert_eq!(other.connections.load(Ordering::SeqCst), 0);
    }
    let server = Server::answering("HTTP/1.1 304 Not Modified\r\n\r\n").await;
    let egress = client(reach(&[]), Names::of(&[]), None);
    assert_eq!(get(&egress, &format!("http://127.0.0.1:{}/", server.port)).await.unwrap().0, 304);
}

#[tokio::test]
async fn an_answer_has_an_end_in_bytes_and_in_time() {
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    for (answer, words) in [
        (format!("HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n{}", "x".repeat(4096)), "larger than"),
        (
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(4)),
            "larger than",
        ),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(128 * 1024)), "no whole HTTP"),
        ("SSH-2.0-x\r\n\r\n".to_owned(), "no whole HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx".to_owned(), "no answer within"),
        (String::new(), "no answer's head within"),
    ] {
        let server = Server::answering(&answer).await;
        let egress = client(reach(&[]), Names::of(&[]), None);
        let url = format!("http://127.0.0.1:{}/", server.port);
        let found = tokio::time::timeout(Duration::from_secs(20), get(&egress, &url)).await.unwrap();
        refused(found, words);
    }
}

#[tokio::test]
async fn a_server_shows_a_certificate_that_is_believed_for_its_name() {
    let (ours, other) = (Authority::new(), Authority::new());
    let names: Arc<Names> = Names::of(&[
        ("good.example", &["127.0.0.1"]),
        ("good.example.", &["127.0.0.1"]),
        ("other.example", &["127.0.0.1"]),
    ]);
    for (believed, host, expected) in [
        (&ours, "good.example", None),
        (&ours, "good.example.", None),
        (&ours, "other.example", Some("no connection")),
        (&other, "good.example", Some("no connection")),
    ] {
        let server = Server::with_tls(OK, ours.server("good.example")).await;
        let egress = client(reach(&[]), Arc::clone(&names), Some(believed));
        let found = get(&egress, &format!("https://{host}:{}/", server.port)).await;
        match expected {
            None => assert_eq!(found.unwrap().0, 200),
            Some(words) => refused(found, words),
        }
    }
}
