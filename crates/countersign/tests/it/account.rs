//! What people see of their account and take back, over the real listeners: each ending is seen at the next request.

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::clocks::{make_second, second};
use crate::harness::{Answer, Ground, get};
use crate::people::{World, text};
use crate::visitor::Visitor;

const PASSWORD: &str = "correct horse";

/// Sends one of the forms of a page of the account.
fn press(browser: &mut Visitor, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = browser.get(path);
    assert_eq!(page.status, 200, "{page:?}");
    browser.fill(&page, path, fields)
}

/// Reads the names of what a page lists.
fn listed(page: &Answer) -> Vec<String> {
    let named = page.body.split("id=\"about-").skip(1).filter_map(|rest| rest.split('"').next());
    named.map(str::to_owned).collect()
}

#[test]
fn whoever_is_not_signed_in_sees_nothing_and_comes_back_to_the_page() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    for path in ["/account", "/account/apps", "/account/password"] {
        let mut browser = Visitor::at(&world.server.address("issuer"));
        let page = browser.get(path);
        assert!(page.status == 200 && page.body.contains("id=\"sign-in\""), "{page:?}");
        assert!(!page.body.contains("everywhere"), "{page:?}");
        let sent = browser.fill(&page, "/login", &[("username", "ana"), ("password", PASSWORD)]);
        assert_eq!((sent.status, sent.header("location").as_deref()), (303, Some(path)), "{sent:?}");
        assert!(browser.get(path).body.contains("Signed in as ana"));
    }
    // A form of somebody who is signed out meanwhile is none.
    let page = {
        world.browser.sign_in("ana", PASSWORD);
        world.browser.get("/account")
    };
    world.browser.cookies.clear();
    let sent = world.browser.fill(&page, "/account", &[("action", "everywhere")]);
    assert_eq!(sent.status, 403, "{sent:?}");
}

#[test]
fn asvs_7_5_2_a_session_that_is_ended_there_is_refused_at_its_next_request() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let mut other = Visitor::at(&world.server.address("issuer"));
    other.sign_in("ana", PASSWORD);
    world.browser.sign_in("ana", PASSWORD);
    let page = world.browser.get("/account");
    let [this, that] = <[String; 2]>::try_from(listed(&page)).unwrap();
    assert!(page.body.split(&that).next().unwrap().contains("this browser"), "{}", page.body);
    let sent = world.browser.fill(&page, "/account", &[("action", "end-session"), ("id", &that)]);
    assert_eq!((sent.status, sent.header("location").as_deref()), (303, Some("/account")), "{sent:?}");
    assert!(other.get("/account").body.contains("id=\"sign-in\""), "at its next request");
    assert_eq!(listed(&world.browser.get("/account")), [this.as_str()]);
    // Nobody ends the session of somebody else, and nobody learns whether there is one.
    let eve = json!({ "username": "eve", "password": PASSWORD });
    assert_eq!(world.server.manage("POST", "/v1/users", &eve).status, 201);
    let mut eve = Visitor::at(&world.server.address("issuer"));
    eve.sign_in("eve", PASSWORD);
    for id in [&this, &that, "session_0000000000000000000000"] {
        assert_eq!(press(&mut eve, "/account", &[("action", "end-session"), ("id", id)]).status, 303);
    }
    assert_eq!(listed(&world.browser.get("/account")), [this.as_str()]);
    let gone = press(&mut world.browser, "/account", &[("action", "sign-out")]);
    assert!(
        gone.body.contains("You are signed out")
            && world.browser.get("/account").body.contains("id=\"sign-in\"")
    );
}

#[test]
fn whoever_takes_an_apps_access_back_sees_its_next_call_refused() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let tokens = world.tokens();
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert_eq!(world.calls(&access), 200);
    let page = world.browser.get("/account/apps");
    assert!(page.body.contains("Order Book") && page.body.contains("orders:read"), "{}", page.body);
    let [grant] = <[String; 1]>::try_from(listed(&page)).unwrap();
    let sent = world.browser.fill(&page, "/account/apps", &[("action", "remove"), ("id", &grant)]);
    assert_eq!(sent.status, 303, "{sent:?}");
    assert_eq!(world.calls(&access), 401);
    assert_eq!(world.refresh(&refresh).json()["error"], "invalid_grant");
    assert!(world.browser.get("/account/apps").body.contains("not given any app access"));
    let page = world.browser.get(&world.request(&[]));
    assert!(page.body.contains("id=\"allow\""), "whoever wants it again asks again: {}", page.body);
    let audit = world.server.manage("GET", "/v1/audit?last=true&limit=20", &Value::Null).body;
    assert!(audit.contains("grant.revoke") && audit.contains("sign_in"), "{audit}");
}

#[test]
fn whoever_signs_out_everywhere_has_ended_what_apps_hold_too() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let mut other = Visitor::at(&world.server.address("issuer"));
    other.sign_in("ana", PASSWORD);
    let tokens = world.tokens();
    let sent = press(&mut world.browser, "/account", &[("action", "everywhere")]);
    assert!(sent.status == 200 && sent.body.contains("You are signed out"), "{sent:?}");
    assert_eq!(world.calls(&text(&tokens, "access_token")), 401);
    assert_eq!(world.refresh(&text(&tokens, "refresh_token")).json()["error"], "invalid_grant");
    for browser in [&mut other, &mut world.browser] {
        assert!(browser.get("/account").body.contains("id=\"sign-in\""));
    }
}

#[test]
fn asvs_6_2_3_a_password_is_changed_by_who_knows_it_and_signs_others_out() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let mut other = Visitor::at(&world.server.address("issuer"));
    other.sign_in("ana", PASSWORD);
    let tokens = world.tokens();
    let mut change = |password: &str, new: &str| {
        let fields = [("action", "change"), ("password", password), ("new_password", new)];
        press(&mut world.browser, "/account/password", &fields)
    };
    for (password, new, told) in [
        ("wrong", "battery staple", "do not match"),
        (PASSWORD, "short", "too short"),
        (PASSWORD, "ana", "too short"),
    ] {
        let page = change(password, new);
        assert!(page.body.contains(told), "{page:?}");
    }
    let sent = change(PASSWORD, "battery staple");
    assert_eq!((sent.status, sent.header("location").as_deref()), (303, Some("/account")), "{sent:?}");
    assert!(world.browser.get("/account").body.contains("Signed in as ana"), "still here");
    assert!(other.get("/account").body.contains("id=\"sign-in\""), "and nowhere else");
    assert_eq!(world.calls(&text(&tokens, "access_token")), 401);
    assert_eq!(other.sign_in("ana", PASSWORD).status, 403);
    assert_eq!(other.sign_in("ana", "battery staple").status, 303);
}

#[test]
fn csrf_another_sites_form_changes_nothing_of_an_account() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    world.browser.sign_in("ana", PASSWORD);
    let page = world.browser.get("/account");
    let (csrf, cookie) = (crate::visitor::hidden(&page, "csrf"), world.browser.cookies.clone());
    let body = format!("action=everywhere&request=account&csrf={csrf}");
    let pairs: Vec<_> = cookie.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for (fields, expected) in [
        ("Origin: https://evil.example\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:8000\r\n", 403),
    ] {
        let request = format!(
            "POST /account HTTP/1.1\r\nHost: localhost\r\n{fields}Cookie: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            pairs.join("; "),
            body.len()
        );
        let answer = crate::harness::raw(&world.server.address("issuer"), &request);
        assert_eq!(answer.status, expected, "{fields} {answer:?}");
    }
    // Nor does one without its token, or with that of another form.
    for fields in [
        &[("action", "everywhere")][..],
        &[("action", "everywhere"), ("csrf", &csrf), ("request", "account/apps")],
    ] {
        assert_eq!(world.browser.post("/account", fields).status, 403);
    }
    assert!(world.browser.get("/account").body.contains("Signed in as ana"));
    let framed = get(&world.server.address("issuer"), "/account", "");
    assert_eq!(framed.header("x-frame-options").as_deref(), Some("DENY"), "clickjacking");
}

/// What people may make for themselves.
const OFFERED: &str = r#"
[self_service]
api_keys = { scopes = ["orders:read"], max_lifetime = "30d" }
clients = { grants = ["authorization_code", "refresh_token"], scopes = ["orders:read"] }
"#;

fn offered(place: &Ground) -> World {
    let config = place.write("c.toml", OFFERED);
    World::new(place, &["--config", config.to_str().unwrap()], &json!({}))
}

/// Reads a text that a page shows once.
fn shown(page: &Answer, id: &str) -> String {
    let (_, rest) = page.body.split_once(&format!("id=\"{id}\">")).unwrap_or_else(|| panic!("{}", page.body));
    rest.split('<').next().unwrap().to_owned()
}

#[test]
fn what_the_settings_do_not_offer_is_not_there() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    world.browser.sign_in("ana", PASSWORD);
    let page = world.browser.get("/account");
    assert!(!page.body.contains("/account/keys") && !page.body.contains("/account/clients"), "{}", page.body);
    for path in ["/account/keys", "/account/clients"] {
        assert_eq!(world.browser.get(path).status, 404);
        assert_eq!(world.browser.post(path, &[("action", "create")]).status, 404);
    }
}

#[test]
fn people_make_a_key_that_is_shown_once_and_refused_once_it_is_revoked() {
    let place = Ground::new();
    let mut world = offered(&place);
    world.browser.sign_in("ana", PASSWORD);
    let page = world.browser.get("/account/keys");
    let once = crate::visitor::hidden(&page, "once");
    let mut create = |fields: &[(&str, &str)]| {
        world.browser.fill(
            &page,
            "/account/keys",
            &[&[("action", "create"), ("once", &once)], fields].concat(),
        )
    };
    for (scope, days, name, told) in [
        ("orders:write", "7", "ci", "orders:write"),
        ("orders:read", "31", "ci", "outlive"),
        ("orders:read", "0", "ci", ""),
        ("orders:read", "7", "", "name"),
    ] {
        let page = create(&[("scope", scope), ("days", days), ("name", name)]);
        assert!(page.body.contains("This was not done"), "{scope} {days} {name}: {}", page.body);
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    let made = create(&[("scope", "orders:read"), ("days", "7"), ("name", "ci <b>")]);
    let key = shown(&made, "secret");
    assert!(key.starts_with("cs_live_") && made.body.contains("ci &#60;b&#62;"), "{}", made.body);
    let again = create(&[("scope", "orders:read"), ("days", "7"), ("name", "ci <b>")]);
    assert!(again.status == 200 && !again.body.contains(&key), "{}", again.body);
    let call =
        |key: &str| get(&world.server.address("gateway"), "/orders/1", &format!("X-Api-Key: {key}\r\n"));
    let called = call(&key);
    assert!(called.status == 200 && called.body.contains(&world.person), "{called:?}");
    let page = world.browser.get("/account/keys");
    assert!(!page.body.contains(&key), "nor is it in the list");
    let [id] = <[String; 1]>::try_from(listed(&page)).unwrap();
    for action in ["revoke", "delete"] {
        let page = world.browser.get("/account/keys");
        let sent = world.browser.fill(&page, "/account/keys", &[("action", action), ("id", &id)]);
        assert_eq!(sent.status, 303, "{sent:?}");
        assert_eq!(call(&key).status, 401);
    }
    assert!(world.browser.get("/account/keys").body.contains("You have no API keys"));
    assert!(!world.server.log().contains(&key), "SAFETY 25");
}

#[test]
fn a_developer_registers_an_application_that_then_asks_people() {
    let place = Ground::new();
    let mut world = offered(&place);
    let dev = json!({ "username": "dev", "password": PASSWORD });
    assert_eq!(world.server.manage("POST", "/v1/users", &dev).status, 201);
    let mut developer = Visitor::at(&world.server.address("issuer"));
    developer.sign_in("dev", PASSWORD);
    let page = developer.get("/account/clients");
    let once = crate::visitor::hidden(&page, "once");
    let fields = |uri| {
        [
            ("action", "register"),
            ("once", once.as_str()),
            ("name", "Bookkeeper"),
            ("kind", "server"),
            ("scope", "orders:read"),
            ("redirect_uris", uri),
        ]
    };
    for uri in ["http://app.example/cb", "nonsense", "https://app.example/cb#x", ""] {
        let page = developer.fill(&page, "/account/clients", &fields(uri));
        assert!(page.body.contains("This was not done"), "{uri}: {}", page.body);
    }
    let made = developer.fill(&page, "/account/clients", &fields("https://app.example/cb\r\n"));
    let (id, secret) = (shown(&made, "client-id"), shown(&made, "secret"));
    let listed = world.server.manage("GET", &format!("/v1/clients/{id}"), &Value::Null).json();
    assert!(listed["registrant"].as_str().unwrap().starts_with("user_"), "{listed}");
    assert_eq!(
        listed["grant_types"],
        json!(["authorization_code", "refresh_token"]),
        "SAFETY 23: none of devices"
    );
    // It asks ana, who is told that nobody has checked it.
    world.app = crate::oauth::Client { id: id.clone(), secret };
    let request = world.request(&[("scope", "openid orders:read offline_access")]);
    let page = world.browser.get(&request);
    let page = world.sign_in(&page);
    assert!(page.body.contains("id=\"unchecked\"") && page.body.contains("Bookkeeper"), "{}", page.body);
    let code = crate::people::answer(&world.decide(&page, "allow")).remove("code").unwrap();
    let tokens = world.redeem(&code).json();
    let access = text(&tokens, "access_token");
    assert_eq!(world.calls(&access), 200, "{tokens}");
    // Another redirect URI: who allowed it is asked again (SAFETY 23).
    let page = developer.get("/account/clients");
    let change = [
        ("action", "change"),
        ("id", id.as_str()),
        ("name", "Bookkeeper"),
        ("redirect_uris", "https://app.example/cb\nhttps://evil.example/cb"),
    ];
    assert_eq!(developer.fill(&page, "/account/clients", &change).status, 303);
    assert!(world.browser.get(&request).body.contains("id=\"allow\""));
    // A new secret, and then it is turned off.
    let rotated = developer.fill(&page, "/account/clients", &[("action", "rotate"), ("id", &id)]);
    assert!(shown(&rotated, "secret") != world.app.secret);
    assert_eq!(developer.fill(&page, "/account/clients", &[("action", "disable"), ("id", &id)]).status, 303);
    assert_eq!(world.calls(&access), 401, "at its next call");
    // Of somebody else's it is as if there were none.
    let mut ana = world.browser.clone();
    let page = ana.get("/account/clients");
    assert!(!page.body.contains(&id));
    let sent = ana.fill(&page, "/account/clients", &[("action", "enable"), ("id", &id)]);
    assert!(sent.body.contains("there is no such owner"), "{}", sent.body);
}

#[test]
fn asvs_7_5_1_who_makes_something_has_signed_in_a_short_time_ago() {
    let place = Ground::on_sqlite();
    let config = place.write("c.toml", OFFERED);
    let config = config.to_str().unwrap();
    let Some(postgres) = Postgres::start() else { return };
    let store = postgres.url();
    let mut world = World::of(place.up("one", &["--store", &store, "--config", config]), &json!({}));
    world.browser.sign_in("ana", PASSWORD);
    assert!(world.browser.get("/account/keys").body.contains("id=\"create\""));
    make_second(&place);
    let two = second(&place, &store, (&world.server, 16 * 60), &["--config", config]);
    let mut later = Visitor::at(&two.address("issuer"));
    later.cookies = world.browser.cookies.clone();
    let page = later.get("/account/keys");
    assert!(page.body.contains("id=\"sign-in\"") && page.body.contains("value=\"ana\""), "{}", page.body);
    assert!(later.get("/account").body.contains("Signed in as ana"), "to look needs no more");
}
