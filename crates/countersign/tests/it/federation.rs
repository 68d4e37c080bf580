//! People sign in at somebody else's identity provider, which a test plays: well, badly, and in every way that lies.

mod provider;

use std::collections::BTreeMap;

use form_urlencoded::Serializer;
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, eventually};
use crate::visitor::Visitor;
use provider::{Mode, Provider, parameters};

const SESSION: &str = "__Host-countersign-session";

/// A server whose people may sign in at providers.
struct World {
    place: Ground,
    server: Server,
}

impl World {
    /// Knows `providers`, each with more settings.
    fn start(providers: &[(&str, &Provider, &str)]) -> Self {
        let place = Ground::new();
        place.write("secret", provider::SECRET);
        let mut settings = String::from(
            "[egress]\ntimeout = \"1s\"\n[egress.identity_providers]\nallow = [\"127.0.0.0/8\"]\n",
        );
        for (name, provider, more) in providers {
            let place = if more.contains("github") { "url" } else { "issuer" };
            settings.push_str(&format!(
                "[[identity_provider]]\nname = \"{name}\"\n{place} = \"{}\"\nclient_id = \"{}\"\n\
                 client_secret_file = \"secret\"\n{more}\n",
                provider.issuer,
                provider::CLIENT
            ));
        }
        place.write("countersign.toml", &settings);
        let server = place.up("data", &[]);
        Self { place, server }
    }

    fn browser(&self) -> Visitor {
        Visitor::at(&self.server.address("issuer"))
    }

    fn person(&self, username: &str, email: &str) -> String {
        let verified = json!({
            "username": username, "password": "correct horse", "email": email, "email_verified": true
        });
        let made = self.server.manage("POST", "/v1/users", &verified);
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }

    fn audit(&self) -> Vec<Value> {
        let lines = self.server.manage("GET", "/v1/audit?last=true&limit=500", &Value::Null).json();
        let lines = lines["data"].as_array().unwrap().iter();
        lines.map(|line| serde_json::from_str(line["body"].as_str().unwrap()).unwrap()).collect()
    }
}

/// Leaves the sign-in page for a provider, as [`leave`] does.
fn leave_login(browser: &mut Visitor, name: &str) -> BTreeMap<String, String> {
    let page = browser.get("/login");
    leave(browser, &page, name)
}

/// Leaves the sign-in page for a provider. Returns the request that the provider gets.
fn leave(browser: &mut Visitor, page: &Answer, name: &str) -> BTreeMap<String, String> {
    assert!(page.body.contains(&format!("id=\"with-{name}\"")), "{}", page.body);
    let sent = browser.fill(page, &format!("/federation/{name}"), &[]);
    assert_eq!(sent.status, 303, "{sent:?}");
    parameters(&sent.header("location").unwrap())
}

/// Comes back with these parameters.
fn come_back(browser: &mut Visitor, name: &str, fields: &[(&str, &str)]) -> Answer {
    let query = Serializer::new(String::new()).extend_pairs(fields).finish();
    browser.get(&format!("/federation/{name}/callback?{query}"))
}

/// Signs in at a provider by its button.
fn sign_in(browser: &mut Visitor, provider: &Provider, name: &str) -> Answer {
    let page = browser.get("/login");
    let asked = leave(browser, &page, name);
    let code = provider.allow(&asked);
    come_back(browser, name, &[("code", &code), ("state", &asked["state"]), ("iss", &provider.issuer)])
}

/// Who is signed in, as their account says.
fn who(browser: &mut Visitor) -> Option<String> {
    let page = browser.get("/account");
    assert_eq!(page.status, 200);
    let (_, rest) = page.body.split_once("Signed in as ")?;
    Some(rest.split('<').next().unwrap().to_owned())
}

#[test]
fn oidc_core_3_1_somebody_signs_in_elsewhere_and_is_the_same_person_the_next_time() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true\ntitle = \"Example Corp\"")]);
    idp.say(json!({ "preferred_username": "ana", "name": "Ana" }));
    let mut browser = world.browser();
    let page = browser.get("/login");
    assert!(page.body.contains("Sign in with Example Corp"), "{}", page.body);
    assert!(page.header("content-security-policy").unwrap().contains("form-action 'self' https: http:"));
    let asked = leave(&mut browser, &page, "corp");
    let callback = format!("{}/federation/corp/callback", world.server.card["issuer"].as_str().unwrap());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", provider::CLIENT),
        ("scope", "openid email profile"),
        ("redirect_uri", callback.as_str()),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    assert!(!asked.contains_key("prompt") && !asked.contains_key("max_age"));
    let code = idp.allow(&asked);
    let back =
        come_back(&mut browser, "corp", &[("code", &code), ("state", &asked["state"]), ("iss", &idp.issuer)]);
    assert_eq!((back.status, back.header("location").unwrap().as_str()), (303, "/account"), "{back:?}");
    assert!(browser.cookies.keys().all(|name| !name.contains("federation")), "the attempt is used");
    assert_eq!(who(&mut browser).as_deref(), Some("corp.ana"));
    // They are called otherwise there now; it is the subject that counts.
    idp.say(json!({ "preferred_username": "anna" }));
    let mut other = world.browser();
    assert_eq!(sign_in(&mut other, &idp, "corp").status, 303);
    assert_eq!(who(&mut other).as_deref(), Some("corp.ana"));
    idp.say(json!({ "sub": "another", "preferred_username": "ana" }));
    assert_eq!(sign_in(&mut other, &idp, "corp").status, 303);
    let another = who(&mut other).unwrap();
    assert!(another.starts_with("corp.") && another != "corp.ana", "{another}");
    let lines = world.audit();
    let of = |action: &str| lines.iter().filter(|line| line["action"] == action).count();
    assert_eq!((of("user.create"), of("user.sign_in")), (2, 3), "{lines:?}");
    assert!(lines.iter().any(|line| line["actor"]["scheme"] == "federation"));
    assert!(!world.server.log().contains(provider::SECRET.trim()));
}

#[test]
fn only_a_trusted_providers_verified_address_signs_anybody_in() {
    let (idp, other) = (Provider::start(), Provider::start());
    let world = World::start(&[("corp", &idp, "trust_email = true"), ("social", &other, "")]);
    world.person("ana", "ana@example.com");
    let ana = json!({ "email": "ana@example.com", "email_verified": true });
    for (provider, name, claims, expected) in [
        (&other, "social", ana.clone(), None),
        (&idp, "corp", json!({ "email": "ana@example.com", "email_verified": false }), None),
        (&idp, "corp", json!({ "email": "ana@example.com", "email_verified": "true" }), None),
        (&idp, "corp", json!({ "email": "eve@example.com", "email_verified": true }), None),
        (&idp, "corp", ana, Some("ana")),
        // It is linked now, whatever is said of the address.
        (&idp, "corp", json!({}), Some("ana")),
    ] {
        provider.say(claims.clone());
        let mut browser = world.browser();
        let back = sign_in(&mut browser, provider, name);
        assert_eq!(back.status, if expected.is_some() { 303 } else { 403 }, "{claims}: {}", back.body);
        assert_eq!(who(&mut browser).as_deref(), expected, "{claims}");
    }
    // The address may be told at the userinfo endpoint alone (Core §5.4), and only of the same person (§5.3.2).
    idp.say(json!({ "sub": "2" }));
    for (subject, status) in [("another", 502), ("2", 303)] {
        idp.tell(json!({ "sub": subject, "email": "ana@example.com", "email_verified": true }));
        assert_eq!(sign_in(&mut world.browser(), &idp, "corp").status, status, "{subject}");
    }
    let id = world.server.manage("GET", "/v1/users", &Value::Null).json()["data"][0]["id"].clone();
    let path = format!("/v1/owners/{}/disable", id.as_str().unwrap());
    assert_eq!(world.server.manage("POST", &path, &Value::Null).status, 200);
    let mut browser = world.browser();
    let refused = sign_in(&mut browser, &idp, "corp");
    assert_eq!((refused.status, who(&mut browser)), (403, None), "disabled");
}

#[test]
fn oidc_core_3_1_3_7_what_proves_nobody_to_us_signs_nobody_in_and_the_log_says_at_which_check() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true")]);
    let now = provider::now();
    for (claims, check) in [
        (json!({ "iss": "https://evil.example" }), "`iss`"),
        (json!({ "aud": "another" }), "`aud`"),
        (json!({ "aud": [provider::CLIENT, "another"] }), "`aud`"),
        (json!({ "azp": "another" }), "`azp`"),
        (json!({ "nonce": "another" }), "`nonce`"),
        (json!({ "nonce": null }), "`nonce`"),
        (json!({ "exp": now - 120 }), "expired"),
        (json!({ "iat": now + 120 }), "not valid yet"),
        (json!({ "exp": null }), "`exp`"),
        (json!({ "sub": null }), "`sub`"),
    ] {
        idp.say(claims.clone());
        refused(&world, &idp, 502, check);
    }
    idp.say(json!({}));
    for (mode, status, check) in [
        (Mode::Typ("at+jwt"), 502, "`typ`"),
        (Mode::Alg("none"), 502, "algorithm"),
        (Mode::Alg("HS256"), 502, "algorithm"),
        (Mode::ForeignKey, 502, "signature is wrong"),
        (Mode::UnknownKid, 502, "no published key"),
        (Mode::NoToken, 502, "id_token"),
        (Mode::Error, 502, "invalid_grant"),
        (Mode::Status, 502, "500"),
        (Mode::Redirect, 502, "redirect"),
        (Mode::Nonsense, 502, "JSON"),
        (Mode::Megabytes, 502, "larger than"),
        (Mode::Hang, 504, "within its limit"),
        (Mode::Drop, 502, "no whole HTTP answer"),
    ] {
        idp.be(mode);
        refused(&world, &idp, status, check);
    }
    idp.be(Mode::Good);
    assert_eq!(sign_in(&mut world.browser(), &idp, "corp").status, 303, "and it goes on");
}

/// Signs in, and is told that it failed.
#[track_caller]
fn refused(world: &World, idp: &Provider, status: u16, check: &str) {
    let before = world.server.log().len();
    let mut browser = world.browser();
    let told = sign_in(&mut browser, idp, "corp");
    assert_eq!(told.status, status, "{check}: {}", told.body);
    let (_, rest) = told.body.split_once("id=\"reference\">").expect("a reference");
    let reference = rest.split('<').next().unwrap();
    let log = world.server.log();
    let line = log[before..].lines().find(|line| line.contains("failed") && line.contains(reference));
    assert!(line.is_some_and(|line| line.contains(check)), "{check}: {}", &log[before..]);
    assert!(!browser.cookies.contains_key(SESSION), "{check}");
    assert_eq!(who(&mut browser), None);
}

#[test]
fn a_provider_that_is_not_there_or_publishes_lies_sends_nobody_anywhere() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "")]);
    for mode in [Mode::Issuer, Mode::Megabytes, Mode::Hang, Mode::Status] {
        let idp = Provider::start();
        idp.be(mode);
        let world = World::start(&[("corp", &idp, "")]);
        let mut browser = world.browser();
        let page = browser.get("/login");
        let told = browser.fill(&page, "/federation/corp", &[]);
        assert_eq!(told.status, 503, "{mode:?}: {}", told.body);
        assert!(told.body.contains("id=\"reference\""));
    }
    let mut browser = world.browser();
    let page = browser.get("/login");
    assert_eq!(browser.fill(&page, "/federation/nobody", &[]).status, 400);
    let foreign = browser.post("/federation/corp", &[]);
    assert_eq!(foreign.status, 403, "a form of ours is needed");
}

#[test]
fn rfc9700_4_4_an_answer_is_of_the_provider_that_was_asked() {
    let (idp, evil) = (Provider::start(), Provider::start());
    let world =
        World::start(&[("corp", &idp, "create_people = true"), ("evil", &evil, "create_people = true")]);
    for (at, issuer) in [
        // The code of one is brought to the address of the other.
        ("evil", Some(idp.issuer.as_str())),
        ("evil", Some(evil.issuer.as_str())),
        // RFC 9207 §2.4: another `iss`, or none from who promises one.
        ("corp", Some(evil.issuer.as_str())),
        ("corp", Some("")),
        ("corp", None),
    ] {
        let mut browser = world.browser();
        let asked = leave_login(&mut browser, "corp");
        let code = idp.allow(&asked);
        let (before, of_evil) = (idp.redeemed(), evil.redeemed());
        let mut fields = vec![("code", code.as_str()), ("state", &asked["state"])];
        fields.extend(issuer.map(|issuer| ("iss", issuer)));
        let told = come_back(&mut browser, at, &fields);
        assert_eq!(told.status, 400, "{at} {issuer:?}");
        assert_eq!((idp.redeemed(), evil.redeemed()), (before, of_evil), "the code is shown to nobody");
        assert!(who(&mut browser).is_none());
        // The attempt was used.
        let good = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &idp.issuer)];
        assert_eq!(come_back(&mut browser, "corp", &good).status, 400);
    }
}

#[test]
fn rfc9700_4_7_an_answer_is_taken_once_in_the_browser_that_asked() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true")]);
    let mut browser = world.browser();
    let asked = leave_login(&mut browser, "corp");
    let code = idp.allow(&asked);
    let fields = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &idp.issuer)];
    // Login CSRF: somebody else is brought here with it.
    let mut victim = world.browser();
    assert_eq!(come_back(&mut victim, "corp", &fields).status, 400);
    let other = leave_login(&mut victim, "corp");
    let theirs = [("code", code.as_str()), ("state", &other["state"]), ("iss", &idp.issuer)];
    assert_eq!(
        come_back(&mut victim, "corp", &theirs).status,
        502,
        "the verifier is another (RFC 7636 §4.6)"
    );
    assert!(who(&mut victim).is_none());
    for state in ["", "x", &asked["state"][..8], &format!("{}x", asked["state"])] {
        let told =
            come_back(&mut browser, "corp", &[("code", &code), ("state", state), ("iss", &idp.issuer)]);
        assert_eq!(told.status, 400, "{state}");
    }
    // The person says no.
    let mut denied = world.browser();
    let no = leave_login(&mut denied, "corp");
    let fields_of_no = [("error", "access_denied"), ("state", no["state"].as_str()), ("iss", &idp.issuer)];
    assert_eq!(come_back(&mut denied, "corp", &fields_of_no).status, 400);
    // Fixation: the session of before ends, and the next has another name.
    let again = leave_login(&mut browser, "corp");
    let code = idp.allow(&again);
    browser.cookies.insert(SESSION.to_owned(), "cs_signin_fixed".to_owned());
    let fields = [("code", code.as_str()), ("state", &again["state"]), ("iss", &idp.issuer)];
    let kept = browser.clone();
    assert_eq!(come_back(&mut browser, "corp", &fields).status, 303);
    assert_ne!(browser.cookies[SESSION], "cs_signin_fixed");
    let first = browser.clone();
    assert_eq!(sign_in(&mut browser, &idp, "corp").status, 303);
    assert!(who(&mut first.clone()).is_none() && who(&mut browser).is_some());
    // Whoever has kept the cookie, and has a provider that redeems twice, has nothing.
    idp.be(Mode::Sloppy);
    let mut replayed = kept;
    replayed.cookies.remove(SESSION);
    assert_eq!(come_back(&mut replayed, "corp", &fields).status, 400);
    assert!(who(&mut replayed).is_none());
}

#[test]
fn a_browser_keeps_a_few_attempts_and_none_of_another_kind() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true")]);
    let mut browser = world.browser();
    let attempts: Vec<_> = (0..5).map(|_| leave_login(&mut browser, "corp")).collect();
    let kept = browser.cookies.keys().filter(|name| name.contains("federation")).count();
    assert_eq!(kept, 3);
    for (number, asked) in attempts.iter().enumerate().rev() {
        let code = idp.allow(asked);
        let fields = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &idp.issuer)];
        let status = come_back(&mut browser, "corp", &fields).status;
        // Of attempts of the same millisecond, any may be the oldest.
        assert!(number > 2 || status == 400 || status == 303);
        if number == 4 {
            assert_eq!(status, 303, "the newest one");
        }
    }
}

#[test]
fn keys_that_a_provider_rotates_are_fetched_anew() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true")]);
    assert_eq!(sign_in(&mut world.browser(), &idp, "corp").status, 303);
    idp.rotate();
    let fetched = idp.fetched();
    eventually("the new key is known", || sign_in(&mut world.browser(), &idp, "corp").status == 303);
    assert_eq!(idp.fetched(), fetched + 1, "once, whatever strangers send meanwhile");
}

#[test]
fn oidc_core_3_1_2_1_a_client_that_wants_a_fresh_proof_gets_one_from_the_provider_or_nobody() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true")]);
    let client = world.server.manage(
        "POST",
        "/v1/clients",
        &json!({ "name": "app", "grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"],
                 "token_endpoint_auth_method": "none" }),
    );
    let client = client.json()["client_id"].as_str().unwrap_or_else(|| panic!("{client:?}")).to_owned();
    let authorize = |more: &str| {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        format!(
            "/oauth/authorize?client_id={client}&response_type=code&scope=openid&state=s\
             &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_challenge={challenge}&code_challenge_method=S256{more}"
        )
    };
    let now = provider::now();
    for (more, auth_time, sent, status) in [
        ("", None, (None, None), 303),
        ("&prompt=login", None, (Some("login"), Some("0")), 502),
        ("&prompt=login", Some(now - 3600), (Some("login"), Some("0")), 502),
        ("&prompt=login", Some(now), (Some("login"), Some("0")), 303),
        ("&max_age=600", Some(now - 3600), (None, Some("600")), 502),
        ("&max_age=600", Some(now - 60), (None, Some("600")), 303),
        ("&max_age=600", None, (None, Some("600")), 502),
    ] {
        idp.say(auth_time.map_or_else(|| json!({}), |at| json!({ "auth_time": at })));
        let mut browser = world.browser();
        let page = browser.get(&authorize(more));
        let asked = leave(&mut browser, &page, "corp");
        let found = (asked.get("prompt").map(String::as_str), asked.get("max_age").map(String::as_str));
        assert_eq!(found, sent, "{more}");
        let code = idp.allow(&asked);
        let fields = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &idp.issuer)];
        let back = come_back(&mut browser, "corp", &fields);
        assert_eq!(back.status, status, "{more} {auth_time:?}: {}", back.body);
        if status == 303 {
            let location = back.header("location").unwrap();
            assert!(location.starts_with("/oauth/authorize?client_id="), "{location}");
            let asks = browser.get(&location);
            assert!(asks.body.contains("name=\"decision\""), "{}", asks.body);
            // Later: what nobody has dated is never fresh.
            let later = browser.get(&authorize("&max_age=86400"));
            let is_asked_again = later.body.contains("id=\"password\"");
            assert_eq!(is_asked_again, auth_time.is_none(), "{more}");
        }
    }
}

#[test]
fn providers_come_and_go_by_a_reload() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "")]);
    let settings = std::fs::read_to_string(world.place.path("countersign.toml")).unwrap();
    let (kept, _) = settings.split_once("[[identity_provider]]").unwrap();
    world.place.write("countersign.toml", kept);
    let reload = || world.server.manage("POST", "/v1/reload", &Value::Null);
    assert_eq!(reload().status, 200);
    assert!(!world.browser().get("/login").body.contains("with-corp"));
    world.place.write("countersign.toml", &settings.replace("client_id", "client_ident"));
    let told = reload();
    assert_eq!(told.status, 409, "{told:?}");
    assert!(told.body.contains("did you mean `identity_provider[].client_id`"), "{}", told.body);
    world.place.write("countersign.toml", &settings.replace("\"corp\"", "\"corp2\""));
    assert_eq!(reload().status, 200);
    assert!(world.browser().get("/login").body.contains("with-corp2"));
}

#[test]
fn github_signs_people_in_by_their_number_and_their_verified_primary_address() {
    let github = Provider::start();
    let world =
        World::start(&[("github", &github, "kind = \"github\"\ntrust_email = true\ncreate_people = true")]);
    world.person("ana", "ana@example.com");
    let emails = |verified: bool| {
        json!([{ "email": "public@example.com", "primary": false, "verified": true, "visibility": "public" },
               { "email": "ana@example.com", "primary": true, "verified": verified, "visibility": null }])
    };
    let user =
        |id: u64, login: &str| json!({ "id": id, "login": login, "name": "Ana", "email": "ana@example.com" });
    for (id, login, verified, expected) in [
        // The public address of the profile proves nothing.
        (1, "octocat", false, "github.octocat"),
        (2, "ana", true, "ana"),
        // Renamed, and without the address: it is the number that counts.
        (2, "anna", false, "ana"),
        // Somebody else has taken the login that was given up.
        (3, "octocat", false, "github."),
    ] {
        github.say(user(id, login));
        github.tell(emails(verified));
        let mut browser = world.browser();
        let asked = leave_login(&mut browser, "github");
        assert_eq!(asked["scope"], "read:user user:email");
        let code = github.allow(&asked);
        let back = come_back(&mut browser, "github", &[("code", &code), ("state", &asked["state"])]);
        assert_eq!(back.status, 303, "{login}: {}", back.body);
        let found = who(&mut browser).unwrap();
        let is_expected =
            if expected.ends_with('.') { found.starts_with(expected) } else { found == expected };
        assert!(is_expected && (id != 3 || found != "github.octocat"), "{login}: {found}");
    }
    // What GitHub answers with 200 and is an error, and what is no user.
    let mut browser = world.browser();
    let asked = leave_login(&mut browser, "github");
    let told = come_back(&mut browser, "github", &[("code", "made-up"), ("state", &asked["state"])]);
    assert_eq!(told.status, 502);
    assert!(world.server.log().contains("bad_verification_code"));
    github.say(json!({ "login": "octocat" }));
    let asked = leave_login(&mut browser, "github");
    let code = github.allow(&asked);
    let told = come_back(&mut browser, "github", &[("code", &code), ("state", &asked["state"])]);
    assert_eq!((told.status, who(&mut browser)), (502, None));
}

#[test]
fn asvs_7_5_1_a_page_that_wants_a_recent_sign_in_asks_the_provider_for_one() {
    let idp = Provider::start();
    let world = World::start(&[("corp", &idp, "create_people = true")]);
    let mut browser = world.browser();
    idp.say(json!({ "auth_time": provider::now() - 3600 }));
    assert_eq!(sign_in(&mut browser, &idp, "corp").status, 303);
    assert!(who(&mut browser).is_some(), "whoever looks need not have signed in lately");
    let page = browser.get("/account/identities");
    for (auth_time, status) in [(provider::now() - 3600, 502), (provider::now() - 60, 303)] {
        idp.say(json!({ "auth_time": auth_time }));
        let asked = leave(&mut browser, &page, "corp");
        assert_eq!(asked["max_age"], "900");
        let code = idp.allow(&asked);
        let fields = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &idp.issuer)];
        let back = come_back(&mut browser, "corp", &fields);
        assert_eq!(back.status, status, "{back:?}");
    }
    assert!(browser.get("/account/identities").body.contains("id=\"identities\""));
}
