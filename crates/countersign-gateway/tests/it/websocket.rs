//! WebSocket: on routes that allow it, after the upstream agreed, for as long as the credential lives.

use std::time::Duration;

use countersign_edge::limits::Limits;
use countersign_gateway::upstream::UpstreamLimits;

use crate::client::{Answer, Client};
use crate::streams::{ENDS, End};
use crate::support::World;

const PATIENCE: Duration = Duration::from_secs(20);

fn ask(world: &World, path: &str, key: &str) -> Client {
    let mut client = world.connect();
    client.send(&format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ));
    client
}

#[track_caller]
fn switched(client: &mut Client) -> Answer {
    let answer = client.receive();
    assert_eq!(answer.status, 101, "{answer:?}");
    answer
}

#[test]
fn rfc6455_4_2_2_a_connection_is_switched_and_bytes_pass_both_ways() {
    let world = World::new();
    let (_, key) = world.key(3);
    let mut client = ask(&world, "/ws/socket", &key);
    let answer = switched(&mut client);
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("connection"), Some("Upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("x"));
    for text in ["one", "two", &"long".repeat(50_000)] {
        client.send(text);
        assert!(client.reads(text));
    }
    let head = world.upstream.heads().remove(0).to_ascii_lowercase();
    assert!(head.contains("sec-websocket-version: 13\r\n") && !head.contains(&key.to_ascii_lowercase()));
    drop(client);
    world.upstream.gone.recv_timeout(PATIENCE).expect("the upstream's side is closed too");
    assert_eq!(world.get("/ws/x", &[&format!("X-API-Key: {key}")]).status, 200);
}

#[test]
fn safety_18_a_websocket_ends_with_its_credential() {
    for End(reason, end) in ENDS {
        let world = World::new();
        let (mut record, key) = world.key(3);
        let mut client = ask(&world, "/ws/socket", &key);
        switched(&mut client);
        client.send("hello");
        assert!(client.reads("hello"), "{reason}");
        end(&world, &mut record);
        assert!(client.is_closed(), "{reason}");
        world.upstream.gone.recv_timeout(PATIENCE).expect("the upstream's side is closed too");
    }
}

#[test]
fn cve_2026_2833_nothing_passes_before_the_upstream_has_agreed() {
    let world = World::new();
    let mut client = ask(&world, "/ws/late-socket", &world.key(3).1);
    client.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let go = world.upstream.waiting.recv_timeout(PATIENCE).unwrap();
    go.send(()).unwrap();
    switched(&mut client);
    assert!(client.reads("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(world.upstream.heads().len(), 1);
}

#[test]
fn cve_2026_2833_what_follows_a_declined_upgrade_is_decided() {
    let world = World::new();
    let mut client = ask(&world, "/ws/x", &world.key(3).1);
    client.send("GET /orders HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.receive().status, 200);
    assert_eq!(client.receive().status, 401);
    assert_eq!(world.upstream.heads().len(), 1);
}

#[test]
fn rfc9110_7_8_an_upgrade_that_the_route_does_not_allow_ends_here() {
    let world = World::new();
    let (_, key) = world.key(3);
    let mut client = ask(&world, "/elsewhere/socket", &key);
    let echo = client.receive();
    assert!(!echo.echoed().to_ascii_lowercase().contains("upgrade"), "{echo:?}");
    for (method, fields) in [
        ("GET", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        ("GET", "Upgrade: websocket\r\n"),
        ("POST", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n"),
    ] {
        let mut client = world.connect();
        client.send(&format!("{method} /ws/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{fields}\r\nok"));
        let echo = client.receive();
        assert!(!echo.echoed().contains("upgrade: "), "{method} {fields}: {echo:?}");
    }
    assert_eq!(ask(&world, "/ws/socket", "").receive().status, 401);
}

#[test]
fn rfc9110_15_2_2_a_switch_to_another_protocol_is_a_bad_gateway() {
    let world = World::new();
    let mut client = ask(&world, "/ws/switch", &world.key(3).1);
    assert_eq!(client.receive().status, 502);
}

#[test]
fn a_websocket_on_which_nothing_moves_is_ended() {
    let body_pause = Duration::from_millis(100);
    let world = World::with(Limits::default(), UpstreamLimits { body_pause, ..UpstreamLimits::default() });
    let mut client = ask(&world, "/ws/socket", &world.key(3).1);
    switched(&mut client);
    assert!(client.is_closed());
    world.upstream.gone.recv_timeout(PATIENCE).expect("the upstream's side is closed too");
}

#[test]
fn a_websocket_outlives_the_limits_of_heads() {
    let short = Duration::from_millis(50);
    let world =
        World::with(Limits { head: short, idle: short, ..Limits::default() }, UpstreamLimits::default());
    let mut client = ask(&world, "/ws/late-socket", &world.key(3).1);
    world.upstream.waiting.recv_timeout(PATIENCE).unwrap().send(()).unwrap();
    switched(&mut client);
    let mut other = world.connect();
    other.send("GET /open/x HTTP/1.1\r\n");
    assert!(other.is_closed(), "more than the limits has passed");
    client.send("hello");
    assert!(client.reads("hello"));
}

#[test]
fn draining_ends_a_websocket() {
    let mut world = World::new();
    let mut client = ask(&world, "/ws/socket", &world.key(3).1);
    switched(&mut client);
    assert_eq!(world.shutdown(PATIENCE), 0);
    assert!(client.is_closed());
}
