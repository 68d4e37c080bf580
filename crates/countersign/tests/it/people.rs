//! A third-party app acts for a person, over the real listeners: the whole flow, how it ends, and rows of the attack corpus.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::base64url;
use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually, get, raw};
use crate::oauth::{Client, two_nodes};
use crate::visitor::Visitor;

const CALLBACK: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PASSWORD: &str = "correct horse";
pub(crate) const ALL: &str = "openid profile email orders:read offline_access";

/// A person, an app, and the browser of the one.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) app: Client,
    pub(crate) person: String,
    pub(crate) browser: Visitor,
}

impl World {
    pub(crate) fn new(place: &Ground, arguments: &[&str], more: &Value) -> Self {
        Self::of(place.up("data", arguments), more)
    }

    /// An app and a person of a server that runs.
    pub(crate) fn of(server: Server, more: &Value) -> Self {
        let mut about = json!({ "name": "Order Book", "grant_types": ["authorization_code"],
            "redirect_uris": [CALLBACK] });
        about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let app = Client::register(&server, &about);
        let made = server.manage(
            "POST",
            "/v1/users",
            &json!({ "username": "ana", "password": PASSWORD, "name": "Ana Example" }),
        );
        assert_eq!(made.status, 201, "{made:?}");
        let person = made.json()["id"].as_str().unwrap().to_owned();
        let browser = Visitor::at(&server.address("issuer"));
        Self { server, app, person, browser }
    }

    /// Where the app sends the browser; an empty value takes a parameter away.
    pub(crate) fn request(&self, changes: &[(&str, &str)]) -> String {
        let good = [
            ("client_id", self.app.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", ALL),
            ("state", "xyz"),
            ("nonce", "n-0S6"),
            ("code_challenge", &base64url::encode(digest(&SHA256, VERIFIER.as_bytes()).as_ref())),
            ("code_challenge_method", "S256"),
        ];
        let kept = good.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let pairs: Vec<_> = kept.chain(changes).filter(|(_, value)| !value.is_empty()).copied().collect();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("/oauth/authorize?{query}")
    }

    /// Signs in where that is asked, and allows what is asked; where the browser is sent.
    pub(crate) fn allow(&mut self, request: &str) -> BTreeMap<String, String> {
        let page = self.browser.get(request);
        let page = if page.body.contains("id=\"sign-in\"") { self.sign_in(&page) } else { page };
        let page = if page.body.contains("id=\"allow\"") { self.decide(&page, "allow") } else { page };
        answer(&page)
    }

    /// Fills in the page for signing in, and goes on.
    pub(crate) fn sign_in(&mut self, page: &Answer) -> Answer {
        let sent = self.browser.fill(page, "/login", &[("username", "ana"), ("password", PASSWORD)]);
        assert_eq!(sent.status, 303, "{sent:?}");
        self.browser.get(&sent.header("location").unwrap())
    }

    pub(crate) fn decide(&mut self, page: &Answer, decision: &str) -> Answer {
        let ticked =
            ["openid", "profile", "email", "orders:read", "offline_access"].map(|one| ("scope", one));
        self.browser.fill(page, "/consent", &[&ticked[..], &[("decision", decision)]].concat())
    }

    pub(crate) fn code(&mut self) -> String {
        let request = self.request(&[]);
        self.allow(&request).remove("code").unwrap()
    }

    pub(crate) fn redeem(&self, code: &str) -> Answer {
        let form = format!(
            "grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
        );
        self.app.post(&self.server, "/oauth/token", &form)
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.app.post(
            &self.server,
            "/oauth/token",
            &format!("grant_type=refresh_token&refresh_token={token}"),
        )
    }

    pub(crate) fn calls(&self, token: &str) -> u16 {
        self.call(token).status
    }

    fn call(&self, token: &str) -> Answer {
        get(&self.server.address("gateway"), "/orders/1", &format!("Authorization: Bearer {token}\r\n"))
    }

    fn userinfo(&self, token: &str) -> Answer {
        let field = format!("Authorization: Bearer {token}\r\n");
        get(&self.server.address("issuer"), "/oauth/userinfo", &field)
    }

    /// What an app has after a whole flow: its tokens.
    pub(crate) fn tokens(&mut self) -> Value {
        let code = self.code();
        let answer = self.redeem(&code);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// Reads what a browser carries to the app.
#[track_caller]
pub(crate) fn answer(page: &Answer) -> BTreeMap<String, String> {
    let location = page.header("location").unwrap_or_default();
    assert!(page.status == 303 && location.starts_with(CALLBACK), "{page:?}");
    let (_, query) = location.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

pub(crate) fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap_or_default().to_owned()
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64url::decode(payload).unwrap()).unwrap()
}

#[test]
fn an_app_acts_for_a_person_who_has_signed_in_and_allowed_it() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let page = world.browser.get(&world.request(&[]));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Order Book") && page.body.contains("id=\"sign-in\""), "{}", page.body);
    let page = world.sign_in(&page);
    assert!(page.body.contains("Order Book") && page.body.contains("app.example"), "{}", page.body);
    assert!(page.body.contains("id=\"allow\"") && page.body.contains("orders:read"), "{}", page.body);
    let sent = world.decide(&page, "allow");
    let told = answer(&sent);
    let issuer = world.server.card["issuer"].as_str().unwrap().to_owned();
    assert_eq!((told["state"].as_str(), &told["iss"]), ("xyz", &issuer), "RFC 9207 §2");
    let answered = world.redeem(&told["code"]);
    assert_eq!(answered.status, 200, "{answered:?}");
    let tokens = answered.json();
    assert_eq!(tokens["scope"], "email offline_access openid orders:read profile");
    let called = world.call(&text(&tokens, "access_token"));
    assert_eq!(called.status, 200);
    assert!(called.body.contains(&world.person) && called.body.contains(&world.app.id), "{}", called.body);
    let known = claims(&text(&tokens, "id_token"));
    assert_eq!((&known["sub"], &known["nonce"]), (&json!(world.person), &json!("n-0S6")));
    let about = world.userinfo(&text(&tokens, "access_token"));
    assert_eq!(about.status, 200, "{about:?}");
    assert_eq!((&about.json()["sub"], &about.json()["name"]), (&json!(world.person), &json!("Ana Example")));
    let refreshed = world.refresh(&text(&tokens, "refresh_token"));
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_eq!(world.calls(&text(&refreshed.json(), "access_token")), 200);
    // Allowed once, and signed in: nobody is asked again.
    let request = world.request(&[]);
    let silent = answer(&world.browser.get(&request));
    assert!(silent.contains_key("code"), "{silent:?}");
    let none = world.request(&[("prompt", "none")]);
    assert!(answer(&world.browser.get(&none)).contains_key("code"));
    for secret in [&text(&tokens, "refresh_token"), &told["code"]] {
        assert!(!world.server.log().contains(secret.as_str()), "SAFETY 25");
    }
}

#[test]
fn safety_17_what_an_app_has_ends_in_each_way_at_the_next_request() {
    type End = fn(&World, &Value) -> Answer;
    let ends: [(&str, End); 10] = [
        ("the token", |world, tokens| world.ends(&json!({ "token": tokens["access_token"] }))),
        ("the family", |world, tokens| {
            world.ends(&json!({ "family": claims(&text(tokens, "access_token"))["family"] }))
        }),
        ("the grant", |world, tokens| {
            world.ends(&json!({ "grant": claims(&text(tokens, "access_token"))["grant_id"] }))
        }),
        ("the grant by its place", |world, tokens| {
            let grant = claims(&text(tokens, "access_token"))["grant_id"].as_str().unwrap().to_owned();
            world.server.manage("POST", &format!("/v1/grants/{grant}/revoke"), &Value::Null)
        }),
        ("the person at the app", |world, _| {
            world.ends(&json!({ "client": world.app.id, "subject": world.person }))
        }),
        ("the person", |world, _| world.ends(&json!({ "subject": world.person }))),
        ("the client", |world, _| world.ends(&json!({ "client": world.app.id }))),
        ("the client's word", |world, tokens| {
            let form = format!("token={}", text(tokens, "refresh_token"));
            world.app.post(&world.server, "/oauth/revoke", &form)
        }),
        ("the person is disabled", |world, _| {
            world.server.manage("POST", &format!("/v1/users/{}/disable", world.person), &Value::Null)
        }),
        ("the person is deleted", |world, _| {
            let at = format!("/v1/users/{}", world.person);
            assert_eq!(world.server.manage("POST", &format!("{at}/disable"), &Value::Null).status, 200);
            world.server.manage("DELETE", &at, &Value::Null)
        }),
    ];
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    for (what, end) in ends {
        let tokens = world.tokens();
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        assert_eq!((world.calls(&access), world.userinfo(&access).status), (200, 200), "{what}");
        let ended = end(&world, &tokens);
        assert!(ended.status < 300, "{what}: {ended:?}");
        assert_eq!((world.calls(&access), world.userinfo(&access).status), (401, 401), "{what}");
        assert!(!world.app.is_active(&world.server, &access), "{what}");
        if what == "the person is disabled" {
            let at = format!("/v1/users/{}/enable", world.person);
            assert_eq!(world.server.manage("POST", &at, &Value::Null).status, 200);
        }
        // One token that ends leaves the others.
        let expected = if what == "the token" { 200 } else { 400 };
        assert_eq!(world.refresh(&refresh).status, expected, "{what}");
    }
    let left = world.server.manage("GET", "/v1/grants", &Value::Null).json();
    assert_eq!(left["data"], json!([]), "what a person allowed goes with them");
}

#[test]
fn many_tabs_of_one_person_are_answered_at_once() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    world.tokens();
    let request = world.request(&[]);
    for _ in 0..5 {
        let begin = Arc::new(Barrier::new(24));
        let tabs = (0..24).map(|_| {
            let (mut tab, request, begin) = (world.browser.clone(), request.clone(), Arc::clone(&begin));
            thread::spawn(move || {
                begin.wait();
                tab.get(&request)
            })
        });
        let tabs: Vec<_> = tabs.collect();
        for tab in tabs {
            assert!(answer(&tab.join().unwrap()).contains_key("code"));
        }
    }
}

#[test]
fn attack_45_a_disabled_client_an_ended_grant_and_an_ended_family_each_have_their_code() {
    type End = fn(&World, &Value) -> Answer;
    type Told<'a> = (u16, &'a str);
    let (client, grant) = ((401, "invalid_client"), (400, "invalid_grant"));
    // How it ends, why the gateway refuses the access token, and what the token endpoint says to a refresh and to a code in hand.
    let rows: [(&str, End, &str, Told<'_>, Told<'_>); 5] = [
        (
            "the client is disabled",
            |world, _| world.switch(&format!("clients/{}", world.app.id)),
            "owner_disabled",
            client,
            client,
        ),
        (
            "its organisation is",
            |world, _| world.switch(&format!("owners/{}", world.tenant())),
            "owner_disabled",
            client,
            client,
        ),
        (
            "the person is",
            |world, _| world.switch(&format!("users/{}", world.person)),
            "revoked",
            grant,
            grant,
        ),
        (
            "the grant is ended",
            |world, tokens| {
                world.ends(&json!({ "grant": claims(&text(tokens, "access_token"))["grant_id"] }))
            },
            "revoked",
            grant,
            grant,
        ),
        (
            "the family is ended",
            |world, tokens| world.ends(&json!({ "family": claims(&text(tokens, "access_token"))["family"] })),
            "revoked",
            grant,
            (200, ""),
        ),
    ];
    for (what, end, reason, refresh, code) in rows {
        let place = Ground::on_sqlite();
        let mut world = World::of_tenant(&place);
        let (tokens, in_hand) = (world.tokens(), world.code());
        let ended = end(&world, &tokens);
        assert!(ended.status < 300, "{what}: {ended:?}");
        let refused = world.call(&text(&tokens, "access_token"));
        assert_eq!((refused.status, &*world.server.reason(&refused)), (401, reason), "{what}");
        let told = |answer: &Answer| (answer.status, text(&answer.json(), "error"));
        let (refreshed, redeemed) = (world.refresh(&text(&tokens, "refresh_token")), world.redeem(&in_hand));
        let expected = |(status, error): Told<'_>| (status, error.to_owned());
        assert_eq!((told(&refreshed), told(&redeemed)), (expected(refresh), expected(code)), "{what}");
    }
}

impl World {
    /// An app of a tenant, and a person of the house.
    fn of_tenant(place: &Ground) -> Self {
        let server = place.up("data", &[]);
        let tenant = json!({ "kind": "organisation", "name": "tenant" });
        let tenant = server.manage("POST", "/v1/owners", &tenant).json()["id"].clone();
        Self::of(server, &json!({ "organisation": tenant }))
    }

    fn tenant(&self) -> String {
        let shown = self.server.manage("GET", &format!("/v1/clients/{}", self.app.id), &Value::Null);
        text(&shown.json(), "organisation")
    }

    fn switch(&self, what: &str) -> Answer {
        self.server.manage("POST", &format!("/v1/{what}/disable"), &Value::Null)
    }

    fn ends(&self, what: &Value) -> Answer {
        self.server.manage("POST", "/v1/tokens/revoke", what)
    }
}

#[test]
fn attacks_1_to_12_nobody_is_sent_where_they_should_not_be() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    for changes in [
        &[("client_id", "client_0000000000000000000000")][..],
        &[("client_id", "")],
        &[("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", "https://app.example/cb/../x")],
        &[("redirect_uri", "javascript:alert(1)")],
        &[("redirect_uri", CALLBACK), ("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", "https://evil.example/"), ("response_type", "token")],
    ] {
        let page = world.browser.get(&world.request(changes));
        assert_eq!((page.status, page.header("location")), (400, None), "{changes:?}");
        assert!(!page.body.contains("evil.example") && !page.body.contains("javascript:"), "{changes:?}");
        assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    }
    let issuer = world.server.card["issuer"].as_str().unwrap().to_owned();
    for (changes, code) in [
        (&[("response_type", "token")][..], "unsupported_response_type"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (&[("scope", "openid admin")], "invalid_scope"),
        (&[("resource", "https://evil.example")], "invalid_target"),
        (&[("prompt", "none")], "login_required"),
        (&[("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
    ] {
        let told = answer(&world.browser.get(&world.request(changes)));
        assert_eq!((told["error"].as_str(), &told["iss"]), (code, &issuer), "{changes:?}");
        assert!(told["state"] == "xyz" && !told.contains_key("code"), "{changes:?}");
    }
}

#[test]
fn attack_43_a_decision_is_bound_to_browser_session_and_request() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    let page = world.browser.get(&world.request(&[]));
    let page = world.sign_in(&page);
    let fields =
        |page: &Answer| [crate::visitor::hidden(page, "csrf"), crate::visitor::hidden(page, "request")];
    let [csrf, request] = fields(&page);
    let other = request.replace("state=xyz", "state=abc");
    assert_ne!(other, request);
    for (csrf, request) in [(csrf.as_str(), other.as_str()), ("", &request), ("00", &request)] {
        let sent = [("csrf", csrf), ("request", request), ("scope", "openid"), ("decision", "allow")];
        let refused = world.browser.post("/consent", &sent);
        assert_eq!((refused.status, refused.header("location")), (403, None), "{refused:?}");
    }
    let mut stranger = Visitor::at(&world.server.address("issuer"));
    let sent = [("csrf", csrf.as_str()), ("request", &request), ("decision", "allow")];
    assert_eq!(stranger.post("/consent", &sent).status, 403, "another browser");
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(sent).finish();
    let cookies: Vec<_> =
        world.browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for foreign in ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example"]
    {
        let refused = raw(
            &world.server.address("issuer"),
            &format!(
                "POST /consent HTTP/1.1\r\nHost: localhost\r\n{foreign}\r\nCookie: {}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                cookies.join("; "),
                body.len()
            ),
        );
        assert_eq!(refused.status, 403, "{foreign}");
    }
    let denied = answer(&world.decide(&page, "deny"));
    assert_eq!((denied["error"].as_str(), denied.contains_key("code")), ("access_denied", false));
    // The back button: the page that was shown before still does what it says.
    assert!(answer(&world.decide(&page, "allow")).contains_key("code"));
}

#[test]
fn openid_core_3_1_2_1_whoever_is_not_meant_is_not_taken_for_who_is() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    let id_token = text(&world.tokens(), "id_token");
    let other = json!({ "username": "eve", "password": "battery staple" });
    assert_eq!(world.server.manage("POST", "/v1/users", &other).status, 201);
    let ours = world.request(&[("id_token_hint", &id_token), ("prompt", "none")]);
    assert!(answer(&world.browser.get(&ours)).contains_key("code"));
    let mut eve = Visitor::at(&world.server.address("issuer"));
    let asked = world.request(&[("id_token_hint", &id_token)]);
    let page = eve.get(&asked);
    assert!(page.body.contains("id=\"sign-in\""), "{}", page.body);
    let sent = eve.fill(&page, "/login", &[("username", "eve"), ("password", "battery staple")]);
    let told = answer(&eve.get(&sent.header("location").unwrap()));
    assert_eq!(told["error"], "login_required", "and is not asked to sign in for ever");
    for hint in ["x", "a.b.c", &text(&world.tokens(), "access_token")] {
        let told = world.request(&[("id_token_hint", hint)]);
        assert_eq!(answer(&world.browser.get(&told))["error"], "login_required", "{hint}");
    }
}

#[test]
fn openid_core_3_1_2_1_a_request_by_form_is_the_same_request() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    world.tokens();
    let request = world.request(&[]);
    let (_, query) = request.split_once('?').unwrap();
    let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut elsewhere = Visitor::at(&world.server.address("issuer"));
    let sent = elsewhere.post("/oauth/authorize", &fields);
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some(request)),
        "our cookies come with the next one"
    );
    assert!(answer(&world.browser.get(&sent.header("location").unwrap())).contains_key("code"));
    let long = "x".repeat(9000);
    assert_eq!(elsewhere.post("/oauth/authorize", &[("client_id", &long)]).status, 413);
}

#[test]
fn rfc9110_9_2_1_a_head_neither_authorizes_nor_signs_out() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    let hint = text(&world.tokens(), "id_token");
    let request = world.request(&[]);
    for path in [request.clone(), format!("/oauth/logout?id_token_hint={hint}")] {
        let told = world.browser.head(&path);
        assert_eq!((told.status, told.header("allow").as_deref()), (405, Some("GET, POST")), "{path}");
    }
    assert!(answer(&world.browser.get(&request)).contains_key("code"), "signed in as before");
}

#[test]
fn oauth_form_post_response_mode_the_answer_is_a_form() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    let page = world.browser.get(&world.request(&[("response_mode", "form_post")]));
    let page = world.sign_in(&page);
    let page = world.decide(&page, "allow");
    assert_eq!((page.status, page.header("location")), (200, None));
    assert!(page.body.contains("action=\"https://app.example/cb\""), "{}", page.body);
    for name in ["code", "state", "iss"] {
        assert!(page.body.contains(&format!("name=\"{name}\"")), "{}", page.body);
    }
}

/// Redeems one text many times at once.
fn at_once(world: &World, form: &str, times: usize) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(times));
    thread::scope(|scope| {
        let redeeming: Vec<_> = (0..times)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                scope.spawn(move || {
                    barrier.wait();
                    world.app.post(&world.server, "/oauth/token", form)
                })
            })
            .collect();
        redeeming.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn attacks_14_and_25_of_many_who_redeem_at_once_one_family_lives_or_none() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let rounds: usize = std::env::var("TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let mut token = text(&world.tokens(), "refresh_token");
    for round in 0..rounds {
        let answers = at_once(&world, &format!("grant_type=refresh_token&refresh_token={token}"), 64);
        assert!(answers.iter().all(|one| [200, 400].contains(&one.status)), "never 500: {answers:?}");
        let mut lives: Vec<_> = answers
            .iter()
            .filter(|one| one.status == 200)
            .map(|one| text(&one.json(), "refresh_token"))
            .collect();
        lives.dedup();
        assert_eq!(lives.len(), 1, "{round}: one answer for all that are answered");
        assert!(
            answers.iter().all(|one| one.status == 200),
            "{round}: a client that proves itself is answered"
        );
        token = lives.remove(0);
    }
    let code = world.code();
    let form = format!(
        "grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
    );
    let answers = at_once(&world, &form, 64);
    let good: Vec<_> = answers.iter().filter(|one| one.status == 200).collect();
    assert_eq!(
        good.len(),
        1,
        "RFC 6749 §4.1.2: {:?}",
        answers.iter().map(|one| one.status).collect::<Vec<_>>()
    );
    assert!(answers.iter().all(|one| one.status == 200 || one.json()["error"] == "invalid_grant"));
    // The replays have ended what the first has obtained.
    assert_eq!(world.calls(&text(&good[0].json(), "access_token")), 401);
}

#[test]
fn safety_9_of_many_who_refresh_for_a_public_client_at_once_none_lives_twice() {
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    let public = json!({ "name": "spa", "grant_types": ["authorization_code"], "scopes": ["orders:read"],
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let made = world.server.manage("POST", "/v1/clients", &public);
    assert_eq!(made.status, 201, "{made:?}");
    world.app.id = text(&made.json(), "client_id");
    let issuer = world.server.address("issuer");
    let post = |form: &str| {
        raw(
            &issuer,
            &format!(
                "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
                form.len()
            ),
        )
    };
    for _ in 0..5 {
        let request = world.request(&[("prompt", "consent")]);
        let code = world.allow(&request).remove("code").unwrap();
        let id = world.app.id.clone();
        let got = post(&format!(
            "grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client_id={id}"
        ));
        assert_eq!(got.status, 200, "{got:?}");
        let token = text(&got.json(), "refresh_token");
        let form = format!("grant_type=refresh_token&refresh_token={token}&client_id={id}");
        let answers: Vec<_> = thread::scope(|scope| {
            let all: Vec<_> = (0..16).map(|_| scope.spawn(|| post(&form))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let good: Vec<_> = answers.iter().filter(|one| one.status == 200).collect();
        assert_eq!(good.len(), 1, "one winner");
        assert_eq!(world.calls(&text(&good[0].json(), "access_token")), 401, "and a dead family");
    }
}

#[test]
fn openid_rp_initiated_logout_ends_the_session_and_sends_on_only_by_an_id_token() {
    let place = Ground::on_sqlite();
    let out = "https://app.example/out";
    let mut world = World::new(&place, &[], &json!({ "post_logout_redirect_uris": [out] }));
    let id_token = text(&world.tokens(), "id_token");
    let to = |hint: &str, uri: &str| {
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", uri), ("state", "s")];
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        format!(
            "/oauth/logout?{}",
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
        )
    };
    for (hint, uri) in [("", out), ("x.y.z", out)] {
        let page = world.browser.get(&to(hint, uri));
        assert_eq!((page.status, page.header("location")), (200, None), "{hint}");
        assert!(page.body.contains("id=\"sign-out\""), "asked: {}", page.body);
    }
    let request = world.request(&[("prompt", "none")]);
    assert!(answer(&world.browser.get(&request)).contains_key("code"), "nobody is signed out yet");
    let gone = world.browser.get(&to(&id_token, out));
    assert_eq!(gone.header("location").as_deref(), Some("https://app.example/out?state=s"));
    assert_eq!(answer(&world.browser.get(&request))["error"], "login_required");
    // By a form of the client's page, with which a browser does not bring our cookies.
    let id_token = text(&world.tokens(), "id_token");
    let fields = [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", out)];
    let sent = Visitor::at(&world.server.address("issuer")).post("/oauth/logout", &fields);
    assert_eq!(sent.status, 303, "{sent:?}");
    let gone = world.browser.get(&sent.header("location").unwrap());
    assert_eq!(gone.header("location").as_deref(), Some(out));
    assert_eq!(answer(&world.browser.get(&request))["error"], "login_required");
    let evil = world.browser.get(&to(&id_token, "https://evil.example/"));
    assert_eq!((evil.status, evil.header("location")), (200, None), "attack 9");
    // By the page, without any client.
    world.tokens();
    let page = world.browser.get("/oauth/logout");
    let done = world.browser.fill(&page, "/logout", &[("decision", "allow")]);
    assert_eq!(done.status, 200);
    assert_eq!(answer(&world.browser.get(&request))["error"], "login_required");
}

#[test]
fn asvs_7_4_2_a_browser_is_asked_to_sign_in_again_once_its_person_was_ended_in_any_way() {
    type End = fn(&World, &str);
    let manage = |world: &World, method: &str, path: &str, body: &Value| {
        let done = world.server.manage(method, path, body);
        assert!(done.status < 300, "{path}: {done:?}");
    };
    let ends: [(&str, End); 6] = [
        ("nothing", |_, _| {}),
        ("a new password", |world, user| {
            let reset = world.server.manage(
                "POST",
                &format!("{user}/reset"),
                &json!({ "password": "battery staple" }),
            );
            assert!(reset.status < 300, "{reset:?}");
        }),
        ("no password", |world, user| {
            assert!(world.server.manage("POST", &format!("{user}/reset"), &json!({})).status < 300);
        }),
        ("disabled, and enabled again", |world, user| {
            assert!(world.server.manage("POST", &format!("{user}/disable"), &Value::Null).status < 300);
            assert!(world.server.manage("POST", &format!("{user}/enable"), &Value::Null).status < 300);
        }),
        ("everything before", |world, _| {
            let revoked =
                world.server.manage("POST", "/v1/tokens/revoke", &json!({ "subject": world.person }));
            assert!(revoked.status < 300, "{revoked:?}");
        }),
        ("deleted", |world, user| {
            assert!(world.server.manage("POST", &format!("{user}/disable"), &Value::Null).status < 300);
            assert!(world.server.manage("DELETE", user, &Value::Null).status < 300);
        }),
    ];
    let place = Ground::new();
    let mut world = World::new(&place, &[], &json!({}));
    for (index, (what, end)) in ends.iter().enumerate() {
        if index > 0 {
            let name = format!("ana{index}");
            manage(&world, "POST", "/v1/users", &json!({ "username": name, "password": PASSWORD }));
            let users = world.server.manage("GET", "/v1/users", &Value::Null).json();
            let made = users["data"].as_array().unwrap().iter().find(|one| one["username"] == *name).unwrap();
            world.person = made["id"].as_str().unwrap().to_owned();
            world.browser = Visitor::at(&world.server.address("issuer"));
            assert_eq!(world.browser.sign_in(&name, PASSWORD).status, 303, "{what}");
        } else {
            world.tokens();
        }
        let silent = world.request(&[("prompt", "none")]);
        let before = answer(&world.browser.get(&silent));
        assert!(before.get("error").is_none_or(|error| error == "consent_required"), "{what}: {before:?}");
        end(&world, &format!("/v1/users/{}", world.person));
        let page = world.browser.get(&world.request(&[]));
        let device = world.browser.get("/device");
        let asked = |page: &Answer| page.body.contains("id=\"sign-in\"");
        assert_eq!((asked(&page), asked(&device)), (*what != "nothing", *what != "nothing"), "{what}");
        if *what != "nothing" {
            assert_eq!(answer(&world.browser.get(&silent))["error"], "login_required", "{what}");
        }
    }
}

#[test]
fn safety_15_an_upstream_on_another_port_of_the_host_is_told_no_cookie_of_ours() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    let token = text(&world.tokens(), "access_token");
    let cookies: Vec<_> =
        world.browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert!(cookies.len() >= 2, "{cookies:?}");
    let field = format!("Authorization: Bearer {token}\r\nCookie: theme=dark; {}\r\n", cookies.join("; "));
    let told = get(&world.server.address("gateway"), "/", &field);
    assert_eq!(told.status, 200);
    assert!(told.body.contains("theme=dark") && !told.body.contains("__Host-"), "{}", told.body);
}

#[test]
fn openid_core_5_3_userinfo_is_told_in_each_way_and_to_nobody_else() {
    let place = Ground::on_sqlite();
    let mut world = World::new(&place, &[], &json!({}));
    let token = text(&world.tokens(), "access_token");
    let issuer = world.server.address("issuer");
    let post = |fields: &str, body: &str| {
        raw(
            &issuer,
            &format!(
                "POST /oauth/userinfo HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        )
    };
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(world.userinfo(&token).status, 200);
    assert_eq!(post(&bearer, "").status, 200, "§5.3.1");
    assert_eq!(post(form, &format!("access_token={token}")).status, 200, "RFC 6750 §2.2");
    assert_eq!(post(&format!("{form}{bearer}"), &format!("access_token={token}")).status, 400, "RFC 6750 §2");
    for refused in [get(&issuer, "/oauth/userinfo", ""), world.userinfo("x"), post(form, "access_token=x")] {
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer "), "RFC 6750 §3");
    }
    let request = world.request(&[("scope", "orders:read")]);
    let code = world.allow(&request).remove("code").unwrap();
    let plain = text(&world.redeem(&code).json(), "access_token");
    assert_eq!(world.userinfo(&plain).status, 403, "openid was not granted");
    let machine = Client::register(&world.server, &json!({ "scopes": ["openid"] }));
    assert_eq!(world.userinfo(&machine.token(&world.server)).status, 403, "nobody is behind it");
}

#[test]
fn two_nodes_agree_within_a_second_on_what_has_ended() {
    let place = Ground::on_sqlite();
    let Some(postgres) = Postgres::start() else { return };
    let (one, two) = two_nodes(&place, &postgres.url(), &[]);
    let mut world = World::of(one, &json!({}));
    let tokens = world.tokens();
    let access = text(&tokens, "access_token");
    let there = |token: &str| {
        get(&two.address("gateway"), "/orders/1", &format!("Authorization: Bearer {token}\r\n")).status
    };
    assert_eq!(there(&access), 200);
    assert_eq!(world.ends(&json!({ "client": world.app.id, "subject": world.person })).status, 204);
    let took = eventually("the other node refuses it", || there(&access) == 401);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn rfc9470_3_a_route_asks_for_another_sign_in_and_the_issuer_says_whether_there_is_one() {
    const STRONG: &str = "phr";
    let route = |path: &str, acr: &str| {
        format!(
            "[[route]]\npath = \"{path}\"\nupstream = \"default\"\nrequire = {{ access_token = {{ claims = {{ acr = \"{acr}\" }} }} }}\n"
        )
    };
    let place = Ground::new();
    let password = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    place.write("c.toml", &[route("/strong/{**}", STRONG), route("/{**}", password)].concat());
    let mut world = World::new(&place, &["--config", "c.toml"], &json!({}));
    let token = world.tokens()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.calls(&token), 200);
    let field = format!("Authorization: Bearer {token}\r\n");
    let refused = get(&world.server.address("gateway"), "/strong/1", &field);
    let challenge = refused.header("www-authenticate").unwrap();
    assert_eq!(refused.status, 401, "{refused:?}");
    let expected = "error=\"insufficient_user_authentication\", acr_values=\"phr\"";
    assert!(challenge.starts_with("Bearer ") && challenge.contains(expected), "{challenge}");
    // What the app does of it: it asks for that sign-in, and hears that there is none.
    let wish = world.request(&[("acr_values", STRONG)]);
    assert!(world.allow(&wish).contains_key("code"), "a wish is none but that");
    let essential = json!({ "id_token": { "acr": { "essential": true, "value": STRONG } } }).to_string();
    let insists = world.request(&[("claims", &essential)]);
    assert_eq!(world.allow(&insists)["error"], "unmet_authentication_requirements");
}
