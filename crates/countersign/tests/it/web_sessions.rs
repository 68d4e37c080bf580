//! People at a web app of the installation's own, over the real listeners: signed in at the gateway, and signed out.

use std::thread;
use std::time::Duration;

use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::clocks::{make_second, second};
use crate::crash::NAMES;
use crate::harness::{Answer, Ground, Server, eventually, get, manage, raw};
use crate::visitor::Visitor;

mod attacks;
mod beside;
mod killed;

/// The cookie of the web app.
const APP: &str = "__Host-countersign-app-web";

const PASSWORD: &str = "correct horse";

/// A web app, a person, and their browser: of the gateway and of the issuer, whose cookies it keeps apart.
struct World {
    server: Server,
    person: String,
    /// The organisation of the person, where it is another than the house's own.
    tenant: String,
    app: Visitor,
    issuer: Visitor,
}

/// The route of the web app.
fn settings(token: &str) -> String {
    format!(
        r#"
[[route]]
path = "/{{**}}"
upstream = "default"
require = {{ any = [ {{ session = {{ client = "web", token = "{token}" }} }}, {{ access_token = {{}} }} ] }}
"#
    )
}

impl World {
    fn new(place: &Ground, token: &str) -> Self {
        let config = place.write("c.toml", &settings(token));
        Self::of(place.up("data", &["--config", config.to_str().unwrap()]))
    }

    fn of(server: Server) -> Self {
        Self::with(server, &json!({}))
    }

    /// A person of whom more is said.
    fn with(server: Server, more: &Value) -> Self {
        let mut about = json!({ "username": "ana", "password": PASSWORD });
        about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = server.manage("POST", "/v1/users", &about);
        assert_eq!(made.status, 201, "{made:?}");
        let person = made.json()["id"].as_str().unwrap().to_owned();
        let (app, issuer) = (Visitor::at(&server.address("gateway")), Visitor::at(&server.address("issuer")));
        Self { server, person, tenant: String::new(), app, issuer }
    }

    /// A person of a tenant.
    fn of_tenant(place: &Ground, token: &str) -> Self {
        let config = place.write("c.toml", &settings(token));
        let server = place.up("data", &["--config", config.to_str().unwrap()]);
        let tenant = json!({ "kind": "organisation", "name": "tenant" });
        let tenant = server.manage("POST", "/v1/owners", &tenant).json()["id"].clone();
        let world = Self::with(server, &json!({ "organisation": tenant }));
        Self { tenant: tenant.as_str().unwrap().to_owned(), ..world }
    }

    fn manage(&self, path: &str) -> Answer {
        self.server.manage("POST", &format!("/v1/{path}"), &Value::Null)
    }

    /// Ends what was begun by signing in, by its name in the audit.
    fn end_family_as_tenant(&self) -> Answer {
        let lines = self.server.manage("GET", "/v1/audit?last=true&limit=50", &Value::Null).body;
        let (_, rest) = lines.split_once("fam_").unwrap_or_else(|| panic!("{lines}"));
        let family = format!("fam_{}", &rest[..22]);
        let key = json!({ "name": "t", "owner": self.tenant, "scopes": ["tokens:write"] });
        let key = self.server.manage("POST", "/v1/management-keys", &key).json()["key"].clone();
        let (admin, body) = (self.server.address("admin"), json!({ "family": family }));
        manage(&admin, key.as_str().unwrap(), "POST", "/v1/tokens/revoke", &body)
    }

    /// What the person has allowed, which nobody asked them.
    fn grant(&self) -> Value {
        self.server.manage("GET", "/v1/grants", &Value::Null).json()["data"][0].clone()
    }

    fn path(&self, listener: &str, url: &str) -> String {
        let named = if listener == "issuer" { NAMES[1] } else { NAMES[3] };
        let mut begins = [self.server.card[listener].as_str().unwrap(), named].into_iter();
        begins.find_map(|begin| url.strip_prefix(begin)).unwrap_or(url).to_owned()
    }

    /// Goes to a page of the web app, and signs in where that is asked; what the page answers then.
    fn enter(&mut self, path: &str) -> Answer {
        let sent = self.app.get(path);
        assert_eq!(sent.status, 303, "{sent:?}");
        let sent = self.app.get(&sent.header("location").unwrap());
        let at_issuer = self.path("issuer", &sent.header("location").unwrap());
        let mut page = self.issuer.get(&at_issuer);
        if page.body.contains("id=\"sign-in\"") {
            let typed = [("username", "ana"), ("password", PASSWORD)];
            let sent = self.issuer.fill(&page, "/login", &typed);
            page = self.issuer.get(&sent.header("location").unwrap());
        }
        let back = self.path("gateway", &page.header("location").unwrap_or_else(|| panic!("{page:?}")));
        let home = self.app.get(&back);
        assert_eq!((home.status, home.header("location").as_deref()), (303, Some(path)), "{home:?}");
        self.app.get(path)
    }

    fn asked(&mut self) -> Answer {
        self.app.get("/.countersign/session?client=web")
    }

    fn client(&self) -> String {
        let clients = self.server.manage("GET", "/v1/clients", &Value::Null).json();
        let all = clients["data"].as_array().unwrap();
        let web = all.iter().find(|one| one["name"] == "web").unwrap();
        web["client_id"].as_str().unwrap().to_owned()
    }

    fn cookie(&self) -> String {
        self.app.cookies[APP].clone()
    }
}

#[test]
fn people_sign_in_to_a_web_app_and_out_of_it() {
    for token in ["opaque", "jwt"] {
        let place = Ground::new();
        let mut world = World::new(&place, token);
        assert_eq!(world.asked().status, 401);
        let page = world.enter("/orders?page=2");
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains(&world.person), "the upstream is told who it is: {}", page.body);
        assert!(!page.body.contains("__Host-"), "and no cookie of ours: {}", page.body);
        let cookie = world.cookie();
        assert!(cookie.len() < 4000 && cookie.contains('.') == (token == "jwt"), "{cookie}");
        assert_eq!(world.app.cookies.len(), 1, "the attempt is forgotten: {:?}", world.app.cookies);
        let told: Value = world.asked().json();
        assert_eq!(
            (&told["username"], &told["subject"], &told["client"]),
            (&json!("ana"), &json!(world.person), &json!("web"))
        );
        let gone = world.app.post("/.countersign/logout", &[("return_to", "/bye")]);
        assert_eq!((gone.status, gone.header("location").as_deref()), (303, Some("/bye")), "{gone:?}");
        world.app.cookies.insert(APP.to_owned(), cookie);
        let api = world.asked();
        assert_eq!(api.status, 401, "a stolen cookie is worth nothing after a sign-out: {api:?}");
        let again = world.app.get("/orders");
        assert_eq!(again.status, 303, "{again:?}");
        assert!(!world.app.cookies.contains_key(APP), "and is taken away");
    }
}

#[test]
fn openid_rp_initiated_logout_a_sign_out_at_the_issuer_ends_the_web_apps_of_that_browser_at_the_next_request()
{
    for token in ["opaque", "jwt"] {
        let place = Ground::new();
        let mut world = World::new(&place, token);
        assert_eq!(world.enter("/").status, 200);
        let (mut app, mut issuer) = (Visitor::at(&world.server.address("gateway")), world.issuer.clone());
        std::mem::swap(&mut app, &mut world.app);
        world.issuer = Visitor::at(&world.server.address("issuer"));
        assert_eq!(world.enter("/").status, 200, "another browser of the same person");
        let page = issuer.get("/oauth/logout");
        let gone = issuer.fill(&page, "/logout", &[("decision", "allow")]);
        assert_eq!(gone.status, 200, "{gone:?}");
        assert_eq!(call(&world.server, &app.cookies["__Host-countersign-app-web"]).status, 401, "{token}");
        assert_eq!(world.app.get("/").status, 200, "the other one goes on");
    }
}

#[test]
fn a_session_that_its_person_ends_on_the_account_page_is_refused_at_its_next_request() {
    for token in ["opaque", "jwt"] {
        let place = Ground::new();
        let mut world = World::new(&place, token);
        assert_eq!(world.enter("/").status, 200);
        let page = world.issuer.get("/account");
        let (_, listed) = page.body.split_once("id=\"web-sessions\"").unwrap();
        assert!(listed.contains("web –"), "{listed}");
        let (_, id) = listed.split_once("name=\"id\" value=\"").unwrap();
        let ended = [("action", "end-web-session"), ("id", id.split('"').next().unwrap())];
        assert_eq!(world.issuer.fill(&page, "/account", &ended).status, 303);
        assert_eq!(call(&world.server, &world.cookie()).status, 401, "{token}");
        let page = world.issuer.get("/account");
        assert!(page.body.contains("this browser") && !page.body.contains("web-sessions"), "{}", page.body);
    }
}

/// A script's call with a cookie.
fn call(server: &Server, cookie: &str) -> Answer {
    get(&server.address("gateway"), "/api", &format!("Cookie: {APP}={cookie}\r\n"))
}

/// What a browser is given to keep.
fn given(answer: &Answer) -> Option<String> {
    let field = answer.header("set-cookie")?;
    Some(field.strip_prefix("__Host-countersign-app-web=")?.split(';').next()?.to_owned())
}

#[test]
fn ten_tabs_renew_a_session_at_another_node_at_once_and_what_ends_there_has_ended_here() {
    for token in ["jwt", "opaque"] {
        let Some(postgres) = Postgres::start() else { return };
        let (place, store) = (Ground::on_sqlite(), postgres.url());
        let config = place.write("c.toml", &settings(token));
        let config = ["--config", config.to_str().unwrap()];
        let mut world = World::of(place.up("one", &[&["--store", &*store], &config[..]].concat()));
        make_second(&place);
        // A session token of five minutes is over there.
        let two = second(&place, &store, (&world.server, 400), &config);
        assert_eq!(world.enter("/").status, 200);
        let cookie = world.cookie();
        let answers: Vec<_> = thread::scope(|scope| {
            let asked: Vec<_> = (0..10).map(|_| scope.spawn(|| call(&two, &cookie))).collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let kept: Vec<_> = answers.iter().map(given).collect();
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert!(
            kept.iter().all(|one| *one == kept[0] && one.is_some() == (token == "jwt")),
            "one for all: {kept:?}"
        );
        assert_eq!(call(&world.server, &cookie).status, 200, "and nobody is hurt");
        let renewed = kept[0].clone().unwrap_or_else(|| cookie.clone());
        let field = format!(
            "POST /.countersign/logout HTTP/1.1\r\nHost: localhost\r\nCountersign-CSRF: 1\r\nContent-Length: 0\r\n\
             Cookie: __Host-countersign-app-web={renewed}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(raw(&two.address("gateway"), &field).status, 204);
        for text in [&cookie, &renewed] {
            assert_eq!(call(&two, text).status, 401, "at the very next request");
        }
        let waited = eventually("it ends at the other node", || call(&world.server, &cookie).status == 401);
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }
}

/// Ends a session, or what it hangs on.
type End = fn(&mut World) -> Answer;

/// The ways in which a session ends, and why it is refused then.
const ENDS: [(&str, End, &str); 10] = [
    ("its person is disabled", |world| world.manage(&format!("users/{}/disable", world.person)), "revoked"),
    (
        "its person's password is reset",
        |world| world.manage(&format!("users/{}/reset", world.person)),
        "revoked",
    ),
    (
        "everything of its person",
        |world| world.server.manage("POST", "/v1/tokens/revoke", &json!({ "subject": world.person })),
        "revoked",
    ),
    (
        "everything of the web app",
        |world| world.server.manage("POST", "/v1/tokens/revoke", &json!({ "client": world.client() })),
        "revoked",
    ),
    (
        "everything",
        |world| world.server.manage("POST", "/v1/tokens/revoke", &json!({ "all": true })),
        "revoked",
    ),
    (
        "the web app is disabled",
        |world| world.manage(&format!("clients/{}/disable", world.client())),
        "owner_disabled",
    ),
    (
        "its person's organisation is disabled",
        |world| world.manage(&format!("owners/{}/disable", world.tenant)),
        "owner_disabled",
    ),
    (
        "its grant",
        |world| world.manage(&format!("grants/{}/revoke", world.grant()["id"].as_str().unwrap())),
        "revoked",
    ),
    ("its family, at its person's tenant's word", |world| world.end_family_as_tenant(), "revoked"),
    ("its person signs out of it", |world| world.app.post("/.countersign/logout", &[]), "revoked"),
];

#[test]
fn attack_45_a_session_ends_in_each_way_at_the_next_request() {
    for token in ["opaque", "jwt"] {
        for (what, end, expected) in &ENDS {
            let place = Ground::on_sqlite();
            let mut world = World::of_tenant(&place, token);
            world.enter("/");
            let cookie = world.cookie();
            assert_eq!(call(&world.server, &cookie).status, 200);
            let done = end(&mut world);
            assert!(done.status < 400, "{what}: {done:?}");
            let refused = call(&world.server, &cookie);
            assert_eq!(
                (refused.status, &*world.server.reason(&refused)),
                (401, *expected),
                "{token}, {what}"
            );
        }
    }
}

#[test]
fn what_a_web_app_is_follows_its_routes() {
    let place = Ground::on_sqlite();
    let world = World::new(&place, "opaque");
    let shown =
        || world.server.manage("GET", &format!("/v1/clients/{}", world.client()), &Value::Null).json();
    let before = shown();
    assert_eq!((&before["token_endpoint_auth_method"], &before["name"]), (&json!("gateway"), &json!("web")));
    let scoped = settings("opaque").replace("token = \"", "scope = \"orders:read\", token = \"");
    place.write("c.toml", &scoped);
    assert_eq!(world.server.manage("POST", "/v1/reload", &Value::Null).status, 200);
    eventually("the web app is registered anew", || shown()["scopes"] == json!(["orders:read"]));
    let two = format!("{scoped}{}", settings("jwt").replace("/{**}", "/b/{**}"));
    place.write("c.toml", &two);
    let refused = world.server.manage("POST", "/v1/reload", &Value::Null);
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("one `token` and one `audience`"), "{}", refused.body);
    // Nobody registers one, nor redeems in its name.
    let made = json!({ "name": "web", "grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "gateway" });
    let made = world.server.manage("POST", "/v1/clients", &made);
    assert!((400..500).contains(&made.status), "{made:?}");
    let form = format!("grant_type=refresh_token&refresh_token=x&client_id={}", world.client());
    let asked = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    let asked = raw(&world.server.address("issuer"), &asked);
    assert_eq!((asked.status, asked.json()["error"].clone()), (401, json!("invalid_client")));
}
