//! Limits: what a caller may cost.

use std::io::Write as _;
use std::time::Duration;

use countersign_edge::limits::Limits;
use countersign_gateway::pace::Pace;
use countersign_gateway::upstream::UpstreamLimits;

use crate::support::World;

fn world(change: impl FnOnce(&mut Limits)) -> World {
    let mut limits = Limits::default();
    change(&mut limits);
    World::with(limits, UpstreamLimits::default())
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let world = world(|limits| limits.head_bytes = 8 * 1024);
    let answer = world.get("/open/x", &[&format!("X-Large: {}", "a".repeat(10 * 1024))]);
    assert_eq!(answer.status, 431);
    let many: Vec<String> = (0..120).map(|number| format!("X-{number}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.get("/open/x", &many).status, 431);
}

#[test]
fn a_body_that_is_too_large_is_413() {
    let world = world(|limits| limits.body_bytes = 10);
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world");
    assert_eq!(client.receive().status, 413);
    assert!(world.upstream.heads().is_empty(), "refused by its length alone");
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n");
    assert_eq!(client.receive().status, 413);
}

#[test]
fn a_head_that_does_not_arrive_is_given_up() {
    let world = world(|limits| limits.head = Duration::from_millis(100));
    let mut silent = world.connect();
    assert!(silent.is_closed());
    let mut slow = world.connect();
    slow.send("GET /open/x HTTP/1.1\r\nHo");
    assert!(slow.is_closed());
    let mut second = world.connect();
    assert_eq!(second.get("/open/x", &[]).status, 200);
    second.send("GET /open");
    assert!(second.is_closed(), "the limit holds for every request of a connection");
}

#[test]
fn a_connection_that_is_idle_is_closed() {
    let world = world(|limits| limits.idle = Duration::from_millis(100));
    let mut client = world.connect();
    assert_eq!(client.get("/open/x", &[]).status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let world = world(|limits| limits.body_pause = Duration::from_millis(100));
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    assert_eq!(client.receive().status, 408);
}

#[test]
fn connections_over_the_limit_are_turned_away_at_once() {
    let world = world(|limits| limits.connections = 1);
    let mut first = world.connect();
    assert_eq!(first.get("/open/x", &[]).status, 200);
    assert!(world.connect().is_closed());
    assert_eq!(first.get("/open/x", &[]).status, 200);
    assert!(world.metrics.render().contains("countersign_refused_connections_total{listener=\"gateway\"} 1"));
}

#[test]
fn an_upload_below_the_least_rate_is_given_up() {
    let pace = Pace { rate: 1_000_000_000, grace: Duration::from_millis(200) };
    let world = World::with(Limits::default(), UpstreamLimits { pace, ..UpstreamLimits::default() });
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    let mut dripping = client.stream.try_clone().unwrap();
    // One byte after another: never a pause, and never an end. It ends with the connection.
    let dripped = std::thread::spawn(move || while dripping.write_all(b"a").is_ok() {});
    let answer = client.receive();
    assert_eq!((answer.status, answer.field("connection")), (408, Some("close")));
    drop(client);
    drop(dripped);
}
