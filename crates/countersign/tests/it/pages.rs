//! What pages do for who attacks the person before them: forms of other sites, other browsers, other requests.

use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, raw};

const PASSWORD: &str = "correct horse battery staple";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A browser, as far as forms and cookies go.
struct Browser<'s> {
    server: &'s Server,
    cookies: Vec<(String, String)>,
}

impl<'s> Browser<'s> {
    fn new(server: &'s Server) -> Self {
        Self { server, cookies: Vec::new() }
    }

    /// Sends a request with the cookies that it keeps, and keeps those of the answer.
    fn send(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = match cookies.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", cookies.join("; ")),
        };
        let length = body.len();
        let answer = raw(
            &self.server.address("issuer"),
            &format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{cookies}{fields}Content-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            ),
        );
        for line in answer.head.lines().filter_map(|line| line.split_once(": ")) {
            if line.0.eq_ignore_ascii_case("set-cookie") {
                let (name, value) = line.1.split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.retain(|(kept, _)| kept != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, "", "")
    }

    /// Sends a form as a browser does that was shown it by us.
    fn post(&mut self, target: &str, form: &Form) -> Answer {
        self.send("POST", target, FORM, &form.body())
    }

    /// Signs `username` in on the way to `client`, and returns the page of consent.
    fn sign_in(&mut self, client: &Value, username: &str) -> Answer {
        let page = self.get(&authorize(client, ""));
        let form = Form::of(&page).with("username", username).with("password", PASSWORD);
        let on = self.post("/login", &form);
        assert_eq!(on.status, 303, "{on:?}");
        self.get(&on.header("location").unwrap())
    }
}

/// The fields of a form.
#[derive(Clone)]
struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the hidden fields of a page.
    #[track_caller]
    fn of(page: &Answer) -> Self {
        let hidden = |name: &str| {
            let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
            let found = page.body.split_once(&start).unwrap_or_else(|| panic!("no {name}: {page:?}")).1;
            (name.to_owned(), found.split_once('"').unwrap().0.replace("&#38;", "&"))
        };
        Self(vec![hidden("request"), hidden("csrf")])
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(kept, _)| kept != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(kept, _)| kept != name);
        self
    }

    fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(kept, _)| kept == name).unwrap().1
    }

    fn body(&self) -> String {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        pairs.join("&")
    }
}

struct World {
    server: Server,
    client: Value,
    _place: Ground,
}

impl World {
    fn new(name: &str) -> Self {
        let place = Ground::new();
        let server = place.up("data", &[]);
        let client = json!({
            "name": name,
            "grant_types": ["authorization_code"],
            "scopes": ["orders:read"],
            "redirect_uris": ["https://app.example/cb"]
        });
        let client = server.manage("POST", "/v1/clients", &client).json();
        for username in ["ana", "eve"] {
            let user = json!({ "username": username, "password": PASSWORD });
            assert_eq!(server.manage("POST", "/v1/users", &user).status, 201);
        }
        Self { server, client, _place: place }
    }
}

fn authorize(client: &Value, more: &str) -> String {
    let id = client["client_id"].as_str().unwrap();
    format!(
        "/oauth/authorize?response_type=code&client_id={id}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=orders%3Aread\
         &state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256{more}"
    )
}

/// Demands that an attack ends with a page of ours with this status, and that it gave nothing away.
#[track_caller]
fn refused(origin: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{origin}: {answer:?}");
    assert_eq!(answer.header("content-type").as_deref(), Some("text/html; charset=utf-8"), "{origin}");
    assert_eq!(answer.header("location"), None, "{origin}");
    let cookies = answer.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie"));
    assert!(!cookies.clone().any(|line| line.contains("session")), "{origin}: {answer:?}");
}

#[test]
fn login_csrf_nobody_is_signed_in_by_a_form_that_was_not_shown_to_them() {
    let world = World::new("Acme");
    let mut theirs = Browser::new(&world.server);
    let attackers = Form::of(&theirs.get("/login"));
    let credentials = |form: Form| form.with("username", "eve").with("password", PASSWORD);

    let mut browser = Browser::new(&world.server);
    let form = credentials(Form::of(&browser.get("/login")));
    for (origin, form) in [
        ("no token", form.clone().without("csrf")),
        ("an empty token", form.clone().with("csrf", "")),
        ("the token of the attacker's browser", form.clone().with("csrf", attackers.get("csrf"))),
        ("the attacker's whole form", credentials(attackers.clone())),
        ("another request", form.clone().with("request", "client_id=other")),
        ("open redirect", form.clone().with("request", "//evil.example")),
        ("open redirect", form.clone().with("request", "device?\r\nSet-Cookie: a=b")),
    ] {
        refused(origin, &browser.post("/login", &form), 403);
    }
    let body = form.body();
    for (origin, fields, status) in [
        ("a form of another site", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("a form of a sibling", "Sec-Fetch-Site: same-site\r\n", 403),
        ("a form of another origin", "Origin: https://evil.example\r\n", 403),
        ("a form out of a sandbox", "Origin: null\r\n", 403),
        ("another port of our host", "Origin: http://localhost:1\r\n", 403),
    ] {
        let answer = browser.send("POST", "/login", &format!("{FORM}{fields}"), &body);
        refused(origin, &answer, status);
    }
    for (origin, kind, body) in [
        ("a text that reads as a form", "text/plain", body.as_str()),
        ("a form in parts", "multipart/form-data; boundary=a", "--a--"),
        ("a field twice", "application/x-www-form-urlencoded", "username=a&username=b"),
    ] {
        let answer = browser.send("POST", "/login", &format!("Content-Type: {kind}\r\n"), body);
        refused(origin, &answer, 400);
    }
    // Nothing of it has harmed the form: it is still good.
    assert_eq!(browser.post("/login", &form).status, 303);
}

#[test]
fn cookie_tossing_a_cookie_that_is_there_twice_is_neither() {
    let world = World::new("Acme");
    let mut browser = Browser::new(&world.server);
    let consent = Form::of(&browser.sign_in(&world.client, "ana")).with("decision", "allow");
    for name in ["__Host-countersign-session", "__Host-countersign-browser"] {
        let mut tossed = Browser::new(&world.server);
        tossed.cookies = browser.cookies.clone();
        tossed.cookies.push((name.to_owned(), "theirs".to_owned()));
        refused(name, &tossed.get(&authorize(&world.client, "")), 400);
        refused(name, &tossed.post("/consent", &consent), 400);
    }
}

#[test]
fn consent_csrf_a_decision_is_bound_to_session_request_and_purpose() {
    let world = World::new("Acme");
    let (mut ana, mut eve) = (Browser::new(&world.server), Browser::new(&world.server));
    let sign_in = Form::of(&ana.get(&authorize(&world.client, "")));
    let shown = Form::of(&ana.sign_in(&world.client, "ana"));
    let eves = Form::of(&eve.sign_in(&world.client, "eve"));
    let allow = |form: Form| form.with("decision", "allow").with("scope", "orders:read");
    for (origin, form) in [
        ("no token", shown.clone().without("csrf")),
        ("the token of another session", shown.clone().with("csrf", eves.get("csrf"))),
        ("the token of another purpose", shown.clone().with("csrf", sign_in.get("csrf"))),
        ("another request", shown.clone().with("request", &format!("{}&x=1", shown.get("request")))),
    ] {
        refused(origin, &ana.post("/consent", &allow(form)), 403);
    }
    for site in ["cross-site", "same-site"] {
        let fields = format!("{FORM}Sec-Fetch-Site: {site}\r\n");
        let answer = ana.send("POST", "/consent", &fields, &allow(shown.clone()).body());
        refused("GHSA of OpenAM, fastmcp: a form of another site", &answer, 403);
    }
    let mut nobody = Browser::new(&world.server);
    refused("no session", &nobody.post("/consent", &allow(shown.clone())), 403);
    let answer = ana.post("/consent", &allow(shown));
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").unwrap().starts_with("https://app.example/cb?"), "{answer:?}");
}

#[test]
fn logout_csrf_who_is_somebody_else_says_so_on_the_page_and_no_link_says_it_for_them() {
    let world = World::new("Acme");
    let mut ana = Browser::new(&world.server);
    let shown = Form::of(&ana.sign_in(&world.client, "ana"));
    let other = shown.clone().with("decision", "other");
    let session = |browser: &Browser<'_>| browser.cookies.clone();
    let before = session(&ana);
    for (origin, form) in [
        ("no token", other.clone().without("csrf")),
        ("another request", other.clone().with("request", "client_id=other")),
        ("the token of another purpose", other.clone().with("csrf", &"0".repeat(64))),
    ] {
        refused(origin, &ana.post("/consent", &form), 403);
        refused(origin, &ana.post("/device", &form), 403);
    }
    let answer =
        ana.send("POST", "/consent", &format!("{FORM}Sec-Fetch-Site: cross-site\r\n"), &other.body());
    refused("a form of another site", &answer, 403);
    for target in ["/consent", "/device"] {
        let link = ana.get(&format!("{target}?{}", other.body()));
        assert!(!link.head.to_ascii_lowercase().contains("set-cookie"), "{link:?}");
    }
    assert!(ana.get(&authorize(&world.client, "")).body.contains("Signed in as ana"), "she is still there");

    let answer = ana.post("/consent", &other);
    let to = answer.header("location").unwrap();
    assert_eq!((answer.status, to.as_str()), (303, &*format!("/oauth/authorize?{}", shown.get("request"))));
    assert!(answer.head.contains("__Host-countersign-session=; ") && answer.head.contains("Max-Age=0"));
    assert!(ana.get(&to).body.contains("id=\"sign-in\""), "the same request asks who they are");
    let mut thief = Browser::new(&world.server);
    thief.cookies = before;
    assert!(thief.get(&to).body.contains("id=\"sign-in\""), "the session has ended, not its cookie alone");
    assert!(ana.sign_in(&world.client, "eve").body.contains("Signed in as eve"));
}

#[test]
fn reflected_text_and_clickjacking_every_page_escapes_and_is_shown_in_no_frame() {
    let world = World::new("<img src=x onerror=alert(1)>\"'&");
    let hint = "&login_hint=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E";
    let mut browser = Browser::new(&world.server);
    let sign_in = browser.get(&authorize(&world.client, hint));
    let consent = browser.sign_in(&world.client, "ana");
    let nothing = browser.send("GET", "/%3Cscript%3Ealert(1)%3C/script%3E", "Accept: text/html\r\n", "");
    let broken = browser.get("/oauth/authorize?client_id=%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    for page in [&sign_in, &consent, &nothing, &broken] {
        for tag in ["<script", "<img src=x"] {
            assert!(!page.body.contains(tag), "{page:?}");
        }
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{policy}"
        );
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.header(name).as_deref(), Some(value), "{name}");
        }
    }
    assert!(sign_in.body.contains("&#60;img src=x onerror=alert(1)&#62;"), "the name is shown as it is");
    assert!(policy_of(&sign_in).ends_with("form-action 'self' https:"), "{}", policy_of(&sign_in));
    assert!(policy_of(&broken).ends_with("form-action 'self'"), "{}", policy_of(&broken));
    assert_eq!((broken.status, broken.header("location")), (400, None));
}

fn policy_of(page: &Answer) -> String {
    page.header("content-security-policy").unwrap()
}
