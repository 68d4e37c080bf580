//! Upstreams: every way in which they fail, and what is left of them.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_edge::limits::Limits;
use countersign_gateway::upstream::UpstreamLimits;

use crate::support::{FakeUpstream, World};

/// The longest that a test waits for something to be noticed.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn an_upstream_that_is_down_is_a_bad_gateway() {
    let mut upstream = FakeUpstream::start();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    upstream.address = unused.local_addr().unwrap();
    drop(unused);
    let world = World::on(upstream, Limits::default(), UpstreamLimits::default());
    let answer = world.get("/open/x", &[]);
    assert_eq!(answer.status, 502);
    assert!(!answer.body.contains("127.0.0.1"), "the upstream's address is not the caller's business");
    assert!(world.metrics.render().contains("upstream=\"orders\",reason=\"connect_refused\"} 1"));
}

#[test]
fn an_upstream_that_sends_no_answer_is_a_bad_gateway() {
    let world = World::new();
    for path in ["/open/garbage", "/open/close", "/open/switch"] {
        assert_eq!(world.get(path, &[]).status, 502, "{path}");
    }
    assert_eq!(world.get("/open/x", &[]).status, 200, "the gateway goes on");
}

#[test]
fn an_upstream_that_hangs_is_a_gateway_timeout() {
    let answer = Duration::from_millis(100);
    let world = World::with(Limits::default(), UpstreamLimits { answer, ..UpstreamLimits::default() });
    assert_eq!(world.get("/open/hang", &[]).status, 504);
    world.upstream.gone.recv_timeout(PATIENCE).expect("the exchange was cancelled");
}

#[test]
fn an_answer_that_breaks_never_looks_whole() {
    let world = World::new();
    for path in ["/open/cut", "/open/cut-chunk"] {
        let answer = world.get(path, &[]);
        assert_eq!(answer.status, 200);
        assert!(!answer.whole, "{path}: {answer:?}");
    }
}

#[test]
fn a_caller_who_leaves_cancels_the_exchange() {
    let world = World::new();
    let mut client = world.connect();
    client.send("GET /open/hang HTTP/1.1\r\nHost: a\r\n\r\n");
    // The request has arrived when the upstream has recorded it; the caller leaves then.
    let deadline = std::iter::repeat_with(std::thread::yield_now).take(50_000_000);
    for () in deadline {
        if !world.upstream.heads().is_empty() {
            break;
        }
    }
    drop(client);
    world.upstream.gone.recv_timeout(PATIENCE).expect("the exchange was cancelled");
}

#[test]
fn connections_to_upstreams_are_kept() {
    let world = World::new();
    let mut client = world.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/open/x", &[]).status, 200);
    }
    assert_eq!(world.upstream.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_stale_connection_is_not_the_callers_trouble() {
    let world = World::new();
    let mut client = world.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/open/last", &[]).body, "ok");
        assert_eq!(client.get("/open/x", &[]).status, 200);
    }
}

#[test]
fn a_connection_with_unread_bytes_is_not_used_again() {
    let world = World::new();
    let mut client = world.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/open/surplus", &[]).body, "ok");
        assert!(client.get("/open/x", &[]).echoed().starts_with("GET /open/x "));
    }
}

#[test]
fn bodies_are_streamed_both_ways() {
    let world = World::new();
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.receive();
    assert!(answer.echoed().ends_with("hello"));
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.receive().status, 200);
    client.send("HEAD /open/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(world.get("/open/x", &[]).echoed().starts_with("GET "));
}
