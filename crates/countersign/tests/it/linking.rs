//! People connect accounts elsewhere to theirs, and disconnect them: a Countersign at a Countersign.

use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server};
use crate::visitor::{Visitor, hidden};

const PASSWORD: &str = "correct horse";

/// Two installations: people of the one sign in at the other.
pub(crate) struct Pair {
    pub(crate) idp: Server,
    pub(crate) here: Server,
    /// Where the folders are.
    _places: (Ground, Ground),
}

impl Pair {
    pub(crate) fn start(more: &str) -> Self {
        let (elsewhere, place) = (Ground::new(), Ground::new());
        let idp = elsewhere.up("data", &[]);
        let body = json!({ "name": "Countersign here", "grant_types": ["authorization_code"],
            "redirect_uris": ["https://later.example/cb"] });
        let client = idp.manage("POST", "/v1/clients", &body).json();
        let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
        place.write("corp.secret", secret);
        let settings = format!(
            "[egress.identity_providers]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n\
             [[identity_provider]]\nname = \"corp\"\nissuer = \"{}\"\nclient_id = \"{id}\"\n\
             client_secret_file = \"corp.secret\"\n{more}\n",
            idp.card["issuer"].as_str().unwrap()
        );
        place.write("countersign.toml", &settings);
        let here = place.up("data", &[]);
        let callback = format!("{}/federation/corp/callback", here.card["issuer"].as_str().unwrap());
        let amended =
            idp.manage("PATCH", &format!("/v1/clients/{id}"), &json!({ "redirect_uris": [callback] }));
        assert_eq!(amended.status, 200, "{amended:?}");
        Self { idp, here, _places: (elsewhere, place) }
    }

    fn browser(&self) -> Browser {
        let at = |server: &Server| Visitor::at(&server.address("issuer"));
        Browser { here: at(&self.here), there: at(&self.idp) }
    }

    fn path(server: &Server, url: &str) -> String {
        url.strip_prefix(server.card["issuer"].as_str().unwrap())
            .unwrap_or_else(|| panic!("{url}"))
            .to_owned()
    }

    /// Goes on from here to the provider, as `username` there, and comes back.
    fn elsewhere(&self, browser: &mut Browser, sent: &Answer, username: &str) -> Answer {
        assert_eq!(sent.status, 303, "{sent:?}");
        let mut page = browser.there.get(&Self::path(&self.idp, &sent.header("location").unwrap()));
        if page.body.contains("id=\"sign-in\"") {
            let typed = [("username", username), ("password", PASSWORD)];
            let sent = browser.there.fill(&page, "/login", &typed);
            page = browser.there.get(&sent.header("location").unwrap());
        }
        if page.body.contains("id=\"allow\"") {
            let ticked = ["openid", "profile", "email"].map(|scope| ("scope", scope));
            let fields = [&ticked[..], &[("decision", "allow")]].concat();
            page = browser.there.fill(&page, "/consent", &fields);
        }
        browser
            .here
            .get(&Self::path(&self.here, &page.header("location").unwrap_or_else(|| panic!("{page:?}"))))
    }

    fn connect(&self, browser: &mut Browser, username: &str) -> Answer {
        let page = browser.here.get("/account/identities");
        let fields = [("action", "connect"), ("id", "corp")];
        let sent = browser.here.fill(&page, "/account/identities", &fields);
        self.elsewhere(browser, &sent, username)
    }

    fn sign_in_elsewhere(&self, browser: &mut Browser, username: &str) -> Answer {
        let page = browser.here.get("/login");
        let sent = browser.here.fill(&page, "/federation/corp", &[]);
        self.elsewhere(browser, &sent, username)
    }
}

struct Browser {
    here: Visitor,
    there: Visitor,
}

fn person(server: &Server, username: &str) -> String {
    let body = json!({ "username": username, "password": PASSWORD });
    let made = server.manage("POST", "/v1/users", &body);
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

fn disconnect(browser: &mut Visitor) -> Answer {
    let page = browser.get("/account/identities");
    let (issuer, subject) = (hidden(&page, "issuer"), hidden(&page, "subject"));
    let fields = [("action", "disconnect"), ("issuer", issuer.as_str()), ("subject", subject.as_str())];
    browser.fill(&page, "/account/identities", &fields)
}

#[test]
fn an_account_elsewhere_is_connected_by_who_is_signed_in_at_both_and_signs_in_until_it_is_disconnected() {
    let pair = Pair::start("title = \"Example Corp\"");
    person(&pair.here, "ana");
    person(&pair.idp, "ana.there");
    let mut stranger = pair.browser();
    assert_eq!(pair.sign_in_elsewhere(&mut stranger, "ana.there").status, 403, "nobody is known by it yet");
    let mut ana = pair.browser();
    ana.here.sign_in("ana", PASSWORD);
    let back = pair.connect(&mut ana, "ana.there");
    assert_eq!(back.header("location").as_deref(), Some("/account/identities"), "{back:?}");
    let page = ana.here.get("/account/identities");
    assert!(page.body.contains("Example Corp") && page.body.contains("ana.there"), "{}", page.body);
    // Another browser, without a password.
    let mut other = pair.browser();
    assert_eq!(pair.sign_in_elsewhere(&mut other, "ana.there").status, 303);
    assert!(other.here.get("/account").body.contains("Signed in as ana"), "the same person");
    // It is somebody's now: nobody else connects it.
    person(&pair.here, "eve");
    let mut eve = pair.browser();
    eve.here.sign_in("eve", PASSWORD);
    assert_eq!(pair.connect(&mut eve, "ana.there").status, 409);
    assert!(!eve.here.get("/account/identities").body.contains("ana.there"));
    // A form of eve's that names ana's takes nothing away.
    let page = ana.here.get("/account/identities");
    let (issuer, subject) = (hidden(&page, "issuer"), hidden(&page, "subject"));
    let page = eve.here.get("/account/identities");
    let fields = [("action", "disconnect"), ("issuer", issuer.as_str()), ("subject", subject.as_str())];
    assert_eq!(eve.here.fill(&page, "/account/identities", &fields).status, 303);
    assert!(ana.here.get("/account/identities").body.contains("ana.there"));
    assert_eq!(disconnect(&mut ana.here).status, 303);
    let mut again = pair.browser();
    assert_eq!(pair.sign_in_elsewhere(&mut again, "ana.there").status, 403);
    let audit = pair.here.manage("GET", "/v1/audit?last=true&limit=50", &Value::Null).body;
    assert!(audit.contains("user.link") && audit.contains("user.unlink"), "{audit}");
}

#[test]
fn the_last_way_in_is_not_taken_away() {
    let pair = Pair::start("create_people = true");
    person(&pair.idp, "bea");
    let mut bea = pair.browser();
    assert_eq!(pair.sign_in_elsewhere(&mut bea, "bea").status, 303);
    let page = bea.here.get("/account");
    assert!(
        page.body.contains("/account/identities") && !page.body.contains("/account/password"),
        "{}",
        page.body
    );
    let refused = disconnect(&mut bea.here);
    assert!(refused.body.contains("only way in"), "{}", refused.body);
    let mut again = pair.browser();
    assert_eq!(pair.sign_in_elsewhere(&mut again, "bea").status, 303);
}

#[test]
fn login_csrf_an_account_elsewhere_is_connected_in_the_session_alone_that_has_begun_it() {
    let pair = Pair::start("");
    person(&pair.here, "ana");
    person(&pair.here, "eve");
    person(&pair.idp, "eve.there");
    let mut eve = pair.browser();
    eve.here.sign_in("eve", PASSWORD);
    let page = eve.here.get("/account/identities");
    let sent = eve.here.fill(&page, "/account/identities", &[("action", "connect"), ("id", "corp")]);
    // Eve's browser becomes ana's before the answer comes.
    let mut ana = pair.browser();
    ana.here.sign_in("ana", PASSWORD);
    eve.here.cookies.insert(
        "__Host-countersign-session".to_owned(),
        ana.here.cookies["__Host-countersign-session"].clone(),
    );
    assert_eq!(pair.elsewhere(&mut eve, &sent, "eve.there").status, 400);
    assert!(!ana.here.get("/account/identities").body.contains("eve.there"));
}
