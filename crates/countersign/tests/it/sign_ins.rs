//! People sign in: attack rows of passwords and sessions.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Ground, Server};
use crate::visitor::Visitor;

const SESSION: &str = "__Host-countersign-session";
const KNOWN: &str = "__Host-countersign-known";
const PASSWORD: &str = "correct horse";

fn user(server: &Server, name: &str, password: Option<&str>) -> String {
    let made = server.manage("POST", "/v1/users", &json!({ "username": name, "password": password }));
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

fn visitor(server: &Server) -> Visitor {
    Visitor::at(&server.address("issuer"))
}

#[test]
fn whoever_knows_their_password_is_signed_in_and_sent_on() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let id = user(&server, "ana", Some(PASSWORD));
    let mut ana = visitor(&server);
    let page = ana.get("/login");
    let typed = [("username", " Ana "), ("password", PASSWORD)];
    let answer = ana.fill(&page, "/login", &typed);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/account".to_owned())));
    for (name, kept) in [(SESSION, false), (KNOWN, true)] {
        let line = answer.head.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(line.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
        assert_eq!(line.contains("Max-Age"), kept, "{line}");
    }
    let text = ana.cookies[SESSION].clone();
    assert!(text.starts_with("cs_signin_"));
    let audit = server.manage("GET", "/v1/audit?last=true&limit=5", &Value::Null).body;
    assert!(audit.contains("user.sign_in") && audit.contains(&id), "{audit}");
    assert!(!audit.contains(&text) && !server.log().contains(&text) && !server.log().contains(PASSWORD));
}

#[test]
fn session_fixation_a_text_that_was_planted_is_never_anybodys() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    user(&server, "ana", Some(PASSWORD));
    user(&server, "eve", Some("battery staple"));
    let mut eve = visitor(&server);
    assert_eq!(eve.sign_in("eve", "battery staple").status, 303);
    let planted = eve.cookies[SESSION].clone();
    let mut ana = visitor(&server);
    for planted in [planted.as_str(), "cs_signin_0", ""] {
        ana.cookies.insert(SESSION.to_owned(), planted.to_owned());
        assert_eq!(ana.sign_in("ana", PASSWORD).status, 303);
        assert!(ana.cookies[SESSION] != planted && ana.cookies[SESSION].starts_with("cs_signin_"));
    }
}

/// What of an answer tells nothing: what binds its form.
fn told(answer: &crate::harness::Answer, username: &str) -> String {
    let csrf = crate::visitor::hidden(answer, "csrf");
    let mut text =
        format!("{}\n{}", answer.status, answer.body.replace(&csrf, "CSRF").replace(username, "NAME"));
    for line in
        answer.head.lines().filter(|line| !line.starts_with("date:") && !line.starts_with("content-length:"))
    {
        text.push_str(line.split('=').next().unwrap_or_default());
        text.push('\n');
    }
    text
}

#[test]
fn user_enumeration_every_failure_is_told_alike() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    user(&server, "dora", Some(PASSWORD));
    user(&server, "without", None);
    let disabled = user(&server, "disabled", Some(PASSWORD));
    let deleted = user(&server, "deleted", Some(PASSWORD));
    let reset = user(&server, "resets", Some(PASSWORD));
    assert_eq!(server.manage("POST", &format!("/v1/users/{disabled}/disable"), &Value::Null).status, 200);
    assert_eq!(server.manage("DELETE", &format!("/v1/users/{deleted}"), &Value::Null).status, 204);
    assert_eq!(server.manage("POST", &format!("/v1/users/{reset}/reset"), &json!({})).status, 200);
    let long = "x".repeat(5000);
    let rows = [
        ("unknown", PASSWORD),
        ("dora", "correct horsf"),
        ("dora", ""),
        ("dora", &long),
        ("without", PASSWORD),
        ("without", ""),
        ("disabled", PASSWORD),
        ("deleted", PASSWORD),
        ("resets", PASSWORD),
        ("no username", PASSWORD),
    ];
    let expected = told(&visitor(&server).sign_in("nobody", "x"), "nobody");
    assert!(expected.starts_with("403\n"), "{expected}");
    for (username, password) in rows {
        let mut visitor = visitor(&server);
        assert_eq!(told(&visitor.sign_in(username, password), username), expected, "{username}");
        assert!(!visitor.cookies.contains_key(SESSION) && !visitor.cookies.contains_key(KNOWN));
    }
}

#[test]
fn user_enumeration_by_time_whoever_is_not_there_costs_as_much() {
    let place = Ground::on_sqlite();
    let server = place.up("data", &[]);
    let median = |names: Vec<String>| {
        let mut times: Vec<Duration> = names
            .iter()
            .map(|name| {
                let mut visitor = visitor(&server);
                let page = visitor.get("/login");
                let begun = Instant::now();
                assert_eq!(
                    visitor.fill(&page, "/login", &[("username", name), ("password", "x")]).status,
                    403
                );
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    (0..9).for_each(|n| drop(user(&server, &format!("user{n}"), Some(PASSWORD))));
    let there = median((0..9).map(|n| format!("user{n}")).collect());
    let nobody = median((0..9).map(|n| format!("nobody{n}")).collect());
    // A hash takes ten times what everything else does: what skips it takes a tenth.
    assert!(nobody > there / 2 && there > nobody / 2, "{there:?} {nobody:?}");
}

#[test]
fn brute_force_ends_after_a_few_guesses_and_locks_nobody_out_of_a_browser_that_is_known() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    user(&server, "ana", Some(PASSWORD));
    let mut ana = visitor(&server);
    assert_eq!(ana.sign_in("ana", PASSWORD).status, 303);
    for username in ["ana", "nobody"] {
        let mut eve = visitor(&server);
        let answers: Vec<_> = (0..7).map(|n| eve.sign_in(username, &format!("guess {n}")).status).collect();
        assert_eq!(answers, [403, 403, 403, 403, 403, 429, 429], "{username}");
        assert_eq!(eve.sign_in(username, PASSWORD).status, 429, "also what is right");
    }
    let answer = visitor(&server).sign_in("ana", PASSWORD);
    assert_eq!(answer.status, 429, "from a browser that nobody knows");
    assert_eq!(ana.sign_in("ana", PASSWORD).status, 303, "whoever guessed elsewhere stands in nobody's way");
    let mut eve = visitor(&server);
    eve.cookies.insert(KNOWN.to_owned(), "0".repeat(96));
    assert_eq!(eve.sign_in("ana", PASSWORD).status, 429, "what it holds has to be ours");
    user(&server, "eve", Some("battery staple"));
    let mut eve = visitor(&server);
    assert_eq!(eve.sign_in("eve", "battery staple").status, 303);
    assert_eq!(eve.sign_in("ana", PASSWORD).status, 429, "and of the same person");
}

#[test]
fn credential_stuffing_from_one_address_ends_after_thirty() {
    let place = Ground::on_sqlite();
    let server = place.up("data", &[]);
    let mut eve = visitor(&server);
    let answers: Vec<_> = (0..40).map(|n| eve.sign_in(&format!("user{n}"), "Passw0rd!").status).collect();
    let stopped = answers.iter().filter(|status| **status == 429).count();
    // One more is let through every ten seconds.
    assert!((5..=10).contains(&stopped), "{answers:?}");
}

#[test]
fn login_csrf_a_form_of_another_page_signs_nobody_in() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    user(&server, "eve", Some(PASSWORD));
    let typed = [("username", "eve"), ("password", PASSWORD)];
    let mut ana = visitor(&server);
    assert_eq!(ana.post("/login", &typed).status, 403, "without a token");
    let theirs = visitor(&server).get("/login");
    assert_eq!(ana.fill(&theirs, "/login", &typed).status, 403, "with one of another browser");
    assert!(!ana.cookies.contains_key(SESSION));
}
