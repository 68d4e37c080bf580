//! Upstreams that have a name: where it leads, and where it leads now.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_edge::limits::Limits;
use countersign_gateway::address::HealthCheck;
use countersign_gateway::upstream::UpstreamLimits;

use crate::fake_upstream::FakeUpstream;
use crate::support::{Names, World};

const HERE: &str = "127.0.0.1";
const THERE: &str = "127.0.0.2";

/// A lookup that is never repeated by itself.
const ONCE: Duration = Duration::from_secs(3_600);

fn world(lookup: Duration) -> World {
    World::with(Limits::default(), UpstreamLimits { lookup, ..UpstreamLimits::default() })
}

fn answered(upstream: &FakeUpstream) -> usize {
    upstream.heads().iter().filter(|head| head.starts_with("GET /open/")).count()
}

#[test]
fn a_name_that_moves_is_followed_by_connections_that_are_in_use() {
    let [here, there] = FakeUpstream::pair();
    let world = world(Duration::from_millis(20));
    let names = Names::of(&[HERE]);
    world.replace_by_name(here.address.port(), &names, None);
    let mut client = world.connect();
    assert!(client.get("/open/x", &[]).echoed().contains("\r\nhost: orders.test:"));
    assert_eq!((answered(&here), answered(&there)), (1, 0));
    names.moves_to(&[THERE]);
    let asked = std::iter::repeat_with(|| {
        assert_eq!(client.get("/open/x", &[]).status, 200);
        answered(&there)
    });
    assert!({ asked }.take(100_000).any(|count| count == 1), "it is noticed");
    let before = answered(&here);
    (0..20).for_each(|_| assert_eq!(client.get("/open/x", &[]).status, 200));
    assert_eq!((answered(&here), answered(&there)), (before, 21), "the old address gets nothing more");
    names.moves_to(&[]);
    (0..20).for_each(|_| assert_eq!(client.get("/open/x", &[]).status, 200));
    assert_eq!(answered(&there), 41, "a name that cannot be looked up is where it was");
    let metrics = world.metrics.render();
    assert!(
        metrics.contains(&format!("address=\"orders.test:{} {THERE}\"}} 1", there.address.port())),
        "{metrics}"
    );
}

#[test]
fn a_name_is_looked_up_again_when_nobody_is_where_it_was() {
    let [here, there] = FakeUpstream::pair();
    let world = world(ONCE);
    let names = Names::of(&["127.0.0.3"]);
    world.replace_by_name(here.address.port(), &names, None);
    assert_eq!(world.get("/open/x", &[]).status, 502);
    names.moves_to(&[THERE]);
    let mut client = world.connect();
    client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert!(client.receive().echoed().ends_with("hello"), "no request is lost, with content or without");
    assert_eq!(there.heads().len(), 1);
}

#[test]
fn a_name_that_is_not_known_yet_is_waited_for_by_all() {
    let [here, _there] = FakeUpstream::pair();
    let world = world(ONCE);
    let names = Names::of(&[]);
    world.replace_by_name(here.address.port(), &names, None);
    assert_eq!(world.get("/open/x", &[]).status, 502);
    assert!(world.metrics.render().contains("upstream=\"orders\",reason=\"name\"} 1"));
    names.moves_to(&[HERE]);
    let mut clients: Vec<_> = (0..8).map(|_| world.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n"));
    clients.iter_mut().for_each(|client| assert_eq!(client.receive().status, 200));
}

#[test]
fn a_health_check_judges_the_address_that_serves() {
    let [here, there] = FakeUpstream::pair();
    let world = world(Duration::from_millis(20));
    there.unwell.store(true, Ordering::SeqCst);
    let interval = Duration::from_millis(10);
    let check = HealthCheck { interval, unhealthy_after: 1, ..HealthCheck::of("/healthz".parse().unwrap()) };
    let names = Names::of(&[HERE, THERE, HERE]);
    world.replace_by_name(here.address.port(), &names, Some(check));
    let down = format!("address=\"orders.test:{} {THERE}\"}} 0", there.address.port());
    let looks = std::iter::repeat_with(std::thread::yield_now).take(1_000_000);
    assert!(looks.map(|()| world.metrics.render()).any(|text| text.contains(&down)), "{down}");
    let before = answered(&there);
    (0..10).for_each(|_| assert_eq!(world.get("/open/x", &[]).status, 200));
    assert_eq!((answered(&here), answered(&there)), (10, before), "each is judged by itself");
}

#[test]
fn addresses_of_one_name_take_turns() {
    let [here, there] = FakeUpstream::pair();
    let world = world(ONCE);
    world.replace_by_name(here.address.port(), &Names::of(&[HERE, THERE]), None);
    let mut client = world.connect();
    (0..10).for_each(|_| assert_eq!(client.get("/open/x", &[]).status, 200));
    assert_eq!((answered(&here), answered(&there)), (5, 5));
}

#[test]
fn a_connection_is_not_used_for_longer_than_its_life() {
    for (life, expected) in [(Duration::ZERO, 5), (ONCE, 1)] {
        let world = World::with(Limits::default(), UpstreamLimits { life, ..UpstreamLimits::default() });
        let mut client = world.connect();
        (0..5).for_each(|_| assert_eq!(client.get("/open/x", &[]).status, 200));
        assert_eq!(world.upstream.connections.load(Ordering::SeqCst), expected, "{life:?}");
    }
}
