//! The end: what is in flight is finished, and nothing more is accepted.

use std::net::TcpStream;
use std::time::Duration;

use crate::support::World;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn draining_finishes_what_is_in_flight() {
    let mut world = World::new();
    let mut idle = world.connect();
    assert_eq!(idle.get("/open/x", &[]).status, 200);
    let mut client = world.connect();
    client.send("GET /open/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    let go = world.upstream.waiting.recv_timeout(PATIENCE).unwrap();
    let gateway = world.gateway.take().unwrap();
    let draining = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(gateway.shutdown(PATIENCE))
    });
    assert!(idle.is_closed(), "an idle connection is not waited for");
    go.send(()).unwrap();
    assert_eq!(client.receive().status, 200);
    assert!(client.is_closed());
    assert_eq!(draining.join().unwrap(), 0);
    assert!(TcpStream::connect(world.address).is_err(), "nothing more is accepted");
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let mut world = World::new();
    let mut client = world.connect();
    client.send("GET /open/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    let _go = world.upstream.waiting.recv_timeout(PATIENCE).unwrap();
    assert_eq!(world.shutdown(Duration::from_millis(50)), 1);
    assert!(client.is_closed());
}

#[test]
fn routes_are_replaced_for_the_next_request() {
    let world = World::new();
    let mut client = world.connect();
    assert_eq!(client.get("/open/x", &[]).status, 200);
    world.replace_routes(Vec::new());
    assert_eq!(client.get("/open/x", &[]).status, 404);
}
