//! `countersign demo cli`: a person lets a tool without a browser act for them (RFC 8628), and then somebody tries to break in.

use anyhow::Result;
use countersign_core::base62;
use countersign_core::client::COMMAND_LINE;
use http::Method;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::commands::demo::{Story, text};
use crate::commands::demo_app::altered;
use crate::commands::demo_person::{Person, Shown};
use crate::system::SystemEntropy;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const TOKEN: &str = "/oauth/token";
const BURNT: (u16, &str) = (400, "invalid_grant");
const PENDING: (u16, &str) = (400, "authorization_pending");

/// What a tool was told when it asked.
struct Asked {
    device_code: String,
    page: String,
}

impl Asked {
    async fn begin(story: &mut Story, what: &str) -> Result<Self> {
        let form = format!("client_id={COMMAND_LINE}&scope=openid+orders:read+offline_access");
        let begun = story.post("/oauth/device_authorization", what, &form, (200, "")).await?;
        let page = text(&begun, "verification_uri_complete")?;
        let page = page.strip_prefix(story.issuer()).unwrap_or_default().to_owned();
        Ok(Self { device_code: text(&begun, "device_code")?, page })
    }

    fn polling(&self, client: &str) -> String {
        format!("grant_type={GRANT}&client_id={client}&device_code={}", self.device_code)
    }

    /// Asks for tokens; what was answered is `expected`.
    async fn poll(&self, story: &mut Story, what: &str, expected: (u16, &str)) -> Result<Value> {
        story.post(TOKEN, what, &self.polling(COMMAND_LINE), expected).await
    }
}

async fn decide(ana: &mut Person, page: &Shown, decision: &str) -> Result<Shown> {
    let ticked = [("scope", "openid"), ("scope", "orders:read"), ("scope", "offline_access")];
    let fields: Vec<_> = ticked.into_iter().chain([("decision", decision)]).collect();
    ana.fill(page, "/device", &fields).await
}

pub(crate) async fn play(story: &mut Story, provider: &Connection, issuer: &str) -> Result<()> {
    story.scene("The provider enters a person; the client of the command line is there already")?;
    let password = base62::random(&mut SystemEntropy, 20);
    let person = story.person(provider, "ana", &password).await?;
    let path = format!("/v1/clients/{COMMAND_LINE}");
    story.manage(provider, Method::PATCH, &path, Some(&json!({ "scopes": ["orders:read"] }))).await?;

    story.scene("A tool asks, and shows Ana a code; she signs in at her own browser, and allows it")?;
    let asked = Asked::begin(story, "the tool asks").await?;
    asked.poll(story, "nobody has decided", PENDING).await?;
    let mut ana = Person::at(issuer);
    let page = ana.open(&asked.page).await?;
    let silent = page.has("id=\"sign-in\"") && !page.has("Countersign command line");
    story.check("she is asked to sign in before she is shown anything", silent)?;
    let page = ana.sign_in(&page, ("ana", &password)).await?;
    let shown = page.has("Countersign command line") && page.has("127.0.0.1") && page.has("orders:read");
    story.check("she is shown what asks, from where, and for what", shown)?;
    asked.poll(story, "looking decides nothing, and this is too often", (400, "slow_down")).await?;
    story.check("she allows it", decide(&mut ana, &page, "allow").await?.status == 200)?;

    story.scene("The tool obtains tokens, calls the API, and renews them")?;
    let tokens = asked.poll(story, "for the device code", (200, "")).await?;
    let answer = story.call("for Ana", "/orders/42", Some(&text(&tokens, "access_token")?), 200, "").await?;
    let seen = answer.pointer("/headers/countersign-subject");
    story.check("the upstream sees for whom it is called", seen == Some(&json!(person)))?;
    let refresh = text(&tokens, "refresh_token")?;
    let renewing = format!("grant_type=refresh_token&client_id={COMMAND_LINE}&refresh_token={refresh}");
    let renewed = story.post(TOKEN, "for the refresh token", &renewing, (200, "")).await?;
    let token = text(&renewed, "access_token")?;
    story.call("with the new token", "/orders/42", Some(&token), 200, "").await?;

    story.scene("Now somebody tries to break in")?;
    story.call("beyond what was allowed", "/refunds/42", Some(&token), 403, "insufficient_scope").await?;
    story.call("altered", "/orders/42", Some(&altered(&token)), 401, "invalid_token").await?;
    asked.poll(story, "with the device code once more", BURNT).await?;
    story.call("which ends all that came of it", "/orders/42", Some(&token), 401, "invalid_token").await?;
    break_in(story, provider, &mut ana).await?;

    story.scene("Ana's account is disabled between her word and the tokens")?;
    let asked = Asked::begin(story, "the tool asks again").await?;
    let page = ana.open(&asked.page).await?;
    story.check("she allows it", decide(&mut ana, &page, "allow").await?.status == 200)?;
    story.manage(provider, Method::POST, &format!("/v1/users/{person}/disable"), None).await?;
    asked.poll(story, "and gets nothing", (400, "access_denied")).await?;
    Ok(())
}

async fn break_in(story: &mut Story, provider: &Connection, ana: &mut Person) -> Result<()> {
    let asked = Asked::begin(story, "a stranger asks, and sends Ana the code").await?;
    let page = ana.open(&asked.page).await?;
    story.check("opening the link connects nothing", page.has("id=\"deny\""))?;
    let mut stranger = Person::at(story.issuer());
    let forged = decide(&mut stranger, &page, "allow").await?;
    story.check("nobody allows it for her", forged.status == 403)?;
    asked.poll(story, "the stranger waits", PENDING).await?;
    story.check("she says no", decide(ana, &page, "deny").await?.status == 200)?;
    asked.poll(story, "and gets nothing", (400, "access_denied")).await?;
    story.check("nobody changes that", decide(ana, &page, "allow").await?.status == 400)?;
    let guessed = ana.open("/device?user_code=BCDF-GHJK").await?;
    story.check("a guessed code shows nothing", guessed.status == 400 && !guessed.has("id=\"allow\""))?;
    let body = json!({ "name": "Rival", "grant_types": [GRANT], "token_endpoint_auth_method": "none" });
    let rival = story.manage(provider, Method::POST, "/v1/clients", Some(&body)).await?;
    let asked = Asked::begin(story, "the tool asks again").await?;
    let stolen = asked.polling(&text(&rival, "client_id")?);
    story.post(TOKEN, "another client polls with its code", &stolen, BURNT).await?;
    asked.poll(story, "the code is burnt", (400, "access_denied")).await?;
    Ok(())
}
