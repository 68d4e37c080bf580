//! People at a web app of the installation's own, over the real listeners: signed in at the gateway, and signed out.

use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server};
use crate::visitor::Visitor;

const PASSWORD: &str = "correct horse";

/// A web app, a person, and their browser: of the gateway and of the issuer, whose cookies it keeps apart.
struct World {
    server: Server,
    person: String,
    app: Visitor,
    issuer: Visitor,
}

impl World {
    fn new(place: &Ground, token: &str) -> Self {
        let config = place.write(
            "c.toml",
            &format!(
                r#"
[[route]]
path = "/{{**}}"
upstream = "default"
require = {{ any = [ {{ session = {{ client = "web", token = "{token}" }} }}, {{ access_token = {{}} }} ] }}
"#
            ),
        );
        let server = place.up("data", &["--config", config.to_str().unwrap()]);
        let made = server.manage("POST", "/v1/users", &json!({ "username": "ana", "password": PASSWORD }));
        assert_eq!(made.status, 201, "{made:?}");
        let person = made.json()["id"].as_str().unwrap().to_owned();
        let (app, issuer) = (Visitor::at(&server.address("gateway")), Visitor::at(&server.address("issuer")));
        Self { server, person, app, issuer }
    }

    fn path(&self, listener: &str, url: &str) -> String {
        url.strip_prefix(self.server.card[listener].as_str().unwrap()).unwrap_or(url).to_owned()
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
        self.app.get("/.countersign/session")
    }

    fn cookie(&self) -> String {
        self.app.cookies["__Host-countersign-app-web"].clone()
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
        world.app.cookies.insert("__Host-countersign-app-web".to_owned(), cookie);
        let api = world.asked();
        assert_eq!(api.status, 401, "a stolen cookie is worth nothing after a sign-out: {api:?}");
        let again = world.app.get("/orders");
        assert_eq!(again.status, 303, "{again:?}");
        assert!(!world.app.cookies.contains_key("__Host-countersign-app-web"), "and is taken away");
    }
}
