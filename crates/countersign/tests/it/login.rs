//! A person signs in on the command line, and programs of theirs get tokens: `countersign login`, `token get`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};

use crate::browser;
use crate::harness::{Ground, Server, get};
use crate::visitor::Visitor;

const PASSWORD: &str = "correct horse";
const CLIENT: &str = "client_00000000CountersignCLI";

/// Signs in by `login`, as it asks: `in_browser` goes to the address that it shows. What it says at the end.
fn login(place: &Ground, server: &Server, home: &str, in_browser: impl FnOnce(&str)) -> Value {
    let issuer = server.card["issuer"].as_str().unwrap();
    let mut child = place
        .command(&["login", "--issuer", issuer, "--json"], &[("XDG_CONFIG_HOME", home)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    in_browser(told["verification_uri_complete"].as_str().unwrap());
    let done = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    done
}

/// Goes to an address of the issuer, signs in there, and allows what is asked.
fn allow(server: &Server, url: &str) {
    let mut browser = Visitor::at(&server.address("issuer"));
    let page = browser.get(url.strip_prefix(server.card["issuer"].as_str().unwrap()).unwrap());
    let sent = browser.fill(&page, "/login", &[("username", "ana"), ("password", PASSWORD)]);
    let page = browser.get(&sent.header("location").unwrap());
    assert!(page.body.contains("Countersign command line"), "{}", page.body);
    let decided = [("scope", "openid"), ("scope", "offline_access"), ("decision", "allow")];
    assert_eq!(browser.fill(&page, "/device", &decided).status, 200);
}

#[test]
fn rfc8628_a_person_signs_in_on_the_command_line_and_programs_get_fresh_tokens() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let person = json!({ "username": "ana", "password": PASSWORD });
    assert_eq!(server.manage("POST", "/v1/users", &person).status, 201);
    let home = place.path("home").display().to_string();
    let issuer = server.card["issuer"].as_str().unwrap().to_owned();
    let token = || {
        let output = place.run(&["token", "get", "--issuer", &issuer], &[("XDG_CONFIG_HOME", &home)]);
        (output.status.success(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    assert!(!token().0, "nobody has signed in");
    let done = login(&place, &server, &home, |url| allow(&server, url));
    assert_eq!(done["scope"], "offline_access openid");
    let file = place.path("home/countersign/tokens.json");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let (good, first) = token();
    let calls = |token: &str| {
        let field = format!("Authorization: Bearer {token}\r\n");
        get(&server.address("gateway"), "/", &field).status
    };
    assert!(good && calls(&first) == 200);
    assert_eq!(token().1, first, "it is fresh still");
    // It has ended, as far as anybody here knows: of many that ask at once, one renews it.
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    kept[format!("{issuer}/")]["expires_at"] = json!(0);
    std::fs::write(&file, kept.to_string()).unwrap();
    let renewed: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(token)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(renewed.iter().all(|(good, token)| *good && *token == renewed[0].1), "one for all");
    assert!(renewed[0].1 != first && calls(&renewed[0].1) == 200);
    // What a person has allowed is taken back: the next renewal says so.
    let grants = server.manage("GET", "/v1/grants", &Value::Null).json();
    let grant = grants["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(place.run(&["grant", "revoke", &grant, "--data", "data"], &[]).status.success());
    assert_eq!(calls(&renewed[0].1), 401);
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    kept[format!("{issuer}/")]["expires_at"] = json!(0);
    std::fs::write(&file, kept.to_string()).unwrap();
    assert!(!token().0 && !token().0, "sign in again");
}

#[test]
fn rfc8628_a_person_signs_in_on_the_command_line_with_a_real_browser() {
    if !browser::is_installed() {
        return;
    }
    let place = Ground::new();
    let server = place.up("data", &[]);
    let person = json!({ "username": "ana", "password": PASSWORD });
    assert_eq!(server.manage("POST", "/v1/users", &person).status, 201);
    let home = place.path("home").display().to_string();
    let done = login(&place, &server, &home, |url| browser::run("login.mjs", &server, &[("ADDRESS", url)]));
    assert_eq!(done["scope"], "offline_access openid");
    let issuer = server.card["issuer"].as_str().unwrap();
    let output = place.run(&["token", "get", "--issuer", issuer], &[("XDG_CONFIG_HOME", &home)]);
    let token = String::from_utf8(output.stdout).unwrap();
    let field = format!("Authorization: Bearer {}\r\n", token.trim());
    assert_eq!(get(&server.address("gateway"), "/", &field).status, 200);
}

#[test]
fn the_client_of_the_command_line_is_registered_once_and_stays_as_it_is_left() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let path = format!("/v1/clients/{CLIENT}");
    let shown = server.manage("GET", &path, &Value::Null).json();
    assert_eq!(shown["token_endpoint_auth_method"], "none");
    assert_eq!(server.manage("POST", &format!("{path}/disable"), &Value::Null).status, 200);
    server.stop();
    let _server = place.up("data", &[]);
    let shown = place.run(&["client", "show", CLIENT, "--json", "--data", "data"], &[]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(shown["disabled_at"].is_string(), "{shown}");
}
