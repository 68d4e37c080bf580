//! Attacks on sessions of web apps that were made elsewhere, each with what it is answered and what the audit says of it.

use serde_json::json;

use super::{APP, World, call, settings};
use crate::harness::{Ground, get};
use crate::oauth::Client;
use crate::visitor::Visitor;

/// A second web app beside the first, at the same gateway.
const OFFICE: &str = r#"
[[route]]
path = "/office/{**}"
upstream = "default"
require = { session = { client = "office", token = "TOKEN" } }
"#;

impl World {
    fn with_office(place: &Ground, token: &str) -> Self {
        let config = place.write("c.toml", &(OFFICE.replace("TOKEN", token) + &settings(token)));
        Self::of(place.up("data", &["--config", config.to_str().unwrap()]))
    }

    /// Somebody else at browsers of their own.
    fn eve(&self) -> Eve {
        let made = self.server.manage(
            "POST",
            "/v1/users",
            &json!({ "username": "eve", "password": "battery staple" }),
        );
        assert_eq!(made.status, 201, "{made:?}");
        let at = |listener| Visitor::at(&self.server.address(listener));
        Eve { app: at("gateway"), issuer: at("issuer") }
    }
}

/// The attacker, who has an account too.
struct Eve {
    app: Visitor,
    issuer: Visitor,
}

impl Eve {
    /// Goes as far as the issuer sends her back, and returns where that is.
    fn callback(&mut self, world: &World) -> String {
        let sent = self.app.get("/.countersign/login?client=web&return_to=/");
        let mut page = self.issuer.get(&world.path("issuer", &sent.header("location").unwrap()));
        if page.body.contains("id=\"sign-in\"") {
            let typed = [("username", "eve"), ("password", "battery staple")];
            let sent = self.issuer.fill(&page, "/login", &typed);
            page = self.issuer.get(&sent.header("location").unwrap());
        }
        world.path("gateway", &page.header("location").unwrap_or_else(|| panic!("{page:?}")))
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn attack_cookie_tossing_and_what_is_no_session_open_nothing() {
    for token in ["opaque", "jwt"] {
        let place = Ground::on_sqlite();
        let mut world = World::with_office(&place, token);
        world.enter("/");
        let cookie = world.cookie();
        let issuers = world.issuer.cookies["__Host-countersign-session"].clone();
        let three = ["a"; 3].map(|one| one.repeat(100)).join(".");
        let client = Client::register(&world.server, &json!({}));
        let access = client.token(&world.server);
        let office = "__Host-countersign-app-office";
        let mut wrong = Vec::new();
        for (what, path, fields, expected) in [
            ("it", "/api", format!("Cookie: {APP}={cookie}"), (200, "")),
            ("twice", "/api", format!("Cookie: {APP}={cookie}; {APP}={cookie}"), (400, "ambiguous")),
            (
                "in two fields",
                "/api",
                format!("Cookie: {APP}={cookie}\r\nCookie: {APP}={cookie}"),
                (400, "ambiguous"),
            ),
            (
                "after one that was tossed",
                "/api",
                format!("Cookie: {APP}=x; {APP}={cookie}"),
                (400, "ambiguous"),
            ),
            (
                "before one that was tossed",
                "/api",
                format!("Cookie: {APP}={cookie}; {APP}="),
                (400, "ambiguous"),
            ),
            (
                "of another path or domain",
                "/api",
                format!("Cookie: countersign-app-web={cookie}"),
                (401, "credential_required"),
            ),
            (
                "of this site alone",
                "/api",
                format!("Cookie: __Secure-countersign-app-web={cookie}"),
                (401, "credential_required"),
            ),
            (
                "in other letters",
                "/api",
                format!("Cookie: __host-countersign-app-web={cookie}"),
                (401, "credential_required"),
            ),
            (
                "at another web app",
                "/office/x",
                format!("Cookie: {APP}={cookie}"),
                (401, "credential_required"),
            ),
            (
                "as another web app's",
                "/office/x",
                format!("Cookie: {office}={cookie}"),
                (403, "wrong_client"),
            ),
            ("in the address", &format!("/api?{APP}={cookie}"), String::new(), (401, "credential_required")),
            ("as a bearer", "/api", format!("Authorization: Bearer {cookie}"), (401, "unrecognised")),
            ("nothing", "/api", format!("Cookie: {APP}="), (401, "unrecognised")),
            ("a quoted one", "/api", format!("Cookie: {APP}=\"{cookie}\""), (401, "unrecognised")),
            (
                "a cut one",
                "/api",
                format!("Cookie: {APP}={}", &cookie[..cookie.len() - 1]),
                (401, "unrecognised"),
            ),
            (
                "one that was altered",
                "/api",
                format!("Cookie: {APP}={}AAAAAA", &cookie[..cookie.len() - 6]),
                if token == "jwt" { (401, "signature") } else { (401, "unknown") },
            ),
            ("a guess", "/api", format!("Cookie: {APP}=cs_session_{}", "0".repeat(72)), (401, "unknown")),
            ("the issuer's", "/api", format!("Cookie: {APP}={issuers}"), (401, "unrecognised")),
            (
                "the issuer's own",
                "/api",
                format!("Cookie: __Host-countersign-session={issuers}"),
                (401, "credential_required"),
            ),
            ("more than 4 KB", "/api", format!("Cookie: {APP}={}", "x".repeat(8000)), (401, "unrecognised")),
            (
                "a signed one of more than 4 KB",
                "/api",
                format!("Cookie: {APP}={}.{}.{}", &cookie, "x".repeat(5000), "x".repeat(86)),
                (401, "unrecognised"),
            ),
            ("of three parts", "/api", format!("Cookie: {APP}={three}"), (401, "unrecognised")),
            ("an access token", "/api", format!("Cookie: {APP}={access}"), (401, "unrecognised")),
            ("no letters", "/api", format!("Cookie: {APP}=\u{e4}"), (401, "unrecognised")),
            ("no text", "/api", format!("Cookie: {APP}=\u{e4}\u{0}"), (400, "")),
            (
                "and something presented",
                "/api",
                format!("Cookie: {APP}={cookie}\r\nAuthorization: Bearer x"),
                (401, "malformed"),
            ),
        ] {
            let fields = if fields.is_empty() { fields } else { format!("{fields}\r\n") };
            let answer = get(&world.server.address("gateway"), path, &fields);
            let reason = world.server.reason(&answer);
            if (answer.status, &*reason) != expected {
                wrong.push((what, answer.status, reason, expected));
            }
        }
        assert!(wrong.is_empty(), "{token}: {wrong:#?}");
        // And the reverse: what a web app's browser keeps is nobody's sign-in at the issuer.
        for name in ["__Host-countersign-session", APP] {
            let field = format!("Cookie: {name}={cookie}\r\nAccept: text/html\r\n");
            let answer = get(&world.server.address("issuer"), "/account", &field);
            assert!(answer.body.contains("id=\"sign-in\""), "{token}, {name}: {answer:?}");
        }
        assert_eq!(call(&world.server, &cookie).status, 200, "{token}: and nobody was signed out by it");
    }
}

#[test]
fn attack_session_fixation_what_was_planted_is_never_anybodys_session() {
    for token in ["opaque", "jwt"] {
        let place = Ground::on_sqlite();
        let mut world = World::with_office(&place, token);
        let mut eve = world.eve();
        let back = eve.callback(&world);
        assert_eq!(eve.app.get(&back).status, 303);
        let planted = eve.app.cookies[APP].clone();
        assert_eq!(call(&world.server, &planted).status, 200);
        // Ana opens the page with what Eve has planted, is Eve there, and signs in as herself.
        world.app.cookies.insert(APP.to_owned(), planted.clone());
        let sent = world.app.get("/.countersign/login?client=web&return_to=/orders");
        let page = world.issuer.get(&world.path("issuer", &sent.header("location").unwrap()));
        let sent = world.issuer.fill(&page, "/login", &[("username", "ana"), ("password", super::PASSWORD)]);
        let sent = world.issuer.get(&sent.header("location").unwrap());
        assert_eq!(world.app.get(&world.path("gateway", &sent.header("location").unwrap())).status, 303);
        assert!(world.cookie() != planted, "{token}: the text is a new one");
        assert_eq!(world.asked().json()["username"], "ana");
        let refused = call(&world.server, &planted);
        assert_eq!((refused.status, &*world.server.reason(&refused)), (401, "revoked"), "{token}");
        // What never was a session is replaced as well.
        for planted in ["", "x", "cs_session_0"] {
            world.app.cookies.insert(APP.to_owned(), planted.to_owned());
            world.enter("/orders");
            assert!(world.cookie() != planted, "{token}: {planted}");
        }
    }
}

/// Replaces a parameter of an address; an empty value takes it away.
fn with(address: &str, name: &str, value: &str) -> String {
    let (path, query) = address.split_once('?').unwrap();
    let kept = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
    let mut pairs: Vec<_> = kept.map(str::to_owned).collect();
    if !value.is_empty() {
        pairs.push(format!("{name}={value}"));
    }
    format!("{path}?{}", pairs.join("&"))
}

fn parameter(address: &str, name: &str) -> String {
    let found = address.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    found.unwrap().to_owned()
}

#[test]
fn attack_login_csrf_nobody_is_signed_in_by_what_another_browser_began() {
    let place = Ground::on_sqlite();
    let mut world = World::with_office(&place, "opaque");
    let mut eve = world.eve();
    world.enter("/");
    world.app.cookies.clear();
    // Where the issuer sends Ana's browser, and what that keeps of her attempt; and Eve's.
    let mut begin = || {
        let sent = world.app.get("/.countersign/login?client=web&return_to=/");
        let sent = world.issuer.get(&world.path("issuer", &sent.header("location").unwrap()));
        world.path("gateway", &sent.header("location").unwrap())
    };
    let (anas, eves) = (begin(), eve.callback(&world));
    let kept = |visitor: &Visitor| {
        let found = visitor.cookies.iter().find(|(name, _)| name.contains("-login-"));
        found.map(|(name, value)| (name.clone(), value.clone())).unwrap()
    };
    let ((name, value), (eves_name, eves_value)) = (kept(&world.app), kept(&eve.app));
    let own = format!("{name}={value}");
    let code = |address: &str| parameter(address, "code");
    for (what, address, cookies) in [
        ("in a browser that has begun nothing", eves.clone(), String::new()),
        ("in a browser that has begun something else", eves.clone(), own.clone()),
        ("with her state alone", with(&anas, "state", &parameter(&eves, "state")), own.clone()),
        ("with her attempt under the name of this one", eves.clone(), format!("{name}={eves_value}")),
        ("with this attempt under the name of hers", eves.clone(), format!("{eves_name}={value}")),
        ("with an attempt that was tossed beside", anas.clone(), format!("{own}; {name}={eves_value}")),
        ("with one of another path or domain", anas.clone(), own.replace("__Host-", "")),
        ("without a state", with(&anas, "state", ""), own.clone()),
        ("with two", format!("{anas}&state=x"), own.clone()),
        ("from another issuer", with(&anas, "iss", "https%3A%2F%2Fevil.example"), own.clone()),
        ("from an issuer that does not say which", with(&anas, "iss", ""), own.clone()),
        ("with a refusal", with(&with(&anas, "code", ""), "error", "access_denied"), own.clone()),
        ("with a guess", with(&anas, "code", &"0".repeat(43)), own.clone()),
    ] {
        let fields = format!("Accept: text/html\r\nCookie: {cookies}\r\n");
        let answer = get(&world.server.address("gateway"), &address, &fields);
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert!(!answer.head.contains(APP), "{what}: {answer:?}");
    }
    // Her code with Ana's own attempt: the proof of who has asked for it is another (RFC 7636 §4.6).
    let injected = with(&anas, "code", &code(&eves));
    let fields = format!("Accept: text/html\r\nCookie: {own}\r\n");
    let answer = get(&world.server.address("gateway"), &injected, &fields);
    assert_eq!((answer.status, answer.head.contains(APP)), (400, false), "{answer:?}");
    // Ana's own comes through, once.
    let gateway = world.server.address("gateway");
    let good = get(&gateway, &anas, &fields);
    assert_eq!((good.status, good.head.contains(APP)), (303, true), "{good:?}");
    let again = get(&gateway, &anas, &fields);
    assert_eq!((again.status, again.head.contains(APP)), (400, false), "{again:?}");
}
