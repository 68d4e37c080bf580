//! Mailed links: a password is replaced, an address is confirmed; through files, and a conversation with a mail server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Ground, PATIENCE, Server, eventually};
use crate::people::{World, answer};
use crate::visitor::Visitor;

const SESSION: &str = "__Host-countersign-session";
const OLD: &str = "correct horse";
const NEW: &str = "battery staple";

/// A server that writes its mail into files.
fn with_files(place: &Ground) -> Server {
    place.write("c.toml", &settings(place, ""));
    place.up("data", &["--config", "c.toml", "--issuer-url", "https://auth.example.com"])
}

/// Settings by which mail is written into files, and `more`.
fn settings(place: &Ground, more: &str) -> String {
    format!("[mail]\nurl = \"file:{}\"\n{more}", place.path("mail").display())
}

fn user(server: &Server, name: &str) -> String {
    let body = json!({ "username": name, "password": OLD, "email": format!("{name}@example.com") });
    server.manage("POST", "/v1/users", &body).json()["id"].as_str().unwrap().to_owned()
}

/// Waits for so many letters; the oldest first.
fn letters(place: &Ground, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    eventually("a letter", || {
        let files = std::fs::read_dir(place.path("mail")).into_iter().flatten().flatten();
        let mut names: Vec<_> = files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        names.sort();
        found = names.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        found.len() >= most
    });
    found
}

/// Reads the link of a letter, as a path at the issuer.
fn link(letter: &str) -> String {
    let whole = letter.replace("=\r\n", "").replace("=3D", "=");
    let line = whole
        .lines()
        .find(|line| line.starts_with("https://auth.example.com/"))
        .unwrap_or_else(|| panic!("{letter}"));
    line.trim().strip_prefix("https://auth.example.com").unwrap().to_owned()
}

fn token(link: &str) -> &str {
    link.split_once("token=").unwrap().1
}

fn ask(visitor: &mut Visitor, username: &str) -> u16 {
    let page = visitor.get("/reset-password");
    visitor.fill(&page, "/reset-password", &[("username", username)]).status
}

#[test]
fn a_forgotten_password_is_replaced_by_a_link_that_works_once_and_ends_every_session() {
    let place = Ground::new();
    let server = with_files(&place);
    let id = user(&server, "ana");
    let issuer = server.address("issuer");
    let mut elsewhere = Visitor::at(&issuer);
    assert_eq!(elsewhere.sign_in("ana", OLD).status, 303);
    let mut ana = Visitor::at(&issuer);
    assert!(ana.get("/login").body.contains("/reset-password"));
    assert_eq!(ask(&mut ana, "Ana"), 200);
    let letter = letters(&place, 1).remove(0);
    assert!(
        letter.contains("To: ana@example.com") && letter.contains("no-reply@auth.example.com"),
        "{letter}"
    );
    assert!(letter.contains("Auto-Submitted: auto-generated"));
    let link = link(&letter);
    let page = ana.get(&link);
    assert!(page.status == 200 && page.body.contains("at least 8 characters"), "{page:?}");
    let fill = |visitor: &mut Visitor, password: &str| {
        visitor.fill(&page, "/reset-password", &[("token", token(&link)), ("password", password)]).status
    };
    place.write("c.toml", &settings(&place, "[password]\nmin_length = 15\n"));
    assert!(place.run(&["reload", "--data", "data"], &[]).status.success());
    assert!(ana.get(&link).body.contains("at least 15 characters"), "as the setting is now");
    assert_eq!(fill(&mut ana, NEW), 422);
    place.write("c.toml", &settings(&place, ""));
    assert!(place.run(&["reload", "--data", "data"], &[]).status.success());
    assert_eq!(fill(&mut ana, "short"), 422);
    assert_eq!(fill(&mut ana, "ana@example.com"), 422);
    assert_eq!(fill(&mut ana, NEW), 200);
    assert_eq!((fill(&mut ana, NEW), ana.get(&link).status), (403, 403), "it works once");
    assert_eq!(Visitor::at(&issuer).sign_in("ana", OLD).status, 403);
    assert_eq!(Visitor::at(&issuer).sign_in("ana", NEW).status, 303);
    let shown = server.manage("GET", &format!("/v1/users/{id}"), &Value::Null).json();
    assert!(shown["email_verified_at"].is_string(), "who reads the mail has proven the address");
    assert!(elsewhere.get("/device").body.contains("id=\"sign-in\""), "signed in nowhere any more");
    let text = elsewhere.cookies[SESSION].clone();
    assert!(!server.log().contains(token(&link)) && !server.log().contains(&text), "SAFETY 25");
}

#[test]
fn what_an_app_has_asked_goes_on_after_a_password_was_replaced_by_a_link() {
    let place = Ground::new();
    let mut world = World::of(with_files(&place), &json!({}));
    let about = json!({ "email": "ana@example.com", "email_verified": true });
    let amended = world.server.manage("PATCH", &format!("/v1/users/{}", world.person), &about);
    assert_eq!(amended.status, 200, "{amended:?}");
    let request = world.request(&[]);
    let page = world.browser.get(&request);
    assert!(page.body.contains("/reset-password"), "{page:?}");
    assert_eq!(ask(&mut world.browser, "ana"), 200);
    let link = link(&letters(&place, 1).remove(0));
    let choose = world.browser.get(&link);
    let typed = [("token", token(&link)), ("password", NEW)];
    assert_eq!(world.browser.fill(&choose, "/reset-password", &typed).status, 200);
    // The tab that the app has opened is there still: the new password, and it goes on.
    let sent = world.browser.fill(&page, "/login", &[("username", "ana"), ("password", NEW)]);
    let consent = world.browser.get(&sent.header("location").unwrap());
    let code = answer(&world.decide(&consent, "allow")).remove("code").unwrap();
    assert_eq!(world.redeem(&code).status, 200);
}

#[test]
fn an_address_is_a_name_of_whoever_has_proven_it_and_of_nobody_before() {
    let place = Ground::new();
    let server = with_files(&place);
    let (ana, issuer) = (user(&server, "ana"), server.address("issuer"));
    let eve = json!({ "username": "eve", "password": NEW, "email": "ana@example.com" });
    assert_eq!(server.manage("POST", "/v1/users", &eve).status, 201);
    let sign_in = |typed: &str, password: &str| Visitor::at(&issuer).sign_in(typed, password).status;
    assert_eq!([sign_in("ana@example.com", OLD), sign_in("ana@example.com", NEW)], [403, 403]);
    let mail = json!({ "link": "verify" });
    assert_eq!(server.manage("POST", &format!("/v1/users/{ana}/mail"), &mail).status, 202);
    let link = link(&letters(&place, 1).remove(0));
    let mut visitor = Visitor::at(&issuer);
    let page = visitor.get(&link);
    assert_eq!(visitor.fill(&page, "/verify-email", &[("token", token(&link))]).status, 200);
    for typed in ["Ana@Example.com", " ana@example.com ", "ana"] {
        assert_eq!(sign_in(typed, OLD), 303, "{typed}");
    }
    assert_eq!(sign_in("ana@example.com", NEW), 403, "who only says that it is theirs");
    let squatter = json!({ "username": "Ana@example.com" });
    assert_eq!(server.manage("POST", "/v1/users", &squatter).status, 409);
    assert_eq!(ask(&mut visitor, "ANA@EXAMPLE.COM"), 200);
    let letters = letters(&place, 2);
    let reset = letters.iter().find(|letter| letter.contains("/reset-password")).unwrap();
    assert!(reset.contains("To: ana@example.com"), "as it is registered, not as it was typed");
}

#[test]
fn user_enumeration_whoever_asks_for_a_link_hears_the_same_and_nobody_is_flooded() {
    let place = Ground::new();
    let server = with_files(&place);
    user(&server, "ana");
    let disabled = user(&server, "cy");
    assert_eq!(server.manage("POST", &format!("/v1/users/{disabled}/disable"), &Value::Null).status, 200);
    let issuer = server.address("issuer");
    let mut eve = Visitor::at(&issuer);
    let page = eve.get("/reset-password");
    let said: Vec<_> = ["ana", "nobody", "cy", "no username", "ana@example.com", "nobody@example.com"]
        .iter()
        .map(|username| eve.fill(&page, "/reset-password", &[("username", username)]))
        .map(|answer| (answer.status, answer.body))
        .collect();
    assert!(said.iter().all(|one| one == &said[0]) && said[0].0 == 200, "{said:?}");
    assert_eq!([ask(&mut eve, "ana"), ask(&mut eve, "ana"), ask(&mut eve, "ana")], [200, 200, 429]);
    let letters = letters(&place, 3);
    assert!(letters.len() == 3 && letters.iter().all(|letter| letter.contains("To: ana@example.com")));
}

#[test]
fn reset_tokens_are_bound_to_one_person_one_thing_and_the_host_of_the_settings() {
    let place = Ground::new();
    let server = with_files(&place);
    let (ana, bo) = (user(&server, "ana"), user(&server, "bo"));
    let mail = |id: &str, link: &str| {
        server.manage("POST", &format!("/v1/users/{id}/mail"), &json!({ "link": link })).status
    };
    assert_eq!([mail(&ana, "verify"), mail(&bo, "reset"), mail(&bo, "x")], [202, 202, 400]);
    let letters = letters(&place, 2);
    let (verify, reset) = (link(&letters[0]), link(&letters[1]));
    let issuer = server.address("issuer");
    let mut eve = Visitor::at(&issuer);
    let swapped = format!("/reset-password?token={}", token(&verify));
    assert_eq!(eve.get(&swapped).status, 403, "a link to confirm replaces nothing");
    assert_eq!(eve.get(&format!("/verify-email?token={}", token(&reset))).status, 403);
    assert_eq!(eve.get("/reset-password?token=cs_mail_0").status, 403);
    assert_eq!(
        eve.post("/reset-password", &[("token", token(&reset)), ("password", NEW)]).status,
        403,
        "no form of ours"
    );
    let page = eve.get(&verify);
    assert!(page.body.contains("ana@example.com"));
    let shown = || {
        server.manage("GET", &format!("/v1/users/{ana}"), &Value::Null).json()["email_verified_at"].clone()
    };
    assert!(shown().is_null(), "following a link does nothing");
    assert_eq!(eve.fill(&page, "/verify-email", &[("token", token(&verify))]).status, 200);
    assert!(shown().is_string());
    assert_eq!(server.manage("POST", &format!("/v1/users/{bo}/reset"), &json!({})).status, 200);
    assert_eq!(eve.get(&reset).status, 403, "a reset ends the links before it");
    let request = "GET /reset-password HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(crate::harness::raw(&issuer, request).status, 421, "links never name what a request did");
}

#[test]
fn where_no_mail_is_sent_there_are_no_such_pages() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let id = user(&server, "ana");
    let mut ana = Visitor::at(&server.address("issuer"));
    assert!(!ana.get("/login").body.contains("/reset-password"));
    assert_eq!([ana.get("/reset-password").status, ana.get("/verify-email").status], [404, 404]);
    assert_eq!(
        server.manage("POST", &format!("/v1/users/{id}/mail"), &json!({ "link": "reset" })).status,
        409
    );
}

/// Speaks SMTP (RFC 5321) to one client, and tells what it was sent.
fn mail_server() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut said = String::new();
        let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        say("220 mail.example.com ESMTP");
        while let Some(Ok(line)) = lines.next() {
            said.push_str(&line);
            said.push('\n');
            match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => {
                    say("250-mail.example.com");
                    say("250 AUTH PLAIN");
                }
                "AUTH" => say("235 2.7.0 authenticated"),
                "DATA" => {
                    say("354 go on");
                    for line in lines.by_ref().map_while(Result::ok).take_while(|line| line != ".") {
                        said.push_str(&line);
                        said.push('\n');
                    }
                    say("250 2.0.0 taken");
                    tell.send(said.clone()).unwrap();
                }
                "QUIT" => {
                    say("221 bye");
                    break;
                }
                _ => say("250 ok"),
            }
        }
    });
    (port, told)
}

#[test]
fn rfc5321_3_3_a_letter_is_given_to_a_mail_server() {
    let place = Ground::new();
    let (port, told) = mail_server();
    let settings = format!(
        "[mail]\nurl = \"smtp://post:s%20cret@127.0.0.1:{port}\"\nfrom = \"Example <auth@example.com>\"\n"
    );
    place.write("c.toml", &settings);
    let server = place.up("data", &["--config", "c.toml"]);
    let id = user(&server, "ana");
    assert!(place.run(&["user", "mail", &id, "--link", "verify", "--data", "data"], &[]).status.success());
    let said = told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        eventually("the log says why", || server.log().contains("a letter"));
        panic!("{}", server.log())
    });
    assert!(
        said.contains("MAIL FROM:<auth@example.com>") && said.contains("RCPT TO:<ana@example.com>"),
        "{said}"
    );
    assert!(said.contains("AUTH PLAIN AHBvc3QAcyBjcmV0"), "{said}");
    assert!(
        said.contains("From: Example <auth@example.com>") && said.contains("/verify-email?token"),
        "{said}"
    );
    assert!(!server.log().contains("cret@") && !server.log().contains("cs_mail_"), "SAFETY 25");
}

#[test]
fn what_mail_is_sent_by_has_to_mean_something() {
    let place = Ground::new();
    place.write("c.toml", "[mail]\nurl = \"ftp://mail.example.com\"\n");
    let refused = place.run(&["up", "--data", "data", "--config", "c.toml", "--json"], &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("mail.url: expected smtps://"), "{said}");
}
