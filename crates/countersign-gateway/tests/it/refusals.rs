//! Refusals that are read: whoever is refused while sending gets the answer, not a broken connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use countersign_edge::limits::Limits;
use countersign_gateway::upstream::UpstreamLimits;
use http::Request;
use tokio::time::timeout;

use crate::client::Answer;
use crate::scripted::{Then, scripted};
use crate::support::{PATIENCE, World};

/// The upload of the tests: more than sockets hold.
const UPLOAD: usize = 5 * 1024 * 1024;

/// How often each is tried: what is read at which moment differs.
const TRIES: usize = 20;

/// Sends all of a request with `fields` and `content`, and then reads the answer; the gateway has to close after it.
#[track_caller]
fn told(world: &World, path: &str, fields: &str, content: &[u8]) -> Answer {
    let mut client = world.connect();
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    client.stream.write_all(head.as_bytes()).expect("the head is taken");
    client.stream.write_all(content).expect("the rest is taken");
    let answer = client.receive();
    assert_eq!(answer.field("connection"), Some("close"), "{answer:?}");
    assert!(answer.whole && client.is_closed(), "{answer:?}");
    answer
}

fn length(content: &[u8]) -> String {
    format!("Content-Length: {}\r\n", content.len())
}

#[test]
fn rfc9112_9_6_our_own_refusal_of_an_upload_is_read() {
    let world = World::new();
    let content = vec![b'a'; UPLOAD];
    let mut chunked = format!("{:x}\r\n", content.len()).into_bytes();
    chunked.extend_from_slice(&content);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    for _ in 0..TRIES {
        assert_eq!(told(&world, "/x", &length(&content), &content).status, 401);
        assert_eq!(told(&world, "/x", "Transfer-Encoding: chunked\r\n", &chunked).status, 401);
        assert_eq!(told(&world, "/../x", &length(&content), &content).status, 400);
        assert_eq!(told(&world, "/.countersign/nothing", &length(&content), &content).status, 404);
    }
}

#[test]
fn rfc9112_9_6_a_refusal_of_what_is_too_large_is_read() {
    let limits = Limits { body_bytes: 1024 * 1024, ..Limits::default() };
    let world = World::with(limits, UpstreamLimits::default());
    let content = vec![b'a'; UPLOAD];
    let mut chunked = format!("{:x}\r\n", content.len()).into_bytes();
    chunked.extend_from_slice(&content);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    for _ in 0..TRIES {
        assert_eq!(told(&world, "/open/x", &length(&content), &content).status, 413);
        assert_eq!(told(&world, "/open/x", "Transfer-Encoding: chunked\r\n", &chunked).status, 413);
    }
}

#[test]
fn rfc9112_9_6_an_answer_to_what_is_no_http_is_read() {
    let world = World::new();
    for _ in 0..TRIES {
        for (head, status) in [("GET / HTTP/9.9\r\n\r\n", 400), ("GET /open/x HTTP/1.1\r\nX: ", 431)] {
            let mut client = world.connect();
            client.stream.write_all(head.as_bytes()).unwrap();
            client.stream.write_all(&vec![b'a'; UPLOAD]).expect("the rest is taken");
            assert_eq!(client.receive().status, status);
        }
    }
}

#[test]
fn rfc9112_9_6_who_sends_for_ever_is_cut() {
    let limits = Limits { closing: Duration::from_millis(100), ..Limits::default() };
    let world = World::with(limits, UpstreamLimits::default());
    let mut client = world.connect();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n");
    let cut = std::iter::repeat_with(|| client.stream.write_all(&[b'a'; 4096]))
        .take(10_000_000)
        .any(|sent| sent.is_err());
    assert!(cut);
}

#[test]
fn rfc9110_10_1_1_content_that_is_refused_is_not_asked_for() {
    let world = World::new();
    let mut client = world.connect();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let answer = client.receive();
    assert_eq!((answer.status, answer.field("connection")), (401, Some("close")));
    assert!(client.is_closed());
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.receive_head().status, 100);
    client.send("hello");
    assert!(client.receive().echoed().ends_with("hello"));
}

#[test]
fn rfc9110_10_1_1_an_unknown_expectation_is_told() {
    let world = World::new();
    for expectation in ["200-ok", "100-continue, x", "100-continue=1", "x\r\nExpect: 100-continue"] {
        let fields = format!("Content-Length: 5\r\nExpect: {expectation}\r\n");
        assert_eq!(told(&world, "/open/x", &fields, b"hello").status, 417, "{expectation}");
    }
    assert!(world.upstream.heads().is_empty());
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n");
    assert_eq!(client.receive_head().status, 100);
}

#[test]
fn a_connection_goes_on_where_nothing_is_left_unread() {
    let world = World::new();
    let mut client = world.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/x", &[]).status, 401);
        client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert!(client.receive().echoed().ends_with("hello"));
    }
}

#[test]
fn safety_4_who_cannot_be_told_is_sent_elsewhere() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(6));
    let content = vec![b'a'; UPLOAD];
    let answer =
        told(&world, "/x", &format!("{}X-API-Key: {}\r\n", length(&content), world.key(3).1), &content);
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
    let mut client = world.connect();
    let answer = client.get("/x", &[&format!("X-API-Key: {}", world.key(4).1)]);
    assert_eq!((answer.status, answer.field("connection")), (503, Some("close")));
    assert!(client.is_closed());
}

const EARLY: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large";

#[test]
fn rfc9112_9_3_an_upstreams_early_answer_reaches_the_caller() {
    let world = World::new();
    world.replace_upstream(&[scripted(EARLY, Then::Close).0], None);
    let content = vec![b'a'; UPLOAD];
    for _ in 0..TRIES {
        let answer = told(&world, "/open/x", &length(&content), &content);
        assert_eq!((answer.status, answer.body.as_str()), (413, "too large"));
    }
}

/// Uploads over HTTP/2 what the peer's windows take, and returns the answer.
async fn uploaded(gateway: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let mut sender = crate::http2::connect(gateway).await;
    let request = Request::post(format!("http://a{path}")).body(()).unwrap();
    let (answer, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(Bytes::from(vec![b'a'; UPLOAD]), true).unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().expect("an answer");
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        text.extend_from_slice(&data.expect("a whole answer"));
    }
    let open = Request::get("http://a/.countersign/health").body(()).unwrap();
    let next = timeout(PATIENCE, sender.send_request(open, true).unwrap().0).await.unwrap();
    assert_eq!(next.unwrap().status(), 200, "the connection goes on");
    (status, text)
}

#[tokio::test]
async fn rfc9113_8_1_refusals_of_uploads_are_read_in_http2() {
    let world = World::new();
    world.replace_upstream(&[scripted(EARLY, Then::Close).0], None);
    for _ in 0..TRIES {
        assert_eq!(uploaded(world.address, "/x").await.0, 401);
        assert_eq!(uploaded(world.address, "/open/x").await, (413, b"too large".to_vec()));
    }
}

#[tokio::test]
async fn rfc9113_8_1_what_is_refused_may_be_sent_to_its_end() {
    let world = World::new();
    let mut sender = crate::http2::connect(world.address).await;
    let request = Request::post("http://a/x").body(()).unwrap();
    let (answer, mut upload) = sender.send_request(request, false).unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 401);
    let mut body = answer.into_body();
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        data.expect("a whole answer");
    }
    let mut left = UPLOAD;
    while left > 0 {
        upload.reserve_capacity(left);
        let granted = timeout(PATIENCE, std::future::poll_fn(|context| upload.poll_capacity(context)));
        let granted = granted.await.unwrap().expect("the stream is open").expect("and takes what comes");
        left -= granted;
        upload.send_data(Bytes::from(vec![b'a'; granted]), left == 0).unwrap();
    }
}

#[test]
fn rfc9110_15_2_interim_answers_are_passed_over() {
    let world = World::new();
    let answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    world.replace_upstream(&[scripted(answer, Then::Close).0], None);
    assert_eq!(world.get("/open/x", &[]).body, "ok");
}

#[test]
fn rfc9110_15_2_interim_answers_do_not_prolong_the_wait() {
    let answer = Duration::from_millis(200);
    let world = World::with(Limits::default(), UpstreamLimits { answer, ..UpstreamLimits::default() });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.replace_upstream(&[listener.local_addr().unwrap()], None);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        // The pause between two hints is a wait for what does not come.
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").is_ok() {
            stream.read_exact(&mut [0; 65_536]).ok();
        }
    });
    assert_eq!(world.get("/open/x", &[]).status, 504);
}

#[test]
fn rfc9110_15_2_interim_answers_without_an_end_are_a_bad_gateway() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.replace_upstream(&[listener.local_addr().unwrap()], None);
    let hints = &*"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n".repeat(1000).leak();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                stream.read_exact(&mut [0; 16]).unwrap();
                while stream.write_all(hints.as_bytes()).is_ok() {}
            });
        }
    });
    let mut clients: Vec<_> = (0..4).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.send("GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    assert_eq!(world.get("/.countersign/health", &[]).status, 200, "no worker is taken");
    for client in &mut clients {
        assert_eq!(client.receive().status, 502);
    }
}
