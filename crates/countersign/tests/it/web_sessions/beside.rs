//! A session beside what is presented for one request: which of them counts, and whether they belong together.

use serde_json::json;

use super::{APP, World, settings};
use crate::harness::{Answer, Ground, Server, get, raw};
use crate::oauth::Client;

/// Routes that ask for a session together with something else, and one where either will do.
fn routes(token: &str) -> String {
    let session = format!(r#"{{ session = {{ client = "web", token = "{token}" }} }}"#);
    let rows = [
        ("owner", format!("all = [ {session}, {{ api_key = {{}} }} ]")),
        ("subject", format!("all = [ {{ api_key = {{}} }}, {session} ], agree = \"subject\"")),
        ("token", format!("all = [ {session}, {{ access_token = {{}} }} ], agree = \"organisation\"")),
        ("any", format!("any = [ {session}, {{ api_key = {{}} }} ]")),
    ];
    let routes = rows.map(|(name, require)| {
        format!("\n[[route]]\npath = \"/{name}\"\nupstream = \"default\"\nrequire = {{ {require} }}\n")
    });
    routes.concat() + &settings(token)
}

fn key_of(server: &Server, owner: &str) -> String {
    let minted = server.manage("POST", "/v1/keys", &json!({ "name": "k", "owner": owner }));
    assert_eq!(minted.status, 201, "{minted:?}");
    minted.json()["key"].as_str().unwrap().to_owned()
}

fn post(server: &Server, path: &str, fields: &str) -> Answer {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{fields}Connection: close\r\n\r\n"
    );
    raw(&server.address("gateway"), &request)
}

#[test]
fn safety_6_a_session_and_what_is_presented_beside_it_belong_together() {
    for token in ["opaque", "jwt"] {
        let place = Ground::on_sqlite();
        let config = place.write("c.toml", &routes(token));
        let mut world = World::of(place.up("data", &["--config", config.to_str().unwrap()]));
        let other = world.server.manage("POST", "/v1/users", &json!({ "username": "ben" })).json();
        world.enter("/");
        let server = &world.server;
        let key = |owner: &str| format!("X-API-Key: {}\r\n", key_of(server, owner));
        let (apps, anas, bens) =
            (key(&world.client()), key(&world.person), key(other["id"].as_str().unwrap()));
        let cookie = format!("Cookie: {APP}={}\r\n", world.cookie());
        let bearer = anas.replace("X-API-Key:", "Authorization: Bearer");
        let client = Client::register(server, &json!({ "name": "c", "grant_types": ["client_credentials"] }));
        let access = format!("Authorization: Bearer {}\r\n", client.token(server));
        for (what, path, fields, expected) in [
            ("the web app's own key", "/owner", [&*cookie, &apps], 200),
            ("the person's key is another owner's", "/owner", [&cookie, &anas], 403),
            ("the person's key, for whom they act", "/subject", [&cookie, &anas], 200),
            ("it, as a bearer", "/subject", [&cookie, &bearer], 200),
            ("another person's key", "/subject", [&cookie, &bens], 403),
            ("a token of the same organisation's", "/token", [&cookie, &access], 200),
            ("the session alone", "/owner", [&cookie, ""], 401),
            ("the key alone", "/owner", ["", &apps], 401),
            ("a session that is none", "/owner", ["Cookie: __Host-countersign-app-web=x\r\n", &apps], 401),
            ("a session twice", "/owner", [&format!("{cookie}{cookie}"), &apps], 400),
            ("a key that is none", "/owner", [&cookie, "X-API-Key: x\r\n"], 401),
            (
                "where either will do, what is presented goes first",
                "/any",
                [&cookie, "X-API-Key: x\r\n"],
                401,
            ),
        ] {
            let answer = get(&server.address("gateway"), path, &fields.concat());
            assert_eq!(answer.status, expected, "{token}, {what}: {answer:?}");
            assert_eq!(answer.header("set-cookie"), None, "{token}, {what}: nobody is signed out by it");
        }
    }
}

#[test]
fn attack_csrf_a_key_beside_a_session_is_no_proof_whence_a_request_comes() {
    let place = Ground::on_sqlite();
    let config = place.write("c.toml", &routes("opaque"));
    let mut world = World::of(place.up("data", &["--config", config.to_str().unwrap()]));
    world.enter("/");
    let key = format!("X-API-Key: {}\r\n", key_of(&world.server, &world.client()));
    let cookie = format!("Cookie: {APP}={}\r\n", world.cookie());
    for (what, path, said, expected) in [
        ("nobody says whence", "/owner", "", 403),
        ("from elsewhere", "/owner", "Sec-Fetch-Site: cross-site\r\nCountersign-CSRF: 1\r\n", 403),
        ("from a neighbour", "/owner", "Origin: http://evil.localhost\r\n", 403),
        ("from itself", "/owner", "Sec-Fetch-Site: same-origin\r\n", 200),
        ("by a script of the house", "/owner", "Countersign-CSRF: 1\r\n", 200),
        ("where the cookie does not count", "/any", "Sec-Fetch-Site: cross-site\r\n", 200),
    ] {
        let answer = post(&world.server, path, &[&*cookie, &key, said].concat());
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
    }
}

#[test]
fn a_person_is_not_sent_to_sign_in_for_what_they_lack_beside_it() {
    let place = Ground::on_sqlite();
    let config = place.write("c.toml", &routes("jwt"));
    let mut world = World::of(place.up("data", &["--config", config.to_str().unwrap()]));
    let page = world.enter("/owner");
    assert_eq!((page.status, page.header("set-cookie")), (401, None), "{page:?}");
    assert_eq!(world.asked().status, 200, "they stay signed in");
}
