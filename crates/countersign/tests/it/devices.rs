//! A device is connected by a person at a browser (RFC 8628), over the real listeners.

use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, get};
use crate::oauth::post;
use crate::visitor::Visitor;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const PASSWORD: &str = "correct horse";

struct World {
    server: Server,
    client: String,
    person: String,
    browser: Visitor,
}

impl World {
    fn new(place: &Ground) -> Self {
        let server = place.up("data", &[]);
        let body = json!({ "name": "Television", "grant_types": [GRANT], "scopes": ["orders:read"],
            "token_endpoint_auth_method": "none" });
        let made = server.manage("POST", "/v1/clients", &body);
        assert_eq!(made.status, 201, "{made:?}");
        let person = json!({ "username": "ana", "password": PASSWORD });
        let person = server.manage("POST", "/v1/users", &person).json()["id"].as_str().unwrap().to_owned();
        let browser = Visitor::at(&server.address("issuer"));
        Self { client: made.json()["client_id"].as_str().unwrap().to_owned(), server, person, browser }
    }

    fn ask(&self, path: &str, form: &str) -> Answer {
        let form = format!("client_id={}&{form}", self.client);
        post(&self.server, path, "", "application/x-www-form-urlencoded", &form)
    }

    fn begin(&self) -> Value {
        let begun = self.ask("/oauth/device_authorization", "scope=openid orders:read offline_access");
        assert_eq!(begun.status, 200, "{begun:?}");
        assert_eq!(begun.header("cache-control").as_deref(), Some("no-store"));
        begun.json()
    }

    fn poll(&self, begun: &Value) -> Answer {
        let code = begun["device_code"].as_str().unwrap();
        self.ask("/oauth/token", &format!("grant_type={GRANT}&device_code={code}"))
    }

    #[track_caller]
    fn polled(&self, begun: &Value, expected: &str) {
        let answer = self.poll(begun);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(expected)), "{answer:?}");
    }

    /// Opens the page with the code in its address, and signs in where that is asked.
    fn open(&mut self, begun: &Value) -> Answer {
        let url = begun["verification_uri_complete"].as_str().unwrap();
        let issuer = self.server.card["issuer"].as_str().unwrap();
        let page = self.browser.get(url.strip_prefix(issuer).unwrap());
        if !page.body.contains("id=\"sign-in\"") {
            return page;
        }
        assert!(!page.body.contains("Television"), "nobody is told before: {}", page.body);
        let sent = self.browser.fill(&page, "/login", &[("username", "ana"), ("password", PASSWORD)]);
        assert_eq!(sent.status, 303, "{sent:?}");
        self.browser.get(&sent.header("location").unwrap())
    }

    fn decide(&mut self, page: &Answer, decision: &str) -> Answer {
        let ticked = ["openid", "orders:read", "offline_access"].map(|one| ("scope", one));
        self.browser.fill(page, "/device", &[&ticked[..], &[("decision", decision)]].concat())
    }

    fn calls(&self, token: &Value) -> u16 {
        let field = format!("Authorization: Bearer {}\r\n", token.as_str().unwrap());
        get(&self.server.address("gateway"), "/orders/1", &field).status
    }
}

#[test]
fn rfc8628_3_a_device_is_connected_by_a_person_who_was_shown_what_asks() {
    let place = Ground::new();
    let mut world = World::new(&place);
    let begun = world.begin();
    assert_eq!((&begun["expires_in"], &begun["interval"]), (&json!(600), &json!(5)));
    let shown = begun["user_code"].as_str().unwrap().to_owned();
    world.polled(&begun, "authorization_pending");
    world.polled(&begun, "slow_down");
    let page = world.open(&begun);
    for told in ["Television", "127.0.0.1", &shown, "orders:read", "id=\"allow\"", "id=\"deny\""] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    world.polled(&begun, "slow_down");
    let done = world.decide(&page, "allow");
    assert_eq!(done.status, 200, "{done:?}");
    let answer = world.poll(&begun);
    assert_eq!(answer.status, 200, "{answer:?}");
    let tokens = answer.json();
    assert_eq!(tokens["scope"], "offline_access openid orders:read");
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string());
    assert_eq!(world.calls(&tokens["access_token"]), 200);
    let again = world.decide(&page, "allow");
    assert_eq!(again.status, 400, "the back button connects nothing twice: {again:?}");
    // Whoever has the device code and comes later ends what it obtained.
    world.polled(&begun, "invalid_grant");
    assert_eq!(world.calls(&tokens["access_token"]), 401);
    for secret in [&shown, begun["device_code"].as_str().unwrap()] {
        assert!(!world.server.log().contains(secret), "SAFETY 25");
    }
}

#[test]
fn rfc8628_6_1_a_code_is_typed_in_any_case_and_guessed_a_few_times() {
    let place = Ground::new();
    let mut world = World::new(&place);
    let begun = world.begin();
    let signed = world.open(&begun);
    assert!(signed.body.contains("id=\"deny\""), "{}", signed.body);
    let enter = world.browser.get("/device");
    let typed = begun["user_code"].as_str().unwrap().to_lowercase().replace('-', " ");
    let sent = world.browser.fill(&enter, "/device", &[("user_code", &typed)]);
    assert_eq!(sent.status, 303, "{sent:?}");
    let page = world.browser.get(&sent.header("location").unwrap());
    assert!(page.body.contains("Television"), "{}", page.body);
    assert_eq!(world.decide(&page, "deny").status, 200);
    world.polled(&begun, "access_denied");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(world.browser.get("/device?user_code=BCDF-GHJK").status);
    }
    assert_eq!((statuses[0], statuses[11]), (400, 429), "RFC 8628 §5.1: {statuses:?}");
}

#[test]
fn attacks_44_and_45_a_device_is_not_connected_behind_anybodys_back() {
    let place = Ground::new();
    let mut world = World::new(&place);
    let begun = world.begin();
    let page = world.open(&begun);
    // Of another site, without our token, or of another browser.
    let forged =
        [("decision", "allow"), ("scope", "orders:read"), ("request", "device?user_code=x"), ("csrf", "x")];
    assert_eq!(world.browser.post("/device", &forged).status, 403);
    let mut stranger = Visitor::at(&world.server.address("issuer"));
    assert_eq!(stranger.fill(&page, "/device", &[("decision", "allow")]).status, 403);
    world.polled(&begun, "authorization_pending");
    world.decide(&page, "allow");
    let path = format!("/v1/users/{}/disable", world.person);
    assert_eq!(world.server.manage("POST", &path, &Value::Null).status, 200);
    world.polled(&begun, "access_denied");
    let later = world.begin();
    let page = world.browser.get("/device");
    assert!(page.body.contains("id=\"sign-in\""), "the session ended with the person: {}", page.body);
    world.polled(&later, "authorization_pending");
}
