//! Callers that speak HTTP/2, in front of an upstream that speaks HTTP/1.1.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use countersign_edge::limits::Limits;
use countersign_gateway::pace::Pace;
use countersign_gateway::upstream::UpstreamLimits;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::World;

const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a connection whose task lives as long as the test's runtime.
pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

async fn read(answer: ResponseFuture) -> (u16, String) {
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        text.extend_from_slice(&data.unwrap());
    }
    (status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn rfc9113_8_3_1_the_upstream_is_told_the_authority() {
    let world = World::new();
    let key = world.key(3).1;
    let mut sender = connect(world.address).await;
    let request = Request::get("http://api.example.com/orders?a=1")
        .header("authorization", format!("Bearer {key}"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("countersign-subject", "org_forged")
        .body(())
        .unwrap();
    let (status, echo) = read(sender.send_request(request, true).unwrap().0).await;
    assert_eq!(status, 200);
    assert!(echo.starts_with("GET /orders?a=1 HTTP/1.1\r\n"), "{echo}");
    assert!(echo.contains("x-forwarded-host: api.example.com\r\n"), "{echo}");
    assert!(echo.contains(&format!("host: {}\r\n", world.upstream.address)), "{echo}");
    assert!(echo.contains("cookie: a=1; b=2\r\n"), "{echo}");
    assert!(echo.contains(&format!("countersign-subject: {}\r\n", world.owner.id)), "{echo}");
    assert!(!echo.contains("\r\nte:") && !echo.contains(&key), "{echo}");
}

#[tokio::test]
async fn rfc9113_8_2_2_fields_of_a_connection_do_not_reach_the_caller() {
    let world = World::new();
    let mut sender = connect(world.address).await;
    let request = Request::get("http://a/open/telling").body(()).unwrap();
    let answer = timeout(PATIENCE, sender.send_request(request, true).unwrap().0).await.unwrap().unwrap();
    assert!(!answer.headers().contains_key("keep-alive") && !answer.headers().contains_key("connection"));
}

#[tokio::test]
async fn http2_requests_are_decided_like_others() {
    let world = World::new();
    let mut sender = connect(world.address).await;
    for (uri, expected) in [
        ("http://a/orders", 401),
        ("http://a/open/../orders", 400),
        ("http://a/open//x", 400),
        ("http://user@a/open/x", 400),
        ("http://a/.countersign/health", 200),
    ] {
        let request = Request::get(uri).body(()).unwrap();
        let answer = sender.send_request(request, true).unwrap().0;
        assert_eq!(read(answer).await.0, expected, "{uri}");
    }
}

#[tokio::test]
async fn rfc9110_9_1_a_method_in_lower_case_is_refused() {
    let world = World::new();
    let mut sender = connect(world.address).await;
    for (method, expected) in [("delete", 400), ("Get", 400), ("GET", 200), ("PROPFIND", 200)] {
        let request = Request::builder().method(method).uri("http://a/open/x").body(()).unwrap();
        let answer = sender.send_request(request, true).unwrap().0;
        assert_eq!(read(answer).await.0, expected, "{method}");
    }
    assert_eq!(world.upstream.heads().len(), 2);
}

#[tokio::test]
async fn an_http2_path_that_folds_onto_an_earlier_route_is_refused() {
    let world = World::new();
    let mut sender = connect(world.address).await;
    for path in ["/OPEN/x", "/settle;a/x", "/settle./x", "/get-only/", "/settle%20"] {
        let request = Request::get(format!("http://a{path}")).body(()).unwrap();
        let answer = sender.send_request(request, true).unwrap().0;
        assert_eq!(read(answer).await.0, 400, "{path}");
    }
    assert!(world.upstream.heads().is_empty());
}

#[tokio::test]
async fn an_http2_body_is_streamed_to_the_upstream() {
    let world = World::new();
    let mut sender = connect(world.address).await;
    let request = Request::post("http://a/open/x").body(()).unwrap();
    let (answer, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"hel"), false).unwrap();
    body.send_data(Bytes::from_static(b"lo"), true).unwrap();
    let (status, echo) = read(answer).await;
    assert_eq!(status, 200);
    assert!(echo.contains("transfer-encoding: chunked\r\n") && echo.ends_with("0\r\n\r\n"), "{echo}");
}

#[tokio::test]
async fn an_answer_that_breaks_resets_its_stream_alone() {
    let world = World::new();
    let mut sender = connect(world.address).await;
    for path in ["cut", "cut-chunk"] {
        let request = Request::get(format!("http://a/open/{path}")).body(()).unwrap();
        let answer = timeout(PATIENCE, sender.send_request(request, true).unwrap().0).await.unwrap();
        let mut body = answer.unwrap().into_body();
        let broken = loop {
            match timeout(PATIENCE, body.data()).await.unwrap() {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error.is_reset(),
                None => break false,
            }
        };
        assert!(broken, "{path}");
    }
    let request = Request::get("http://a/open/x").body(()).unwrap();
    assert_eq!(read(sender.send_request(request, true).unwrap().0).await.0, 200);
}

#[tokio::test]
async fn an_upload_below_the_least_rate_ends_its_stream_alone() {
    let pace = Pace { rate: 1_000_000_000, grace: Duration::from_millis(100) };
    let world = World::with(Limits::default(), UpstreamLimits { pace, ..UpstreamLimits::default() });
    let mut sender = connect(world.address).await;
    let request = Request::post("http://a/open/x").body(()).unwrap();
    let (answer, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(Bytes::from_static(b"a"), false).unwrap();
    assert_eq!(read(answer).await.0, 408);
    let open = Request::get("http://a/open/x").body(()).unwrap();
    assert_eq!(read(sender.send_request(open, true).unwrap().0).await.0, 200);
}
