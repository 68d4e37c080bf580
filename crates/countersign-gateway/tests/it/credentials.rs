//! Credentials: what is believed, what is refused, and what a caller learns of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_core::change::Change;
use countersign_core::environment::Environment;
use countersign_core::timestamp::Timestamp;
use countersign_gateway::report::Report;

use crate::support::{NOW, World};

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}")
}

#[test]
fn rfc6750_2_1_a_good_key_passes_in_either_field() {
    let world = World::new();
    let (_, key) = world.key(1);
    let answer = world.get("/orders/1?expand=a", &[&bearer(&key)]);
    assert!(answer.echoed().starts_with("GET /orders/1?expand=a HTTP/1.1\r\n"));
    assert_eq!(world.get("/orders/1", &[&format!("X-API-Key: {key}")]).status, 200);
    assert!(!world.upstream.heads().iter().any(|head| head.contains(&key)), "the key ends at the gateway");
}

#[test]
fn rfc6750_3_no_credential_is_challenged() {
    let world = World::new();
    let answer = world.get("/orders", &[]);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.field("www-authenticate"), Some("Bearer realm=\"countersign\""));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert!(answer.body.contains("\"instance\":\"evt_"));
    assert!(world.upstream.heads().is_empty());
}

#[test]
fn rfc6750_3_1_every_failed_credential_gets_the_same_answer() {
    let world = World::new();
    let at = Some(Timestamp::from_millis(NOW));
    let (_, revoked) = world.key_with(1, |record| record.revoked_at = at);
    let (_, expired) = world.key_with(2, |record| record.expires_at = at);
    let (_, disabled) = world.key_with(3, |record| record.disabled_at = at);
    let (_, early) =
        world.key_with(4, |record| record.terms.not_before = Some(Timestamp::from_millis(NOW + 1)));
    let (_, unknown) = world.unknown_key(5);
    let typo = format!("{}x", unknown.strip_suffix(|_| true).unwrap());
    let management = unknown.replace("cs_live", "cs_mgmt");
    let presented = [
        bearer(&revoked),
        bearer(&expired),
        bearer(&disabled),
        bearer(&early),
        bearer(&unknown),
        bearer(&typo),
        bearer(&management),
        bearer("x"),
        bearer(&format!("cs_live_{}", "a".repeat(8_000))),
        format!("X-API-Key: {typo}"),
        "Authorization: Basic YTpi".to_owned(),
        "Authorization: Bearer".to_owned(),
        "X-API-Key: é".to_owned(),
        "X-API-Key:".to_owned(),
    ];
    let answers: Vec<_> = presented.iter().map(|field| world.get("/orders", &[field])).collect();
    for (answer, field) in answers.iter().zip(&presented) {
        assert_eq!(answer.status, 401, "{field}");
        assert_eq!(answer.without_instance(), answers[0].without_instance(), "{field}");
    }
    assert!(answers[0].head.contains("error=\"invalid_token\""));
    assert!(world.upstream.heads().is_empty());
}

#[test]
fn rfc6750_2_more_than_one_credential_is_an_invalid_request() {
    let world = World::new();
    let (_, key) = world.key(1);
    let (bearer, header) = (bearer(&key), format!("X-API-Key: {key}"));
    let joined = format!("{bearer}, Bearer {key}");
    for fields in
        [vec![&*bearer, &*bearer], vec![&*header, &*header], vec![&*bearer, &*header], vec![&*joined]]
    {
        let answer = world.get("/orders", &fields);
        assert_eq!(answer.status, 400, "{fields:?}");
        assert!(answer.head.contains("error=\"invalid_request\""), "{answer:?}");
        assert!(!answer.body.contains(&key));
    }
}

#[test]
fn a_key_in_the_query_is_no_credential() {
    let world = World::new();
    let (_, key) = world.key(1);
    for query in [format!("api_key={key}"), format!("access_token={key}"), format!("%61pi_key={key}")] {
        assert_eq!(world.get(&format!("/orders?{query}"), &[]).status, 401);
    }
    let metrics = world.metrics.render();
    assert!(!metrics.contains(&key));
}

#[test]
fn rfc6750_3_1_a_missing_scope_is_forbidden_and_named() {
    let world = World::new();
    let (_, key) = world.key(1);
    let answer = world.get("/settle/1", &[&bearer(&key)]);
    assert_eq!(answer.status, 403);
    assert!(answer.head.contains("error=\"insufficient_scope\", scope=\"settle\""), "{}", answer.head);
    let (_, test) = world.key_with(2, |record| record.terms.environment = Environment::Test);
    let answer = world.get("/orders", &[&bearer(&test)]);
    assert_eq!(answer.status, 403);
    assert!(!answer.body.contains("environment"));
}

#[test]
fn safety_6_a_kind_that_the_route_does_not_list_is_refused() {
    let world = World::new();
    let (_, key) = world.key(1);
    assert_eq!(world.get("/open/x", &[]).status, 200);
    assert_eq!(world.get("/open/x", &[&bearer(&key)]).status, 401);
    assert_eq!(world.get("/open/x", &["Authorization: Basic YTpi"]).status, 401);
    let answer = world.get("/passed/x", &["Authorization: Basic YTpi"]);
    assert!(answer.echoed().contains("authorization: Basic YTpi\r\n"));
}

#[test]
fn a_revocation_holds_at_the_next_request_of_a_kept_connection() {
    let world = World::new();
    let (mut record, key) = world.key(1);
    let mut client = world.connect();
    assert_eq!(client.get("/orders", &[&bearer(&key)]).status, 200);
    record.revoked_at = Some(Timestamp::from_millis(NOW));
    world.tell(&record);
    assert_eq!(client.get("/orders", &[&bearer(&key)]).status, 401);
    let mut owner = world.owner.clone();
    let (_, other) = world.key(2);
    assert_eq!(client.get("/orders", &[&bearer(&other)]).status, 200);
    owner.disabled_at = Some(Timestamp::from_millis(NOW));
    world.snapshot.apply(&Change::Owner(Box::new(owner)));
    assert_eq!(client.get("/orders", &[&bearer(&other)]).status, 401, "a disabled owner ends all keys");
}

#[test]
fn safety_4_a_stale_snapshot_decides_nothing_about_credentials() {
    let world = World::new();
    let (_, key) = world.key(1);
    world.clock.advance(Duration::from_millis(5_001));
    let answer = world.get("/orders", &[&bearer(&key)]);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(world.get("/orders", &[]).status, 503);
    assert_eq!(world.get("/open/x", &[]).status, 200);
    assert_eq!(world.get("/.countersign/health", &[]).status, 503);
}

#[test]
fn a_key_of_another_node_is_found_by_catching_up_once() {
    let world = World::new();
    let (record, key) = world.unknown_key(1);
    world.feed.changes.lock().unwrap().push(Change::Credential(Box::new((&record).into())));
    assert_eq!(world.get("/orders", &[&bearer(&key)]).status, 200);
    assert_eq!(world.feed.asked.load(Ordering::SeqCst), 1);
    assert_eq!(world.get("/orders", &[&bearer(&key)]).status, 200);
    assert_eq!(world.feed.asked.load(Ordering::SeqCst), 1, "what is known asks nobody");
}

#[test]
fn every_refusal_can_be_explained_and_is_told() {
    let mut world = World::new();
    let at = Some(Timestamp::from_millis(NOW));
    let (record, revoked) = world.key_with(1, |record| record.revoked_at = at);
    let answer = world.get("/orders/7?secret=1", &[&bearer(&revoked)]);
    let start = answer.body.find("evt_").unwrap();
    let event = answer.body.get(start..start + 26).unwrap().parse().unwrap();
    let decision = world.gateway.as_ref().unwrap().recent_decisions(1).remove(0);
    assert_eq!(decision.event, Some(event));
    assert_eq!(decision.reason, Some("revoked"));
    assert_eq!(decision.path, "/orders/7");
    assert_eq!(decision.credential, Some(record.id));
    assert_eq!(decision.route.as_deref(), Some("all"));
    assert_eq!(world.shutdown(Duration::from_secs(10)), 0);
    let Some(Report::Audit { id, event: line }) = world.reports.blocking_recv() else { panic!("a report") };
    assert_eq!(id, event);
    assert_eq!(line.reason.as_deref(), Some("revoked"));
    assert_eq!(line.subject, Some(record.id.to_string()));
}

#[test]
fn permits_are_counted_and_uses_reported() {
    let mut world = World::new();
    let (record, key) = world.key(1);
    for _ in 0..3 {
        assert_eq!(world.get("/orders", &[&bearer(&key)]).status, 200);
    }
    assert!(world.metrics.render().contains("verdict=\"granted\",reason=\"\"} 3"));
    world.shutdown(Duration::from_secs(10));
    let (mut uses, mut permits) = (0, 0);
    while let Some(report) = world.reports.blocking_recv() {
        match report {
            Report::Use { credential, .. } => {
                assert_eq!(credential, record.id);
                uses += 1;
            }
            Report::Permits { counts, .. } => permits += counts.iter().map(|one| one.count).sum::<u64>(),
            other @ (Report::Audit { .. } | Report::Upgrade(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!((uses, permits), (1, 3));
}

#[test]
fn what_is_refused_asks_the_feed_as_often_as_what_never_was() {
    let world = World::new();
    let at = Some(Timestamp::from_millis(NOW));
    let (_, good) = world.key(1);
    let (_, revoked) = world.key_with(2, |record| record.revoked_at = at);
    let (_, expired) = world.key_with(3, |record| record.expires_at = at);
    let (_, disabled) = world.key_with(4, |record| record.disabled_at = at);
    let (_, early) =
        world.key_with(5, |record| record.terms.not_before = Some(Timestamp::from_millis(NOW + 1)));
    let elsewhere = vec!["192.0.2.7".parse().unwrap()];
    let (_, elsewhere) = world.key_with(6, |record| record.terms.allow_from = elsewhere);
    let (_, unknown) = world.unknown_key(7);
    for (what, key, status, runs) in [
        ("good", good, 200, 0),
        ("unknown", unknown, 401, 1),
        ("revoked", revoked, 401, 1),
        ("expired", expired, 401, 1),
        ("disabled", disabled, 401, 1),
        ("not valid yet", early, 401, 1),
        ("from elsewhere", elsewhere, 401, 1),
    ] {
        let before = world.feed.asked.load(Ordering::SeqCst);
        assert_eq!(world.get("/orders/1", &[&bearer(&key)]).status, status, "{what}");
        assert_eq!(world.feed.asked.load(Ordering::SeqCst) - before, runs, "{what}");
    }
}
