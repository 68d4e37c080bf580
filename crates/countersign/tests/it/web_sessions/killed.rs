//! kill -9 while browsers are signed in to a web app, renew their sessions and sign out: what was answered counts, and what has ended
//! has ended. At each start some minutes have passed, so that every session has to be renewed, and is written as used.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{APP, PASSWORD, World, call, given, settings};
use crate::clocks::faketime;
use crate::crash::{NAMES, rounds};
use crate::harness::{Ground, Server, eventually, heard, raw, signal};
use crate::visitor::Visitor;

/// How far the clock goes on from one start to the next, in seconds: longer than a session token is good.
const LATER: usize = 360;

/// What browsers keep, and what is known of it.
#[derive(Default)]
struct Kept {
    /// Those of sessions that live.
    live: Vec<String>,
    /// Those of sessions whose end was acknowledged.
    ended: Vec<String>,
}

fn start(place: &Ground, config: &str, round: usize) -> Server {
    let (library, ahead) = (faketime().display().to_string(), format!("+{}s", round * LATER));
    let clock = [("LD_PRELOAD", &*library), ("FAKETIME", &*ahead), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let arguments = [&NAMES[..], &["--config", config]].concat();
    place.try_up("data", &arguments, &clock).unwrap_or_else(|log| panic!("{log}"))
}

#[test]
fn kill_9_between_renewals_keeps_who_is_signed_in_and_revives_nobody() {
    for token in ["opaque", "jwt"] {
        let place = Ground::new();
        let config = place.write("c.toml", &settings(token)).display().to_string();
        let mut world = World::of(start(&place, &config, 0));
        world.enter("/");
        let kept = Mutex::new(Kept { live: vec![world.cookie()], ended: Vec::new() });
        for round in 1..=rounds() {
            let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
            std::thread::scope(|scope| {
                for worker in 0..4 {
                    let (world, kept, done, stop) = (&world, &kept, &done, &stop);
                    scope.spawn(move || churn(world, kept, (worker, done), stop));
                }
                eventually("there is churn", || done.load(Ordering::Acquire) >= 20);
                signal(world.server.pid(), "-KILL");
                stop.store(true, Ordering::Release);
            });
            world = started_again(&place, world, (&config, round));
            let mut kept = kept.lock().unwrap();
            for cookie in &mut kept.live {
                let answer = call(&world.server, cookie);
                assert_eq!(
                    answer.status, 200,
                    "{token}, round {round}: what was answered counts: {answer:?}"
                );
                *cookie = given(&answer).unwrap_or_else(|| cookie.clone());
            }
            for cookie in &kept.ended {
                assert_eq!(call(&world.server, cookie).status, 401, "{token}, round {round}: what ended has");
            }
        }
    }
}

fn started_again(place: &Ground, world: World, (config, round): (&str, usize)) -> World {
    let World { server, person, tenant, app, issuer } = world;
    server.kill();
    let server = start(place, config, round);
    let (app, issuer) =
        (app.moved_to(&server.address("gateway")), issuer.moved_to(&server.address("issuer")));
    World { server, person, tenant, app, issuer }
}

/// Browsers: one that was here before calls, one signs in, and some sign out; again and again.
fn churn(world: &World, kept: &Mutex<Kept>, (worker, done): (usize, &AtomicUsize), stop: &AtomicBool) {
    for turn in worker.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let before = {
            let mut kept = kept.lock().unwrap();
            let at = turn % kept.live.len().max(1);
            if kept.live.is_empty() { None } else { Some(kept.live.remove(at)) }
        };
        let mut live: Vec<_> = before.and_then(|cookie| used(world, cookie)).into_iter().collect();
        live.extend(signed_in(world));
        if turn % 3 == 0
            && let Some(cookie) = live.pop()
        {
            // From here on nothing is known of it unless the answer arrives.
            if signed_out(world, &cookie) {
                kept.lock().unwrap().ended.push(cookie);
            }
        }
        kept.lock().unwrap().live.append(&mut live);
        done.fetch_add(1, Ordering::Release);
    }
}

/// Calls with a session, and returns what the browser keeps then.
fn used(world: &World, cookie: String) -> Option<String> {
    let Some(answer) = heard(|| call(&world.server, &cookie)) else { return Some(cookie) };
    assert_eq!(answer.status, 200, "{answer:?}");
    Some(given(&answer).unwrap_or(cookie))
}

/// Signs in at a browser that was never here: to sign out of one web app ends all of its browser. `None`: the server was gone.
fn signed_in(world: &World) -> Option<String> {
    let mut app = Visitor::at(&world.server.address("gateway"));
    let mut issuer = Visitor::at(&world.server.address("issuer"));
    let sent = heard(|| app.get("/.countersign/login?client=web&return_to=/"))?;
    let page = heard(|| issuer.get(&world.path("issuer", &sent.header("location").unwrap())))?;
    let sent = heard(|| issuer.fill(&page, "/login", &[("username", "ana"), ("password", PASSWORD)]))?;
    let sent = heard(|| issuer.get(&sent.header("location").unwrap()))?;
    let back = heard(|| app.get(&world.path("gateway", &sent.header("location").unwrap())))?;
    assert_eq!(back.status, 303, "{back:?}");
    app.cookies.remove(APP)
}

/// Signs out, and tells whether that was answered.
fn signed_out(world: &World, cookie: &str) -> bool {
    let request = format!(
        "POST /.countersign/logout HTTP/1.1\r\nHost: localhost\r\nCountersign-CSRF: 1\r\nContent-Length: 0\r\n\
         Cookie: {APP}={cookie}\r\nConnection: close\r\n\r\n"
    );
    let answer = heard(|| raw(&world.server.address("gateway"), &request));
    answer.is_some_and(|answer| {
        assert_eq!(answer.status, 204, "{answer:?}");
        true
    })
}
