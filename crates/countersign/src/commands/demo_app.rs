//! `countersign demo third-party-app`: a person lets an app act for them by authorization code and PKCE, and then somebody
//! tries to break in.

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::base62;
use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::client::Connection;
use crate::commands::demo::{Story, text};
use crate::commands::demo_person::{Person, Shown};
use crate::system::SystemEntropy;

const CALLBACK: &str = "https://app.example/cb";
const SCOPE: &str = "openid orders:read offline_access";

/// An app: public, so that PKCE alone proves who asked.
struct App {
    id: String,
    verifier: String,
}

impl App {
    async fn register(story: &Story, provider: &Connection, name: &str) -> Result<Self> {
        let asked = json!({ "name": name, "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [CALLBACK], "scopes": ["orders:read"], "token_endpoint_auth_method": "none" });
        let made = story.manage(provider, Method::POST, "/v1/clients", Some(&asked)).await?;
        Ok(Self { id: text(&made, "client_id")?, verifier: base62::random(&mut SystemEntropy, 43) })
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }

    /// Where the app sends the browser.
    fn request(&self, redirect_uri: &str, challenge: Option<&str>) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", SCOPE)
            .append_pair("state", "xyz");
        if let Some(challenge) = challenge {
            query.append_pair("code_challenge", challenge).append_pair("code_challenge_method", "S256");
        }
        format!("/oauth/authorize?{}", query.finish())
    }

    /// What the app sends for a code.
    fn redeeming(&self, code: &str, verifier: &str) -> String {
        Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("client_id", &self.id)
            .append_pair("code", code)
            .append_pair("code_verifier", verifier)
            .append_pair("redirect_uri", CALLBACK)
            .finish()
    }

    fn refreshing(&self, token: &str) -> String {
        format!("grant_type=refresh_token&client_id={}&refresh_token={token}", self.id)
    }

    /// Asks the person's browser for a code; they have allowed it before, or do now.
    async fn code(&self, ana: &mut Person) -> Result<String> {
        let page = ana.open(&self.request(CALLBACK, Some(&self.challenge()))).await?;
        let page = if page.has("id=\"allow\"") { allow(ana, &page).await? } else { page };
        Ok(page.told("code"))
    }
}

async fn allow(ana: &mut Person, page: &Shown) -> Result<Shown> {
    let ticked = [("scope", "openid"), ("scope", "orders:read"), ("scope", "offline_access")];
    let fields: Vec<_> = ticked.into_iter().chain([("decision", "allow")]).collect();
    ana.fill(page, "/consent", &fields).await
}

/// A token whose signature is another one's.
pub(crate) fn altered(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    // One character, so that it is well formed still.
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", signature.chars().skip(1).collect::<String>())
}

const TOKEN: &str = "/oauth/token";
const BURNT: (u16, &str) = (400, "invalid_grant");

pub(crate) async fn play(story: &mut Story, provider: &Connection, issuer: &str) -> Result<()> {
    story.scene("The provider enters a person, and registers an app of somebody else")?;
    let password = base62::random(&mut SystemEntropy, 20);
    let person = story.person(provider, "ana", &password).await?;
    let app = App::register(story, provider, "Order Book").await?;

    story.scene(
        "The app sends Ana's browser to the issuer; she signs in, sees what it asks for, and allows it",
    )?;
    let mut ana = Person::at(issuer);
    let page = ana.open(&app.request(CALLBACK, Some(&app.challenge()))).await?;
    story.check("she is asked to sign in", page.status == 200 && page.has("id=\"sign-in\""))?;
    let page = ana.sign_in(&page, ("ana", &password)).await?;
    story.check("she is shown who asks, and for what", page.has("Order Book") && page.has("orders:read"))?;
    let sent = allow(&mut ana, &page).await?;
    let came_back = sent.location.starts_with(CALLBACK) && sent.told("state") == "xyz";
    story
        .check("the browser goes back to the app, with a code", came_back && !sent.told("code").is_empty())?;
    story.check("and with who it comes from", sent.told("iss") == issuer)?;

    story.scene("The app obtains tokens, calls the API, and renews them")?;
    let code = sent.told("code");
    let tokens = story.post(TOKEN, "for the code", &app.redeeming(&code, &app.verifier), (200, "")).await?;
    let token = text(&tokens, "access_token")?;
    let answer = story.call("for Ana", "/orders/42", Some(&token), 200, "").await?;
    let seen = answer.pointer("/headers/countersign-subject");
    story.check("the upstream sees for whom it is called", seen == Some(&json!(person)))?;
    let refresh = text(&tokens, "refresh_token")?;
    let renewed = story.post(TOKEN, "for the refresh token", &app.refreshing(&refresh), (200, "")).await?;
    let token = text(&renewed, "access_token")?;
    story.call("with the new token", "/orders/42", Some(&token), 200, "").await?;

    story.scene("Now somebody tries to break in")?;
    let rival = App::register(story, provider, "Rival").await?;
    break_in(story, &mut ana, (&app, &rival)).await?;
    replays(story, &mut ana, &app, (&refresh, &token)).await?;

    story.scene("Ana takes back what she allowed, and then her account is disabled")?;
    ends(story, provider, &mut ana, (&app, &person)).await
}

async fn break_in(story: &mut Story, ana: &mut Person, (app, rival): (&App, &App)) -> Result<()> {
    let elsewhere =
        ana.open(&app.request("https://app.example.evil.test/cb", Some(&app.challenge()))).await?;
    let stays = elsewhere.status == 400 && elsewhere.location.is_empty();
    story.check("a redirect to another host leads nowhere", stays)?;
    let downgraded = ana.open(&app.request(CALLBACK, None)).await?;
    story.check("a request without PKCE gets no code", downgraded.told("error") == "invalid_request")?;
    let page = ana.open(&rival.request(CALLBACK, Some(&rival.challenge()))).await?;
    story.check("another app is asked about anew", page.has("id=\"allow\""))?;
    let mut stranger = Person::at(story.issuer());
    let forged = stranger.fill(&page, "/consent", &[("decision", "allow")]).await?;
    story.check("nobody allows it for her", forged.status == 403)?;
    let code = app.code(ana).await?;
    story.post(TOKEN, "with a stolen code", &rival.redeeming(&code, &app.verifier), BURNT).await?;
    let code = app.code(ana).await?;
    let guessed = base62::random(&mut SystemEntropy, 43);
    story.post(TOKEN, "with a guessed verifier", &app.redeeming(&code, &guessed), BURNT).await?;
    story.post(TOKEN, "and then the right one", &app.redeeming(&code, &app.verifier), BURNT).await?;
    let password = "grant_type=password&username=ana&password=x";
    let password = format!("{password}&client_id={}", app.id);
    story.post(TOKEN, "by a password", &password, (400, "unsupported_grant_type")).await?;
    Ok(())
}

async fn replays(story: &mut Story, ana: &mut Person, app: &App, (used, token): (&str, &str)) -> Result<()> {
    story.call("beyond what was allowed", "/refunds/42", Some(token), 403, "insufficient_scope").await?;
    story.call("altered", "/orders/42", Some(&altered(token)), 401, "invalid_token").await?;
    story.post(TOKEN, "with a refresh token that was used", &app.refreshing(used), BURNT).await?;
    story.call("which ends all that came of it", "/orders/42", Some(token), 401, "invalid_token").await?;
    let code = app.code(ana).await?;
    let tokens = story.post(TOKEN, "for a new code", &app.redeeming(&code, &app.verifier), (200, "")).await?;
    let token = text(&tokens, "access_token")?;
    story.post(TOKEN, "with the code once more", &app.redeeming(&code, &app.verifier), BURNT).await?;
    story.call("which ends it too", "/orders/42", Some(&token), 401, "invalid_token").await?;
    Ok(())
}

async fn ends(
    story: &mut Story,
    provider: &Connection,
    ana: &mut Person,
    (app, person): (&App, &str),
) -> Result<()> {
    let code = app.code(ana).await?;
    let tokens = story.post(TOKEN, "for a new code", &app.redeeming(&code, &app.verifier), (200, "")).await?;
    let token = text(&tokens, "access_token")?;
    story.call("it is good", "/orders/42", Some(&token), 200, "").await?;
    let grants = story.manage(provider, Method::GET, "/v1/grants", None).await?;
    let of_app = |grant: &&Value| grant.get("client") == Some(&json!(app.id));
    let grants = grants.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    let grant = text(grants.iter().find(of_app).unwrap_or(&Value::Null), "id")?;
    story.manage(provider, Method::POST, &format!("/v1/grants/{grant}/revoke"), None).await?;
    story.call("the very next request", "/orders/42", Some(&token), 401, "invalid_token").await?;
    let refresh = text(&tokens, "refresh_token")?;
    story.post(TOKEN, "and no renewal", &app.refreshing(&refresh), BURNT).await?;
    let (code, unused) = (app.code(ana).await?, app.code(ana).await?);
    let tokens =
        story.post(TOKEN, "allowed once more", &app.redeeming(&code, &app.verifier), (200, "")).await?;
    let token = text(&tokens, "access_token")?;
    story.manage(provider, Method::POST, &format!("/v1/users/{person}/disable"), None).await?;
    story.call("once Ana is disabled", "/orders/42", Some(&token), 401, "invalid_token").await?;
    story.post(TOKEN, "with a code from before", &app.redeeming(&unused, &app.verifier), BURNT).await?;
    Ok(())
}
