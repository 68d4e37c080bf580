//! Upstreams: every way in which they fail, and what is left of them.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_edge::limits::Limits;
use countersign_gateway::address::HealthCheck;
use countersign_gateway::upstream::UpstreamLimits;

use crate::fake_upstream::FakeUpstream;
use crate::scripted::{Then, scripted};
use crate::support::World;

/// The longest that a test waits for something to be noticed.
const PATIENCE: Duration = Duration::from_secs(20);

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn an_upstream_that_is_down_is_a_bad_gateway() {
    let mut upstream = FakeUpstream::start();
    upstream.address = nobody();
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

#[test]
fn addresses_take_turns_and_are_called_by_their_own_host() {
    let (world, other) = (World::new(), FakeUpstream::start());
    world.replace_upstream(&[world.upstream.address, other.address], None);
    let mut client = world.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/open/x", &[]).status, 200);
    }
    for upstream in [&world.upstream, &other] {
        assert_eq!(upstream.heads().len(), 5);
        assert!(
            upstream.heads().iter().all(|head| head.contains(&format!("host: {}\r\n", upstream.address)))
        );
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 1, "each address keeps its connection");
    }
}

#[test]
fn an_address_that_cannot_be_reached_is_not_the_callers_trouble() {
    let world = World::new();
    let down = nobody();
    world.replace_upstream(&[down, world.upstream.address], None);
    let mut client = world.connect();
    for _ in 0..6 {
        client.send("POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert!(client.receive().echoed().ends_with("hello"));
    }
    let metrics = world.metrics.render();
    let up = |address| format!("countersign_upstream_up{{upstream=\"orders\",address=\"{address}\"}}");
    assert!(metrics.contains(&format!("{} 0", up(down))), "{metrics}");
    assert!(metrics.contains(&format!("{} 1", up(world.upstream.address))), "{metrics}");
    world.replace_upstream(&[down, nobody()], None);
    assert_eq!(client.get("/open/x", &[]).status, 502);
}

#[test]
fn rfc9110_9_2_2_what_may_have_been_processed_is_not_sent_to_another_address() {
    let (world, other) = (World::new(), FakeUpstream::start());
    world.replace_upstream(&[world.upstream.address, other.address], None);
    let mut client = world.connect();
    for sent in 1..5 {
        client.send("POST /open/close HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(client.receive().status, 502);
        assert_eq!(world.upstream.heads().len() + other.heads().len(), sent);
    }
}

#[test]
fn an_address_that_says_it_is_unwell_is_left_out_until_it_is_well() {
    let (world, other) = (World::new(), FakeUpstream::start());
    let check = HealthCheck {
        interval: Duration::from_millis(10),
        timeout: PATIENCE,
        unhealthy_after: 2,
        healthy_after: 2,
        ..HealthCheck::of("/healthz".parse().unwrap())
    };
    world.replace_upstream(&[world.upstream.address, other.address], Some(check));
    let state = |up: u8| {
        let line =
            format!("countersign_upstream_up{{upstream=\"orders\",address=\"{}\"}} {up}", other.address);
        let looks = std::iter::repeat_with(std::thread::yield_now).take(1_000_000);
        assert!(looks.map(|()| world.metrics.render()).any(|text| text.contains(&line)), "{line}");
    };
    let answered = |upstream: &FakeUpstream| {
        upstream.heads().iter().filter(|head| head.starts_with("GET /open/")).count()
    };
    let ask = || (0..6).for_each(|_| assert_eq!(world.get("/open/x", &[]).status, 200));
    state(1);
    other.unwell.store(true, Ordering::SeqCst);
    state(0);
    ask();
    assert_eq!((answered(&world.upstream), answered(&other)), (6, 0));
    assert!(other.heads()[0].starts_with("GET /healthz HTTP/1.1\r\n"));
    other.unwell.store(false, Ordering::SeqCst);
    state(1);
    ask();
    assert_eq!((answered(&world.upstream), answered(&other)), (9, 3));
}

#[test]
fn an_upstream_that_hangs_leaves_room_for_the_others() {
    let limits = Limits { connections: 8, ..Limits::default() };
    let world = World::with(limits, UpstreamLimits::default());
    let other = FakeUpstream::start();
    world.add_upstream("/other/{**}", other.address);
    let mut hung: Vec<_> = (0..4).map(|_| world.connect()).collect();
    for client in &mut hung {
        client.send("GET /open/hang HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let looks = std::iter::repeat_with(std::thread::yield_now).take(50_000_000);
    assert!(looks.map(|()| world.upstream.heads().len()).any(|count| count == 4), "all of them hang");
    let refused = world.get("/open/x", &[]);
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    assert!(world.metrics.render().contains("upstream=\"orders\",reason=\"exhausted\"} 1"));
    assert_eq!(world.get("/other/x", &[]).status, 200, "another upstream is not concerned");
    drop(hung);
    let tries = std::iter::repeat_with(|| world.get("/open/x", &[]).status).take(10_000);
    assert!({ tries }.any(|status| status == 200), "who leaves makes room");
}

#[test]
fn upstreams_take_no_more_connections_than_there_are_places() {
    let world =
        World::with(Limits::default(), UpstreamLimits { connections: 3, ..UpstreamLimits::default() });
    let other = FakeUpstream::start();
    world.add_upstream("/other/{**}", other.address);
    let mut hung: Vec<_> = (0..3).map(|_| world.connect()).collect();
    for client in &mut hung {
        client.send("GET /open/hang HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let looks = std::iter::repeat_with(std::thread::yield_now).take(50_000_000);
    assert!(looks.map(|()| world.upstream.heads().len()).any(|count| count == 3), "all of them hang");
    for path in ["/open/x", "/other/x"] {
        let refused = world.get(path, &[]);
        assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")), "{path}");
    }
    drop(hung);
    let tries = std::iter::repeat_with(|| world.get("/other/x", &[]).status).take(10_000);
    assert!({ tries }.any(|status| status == 200), "who leaves makes room");
}

#[test]
fn rfc9110_7_6_3_both_sides_are_told_of_the_hop() {
    let world = World::new();
    let mut client = world.connect();
    let answer = client.get("/open/x", &["Via: 1.0 fred"]);
    assert_eq!(answer.field("via"), Some("1.1 gateway"));
    assert!(answer.echoed().contains("\r\nvia: 1.0 fred\r\nvia: 1.1 gateway\r\n"), "{answer:?}");
    assert_eq!(world.get("/x", &[]).field("via"), None, "what we say ourselves has passed nobody");
}

#[test]
fn rfc9110_7_6_2_a_request_that_may_go_no_further_is_answered_here() {
    let world = World::new();
    let mut client = world.connect();
    client.send("OPTIONS /open/x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n");
    assert!(client.receive().echoed().contains("\r\nmax-forwards: 2\r\n"));
    client.send("OPTIONS /open/x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!(client.receive().body, "");
    client.send("OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!(client.receive().status, 401, "decided like any other");
    assert_eq!(world.upstream.heads().len(), 1);
}

#[test]
fn rfc9110_10_2_2_a_redirect_of_the_upstream_to_itself_leads_to_the_gateway() {
    let world = World::new();
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://ADDRESS/new?a=b\r\nContent-Location: http://elsewhere.example/\r\n\
        Content-Length: 0\r\n\r\n";
    world.replace_upstream(&[scripted(answer.as_bytes(), Then::Close).0], None);
    let answer = world.get("/open/x", &[]);
    assert_eq!((answer.status, answer.field("location")), (302, Some("http://api.example.com/new?a=b")));
    assert_eq!(answer.field("content-location"), Some("http://elsewhere.example/"));
}

#[test]
fn a_route_may_call_its_upstream_by_the_callers_host() {
    let world = World::new();
    let mut all = crate::support::routes();
    all[0].preserve_host = true;
    world.replace_routes(all);
    let mut client = world.connect();
    for _ in 0..2 {
        let answer = client.get("/open/x", &[]);
        assert!(answer.echoed().contains("\r\nhost: api.example.com\r\n"), "{answer:?}");
    }
    let own = format!("\r\nhost: {}\r\n", world.upstream.address);
    assert!(client.get("/passed/x", &[]).echoed().contains(&own));
}
