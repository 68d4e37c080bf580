//! kill -9 while apps refresh what people let them have, and end it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{NAMES, rounds, started_again};
use crate::harness::{Ground, eventually, heard, signal};
use crate::people::{World, answer, text};

/// The newest tokens of a family that an app has received.
#[derive(Debug, Clone)]
struct Newest {
    access: String,
    refresh: String,
    known: Known,
}

/// What is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// They live.
    Live,
    /// They were refreshed, and no answer came.
    Refreshing,
    /// They were revoked.
    Ended,
    /// They were revoked, and no answer came.
    Ending,
}

impl Newest {
    fn of(tokens: &Value) -> Self {
        let (access, refresh) = (text(tokens, "access_token"), text(tokens, "refresh_token"));
        Self { access, refresh, known: Known::Live }
    }
}

#[test]
fn kill_9_between_refreshes_loses_no_answer_and_revives_nothing() {
    let place = Ground::new();
    let config = place.write("c.toml", "[refresh_token]\nretry = \"5m\"\n");
    let arguments = [&NAMES[..], &["--config", config.to_str().unwrap()]].concat();
    let mut world = World::new(&place, &arguments, &json!({}));
    world.tokens();
    for round in 0..rounds() {
        let (families, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (world, families, stop) = (&world, &families, &stop);
                scope.spawn(move || churn(worker, world, families, stop));
            }
            eventually("there is churn", || families.lock().unwrap().len() >= 12);
            signal(world.server.pid(), "-KILL");
            stop.store(true, Ordering::Release);
        });
        world = started_again(&place, world, &arguments);
        for family in families.into_inner().unwrap() {
            holds(&world, &family, round);
        }
    }
}

/// An app that refreshes three times, and ends some of what it has; again and again.
fn churn(worker: usize, world: &World, families: &Mutex<Vec<Newest>>, stop: &AtomicBool) {
    let mut browser = world.browser.clone();
    for turn in worker.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Some(page) = heard(|| browser.get(&world.request(&[]))) else { continue };
        let code = answer(&page).remove("code").unwrap();
        let Some(redeemed) = heard(|| world.redeem(&code)) else { continue };
        assert_eq!(redeemed.status, 200, "{redeemed:?}");
        let newest = refreshed(world, Newest::of(&redeemed.json()));
        let newest = if turn % 3 == 0 { ended(world, newest) } else { newest };
        families.lock().unwrap().push(newest);
    }
}

fn refreshed(world: &World, mut newest: Newest) -> Newest {
    for _ in 0..3 {
        let Some(answered) = heard(|| world.refresh(&newest.refresh)) else {
            return Newest { known: Known::Refreshing, ..newest };
        };
        assert_eq!(answered.status, 200, "{answered:?}");
        newest = Newest::of(&answered.json());
    }
    newest
}

fn ended(world: &World, newest: Newest) -> Newest {
    if newest.known != Known::Live {
        return newest;
    }
    let form = format!("token={}", newest.refresh);
    let answered = heard(|| world.app.post(&world.server, "/oauth/revoke", &form));
    let known = answered.map_or(Known::Ending, |answered| {
        assert_eq!(answered.status, 200, "{answered:?}");
        Known::Ended
    });
    Newest { known, ..newest }
}

fn holds(world: &World, newest: &Newest, round: usize) {
    let Newest { access, refresh, known } = newest;
    let (call, renewed) = (world.calls(access), world.refresh(refresh));
    let both = (call, renewed.status);
    match known {
        Known::Live | Known::Refreshing => {
            assert_eq!(both, (200, 200), "round {round}: {newest:?}: {renewed:?}")
        }
        Known::Ended => assert_eq!(both, (401, 400), "round {round}: {newest:?}"),
        Known::Ending => {
            assert!([(200, 200), (401, 400)].contains(&both), "round {round}, by half: {both:?}")
        }
    }
    if renewed.status == 200 {
        let tokens = renewed.json();
        assert_eq!(world.calls(&text(&tokens, "access_token")), 200, "round {round}");
        // Whatever was in flight, there is one life: who asks once more is told the same.
        let again = world.refresh(refresh).json();
        assert_eq!(text(&again, "refresh_token"), text(&tokens, "refresh_token"), "round {round}");
    }
}
