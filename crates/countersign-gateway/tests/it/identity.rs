//! Identity: what the upstream is told, by us and by nobody else.

use crate::support::World;

#[test]
fn the_upstream_learns_who_called_from_us_alone() {
    let world = World::new();
    let (record, key) = world.key(1);
    let answer = world.get(
        "/orders",
        &[
            &format!("Authorization: Bearer {key}"),
            "Countersign-Subject: org_admin",
            "Countersign_Subject: org_admin",
            "countersign.subject: org_admin",
            "X-Forwarded-For: 10.0.0.1",
            "X_Forwarded_For: 10.0.0.1",
            "X-Original-URL: /admin",
            "Connection: Countersign-Subject, Authorization, X-Forwarded-For",
        ],
    );
    let echoed = answer.echoed();
    for line in [
        format!("countersign-subject: {}\r\n", record.owner),
        format!("countersign-credential: {}\r\n", record.id),
        "countersign-scope: orders:read\r\n".to_owned(),
        "x-forwarded-for: 127.0.0.1\r\n".to_owned(),
        "x-forwarded-proto: http\r\n".to_owned(),
        "x-forwarded-host: api.example.com\r\n".to_owned(),
        format!("host: {}\r\n", world.upstream.address),
    ] {
        assert!(echoed.contains(&line), "{line}{echoed}");
    }
    for word in ["org_admin", "10.0.0.1", "/admin", "connection:", "authorization:", &key] {
        assert!(!echoed.contains(word), "{word}: {echoed}");
    }
    assert!(!echoed.contains("countersign-client"), "an organisation is no client");
}

#[test]
fn the_anonymous_caller_has_no_identity() {
    let world = World::new();
    let answer = world.get("/open/x", &["Countersign-Subject: org_admin"]);
    assert!(!answer.echoed().contains("countersign-"));
}

#[test]
fn an_upstream_does_not_speak_to_callers_in_our_name() {
    let world = World::new();
    let answer = world.get("/open/telling", &[]);
    assert_eq!((answer.status, &*answer.body), (200, "ok"));
    assert!(!answer.head.contains("countersign-subject"));
    assert!(!answer.head.contains("keep-alive"));
}
