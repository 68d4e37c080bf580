//! `countersign demo first-party-web`: a person signs in to the provider's own web app, whose browser keeps one cookie that no
//! script reads, and then somebody tries to break in.

use anyhow::Result;
use countersign_core::base62;
use http::Method;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::commands::demo::Story;
use crate::commands::demo_app::altered;
use crate::commands::demo_person::{Person, Shown};
use crate::system::SystemEntropy;

pub(crate) const SETTINGS: &str = r#"
[[route]]
name = "api"
path = "/api/{**}"
upstream = "default"
require = { any = [ { session = { client = "web", token = "jwt" } }, { access_token = {} } ] }

[[route]]
name = "back office"
path = "/office/{**}"
upstream = "default"
require = { session = { client = "office" } }

[[route]]
name = "web"
path = "/{**}"
upstream = "default"
require = { session = { client = "web", token = "jwt" } }
"#;

const COOKIE: &str = "__Host-countersign-app-web";
const SCRIPT: &[(&str, &str)] = &[("accept", "application/json"), ("sec-fetch-site", "same-origin")];
const ELSEWHERE: &[(&str, &str)] = &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];

/// Two tabs of one browser: the web app's host, and the issuer's, whose cookies it keeps apart.
struct Browser {
    app: Person,
    issuer: Person,
}

impl Browser {
    fn of(story: &Story) -> Self {
        Self { app: Person::at(story.gateway()), issuer: Person::at(story.issuer()) }
    }

    /// Goes to a page of the web app, as far as the issuer.
    async fn begin(&mut self, story: &Story, path: &str) -> Result<Shown> {
        let sent = self.app.open(path).await?;
        self.go_on(story, &sent.location).await
    }

    /// Goes from the page that asks for a sign-in to the issuer.
    async fn go_on(&mut self, story: &Story, login: &str) -> Result<Shown> {
        let sent = self.app.open(login).await?;
        self.issuer.open(below(story.issuer(), &sent.location)).await
    }

    /// Signs in there; where the browser is sent back to.
    async fn sign_in(&mut self, story: &Story, page: &Shown, who: (&str, &str)) -> Result<String> {
        let sent = self.issuer.sign_in(page, who).await?;
        Ok(below(story.gateway(), &sent.location).to_owned())
    }

    fn session(&self) -> String {
        self.app.cookie(COOKIE).unwrap_or_default().to_owned()
    }
}

fn below<'u>(origin: &str, url: &'u str) -> &'u str {
    url.strip_prefix(origin).unwrap_or(url)
}

pub(crate) async fn play(story: &mut Story, provider: &Connection, _: &str) -> Result<()> {
    story.scene("The provider enters a person; the web app is registered by the route that names it")?;
    let password = base62::random(&mut SystemEntropy, 20);
    let person = story.person(provider, "ana", &password).await?;

    story.scene("Ana opens a page, signs in at the issuer, and is back where she wanted to go")?;
    let mut ana = Browser::of(story);
    let page = ana.begin(story, "/orders?page=2").await?;
    story.check("she is asked to sign in", page.status == 200 && page.has("id=\"sign-in\""))?;
    let back = ana.sign_in(story, &page, ("ana", &password)).await?;
    let home = ana.app.open(&back).await?;
    story.check("she goes on to the page that she wanted", home.location == "/orders?page=2")?;
    check_cookie(story, &home)?;
    let shown = ana.app.open("/orders?page=2").await?;
    story.check("the upstream is told who she is", shown.status == 200 && shown.has(&person))?;
    story.check("and no cookie of ours", !shown.has("__Host-"))?;

    story.scene("A script of the page calls the API, and asks who is signed in")?;
    let called = ana.app.call(Method::POST, "/api/orders", SCRIPT).await?;
    told(story, "POST /api/orders", "from a page of the same origin", &called, 200)?;
    let who = ana.app.call(Method::GET, "/.countersign/session?client=web", SCRIPT).await?;
    let told_name = serde_json::from_str::<Value>(&who.page).unwrap_or_default();
    story.check("the front end is told who", told_name.get("username") == Some(&json!("ana")))?;
    let nobody = Browser::of(story).app.call(Method::GET, "/api/orders", SCRIPT).await?;
    told(story, "GET /api/orders", "without a session: told, not sent elsewhere", &nobody, 401)?;

    story.scene("Now somebody tries to break in")?;
    break_in(story, &mut ana).await?;
    fixation(story, (&mut ana, &back), &password).await?;

    story.scene("Ana signs out, and then her account is disabled")?;
    ends(story, provider, &mut ana, (&person, &password)).await
}

fn check_cookie(story: &mut Story, home: &Shown) -> Result<()> {
    let field = home.kept.iter().find(|field| field.starts_with(COOKIE)).cloned().unwrap_or_default();
    let has = |what: &str| field.contains(what);
    let kept = has("HttpOnly") && has("Secure") && has("SameSite=Lax") && has("Path=/") && !has("Domain");
    story.check("her browser keeps one cookie that no script reads", kept)?;
    story.check("of less than 4096 bytes", field.len() < 4096)
}

fn told(story: &mut Story, request: &str, what: &str, shown: &Shown, status: u16) -> Result<()> {
    story.told(request, what, (shown.status, ""), shown.status == status)
}

async fn break_in(story: &mut Story, ana: &mut Browser) -> Result<()> {
    let forged = ana.app.call(Method::POST, "/api/orders", ELSEWHERE).await?;
    told(story, "POST /api/orders", "from another site", &forged, 403)?;
    let silent = ana.app.call(Method::POST, "/api/orders", &[]).await?;
    told(story, "POST /api/orders", "without a word whence", &silent, 403)?;
    let out = ana.app.call(Method::POST, "/.countersign/logout", ELSEWHERE).await?;
    told(story, "POST /.countersign/logout", "from another site", &out, 403)?;
    let session = ana.session();
    let mut thief = Browser::of(story);
    thief.app.put(COOKIE, &altered(&session));
    let changed = thief.app.call(Method::GET, "/api/orders", SCRIPT).await?;
    told(story, "GET /api/orders", "with an altered cookie", &changed, 401)?;
    story.call("with the cookie as a token", "/api/orders", Some(&session), 401, "invalid_token").await?;
    let mut office = Browser::of(story);
    office.app.put("__Host-countersign-app-office", &session);
    let other = office.app.call(Method::GET, "/office/", SCRIPT).await?;
    story.check("with the cookie at another web app", other.status == 401 || other.status == 403)?;
    let away = ana.app.open("/.countersign/login?client=web&return_to=%2F%2Fevil.example").await?;
    story.check("a link that leads away leads to the issuer", away.location.starts_with(story.issuer()))
}

/// Login CSRF and session fixation: what comes back is taken by the browser that was sent.
async fn fixation(story: &mut Story, (ana, used): (&mut Browser, &str), password: &str) -> Result<()> {
    let mut mallory = Browser::of(story);
    let page = mallory.begin(story, "/").await?;
    let back = mallory.sign_in(story, &page, ("ana", password)).await?;
    let before = ana.session();
    let planted = ana.app.open(&back).await?;
    story.check("what another browser was sent back with signs nobody in", planted.status == 400)?;
    story.check("and nobody out", ana.session() == before)?;
    let replayed = ana.app.open(used).await?;
    story.check("what was used is used", replayed.status == 400)?;
    let mut fixed = Browser::of(story);
    fixed.app.put(COOKIE, &before);
    let page = fixed.go_on(story, "/.countersign/login?client=web").await?;
    if page.has("id=\"sign-in\"") {
        let back = fixed.sign_in(story, &page, ("ana", password)).await?;
        fixed.app.open(&back).await?;
    }
    story.check("whoever signs in gets a session that nobody has seen", fixed.session() != before)?;
    let gone = ana.app.call(Method::GET, "/api/orders", SCRIPT).await?;
    told(story, "GET /api/orders", "with the one that was planted", &gone, 401)
}

async fn ends(
    story: &mut Story,
    provider: &Connection,
    ana: &mut Browser,
    (person, password): (&str, &str),
) -> Result<()> {
    for (what, is_disabled) in [("after she has signed out", false), ("once she is disabled", true)] {
        let page = ana.begin(story, "/orders").await?;
        let back = match page.has("id=\"sign-in\"") {
            true => ana.sign_in(story, &page, ("ana", password)).await?,
            false => below(story.gateway(), &page.location).to_owned(),
        };
        ana.app.open(&back).await?;
        let session = ana.session();
        let good = ana.app.call(Method::GET, "/api/orders", SCRIPT).await?;
        told(story, "GET /api/orders", "signed in", &good, 200)?;
        if is_disabled {
            story.manage(provider, Method::POST, &format!("/v1/users/{person}/disable"), None).await?;
        } else {
            let out = ana.app.call(Method::POST, "/.countersign/logout", SCRIPT).await?;
            told(story, "POST /.countersign/logout", "of her own page", &out, 204)?;
        }
        let mut thief = Browser::of(story);
        thief.app.put(COOKIE, &session);
        let stolen = thief.app.call(Method::GET, "/api/orders", SCRIPT).await?;
        told(story, "GET /api/orders", &format!("with her cookie, {what}"), &stolen, 401)?;
    }
    Ok(())
}
